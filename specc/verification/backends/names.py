"""What can compute a model, by the names that `--backends` takes."""

from __future__ import annotations

from specc.files import UsageError

KERAS = ("tensorflow", "jax", "torch")
"""Keras on one of its backends."""

PROVIDERS = ("cpu", "cuda", "cuda-tf32", "tensorrt")
"""The file, in onnxruntime."""

REFERENCE = "reference"
"""The file, in ONNX's reference evaluator."""

EXPORTERS = ("native", "tf2onnx")
"""What that exporter writes of the model, in onnxruntime."""

BACKENDS = (*KERAS, *PROVIDERS, REFERENCE, *EXPORTERS)
ALL = "all"


def backends_named(text: str) -> tuple[str, ...]:
    """The backends in a list such as `jax,torch`; every one of `all`.

    Raises:
        UsageError: where one of them is none.
    """
    names = [name.strip() for name in text.split(",")]
    if names == [ALL]:
        return BACKENDS
    for name in names:
        if name not in BACKENDS:
            raise UsageError(
                f"there is no backend `{name}`", f"backends: {', '.join(BACKENDS)}, or {ALL}"
            )
    return tuple(dict.fromkeys(names))
