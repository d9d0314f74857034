"""Weights parted among devices: Keras's `ModelParallel` on JAX, with a layout for each pattern.

Imports Keras: only where the backend has been chosen.
"""

from __future__ import annotations

import re
from typing import Any

import keras

from specc.files import UsageError
from specc.training.distribution import BATCH, MODEL, Layouts, Spread


class Parted(keras.distribution.ModelParallel):
    """Keras's, which keeps what does not fit until all of it can be told."""

    def __init__(self, spread: Spread, devices: list[str], layouts: Layouts, split: int) -> None:
        mesh = keras.distribution.DeviceMesh(
            (len(devices) // split, split), (BATCH, MODEL), devices
        )
        super().__init__(
            layout_map=keras.distribution.LayoutMap(mesh),
            batch_dim_name=BATCH,
            auto_shard_dataset=False,
        )
        self._spread = spread
        self._layouts = layouts
        self._sizes: dict[str, int] = {BATCH: self.num_model_replicas, MODEL: split}
        self._used: set[str] = set()
        self._mistakes: list[str] = []

    def get_data_layout(self, data_shape: Any) -> Any:
        if not self._spread.whole:
            return super().get_data_layout(data_shape)
        return keras.distribution.TensorLayout([None] * len(data_shape), self.device_mesh)

    def get_variable_layout(self, variable: Any) -> Any:
        if getattr(variable, "_layout", None) is not None:
            return variable._layout
        axes = self._axes(variable.path, tuple(variable.shape))
        return keras.distribution.TensorLayout(axes, self.device_mesh)

    def get_tensor_layout(self, path: str) -> None:  # noqa: ARG002
        return None  # patterns are for weights; JAX finds out what lies between

    def _axes(self, path: str, shape: tuple[int, ...]) -> tuple[str | None, ...]:
        whole = (None,) * len(shape)
        found = [pattern for pattern in self._layouts if re.fullmatch(pattern, path)]
        self._used.update(found)
        if not found:
            return whole
        if len(found) > 1:
            self._mistakes.append(f"`{path}` fits `{found[0]}` and `{found[1]}`")
            return whole
        axes = self._layouts[found[0]]
        said = ",".join(map(str, axes))
        if len(axes) != len(shape):
            self._mistakes.append(f"`{path}` has {len(shape)} axes, and `{said}` has {len(axes)}")
            return whole
        for size, axis in zip(shape, axes, strict=True):
            if axis is not None and size % self._sizes[axis]:
                self._mistakes.append(
                    f"`{path}` has an axis of {size}, which does not go into {self._sizes[axis]} "
                    "equal parts"
                )
                return whole
        return axes

    def check(self, model: Any) -> None:
        """Make sure that the layouts fit the model that has been made.

        Raises:
            UsageError: where one does not.
        """
        if self._mistakes:
            raise UsageError(f"--layout: {self._mistakes[0]}", "PATTERN=AXIS,AXIS, an axis each")
        unused = [pattern for pattern in self._layouts if pattern not in self._used]
        if unused:
            paths = ", ".join(variable.path for variable in model.weights[:8])
            more = ", ..." if len(model.weights) > 8 else ""
            raise UsageError(
                f"--layout: `{unused[0]}` fits the path of no weight", f"the paths: {paths}{more}"
            )
