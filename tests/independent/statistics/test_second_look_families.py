"""Dunnett over claims, graphs and missing animals from their definitions in docs/statistics.md, on
odd studies.

Unequal numbers, ties, an arm of one animal, an arm whose animals are all equal, an arm that is
missing. Truths by scipy's multivariate t, by all intersections, and by trying distances one after
the other.
"""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from periomics.outcomes.aggregate import COLUMNS
from periomics.statistics.claims.analysis import Analysis
from periomics.statistics.claims.animals import prepare
from periomics.statistics.claims.judging import verdict_table
from periomics.statistics.claims.plan import read_plan
from periomics.statistics.claims.tipping import with_tipping
from periomics.study.dictionary import load_dictionary

DICTIONARY = load_dictionary("resources/outcomes.tsv")
SHAM = [50.0, 61.0, 55.0, 50.0]
ARMS = {
    "sham": SHAM,
    "low": [70.0, 52.0, 66.0],
    "mid": [88.0, 70.0, 70.0, 95.0, 64.0, 81.0, 77.0],
    "high": [120.0, 99.0, 150.0, 87.0, 87.0],
}


def study(values, absent=()):
    """Animals and sheet; `values` is outcome → arm → values, `absent` the arms of animals without
    any."""
    rows, groups = [], {f"x{i}": arm for i, arm in enumerate(absent)}
    for outcome, arms in values.items():
        unit = str(DICTIONARY.at[outcome, "unit"])
        for arm, ys in arms.items():
            for i, y in enumerate(ys):
                groups[f"{arm}{i}"] = arm
                rows.append(
                    dict.fromkeys(COLUMNS, "")
                    | {"animal_id": f"{arm}{i}", "outcome": outcome, "condition": arm, "value": y}
                    | {"time": np.nan, "dose": np.nan, "status": "measured", "unit": unit}
                    | {"numerator": np.nan, "denominator": np.nan}
                )
    sheet = pd.DataFrame({"animal_id": list(groups), "group": list(groups.values())})
    return pd.DataFrame(rows), sheet.assign(unit="animal", block="")


def judged(values, arms, outcomes=("mvd",), graphs=None, **claim):
    contrasts = {a: {"weights": {a: 1, "sham": -1}} for a in arms}
    claims = [
        {"id": a, "kind": "superiority", "contrast": a, "outcomes": list(outcomes), "family": "f"}
        | claim
        for a in arms
    ]
    plan = read_plan(
        {"contrasts": contrasts, "claims": claims, "directions": {"tbth": "+"}}
        | ({"graphs": graphs} if graphs else {})
    )
    table, sheet = study(values)
    return verdict_table(Analysis(plan, prepare(table, sheet, DICTIONARY), DICTIONARY))


def welch(x, y):
    """t, degrees of freedom and the variances of both means, of logarithms."""
    x, y = np.log(x), np.log(y)
    a, b = x.var(ddof=1) / len(x), y.var(ddof=1) / len(y)
    df = (a + b) ** 2 / (a**2 / (len(x) - 1) + b**2 / (len(y) - 1))
    return (x.mean() - y.mean()) / (a + b) ** 0.5, df, a, b


def joint(arms, sham=SHAM):
    """Adjusted p of each arm against the shared one: 1 − P(no |T| so large), T multivariate t with
    the least df."""
    t, df, own, shared = (np.array(x) for x in zip(*(welch(y, sham) for y in arms), strict=True))
    load = np.sqrt(shared / (own + shared))
    shape = np.outer(load, load)
    np.fill_diagonal(shape, 1.0)
    law = stats.multivariate_t(shape=shape, df=df.min(), seed=1)
    corners = list(itertools.product((-1, 1), repeat=len(t)))
    out = []
    for size in np.abs(t):
        # P of the box by inclusion and exclusion over its corners.
        inside = sum(
            np.prod(c) * law.cdf(size * np.array(c), maxpts=10_000, random_state=1) for c in corners
        )
        out.append(1 - inside)
    return out


@pytest.mark.parametrize("arms", [("low", "mid"), ("low", "mid", "high")])
def test_dunnett_over_claims_is_the_joint_law(arms):
    found = judged({"mvd": ARMS}, arms, correction="dunnett").set_index("claim_id")
    np.testing.assert_allclose(
        found.loc[list(arms), "p_adj"], joint([ARMS[a] for a in arms]), atol=2e-3
    )


def test_dunnett_over_claims_of_two_outcomes_is_twice_as_careful():
    two = {"mvd": ARMS, "tbth": ARMS}
    one, both = (
        judged({k: two[k] for k in o}, ("low", "mid"), outcomes=o, correction="dunnett")
        for o in (("mvd",), ("mvd", "tbth"))
    )
    want = np.minimum(2 * one.set_index("claim_id")["p_adj"], 1)
    for _, part in both.groupby("outcome"):
        np.testing.assert_allclose(part.set_index("claim_id")["p_adj"], want, atol=1e-9)


@pytest.mark.parametrize(
    ("odd", "verdict"),
    [([70.0], "not judged"), ([], "not judged"), ([70.0, 70.0, 70.0], None)],
)
def test_an_odd_arm_does_not_change_the_others(odd, verdict):
    """One animal, or none, leaves the family; an arm of equal animals stays, as the shared one
    varies."""
    arms = ARMS | {"high": odd}
    found = judged({"mvd": arms}, ("low", "mid", "high"), correction="dunnett").set_index(
        "claim_id"
    )
    if verdict:
        assert found.at["high", "verdict"] == verdict and np.isnan(found.at["high", "p_adj"])
        want = joint([ARMS["low"], ARMS["mid"]])
    else:
        want = joint([ARMS["low"], ARMS["mid"], odd])
        assert found.at["high", "p_adj"] == pytest.approx(want[2], abs=2e-3)
    np.testing.assert_allclose(found.loc[["low", "mid"], "p_adj"], want[:2], atol=2e-3)


def by_intersections(p, weights, edges):
    """Adjusted p of the graph: an intersection has the shares that are left when all others were
    taken out of it."""
    names = list(p)

    def shares(kept):
        share = {a: weights.get(a, 0.0) for a in names}
        arcs = {(a, b): edges.get(a, {}).get(b, 0.0) for a in names for b in names}
        left = list(names)
        for out in [a for a in names if a not in kept]:
            left.remove(out)
            old = dict(arcs)
            for a in left:
                share[a] += share[out] * old[out, a]
                loop = old[a, out] * old[out, a]
                for b in left:
                    if a != b and loop < 1:
                        arcs[a, b] = (old[a, b] + old[a, out] * old[out, b]) / (1 - loop)
        return share

    worst = dict.fromkeys(names, 0.0)
    for size in range(1, len(names) + 1):
        for kept in itertools.combinations(names, size):
            share = shares(kept)
            whole = min([1.0, *(p[a] / share[a] for a in kept if share[a] > 0)])
            for a in kept:
                worst[a] = max(worst[a], whole)
    return worst


@pytest.mark.parametrize(
    ("weights", "edges"),
    [
        (
            {"low": 1.0},
            {"low": {"mid": 0.5, "high": 0.5}, "mid": {"high": 1.0}, "high": {"mid": 1.0}},
        ),
        ({"low": 0.2, "mid": 0.8}, {"low": {"high": 1.0}, "mid": {"low": 0.3, "high": 0.7}}),
        ({"high": 0.5, "mid": 0.5}, {"high": {"mid": 1.0}, "mid": {"high": 0.9, "low": 0.1}}),
    ],
)
@pytest.mark.parametrize("ties", [False, True])
def test_a_graph_is_its_closed_test(weights, edges, ties):
    arms = ARMS | ({"mid": ARMS["high"]} if ties else {})
    p = {
        a: 2 * stats.t.sf(abs(t), df)
        for a in ("low", "mid", "high")
        for t, df, *_ in [welch(arms[a], SHAM)]
    }
    graphs = {"f": {"weights": weights, "edges": edges}}
    found = judged({"mvd": arms}, tuple(p), graphs=graphs, correction="graph").set_index("claim_id")
    want = by_intersections(p, weights, edges)
    for arm, value in want.items():
        assert found.at[arm, "p_adj"] == pytest.approx(value, rel=1e-9)
        assert (found.at[arm, "verdict"] == "supported") == (value <= 0.05)


@pytest.mark.parametrize(("of", "against"), [("mid", 1), ("high", 1)])
def test_one_animal_of_either_arm_moved_until_the_claim_falls(of, against):
    """With one missing animal an arm its place is the arm's mean, moved by d of the arm's SD: down
    where treated, up in sham."""
    plan = read_plan(
        {
            "contrasts": {"C": {"weights": {of: 1, "sham": -1}}},
            "claims": [{"id": "A", "kind": "superiority", "contrast": "C", "outcomes": ["mvd"]}],
        }
    )
    table, sheet = study({"mvd": {a: ARMS[a] for a in (of, "sham")}}, absent=(of, "sham"))
    known = Analysis(plan, prepare(table, sheet, DICTIONARY), DICTIONARY)
    row = with_tipping(verdict_table(known), known, sheet).iloc[0]
    x, y = np.log(ARMS[of]), np.log(SHAM)

    def holds(d):
        more = np.append(x, x.mean() - against * d * x.std(ddof=1))
        rest = np.append(y, y.mean() + against * d * y.std(ddof=1))
        found = stats.ttest_ind(more, rest, equal_var=False)
        return found.pvalue <= 0.05 and found.statistic > 0

    first = next(d for d in np.arange(0, 20, 0.02) if not holds(d))
    assert row["verdict"] == "supported" and row["n_missing"] == 2
    assert row["tipping_sd"] == pytest.approx(first, abs=0.06)
