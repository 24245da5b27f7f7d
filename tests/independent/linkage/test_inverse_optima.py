"""Routes without a declared receptor, by trying all states: a receptor needs no reason, every node costs, and some cost less."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from periomics.linkage.inverse import asked
from periomics.linkage.refits import route_tests
from periomics.linkage.routes import optima
from periomics.study.settings.linkage import SignallingNetwork

NETWORKS = 120


def hanging(active, edges, receptors, depth):
    """Active nodes behind an active receptor, by ways of active nodes with the right signs, of at most `depth` steps."""
    reached = {v for v in active if v in receptors}
    for _ in range(depth):
        reached |= {
            t for s, g, t in edges if s in reached and active.get(t, 0) == active[s] * g != 0
        }
    return reached


def every_optimum(edges, receptors, measured, depth, price):
    """The least objective over all states of all nodes, and those that have it."""
    nodes = sorted({v for s, _, t in edges for v in (s, t)})
    best, found = np.inf, []
    for choice in product((0, 1, -1), repeat=len(nodes)):
        active = {v: x for v, x in zip(nodes, choice, strict=True) if x}
        cost = sum(price[v] for v in active)
        for gene, weight in measured.items():
            cost += abs(weight) * abs(active.get(gene, 0) - np.sign(weight))
        if cost > best + 1e-9 or set(active) - hanging(active, edges, receptors, depth):
            continue
        if cost < best - 1e-9:
            best, found = cost, []
        found.append(tuple(sorted(active.items())))
    return best, set(found)


def drawn(rng):
    """Four to seven nodes with cycles and both signs, two receptors that also have edges in, and edges before them."""
    nodes = [f"N{i}" for i in range(rng.integers(4, 8))]
    edges = set()
    for a, b in rng.choice(nodes, size=(rng.integers(len(nodes), 3 * len(nodes)), 2)):
        if a != b:
            edges.add((str(a), int(rng.choice([1, 1, -1])), str(b)))
    receptors = {s for s, _, _ in edges} & set(nodes[:2])
    chosen = rng.choice(nodes[1:], size=rng.integers(1, 4), replace=False)
    known = {v for e in edges for v in (e[0], e[2])}
    measured = {
        str(v): round(float(rng.choice([-1, 1]) * rng.uniform(0.2, 2)), 3)
        for v in chosen
        if v in known
    }
    return edges, receptors, measured


@pytest.mark.parametrize("weighted", [False, True])
def test_objective_and_set_of_optima_with_free_receptors(weighted):
    rng, solved = np.random.default_rng(12 + weighted), 0
    for _ in range(NETWORKS):
        edges, receptors, measured = drawn(rng)
        if not receptors or not measured:
            continue
        beta, depth = float(rng.choice([0.05, 0.3])), int(rng.integers(1, 5))
        nodes = sorted({v for s, _, t in edges for v in (s, t)})
        off = {v: float(rng.choice([0.0, 0.5, 0.9])) for v in nodes} if weighted else {}
        settings = SignallingNetwork(
            name="n", test="a.b", mode="inverse", beta=beta, depth=depth, weights=off
        )
        table = pd.DataFrame(sorted(edges), columns=["source", "sign", "target"])
        table = table.assign(layer="signalling", evidence="memory")
        network, inputs, settings = asked(table, {}, receptors, settings)
        pool = optima(network, inputs, settings, measured, beta, 200)
        price = {v: beta * (1 - off.get(v, 0.0)) for v in nodes}
        # What no receptor reaches in any state is not asked about, as with declared receptors.
        near = set(receptors)
        for _ in range(depth):
            near |= {t for s, _, t in edges if s in near}
        asked_of = {v: w for v, w in measured.items() if v in near}
        objective, found = every_optimum(edges, receptors, asked_of, depth, price)
        if not pool.solutions:
            assert found == {()}
            continue
        assert pool.complete
        assert pool.solutions[0].objective == pytest.approx(objective, abs=1e-6)
        assert {tuple(sorted(s.states.items())) for s in pool.solutions} == found
        solved += bool(pool.solutions[0].states)
    assert solved > 50


def best_gain(edges, receptors, genes, depth, beta):
    """How much trying every state gains over no node at all."""
    near = set(receptors)
    for _ in range(depth):
        near |= {t for s, _, t in edges if s in near}
    of = {v: w for v, w in genes.items() if v in near}
    prices = {v: beta for e in edges for v in (e[0], e[2])}
    return sum(map(abs, of.values())) - every_optimum(edges, receptors, of, depth, prices)[0]


def small_network(rng):
    """Five nodes, two receptors; genes are the others."""
    nodes = list("RSABC")
    edges = {
        (str(a), int(rng.choice([1, 1, -1])), str(b))
        for a, b in rng.choice(nodes, (8, 2))
        if a != b
    }
    return edges, {s for s, _, _ in edges} & {"R", "S"}


def any_receptor(edges, receptors, every, beta, depth):
    """The row of routes.tsv: the first set of changed genes as observed, the others under labels
    dealt anew."""
    settings = SignallingNetwork(name="n", test="a.b", mode="inverse", beta=beta, depth=depth)
    table = pd.DataFrame(sorted(edges), columns=["source", "sign", "target"])
    table = table.assign(layer="signalling", evidence="memory")
    network, inputs, settings = asked(table, {}, receptors, settings)
    own, *others = every
    floor = 1 / len(every)
    return route_tests(
        network, inputs, own, settings, permuted=others, topologies=[], floor=floor
    ).iloc[0]


def drawn_genes(rng):
    """Changed genes under labels dealt anew, by chance none."""
    return {
        g: round(float(rng.choice([-1, 1]) * rng.uniform(0.2, 2)), 3)
        for g in "ABC"
        if rng.random() < 0.6
    }


def test_p_of_any_receptor_is_that_of_the_best_objectives_by_trying_every_state():
    rng, some = np.random.default_rng(16), []
    while len(some) < 15:
        edges, receptors = small_network(rng)
        if not receptors:
            continue
        every = [drawn_genes(rng) for _ in range(8)]
        row = any_receptor(edges, receptors, every, 0.1, 3)
        found = [best_gain(edges, receptors, genes, 3, 0.1) for genes in every]
        assert row["gain"] == pytest.approx(found[0], abs=1e-6)
        p = sum(g >= found[0] - 1e-9 for g in found) / 8 if found[0] > 1e-9 else 1.0
        assert row["p"] == pytest.approx(p)
        some.append(p)
    assert len(set(some)) > 4


@pytest.mark.slow
def test_p_of_any_receptor_holds_its_level_where_labels_are_all_alike():
    """The search over receptors is in every draw: of 20 sets of genes drawn alike, p ≤ .05 in one
    of 20 at most."""
    rng, hits, n = np.random.default_rng(17), 0, 0
    while n < 150:
        edges, receptors = small_network(rng)
        if receptors:
            every = [drawn_genes(rng) for _ in range(20)]
            hits += any_receptor(edges, receptors, every, 0.1, 3)["p"] <= 0.05
            n += 1
    assert hits <= stats.binom.ppf(0.999, n, 0.05) and hits > 0
