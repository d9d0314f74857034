"""Where a NaN comes from: the run is repeated up to it, and then gone through layer by layer."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from specc.backends.frameworks import array_of, import_keras
from specc.backends.keras_model import BuiltModel, pair_variables
from specc.graph import GraphLayer
from specc.training.feed import Feed
from specc.training.fit import Fit
from specc.training.guard import NotFinite
from specc.training.hooks import plain
from specc.training.state import Arrays, capture, restore


class Found(NamedTuple):
    """What was not finite first."""

    layer: GraphLayer | None
    """Where it is one."""
    what: str
    """In words."""
    step: int
    """Of the epoch, from 1."""


class Replay(Fit):
    """A run that is repeated, step by step, to have the variables before the step in question."""

    seen: NotFinite
    before: dict[int, Arrays]

    def reach(self, seen: NotFinite) -> NotFinite | None:
        """Run until the loss is no number; None where it stays one this time."""
        self.seen, self.before = seen, {}
        try:
            self.run()
        except NotFinite as again:
            return again
        except _Past:
            pass
        return None

    def epoch_begins(self) -> None:
        super().epoch_begins()
        self._keep(self._first)

    def step_done(self, steps: int, logs: Any) -> None:
        self.step = step = self._first + steps
        value = plain(logs["loss"])
        if not np.isfinite(value):
            raise NotFinite(self.epoch, step - 1, step, value)
        self._keep(step)
        if self.epoch > self.seen.epoch or (
            self.epoch == self.seen.epoch and step > self.seen.step
        ):
            raise _Past

    def _keep(self, step: int) -> None:
        if self.epoch == self.seen.epoch and step >= self.seen.after - 1:
            self.before[step] = capture(self.model)

    def save(self) -> None: ...


class _Past(Exception):
    """The step in question is over."""


def first_not_finite(built: BuiltModel, replay: Replay, feed: Feed, again: NotFinite) -> Found:
    """What was not finite first, in the step where the loss was not.

    Args:
        built: the model that the replay has trained.
        feed: gives the batch of that step.
    """
    step = again.step
    before = replay.before.get(step - 1)
    if before is None:
        return Found(None, "the loss", step)
    restore(built.keras_model, before)
    spoilt = _spoilt_weight(built)
    if spoilt is not None:
        layer, name = spoilt
        return Found(layer, f"`{name}`, after the update of step {step - 1}", step)
    keras = import_keras()
    x, y = next(iter(feed.begin(again.epoch, step - 1)))[:2]
    for name, arrays in (("inputs", x), ("targets", y)):
        if not all(_finite(array) for array in keras.tree.flatten(arrays)):
            return Found(None, f"the {name} of the batch", step)
    return _first_layer(built, x, step)


def _spoilt_weight(built: BuiltModel) -> tuple[GraphLayer, str] | None:
    values = {id(v): array_of(keras_v.value) for v, keras_v in pair_variables(built)}
    for layer in built.graph.layers:
        for variable in layer.variables:
            if not _finite(values[id(variable)]):
                return layer, f"{layer.name}/{variable.name}"
    return None


def _first_layer(built: BuiltModel, x: Any, step: int) -> Found:
    keras = import_keras()
    nodes = list(built.graph.nodes)
    tensors = [tensor for node in nodes for tensor in node.outputs]
    probe = keras.Model(built.keras_model.inputs, [built.tensors[t] for t in tensors])
    values = dict(zip(tensors, keras.tree.flatten(probe(x, training=True)), strict=True))
    for node in nodes:
        if not all(_finite(values[tensor]) for tensor in node.outputs):
            return Found(node.layer, "its output", step)
    return Found(None, "the loss, of outputs that are all finite", step)


def _finite(value: Any) -> bool:
    array = np.asarray(array_of(value))
    return array.dtype.kind in "iubUSO" or bool(np.isfinite(array.astype("float64")).all())
