"""TensorFlow's `MirroredStrategy`: the devices of one machine."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from specc.backends.frameworks import import_tensorflow
from specc.backends.silence import Output, captured
from specc.files import UsageError
from specc.graph import Graph
from specc.layers.arguments import KerasObject, is_tuple
from specc.training.distribution import Distribution, Spread, require_devices
from specc.training.settings import Settings

OF_EACH_DEVICE = (
    "clipnorm", "clipvalue", "global_clipnorm", "gradient_accumulation_steps",
    "ema_overwrite_frequency",
)  # fmt: skip
"""Arguments of optimizers by which Keras does something to the gradients of each device before
they are added up, or that it cannot do under a strategy at all."""

MEANS = ("sum_over_batch_size", "mean")
"""Reductions of a loss that are the mean of the parts' ones."""


class Mirrored(Spread):
    """The weights on each device of this machine, a part of each batch on each."""

    one_step = True  # Keras's loop in the graph does not take values of several devices

    def __init__(self, wished: Distribution) -> None:
        self.wished = wished

    def begin(self) -> None:
        tf: Any = import_tensorflow()
        wished = self.wished
        kind = "GPU" if tf.config.list_physical_devices("GPU") else "CPU"
        if kind == "CPU" and wished.devices is not None:
            (cpu,) = tf.config.list_physical_devices("CPU")
            parts = [tf.config.LogicalDeviceConfiguration() for _ in range(wished.devices)]
            try:
                tf.config.set_logical_device_configuration(cpu, parts)
            except RuntimeError:
                pass  # TensorFlow has taken them already; what there is counts
        devices = [device.name for device in tf.config.list_logical_devices(kind)]
        require_devices(len(devices), wished, kind)
        devices = devices[: wished.devices]
        with captured(Output()):  # it says what it takes
            self._strategy = tf.distribute.MirroredStrategy(devices)
        self.devices = self.replicas = len(devices)

    def check(self, graph: Graph, settings: Settings) -> list[str]:
        if settings["steps_per_execution"] not in ("auto", 1):
            raise UsageError(
                "TensorFlow makes one step an execution where a run is spread",
                'leave `steps_per_execution` to "auto"',
            )
        if graph.batch_size is not None:
            raise UsageError(
                f"the model has batches of {graph.batch_size} samples, and each device would get "
                "a part of one",
                "`--backend jax` parts them behind the model's back",
            )
        _require_same_steps(settings)
        normalized = [
            layer.name
            for layer in graph.layers
            if type(layer.layer).__name__ == "BatchNormalization"
            and not getattr(layer.layer, "synchronized", True)
        ]
        if not normalized:
            return []
        said = f"`{normalized[0]}` normalizes the part of a batch that its device has"
        return [f"{said}; `synchronized=True` makes it the whole batch, as --backend jax does"]

    @contextmanager
    def scope(self) -> Generator[None]:
        with self._strategy.scope():
            yield


def _require_same_steps(settings: Settings) -> None:
    """Make sure that a step of the optimizer is that of the whole batch.

    Raises:
        UsageError: where Keras would do it with the part of each device.
    """
    for item in _objects(settings["optimizer"]):
        for name in OF_EACH_DEVICE:
            if item.given.get(name) is not None:
                raise UsageError(
                    f"under TensorFlow's strategies Keras does not do `{name}` to the gradients of "
                    "the whole batch",
                    "`--backend jax` does",
                )
    for item in _objects(settings["loss"]):
        if item.given.get("reduction", MEANS[0]) not in MEANS:
            raise UsageError(
                f"a loss with `reduction = {item.given['reduction']!r}` is not the mean of its "
                "parts, as TensorFlow's strategies need it",
                "`--backend jax` takes it",
            )


def _objects(value: Any) -> list[KerasObject]:
    """The objects that a setting is made of, what is inside of them included."""
    if is_tuple(value):
        return [found for item in value for found in _objects(item)]
    if not isinstance(value, KerasObject):
        return []
    return [value, *(found for item in value.given.values() for found in _objects(item))]
