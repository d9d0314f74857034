"""`specc layers`."""

from __future__ import annotations

import argparse
import json
import sys

from specc.files import UsageError

EXAMPLES = """examples:
  specc layers               every layer, by family
  specc layers Dense         its arguments, shapes, weights, an example
  specc layers pool          the layers that have this in their names
  specc layers --json LSTM

exit status: 0 where something was found, 1 for a layer that specs do not have on purpose"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="a layer, or a part of names")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run(options: argparse.Namespace) -> int:
    """Show one layer, or list those that are meant."""
    from specc.layers import REFUSED
    from specc.reference.layers import as_json, describe, resolve

    word: str = options.name or ""
    name = resolve(word) if word else None
    if name is not None:
        info = describe(name)
        if options.json:
            _print_json({"ok": True, "layer": as_json(info)})
        else:
            from specc.reference.text import print_layer

            print_layer(info, asked=word)
        return 0
    refused = {name.casefold(): name for name in REFUSED}.get(word.casefold())
    if refused is not None:
        if options.json:
            _print_json({"ok": False, "name": refused, "refused": REFUSED[refused]})
        else:
            message = f"specs have no layer `{refused}`: {REFUSED[refused]}"
            print(f"error: {message}", file=sys.stderr)
        return 1
    return _list(word, options.json)


def _list(word: str, as_json: bool) -> int:
    """List the layers that a word stands in; without a word all of them."""
    from specc.layers import REFUSED
    from specc.reference.layers import families, matching
    from specc.reference.text import print_families, print_refused

    found = matching(word, families()) if word else families()
    if not found:
        raise UsageError(f"there is no layer `{word}`", _meant(word))
    if as_json:
        rows = [
            {"name": name, "family": family.name, "package": family.package, "summary": about}
            for family in found
            for name, about in family.layers
        ]
        _print_json({"ok": True, "layers": rows} | ({} if word else {"refused": REFUSED}))
        return 0
    print_families(found)
    if not word:
        print_refused(REFUSED)
    if word:
        print(f"there is no layer `{word}`; these have to do with it", file=sys.stderr)
    return 0


def _meant(word: str) -> str:
    from specc.diagnostics.suggest import closest
    from specc.layers import ALIASES, REFUSED
    from specc.reference.layers import layer_names

    guess = closest(word, [*layer_names(), *ALIASES, *REFUSED])
    return f"did you mean `{guess}`?" if guess else "`specc layers` lists them all"


def _print_json(data: object) -> None:
    print(json.dumps(data, indent=2))
