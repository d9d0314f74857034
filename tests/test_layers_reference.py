"""Every layer's example is true."""

from __future__ import annotations

import pytest

from specc.layers import FAMILIES, LAYER_NAMES, find_layer
from specc.layers.base import Layer
from specc.reference.docstring import parse_docstring
from specc.reference.example import compile_example, read_example

WITHOUT_EXAMPLE = {
    name for family in ("augmentation", "pooling", "normalization") for name in FAMILIES[family]
}
"""Classes whose examples are still to be written."""


def layer_class(name: str) -> type[Layer]:
    cls = find_layer(name)
    assert cls is not None
    return cls


@pytest.mark.parametrize("name", LAYER_NAMES)
def test_example_is_what_specc_says(name: str) -> None:
    text = parse_docstring(layer_class(name)).example
    if name in WITHOUT_EXAMPLE:
        assert not text, f"{name} has an example now: take it off WITHOUT_EXAMPLE"
        return
    assert text, f"the text of {name} has no `Example:` line"
    example = read_example(text)
    model = compile_example(example)
    assert tuple(str(output.type) for output in model.outputs) == example.outputs
    assert name in [layer.kind for layer in model.layers]
