"""One model on every backend, each beside the same model in float64."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from typing import Any, NamedTuple

import numpy as np
import onnx

from specc.backends.export import Exporter
from specc.backends.frameworks import keras_backend
from specc.backends.opened import open_model
from specc.backends.runtime import Provider
from specc.backends.silence import Output, captured
from specc.diagnostics.diagnostic import Diagnostic
from specc.diagnostics.errors import artifacts as errors
from specc.files import DeviceError, UsageError
from specc.inference.samples import Samples
from specc.verification.attribute import Parting, first_difference
from specc.verification.backends.evaluator import evaluate
from specc.verification.backends.layers_elsewhere import first_fault
from specc.verification.backends.names import EXPORTERS, KERAS, PROVIDERS, REFERENCE
from specc.verification.backends.processes import run_elsewhere
from specc.verification.backends.worker import Job
from specc.verification.compared import compare_output
from specc.verification.inputs import Case
from specc.verification.reference import OWN, RANDOMISED, Reference
from specc.verification.report import BackendReport
from specc.verification.tf32 import Tf32Noise, may_use_tf32
from specc.verification.tolerance import Bounds, Rounding, gates, rounding_steps

Array = np.ndarray[Any, Any]
Models = dict[str, onnx.ModelProto]
"""A file by the weights in it."""


class Trial(NamedTuple):
    """What every backend is given: inputs, with one set of weights."""

    weights: str
    number: int
    """Which case it is, of those with these weights."""
    case: Case
    given: bool = False
    """Whether the inputs were given, and not drawn."""


class _Ran(NamedTuple):
    """What a backend gave, trial by trial."""

    name: str
    outputs: list[list[Array]]
    models: Models | None = None
    """The files that it ran, where it ran any."""
    provider: str = "cpu"


def compare_backends(
    reference: Reference,
    models: Models,
    trials: Sequence[Trial],
    names: Sequence[str],
    say: Callable[[str], None] = lambda _: None,
    bounds: Bounds | None = None,
    given: Samples | None = None,
) -> tuple[list[BackendReport], list[Diagnostic]]:
    """Run a model on backends; how each came out, and an error for each that is wrong.

    Args:
        reference: what Keras gives; it keeps that.
        models: the file with its own weights and with randomised ones.
        trials: in the order of the weights.
        names: of `names.BACKENDS`.
        say: told what is run.
        bounds: a tolerance that is set by hand.
        given: the samples of those trials that are not drawn.
    """
    side_by_side = _SideBySide(reference, models, trials, bounds, given)
    reports: list[BackendReport] = []
    found: list[Diagnostic] = []
    for name in names:
        say(f"running {reference.built.graph.name} on {name}")
        try:
            ran = side_by_side.run(name)
        except (UsageError, DeviceError) as error:
            reports.append(BackendReport(name, name, False, str(error)))
            continue
        report, error = side_by_side.judge(name, ran)
        reports.append(report)
        found += [error] if error is not None else []
    return reports, found


class _SideBySide:
    def __init__(
        self,
        reference: Reference,
        models: Models,
        trials: Sequence[Trial],
        bounds: Bounds | None,
        given: Samples | None,
    ) -> None:
        self.reference = reference
        self.graph = reference.built.graph
        self.models = models
        self.trials = trials
        self.bounds = bounds
        self.given = given
        self.noise: dict[str, Tf32Noise] = {}
        """By weights."""
        self.rounding = Rounding(rounding_steps(self.graph.nodes), gates(self.graph.nodes))

    def run(self, name: str) -> _Ran:
        """Run every trial.

        Raises:
            UsageError, DeviceError: why it cannot be run.
        """
        if name in KERAS:
            return self._keras(name)
        if name in PROVIDERS:
            return self._onnxruntime(self.models, name, "onnxruntime {version} ({provider})")
        if name == REFERENCE:
            outputs: list[list[Array]] = []
            for weights, cases in self._by_weights():
                outputs += evaluate(self.models[weights], cases)
            return _Ran(f"onnx {onnx.__version__} reference evaluator", outputs, self.models)
        assert name in EXPORTERS
        return self._exporter(name)

    def _keras(self, name: str) -> _Ran:
        if name == keras_backend():
            answers = [self._answers(trial).fresh for trial in self.trials]
            return _Ran(f"Keras on {name} {version(name)}", answers)
        if any(x.type.dtype == "string" for x in self.graph.inputs):
            raise UsageError("Keras takes texts on TensorFlow alone")
        own, randomised = self.reference.own, self.reference.randomised
        groups = [
            (own if weights == OWN else randomised, cases) for weights, cases in self._by_weights()
        ]
        found = run_elsewhere(Job(name, self.graph, groups))
        outputs = [outputs for group in found.outputs for outputs in group]
        return _Ran(f"Keras on {name} {found.version} ({found.device})", outputs)

    def _onnxruntime(self, models: Models, provider: str, title: str) -> _Ran:
        import onnxruntime

        outputs: list[list[Array]] = []
        with captured(Output()):
            for weights, cases in self._by_weights():
                session = open_model(models[weights], provider)
                outputs += [list(session.run(case.inputs).values()) for case in cases]
                provider = str(session.provider)
        name = title.format(version=onnxruntime.__version__, provider=provider)
        return _Ran(name, outputs, models, provider)

    def _exporter(self, name: str) -> _Ran:
        reference = self.reference
        if reference.exporter.via == name:
            exports = reference.expected, reference.expected_randomised
        else:
            with captured(Output()):
                other = Exporter(reference.built, self.graph.span.source, via=name)
            if other.via != name:
                raise UsageError(f"{name} does not export the model: {other.fallen_back}")
            exports = other.export(reference.own), other.export(reference.randomised)
        models = {OWN: exports[0].model, RANDOMISED: exports[1].model}
        return self._onnxruntime(models, Provider.CPU, f"{name}'s export, onnxruntime {{version}}")

    def _by_weights(self) -> Iterator[tuple[str, list[Case]]]:
        for weights in dict.fromkeys(trial.weights for trial in self.trials):
            yield weights, [trial.case for trial in self.trials if trial.weights == weights]

    def _answers(self, trial: Trial) -> Any:
        return self.reference.answers(trial.weights, trial.number, trial.case)

    def judge(self, name: str, ran: _Ran) -> tuple[BackendReport, Diagnostic | None]:
        report = BackendReport(name, ran.name, True, "agrees")
        error: Diagnostic | None = None
        for trial, outputs in zip(self.trials, ran.outputs, strict=True):
            answers = self._answers(trial)
            noise = self._tf32_noise(ran.provider, trial)
            for index, output in enumerate(self.graph.output_names):
                found = compare_output(
                    outputs[index],
                    answers,
                    index,
                    self.rounding,
                    with_truth=True,
                    bounds=self.bounds,
                    tf32=noise[index],
                )
                if found is None:
                    continue
                report.runs.append(found)
                report.on_given += [found] if trial.given else []
                if error is None and not found.ok:
                    error = self._error(name, ran, trial, output, found.error, found.allowed)
        if self.given is not None and self.given.labels is not None:
            pairs = zip(self.trials, ran.outputs, strict=True)
            rows = [outputs[0] for trial, outputs in pairs if trial.given]
            report.accuracy = self.given.accuracy(np.concatenate(rows))
        if not report.runs:
            report.status = "not compared: Keras gives NaN for all inputs"
        elif error is not None:
            report.status = "differs"
        return report, error

    def _tf32_noise(self, provider: str, trial: Trial) -> list[float]:
        """How far TF32's factors move each output of a trial, where it may have them."""
        if not may_use_tf32(provider):
            return [0.0] * len(self.graph.outputs)
        if trial.weights not in self.noise:
            own = trial.weights == OWN
            export = self.reference.expected if own else self.reference.expected_randomised
            self.noise[trial.weights] = Tf32Noise(export.exact.model)
        return list(self.noise[trial.weights].of(trial.case.inputs).values())

    def _error(
        self, name: str, ran: _Ran, trial: Trial, output: str, error: float, allowed: float
    ) -> Diagnostic:
        """The first layer at fault, where one is found; else the output."""
        case = f"{trial.case}, {trial.weights} weights"
        parting = self._first_fault(name, ran, trial)
        if parting is not None:
            return errors.layer_differs(
                parting.layer.span,
                parting.layer.name,
                ran.name,
                parting.max_abs_error,
                case,
                parting.last_agreeing,
                f"output `{output}` is off by {error:.2g}, allowed {allowed:.2g}",
                parting.joined,
                beside="Keras" if ran.models is not None else "the model in float64",
            )
        span = self.graph.outputs[self.graph.output_names.index(output)].span
        by_hand = self.bounds is not None
        return errors.outputs_differ(
            span, output, ran.name, error, allowed, case, set_by_hand=by_hand
        )

    def _first_fault(self, name: str, ran: _Ran, trial: Trial) -> Parting | None:
        """Of the file that a backend ran; else of Keras there."""
        reference = self.reference
        if ran.models is not None:
            reference.load(trial.weights)
            return first_difference(
                reference.compared_with(trial.weights),
                reference.double,
                ran.models[trial.weights],
                reference.places,
                trial.case,
                ran.provider,
            )
        try:
            return first_fault(name, reference, trial.weights, trial.case)
        except UsageError:
            return None
