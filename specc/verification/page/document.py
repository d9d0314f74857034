"""The frame of every page: styles, a policy that lets nothing in, and what stands inside."""

from __future__ import annotations

from html import escape
from importlib.resources import files
from string import Template

from specc._version import __version__


def document(title: str, body: str) -> str:
    """A page that needs nothing else.

    Args:
        title: a text.
        body: HTML.
    """
    template = files("specc.verification.page").joinpath("template.html").read_text("utf-8")
    return Template(template).substitute(title=escape(title), body=body)


def footer(where: str) -> str:
    """What wrote the page, and where the same is to be had as data, as HTML."""
    return f"<footer>Written by specc {escape(__version__)}. {where}</footer>"
