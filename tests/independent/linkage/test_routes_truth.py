"""Gains by trying every assignment of states, relabellings by itertools, p by its definition, and its null on counts of our own.

From docs/linkage.md: a measured gene that is silent costs its weight, one with the wrong sign twice its weight, an active node costs
`beta`; every active node has its state by a way of at most `depth` steps of active nodes from the receptor, whose cost is not counted.
"""

from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from periomics.bulk.designs import Designed
from periomics.genes.design import model_matrix
from periomics.linkage.refits import (
    Refitting,
    evened,
    gain,
    relabelled,
    rewired,
    route_tests,
    two_arms,
)
from periomics.study.settings.bulk import Analysis, BulkTests
from periomics.study.settings.linkage import SignallingNetwork

RECEPTOR = "R"


def settings(**more):
    return SignallingNetwork(**({"name": "n", "test": "a.c", "inputs": {RECEPTOR: 1}} | more))


def network(rng, nodes=6, edges=10):
    """Any signed edges between a receptor and a few nodes, cycles included."""
    names = [RECEPTOR, *"ABCDEFG"[:nodes]]
    every = [(s, t) for s in names for t in names if s != t]
    chosen = rng.choice(len(every), edges, replace=False)
    return pd.DataFrame(
        [
            (every[i][0], int(rng.choice([1, 1, -1])), every[i][1], "signalling")
            for i in sorted(chosen)
        ],
        columns=["source", "sign", "target", "layer"],
    )


def supported(state, sign, edges, depth):
    """Whether every active node hangs on the receptor by a way of at most `depth` steps with the right signs."""
    reached = {RECEPTOR}
    for _ in range(depth):
        reached |= {
            t for s, e, t in edges if s in reached and state.get(t, 0) == (state | sign)[s] * e != 0
        }
    return all(v == 0 or n in reached for n, v in state.items())


def brute_gain(table, sign, genes, beta, depth):
    edges = list(table[["source", "sign", "target"]].itertuples(index=False, name=None))
    nodes = sorted({n for s, _, t in edges for n in (s, t)} - {RECEPTOR})
    best = 0.0
    for values in product((-1, 0, 1), repeat=len(nodes)):
        state = dict(zip(nodes, values, strict=True))
        worth = 0.0
        for g, w in genes.items():
            worth += abs(w) * state.get(g, 0) * np.sign(w)
        worth -= beta * sum(v != 0 for v in values)
        if worth > best + 1e-12 and supported(state, {RECEPTOR: sign}, edges, depth):
            best = worth
    return best


def test_gains_of_tiny_networks():
    rng = np.random.default_rng(1)
    some = 0
    for i in range(60):
        table = network(rng, edges=int(rng.integers(6, 14)))
        named = rng.choice(list("ABCDEF"), 3, replace=False)
        genes = {str(g): float(rng.choice([-1, 1]) * rng.uniform(0.2, 2)) for g in named}
        beta, depth, sign = float(rng.choice([0.1, 0.3])), int(rng.integers(1, 5)), (1, -1)[i % 2]
        found, right = gain(table, RECEPTOR, sign, genes, settings(beta=beta, depth=depth))
        truth = brute_gain(table, sign, genes, beta, depth)
        assert found == pytest.approx(truth, abs=1e-6), (table, genes, beta, depth)
        assert (right > 0) == (truth > 1e-6)
        some += truth > 0
    assert some > 20


def units_of(sizes):
    """Units of arms a and b in blocks: sizes of both in each; one more arm that is not compared."""
    rows = [
        {"arm": arm, "block_day": f"d{k}"}
        for k, pair in enumerate(sizes)
        for arm, n in zip("ab", pair, strict=True)
        for _ in range(n)
    ]
    rows += [{"arm": "c", "block_day": "d0"}] * 2
    names = [f"u{i:02d}" for i in range(len(rows))]
    return pd.DataFrame(rows, index=names).assign(specimen_id=names, animal_id=names)


def every_labelling(sizes):
    """All ways to choose arm a within blocks, as sets of unit names."""
    start, ways = 0, []
    for a, b in sizes:
        ways.append([set(c) for c in combinations(range(start, start + a + b), a)])
        start += a + b
    return {frozenset(f"u{i:02d}" for part in way for i in part) for way in product(*ways)}


def first_arm(units):
    return frozenset(units.index[units["arm"] == "a"])


@pytest.mark.parametrize(
    "sizes", [[(3, 3)], [(2, 2), (2, 2)], [(2, 1), (1, 3), (2, 2)], [(1, 0), (2, 3)], [(1, 1)] * 5]
)
def test_all_relabellings_within_blocks(sizes):
    units, rng = units_of(sizes), np.random.default_rng(0)
    truth = every_labelling(sizes)
    many, floor = relabelled(units, ["a", "b"], rng, 500)
    found = [first_arm(u) for u in many]
    assert len(found) == len(set(found)) == len(truth) - 1
    assert set(found) == truth - {first_arm(units)}
    assert floor == pytest.approx(1 / len(truth))
    for u in many:
        assert (u["arm"] == "c").equals(units["arm"] == "c")
        assert u.drop(columns="arm").equals(units.drop(columns="arm"))
    turned, _ = relabelled(units, ["b", "a"], rng, 500)
    assert {first_arm(u) for u in turned} == set(found)


def test_drawn_relabellings_keep_blocks_and_are_even():
    sizes = [(2, 2), (2, 2), (1, 1)]
    units, truth = units_of(sizes), every_labelling(sizes)
    counts = dict.fromkeys(truth, 0)
    rng = np.random.default_rng(2)
    for _ in range(60):
        many, floor = relabelled(units, ["a", "b"], rng, 50)
        assert 40 <= len(many) <= 50 and floor == pytest.approx(1 / (len(many) + 1))
        for u in many:
            counts[first_arm(u)] += 1
    assert counts.pop(first_arm(units)) == 0
    drawn = np.array(list(counts.values()))
    assert len(drawn) == 71 and drawn.min() > 15 and drawn.max() < 80  # 42 each


def test_p_and_shares_are_counts_of_gains():
    rng = np.random.default_rng(3)
    for _ in range(8):
        table = network(rng, nodes=5, edges=11)
        inputs = {RECEPTOR: 1, "A": -1}
        of = settings(beta=0.1, depth=3, inputs=inputs)

        def draw():
            named = rng.choice(list("BCDE"), int(rng.integers(0, 4)), replace=False)
            return {str(g): float(rng.choice([-1, 1])) for g in named}

        genes, many = draw() | {"B": 1.0}, [draw() for _ in range(19)]
        shapes = [rewired(table, rng) for _ in range(5)]
        found = route_tests(
            table, inputs, genes, of, permuted=many, topologies=shapes, floor=1 / 20
        ).set_index("receptor")
        p = {}
        for name, sign in inputs.items():
            swap = {name: RECEPTOR, RECEPTOR: name}

            def own(edges, g, sign=sign, swap=swap):
                renamed = edges.replace({"source": swap, "target": swap})
                return brute_gain(renamed, sign, {swap.get(k, k): v for k, v in g.items()}, 0.1, 3)

            seen = own(table, genes)
            assert found.at[name, "gain"] == pytest.approx(seen, abs=1e-6)
            hits = sum(own(table, g) >= seen - 1e-6 for g in many)
            p[name] = 1.0 if seen == 0 else (1 + hits) / 20
            assert found.at[name, "p"] == pytest.approx(p[name])
            share = np.mean([own(t, genes) >= seen - 1e-6 for t in shapes])
            told = found.at[name, "topology_share"]
            assert np.isnan(told) if seen == 0 else told == pytest.approx(share)
        small, large = sorted(p, key=p.get)
        adjusted = {small: min(1, 2 * p[small])}
        adjusted[large] = max(adjusted[small], p[large])
        for name, value in adjusted.items():
            assert found.at[name, "p_adj"] == pytest.approx(value)


def test_genes_chosen_loosely_are_told():
    table = network(np.random.default_rng(5), nodes=5, edges=11)
    for q, told in ((0.05, False), (0.2, True)):
        found = route_tests(
            table,
            {RECEPTOR: 1},
            {"B": 1.0},
            settings(q=q, depth=3),
            permuted=[{}] * 19,
            topologies=[],
            floor=1 / 20,
        )
        assert bool(found.at[0, "reason"]) == told and np.isfinite(found.at[0, "p"])


def test_rewiring_keeps_edges_in_and_out_by_sign_and_layer():
    rng = np.random.default_rng(4)
    for _ in range(20):
        table = network(rng, nodes=7, edges=24)
        table["layer"] = rng.choice(["signalling", "transcription"], len(table))
        found = rewired(table, rng)
        for end in ("source", "target"):
            keys = [end, "sign", "layer"]
            pd.testing.assert_series_equal(
                found.groupby(keys).size(), table.groupby(keys).size(), check_names=False
            )
        assert (found["source"] != found["target"]).all()
        assert not found.duplicated(["source", "sign", "target"]).any()
        assert not found["target"].equals(table["target"])


GENES = [f"G{i:03d}" for i in range(200)]


def wide_network():
    """A receptor, two kinases of either sign, four factors, ten genes each: whatever changes may be explained."""
    rows = [(RECEPTOR, 1, "K1", "signalling"), (RECEPTOR, -1, "K2", "signalling")]
    rows += [
        (f"K{k}", s, f"T{2 * k - 2 + j}", "signalling")
        for k in (1, 2)
        for j, s in ((0, 1), (1, -1))
    ]
    rows += [(f"T{t}", 1, GENES[10 * t + i], "transcription") for t in range(4) for i in range(10)]
    return pd.DataFrame(rows, columns=["source", "sign", "target", "layer"])


def no_change(rng, units, sds):
    """Counts of 200 genes that share three factors: no arm differs but in its spread; blocks, zeros, one library ten times as deep."""
    n = len(units)
    spread = units["arm"].map(sds).to_numpy(float)
    logs = rng.normal(0, 0.8, (200, 3)) @ rng.normal(size=(3, n)) + rng.normal(0, 0.3, (200, n))
    logs = rng.normal(3, 1.5, (200, 1)) + logs * spread * 0.6
    days = pd.factorize(units["block_day"])[0]
    logs += rng.normal(0, 0.7, (200, days.max() + 1))[:, days]
    depth = rng.lognormal(0, 0.3, n)
    depth[rng.integers(n)] *= 10
    counts = rng.poisson(np.exp(logs) * depth) * (rng.random((200, n)) > 0.1)
    return pd.DataFrame(counts, GENES, units.index)


def study_of(counts, units, q):
    weights = {"c": {"b": 1.0, "a": -1.0}}
    analysis = Analysis.of(
        {"name": "a", "select": {}, "arm": "group", "block": ["block"], "contrasts": ["c"]}, "a"
    )
    of = Designed(
        analysis=analysis,
        libraries=units,
        symbols=pd.Series(GENES, GENES),
        counts=counts,
        lengths=None,
        units=units,
        model=model_matrix(units),
        weights=weights,
        status={"c": ("tested", "")},
    )
    return Refitting(of, "c", wide_network(), settings(q=q, beta=0.02, genes=20), BulkTests())


def p_of_study(rng, sizes, sds, relabellings, q=0.5):
    """Gain of the one receptor and its p, genes chosen at a loose q so that there is nearly always a route."""
    units = units_of(sizes)
    units = units[units["arm"] != "c"]
    again = study_of(no_change(rng, units, sds), units, q)
    many, floor = relabelled(units, ["b", "a"], rng, relabellings)
    found = route_tests(
        again.edges,
        {RECEPTOR: 1},
        again.changed(units),
        again.settings,
        permuted=[again.changed(u) for u in many],
        topologies=[],
        floor=floor,
    ).iloc[0]
    return found["gain"], found["p"]


@pytest.mark.slow
@pytest.mark.parametrize("wide", [1.0, 3.0])
def test_routes_without_a_change_are_called_at_most_as_often_as_p_says(wide):
    """Five and five in three blocks, one arm that varies more; genes are chosen at q .5, so that q
    hides nothing.

    The largest of twenty gains has p .05: more labellings would ask the same at twice the price."""
    rng = np.random.default_rng(9)
    p = [p_of_study(rng, [(2, 2), (2, 2), (1, 1)], {"a": 1.0, "b": wide}, 19)[1] for _ in range(40)]
    assert np.sum(np.array(p) <= 0.05) <= binom.ppf(0.999, len(p), 0.05)


def test_arms_too_uneven_to_be_made_even_have_no_p():
    cases = [([(8, 3)], False), ([(8, 2)], True), ([(6, 5)], False), ([(3, 3)], False)]
    cases += [([(4, 0), (4, 2)], True), ([(4, 2), (4, 1)], False)]
    for sizes, told in cases:
        units = units_of(sizes)
        counts = no_change(np.random.default_rng(0), units, {"a": 1, "b": 1, "c": 1})
        assert bool(two_arms(study_of(counts, units, 0.05).of, "c")) == told


def test_uneven_arms_are_made_even_by_lot_in_every_block():
    """Blocks of 5 and 2, 1 and 3, 2 and 2: as many of both as the fewer; of the five each is kept
    in two of five draws."""
    units, rng, draws = units_of([(5, 2), (1, 3), (2, 2), (4, 0)]), np.random.default_rng(3), 60
    kept = []
    for _ in range(draws):
        left, said = evened(units, ["b", "a"], rng)
        kept.append(set(left.index))
        assert list(left.index) == [u for u in units.index if u in kept[-1]]
    assert said.startswith("p of 5 units of each arm, the others of 7 and 12 left out by lot")
    for names in kept:
        found = units.loc[sorted(names)].groupby(["block_day", "arm"]).size().to_dict()
        others = {("d0", "c"): 2}
        even = {("d0", "a"): 2, ("d0", "b"): 2, ("d1", "a"): 1, ("d1", "b"): 1}
        assert found == others | even | {("d2", "a"): 2, ("d2", "b"): 2}
    # Binomial(60, .4): 24 ± 4 SD.
    assert all(9 <= sum(f"u0{i}" in names for names in kept) <= 39 for i in range(5))


def test_p_of_uneven_arms_is_of_the_even_ones_and_the_gain_of_all():
    rng = np.random.default_rng(12)
    units = units_of([(8, 3)])
    counts = no_change(rng, units, {"a": 1, "b": 1, "c": 1})
    moved = counts.loc[GENES[:8], units.index[units["arm"] == "b"]]
    counts.loc[GENES[:8], moved.columns] = moved * 40 + 200
    again = study_of(counts, units, 0.2)
    row = again.judged({RECEPTOR: 1}, np.random.default_rng(1)).iloc[0]
    assert row["gain"] == pytest.approx(
        gain(again.edges, RECEPTOR, 1, again.changed(units), again.settings)[0]
    )
    assert row["relabellings"] == 19 and row["p_floor"] == pytest.approx(1 / 20)
    assert row["p"] == pytest.approx(1 / 20) and "p of 3 units of each arm" in row["reason"]
