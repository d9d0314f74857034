"""Programs of several files: imports, the standard library, layers from Python."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

import specc
from specc.backends.compare import compare_with_keras
from specc.backends.keras_model import build_keras
from specc.cli.main import main
from specc.library import STANDARD, standard_modules
from specc.plugins import offered_layers, plugin_layer
from specc.source import Source
from specc.syntax.parser import parse

HEAD = "block head(classes) {\n    input x\n\n    Dense(classes)\n}\n"
USER = 'import "{path}"\n\nmodel m {{\n    input x: float32[4]\n\n    head(3)\n}}\n'


def write(folder: Path, **files: str) -> Path:
    """Files by their names without `.spec`, `__` standing for `/`; gives that of `main`."""
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.spec"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "main.spec"


# ----------------------------------------------------------------------------- imports


def test_import_is_relative_to_the_importing_file(tmp_path: Path) -> None:
    middle = 'import "deep/leaf.spec"\n\nblock head(n) {\n    input x\n\n    leaf(n)\n}\n'
    path = write(
        tmp_path,
        main=USER.format(path="parts/middle.spec"),
        parts__middle=middle,
        parts__deep__leaf=HEAD.replace("head", "leaf"),
    )
    model = specc.compile(path).model()
    assert [layer.name for layer in model.layers] == ["head.leaf.dense"]
    assert model.layers[0].line == 4  # of the file that it stands in


def test_what_a_file_imports_is_not_handed_on(tmp_path: Path) -> None:
    middle = 'import "leaf.spec"\n\nblock other() {\n    input x\n\n    x -> head(3)\n}\n'
    path = write(tmp_path, main=USER.format(path="middle.spec"), middle=middle, leaf=HEAD)
    with pytest.raises(specc.SpecError, match="E0201"):
        specc.compile(path)


def test_a_file_may_be_imported_on_two_ways(tmp_path: Path) -> None:
    other = 'import "leaf.spec"\n\nblock other() {\n    input x\n\n    head(2)\n}\n'
    text = """
import "other.spec"
import "leaf.spec"

model m {
    input x: float32[4]

    other
    head(3)
}
"""
    model = specc.compile(write(tmp_path, main=text, other=other, leaf=HEAD)).model()
    assert model.params.total == 4 * 2 + 2 + 2 * 3 + 3


def test_models_can_be_imported_and_are_no_models_of_the_file(tmp_path: Path) -> None:
    inner = "model head {\n    param n: int = 3\n    input x: float32[4]\n\n    Dense(n)\n}\n"
    text = 'import "inner.spec"\n\nmodel m {\n    input x: float32[4]\n\n    x -> head(n=5)\n}\n'
    program = specc.compile(write(tmp_path, main=text, inner=inner))
    assert [model.name for model in program.models] == ["m"]
    assert program.model().params.total == 25


@pytest.mark.parametrize("inside", [True, False])
def test_links_are_followed_inside_the_root_alone(tmp_path: Path, inside: bool) -> None:
    root = tmp_path / "root"
    target = (root if inside else tmp_path) / "real.spec"
    path = write(root, main=USER.format(path="link.spec"))
    target.write_text(HEAD)
    (root / "link.spec").symlink_to(target)
    if inside:
        assert specc.compile(path).model().params.total == 15
    else:
        with pytest.raises(specc.SpecError, match="E0224"):
            specc.compile(path)


def test_a_text_imports_the_standard_library_alone() -> None:
    text = 'import "std/mlp"\n\nmodel m {\n    input x: float32[4]\n\n    mlp([3, 2])\n}\n'
    assert specc.compile_text(text).model().params.total == 15 + 8
    with pytest.raises(specc.SpecError, match="E0224"):
        specc.compile_text(text.replace("std/mlp", "mlp.spec"))


# ---------------------------------------------------------------- the standard library

RESNETS = {
    # keras.applications, include_top=True, weights=None
    "[3, 4, 6, 3]": (25_636_712, 25_583_592),
    "[3, 4, 23, 3]": (44_707_176, 44_601_832),
    "[3, 8, 36, 3]": (60_419_944, 60_268_520),
}


@pytest.mark.parametrize("repeats", RESNETS)
def test_resnet_has_the_published_counts(repeats: str) -> None:
    text = f"""
import "std/resnet"

model resnet {{
    input image: float32[224, 224, 3]

    resnet_backbone({repeats})
    GlobalAveragePooling2D
    Dense(1_000, activation="softmax")
}}
"""
    params = specc.compile_text(text).model().params
    assert (params.total, params.trainable) == RESNETS[repeats]


USES = {
    "mlp": (
        "mlp([8, 4], batch_normalization=True, dropout=0.1)\n    gated_mlp(8, 3)",
        "float32[6]",
        "float32[3]",
    ),
    "resnet": (
        "resnet_backbone([1, 1], bottleneck=False, filters=4)",
        "float32[32, 32, 3]",
        "float32[4, 4, 8]",
    ),
    "transformer": (
        (
            "patch_embedding(4, 8)\n    position_embedding\n"
            "    transformer_encoder(2, 4, 16, norm_first=True)"
        ),
        "float32[16, 16, 3]",
        "float32[16, 8]",
    ),
    "unet": ("unet_backbone([4, 8, 16], dropout=0.1)", "float32[16, 16, 1]", "float32[16, 16, 4]"),
}


def test_every_standard_module_is_used() -> None:
    assert {f"std/{name}" for name in USES} == set(standard_modules())


@pytest.mark.usefixtures("keras_backend")
@pytest.mark.parametrize("name", USES)
def test_standard_blocks_are_what_keras_builds(name: str) -> None:
    lines, given, gives = USES[name]
    text = f'import "std/{name}"\n\nmodel m {{\n    input x: {given}\n\n    {lines}\n}}\n'
    model = specc.compile_text(text).model()
    assert str(model.outputs[0].type) == gives
    assert compare_with_keras(build_keras(model.graph)) == []


@pytest.mark.parametrize("name", USES)
def test_standard_blocks_say_what_they_are(name: str) -> None:
    """A comment stands above each."""
    text = (Path(STANDARD) / f"{name}.spec").read_text()
    lines = text.splitlines()
    for block in parse(Source(name, text)).blocks:
        assert lines[block.span.line - 2].startswith("# "), block.name.text


# ------------------------------------------------------------------ layers from Python

SCALE = '''
from specc.layers.arguments import Float, arg
from specc.layers.base import Layer


class Scale(Layer):
    """The input times a factor."""

    factor: float = arg(Float(), default=1.0)

    def infer(self, x):
        return x

    def keras_layer(self):
        import keras

        class Scale(keras.layers.Layer):
            def __init__(self, factor=1.0, **common):
                super().__init__(**common)
                self.factor = factor

            def call(self, inputs):
                return inputs * self.factor

        return Scale
'''
SCALED = "model scaled {\n    input x: float32[4]\n\n    Scale(factor=2.0)\n    Dense(1)\n}\n"


def test_a_spec_alone_knows_no_python_layer(tmp_path: Path) -> None:
    (tmp_path / "scale.py").write_text(SCALE)
    with pytest.raises(specc.SpecError, match="E0201"):
        specc.compile(write(tmp_path, main=SCALED))


@pytest.mark.usefixtures("keras_backend")
def test_python_layers_that_are_allowed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, main=SCALED)
    (tmp_path / "scale.py").write_text(SCALE)
    allowed = ["--allow-python", str(tmp_path / "scale.py")]
    assert main(["check", str(path), *allowed]) == 0
    assert main(["build", str(path), *allowed, "-o", str(tmp_path / "out")]) == 0
    assert "Keras agrees with the spec on every layer" in capsys.readouterr().out


def test_layers_of_installed_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry point, as an installation writes it."""
    (tmp_path / "scale_layers.py").write_text(SCALE)
    metadata = tmp_path / "scale_layers-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: scale-layers\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[specc.layers]\nScale = scale_layers:Scale\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    caches: list[Any] = [plugin_layer, offered_layers]
    for cache in caches:
        cache.cache_clear()
    try:
        model = specc.compile_text(SCALED).model()
        assert [layer.kind for layer in model.layers] == ["Scale", "Dense"]
    finally:
        for cache in caches:
            cache.cache_clear()
        sys.modules.pop("scale_layers", None)


# --------------------------------------------------------------------------- examples

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.spec"))


@pytest.mark.usefixtures("keras_backend")
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_are_what_keras_builds(path: Path) -> None:
    model = specc.compile(path).model()
    assert model.name == path.stem
    assert compare_with_keras(build_keras(model.graph)) == []


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_are_formatted_and_without_advice(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fmt", "--check", str(path)]) == 0
    assert main(["lint", str(path)]) == 0
    capsys.readouterr()


def test_there_are_examples() -> None:
    names = {"mackey_glass", "reber", "resnet", "text_transformer", "tied_autoencoder"}
    assert {path.stem for path in EXAMPLES} == names
