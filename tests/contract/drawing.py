"""How the contract tests draw: always the same cases, unless they are told what to draw from."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, event, given, seed, settings
from hypothesis.strategies import SearchStrategy

SEED = os.environ.get("SPECC_TEST_SEED")
"""What the many examples are drawn from, a whole number; without it they are always the same."""

ROUNDS = 20
"""How often as many cases are drawn again where none of them says anything."""


def hold(
    case_holds: Callable[[Any], bool],
    cases: SearchStrategy[Any],
    examples: int,
    drawn_from: str | None = None,
    *,
    until_told: bool = False,
) -> int:
    """Have something hold for every case that is drawn.

    Args:
        case_holds: asserts it; gives False where a case says nothing about it.
        drawn_from: a number; without it the cases are always the same.
        until_told: draw as many again, and again, until a case says something; so few may be
            unlucky.

    Returns:
        How many cases said something.
    """
    said = _hold_once(case_holds, cases, examples, drawn_from)
    for again in range(ROUNDS if until_told else 0):
        said = said or _hold_once(case_holds, cases, examples, str(again))
    assert said or not until_told, f"none of {examples * (ROUNDS + 1)} examples says anything"
    return said


def _hold_once(
    case_holds: Callable[[Any], bool],
    cases: SearchStrategy[Any],
    examples: int,
    drawn_from: str | None,
) -> int:
    said = 0

    @settings(
        max_examples=examples,
        derandomize=drawn_from is None,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(cases)
    def property_(case: Any) -> None:
        nonlocal said
        holds = case_holds(case)
        event("told" if holds else "said nothing")
        said += holds

    (property_ if drawn_from is None else seed(int(drawn_from))(property_))()
    return said


def enough(said: int, examples: int) -> None:
    """Fail where hardly any case said something: one in twenty must."""
    assert said * 20 >= examples, f"only {said} of {examples} examples say anything"
