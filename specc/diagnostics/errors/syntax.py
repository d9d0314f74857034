"""E01: a file that cannot be read as text, and text that is no spec."""

from __future__ import annotations

from collections.abc import Iterable

from specc.diagnostics.diagnostic import Diagnostic, Label
from specc.diagnostics.errors.words import described
from specc.source import Span


def binary_file(where: Span, offset: int) -> Diagnostic:
    return Diagnostic(
        "E0101",
        f"this is a binary file, not a spec: byte {offset} is NUL",
        Label(where),
        help="give the path of a spec, a text file such as specs/bn_after.spec",
    )


def not_utf8(where: Span, offset: int, byte: int) -> Diagnostic:
    return Diagnostic(
        "E0102",
        f"the file is not UTF-8: byte {offset} is 0x{byte:02x}",
        Label(where, "this character cannot be read"),
        help="save the file as UTF-8",
    )


def no_model(where: Span) -> Diagnostic:
    return Diagnostic(
        "E0103",
        "there is no model in this file",
        Label(where),
        help="a spec holds at least `model NAME { input x: float32[8] ... }`",
    )


def unexpected_character(where: Span) -> Diagnostic:
    character = where.text
    hint = None
    if character == ";":
        hint = "a line ends without `;`"
    elif character in "\u2018\u2019\u201c\u201d\u00ab\u00bb":
        hint = "strings stand in straight quotes: \"relu\" or 'relu'"
    elif character.isspace():
        hint = "put an ordinary space in its place"
    elif character.isalpha():
        hint = "names are made of the letters a to z and A to Z, digits and `_`"
    return Diagnostic(
        "E0104",
        f"unexpected character {described(character)}",
        Label(where, "no part of a spec starts with this"),
        help=hint,
    )


def unexpected_token(where: Span, expected: str, hint: str | None) -> Diagnostic:
    found = "end of the file" if not where.text else "end of the line"
    if where.text.strip() and "\n" not in where.text:
        found = f"`{where.text}`"
    return Diagnostic(
        "E0105", f"unexpected {found}", Label(where, f"expected {expected}"), help=hint
    )


def never_closed(opener: Span, noticed: Span) -> Diagnostic:
    closer = {"(": ")", "[": "]", "{": "}"}[opener.text]
    at_end = noticed.start >= len(noticed.source.text.rstrip())
    place = "the end of the file" if at_end else f"line {noticed.line}"
    return Diagnostic(
        "E0106",
        f"this `{opener.text}` is never closed",
        Label(opener, f"no `{closer}` before {place}"),
        help=f"add `{closer}`",
    )


def unclosed_string(where: Span) -> Diagnostic:
    return Diagnostic(
        "E0107",
        "the string does not end on its line",
        Label(where, f"opened here, no closing {where.text}"),
        help=f"close it with {where.text} on the same line",
    )


def nested_too_deeply(where: Span) -> Diagnostic:
    return Diagnostic(
        "E0108",
        "nested too deeply",
        Label(where, "too many brackets or signs are open here"),
        help="give inner parts names of their own: `part = ...`",
    )


def keyword_as_name(where: Span) -> Diagnostic:
    return Diagnostic(
        "E0109",
        f"`{where.text}` is a word of the language and cannot be a name",
        Label(where),
        help=f"call it `{where.text}_` or something more telling",
    )


def not_a_number(where: Span) -> Diagnostic:
    shown = where.text if len(where.text) <= 24 else where.text[:20] + "..."
    return Diagnostic(
        "E0110",
        f"`{shown}` is not a number",
        Label(where),
        help="numbers are written as in Python, with at most 64 digits: 300, 1_000, 0.5, 1e-3",
    )


def unknown_escape(where: Span, known: Iterable[str]) -> Diagnostic:
    return Diagnostic(
        "E0111",
        f"a string cannot hold the escape `{where.text}`",
        Label(where),
        help="the escapes are " + ", ".join(f"`\\{letter}`" for letter in known),
    )


def positional_after_keyword(where: Span) -> Diagnostic:
    return Diagnostic(
        "E0112",
        "a positional argument stands after a keyword argument",
        Label(where, "positional"),
        help="put it first, or give it its name",
    )


def nothing_to_close(where: Span) -> Diagnostic:
    return Diagnostic("E0113", f"this `{where.text}` closes nothing", Label(where))


def required_after_default(where: Span) -> Diagnostic:
    return Diagnostic(
        "E0114",
        "a parameter without a default stands after one that has a default",
        Label(where),
        help="put it first, or give it a default",
    )


def second_star(where: Span, first: Span) -> Diagnostic:
    return Diagnostic(
        "E0115",
        "two names take what the others leave",
        Label(where),
        [Label(first, "the first one")],
        help="one `*name` at most stands to the left of `=`",
    )


def not_in_braces(where: Span) -> Diagnostic:
    return Diagnostic(
        "E0116",
        "the braces of an f-string hold one expression",
        Label(where),
        help='as in `f"stage_{i + 1}"`; a brace itself is written twice: `{{`, `}}`',
    )
