"""Did you mean …?"""

from __future__ import annotations

from collections.abc import Iterable

MAX_LETTERS = 64
MAX_CANDIDATES = 1_000
MAX_DIFFERENCE = 16
"""Bounds on what is compared: hostile texts have thousands of names, or very long ones."""


def closest(word: str, known: Iterable[str]) -> str | None:
    """The known word that `word` most probably stands for, or None.

    A word that differs by letter case alone comes first, then the nearest spelling.
    """
    from difflib import get_close_matches

    if len(word) > MAX_LETTERS:
        return None
    candidates = [name for name in known if abs(len(name) - len(word)) <= MAX_DIFFERENCE]
    candidates = candidates[:MAX_CANDIDATES]
    folded = word.casefold()
    for candidate in candidates:
        if candidate.casefold() == folded:
            return candidate
    by_folded = {candidate.casefold(): candidate for candidate in candidates}
    matches = get_close_matches(folded, by_folded, n=1, cutoff=0.6)
    return by_folded[matches[0]] if matches else None
