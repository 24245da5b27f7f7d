"""Families, gates and error rates of the graph of claims."""

import numpy as np
import pytest
from scipy import stats
from studies import ARMS, CLAIMS, CORE, ROLES, plan

from periomics.core.errors import InputError
from periomics.statistics.claims import graph as g
from periomics.statistics.claims import verdicts as v
from periomics.statistics.claims.plan import read_plan
from periomics.statistics.kernels.contrasts import Estimate, summarise

K = 5


def run(mu, studies=4000, n=6, rho=0.4, seed=1, changes=None):
    """Decisions over simulated studies of five outcomes that are correlated within animals; mu: (4,) or (5, 4) in SD."""
    rng = np.random.default_rng(seed)
    own = rng.standard_normal((studies, K, 4 * n)) * np.sqrt(1 - rho)
    y = (
        own
        + rng.standard_normal((studies, 1, 4 * n)) * np.sqrt(rho)
        + np.repeat(np.asarray(mu, float), n, axis=-1)
    )
    arms = summarise(y, np.repeat(range(4), n), 4)
    claims = CORE
    p = plan(claims=claims, **(changes or {}))
    return g.decide(
        p, {c.id: g.arm_forms(p, c, list(ARMS), arms, arms, np.ones(K)) for c in p.claims}
    )


def upper_limit(hits, n, confidence=0.99):
    """One-sided Clopper–Pearson lower bound of the rate: a rate is too high only if this exceeds the level."""
    return stats.beta.ppf(1 - confidence, hits, n - hits + 1) if hits else 0.0


def test_nothing_passes_a_gate_that_is_shut():
    d = run([1.0, 0, 0.3, 0.9], studies=2000)
    shut = d["C0"].verdict == v.NO_DEFICIT
    assert shut.any() and not shut.all()
    for claim in ("C1", "C2", "C3", "C4"):
        assert (d[claim].verdict[shut] == v.NO_DEFICIT).all()
    late = ~shut & ~v.passed(d["C2"].verdict)
    assert (d["C4"].verdict[late] == v.NOT_TESTED).all() and (
        d["C3"].verdict[late] == v.NOT_TESTED
    ).all()
    assert not v.passed(d["C3"].verdict)[~v.passed(d["C4"].verdict)].any()


def test_verdict_and_adjusted_p_agree():
    d = run([2.5, 0, 0.1, 1.7], studies=1000)
    for claim in ("C2", "C4", "C3"):
        tested = ~np.isnan(d[claim].p_adj)
        supported = v.passed(d[claim].verdict) & tested
        assert ((d[claim].p_adj <= 0.05) & (d[claim].lower > 0))[tested].tolist() == supported[
            tested
        ].tolist()


@pytest.mark.parametrize("n", [3, 5, 6, 10])
def test_no_claim_when_all_arms_are_equal(n):
    d = run([0, 0, 0, 0], n=n, seed=n)
    false = (v.passed(d["C2"].verdict) | v.passed(d["C4"].verdict) | v.passed(d["C3"].verdict)).any(
        axis=-1
    )
    assert upper_limit(false.sum(), false.size) <= 0.05
    assert (
        upper_limit(v.passed(d["C0"].verdict).sum(), d["C0"].verdict.size) <= 0.025
    )  # declared side only


@pytest.mark.parametrize("rho", [0.0, 0.8])
def test_no_claim_when_treatment_does_nothing(rho):
    d = run([2.5, 0, 0, 0], rho=rho, seed=3)
    false = (v.passed(d["C2"].verdict) | v.passed(d["C4"].verdict) | v.passed(d["C3"].verdict)).any(
        axis=-1
    )
    assert upper_limit(false.sum(), false.size) <= 0.025


def test_family_error_when_null_claims_stand_at_different_steps():
    """C2 is null in two domains, C4 in the other three: the worst mixture for a graph of two Holm families."""
    d = run(np.array([[2.5, 0, 0, 0]] * 2 + [[6, 0, 4.2, 4.2]] * 3), studies=8000, rho=0.0, seed=5)
    false = v.passed(d["C2"].verdict)[:, :2].any(axis=-1) | v.passed(d["C4"].verdict)[:, 2:].any(
        axis=-1
    )
    assert upper_limit(false.sum(), false.size) <= 0.05


def test_non_superiority_at_its_margin():
    """R_pre at the margin in every domain: "supported" in any domain at most alpha; supported in all by far less."""
    d = run([2.5, 0, 0.75, 1.75], studies=8000, rho=0.0, seed=6)
    any_false = (d["C1"].verdict == v.SUPPORTED).any(axis=-1)
    assert upper_limit(any_false.sum(), any_false.size) <= 0.05
    assert v.passed(d["C1-any"].overall).mean() < 0.01


def test_equal_timing_refutes_that_early_cells_do_nothing():
    d = run([5, 0, 3.5, 3.5], n=8, seed=7)
    assert (d["C1-any"].overall == v.REFUTED).mean() > 0.99
    assert upper_limit(v.passed(d["C4"].verdict).any(axis=-1).sum(), 4000) <= 0.025


def test_large_studies_reach_every_verdict():
    d = run([2.5, 0, 0.125, 1.75], n=60, studies=500, seed=8)
    # A true R of .05 is a small improvement: at this size it is often seen, and said.
    assert np.isin(d["C1"].verdict, (v.SUPPORTED, v.BELOW_MARGIN)).mean() > 0.96
    assert (
        np.isin(d["C1-any"].verdict, (v.SUPPORTED, v.BELOW_MARGIN)).mean() > 0.98
    )  # the same, unadjusted: spec .99
    assert (d["C1"].verdict == v.SUPPORTED).mean() > 0.8
    assert v.passed(d["C2"].verdict).mean() > 0.99 and v.passed(d["C4"].verdict).mean() > 0.99


def test_permuting_arm_labels_permutes_the_contrasts():
    rng = np.random.default_rng(9)
    y = rng.normal(size=(3, 24))
    arm = np.repeat(range(4), 6)
    swap = np.array([0, 1, 3, 2])
    p = plan()
    a, b = summarise(y, arm, 4), summarise(y, swap[arm], 4)
    c1, c2 = (next(c for c in p.claims if c.id == i) for i in ("C1", "C2"))
    one = g.arm_forms(p, c1, list(ARMS), a, a, np.ones(3)).effect
    two = g.arm_forms(p, c2, list(ARMS), b, b, np.ones(3)).effect
    np.testing.assert_array_equal(np.stack(one[:3]), np.stack(two[:3]))


def test_the_other_sign_of_an_outcome_gives_the_same_verdicts():
    rng = np.random.default_rng(10)
    y = rng.normal(size=(200, K, 24)) + np.repeat([2.5, 0, 0.1, 1.7], 6)
    arm, p = np.repeat(range(4), 6), plan(claims=CORE)
    up, down = (summarise(s * y, arm, 4) for s in (1, -1))
    a = g.decide(p, {c.id: g.arm_forms(p, c, list(ARMS), up, up, np.ones(K)) for c in p.claims})
    b = g.decide(
        p, {c.id: g.arm_forms(p, c, list(ARMS), down, down, -np.ones(K)) for c in p.claims}
    )
    for claim in a:
        assert (a[claim].verdict == b[claim].verdict).all()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"alpha": 2}, "alpha"),
        ({"margin": {"kind": "percent", "value": 1}}, "margin/kind"),
        ({"contrasts": {"C0": {"weights": {"healthy": 1, "disease": 1}}}}, "sum to 0"),
        (
            {"claims": [{"id": "x", "kind": "superority", "contrast": "C0"}]},
            "did you mean 'superiority'",
        ),
        ({"claims": [{"id": "x", "kind": "superiority", "contrast": "C9"}]}, "unknown contrast"),
        (
            {"claims": [{"id": "x", "kind": "superiority", "contrast": "C2", "after": ["C0"]}]},
            "does not stand before",
        ),
        ({"claims": [{"id": "x", "kind": "rescue"}]}, "names its arm"),
        (
            {"claims": [{"id": "x", "kind": "gate", "contrast": "C0", "correction": "tukey"}]},
            "none, holm",
        ),
        ({"directions": {"bvtv": "up"}}, "directions/bvtv"),
        ({"secondary": {"correction": "fdr"}}, "secondary/correction"),
    ],
)
def test_slips_in_the_claims_are_named(change, said):
    with pytest.raises(InputError, match=said):
        read_plan(CLAIMS | change, ROLES, "claims.yaml")


def test_empty_claims_are_a_plan_without_claims():
    p = read_plan({}, {})
    assert p.claims == () and p.gates == () and g.decide(p, {}) == {}


def test_outcomes_that_wait_stay_in_their_family():
    """Holm multiplies the smallest p by all outcomes with a deficit, also by those that an earlier claim left behind."""
    d = run([2.5, 0, 0.1, 0.9], studies=300)
    family = (d["C4"].verdict != v.NO_DEFICIT).sum(axis=-1)
    tested = ~np.isnan(d["C4"].p_adj)
    some = tested.any(axis=-1) & (tested.sum(axis=-1) < family)
    assert some.sum() > 50
    smallest = np.where(tested, d["C4"].p, np.inf).min(axis=-1)[some]
    adjusted = np.where(tested, d["C4"].p_adj, np.inf).min(axis=-1)[some]
    np.testing.assert_allclose(adjusted, np.minimum(family[some] * smallest, 1), rtol=1e-9)


def family_plan(times=("a", "b", "c"), correction="holm", **changed):
    """A gate and some claims of one family on one outcome each."""
    claims = [
        {"id": "C0", "kind": "gate", "contrast": "C0", "outcomes": ["mvd"]},
        *(
            {
                "id": f"T{t}",
                "kind": "superiority",
                "contrast": "C2",
                "outcomes": ["mvd"],
                "family": "times",
                "correction": correction,
                **changed.get(t, {}),
            }
            for t in times
        ),
    ]
    contrasts = {
        "C0": {"weights": {"healthy": 1, "disease": -1}},
        "C2": {"weights": {"POST": 1, "disease": -1}},
    }
    roles = {"healthy": "CTRL", "disease": "DRUG", "treated": ["POST"]}
    return read_plan({"contrasts": contrasts, "claims": claims}, roles)


def forms_with(p, df=20.0):
    """Forms whose effect has this two-sided p."""
    t = stats.t.isf(np.atleast_1d(p) / 2, df)
    one = Estimate(t, np.ones_like(t), np.full_like(t, df))
    return g.Forms(one, one, one)


def test_claims_of_one_family_are_corrected_together():
    """Adjusted by hand: smallest × 3, next × 2, last × 1."""
    plan = family_plan()
    p = {"C0": 1e-6, "Ta": 0.02, "Tb": 0.001, "Tc": 0.3}
    out = g.decide(plan, {k: forms_with(v) for k, v in p.items()})
    assert list(out) == ["C0", "Ta", "Tb", "Tc"]
    found = {k: float(out[k].p_adj[0]) for k in ("Ta", "Tb", "Tc")}
    assert found == pytest.approx({"Ta": 0.04, "Tb": 0.003, "Tc": 0.3})
    assert float(out["C0"].p_adj[0]) == pytest.approx(1e-6)
    assert [str(out[k].verdict[0]).split()[0] for k in ("Ta", "Tb")] == ["supported"] * 2
    alone = g.decide(family_plan(("b",)), {k: forms_with(p[k]) for k in ("C0", "Tb")})
    assert float(alone["Tb"].p_adj[0]) == pytest.approx(0.001)


def test_a_family_over_claims_holds_its_level():
    """Three doses without any effect: .056 of studies supported one of them while each claim stood alone."""
    rng, plan = np.random.default_rng(1), family_plan()
    p = rng.uniform(size=(20_000, 3))
    forms = {f"T{c}": forms_with(p[:, [i]]) for i, c in enumerate("abc")}
    forms["C0"] = forms_with(np.full((20_000, 1), 1e-9))
    out = g.decide(plan, forms)
    any_small = np.any([out[f"T{c}"].p_adj[:, 0] <= 0.05 for c in "abc"], axis=0)
    assert stats.binomtest(int(any_small.sum()), 20_000, 0.05).pvalue > 1e-3 or (
        any_small.mean() < 0.05
    )
    assert any_small.mean() > 0.04


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"b": {"correction": "bh"}}, "family times has one correction: claim Ta says holm"),
        ({"c": {"after": "Ta"}}, "waits for a claim that is decided together with it"),
        ({"b": {"family": "own", "after": "Ta"}}, "waits for a claim that is decided together"),
    ],
)
def test_families_that_cannot_be_corrected_together_are_refused(changed, text):
    with pytest.raises(InputError, match=text):
        family_plan(**changed)
