"""Keras's regularizers."""

from __future__ import annotations

from typing import ClassVar

from specc.layers.arguments import Choice, KerasObject, Optional, arg
from specc.objects.kinds import AMOUNT, Real


class _Regularizer(KerasObject):
    category: ClassVar[str] = "regularizer"


class L1(_Regularizer):
    """`l1` times the sum of the absolute values."""

    l1: float | None = arg(Optional(AMOUNT), default=0.01)


class L2(_Regularizer):
    """`l2` times the sum of the squares."""

    l2: float | None = arg(Optional(AMOUNT), default=0.01)


class L1L2(_Regularizer):
    """Both."""

    l1: float | None = arg(Optional(AMOUNT), default=0.0)
    l2: float | None = arg(Optional(AMOUNT), default=0.0)


class OrthogonalRegularizer(_Regularizer):
    """How far the rows or the columns of a matrix are from orthogonal."""

    factor: float = arg(Real(at_least=0.0), default=0.01)
    mode: str = arg(Choice("rows", "columns"), default="rows")
