"""What the objects of training have in common."""

from __future__ import annotations

from typing import Any

from specc.layers.arguments import KerasObject
from specc.objects.kinds import as_lists


class TrainingObject(KerasObject):
    """Base of the optimizers, losses, metrics, ...: what a model is compiled and trained with."""

    def keras_arguments(self) -> dict[str, Any]:
        return {name: as_lists(value) for name, value in self.given.items()}
