"""`specc bench`: what is timed, in which order, and what is said of it; never how fast it is."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx_files
import pytest
from conftest import Golden
from onnx import TensorProto

import specc
from specc.backends.runtime import Provider, Session, open_session
from specc.cli.main import main
from specc.cli.timings import as_json, print_timings
from specc.files import DeviceError, UsageError
from specc.inference import bench as bench_module
from specc.inference.bench import draw, plan
from specc.inference.timing import ROUNDS, SETTLING, Candidate, Timing, measure

Capture = pytest.CaptureFixture[str]

SMALL = """\
model small {
    input x: float32[6]

    Dense(5, activation="relu")
    Dense(3, activation="softmax")
}
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def absolute(shape: Any = ("batch", 3), dtype: int = TensorProto.FLOAT) -> str:
    return onnx_files.one_operator("abs.onnx", "Abs", shape, dtype)


def candidate(way: str = "run", batch: int = 1, engine: str = "onnxruntime") -> Candidate:
    return Candidate(engine, "cpu", way, 2, batch)


# ----------------------------------------------------------------------------- timing


class Machine:
    """A clock that only calls move on, and a record of them."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calls: list[str] = []

    def clock(self) -> float:
        return self.now

    def call(self, name: str, seconds: float) -> Callable[[], None]:
        def run() -> None:
            self.now += seconds
            self.calls.append(name)

        return run


def test_candidates_take_turns_to_and_fro() -> None:
    machine = Machine()
    calls = {candidate(name): machine.call(name, 10.0) for name in "abc"}
    shares: list[int] = []
    timings = measure(calls, 5.0, clock=machine.clock, advance=shares.append)
    # One call settles and one is timed, as each takes longer than its share.
    once = "".join(machine.calls[::2])
    assert once == "".join(machine.calls[1::2])
    assert once == "abccbaabccbaabc"
    assert shares == [1] * 3 * ROUNDS
    assert [timing.rounds for timing in timings] == [[[10.0]] * ROUNDS] * 3


def test_a_share_is_its_part_of_the_seconds() -> None:
    machine = Machine()
    (timing,) = measure({candidate(): machine.call("a", 0.25)}, 10.0, clock=machine.clock)
    assert timing.rounds == [[0.25] * 8] * ROUNDS
    assert len(machine.calls) == ROUNDS * (8 + 1)
    assert SETTLING < 0.25


def test_statistics() -> None:
    timing = Timing(candidate(batch=4), [[1.0, 3.0, 2.0], [10.0], [4.0, 4.0]])
    assert timing.calls == 6
    assert timing.mean == 4.0
    assert timing.medians == [2.0, 10.0, 4.0]
    assert timing.p50 == 4.0
    assert timing.percentile(0) == 1.0
    assert timing.percentile(50) == 3.5
    assert timing.percentile(100) == 10.0
    # 4 samples a call: 2, 0.4 and 1 a second.
    assert timing.throughput == 1.0
    assert timing.spread == 2.0


# ------------------------------------------------------------------------- what is run


def test_every_configuration_is_there() -> None:
    found = plan(absolute(), providers=["cpu"], threads=[1, 2], batches=[4, 8])
    assert [*found.calls] == [
        Candidate("onnxruntime", "cpu", "run", threads, batch)
        for threads in (1, 2)
        for batch in (4, 8)
    ]
    assert {batch: arrays["x"].shape for batch, arrays in found.inputs.items()} == {
        4: (4, 3),
        8: (8, 3),
    }
    assert found.not_run == ["IO binding and CUDA graphs: only with the provider `cuda`"]
    for call in found.calls.values():
        call()


def test_a_provider_twice_is_one() -> None:
    found = plan(absolute(), providers=["cpu", "cpu"], threads=[1])
    assert [c.batch for c in found.calls] == [1, 32]


def test_files_that_choose_the_batch() -> None:
    assert [c.batch for c in plan(absolute((7, 3)), providers=["cpu"]).calls] == [7]
    turned = onnx_files.one_operator("turned.onnx", "Transpose", [2, 3], result=[3, 2])
    assert [c.batch for c in plan(turned, providers=["cpu"], batches=[1]).calls] == [1]
    with pytest.raises(UsageError, match="takes 7 samples at a time"):
        plan(absolute((7, 3)), providers=["cpu"], batches=[1, 7])
    with pytest.raises(UsageError, match="has no batch axis"):
        plan(turned, providers=["cpu"], batches=[32])


@pytest.mark.parametrize("dtype", ["FLOAT16", "DOUBLE", "INT32", "UINT8", "BOOL", "STRING"])
def test_inputs_are_of_the_models_dtype(dtype: str) -> None:
    path = onnx_files.one_operator(
        "x.onnx", "Identity", ["batch", "time", 3], getattr(TensorProto, dtype)
    )
    predictor = specc.load(path, provider="cpu")
    (found,) = draw(predictor.interface, 4, {"time": 5}, seed=0).values()
    assert found.shape == (4, 5, 3)
    assert np.asarray(predictor.predict(found)).dtype == found.dtype
    if found.dtype.kind in "iub":
        assert set(found.reshape(-1).tolist()) == {0, 1}


def test_axes_need_a_size() -> None:
    interface = specc.load(absolute(("batch", "time", None)), provider="cpu").interface
    with pytest.raises(UsageError, match="size of `time`, `x_axis_2` open") as caught:
        draw(interface, 1, {}, seed=0)
    assert caught.value.help == "--size time=N --size x_axis_2=N"
    assert draw(interface, 2, {"time": 5, "x_axis_2": 4}, seed=0)["x"].shape == (2, 5, 4)
    with pytest.raises(UsageError, match="no axis `tme` of free size"):
        draw(interface, 1, {"time": 5, "x_axis_2": 4, "tme": 1}, seed=0)


# ---------------------------------------------------------------- a GPU, made believe


def test_what_is_bound_is_computed_in_place() -> None:
    """On the CPU, where bound outputs lie in numpy's own memory."""
    session = open_session(onnx_files.sums("sums.onnx"), "cpu")
    inputs = {"a": np.ones((3, 2), np.float32), "b": np.full((3, 2), 2, np.float32)}
    outputs = {name: np.zeros((3, 2), np.float32) for name in session.output_names}
    session.bind(inputs, outputs, "cpu")()
    assert outputs["total"].tolist() == [[3, 3]] * 3
    assert outputs["product"].tolist() == [[2, 2]] * 3


class OnCuda(Session):
    """A session of the CPU that says it is on a GPU."""

    def __init__(self, session: Session) -> None:
        super().__init__(session._session)

    @property
    def provider(self) -> Provider:
        return Provider.CUDA

    def bind(self, inputs: Mapping[str, Any], outputs: Mapping[str, Any], device: str) -> Any:
        assert device == "cuda"
        return super().bind(inputs, outputs, "cpu")


@pytest.mark.parametrize("recorded", [True, False])
def test_the_ways_on_a_gpu(recorded: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(path: str, provider: str, **options: Any) -> Session:
        assert provider == "cuda"
        if options.get("cuda_graph") and not recorded:
            raise RuntimeError("This session cannot use the graph capture feature\nat all")
        return OnCuda(open_session(path, "cpu"))

    monkeypatch.setattr(bench_module, "open_model", opened)
    found = plan(absolute(), providers=["cuda"], threads=[1, 2], batches=[4])
    ways = ["run", "bound", "graph"][: 3 if recorded else 2]
    assert [*found.calls] == [Candidate("onnxruntime", "cuda", way, None, 4) for way in ways]
    for call in found.calls.values():
        call()
    refused = ["CUDA graph, batch 4: This session cannot use the graph capture feature"]
    assert found.not_run == ([] if recorded else refused)


# ------------------------------------------------------------------------ what is said


def made_up() -> list[Timing]:
    def timing(found: Candidate, seconds: float) -> Timing:
        return Timing(found, [[seconds, seconds * 1.25, seconds * x] for x in (1, 1.5, 2, 3, 1)])

    return [
        timing(Candidate("onnxruntime", "cpu", "run", 1, 1), 0.000_031),
        timing(Candidate("onnxruntime", "cpu", "run", 2, 1), 0.000_030),
        timing(Candidate("onnxruntime", "cuda", "graph", None, 1), 0.000_1),
        timing(Candidate("keras", "cpu", "predict_on_batch", 2, 1), 0.004),
        timing(Candidate("keras", "cpu", "compiled call", 2, 1), 0.003),
        timing(Candidate("onnxruntime", "cpu", "run", 1, 256), 0.123_4),
        timing(Candidate("onnxruntime", "cpu", "run", 2, 256), 0.061_7),
        timing(Candidate("onnxruntime", "cuda", "graph", None, 256), 0.000_3),
        timing(Candidate("keras", "cpu", "predict_on_batch", 2, 256), 1.5),
        timing(Candidate("keras", "cpu", "compiled call", 2, 256), 1.25),
    ]


def test_the_table(golden: Golden, capsys: Capture) -> None:
    timings = made_up()
    print_timings(timings, ["CUDA graph, batch 7: [no] reason"], file="m.onnx", seconds=2)
    print_timings(timings[:1] + timings[5:6], [], file="m.onnx", seconds=0.5)
    golden("bench/table.txt", capsys.readouterr().out)


def test_the_json(golden: Golden) -> None:
    report = as_json(made_up()[1:5], ["no GPU"], file="m.onnx", seconds=2)
    assert report.pop("versions")["onnxruntime"]
    golden("bench/report.json", json.dumps(report, indent=2) + "\n")


def test_without_keras_nothing_is_compared() -> None:
    report = as_json(made_up()[:1], [], file="m.onnx", seconds=2)
    assert report["results"][0]["times_keras"] is None


def bench(capsys: Capture, *words: str) -> tuple[int, str, str]:
    status = main(["bench", *words, "--seconds", "0.001"])
    said = capsys.readouterr()
    return status, said.out, said.err


def test_the_command(capsys: Capture) -> None:
    words = [absolute(("batch", "time")), "--provider", "cpu", "--size", "time=9"]
    status, out, err = bench(capsys, *words, "--batch", "1,4,1", "--threads", "1,2")
    assert (status, err) == (0, "")
    assert [line.split()[1:4] for line in out.splitlines() if " thread" in line] == [
        [batch, "│", "cpu,"] for batch in "1144"
    ]
    assert out.splitlines()[-1].startswith("not run: IO binding and CUDA graphs")
    status, out, err = bench(capsys, *words, "--json", "--threads", "1")
    report = json.loads(out)
    assert (status, err) == (0, "")
    assert (report["ok"], report["rounds"], report["seconds"]) == (True, ROUNDS, 0.001)
    assert [(r["batch"], r["threads"]) for r in report["results"]] == [(1, 1), (32, 1)]
    assert all(r["calls"] >= ROUNDS for r in report["results"])


def test_against_keras(capsys: Capture, keras_backend: Any) -> None:  # noqa: ARG001
    Path("small.spec").write_text(SMALL)
    model = specc.compile("small.spec").model()
    keras_model = model.to_keras()
    Path("small.onnx").write_bytes(model.to_onnx(keras_model).SerializeToString())
    keras_model.save("small.keras")
    for rival in ("small.spec", "small.keras"):
        words = ["small.onnx", "--provider", "cpu", "--batch", "3", "--against", rival, "--json"]
        status, out, _ = bench(capsys, *words)
        results = json.loads(out)["results"]
        assert status == 0
        assert [(r["engine"], r["way"], r["batch"]) for r in results] == [
            ("onnxruntime", "run", 3),
            ("keras", "predict_on_batch", 3),
            ("keras", "compiled call", 3),
        ]
        assert max(r["times_keras"] for r in results[1:]) == 1.0


def test_keras_gets_the_same_samples(keras_backend: Any) -> None:
    """Two inputs, matched by their names, whatever their order."""
    a, b = (keras_backend.Input((2,), name=name) for name in "ab")
    keras_model = keras_backend.Model([b, a], a - b)
    arrays = {"a": np.ones((3, 2), np.float32), "b": np.zeros((3, 2), np.float32)}
    calls = bench_module.keras_calls(keras_model, {3: arrays})
    assert [np.asarray(call()).tolist() for call in calls.values()] == [[[1, 1]] * 3] * 2


@pytest.mark.parametrize("shape", [(4,), (2, 3), ()])
def test_a_keras_model_of_other_inputs(shape: tuple[int, ...], keras_backend: Any) -> None:
    x = keras_backend.Input(shape, name="x")
    keras_model = keras_backend.Model(x, keras_backend.layers.Identity()(x))
    with pytest.raises(UsageError, match=r"does not take what the ONNX file takes: x \(None"):
        bench_module.keras_calls(keras_model, {3: {"x": np.ones((3, 3), np.float32)}})


@pytest.mark.parametrize(
    ("rival", "why"),
    [
        ("missing.spec", "cannot read `missing.spec`"),
        ("missing.keras", "cannot read `missing.keras`"),
        ("two.spec", "has several models: m, n"),
    ],
)
def test_a_rival_that_is_none(rival: str, why: str, capsys: Capture) -> None:
    Path("two.spec").write_text(SMALL.replace("small", "m") + SMALL.replace("small", "n"))
    status, out, err = bench(capsys, absolute(), "--provider", "cpu", "--against", rival)
    assert (status, out) == (2, "")
    assert why in err


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["abs.onnx", "--batch", "0"],
        ["abs.onnx", "--batch", "1,,2"],
        ["abs.onnx", "--threads", "two"],
        ["abs.onnx", "--provider", "tpu"],
        ["abs.onnx", "--size", "9"],
        ["abs.onnx", "--seconds", "-1"],
    ],
)
def test_wrong_options(words: list[str], capsys: Capture) -> None:
    status = main(["bench", *words])
    said = capsys.readouterr()
    assert (status, said.out) == (2, "")
    assert said.err.startswith("usage: specc bench")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["missing.onnx"], "cannot read `missing.onnx`: there is no such file"),
        (["free.onnx"], "leaves the size of `time` open"),
        (["abs.onnx", "--size", "time=3"], "has no axis `time` of free size"),
    ],
)
def test_files_that_cannot_be_timed(words: list[str], why: str, capsys: Capture) -> None:
    absolute()
    onnx_files.one_operator("free.onnx", "Abs", ["batch", "time"])
    status, out, err = bench(capsys, *words, "--provider", "cpu")
    assert (status, out) == (2, "")
    assert why in err


def test_a_provider_that_is_not_to_be_had(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(path: str, provider: str, **_: Any) -> Session:
        if provider == "cuda":
            raise DeviceError("there is no `cuda`", "buy one")
        return open_session(path, "cpu")

    monkeypatch.setattr(bench_module, "open_model", opened)
    status, out, err = bench(capsys, absolute(), "--provider", "cpu,cuda")
    assert (status, out, err) == (1, "", "error: there is no `cuda`; buy one\n")
