"""Every optimum of small networks by trying all states: written from the definition, not from the model."""

from collections import deque
from itertools import product

import numpy as np
import pandas as pd
import pytest

from periomics.linkage.network import solve_pool

NETWORKS = 120


def reached(edges, inputs, depth, active=None):
    """States (node, sign) that the inputs reach in `depth` steps, through active states where they are given; with their steps."""
    steps = dict.fromkeys(inputs.items(), 0)
    queue = deque(steps)
    while queue:
        node, sign = here = queue.popleft()
        if depth is not None and steps[here] >= depth:
            continue
        for source, effect, target in edges:
            there = (target, sign * effect)
            blocked = active is not None and active.get(target) != there[1]
            if source == node and there not in steps and not blocked:
                steps[there] = steps[here] + 1
                queue.append(there)
    return steps


def every_optimum(edges, inputs, measured, beta, depth):
    """The least objective and all states of nodes that have it."""
    edges = {e for e in edges if e[0] != e[2] and e[2] not in inputs}
    inputs = {v: p for v, p in inputs.items() if any(e[0] == v for e in edges)}
    nodes = sorted({v for s, _, t in edges for v in (s, t)} - set(inputs))
    seen = {v for v, _ in reached(edges, inputs, depth)}
    best, found = np.inf, []
    for choice in product((0, 1, -1), repeat=len(nodes)):
        active = {v: x for v, x in zip(nodes, choice, strict=True) if x}
        if set(active.items()) - set(reached(edges, inputs, depth, active)):
            continue
        states = active | inputs
        wrong = (
            abs(w) * abs(states.get(v, 0) - np.sign(w)) for v, w in measured.items() if v in seen
        )
        objective = beta * len(states) + sum(wrong)
        if objective < best - 1e-9:
            best, found = objective, []
        if objective < best + 1e-9:
            found.append(tuple(sorted(states.items())))
    return best, found


def drawn(rng):
    """A network of four to eight nodes with cycles, loops of one node, edges of both signs, and edges into inputs."""
    nodes = [f"N{i}" for i in range(rng.integers(4, 9))]
    activating = rng.choice([0.35, 0.7])
    edges = {
        (str(a), 1 if rng.random() < activating else -1, str(b))
        for a, b in rng.choice(nodes, size=(rng.integers(len(nodes), 3 * len(nodes)), 2))
    }
    inputs = {nodes[0]: 1} if rng.random() < 0.6 else {nodes[0]: 1, nodes[1]: -1}
    chosen = rng.choice(nodes[1:], size=rng.integers(1, 4), replace=False)
    measured = {str(v): round(float(rng.choice([-1, 1]) * rng.uniform(0.2, 2)), 2) for v in chosen}
    return edges, inputs, measured


@pytest.mark.parametrize("depth", [None, 2, 3, 4])
@pytest.mark.parametrize("beta", [0.05, 0.5])
def test_objective_and_set_of_optima(depth, beta):
    rng = np.random.default_rng(int(100 * beta) + (depth or 0))
    for _ in range(NETWORKS // 4):
        edges, inputs, measured = drawn(rng)
        objective, optima = every_optimum(edges, inputs, measured, beta, depth)
        table = pd.DataFrame(sorted(edges), columns=["source", "sign", "target"])
        pool = solve_pool(table, inputs, measured, beta, depth=depth, limit=200)
        if not pool.solutions:  # no way to any gene in its state: only the inputs are left
            assert all(len(states) <= len(inputs) for states in optima)
            continue
        assert pool.complete
        assert pool.solutions[0].objective == pytest.approx(objective, abs=1e-6)
        assert {tuple(sorted(s.states.items())) for s in pool.solutions} == set(optima)


def test_every_edge_listed_lies_on_a_way_to_a_gene_that_is_right():
    rng = np.random.default_rng(7)
    for _ in range(NETWORKS):
        edges, inputs, measured = drawn(rng)
        table = pd.DataFrame(sorted(edges), columns=["source", "sign", "target"])
        for solution in solve_pool(table, inputs, measured, 0.1, depth=4, limit=3).solutions:
            states = solution.states
            assert all(states[s] * g == states[t] for s, g, t in solution.edges)
            right = {v for v, w in measured.items() if states.get(v, 0) * w > 0}
            ends = {t for _, _, t in solution.edges} - {s for s, _, _ in solution.edges}
            starts = {s for s, _, _ in solution.edges} - {t for _, _, t in solution.edges}
            assert ends <= right
            assert starts <= set(inputs)
            assert right - set(inputs) <= {t for _, _, t in solution.edges}
