"""The names of `keras.layers` that a spec cannot have, and why."""

from __future__ import annotations

from typing import NamedTuple


class Refusal(NamedTuple):
    """Why a name stands for nothing in a spec, and what does the same."""

    why: str
    instead: str


_CODE = "it holds Python code, which a spec cannot check, count or export"
_BASE = "it is the base class of others, not a layer by itself"
_A_FUNCTION = "it is a function of Python"

REFUSED: dict[str, Refusal] = {
    "FlaxLayer": Refusal(_CODE, "write it as a block, or bring it in as a layer from Python"),
    "Input": Refusal("an input is a line of its own", "write `input x: float32[28, 28]`"),
    "InputLayer": Refusal("an input is a line of its own", "write `input x: float32[28, 28]`"),
    "InputSpec": Refusal(
        "it says which inputs a layer takes, and is none",
        "a block says it by the types of its inputs: `input x: float32[length, 8]`",
    ),
    "JaxLayer": Refusal(_CODE, "write it as a block, or bring it in as a layer from Python"),
    "Lambda": Refusal(
        _CODE, "what a Lambda computes is written with operators and `ops`, or as a block"
    ),
    "Layer": Refusal(
        _BASE, "a block with `weight` lines is a layer of your own, and `Identity` does nothing"
    ),
    "MaxNumBoundingBoxes": Refusal(
        "it changes bounding boxes, which a spec has no way to describe",
        "cut them to one number where the data are prepared",
    ),
    "TFSMLayer": Refusal(
        "it runs a saved file, whose layers and weights a spec cannot see",
        "write the model as a spec, and give its weights with `--weights`",
    ),
    "TorchModuleWrapper": Refusal(
        _CODE, "write it as a block, or bring it in as a layer from Python"
    ),
    "Wrapper": Refusal(
        _BASE, "`TimeDistributed`, `Bidirectional` and `SpectralNormalization` are those to use"
    ),
    **{
        name: Refusal(f"in Keras it applies the layer `{layer}` at once", f"write `{use}`")
        for name, layer, use in (
            ("add", "Add", "[a, b] -> Add"),
            ("average", "Average", "[a, b] -> Average"),
            ("concatenate", "Concatenate", "[a, b] -> Concatenate"),
            ("dot", "Dot", "[a, b] -> Dot(axes=1)"),
            ("maximum", "Maximum", "[a, b] -> Maximum"),
            ("minimum", "Minimum", "[a, b] -> Minimum"),
            ("multiply", "Multiply", "[a, b] -> Multiply"),
            ("subtract", "Subtract", "[a, b] -> Subtract"),
        )
    },
    "deserialize": Refusal(_A_FUNCTION, "a spec is the text of its layers"),
    "serialize": Refusal(_A_FUNCTION, "a spec is the text of its layers"),
}
