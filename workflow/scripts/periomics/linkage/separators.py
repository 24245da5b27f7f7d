"""Rows that keep loops which hang on nothing out of the relaxation of a programme, before it is
solved in integers.

In the relaxation half a loop of states may feed itself. Such a solution breaks a row of this kind:
a gene's state is active only as far as the states are through which every way from the inputs to it
must lead. The worst such set is a least cut (node separator) between inputs and gene, found as a
greatest flow. A few rounds of them make the relaxation so tight that large tables are solved in a
third of the time (docs/linkage.md); small ones need none.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import breadth_first_order, maximum_flow

from periomics.linkage.states import State, States

Floats = NDArray[np.float64]
# Flows are of whole numbers; what is below this share of one is rounding.
WHOLE, LEAST = 10**6, 1e-4
# Cuts of one gene in one round, each behind the one before; rounds.
NESTED, ROUNDS = 3, 60


class Separators:
    """Cuts between inputs and genes of a doubled graph.

    Parameters
    ----------
    states
        The graph.
    goals
        States of genes that may be worth their cost.
    """

    def __init__(self, states: States, goals: Sequence[State]) -> None:
        self.free = states.free
        place = {s: i for i, s in enumerate(self.free)}
        roots = set(states.roots)
        self.goals = [place[s] for s in goals]
        self.entry = np.array([bool(roots & set(states.parents[s])) for s in self.free], bool)
        # What an input reaches in one step needs no other state before it.
        arcs = [
            (place[p], i)
            for i, s in enumerate(self.free)
            for p in states.parents[s]
            if not self.entry[i]
        ]
        self.arcs = np.array(arcs, int).reshape(-1, 2)

    def broken(self, active: Floats) -> list[tuple[State, list[State]]]:
        """Gene's state and the states through which every way to it leads, of which less is active
        than of the gene."""
        found = []
        for goal in self.goals:
            if active[goal] <= LEAST or self.entry[goal]:
                continue
            capacity = np.minimum(np.round(active * WHOLE), WHOLE).astype(np.int32)
            for _ in range(NESTED):
                gates = self._gates(goal, capacity)
                new = [g for g in gates if active[g].sum() < active[goal] - LEAST]
                found += [(self.free[goal], [self.free[i] for i in gate]) for gate in new]
                if not new:
                    break
                capacity[new[0]] = WHOLE
        return found

    def _gates(self, goal: int, capacity: NDArray[np.int32]) -> list[NDArray[np.int64]]:
        """The least cuts next to the inputs and next to the goal: entries of states are 0 to n − 1,
        their exits n to 2n − 1, the inputs 2n."""
        n, (source, target) = len(self.free), self.arcs.T
        some, way = np.flatnonzero(capacity), capacity[source] > 0
        entries = np.flatnonzero(self.entry)
        here = np.concatenate([some, n + source[way], np.full(entries.size, 2 * n)])
        there = np.concatenate([n + some, target[way], entries])
        wide = np.full(way.sum() + entries.size, 2 * WHOLE, np.int32)
        shape = (2 * n + 1, 2 * n + 1)
        graph = csr_matrix((np.concatenate([capacity[some], wide]), (here, there)), shape)
        rest = graph - maximum_flow(graph, 2 * n, goal).flow
        rest.data[rest.data < 0] = 0
        rest.eliminate_zeros()
        reached, leading = np.zeros((2, 2 * n + 1), bool)
        reached[breadth_first_order(rest, 2 * n, return_predecessors=False)] = True
        leading[breadth_first_order(rest.T.tocsr(), goal, return_predecessors=False)] = True
        near = self.entry.copy()
        near[target[reached[n + source]]] = True
        near &= ~reached[n : 2 * n]
        far = np.zeros(n, bool)
        far[source[leading[target]]] = True
        far &= ~leading[:n]
        near[goal] = far[goal] = False
        return [_met(near, np.array([goal]), target, source), _met(far, entries, source, target)]


def _met(
    cut: NDArray[np.bool_], start: NDArray[np.int64], away: NDArray[np.int64], to: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Those of a cut that are met from these places, along the arcs, without passing another
    one."""
    seen = np.zeros(len(cut), bool)
    seen[start] = True
    front = seen & ~cut
    while front.any():
        new = np.zeros(len(cut), bool)
        new[to[front[away]]] = True
        new &= ~seen
        seen |= new
        front = new & ~cut
    return np.flatnonzero(seen & cut)
