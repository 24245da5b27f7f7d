"""What a receptor reaches in a signed network, and in which states: how much a sign says there."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import pandas as pd

from periomics.linkage.states import State, steps

# Steps of the search for ways that pass no node twice; what is not decided by then counts as reached.
SEARCH = 20_000
Ahead = Mapping[State, tuple[State, ...]]


@dataclass(frozen=True)
class Reach:
    """Genes that an input reaches, and those of them in one state only."""

    genes: frozenset[str]
    one_signed: frozenset[str]

    @property
    def share(self) -> float:
        """Share of the reached genes that have one state only; missing where none is reached."""
        return len(self.one_signed) / len(self.genes) if self.genes else float("nan")


def onward(edges: pd.DataFrame) -> Ahead:
    """State → states one step on, of a table of source, sign, target."""
    ahead: dict[State, list[State]] = {}
    known = edges[["source", "sign", "target"]].drop_duplicates().sort_values(["source", "target"])
    for source, sign, target in known.itertuples(index=False):
        if source != target:
            for x in (1, -1):
                ahead.setdefault((str(source), x), []).append((str(target), x * int(sign)))
    return {s: tuple(found) for s, found in ahead.items()}


def reach_of(ahead: Ahead, node: str, sign: int, goals: Collection[str], depth: int) -> Reach:
    """Genes within a number of steps of an input, and whether its sign says theirs.

    Parameters
    ----------
    ahead
        Of `onward`.
    node, sign
        The input and its state.
    goals
        Nodes that count as genes.
    depth
        Most steps.

    Notes
    -----
    A way passes no node twice: a loop back to its own beginning turns nothing round, as no node is up and down at once. Where
    the search for such a way takes more than `SEARCH` steps the gene counts as reached, so that the share is never too high.
    """
    near = steps([(node, sign)], ahead, depth)
    wanted = set(goals) - {node}
    genes = {v for v, _ in near} & wanted
    both = {v for v in genes if (v, 1) in near and (v, -1) in near}
    before = _backward(near, ahead)
    states = [(v, x) for v in sorted(both) for x in (1, -1)]
    absent = {s for s in states if not _reaches(s, (node, sign), before, near, depth)}
    still = {v for v in both if (v, 1) not in absent and (v, -1) not in absent}
    return Reach(frozenset(genes), frozenset(genes - still))


def _backward(near: Iterable[State], ahead: Ahead) -> dict[State, list[State]]:
    known = set(near)
    before: dict[State, list[State]] = {}
    for state in near:
        for then in ahead.get(state, ()):
            if then in known:
                before.setdefault(then, []).append(state)
    return before


def _reaches(
    goal: State,
    start: State,
    before: Mapping[State, Iterable[State]],
    near: Mapping[State, int],
    depth: int,
) -> bool:
    """Whether a way leads from start to goal that passes no node twice; nearest states first, so that most ends at once."""
    tried = 0
    way: list[State] = [goal]
    passed = {goal[0]}
    ahead = [iter(sorted(before.get(goal, ()), key=lambda s: near[s]))]
    while ahead:
        state = next(ahead[-1], None)
        if state is None:
            ahead.pop()
            passed.discard(way.pop()[0])
            continue
        tried += 1
        if state == start or tried > SEARCH:
            return True
        if state[0] in passed or state[0] == start[0] or len(way) + near[state] > depth:
            continue
        way.append(state)
        passed.add(state[0])
        ahead.append(iter(sorted(before.get(state, ()), key=lambda s: near[s])))
    return False
