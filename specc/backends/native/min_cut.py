"""The cheapest way to divide things in two, where some are given a side.

Things are numbers; each edge is a group of them and costs something where they are not all on one
side. That is a minimum cut, by way of two points for each group (Lawler, *Cutsets and partitions
of hypergraphs*, 1973), and found as a maximum flow (Edmonds and Karp).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence

SOURCE, SINK = -1, -2
UNBOUNDED = 1 << 40


def divide(
    count: int,
    groups: Sequence[tuple[Collection[int], int]],
    near: Collection[int],
    far: Collection[int],
) -> set[int]:
    """The things on the near side, as many as there are at the least cost.

    Args:
        count: things are numbered from 0 to `count` - 1.
        groups: things that should stay together, and what it costs where they do not.
        near: things that are on that side.
        far: those that are on the other one; no thing is in both.
    """
    capacity: dict[int, dict[int, int]] = {}

    def connect(a: int, b: int, amount: int) -> None:
        capacity.setdefault(a, {})[b] = capacity.get(a, {}).get(b, 0) + amount
        capacity.setdefault(b, {}).setdefault(a, 0)

    for thing in near:
        connect(SOURCE, thing, UNBOUNDED)
    for thing in far:
        connect(thing, SINK, UNBOUNDED)
    for number, (group, cost) in enumerate(groups):
        entry, way_out = count + 2 * number, count + 2 * number + 1
        connect(entry, way_out, cost)
        for thing in sorted(set(group)):
            connect(thing, entry, UNBOUNDED)
            connect(way_out, thing, UNBOUNDED)
    while (path := _path(capacity)) is not None:
        amount = min(capacity[a][b] for a, b in path)
        for a, b in path:
            capacity[a][b] -= amount
            capacity[b][a] += amount
    reaching = _reaching_the_sink(capacity)
    return {thing for thing in range(count) if thing not in reaching}


def _path(capacity: dict[int, dict[int, int]]) -> list[tuple[int, int]] | None:
    """A shortest way from the source to the sink on which something can still flow."""
    came_from: dict[int, int] = {SOURCE: SOURCE}
    waiting = deque([SOURCE])
    while waiting:
        point = waiting.popleft()
        for following, left in capacity.get(point, {}).items():
            if left and following not in came_from:
                came_from[following] = point
                waiting.append(following)
        if SINK in came_from:
            break
    else:
        return None
    path: list[tuple[int, int]] = []
    point = SINK
    while point != SOURCE:
        path.append((came_from[point], point))
        point = came_from[point]
    return path


def _reaching_the_sink(capacity: dict[int, dict[int, int]]) -> set[int]:
    found = {SINK}
    waiting = [SINK]
    while waiting:
        point = waiting.pop()
        for other in capacity.get(point, {}):
            if other not in found and capacity[other][point]:
                found.add(other)
                waiting.append(other)
    return found
