"""Learning curves as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from specc.files import replacing
from specc.training.progress import Row


def draw_curves(history: list[Row], model: str, path: str) -> bool:
    """Draw the loss and each metric over the epochs, training and validation together.

    Returns:
        Whether there is a picture: it takes matplotlib, the extra `plots`.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator
    except ImportError:
        return False
    names = _names(history)
    epochs = range(1, len(history) + 1)
    figure = Figure(figsize=(4.8 * max(1, len(names)), 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    for index, name in enumerate(names):
        axes: Any = figure.add_subplot(1, len(names), index + 1)
        for key, label in ((name, "training"), (f"val_{name}", "validation")):
            values = [row.get(key) for row in history]
            points = [(e, v) for e, v in zip(epochs, values, strict=True) if v is not None]
            if points:
                axes.plot(*zip(*points, strict=True), marker=".", label=label)
        axes.set(xlabel="epoch", title=f"{model}: {name}")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        axes.legend()
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=100, metadata={"Software": None})
    return True


def _names(history: list[Row]) -> list[str]:
    """What there are curves of: numbers, each once, without the learning rate."""
    found: dict[str, None] = {}
    for row in history:
        for name, value in row.items():
            if isinstance(value, int | float) and name != "learning_rate":
                found.setdefault(name.removeprefix("val_"))
    return list(found)


def draw_comparison(histories: Mapping[str, Sequence[list[Row]]], metric: str, path: str) -> bool:
    """Draw a metric over the epochs: of each variant the mean of its runs, and from the worst to
    the best of them; that of the validation where there is one.

    Returns:
        Whether there is a picture: it takes matplotlib, and the metric in every epoch.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator
    except ImportError:
        return False
    rows = [row for runs in histories.values() for run in runs for row in run]
    named = (n for n in (f"val_{metric}", metric) if all(isinstance(r.get(n), float) for r in rows))
    name = next(named, None)
    if name is None:
        return False
    figure = Figure(figsize=(7.2, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes: Any = figure.add_subplot()
    for variant, runs in histories.items():
        length = min(map(len, runs))  # of runs that were stopped early only what all have
        values = np.array([[row[name] for row in run[:length]] for run in runs])
        epochs = range(1, length + 1)
        (line,) = axes.plot(epochs, values.mean(axis=0), marker=".", label=variant)
        axes.fill_between(
            epochs, values.min(axis=0), values.max(axis=0), alpha=0.15, color=line.get_color()
        )
    kind = "validation" if name.startswith("val_") else "training"
    axes.set(xlabel="epoch", ylabel=metric, title=f"{metric} ({kind}), mean and range of the seeds")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.legend()
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=100, metadata={"Software": None})
    return True
