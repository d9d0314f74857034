"""Strings in double quotes, wherever that takes no more escapes."""

from __future__ import annotations

import re

ESCAPE = re.compile(r"\\(.)")


def normal_string(text: str) -> str:
    """A string as it stands in a source, in the quotes that need fewer escapes."""
    body = text[1:-1]
    if "\\" not in body and '"' not in body:
        return f'"{body}"'
    pieces: list[str] = []
    position = 0
    for escape in ESCAPE.finditer(body):
        pieces += [body[position : escape.start()], escape[1] if escape[1] in "\"'" else escape[0]]
        position = escape.end()
    pieces.append(body[position:])
    bare = "".join(pieces)
    quote = '"' if bare.count('"') <= bare.count("'") else "'"
    return quote + bare.replace(quote, "\\" + quote) + quote


def normal_formatted(text: str) -> str:
    """An f-string; one with quotes inside is left alone, for they may be those of a string."""
    body = text[2:-1]
    return text if '"' in body or "'" in body else f'f"{body}"'
