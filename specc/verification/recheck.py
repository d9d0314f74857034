"""A file against what its manifest says of it: no spec, no Keras, no weights of it elsewhere."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any, cast

import numpy as np
import onnx

from specc.backends.read import load_onnx
from specc.backends.runtime import Session, blaming, open_session
from specc.backends.silence import Output, captured
from specc.files import UsageError
from specc.inference.interface import read_interface
from specc.inference.samples import read_samples
from specc.manifest import RECORD_KEY, read_manifest
from specc.records import fresh, record
from specc.verification.differences import largest_difference
from specc.verification.findings import Finding, finite, listed_findings
from specc.verification.fingerprint import (
    digest_of_all,
    digests_of_initializers,
    digests_of_layers,
    interface_of,
    params_by_layer,
)
from specc.verification.given import accuracy_of
from specc.verification.samples import Numbers, Recipe
from specc.verification.tf32 import Tf32Noise, may_use_tf32
from specc.verification.tolerance import TF32_NOISE, Bounds

VERSIONS = (1,)
"""The records that are understood."""

OTHER_TYPES = {"tensor(float16)": np.float16}
"""Types of inputs, in onnxruntime's words, that are not those of the recorded inputs."""

Array = np.ndarray[Any, Any]
Said = Mapping[str, Any]


@record
class SampleRun:
    """A recorded output beside what the file gives now."""

    case: str
    output: str
    max_abs_error: float
    """The largest difference to what Keras gave in float64 when the file was exported."""
    allowed: float
    compared: int
    """How many of the output's numbers are recorded."""
    size: int

    @property
    def ok(self) -> bool:
        return self.max_abs_error <= self.allowed


@record
class FileReport:
    """What checking a file by itself found."""

    file: str
    model: str
    provider: str
    """Where onnxruntime really ran; empty where nothing ran."""
    weights: str
    """The hash of all initializers that the manifest has."""
    initializers: int
    params: dict[str, tuple[int, int]]
    """Numbers of each layer in the file, as recorded and as found."""
    keras_params: int
    runs: list[SampleRun]
    findings: list[Finding]
    notes: list[str] = fresh(default_factory=list[str])
    bounds: Bounds | None = None
    """A tolerance that was set by hand, in the place of the recorded one."""
    no_samples: str | None = None
    """Why no samples are recorded."""
    accuracy: float | None = None
    """On samples with labels, where some were given."""

    @property
    def ok(self) -> bool:
        return not self.findings

    def as_json(self) -> dict[str, Any]:
        return {
            "kind": "file",
            "ok": self.ok,
            "file": self.file,
            "model": self.model,
            "provider": self.provider or None,
            "weights": self.weights,
            "initializers": self.initializers,
            "params": {
                "keras": self.keras_params,
                "layers": [
                    {"layer": layer, "recorded": said, "found": found}
                    for layer, (said, found) in self.params.items()
                ],
            },
            "runs": [{key: finite(value) for key, value in vars(run).items()} for run in self.runs],
            "tolerance": self.bounds.as_json() if self.bounds else None,
            "no_samples": self.no_samples,
            "accuracy": self.accuracy,
            "notes": self.notes,
            "errors": listed_findings(self.findings),
        }


def check_file(
    path: str,
    provider: str = "auto",
    inputs: str | None = None,
    bounds: Bounds | None = None,
) -> FileReport:
    """Compare a file with its manifest.

    The initializers and the operators of each layer with their hashes, the numbers of parameters,
    and the recorded outputs with what onnxruntime gives for the recorded inputs.

    Args:
        inputs: samples with labels, to tell the accuracy.
        bounds: a tolerance that is set by hand, in the place of the recorded one.

    Raises:
        UsageError: where the file cannot be read, or has no manifest that says so much.
        DeviceError: where the provider asked for is not to be had.
    """
    model = load_onnx(path)
    content = read_manifest({entry.key: entry.value for entry in model.metadata_props})
    said = _record_of(path, content)
    try:
        check = _Check(path, model, content, said, bounds)
        check.hashes()
        check.counts()
        check.interface()
        check.samples(provider)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(
            f"the manifest of `{path}` is broken: {type(error).__name__}: {error}", REMEDY
        ) from None
    if inputs is not None:
        with captured(Output()), blaming(f"`{path}`"):
            session = open_session(path, provider)
            samples = read_samples(inputs, read_interface(session, path))
            check.report.provider = str(session.provider)
            check.report.accuracy = accuracy_of(
                samples, lambda feeds: next(iter(session.run(feeds).values()))
            )
    check.report.notes += _changed_since(content, path)
    return check.report


REMEDY = (
    "`specc export --onnx` records what a file is checked with; "
    "`specc verify SPEC FILE.onnx` compares a file with a spec, and needs no record"
)


def _record_of(path: str, content: Said) -> Said:
    if not content:
        raise UsageError(f"`{path}` has no manifest of specc's to check it with", REMEDY)
    said = content.get(RECORD_KEY)
    if not isinstance(said, dict):
        raise UsageError(f"the manifest of `{path}` has no record of its weights", REMEDY)
    entries = cast("dict[str, Any]", said)
    if entries.get("version") not in VERSIONS:
        raise UsageError(
            f"the record in `{path}` is of version {entries.get('version')}, which this specc "
            f"does not know",
            "a newer specc does",
        )
    return entries


class _Check:
    def __init__(
        self,
        path: str,
        model: onnx.ModelProto,
        content: Said,
        said: Said,
        bounds: Bounds | None,
    ) -> None:
        self.path, self.model, self.said, self.bounds = path, model, said, bounds
        self.noise: Tf32Noise | None = None
        self.places: dict[str, str] = dict(said["places"])
        self.order = {layer: n for n, layer in enumerate(content.get("layers", {}))}
        params: Said = content.get("params", {})
        name = str(content.get("model", model.graph.name))
        self.report = FileReport(
            path, name, "", str(said["weights"]), len(model.graph.initializer), {},
            int(params.get("total", 0)), [], [], bounds=bounds,
        )  # fmt: skip

    def find(self, layer: str, message: str) -> None:
        known = layer if layer in self.order or layer in self.places else ""
        self.report.findings.append(Finding(known, self.places.get(layer), message))

    def in_order(self, names: Iterable[str]) -> list[str]:
        """Names of layers, or `layer/role`, in the order of the model's layers."""
        last = len(self.order)
        return sorted(names, key=lambda name: self.order.get(name.partition("/")[0], last))

    def hashes(self) -> None:
        wanted: dict[str, str] = dict(self.said["initializers"])
        found = digests_of_initializers(self.model.graph.initializer)
        for name in self.in_order({**wanted, **found}):
            if wanted.get(name) == found.get(name):
                continue
            layer, slash, role = name.partition("/")
            what = role if slash else f"the constant `{name}`"
            change = (
                "was not there when the file was exported"
                if name not in wanted
                else "is not in the file"
                if name not in found
                else "is not what was exported"
            )
            self.find(layer if slash else "", f"{what} {change}")
        if digest_of_all(wanted) != self.said["weights"]:
            self.find("", "the hash of all weights is not that of the ones recorded")
        before: dict[str, str] = dict(self.said["operators"])
        now = digests_of_layers(self.model.graph)
        for layer in self.in_order({**before, **now}):
            if before.get(layer) != now.get(layer):
                gone = "are not in the file" if layer not in now else "are not what was exported"
                self.find(layer, f"its operators {gone}" if layer else f"operators {gone}")

    def counts(self) -> None:
        said: dict[str, int] = {k: int(v) for k, v in self.said["params"].items()}
        sizes = {t.name: int(np.prod(t.dims)) for t in self.model.graph.initializer}
        found = params_by_layer(sizes)
        for layer in self.in_order({**said, **found}):
            pair = said.get(layer, 0), found.get(layer, 0)
            self.report.params[layer] = pair
            known = any(finding.layer == layer for finding in self.report.findings)
            if pair[0] != pair[1] and not known:
                self.find(layer, f"{pair[1]:,} parameters in the file, and {pair[0]:,} recorded")

    def interface(self) -> None:
        said, found = self.said["interface"], interface_of(self.model.graph)
        for side, names in found.items():
            if list(said[side]) != names:
                self.find("", f"the {side} are {_names(names)}, and were {_names(said[side])}")

    def samples(self, provider: str) -> None:
        if "samples" not in self.said:
            self.report.no_samples = str(self.said["no_samples"])
            return
        intact = not self.report.findings
        with captured(Output()), blaming(f"`{self.path}`"):
            session = open_session(self.path, provider)
        self.report.provider = str(session.provider)
        recipes = {name: Recipe.of_json(said) for name, said in self.said["inputs"].items()}
        if list(recipes) != session.input_names:
            return  # the interface is another one, which has been said
        for number, sample in enumerate(self.said["samples"]):
            self._sample(session, recipes, number, sample)
        bad = [run for run in self.report.runs if not run.ok]
        if bad:
            first = bad[0]
            effect = (
                f"output `{first.output}` is off by {first.max_abs_error:.2g} with {first.case}, "
                f"allowed {first.allowed:.2g}"
            )
            if intact:
                self.find("", f"{effect}; weights and operators are what was exported")
            else:
                self.report.notes.append(effect)

    def _sample(
        self, session: Session, recipes: dict[str, Recipe], number: int, sample: Said
    ) -> None:
        kind, batch = str(sample["kind"]), int(sample["batch"])
        # A file of lower precision may take its own type.
        types = {value.name: OTHER_TYPES.get(value.type) for value in session.inputs}
        feeds: dict[str, Array] = {}
        for index, (name, recipe) in enumerate(recipes.items()):
            array = recipe.make(kind, batch, (number, index))
            feeds[name] = array.astype(types[name] or array.dtype, copy=False)
        with captured(Output()), blaming(f"`{self.path}`"):
            found = session.run(feeds)
        tf32: dict[str, float] = {}
        if may_use_tf32(session.provider):
            self.noise = self.noise or Tf32Noise(self.model)
            tf32 = self.noise.of(feeds)
        for index, (name, said) in enumerate(sample["outputs"].items()):
            if name not in found:
                continue
            want = Numbers.of_json(said)
            error = _error(want, found[name], (number, index, 1))
            case = f"{kind} inputs, batch {batch}"
            allowed = self._allowed(want, tf32.get(name, 0.0))
            self.report.runs.append(
                SampleRun(case, name, error, allowed, len(want.values), want.size)
            )

    def _allowed(self, want: Numbers, tf32: float) -> float:
        if self.bounds is None or want.values.dtype == object:
            return want.allowed + TF32_NOISE * tf32
        known = want.values[np.isfinite(want.values)]
        return self.bounds.allowed(float(np.max(np.abs(known), initial=0.0)))


def _error(want: Numbers, array: Array, seed: tuple[int, ...]) -> float:
    """The largest difference where numbers are recorded; NaN where there are none any more."""
    if array.shape != want.shape:
        return float("nan")
    have = want.same_places(array, seed)
    if want.values.dtype == object:
        texts = [x.decode() if isinstance(x, bytes) else str(x) for x in have]
        return float(sum(a != b for a, b in zip(want.values, texts, strict=True)))
    defined = ~np.isnan(want.values.astype(np.float64))
    return largest_difference(want.values[defined], have[defined])


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"


def _changed_since(content: Said, path: str) -> list[str]:
    """Whether the spec and the weights that the file was made from are others by now."""
    notes: list[str] = []
    hints = {"spec": f"; `specc verify SPEC {path}` compares the file with it", "weights": ""}
    for key, hint in hints.items():
        entry = content.get(key)
        if not isinstance(entry, dict):
            continue
        name, digest = entry.get("file"), entry.get("sha256")
        if not (isinstance(name, str) and os.path.isfile(name)):
            continue
        with open(name, "rb") as file:
            data = file.read()
        if key == "spec":
            if digest == sha256(b"").hexdigest():
                continue  # a model that no spec was written for
            data = data.removeprefix(b"\xef\xbb\xbf")
        if sha256(data).hexdigest() != digest:
            notes.append(f"`{name}` has changed since the file was exported{hint}")
    return notes
