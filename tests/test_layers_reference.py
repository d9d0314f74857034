"""What is told of the layers is true: the examples in their texts, and docs/layers.md."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from specc.layers import ALIASES, LAYER_NAMES, find_layer
from specc.layers.arguments import INITIALIZER, Choice, Sizes, Text, arg
from specc.layers.base import Layer
from specc.layers.refused import REFUSED
from specc.reference.docstring import parse_docstring
from specc.reference.example import compile_example, read_example
from specc.reference.layers import describe_class, exports, first_sentence, literal
from specc.reference.markdown import layers_page
from specc.types import TensorType

PAGE = Path(__file__).parent.parent / "docs" / "layers.md"


def layer_class(name: str) -> type[Layer]:
    cls = find_layer(name)
    assert cls is not None
    return cls


@pytest.mark.parametrize("name", LAYER_NAMES)
def test_example_is_what_specc_says(name: str) -> None:
    text = parse_docstring(layer_class(name)).example
    assert text, f"the text of {name} has no `Example:` line"
    example = read_example(text)
    model = compile_example(example)
    assert tuple(str(output.type) for output in model.outputs) == example.outputs
    assert re.search(rf"\b{name}\b", example.spec)


# ------------------------------------------------------------------------ docs/layers.md


def test_the_page_is_up_to_date() -> None:
    written = PAGE.read_text(encoding="utf-8")
    assert written == layers_page(), "write it anew: python -m specc.reference.generate"


def test_the_page_has_every_layer_once() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert sorted(re.findall(r"^### (.+)$", page, re.MULTILINE)) == sorted(LAYER_NAMES)
    for name in (*ALIASES, *REFUSED):
        assert f"`{name}`" in page


def test_the_contents_lead_to_the_sections() -> None:
    """GitHub makes an anchor of each heading, and numbers those that are alike."""
    page = PAGE.read_text(encoding="utf-8")
    anchors: list[str] = []
    for heading in re.findall(r"^#+ (.+)$", page, re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        number = sum(re.fullmatch(rf"{slug}(-\d+)?", anchor) is not None for anchor in anchors)
        anchors.append(f"{slug}-{number}" if number else slug)
    contents = [line for line in page.splitlines() if re.match(r"- \[.*\]\(#", line)]
    targets = re.findall(r"\(#([^)]+)\)", "\n".join(contents))
    assert targets == anchors[1:]


# ------------------------------------------------------------------------- its pieces


class Documented(Layer):
    """A layer for the test. It has a second sentence.

    A note of
    two lines.

    Another note.

    Shapes:  (*any)
             -> (*any)
    Weights: none

    Example: float32[4]
             -> Documented(2, mode="a -> b") -> float32[4]
    """

    size: tuple[int, ...] = arg(Sizes(2))
    mode: str = arg(Choice("a -> b", 'quoted "c"'), default='quoted "c"')
    sizes: tuple[int, ...] = arg(Sizes(1), default=(3,))
    start: str = arg(INITIALIZER, default="zeros")
    label: str | None = arg(Text(), default=None)

    def infer(self, x: TensorType) -> TensorType:
        return x


def test_a_text_is_taken_apart() -> None:
    text = parse_docstring(Documented)
    assert text.summary == "A layer for the test. It has a second sentence."
    assert first_sentence(Documented) == "A layer for the test."
    assert text.notes == ("A note of two lines.", "Another note.")
    assert text.shapes == "(*any) -> (*any)"
    assert text.weights == "none"
    assert text.example == 'float32[4] -> Documented(2, mode="a -> b") -> float32[4]'


def test_a_class_without_a_text_has_a_page() -> None:
    class Bare(Layer):
        def infer(self, x: TensorType) -> TensorType:
            return x

    info = describe_class(Bare, "none")
    assert (info.summary, info.notes, info.example) == ("", (), None)
    assert info.signature() == "Bare()"


def test_a_signature_is_written_as_a_spec_writes_it() -> None:
    info = describe_class(Documented, "none")
    assert info.signature() == (
        'Documented(size, mode="quoted \\"c\\"", sizes=(3,), start="zeros", label=None)'
    )
    lines = info.signature(40).splitlines()
    assert max(map(len, lines)) <= 40
    assert " ".join(line.strip() for line in lines) == info.signature()
    assert info.example is not None
    assert info.example.outputs == ("float32[4]",)


def test_literals() -> None:
    assert literal(("a", 1, None, True, (2.5,))) == '("a", 1, None, True, (2.5,))'


@pytest.mark.parametrize(
    "text",
    [
        "Dense(3)",
        "-> Dense(3) -> float32[3]",
        "float32[4] -> Dense(3)",
        "float32[4] -> Dense(3) -> float32[3] and more",
    ],
)
def test_what_is_no_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"go in|comes out"):
        read_example(text)


def test_exports() -> None:
    """Said by the class, not by a list."""

    class Refused(Layer):
        tf2onnx_refuses = "tf2onnx has no such thing"

    class Limited(Layer):
        tf2onnx_limits = "but for this"

    class Native(Refused):
        def onnx(self) -> None: ...

    class Both(Limited):
        def onnx(self) -> None: ...

    assert exports(Layer) == "by tf2onnx"
    assert exports(Refused) == "not at all, as tf2onnx has no such thing"
    assert exports(Limited) == "by tf2onnx, but for this"
    assert exports(Native) == "natively"
    assert exports(Both) == "natively, or by tf2onnx, but for this (`--via tf2onnx`)"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", LAYER_NAMES)
def test_what_is_said_of_the_export_is_true(name: str) -> None:
    """Each example is exported and verified, or refused where its class says so."""
    import specc

    cls = layer_class(name)
    text = parse_docstring(cls).example
    if not text:
        pytest.skip("no example yet")
    model = compile_example(read_example(text))
    keras_model = model.to_keras(seed=0)
    if cls.tf2onnx_refuses:
        with pytest.raises(specc.UsageError, match="tf2onnx cannot convert"):
            model.to_onnx(keras_model)
        return
    report = specc.verify(model, keras_model, model.to_onnx(keras_model), provider="cpu")
    assert report.ok, report.diagnostics
