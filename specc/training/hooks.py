"""Between Keras's `fit` and a run. Imports Keras: only where the backend has been chosen.

`fit` is called once for each epoch, so that one can be begun in its midst; for callbacks it is one
training all the same.
"""

from __future__ import annotations

import os
from typing import Any, Protocol

import keras
import numpy as np

from specc.files import replacing
from specc.training.progress import Row


class Watcher(Protocol):
    """What a run wants to be told."""

    def epoch_begins(self) -> None: ...

    def step_done(self, steps: int, logs: Any) -> None:
        """So many steps of this call of `fit` are done."""
        ...

    def epoch_done(self, epoch: int, row: Row) -> None: ...

    def validation_begins(self) -> None: ...

    def validation_ends(self) -> None: ...


class Hooks(keras.callbacks.CallbackList):
    """The callbacks of a run, and its watcher behind them."""

    def __init__(
        self, callbacks: list[Any], model: Any, watcher: Watcher, epochs: int, steps: int
    ) -> None:
        super().__init__(
            list(callbacks), add_history=True, model=model, epochs=epochs, steps=steps, verbose=0
        )
        self.watcher = watcher
        self.first = 0
        """The step of the epoch that this call of `fit` begins with."""
        # Keras would make every number of every step a Python float, which waits for the device.
        self._steps_matter = any(_listens(c, "batch", "train_batch") for c in callbacks)
        self._tests_matter = any(_listens(c, "test_batch") for c in callbacks)

    def begin(self) -> None:
        """The training begins, once."""
        super().on_train_begin()

    def end(self) -> None:
        super().on_train_end()

    def on_train_begin(self, logs: Any = None) -> None: ...

    def on_train_end(self, logs: Any = None) -> None: ...

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        super().on_epoch_begin(epoch, logs)
        self.watcher.epoch_begins()

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if self._steps_matter:
            super().on_train_batch_begin(self.first + batch, logs)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if self._steps_matter:
            super().on_train_batch_end(self.first + batch, logs)
        self.watcher.step_done(batch + 1, logs)

    def on_test_begin(self, logs: Any = None) -> None:
        self.watcher.validation_begins()
        super().on_test_begin(logs)

    def on_test_end(self, logs: Any = None) -> None:
        super().on_test_end(logs)
        self.watcher.validation_ends()

    def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
        if self._tests_matter:
            super().on_test_batch_begin(batch, logs)

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        if self._tests_matter:
            super().on_test_batch_end(batch, logs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        row = {name: plain(value) for name, value in (logs or {}).items()}
        for callback in self.callbacks:  # they may add to the row: the learning rate
            callback.on_epoch_end(epoch, row)
        self.watcher.epoch_done(epoch, row)


def _listens(callback: Any, *events: str) -> bool:
    own = type(callback)
    base = keras.callbacks.Callback
    methods = [f"on_{event}_{when}" for event in events for when in ("begin", "end")]
    return any(getattr(own, method) is not getattr(base, method) for method in methods)


def plain(value: Any) -> Any:
    """A number or an array of a backend as Python's numbers; metrics of classes are lists."""
    array = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
    return array.tolist()


class ModelCheckpoint(keras.callbacks.ModelCheckpoint):
    """Keras's, but a file has its name only when it is complete."""

    def _save_model(self, epoch: int, batch: int | None, logs: Any) -> None:
        target = self._get_file_path(epoch, batch, logs)
        if not self._should_save_model(epoch, batch, logs, target):
            return
        # Keras wants to see the whole ending, and `replacing` keeps only the last part.
        ending = ".weights.h5" if self.save_weights_only else os.path.splitext(target)[1]
        with replacing(target) as temporary:
            beside = temporary.removesuffix(os.path.splitext(target)[1]) + ending
            model: Any = self.model
            try:
                if self.save_weights_only:
                    model.save_weights(beside, overwrite=True)
                else:
                    model.save(beside, overwrite=True)
                os.replace(beside, temporary)
            finally:
                if beside != temporary and os.path.exists(beside):
                    os.unlink(beside)
