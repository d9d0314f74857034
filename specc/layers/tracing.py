"""What Keras cannot trace.

Layers that do not say the shape of their output are run by Keras on a batch of which nothing is
known, and whatever is within them runs, too.
"""

from __future__ import annotations

from collections.abc import Iterable

from specc.diagnostics.errors import shapes as errors
from specc.diagnostics.place import Refused
from specc.layers import names
from specc.layers.arguments import KerasObject, is_tuple
from specc.layers.base import Layer


def require_traceable(
    argument: str, layers: Iterable[Layer], batch_size: int | None, *, regularized: bool = True
) -> None:
    """Refuse layers within another that need the batch size while Keras traces that one.

    Args:
        argument: the one that is at fault.
        regularized: whether Keras calls the regularizers of the layers' activities.
    """
    if batch_size is not None:
        return
    for layer in layers:
        if regularized and _compares_samples(layer.activity_regularizer):
            raise Refused(errors.size_needed, argument, 0)
        # `TimeDistributed` goes past what is around the `call` of its layer.
        called = layer.kind != "TimeDistributed"
        within = [inner for value in layer.given.values() for inner in layers_in(value)]
        require_traceable(argument, within, batch_size, regularized=called)


def layers_in(value: object) -> list[Layer]:
    """The layers that the value of an argument is, or holds."""
    return [x for x in (value if is_tuple(value) else (value,)) if isinstance(x, Layer)]


def _compares_samples(regularizer: str | KerasObject | None) -> bool:
    """Whether it makes a matrix of how each sample of a batch relates to each other one."""
    name = type(regularizer).__name__ if isinstance(regularizer, KerasObject) else regularizer
    by_rows = getattr(regularizer, "mode", "rows") == "rows"
    return name in names.ORTHOGONAL_REGULARIZERS and by_rows
