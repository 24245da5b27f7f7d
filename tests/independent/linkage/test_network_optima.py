"""Every optimum of small networks by trying all states: written from the definition, not from the model."""

from collections import deque
from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest

from periomics.linkage import network
from periomics.linkage.doubts import with_doubts, without_doubts
from periomics.linkage.network import solve_pool
from periomics.linkage.separators import Separators

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


def every_optimum_at_once(edges, inputs, measured, beta, depth):
    """The same by arrays, a row for every choice of states: for networks of up to twelve nodes."""
    edges = {e for e in edges if e[0] != e[2] and e[2] not in inputs}
    inputs = {v: p for v, p in inputs.items() if any(e[0] == v for e in edges)}
    nodes = sorted({v for s, _, t in edges for v in (s, t)} - set(inputs))
    n = len(nodes)
    choices = (np.arange(3**n)[:, None] // 3 ** np.arange(n)) % 3 - 1
    at = {v: choices[:, i].astype(np.int8) for i, v in enumerate(nodes)}
    at |= {v: np.full(3**n, p, np.int8) for v, p in inputs.items()}
    hangs = {v: np.full(3**n, v in inputs) for v in at}
    for _ in range(n if depth is None else depth):
        before = {v: x.copy() for v, x in hangs.items()}
        for s, g, t in edges:
            hangs[t] |= before[s] & (at[t] != 0) & (at[t] == at[s] * g)
    allowed = np.all([hangs[v] | (at[v] == 0) for v in nodes], axis=0)
    seen = {v for v, _ in reached(edges, inputs, depth)}
    objective = beta * np.sum([at[v] != 0 for v in at], axis=0)
    for v, w in measured.items():
        if v in seen:
            objective = objective + abs(w) * np.abs(at[v] - np.sign(w))
    objective = np.where(allowed, objective, np.inf)
    best = objective.min()
    found = [
        tuple(sorted({v: int(at[v][i]) for v in at if at[v][i]}.items()))
        for i in np.flatnonzero(objective < best + 1e-9)
    ]
    return best, found


def drawn_larger(rng, least, most):
    """Many nodes, cycles among them, both signs, up to four measured with round weights, so that optima tie."""
    nodes = [f"N{i:02d}" for i in range(rng.integers(least, most + 1))]
    ways = rng.integers(len(nodes), 3 * len(nodes))
    edges = {(str(a), int(rng.choice([1, 1, -1])), str(b)) for a, b in rng.choice(nodes, (ways, 2))}
    inputs = {nodes[0]: 1} if rng.random() < 0.5 else {nodes[0]: 1, nodes[1]: -1}
    chosen = rng.choice(nodes[2:], size=rng.integers(2, 5), replace=False)
    measured = {str(v): float(rng.choice([-2, -1, -0.5, 0.5, 1, 2])) for v in chosen}
    return edges, inputs, measured


def same_optima(edges, inputs, measured, beta, depth, *, most=400):
    """Whether objective and all optima are those of trying every state; the number of optima, 0 where nothing is reached."""
    objective, optima = every_optimum_at_once(edges, inputs, measured, beta, depth)
    table = pd.DataFrame(sorted(edges), columns=["source", "sign", "target"])
    pool = solve_pool(table, inputs, measured, beta, depth=depth, limit=most)
    if not pool.solutions:
        assert all(len(states) <= len(inputs) for states in optima)
        return 0
    assert pool.solutions[0].objective == pytest.approx(objective, abs=1e-6)
    found = {tuple(sorted(s.states.items())) for s in pool.solutions}
    assert found <= set(optima)
    assert found == set(optima) or (not pool.complete and len(found) == most)
    return len(optima)


def test_both_ways_to_try_every_state_agree():
    rng = np.random.default_rng(11)
    for _ in range(6):
        edges, inputs, measured = drawn(rng)
        for depth in (None, 3):
            one = every_optimum(edges, inputs, measured, 0.2, depth)
            other = every_optimum_at_once(edges, inputs, measured, 0.2, depth)
            assert one[0] == pytest.approx(other[0]) and set(one[1]) == set(other[1])


def test_objective_and_set_of_optima_of_nine_nodes():
    rng = np.random.default_rng(12)
    found = [same_optima(*drawn_larger(rng, 9, 9), 0.2, (None, 4)[i % 2]) for i in range(8)]
    assert sum(n > 0 for n in found) > 3


@pytest.mark.slow
def test_objective_and_set_of_optima_of_200_networks_of_up_to_twelve_nodes():
    """Networks in which no input reaches a gene in its state are drawn again."""
    rng, optima = np.random.default_rng(13), []
    cases = [(beta, depth) for beta in (0.05, 0.25, 0.5) for depth in (None, 3, 4, 6)]
    while len(optima) < 200:
        case = cases[len(optima) % len(cases)]
        optima += [n for n in [same_optima(*drawn_larger(rng, 10, 12), *case)] if n]
    assert sum(n > 1 for n in optima) > 40


def cheapest_with_doubts(edges, inputs, measured, beta, depth, doubt):
    """The least objective where any set of edges may carry against its sign, each for a price: every set is tried."""
    edges = sorted({e for e in edges if e[0] != e[2] and e[2] not in inputs})
    best = np.inf
    for number in range(len(edges) + 1):
        for other in combinations(edges, number):
            turned = set(edges) | {(s, -g, t) for s, g, t in other}
            found, _ = every_optimum_at_once(turned, inputs, measured, beta, depth)
            best = min(best, found + doubt * number)
        if doubt * number > best:
            break
    return best


def test_edges_against_their_sign_cost_their_price():
    """Networks of five nodes; genes without any way are left out of both."""
    rng, used, solved = np.random.default_rng(14), 0, 0
    while solved < 20:
        names = ["R", "A", "B", "C", "D"]
        ways = rng.choice(names, (6, 2))
        edges = {(str(a), int(rng.choice([1, -1])), str(b)) for a, b in ways if a != b}
        given = {str(v): float(rng.choice([-2, -1, 1, 2])) for v in rng.choice(names[1:], 2, False)}
        beta, depth = float(rng.choice([0.1, 0.3])), int(rng.integers(2, 5))
        doubt = float(rng.choice([0.25, 0.6]))
        near = {v for v, _ in reached(edges, {"R": 1}, depth)}
        given = {v: w for v, w in given.items() if v in near}
        if not given:
            continue
        table = pd.DataFrame(sorted(edges), columns=["source", "sign", "target"])
        table = with_doubts(table.assign(layer="signalling", evidence="memory"), doubt)
        pool = solve_pool(table, {"R": 1}, given, beta, depth=depth, limit=1, doubt=doubt)
        objective = cheapest_with_doubts(edges, {"R": 1}, given, beta, depth, doubt)
        best = pool.solutions[0]
        assert best.objective == pytest.approx(objective, abs=1e-6)
        turned = set(best.edges) - edges
        nodes = beta * len(best.states)
        wrong = sum(abs(w) * abs(best.states.get(v, 0) - np.sign(w)) for v, w in given.items())
        assert nodes + wrong + doubt * len(turned) == pytest.approx(objective, abs=1e-6)
        used, solved = used + bool(turned), solved + 1
    assert used > 5


def test_genes_are_not_explained_by_turning_their_own_edge():
    rows = [("R", 1, "F", "signalling", "memory"), ("F", 1, "G", "transcription", "memory")]
    table = pd.DataFrame(rows, columns=["source", "sign", "target", "layer", "evidence"])
    both = with_doubts(table, 0.1)
    assert len(both) == 3
    states = solve_pool(both, {"R": 1}, {"G": -2.0}, 0.1, depth=3, doubt=0.1).solutions[0].states
    assert states == {"R": 1, "F": -1, "G": -1}
    pd.testing.assert_frame_equal(without_doubts(both), table)
    pd.testing.assert_frame_equal(with_doubts(table, 0), table)


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


def test_rows_of_the_relaxation_change_no_optimum(monkeypatch):
    """Least cuts as rows, as large networks have them, in networks that are tried out; none cuts an
    optimum off."""
    monkeypatch.setattr(network, "MANY", 0)
    made = []
    broken = Separators.broken
    monkeypatch.setattr(
        Separators, "broken", lambda self, y: made.extend(found := broken(self, y)) or found
    )
    rng, rows = np.random.default_rng(15), 0
    for _ in range(40):
        edges, inputs, measured = drawn(rng)
        objective, optima = every_optimum_at_once(edges, inputs, measured, 0.1, None)
        table = pd.DataFrame(sorted(edges), columns=["source", "sign", "target"])
        pool = solve_pool(table, inputs, measured, 0.1, limit=200)
        for s, gate in made:
            for states in map(dict, optima):
                assert states.get(s[0]) != s[1] or any(states.get(v) == x for v, x in gate)
        rows += len(made)
        made.clear()
        if pool.solutions:
            assert pool.complete
            assert pool.solutions[0].objective == pytest.approx(objective, abs=1e-6)
            assert {tuple(sorted(s.states.items())) for s in pool.solutions} == set(optima)
    assert rows > 10
