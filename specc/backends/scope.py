"""How the nodes of an exported graph say, until they have names, which layer they are of."""

from __future__ import annotations

import re

LAYER_SCOPE = "specc.layer."
"""What the names of a layer's nodes start with; the layer's number follows."""

_NUMBER = re.compile(re.escape(LAYER_SCOPE) + r"(\d+)")


def layer_number(name: str | None) -> int | None:
    """The number of the layer that a node or a value is named after; None where it is none."""
    found = _NUMBER.search(name or "")
    return int(found[1]) if found else None
