"""Faults are planted into files of every family: each that can be seen is found, at its layer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import onnx
import pytest

import specc
from faults.models import MODELS, text_of
from faults.plant import Fault, faults
from specc.backends.adopt import adopt
from specc.backends.export import Exporter
from specc.backends.runtime import open_session
from specc.files import UsageError
from specc.verification.inputs import draw_cases
from specc.verification.reference import Reference
from specc.verification.report import Report
from specc.verification.verify import verify_onnx

OFTEN = 10
"""By default every so many faults of a model are planted; all of them under the marker `slow`."""

RIGHT = 0.95
"""Of the faults found, how many must be attributed to the very layer."""


class Planted(NamedTuple):
    fault: Fault
    seen: bool
    """Whether it changes an output by more than is allowed, or the file does not run at all."""
    found: bool
    named: str | None
    """The layer that the first error names."""

    @property
    def right(self) -> bool:
        return self.named == self.fault.layer


class Spoilt:
    """A model whose file is spoilt again and again."""

    def __init__(self, name: str) -> None:
        self.model = specc.compile_text(text_of(name), f"{name}.spec").model()
        built = adopt(self.model.graph, self.model.to_keras(seed=1))
        self.reference = Reference(built, Exporter(built, self.model.source), keep=True)
        self.file = self.reference.expected.model
        report = self.verify(self.file)
        assert report.ok, report.diagnostics
        self.allowed = {(r.case, r.output): r.allowed for r in report.runs if r.weights == "own"}
        self.cases = list(draw_cases(self.model.graph, 0))
        self.outputs = self.run(self.file)

    def verify(self, file: onnx.ModelProto) -> Report:
        return verify_onnx(self.model.graph, None, file, provider="cpu", reference=self.reference)

    def run(self, file: onnx.ModelProto) -> list[dict[str, Any]] | None:
        """The outputs for every case; None where onnxruntime does not run it."""
        try:
            session = open_session(file.SerializeToString(), "cpu")
            return [session.run(case.inputs) for case in self.cases]
        except Exception:
            return None

    def is_seen(self, file: onnx.ModelProto) -> bool:
        """Against the sound file's outputs, not Keras's: specc's judgement has no part in it."""
        found = self.run(file)
        if found is None or self.outputs is None:
            return True
        for case, have, want in zip(self.cases, found, self.outputs, strict=True):
            for name, array in want.items():
                allowed = self.allowed.get((str(case), name))
                if allowed is None:
                    continue
                if have[name].shape != array.shape:
                    return True
                with np.errstate(invalid="ignore"):
                    apart = np.abs(have[name].astype(float) - array)
                if not np.all(np.nan_to_num(apart, nan=np.inf) <= allowed):
                    return True
        return False

    def plant(self, fault: Fault) -> Planted | None:
        """None for a file that ONNX's own checker refuses, as it would be by every reader."""
        file = fault.planted(self.file)
        try:
            onnx.checker.check_model(file)
        except onnx.checker.ValidationError:
            return None
        seen = self.is_seen(file)
        try:
            report = self.verify(file)
        except UsageError:  # onnxruntime does not run it
            return Planted(fault, seen, found=True, named=fault.layer)
        if report.ok:
            return Planted(fault, seen, found=False, named=None)
        line = report.diagnostics[0].primary.span
        named = next((x.name for x in self.model.graph.layers if x.span == line), None)
        return Planted(fault, seen, found=True, named=named)


def planted(name: str, every: int) -> Iterator[Planted]:
    spoilt = Spoilt(name)
    for number, fault in enumerate(faults(spoilt.file)):
        if number % every == 0:
            found = spoilt.plant(fault)
            if found is not None:
                yield found


def judge(results: list[Planted]) -> str:
    """A line of figures; fails where a fault was not found, or too many at the wrong layer."""
    missed = [p.fault.name for p in results if p.seen and not p.found]
    assert not missed, missed
    counted = [p for p in results if p.found and p.fault.layer is not None]
    wrong = [f"{p.fault.name} (named {p.named})" for p in counted if not p.right]
    right = len(counted) - len(wrong)
    kinds = Counter(p.fault.kind for p in results)
    line = (
        f"{len(results)} planted ({', '.join(f'{n} {k}' for k, n in sorted(kinds.items()))}), "
        f"{sum(p.seen for p in results)} seen in an output, {sum(p.found for p in results)} found, "
        f"{right} of {len(counted)} at the very layer"
    )
    assert right >= RIGHT * len(counted), (line, wrong)
    return line


def test_some_faults_of_every_family(keras_backend: Any) -> None:  # noqa: ARG001
    results = [p for name in MODELS for p in planted(name, OFTEN)]
    print(judge(results))
    assert len(results) >= 5 * len(MODELS)


@pytest.mark.slow
def test_all_faults(keras_backend: Any) -> None:  # noqa: ARG001
    every: list[Planted] = []
    for name in MODELS:
        results = list(planted(name, 1))
        wrong = [f"{p.fault.name} (named {p.named})" for p in results
                 if p.found and p.fault.layer is not None and not p.right]  # fmt: skip
        print(f"{name}: {len(results)} planted, {sum(p.found for p in results)} found; "
              f"at another layer: {wrong}")  # fmt: skip
        every += results
    print(judge(every))
