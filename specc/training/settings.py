"""What a run is told: the `train` block, and what the command line says instead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from specc.api import Model, Program
from specc.files import UsageError
from specc.layers.arguments import KerasObject, is_tuple
from specc.records import record
from specc.semantics.sections import Section
from specc.source import Span

DEFAULTS: dict[str, Any] = {
    "optimizer": "rmsprop",
    "loss_weights": None,
    "metrics": None,
    "weighted_metrics": None,
    "jit_compile": "auto",
    "steps_per_execution": "auto",
    "auto_scale_loss": True,
    "dtype_policy": None,
    "deterministic": False,
    "epochs": 1,
    "batch_size": 32,
    "shuffle": True,
    "class_weight": None,
    "callbacks": None,
    "validation_freq": 1,
    "validation_batch_size": None,
    "steps_per_epoch": None,
    "seed": 0,
}
"""Keras's own, but for `steps_per_execution` and the seed."""

NOT_IDENTITY = ("epochs", "data")
"""Entries that a run can be continued with another value of; the data are compared by their
contents."""


@record
class Settings:
    """The entries of a `train` block, complete."""

    values: dict[str, Any]
    """Every key of `DEFAULTS`, and `loss`."""
    spans: dict[str, Span]
    """Where those that the spec says stand."""
    backend: str = "tensorflow"
    checkpoint_every: float | None = None
    """Seconds between two checkpoints, 0 for one after each step; None for as many as cost little
    time."""

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    @property
    def epochs(self) -> int:
        return self.values["epochs"]

    @property
    def batch_size(self) -> int:
        return self.values["batch_size"]

    @property
    def seed(self) -> int:
        return self.values["seed"]

    @property
    def callbacks(self) -> tuple[KerasObject, ...]:
        found = self.values["callbacks"]
        return found if is_tuple(found) else () if found is None else (found,)

    def instead(self, **values: Any) -> Settings:
        """The same settings but for these: `settings.instead(seed=1)`."""
        return Settings({**self.values, **values}, self.spans, self.backend, self.checkpoint_every)

    def identity(self) -> dict[str, str]:
        """Everything that the weights depend on, as text: what a run that goes on must share."""
        kept = {name: described(v) for name, v in self.values.items() if name not in NOT_IDENTITY}
        return {**kept, "backend": self.backend}


def settings_of(program: Program, model: Model, **instead: Any) -> Settings:
    """The settings of a model's `train` block.

    Args:
        instead: what holds whatever the block says; those that are None are passed over.

    Raises:
        UsageError: where there is no such block, or it has no loss.
    """
    section = _train_block(program, model)
    chosen = {name: value for name, value in instead.items() if value is not None}
    other = {n: chosen.pop(n) for n in ("backend", "checkpoint_every") if n in chosen}
    values = {**DEFAULTS, **section.entries, **chosen}
    if values.get("loss") is None:
        raise UsageError(
            f"`train {model.name}` has no loss",
            'a model is trained to make one small: `loss = "mse"`',
        )
    return Settings(values, section.spans, **other)


def _train_block(program: Program, model: Model) -> Section:
    for section in program.sections:
        if section.kind == "train" and section.name == model.name:
            return section
    raise UsageError(
        f"`{program.source.name}` does not say how `{model.name}` is trained",
        f"write a block `train {model.name} {{ ... }}` with an optimizer and a loss",
    )


def described(value: Any) -> str:
    """A value of an entry as a text that is the same for the same value."""
    if isinstance(value, KerasObject):
        given: Mapping[str, Any] = value.given
        arguments = ", ".join(f"{name}={described(given[name])}" for name in sorted(given))
        return f"{type(value).__name__}({arguments})"
    if is_tuple(value):
        return f"[{', '.join(described(item) for item in value)}]"
    return repr(value)
