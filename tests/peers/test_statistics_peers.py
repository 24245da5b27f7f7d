"""Adjusted verdicts against an independent plain implementation, study by study (scipy, statsmodels, no shared code)."""

import gc
import sys
from pathlib import Path

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import DescrStatsW

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit" / "statistics"))
from studies import ARMS, CORE, plan

from periomics.statistics.claims import graph as g
from periomics.statistics.claims import verdicts as v
from periomics.statistics.kernels.adjusted import adjust
from periomics.statistics.kernels.contrasts import summarise

K, N = 5, 6


@pytest.fixture(autouse=True)
def no_collecting(monkeypatch):
    """statsmodels collects garbage at every correction, which takes longer than all the rest of a study."""
    monkeypatch.setattr(gc, "collect", lambda *_: 0)


def welch(y, weights):
    """Estimate, se and df of a weighted sum of group means, group by group."""
    groups = [DescrStatsW(y[arm]) for arm in ARMS]
    parts = [
        w * w * d._var / d.nobs * d.nobs / (d.nobs - 1)
        for w, d in zip(weights, groups, strict=True)
    ]
    se2 = sum(parts)
    df = se2**2 / sum(p * p / (d.nobs - 1) for p, d in zip(parts, groups, strict=True) if p)
    return sum(w * d.mean for w, d in zip(weights, groups, strict=True)), np.sqrt(se2), df


def holm_family(ps, size, alpha=0.05):
    """Holm over all outcomes with a deficit; those that an earlier claim left behind count as p = 1."""
    return (
        multipletests([*ps, *[1.0] * (size - len(ps))], alpha, "holm")[0][: len(ps)]
        if len(ps)
        else []
    )


def plain_study(y):
    """Supported outcomes of C0, C1, C2, C4 and C3 in a study: y[outcome][arm] → animals."""
    out = {c: set() for c in ("C0", "C1", "C2", "C4", "C3")}
    for k in range(K):
        t = stats.ttest_ind(y[k]["CTRL"], y[k]["DRUG"], equal_var=False)
        if t.pvalue < 0.05 and t.statistic > 0:
            out["C0"].add(k)
    for claim, first, second, pool in (("C2", "POST", "DRUG", "C0"), ("C4", "POST", "PRE", "C2")):
        members = sorted(out[pool])
        tests = [stats.ttest_ind(y[k][first], y[k][second], equal_var=False) for k in members]
        kept = holm_family([t.pvalue for t in tests], len(out["C0"]))
        out[claim] = {
            k for k, t, r in zip(members, tests, kept, strict=True) if r and t.statistic > 0
        }
    members = sorted(out["C4"])
    forms = [welch(y[k], (-0.5, -0.5, 0, 1)) for k in members]
    kept = holm_family([2 * stats.t.sf(abs(e / s), f) for e, s, f in forms], len(out["C0"]))
    out["C3"] = {k for k, (e, _, _), r in zip(members, forms, kept, strict=True) if r and e > 0}
    members = sorted(out["C0"])
    forms = [welch(y[k], (-0.3, -0.7, 1, 0)) for k in members]
    kept = holm_family([stats.t.cdf(e / s, f) for e, s, f in forms], len(members))
    out["C1"] = {k for k, r in zip(members, kept, strict=True) if r}
    return out


@pytest.mark.parametrize("post", [0.7, 0.5, 0.8])
@pytest.mark.parametrize("pre", [0.05, 0.3])
def test_adjusted_verdicts_study_by_study(post, pre):
    rng = np.random.default_rng(int(100 * post + 10 * pre))
    studies = 40
    y = rng.standard_normal((studies, K, 4 * N)) + 2.5 * np.repeat([1, 0, pre, post], N)
    arms = summarise(y, np.repeat(range(4), N), 4)
    p = plan(claims=CORE)
    d = g.decide(p, {c.id: g.arm_forms(p, c, list(ARMS), arms, arms, np.ones(K)) for c in p.claims})
    for s in range(studies):
        plain = plain_study(
            [{a: y[s, k, i * N : (i + 1) * N] for i, a in enumerate(ARMS)} for k in range(K)]
        )
        for claim, found in plain.items():
            # "improved but below the margin" is within the margin too: the plain test knows no other word for it.
            inside = np.isin(d[claim].verdict[s], (v.SUPPORTED, v.SMALL, v.BELOW_MARGIN))
            assert set(np.flatnonzero(inside)) == found, (s, claim)


def hc2(y, weights):
    """Estimate, standard error and degrees of freedom of a contrast adjusted for blocks: statsmodels, and two moments by definition."""
    arm, block = np.repeat(range(4), N), np.tile(np.repeat(range(3), 2), 4)
    values = np.concatenate([y[a] for a in ARMS])
    x = np.column_stack([np.eye(4)[arm], np.eye(3)[block][:, 1:]])
    fit = sm.OLS(values, x).fit(cov_type="HC2").t_test(np.array([*weights, 0, 0]))
    inverse = np.linalg.pinv(x)
    m, a, z = np.eye(4 * N) - x @ inverse, np.asarray(weights, float) @ inverse[:4], np.eye(4)[arm]
    s = np.maximum(np.linalg.solve(z.T @ m**2 @ z, z.T @ (m @ values) ** 2), 0)
    q, sigma = m @ np.diag(a**2 / np.diag(m)) @ m, np.diag(s[arm])
    df = np.trace(q @ sigma) ** 2 / np.trace(q @ sigma @ q @ sigma)
    return float(fit.effect[0]), float(fit.sd.item()), df


def test_adjusted_verdicts_with_blocks_study_by_study():
    rng = np.random.default_rng(77)
    studies, weights = (
        12,
        {"C0": (1, -1, 0, 0), "C2": (0, -1, 0, 1), "C4": (0, 0, -1, 1), "C3": (-0.5, -0.5, 0, 1)},
    )
    block = np.tile(np.repeat(range(3), 2), 4)
    y = rng.standard_normal((studies, K, 4 * N)) + 2.5 * np.repeat([1, 0, 0.05, 0.7], N)
    y += rng.standard_normal((studies, 1, 3))[..., block]
    arms = adjust(y, np.repeat(range(4), N), 4, block)
    p = plan(claims=CORE)
    d = g.decide(p, {c.id: g.arm_forms(p, c, list(ARMS), arms, arms, np.ones(K)) for c in p.claims})
    for s in range(studies):
        plain = [{a: y[s, k, i * N : (i + 1) * N] for i, a in enumerate(ARMS)} for k in range(K)]
        earlier = {"C2": "C0", "C4": "C2", "C3": "C4"}
        kept = {}
        for claim, w in weights.items():
            members = sorted(kept[earlier[claim]]) if claim in earlier else list(range(K))
            forms = [hc2(plain[k], w) for k in members]
            ps = [2 * stats.t.sf(abs(e / se), df) for e, se, df in forms]
            rejected = (
                holm_family(ps, len(kept["C0"])) if claim != "C0" else [p_ < 0.05 for p_ in ps]
            )
            kept[claim] = {
                k for k, (e, _, _), r in zip(members, forms, rejected, strict=True) if r and e > 0
            }
            assert set(np.flatnonzero(v.passed(d[claim].verdict[s]))) == kept[claim], (s, claim)
