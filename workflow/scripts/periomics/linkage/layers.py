"""Places of nodes in a layered drawing: columns by kind, order by neighbours, so that lines cross little; all in inches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

Line = tuple[str, str]
SWEEPS = 12
# Height that a line takes which passes a column without ending there.
PASSING = 0.12


@dataclass(frozen=True)
class Placed:
    """Places of nodes, and the points by which every line passes the columns between its ends."""

    y: Mapping[str, float]
    by: Mapping[Line, tuple[tuple[int, float], ...]]
    height: float


def placed(
    column: Mapping[str, int], lines: Sequence[Line], heights: Mapping[str, float]
) -> Placed:
    """Place nodes from top to bottom within their columns.

    Parameters
    ----------
    column
        Node → column, from the left.
    lines
        Pairs of nodes; those that go back or stay in a column ask for no room.
    heights
        Node → height with its distance from the next.
    """
    high, where = dict(heights), dict(column)
    near: dict[str, list[str]] = {v: [] for v in column}
    passing: dict[Line, list[str]] = {}
    for i, (a, b) in enumerate(sorted(set(lines))):
        way = [a]
        for k in range(column[a] + 1, column[b]):
            way.append(f"\0{i}.{k}")
            where[way[-1]], high[way[-1]], near[way[-1]] = k, PASSING, []
        passing[a, b] = way[1:]
        for s, t in zip(way, [*way[1:], b], strict=True):
            near[s].append(t)
            near[t].append(s)
    stacks: dict[int, list[str]] = {}
    for v in sorted(where):
        stacks.setdefault(where[v], []).append(v)
    order = _ordered(stacks, near, where)
    y = _spread(order, near, high)
    least = min((y[v] - high[v] / 2 for v in y), default=0.0)
    most = max((y[v] + high[v] / 2 for v in y), default=0.0)
    up = {v: y[v] - least for v in y}
    by = {line: tuple((where[v], up[v]) for v in way) for line, way in passing.items()}
    return Placed({v: up[v] for v in column}, by, most - least)


def _ordered(
    stacks: Mapping[int, list[str]], near: Mapping[str, list[str]], where: Mapping[str, int]
) -> dict[int, list[str]]:
    """Columns by the mean place of neighbours on the one side, then on the other, and again."""
    order = {k: list(own) for k, own in sorted(stacks.items())}
    for sweep in range(SWEEPS):
        rank = {v: (i + 0.5) / len(own) for own in order.values() for i, v in enumerate(own)}
        for k in sorted(order, reverse=bool(sweep % 2)):
            side = 1 if sweep % 2 else -1
            mean = {}
            for v in order[k]:
                other = [rank[n] for n in near[v] if (where[n] - k) * side > 0]
                mean[v] = float(np.mean(other)) if other else rank[v]
            order[k] = sorted(order[k], key=lambda v: (mean[v], v))
            rank |= {v: (i + 0.5) / len(order[k]) for i, v in enumerate(order[k])}
    return order


def _spread(
    order: Mapping[int, list[str]], near: Mapping[str, list[str]], high: Mapping[str, float]
) -> dict[str, float]:
    """Places in this order, as near to the neighbours as heights allow."""
    y: dict[str, float] = {}
    for own in order.values():
        total = sum(high[v] for v in own)
        at = -total / 2
        for v in own:
            y[v] = at + high[v] / 2
            at += high[v]
    for _ in range(SWEEPS):
        for own in order.values():
            wish = np.array([np.mean([y[n] for n in near[v]] or [y[v]]) for v in own])
            y |= dict(zip(own, _apart(wish, np.array([high[v] for v in own])), strict=True))
    return y


def _apart(wish: np.ndarray, high: np.ndarray) -> list[float]:
    """Places nearest to those wished for, in order and without overlap: pools of neighbours share the mean of their wishes."""
    offset = np.cumsum(high) - high / 2
    pools: list[tuple[float, int]] = []
    for value in wish - offset:
        mean, n = float(value), 1
        while pools and pools[-1][0] > mean:
            before, m = pools.pop()
            mean, n = (mean * n + before * m) / (n + m), n + m
        pools.append((mean, n))
    level = np.concatenate([np.full(n, mean) for mean, n in pools])
    return [float(v) for v in level + offset]
