"""`specc layers`."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from specc.cli.select import add_python_option
from specc.files import UsageError

if TYPE_CHECKING:
    from specc.reference.catalogue import Catalogue

EXAMPLES = """examples:
  specc layers               every layer, by family
  specc layers Dense         its arguments, shapes, weights, an example
  specc layers pool          the layers that have this in their names
  specc layers --json LSTM
  specc layers --allow-python my_layers.py MyLayer

exit status: 0 where something was found, 1 for a layer that specs do not have on purpose"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="a layer, or a part of names")
    add_python_option(parser)
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run(options: argparse.Namespace) -> int:
    """Show one layer, or list those that are meant."""
    from specc.layers.refused import REFUSED
    from specc.plugins import layers_of_files
    from specc.reference.catalogue import Catalogue

    catalogue = Catalogue(layers_of_files(options.allow_python))
    word: str = options.name or ""
    name = catalogue.resolve(word) if word else None
    if name is not None:
        _show(catalogue, name, word, options.json)
        return 0
    refused = {name.casefold(): name for name in REFUSED}.get(word.casefold())
    if refused is not None:
        reason = REFUSED[refused]
        if options.json:
            _print_json({"ok": False, "name": refused, **reason._asdict()})
        else:
            print(f"error: specs have no `{refused}`: {reason.why}", file=sys.stderr)
            print(f"help: {reason.instead}", file=sys.stderr)
        return 1
    _list(catalogue, word, options.json)
    return 0


def _show(catalogue: Catalogue, name: str, asked: str, as_json: bool) -> None:
    from specc.reference import layers, text

    info = catalogue.describe(name)
    if as_json:
        _print_json({"ok": True, "layer": layers.as_json(info)})
    else:
        text.print_layer(info, asked)


def _list(catalogue: Catalogue, word: str, as_json: bool) -> None:
    """List the layers that have to do with a word; without a word all of them.

    Raises:
        UsageError: where none has.
    """
    from specc.layers.refused import REFUSED
    from specc.reference.catalogue import matching
    from specc.reference.text import print_families, print_refused

    found = catalogue.families()
    if word:
        found = matching(word, found)
    if not found:
        raise UsageError(f"there is no layer `{word}`", _meant(catalogue, word))
    if as_json:
        rows = [
            {"name": name, "family": family.name, "package": family.package, "summary": about}
            for family in found
            for name, about in family.layers
        ]
        refused = [{"name": name, **reason._asdict()} for name, reason in REFUSED.items()]
        _print_json({"ok": True, "layers": rows, "refused": [] if word else refused})
        return
    print_families(found)
    if word:
        print(f"there is no layer `{word}`; these have to do with it", file=sys.stderr)
    else:
        print_refused(REFUSED)


def _meant(catalogue: Catalogue, word: str) -> str:
    from specc.diagnostics.suggest import closest
    from specc.layers import ALIASES
    from specc.layers.refused import REFUSED

    guess = closest(word, [*catalogue.names(), *ALIASES, *REFUSED])
    return f"did you mean `{guess}`?" if guess else "`specc layers` lists them all"


def _print_json(data: object) -> None:
    print(json.dumps(data, indent=2))
