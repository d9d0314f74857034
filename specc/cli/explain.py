"""`specc explain`."""

from __future__ import annotations

import argparse
import os

from specc.files import UsageError

EXAMPLES = """examples:
  specc explain E0301
  specc explain L0001
  specc explain          every code with its title"""

PAGES = os.path.join(os.path.dirname(os.path.dirname(__file__)), "diagnostics", "explain")


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("code", nargs="?", metavar="CODE", help="such as E0301 or L0001")


def run(options: argparse.Namespace) -> int:
    """Print the page of a code, or the list of all."""
    codes = sorted(name[:-3] for name in os.listdir(PAGES) if name.endswith(".md"))
    if options.code is None:
        for code in codes:
            print(_page(code).splitlines()[0].removeprefix("# "))
        return 0
    code = options.code.upper()
    if code not in codes:
        raise UsageError(f"there is no code `{options.code}`", "`specc explain` lists them all")
    print(_page(code), end="")
    return 0


def _page(code: str) -> str:
    with open(os.path.join(PAGES, f"{code}.md"), encoding="utf-8") as file:
        return file.read()
