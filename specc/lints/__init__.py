"""Advice about specs that are sound: what practice or the literature holds for a mistake.

A lint is a function with a code, here in the index. Adding one: the function in the file of its
family, its place in `families`, a page in `diagnostics/explain/`, and in `tests/lint/` a spec
that it speaks up about and one that it is quiet about.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from specc.lints.base import Lint


@cache
def lints() -> tuple[Lint, ...]:
    """Every lint, in the order of the codes."""
    from specc.lints import (
        bias,
        dropout,
        idle,
        initializers,
        linear,
        masks,
        outputs,
        recurrent,
        softmax,
        training,
        unused,
        windows,
    )

    families = (
        bias, dropout, idle, initializers, linear, masks, outputs, recurrent, softmax, training,
        unused, windows,
    )  # fmt: skip
    return tuple(sorted([item for family in families for item in family.LINTS], key=_code))


def _code(item: Lint) -> str:
    return item.code
