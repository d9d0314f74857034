"""Everything that a training run changes, as arrays and plain values, and back.

model       weights, and what layers keep beside them: averages, the states of random generators
optimizer   its slots, the number of steps, the learning rate, averages of the weights
metrics     sums of the epoch so far
callbacks   how long each has waited, the best it has seen, the best weights
"""

from __future__ import annotations

from inspect import signature
from typing import Any

import numpy as np

from specc.backends.frameworks import array_of
from specc.files import UsageError
from specc.training.dataset import Array

Arrays = dict[str, Array]

PLAIN = (bool, int, float, str, type(None))

NOT_STATE = frozenset({"append_header"})
"""Attributes of callbacks that `on_train_begin` sets by what it finds in a file."""


def variables_of(model: Any) -> dict[str, Any]:
    """The variables of a compiled and built model, each by a name of its own."""
    groups = {
        "model": model.variables,
        "optimizer": model.optimizer.variables,
        "metrics": model.metrics_variables,
    }
    return {
        # Not by its path: Keras counts optimizers over a whole process.
        f"{group}/{index}/{variable.name}": variable
        for group, variables in groups.items()
        for index, variable in enumerate(variables)
    }


def synced(model: Any) -> None:
    """Have a model's variables hold what they are: within an epoch, JAX keeps them elsewhere."""
    sync = getattr(model, "jax_state_sync", None)
    if sync is not None and getattr(model, "_jax_state", None) is not None:
        sync()


def capture(model: Any) -> Arrays:
    """Copies of the variables of a model in training."""
    synced(model)
    # A copy: what a backend gives may be the memory that its next step writes to.
    return {name: np.array(_read(v.value)) for name, v in variables_of(model).items()}


def _read(value: Any) -> Any:
    """What is in a variable; on several devices of TensorFlow, what they have together."""
    if hasattr(value, "read_value") and hasattr(value, "values"):
        value = value.read_value()
    return array_of(value)


def restore(model: Any, arrays: Arrays) -> None:
    """Set the variables of a model to what `capture` gave.

    Raises:
        UsageError: where they are not those of this model.
    """
    variables = variables_of(model)
    for name, variable in variables.items():
        if name not in arrays or arrays[name].shape != tuple(variable.shape):
            raise UsageError(f"the checkpoint does not fit the model: it has no `{name}` like its")
    for name, variable in variables.items():
        variable.assign(arrays[name])


def restore_metrics(model: Any, arrays: Arrays) -> None:
    """Set the part of the variables that `fit` sets to zero when an epoch begins."""
    for name, variable in variables_of(model).items():
        if name.startswith("metrics/"):
            variable.assign(arrays[name])


def capture_callbacks(callbacks: list[Any]) -> tuple[list[dict[str, Any]], Arrays]:
    """What callbacks remember: plain values, and lists of arrays such as the best weights."""
    states: list[dict[str, Any]] = []
    arrays: Arrays = {}
    for index, callback in enumerate(callbacks):
        state: dict[str, Any] = {}
        # Arguments are as the spec has them; Keras changes the sign of `min_delta` once it knows
        # the direction, and will do so again.
        settled = NOT_STATE | set(signature(type(callback)).parameters)
        for name, value in vars(callback).items():
            if name in settled:
                continue
            if isinstance(value, np.generic):
                value = value.item()
            if isinstance(value, PLAIN):
                state[name] = value
            elif isinstance(value, list) and value and all(isinstance(x, str) for x in value):
                state[name] = list(value)
            elif isinstance(value, list) and value and all(hasattr(x, "shape") for x in value):
                state[name] = {"arrays": len(value)}
                for number, item in enumerate(value):
                    arrays[f"callbacks/{index}/{name}/{number}"] = np.array(array_of(item))
        states.append(state)
    return states, arrays


def restore_callbacks(callbacks: list[Any], states: list[dict[str, Any]], arrays: Arrays) -> None:
    """Give callbacks their memory back, after `on_train_begin` has cleared it."""
    for index, (callback, state) in enumerate(zip(callbacks, states, strict=True)):
        for name, value in state.items():
            if isinstance(value, dict):
                count: int = value["arrays"]
                value = [arrays[f"callbacks/{index}/{name}/{number}"] for number in range(count)]
            setattr(callback, name, value)
