"""E07, from 50 on: trainings that come to nothing."""

from __future__ import annotations

from specc.diagnostics.diagnostic import Diagnostic, Label
from specc.source import Span


def loss_not_finite(
    where: Span, model: str, value: float, epoch: int, step: int, what: str, layer: str | None
) -> Diagnostic:
    """`what` is what was not finite first; `layer` the layer it is of. Epoch and step from 1."""
    first = f"not finite first: {what}"
    return Diagnostic(
        "E0750",
        f"the loss of `{model}` is {value} in epoch {epoch}, step {step}",
        Label(where, f"`{layer}`: {what} is not finite, and nothing before it" if layer else first),
        help="a smaller learning rate, clipped gradients (`clipnorm=1.0`) or scaled inputs help "
        "most often; checkpoints are from before it",
    )
