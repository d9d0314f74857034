"""Learning curves as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from specc.files import replacing
from specc.records import record
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


@record
class Band:
    """A metric of a variant over the epochs: of each epoch the mean of its runs, the least and the
    most of them."""

    variant: str
    mean: list[float]
    low: list[float]
    high: list[float]


def bands_of(
    histories: Mapping[str, Sequence[list[Row]]], metric: str
) -> tuple[str, list[Band]] | None:
    """A metric over the epochs, that of the validation where there is one.

    Returns:
        "validation" or "training", and a band of each variant; None where the metric is not in
        every epoch.
    """
    rows = [row for runs in histories.values() for run in runs for row in run]
    named = (n for n in (f"val_{metric}", metric) if all(isinstance(r.get(n), float) for r in rows))
    name = next(named, None)
    if name is None:
        return None
    bands: list[Band] = []
    for variant, runs in histories.items():
        length = min(map(len, runs))  # of runs that were stopped early only what all have
        values = np.array([[row[name] for row in run[:length]] for run in runs])
        low, high = values.min(axis=0), values.max(axis=0)
        bands.append(Band(variant, values.mean(axis=0).tolist(), low.tolist(), high.tolist()))
    return ("validation" if name.startswith("val_") else "training"), bands


def draw_comparison(histories: Mapping[str, Sequence[list[Row]]], metric: str, path: str) -> bool:
    """Draw a metric over the epochs, as `bands_of` has it.

    Returns:
        Whether there is a picture: it takes matplotlib, and the metric in every epoch.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator
    except ImportError:
        return False
    found = bands_of(histories, metric)
    if found is None:
        return False
    kind, bands = found
    figure = Figure(figsize=(7.2, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes: Any = figure.add_subplot()
    for band in bands:
        epochs = range(1, len(band.mean) + 1)
        (line,) = axes.plot(epochs, band.mean, marker=".", label=band.variant)
        axes.fill_between(epochs, band.low, band.high, alpha=0.15, color=line.get_color())
    axes.set(xlabel="epoch", ylabel=metric, title=f"{metric} ({kind}), mean and range of the seeds")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.legend()
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=100, metadata={"Software": None})
    return True
