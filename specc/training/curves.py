"""Learning curves as a picture."""

from __future__ import annotations

from typing import Any

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
