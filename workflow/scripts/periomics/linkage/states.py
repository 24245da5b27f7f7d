"""The sign-doubled graph of a signed network: a node is two states, up and down, and an edge leads from state to state.

A signal that starts in the inputs' states reaches a gene in the state that its way gives; what lies on no way from an input to a gene
in its measured state is left out before anything is solved.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from periomics.linkage.doubts import doubted

State = tuple[str, int]
Edge = tuple[str, int, str]


@dataclass(frozen=True)
class Doubled:
    """The states of all nodes of a network: `behind` a state those that follow from it, `before` it those that lead to it; `against`:
    edges that carry against the table's sign."""

    behind: Mapping[State, tuple[State, ...]]
    before: Mapping[State, tuple[State, ...]]
    against: frozenset[Edge] = frozenset()


@dataclass(frozen=True)
class States:
    """What may be active, and what it is worth.

    Attributes
    ----------
    inputs
        Node → +1 or −1, of inputs that have an edge.
    genes
        Measured node → signed weight, of those that the inputs reach in either state, and inputs that are measured.
    free
        States that may be active, sorted: on a way from an input to a gene in its measured state.
    first, left
        State → steps from the nearest input, and to the nearest gene in its measured state.
    parents, children
        State → states one step before and behind, among `free` (parents also among the inputs).
    depth
        Most steps of a way; None without a limit.
    weights
        Node → share of its cost that evidence takes off.
    against
        Edges that carry against the table's sign, which has a price.
    """

    inputs: Mapping[str, int]
    genes: Mapping[str, float]
    free: tuple[State, ...]
    first: Mapping[State, int]
    left: Mapping[State, int]
    parents: Mapping[State, tuple[State, ...]]
    children: Mapping[State, tuple[State, ...]]
    depth: int | None
    weights: Mapping[str, float] = field(default_factory=dict)
    against: frozenset[Edge] = frozenset()

    @property
    def roots(self) -> tuple[State, ...]:
        """States of the inputs."""
        return tuple(sorted(self.inputs.items()))

    def cost(self, state: State, beta: float) -> float:
        """What a state adds to the objective: its node, and the gene that it gets right or wrong."""
        return self.price(state[0], beta) - self.genes.get(state[0], 0.0) * state[1]

    def price(self, node: str, beta: float) -> float:
        """What an active node costs."""
        return beta * (1 - self.weights.get(node, 0.0))

    def most(self, beta: float) -> float:
        """What no solution gains more than: every gene in reach of its measured state right, for its own node alone."""
        goals = ((v, int(np.sign(w))) for v, w in self.genes.items())
        worth = (-self.cost(g, beta) for g in goals if g in self.children)
        return float(sum(max(0.0, w) for w in worth))

    def base(self, beta: float) -> float:
        """The objective of the inputs alone: all genes silent."""
        wrong = sum(
            abs(w) * (abs(self.inputs[v] - np.sign(w)) if v in self.inputs else 1)
            for v, w in self.genes.items()
        )
        return sum(self.price(v, beta) for v in self.inputs) + float(wrong)

    @property
    def edges(self) -> int:
        """Number of edges between nodes that may be active."""
        return len({(p[0], p[1] * s[1], s[0]) for s, ps in self.parents.items() for p in ps})


def doubled(edges: pd.DataFrame) -> Doubled:
    """The states of a table of source, sign (+1, −1), target, without loops of one node: made once for many sets of genes."""
    columns = [edges[c].tolist() for c in ("source", "sign", "target")]
    other = frozenset(
        e for e, no in zip(zip(*columns, strict=True), doubted(edges), strict=True) if no
    )
    behind: dict[State, list[State]] = {}
    before: dict[State, list[State]] = {}
    for s, g, t in sorted(set(zip(*columns, strict=True))):
        if s != t:
            for x in (1, -1):
                behind.setdefault((s, x), []).append((t, x * int(g)))
                before.setdefault((t, x * int(g)), []).append((s, x))
    onward, back = ({k: tuple(v) for k, v in side.items()} for side in (behind, before))
    return Doubled(onward, back, other)


def states_of(
    edges: pd.DataFrame | Doubled,
    inputs: Mapping[str, int],
    measured: Mapping[str, float],
    depth: int | None,
    weights: Mapping[str, float] | None = None,
) -> States:
    """The doubled graph around inputs and measured genes.

    Parameters
    ----------
    edges
        Columns source, sign (+1, −1), target, or what `doubled` made of them. Edges into inputs are left out.
    inputs
        Node → +1 or −1; those without an edge are left out.
    measured
        Node → signed weight.
    depth
        Most steps from an input to a gene; None for no limit.
    weights
        Node → share of its cost that evidence takes off, below 1.
    """
    graph = edges if isinstance(edges, Doubled) else doubled(edges)
    behind, before = graph.behind, graph.before
    starts = {
        v: int(p)
        for v, p in sorted(inputs.items())
        if any(t not in inputs for t, _ in behind.get((v, 1), ()))
    }
    roots = sorted(starts.items())
    first = steps(roots, behind, depth, inputs)
    seen = {v for v, _ in first}
    genes = {v: float(w) for v, w in sorted(measured.items()) if v in seen and w}
    goals = [(v, int(np.sign(w))) for v, w in genes.items() if v not in starts]
    left = steps([g for g in goals if g in first], before, depth, inputs)
    free = {
        s
        for s in first.keys() & left.keys()
        if s[0] not in inputs and (depth is None or first[s] + left[s] <= depth)
    }
    either = free | set(roots)
    return States(
        inputs=starts,
        genes=genes,
        free=tuple(sorted(free)),
        first=first,
        left=left,
        parents={s: tuple(p for p in before.get(s, ()) if p in either) for s in sorted(free)},
        children={s: tuple(c for c in behind.get(s, ()) if c in free) for s in sorted(either)},
        depth=depth,
        weights=weights or {},
        against=graph.against,
    )


def edge_of(source: State, target: State) -> Edge:
    """The edge from state to state."""
    return source[0], source[1] * target[1], target[0]


def steps(
    start: Iterable[State],
    onward: Mapping[State, Iterable[State]],
    most: int | None = None,
    but: Collection[str] = (),
) -> dict[State, int]:
    """Steps from the nearest start to every state within `most` steps, by ways that do not enter the nodes `but`."""
    found = dict.fromkeys(start, 0)
    front, step = list(found), 0
    while front and (most is None or step < most):
        step += 1
        new = []
        for state in front:
            for other in onward.get(state, ()):
                if other not in found and other[0] not in but:
                    found[other] = step
                    new.append(other)
        front = new
    return found


def carrying(
    states: States, active: Mapping[str, int], paid: Collection[Edge] = ()
) -> tuple[Edge, ...]:
    """Edges of a solution that carry a signal: on a shortest way within what is active, from an input to a gene that it explains;
    of those against their sign the ones that were `paid` for."""
    on, shut = set(active.items()), states.against - set(paid)
    within = {
        s: tuple(c for c in states.children.get(s, ()) if c in on and edge_of(s, c) not in shut)
        for s in on
    }
    far = steps((r for r in states.roots if r in on), within)
    used = {
        s: [c for c in ways if far.get(c) == far[s] + 1] for s, ways in within.items() if s in far
    }
    before: dict[State, list[State]] = {}
    for s, ways in used.items():
        for c in ways:
            before.setdefault(c, []).append(s)
    explained = [
        s for s in far if s[0] not in states.inputs and states.genes.get(s[0], 0) * s[1] > 0
    ]
    leads = steps(sorted(explained), before)
    found = [(s, c) for s, ways in used.items() for c in ways if c in leads]
    return tuple(sorted((s[0], s[1] * c[1], c[0]) for s, c in found))
