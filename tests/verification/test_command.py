"""`specc verify` on the command line."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import onnx
import pytest

from specc.cli.main import main
from verification.subjects import SMALL, Subjects, change, has_driver, node_of, one_percent

# ------------------------------------------------------------------- the command line


def test_the_default_file(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (place / "build" / "small.onnx").read_bytes()
    assert main(["verify", "small.spec", "--provider", "cpu"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    path = os.path.join("build", "small.onnx")
    lines = printed.out.splitlines()
    assert lines[0] == f"small: {path} agrees with Keras"
    assert lines[1].endswith("22 runs agree with Keras on onnxruntime (cpu)")
    # 35 + 20 + 24 + 15 parameters, of which the four vectors of 5 are folded into `dense_1`
    assert lines[-1].split("parameters")[1].strip() == (
        "94 in Keras - 20 folded (44 into 24) = 74 in ONNX"
    )
    assert main(["verify", "small.spec", path, "--layers", "--provider", "cpu"]) == 0
    printed = capsys.readouterr().out
    assert "dense_1/kernel, dense_1/bias" in " ".join(printed.split())
    assert "Layer by itself" in printed
    assert "dense_1 with batch_normalization" in printed
    assert (place / "build" / "small.onnx").read_bytes() == before


def test_a_changed_number_on_the_command_line(
    place: Path, subjects: Subjects, capsys: pytest.CaptureFixture[str]
) -> None:
    file = subjects("small").copy()
    change(file, "dense_1/kernel", one_percent)
    onnx.save(file, place / "spoilt.onnx")
    assert main(["verify", "small.spec", "spoilt.onnx", "--provider", "cpu"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    first, where, *_ = printed.err.splitlines()
    assert first == "error[E0602]: `dense_1/kernel` in spoilt.onnx is not what Keras has"
    assert where.strip() == "--> small.spec:6:5"
    assert main(["verify", "small.spec", "spoilt.onnx", "--provider", "cpu", "--json"]) == 1
    printed = capsys.readouterr()
    assert printed.err == ""
    data = json.loads(printed.out)
    assert data["ok"] is False
    assert data["errors"][0]["code"] == "E0602"
    assert (data["errors"][0]["file"], data["errors"][0]["line"]) == ("small.spec", 6)


def test_the_json(place: Path, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: ARG001
    assert main(["verify", "small.spec", "--json", "--provider", "cpu"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    data = json.loads(printed.out)
    assert data["ok"] is True
    assert data["errors"] == []
    assert (data["model"], data["provider"]) == ("small", "cpu")
    assert data["params"]["keras"] == 94
    assert data["params"]["onnx"] == 74
    assert data["max_abs_error"] == max(run["max_abs_error"] for run in data["runs"])
    assert [layer["line"] for layer in data["layers"]] == [4, 5, 6, 7]


def test_layers_of_a_file_that_is_wrong(
    place: Path, subjects: Subjects, capsys: pytest.CaptureFixture[str]
) -> None:
    """The table is there when it is needed most."""
    file = subjects("small").copy()
    node = node_of(file, "dense_1", "Elu")
    node.op_type = "Relu"
    del node.attribute[:]
    onnx.save(file, place / "spoilt.onnx")
    words = ["verify", "small.spec", "spoilt.onnx", "--layers", "--provider", "cpu"]
    assert main(words) == 1
    printed = capsys.readouterr()
    assert "Layer by itself" in printed.out
    assert "error[E0605]" in printed.err
    assert main([*words, "--json"]) == 1
    checks = json.loads(capsys.readouterr().out)["checks"]
    assert [c["name"] for c in checks] == ["dense", "dense_1", "dense_2"]
    assert [c["max_abs_error"] <= c["allowed"] for c in checks] == [True, False, True]
    assert checks[1]["together"] == ["batch_normalization"]


def test_files_that_are_none(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "text.onnx").write_text("hello", encoding="utf-8")
    (place / "empty.onnx").write_bytes(b"")
    half = (place / "build" / "small.onnx").read_bytes()
    (place / "half.onnx").write_bytes(half[: len(half) // 2])
    for size, ending in [("short", lambda data: data[:-1]), ("long", lambda data: data + b"0")]:
        model = onnx.load_from_string(half)
        kernel = next(t for t in model.graph.initializer if t.name == "dense/kernel")
        kernel.raw_data = ending(kernel.raw_data)
        onnx.save(model, place / f"{size}.onnx")
    for file, said in [
        ("missing.onnx", "cannot read `missing.onnx`: there is no such file"),
        ("build", "cannot read `build`: it is a directory"),
        ("text.onnx", "`text.onnx` is not a valid ONNX model: "),
        ("empty.onnx", "`empty.onnx` is not a valid ONNX model: "),
        ("half.onnx", "`half.onnx` is not a valid ONNX model: "),
        ("short.onnx", "`short.onnx` is not a valid ONNX model: "),
        ("long.onnx", "`long.onnx` is not a valid ONNX model: `dense/kernel` has 121 bytes, and "),
    ]:
        assert main(["verify", "small.spec", file]) == 2
        printed = capsys.readouterr()
        assert printed.out == ""
        assert printed.err.startswith(f"error: {said}")
        assert len(printed.err.splitlines()) == 1


def test_no_file_yet(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(place / "build")
    assert main(["verify", "small.spec"]) == 2
    path = os.path.join("build", "small.onnx")
    assert capsys.readouterr().err == (
        f"error: cannot read `{path}`: there is no such file\n"
        "help: `specc export --onnx small.spec` writes it\n"
    )


def test_a_file_of_another_model(
    place: Path, subjects: Subjects, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in "wide_and_deep", "bn_after":
        onnx.save(subjects(name).file, place / "other.onnx")
        assert main(["verify", "small.spec", "other.onnx", "--provider", "cpu"]) == 1
        printed = capsys.readouterr()
        assert printed.out == ""
        assert "Traceback" not in printed.err
        assert "error[E0607]: other.onnx has other inputs than the model" in printed.err
        assert "verify a file that `specc export --onnx` wrote for this spec" in printed.err


def test_several_models(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    second = SMALL.replace("small", "second")
    (place / "small.spec").write_text(SMALL + second, encoding="utf-8")
    assert main(["verify", "small.spec"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "error: `small.spec` has several models: small, second",
        "help: choose one with --model",
    ]
    assert main(["verify", "small.spec", "--model", "small", "--provider", "cpu"]) == 0


def test_the_weights_the_file_was_exported_from(
    place: Path, subjects: Subjects, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are found by the manifest, unless they are gone or changed."""
    model = subjects("small").model
    model.to_keras(seed=77).save(place / "mine.keras")
    words = ["small.spec", "--provider", "cpu"]
    assert main(["export", "--onnx", *words, "--weights", "mine.keras"]) == 0
    assert main(["verify", *words]) == 0
    capsys.readouterr()

    path = os.path.join("build", "small.onnx")
    hint = f"help: `specc verify small.spec {path} --weights FILE.keras`"
    shutil.move("mine.keras", "moved.keras")
    assert main(["verify", *words]) == 2
    assert capsys.readouterr() == (
        "",
        f"error: `{path}` was exported from `mine.keras`, which is not there\n{hint}\n",
    )
    assert main(["verify", *words, "--weights", "moved.keras"]) == 0
    capsys.readouterr()

    model.to_keras(seed=78).save(place / "mine.keras")
    assert main(["verify", *words]) == 2
    assert capsys.readouterr() == (
        "",
        f"error: `mine.keras` has changed since `{path}` was exported from it\n{hint}\n",
    )
    assert main(["verify", *words, "--weights", "mine.keras"]) == 1
    assert "error[E0602]: `dense/kernel`" in capsys.readouterr().err


@pytest.mark.parametrize(
    "manifest",
    ["no JSON", "[]", "{}", '{"weights": null}', '{"weights": "x"}', '{"weights": {"seed": "x"}}'],
)
def test_a_manifest_of_someone_else(
    manifest: str,
    place: Path,
    subjects: Subjects,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It names no weights, so those of seed 0 are taken, which are the right ones here."""
    file = subjects("small").copy()
    (entry,) = (p for p in file.metadata_props if p.key == "specc.manifest")
    entry.value = manifest
    onnx.save(file, place / "build" / "small.onnx")
    assert main(["verify", "small.spec", "--provider", "cpu"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("command", [["build"], ["export", "--onnx"], ["verify"]])
@pytest.mark.parametrize("seed", ["-1", "4294967296", "x"])
def test_seeds_that_are_none(
    command: list[str],
    seed: str,
    place: Path,  # noqa: ARG001
    capsys: pytest.CaptureFixture[str],
) -> None:
    """NumPy and Keras take 32 bits."""
    assert main([*command, "small.spec", "--seed", seed]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines()[-1] == (
        f"specc {command[0]}: error: argument --seed: "
        f"{seed} is no whole number from 0 to 4294967295"
    )


def test_another_seed_is_in_the_manifest(place: Path, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: ARG001
    words = ["small.spec", "--provider", "cpu"]
    assert main(["export", "--onnx", *words, "--seed", "123"]) == 0
    assert main(["verify", *words, "--seed", "9"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("command", [["export", "--onnx"], ["verify"]])
def test_a_gpu_or_an_error(
    command: list[str], place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (place / "build" / "small.onnx").read_bytes()
    status = main([*command, "small.spec", "--provider", "cuda"])
    printed = capsys.readouterr()
    if has_driver():
        assert status == 0
        assert "onnxruntime (cuda)" in printed.out
        return
    assert status == 1
    assert printed.out == ""
    error, help = printed.err.splitlines()
    assert error == (
        "error: the provider `cuda` was asked for, but onnxruntime runs on `cpu` instead: "
        "there is no NVIDIA driver"
    )
    assert help.startswith("help: ")
    assert (place / "build" / "small.onnx").read_bytes() == before
    assert [path.name for path in (place / "build").iterdir()] == ["small.onnx"]
