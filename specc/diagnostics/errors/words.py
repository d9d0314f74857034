"""Small pieces of wording that errors share."""

from __future__ import annotations

from collections.abc import Iterable

from specc.diagnostics.suggest import closest


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    suggestion = closest(word, known)
    return f"did you mean `{suggestion}`?" if suggestion else None


def listed(words: Iterable[object], limit: int = 12) -> str:
    every = [f"`{word}`" for word in words]
    shown = every[:limit]
    rest = len(every) - len(shown)
    return ", ".join(shown) + (f" and {rest} more" if rest else "")


def counted(number: int, singular: str) -> str:
    return f"{number} {singular}" if number == 1 else f"{number} {singular}s"


def short(text: str, limit: int = 40) -> str:
    """Text cut to what fits into a sentence."""
    return text if len(text) <= limit else text[: limit - 3] + "..."


def shape(shape: object) -> str:
    """A tuple as a spec writes shapes."""
    text = str(shape)
    return f"[{text[1:-1].rstrip(',')}]" if isinstance(shape, tuple) else text


def described(character: str) -> str:
    """A character as a message shows it: itself, or its number where it cannot be seen."""
    visible = character.isprintable() and not character.isspace()
    return f"`{character}`" if visible else f"U+{ord(character):04X}"
