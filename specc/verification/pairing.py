"""Which input of one model is which of another."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from specc.files import UsageError
from specc.inference.interface import Interface
from specc.types import Port


class Pair(NamedTuple):
    """An input or an output of both models."""

    first: Port
    second: Port
    how: str
    """"name" or "position"."""


def pair_ports(what: str, first: Interface, second: Interface) -> list[Pair]:
    """Inputs, or outputs, by name where both have the same names; else by position.

    Args:
        what: "inputs" or "outputs".

    Raises:
        UsageError: where there are not as many, or a pair has not the same dtype and sizes.
    """
    ours = first.inputs if what == "inputs" else first.outputs
    theirs = second.inputs if what == "inputs" else second.outputs
    if len(ours) != len(theirs):
        raise UsageError(
            f"`{first.file}` has {len(ours)} {what}, and `{second.file}` has {len(theirs)}",
            f"{_listed(first, ours.values())}; {_listed(second, theirs.values())}",
        )
    if set(ours) == set(theirs):
        pairs = [Pair(port, theirs[name], "name") for name, port in ours.items()]
    else:
        both = zip(ours.values(), theirs.values(), strict=True)
        pairs = [Pair(a, b, "position") for a, b in both]
    for pair in pairs:
        if not _alike(pair.first, pair.second, same_dtype=what == "inputs"):
            raise UsageError(
                f"the {what} `{pair.first.name}` of `{first.file}` and `{pair.second.name}` of "
                f"`{second.file}`, paired by {pair.how}, are of different types",
                f"{first.described(pair.first)} and {second.described(pair.second)}",
            )
    return pairs


def _alike(a: Port, b: Port, same_dtype: bool) -> bool:
    """Whether two ports can be the same: free sizes fit any, and of floats either precision."""
    alike = a.type.dtype == b.type.dtype or (a.type.is_float and b.type.is_float)
    if not alike and (same_dtype or "string" in (a.type.dtype, b.type.dtype)):
        return False
    sizes = list(a.type.shape), list(b.type.shape)
    if a.type.batched != b.type.batched:
        for port, shape in zip((a, b), sizes, strict=True):
            if port.type.batched:
                shape.insert(0, None)
    return len(sizes[0]) == len(sizes[1]) and all(
        not (isinstance(n, int) and isinstance(m, int)) or n == m
        for n, m in zip(*sizes, strict=True)
    )


def _listed(interface: Interface, ports: Iterable[Port]) -> str:
    return ", ".join(f"`{port.name}`: {interface.described(port)}" for port in ports) or "none"
