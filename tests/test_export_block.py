"""`specc export` does what a spec's `export` block says, where no option says otherwise."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

import specc
from specc.cli.main import main

MODEL = """\
model small {
    input x: float32[6]

    Dense(64, activation="relu")
    Dense(3)
}
"""

pytestmark = pytest.mark.usefixtures("keras_backend")


def exported(folder: Path, block: str, *options: str) -> int:
    lines = "\n".join(f"    {entry}" for entry in block.split("; "))
    text = f"{MODEL}\nexport small {{\n{lines}\n}}\n"
    (folder / "small.spec").write_text(text, encoding="utf-8")
    return main(["export", "--onnx", str(folder / "small.spec"), "-o", str(folder), *options])


def opset(path: Path) -> int:
    return next(o.version for o in onnx.load(path).opset_import if not o.domain)


def kernel_type(path: Path) -> int:
    kernels = [i for i in onnx.load(path).graph.initializer if list(i.dims) == [6, 64]]
    return kernels[0].data_type


def test_what_the_block_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exported(tmp_path, 'opset = 20; precision = "float16"') == 0
    assert opset(tmp_path / "small.onnx") == 20
    assert kernel_type(tmp_path / "small.onnx") == onnx.TensorProto.FLOAT16
    assert "float16" in capsys.readouterr().out


def test_options_come_first(tmp_path: Path) -> None:
    assert exported(tmp_path, 'opset = 20; precision = "float16"', "--opset", "18") == 0
    assert opset(tmp_path / "small.onnx") == 18
    assert exported(tmp_path, 'precision = "float16"', "--quantize", "int8") == 0
    assert kernel_type(tmp_path / "small.onnx") in (onnx.TensorProto.INT8, onnx.TensorProto.UINT8)


def test_quantized(tmp_path: Path) -> None:
    assert exported(tmp_path, 'quantize = "int8"') == 0
    assert kernel_type(tmp_path / "small.onnx") in (onnx.TensorProto.INT8, onnx.TensorProto.UINT8)


def test_weights_beside(tmp_path: Path) -> None:
    assert exported(tmp_path, "external_data = True") == 0
    assert [path.suffix for path in tmp_path.glob("small-*")] == [".data"]


def test_float32_is_the_default(tmp_path: Path) -> None:
    assert exported(tmp_path, 'precision = "float32"; opset = 19') == 0
    assert opset(tmp_path / "small.onnx") == 19
    assert kernel_type(tmp_path / "small.onnx") == onnx.TensorProto.FLOAT


def test_names_of_classes(tmp_path: Path) -> None:
    """Those that the data have are in the file, so that predictions can be told by name."""
    data = 'data d {\n    source = npz("d.npz")\n    classes = ["cat", "dog", "owl"]\n}\n'
    (tmp_path / "small.spec").write_text(f"{MODEL}\n{data}", encoding="utf-8")
    assert main(["export", "--onnx", str(tmp_path / "small.spec"), "-o", str(tmp_path)]) == 0
    predictor = specc.load(tmp_path / "small.onnx")
    assert predictor.labels == {"dense_1": ("cat", "dog", "owl")}
    assert main(["verify", str(tmp_path / "small.spec"), str(tmp_path / "small.onnx")]) == 0


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ('quantize = "static"', "takes the ranges of values from samples"),
        ('precision = "float16"; quantize = "int8"', "two ways to a smaller file"),
        ('quantize = "int8"; external_data = True', "stay in the model's file"),
    ],
)
def test_what_makes_no_sense(
    block: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exported(tmp_path, block) == 2
    printed = capsys.readouterr()
    assert said in printed.err
    assert printed.out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["small.spec"]
