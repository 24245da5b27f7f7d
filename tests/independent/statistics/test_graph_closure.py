"""The graphical procedure against the closed test that it stands for, and values derived by hand."""

import itertools

import numpy as np
import pytest
from scipy import stats

from periomics.core.multiplicity import graphical, holm, holm_levels
from periomics.statistics.claims.graph import NOTHING, Forms, decide
from periomics.statistics.claims.plan import read_plan
from periomics.statistics.kernels.contrasts import Estimate


def shares_within(kept, weights, edges):
    """Shares when all hypotheses but `kept` are taken out, one after the other, by the rule as it is printed in papers."""
    share, arcs, left = list(weights), np.array(edges, float), set(range(len(weights)))
    for j in set(left) - set(kept):
        left.discard(j)
        new = np.zeros_like(arcs)
        for a in left:
            share[a] += share[j] * arcs[j, a]
            for b in left - {a}:
                loop = arcs[a, j] * arcs[j, a]
                if loop < 1 - 1e-12:
                    new[a, b] = (arcs[a, b] + arcs[a, j] * arcs[j, b]) / (1 - loop)
        share[j], arcs = 0.0, new
    return share


def closed(p, weights, edges):
    """Adjusted p of each hypothesis: the largest weighted Bonferroni p of an intersection that holds it."""
    of = {}
    for size in range(1, len(p) + 1):
        for kept in itertools.combinations(range(len(p)), size):
            share = shares_within(kept, weights, edges)
            of[kept] = min([p[j] / share[j] for j in kept if share[j] > 0], default=1.0)
    return [min(1.0, max(v for kept, v in of.items() if i in kept)) for i in range(len(p))]


def test_drawn_graphs_are_closed_tests():
    rng = np.random.default_rng(5)
    for _ in range(150):
        m = int(rng.integers(2, 6))
        weights = rng.dirichlet(np.ones(m)) * rng.choice([1, 0.8])
        weights[rng.random(m) < 0.3] = 0
        edges = rng.dirichlet(np.ones(m), m)
        edges[rng.random((m, m)) < 0.4] = 0
        np.fill_diagonal(edges, 0)
        p = rng.uniform(0, 0.1, m)
        adjusted, level = graphical(p, weights, edges, 0.05)
        assert adjusted == pytest.approx(closed(p, weights, edges))
        assert np.array_equal(p <= level, adjusted <= 0.05)


def test_missing_hypotheses_hand_their_share_on():
    edges = np.array([[0, 1, 0], [0, 0, 1], [0, 0, 0]], float)
    adjusted, level = graphical([np.nan, 0.01, 0.04], [1, 0, 0], edges, 0.05)
    assert np.isnan(adjusted[0]) and np.isnan(level[0])
    assert adjusted[1:] == pytest.approx([0.01, 0.04])
    assert level[1:] == pytest.approx([0.05, 0.05])


def test_a_gate_that_holds_leaves_nothing_behind_it():
    adjusted, level = graphical([0.2, 0.001], [1, 0], [[0, 1], [0, 0]], 0.05)
    assert adjusted == pytest.approx([0.2, 0.2])
    assert level == pytest.approx([0.05, 0])


def test_equal_shares_are_holm():
    rng = np.random.default_rng(6)
    for m in (1, 2, 5):
        p = rng.uniform(0, 0.2, (100, m)) ** 2
        p[rng.random(p.shape) < 0.1] = np.nan
        even = (np.ones((m, m)) - np.eye(m)) / max(m - 1, 1)
        adjusted, level = graphical(p, np.full(m, 1 / m), even, 0.05)
        assert adjusted == pytest.approx(holm(p), nan_ok=True)
        assert level == pytest.approx(holm_levels(p, 0.05), nan_ok=True)


def test_two_primary_and_two_secondary_by_hand():
    # Each primary one gives half to the other and half to its secondary one, which gives all to the other primary one.
    edges = [[0, 0.5, 0.5, 0], [0.5, 0, 0, 0.5], [0, 1, 0, 0], [1, 0, 0, 0]]
    adjusted, level = graphical([0.01, 0.005, 0.1, 0.5], [0.5, 0.5, 0, 0], edges, 0.05)
    # .005 / .5, then .01 / .75, then .1 / .5 (both secondary ones hold half), then .5 / 1
    assert adjusted == pytest.approx([0.01 / 0.75, 0.01, 0.2, 0.5])
    assert level == pytest.approx([0.0375, 0.025, 0.025, 0.025])


def of_p(p):
    """Benefit-signed forms whose two-sided p are these, at 10 degrees of freedom."""
    t = stats.t.isf(np.asarray(p) / 2, 10)
    effect = Estimate(t, np.ones(t.shape), np.full(t.shape, 10.0))
    return Forms(effect, NOTHING, NOTHING)


def plan_of(graph=None, correction="graph", outcomes=("a", "b")):
    contrasts = {
        "one": {"weights": {"x": 1, "c": -1}},
        "two": {"weights": {"y": 1, "c": -1}},
    }
    claims = [
        {
            "id": name,
            "kind": "superiority",
            "contrast": name,
            "outcomes": list(outcomes),
            "family": "both",
            "correction": correction,
        }
        for name in contrasts
    ]
    graphs = {"both": graph} if graph else {}
    return read_plan({"contrasts": contrasts, "claims": claims, "graphs": graphs})


def test_a_claim_hands_its_share_to_the_same_outcome():
    plan = plan_of({"weights": {"one": 1}, "edges": {"one": {"two": 1}}})
    forms = {"one": of_p([0.01, 0.2]), "two": of_p([0.012, 0.0001])}
    out = decide(plan, forms)
    assert out["one"].p_adj == pytest.approx([0.02, 0.4])
    assert out["two"].p_adj == pytest.approx([0.024, 0.4])
    assert list(out["one"].verdict) == ["supported", "inconclusive"]
    assert list(out["two"].verdict) == ["supported", "not tested"]


def test_an_edge_to_itself_is_holm_within_the_claim():
    plan = plan_of({"weights": {"one": 1}, "edges": {"one": {"one": 1}}})
    p = [0.01, 0.04]
    out = decide(plan, {"one": of_p(p), "two": of_p([0.5, 0.5])})
    assert out["one"].p_adj == pytest.approx(holm(p))


def test_a_node_of_one_outcome():
    graph = {"weights": {"one/b": 0.8, "two": 0.2}, "edges": {"one/b": {"two/a": 1}}}
    out = decide(plan_of(graph), {"one": of_p([0.001, 0.03]), "two": of_p([0.04, 0.5])})
    assert out["one"].p_adj == pytest.approx([1.0, 0.0375])
    assert out["two"].p_adj == pytest.approx([max(0.0375, 0.04 / 0.9), 1.0])


def test_dunnett_on_claims_is_scipys_within_its_error():
    rng = np.random.default_rng(7)
    y = [rng.normal(m, 1, 200) for m in (0, 0.24, 0.1)]
    pooled = np.mean([x.var(ddof=1) for x in y])
    form = [
        Estimate(
            np.array([x.mean() - y[0].mean()]),
            np.array([np.sqrt(pooled * 2 / 200)]),
            np.array([597.0]),
        )
        for x in y[1:]
    ]
    plan = plan_of(correction="dunnett", outcomes=("a",))
    forms = {n: Forms(f, NOTHING, NOTHING) for n, f in zip(("one", "two"), form, strict=True)}
    loads = {n: np.array([np.sqrt(0.5)]) for n in forms}
    out = decide(plan, forms, loads=loads)
    found = stats.dunnett(y[1], y[2], control=y[0], rng=np.random.default_rng(1)).pvalue
    assert [float(out[n].p_adj[0]) for n in forms] == pytest.approx(found.tolist(), abs=1e-3)
    # Independent comparisons, which nothing being known of the arms means, are judged more strictly.
    strict = decide(plan, forms)
    assert all(strict[n].p_adj[0] > out[n].p_adj[0] for n in forms)
    for n in forms:
        assert (out[n].p[0] <= 1 - out[n].level[0]) == (out[n].p_adj[0] <= 0.05)


def test_outcomes_of_dunnett_are_corrected_too():
    plan = plan_of(correction="dunnett")
    one = decide(plan, {"one": of_p([0.01, 0.5]), "two": of_p([0.5, 0.5])})
    plan = plan_of(correction="dunnett", outcomes=("a",))
    alone = decide(plan, {"one": of_p([0.01]), "two": of_p([0.5])})
    assert one["one"].p_adj[0] == pytest.approx(2 * alone["one"].p_adj[0])


@pytest.mark.parametrize(
    ("graph", "said"),
    [
        ({"weights": {"oen": 1}}, "did you mean .one"),
        ({"weights": {"one": 0.7, "two": 0.7}}, "more than 1"),
        ({"weights": {"one": 1}, "edges": {"one": {"two/q": 1}}}, "no claim of the family"),
        (None, "no graph of the family both"),
    ],
)
def test_slips_in_a_graph_are_named(graph, said):
    with pytest.raises(Exception, match=said):
        plan_of(graph)
