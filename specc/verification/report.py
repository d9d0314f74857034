"""What a verification found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from specc.backends.fold import Accounting
from specc.diagnostics.diagnostic import Diagnostic
from specc.records import fresh, record
from specc.verification.findings import finite

if TYPE_CHECKING:
    from specc.backends.native.precision import Lowered, Precision
    from specc.inference.samples import Samples
    from specc.verification.compared import Compared
    from specc.verification.lowered import LowOutcome
    from specc.verification.quantized import QuantizedReport
    from specc.verification.tolerance import Bounds, Rounding


@record
class Run:
    """One set of inputs through Keras and onnxruntime, for one output."""

    case: str
    weights: str
    """"own" or "randomised"."""
    output: str
    max_abs_error: float
    """The largest difference between onnxruntime and Keras in float32."""
    max_rel_error: float
    """The same, divided by the largest absolute value of the output."""
    allowed: float
    """The largest absolute difference that rounding explains."""
    keras_noise: float
    """The largest difference between Keras in float32 and in float64."""
    rows: int
    """Rows that have an arg-max; none where the output is one number wide."""
    rows_agreeing: int
    """Rows whose arg-max is the same, or whose first two values are too close to tell."""

    @property
    def ok(self) -> bool:
        return self.max_abs_error <= self.allowed and self.rows == self.rows_agreeing


@record
class LayerReport:
    """A layer's parameters in the file, and the place it comes from."""

    name: str
    kind: str
    line: int
    keras_params: int
    onnx_params: int
    account: str


@record
class LayerCheck:
    """A layer of the file by itself, fed with what Keras gives it."""

    name: str
    line: int
    together: list[str]
    """The layers that the file computes in one with it."""
    max_abs_error: float
    """The largest difference to the layer in float64; NaN where onnxruntime does not run it."""
    allowed: float
    keras_error: float
    """The same for Keras in float32."""
    scale: float
    """The largest absolute value of its output."""

    @property
    def ok(self) -> bool:
        return self.max_abs_error <= self.allowed


@record
class LowReport:
    """What became of a model in a lower precision."""

    precision: Precision
    lowered: Lowered
    outcome: LowOutcome
    accuracy: tuple[float, float] | None = None
    """Before and after, where there are samples with labels."""

    def as_json(self) -> dict[str, Any]:
        outcome = self.outcome
        return {
            **self.precision._asdict(),
            "nodes": self.lowered.nodes,
            "casts": self.lowered.casts,
            "in_float32": self.lowered.kept,
            "parameters_in_float32": self.lowered.beyond,
            "ran": outcome.ran,
            "rounded_in_float32": outcome.rounded,
            "accuracy": self.accuracy,
            "samples": outcome.samples,
            "beyond_range": outcome.beyond,
            "first_beyond_range": outcome.first_beyond,
            "runs": [run_as_json(run) for run in outcome.runs],
        }


def run_as_json(run: Run) -> dict[str, Any]:
    return {key: finite(value) for key, value in vars(run).items()}


@record
class BackendReport:
    """What came of a model on one backend, beside the same model in float64."""

    backend: str
    """As `--backends` has it."""
    name: str
    """With its version, and the device that it ran on."""
    ran: bool
    status: str
    """"agrees", "differs", or why it was not run."""
    runs: list[Compared] = fresh(default_factory=list["Compared"])
    """One for each set of inputs and output."""
    on_given: list[Compared] = fresh(default_factory=list["Compared"])
    """Those of them that were given and not drawn."""
    accuracy: float | None = None
    """The share of the samples given that is right, where they have labels."""

    @property
    def ok(self) -> bool:
        """Also where it was not run: nothing is known against it."""
        return all(run.ok for run in self.runs)

    @property
    def max_abs_error(self) -> float:
        return largest([run.error for run in self.runs])

    @property
    def max_rel_error(self) -> float:
        return largest([run.relative for run in self.runs])

    @property
    def max_ulp_error(self) -> float:
        return largest([run.ulps for run in self.runs])

    @property
    def keras_rel_error(self) -> float:
        """The largest error of Keras's own float32 for the same, relative to the output."""
        return largest([run.keras_relative for run in self.runs])

    def as_json(self) -> dict[str, Any]:
        about = {"backend": self.backend, "name": self.name, "ran": self.ran, "ok": self.ok}
        if not self.ran:
            return {**about, "status": self.status}
        rows = sum(run.rows for run in self.runs)
        return {
            **about,
            "status": self.status,
            "runs": len(self.runs),
            "max_abs_error": finite(self.max_abs_error),
            "max_rel_error": finite(self.max_rel_error),
            "max_ulp_error": finite(self.max_ulp_error),
            "keras_rel_error": finite(self.keras_rel_error),
            "closest": finite(largest([run.error / run.allowed for run in self.runs])),
            "rows": rows,
            "rows_agreeing": sum(run.rows_agreeing for run in self.runs),
            "accuracy": self.accuracy,
            "given_rows": sum(run.rows for run in self.on_given),
            "given_rows_agreeing": sum(run.rows_agreeing for run in self.on_given),
        }


@record
class Tolerance:
    """How it was decided how far outputs may be apart."""

    rounding: Rounding
    tf32: bool
    """Whether products of the file may have taken TF32's factors."""
    bounds: Bounds | None = None
    """Set by hand, in the place of what rounding explains."""

    def as_json(self) -> dict[str, Any]:
        """`rtol` and `atol` are null where rounding decides."""
        return {
            "rtol": self.bounds.rtol if self.bounds else None,
            "atol": self.bounds.atol if self.bounds else None,
            "steps": self.rounding.steps,
            "sigmoids": self.rounding.gates,
            "tf32": self.tf32,
        }


@record
class Report:
    """The outcome of a verification."""

    model: str
    provider: str
    """Where onnxruntime really ran."""
    runs: list[Run]
    undefined: int
    """Comparisons that could not be made: Keras itself gives NaN for these inputs."""
    params: Accounting
    layers: list[LayerReport]
    tolerance: Tolerance
    diagnostics: list[Diagnostic] = fresh(default_factory=list[Diagnostic])
    """What is wrong, the layer at fault first."""
    lower: LowReport | None = None
    """Of a file of lower precision; `runs` are those of its twin in float32 then."""
    quantized: QuantizedReport | None = None
    """Of a file with weights in 8 bits; `runs` are those of the model it was made of then."""
    backends: list[BackendReport] = fresh(default_factory=list[BackendReport])
    """The model on other backends too, where that was asked for."""
    checks: list[LayerCheck] = fresh(default_factory=list[LayerCheck])
    """Each layer by itself, where that was asked for and the file says where they are."""
    given: Samples | None = None
    """What was run besides drawn inputs."""
    accuracy: tuple[float, float] | None = None
    """Of Keras and of the file, where samples with labels were given."""
    warnings: list[Diagnostic] = fresh(default_factory=list[Diagnostic])
    """What is as Keras has it, and yet hardly meant."""

    @property
    def ok(self) -> bool:
        return not self.diagnostics

    @property
    def max_abs_error(self) -> float:
        """The largest difference to Keras over all runs; NaN where any value is NaN."""
        return largest([run.max_abs_error for run in self.runs])

    @property
    def max_rel_error(self) -> float:
        """The same relative to the largest absolute value of each output."""
        return largest([run.max_rel_error for run in self.runs])

    @property
    def closest_call(self) -> Run | None:
        """The run that came nearest to what is allowed, or went furthest beyond."""
        return closest_of(self.runs)

    @property
    def sources(self) -> dict[str, str]:
        """The texts that its diagnostics point to, by name."""
        found = [d.primary.span.source for d in (*self.diagnostics, *self.warnings)]
        return {source.name: source.text for source in found}

    def as_json(self) -> dict[str, Any]:
        """The report as JSON-serialisable data."""
        from specc.diagnostics.as_json import diagnostic_as_json

        account = self.params
        return {
            "kind": "spec",
            "ok": self.ok,
            "model": self.model,
            "provider": self.provider,
            "undefined": self.undefined,
            "max_abs_error": finite(self.max_abs_error),
            "max_rel_error": finite(self.max_rel_error),
            "runs": [run_as_json(run) for run in self.runs],
            "tolerance": self.tolerance.as_json(),
            "given": _given_as_json(self.given) if self.given else None,
            "accuracy": self.accuracy,
            **({"lower": self.lower.as_json()} if self.lower else {}),
            **({"quantized": self.quantized.as_json()} if self.quantized else {}),
            "params": {
                "keras": account.keras_total,
                "kept": account.kept,
                "folded_from": account.folded_from,
                "folded_into": account.folded_into,
                "dropped": account.dropped,
                "copies": account.copies,
                "onnx": account.onnx_total,
                "constants": account.constants,
                "closes": account.closes,
                "variables": [
                    {
                        "variable": p.variable.path,
                        "params": p.variable.size,
                        "how": p.how,
                        "initializers": p.initializers,
                    }
                    for p in account.parameters
                ],
            },
            "layers": [vars(layer) for layer in self.layers],
            "checks": [
                {key: finite(value) for key, value in vars(check).items()} for check in self.checks
            ],
            **({"backends": [b.as_json() for b in self.backends]} if self.backends else {}),
            "errors": [diagnostic_as_json(diagnostic) for diagnostic in self.diagnostics],
            "warnings": [diagnostic_as_json(diagnostic) for diagnostic in self.warnings],
        }


def _given_as_json(given: Samples) -> dict[str, Any]:
    return {
        "samples": given.file,
        "count": given.count,
        "total": given.count if given.total is None else given.total,
        "labelled": given.labels is not None,
    }


def closest_of(runs: list[Run]) -> Run | None:
    """The run that came nearest to what is allowed, or went furthest beyond."""
    return max(
        runs,
        key=lambda run: (
            float("inf")
            if run.max_abs_error != run.max_abs_error
            else run.max_abs_error / (run.allowed or 1e-300)
        ),
        default=None,
    )


def largest(values: list[float]) -> float:
    """NaN where any is NaN."""
    return float("nan") if any(v != v for v in values) else max(values, default=0.0)
