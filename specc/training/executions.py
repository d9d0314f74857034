"""How many steps TensorFlow makes in one go.

The steps of a small model are over before Python has prepared the next one. With
`steps_per_execution` TensorFlow makes several in a loop of its own; they are the same steps, in
the same order. The other backends run that loop in Python, and gain nothing.
"""

from __future__ import annotations

from typing import Any

from specc.graph import Graph
from specc.training.settings import Settings

SMALL = {"cpu": 50_000_000, "gpu": 2_000_000_000}
"""Multiplications of a step below which what surrounds it counts: at 20 GFLOPS a processor does
them in about ten milliseconds, where a step costs half a millisecond beside them."""

MOST = 32
AT_LEAST_A_TURN = 8
"""Executions of an epoch that there are in any case: between two a run can be stopped, and shows
how far it is."""


def steps_of_an_execution(graph: Graph, settings: Settings, steps: int, device: str) -> int:
    """What the settings say, or what suits the model.

    Args:
        steps: of an epoch.
        device: "cpu" or "gpu".
    """
    said = settings["steps_per_execution"]
    if said != "auto":
        return said
    if settings.backend != "tensorflow" or any(map(_counts_steps, settings.callbacks)):
        return 1
    if multiplications(graph) * settings.batch_size > SMALL[device]:
        return 1
    most = min(MOST, steps // AT_LEAST_A_TURN)
    return 1 if most < 2 else 1 << (most.bit_length() - 1)


def multiplications(graph: Graph) -> int:
    """About how many multiplications the layers with weights make for a sample: a weight is used
    once at each place of the output."""
    found = 0
    for layer in graph.layers:
        places = 1
        for size in layer.outputs[0].type.shape[:-1] if layer.outputs else ():
            places *= size if isinstance(size, int) else 1
        found += layer.params.total * places
    return found


def _counts_steps(callback: Any) -> bool:
    """Whether a callback does something after a number of steps."""
    every = [getattr(callback, name, "epoch") for name in ("save_freq", "update_freq")]
    return any(value != "epoch" for value in every)
