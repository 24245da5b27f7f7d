"""Equivalence, rescue and many-to-one comparisons beside statsmodels, scipy and a derivation by hand."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.weightstats import ttost_ind

from periomics.core.seeds import generator
from periomics.statistics.claims.graph import fixed_margin_forms
from periomics.statistics.kernels import contrasts as c
from periomics.statistics.kernels.dunnett import critical_value, dunnett_pooled, joint_probability
from periomics.statistics.kernels.rescue import fieller, rescue_weights

RNG = np.random.default_rng(12)
TABLES = [
    (RNG.normal(0, s, m), RNG.normal(d, 1, n))
    for s, m, n, d in ((1, 6, 6, 0), (3, 5, 9, 0.4), (0.5, 10, 4, -0.8))
]


@pytest.mark.parametrize("margin", [0.5, 1.0, 2.5])
@pytest.mark.parametrize("table", TABLES)
def test_two_one_sided_tests_are_those_of_statsmodels(table, margin):
    x, y = table
    arms = c.summarise(np.r_[x, y], np.repeat([0, 1], [x.size, y.size]), 2)
    for pooled, name in ((False, "unequal"), (True, "pooled")):
        effect = c.linear_form(arms, [1, -1], pooled=pooled)
        forms = fixed_margin_forms(effect, effect, margin)
        p, lower, upper = ttost_ind(x, y, -margin, margin, usevar=name)
        # `below` is effect + margin, against "at most −margin"; `above` is effect − margin, against "at least margin".
        own = float(c.p_above(forms.below)), float(c.p_below(forms.above))
        assert own == (pytest.approx(lower[1], rel=1e-9), pytest.approx(upper[1], rel=1e-9))
        assert max(own) == pytest.approx(p, rel=1e-9)
        low, high = c.interval(effect, 0.9)
        assert (p < 0.05) == (low > -margin and high < margin)  # the 90 % interval says the same


def test_fieller_by_hand_where_the_variance_is_known():
    """Means healthy 10, disease 4, arm 8; every mean has variance ½; animals without number, so that t = z = 1.959964.

    N = 8 − 4 = 4, D = 10 − 4 = 6, R = 4/6. Var N = Var D = ½ + ½ = 1, Cov(N, D) = Var(disease) = ½. The ends solve
    (N − R D)² = z² (Var N − 2 R Cov + R² Var D):
        (4 − 6 R)² = z² (1 − R + R²),  z² = 3.841459
        (36 − z²) R² − (48 − z²) R + (16 − z²) = 0
        32.158541 R² − 44.158541 R + 12.158541 = 0
    Discriminant 44.158541² − 4 × 32.158541 × 12.158541 = 1949.976743 − 1564.003757 = 385.972986, its root 19.646195.
    R = (44.158541 ∓ 19.646195) / 64.317082 = .381117 and .992034.
    """
    many = 1e12
    arms = c.Arms(np.array([10.0, 4, 8]), np.full(3, many / 2), np.full(3, many))
    found = fieller(arms, 0, 1, 2)
    assert float(found.R) == pytest.approx(4 / 6) and found.bounded
    assert (found.lower, found.upper) == (
        pytest.approx(0.381117, abs=2e-6),
        pytest.approx(0.992034, abs=2e-6),
    )


def test_fieller_at_eight_animals_by_hand():
    """The same means, s² = 4 in each arm of 8, so again ½ for each mean; the degrees of freedom belong to the end.

    At R the squared weights are R², (1 − R)², 1; with equal variances and sizes
    df = 7 (R² + (1 − R)² + 1)² / (R⁴ + (1 − R)⁴ + 1), and the end satisfies |4 − 6 R| = t(df) √(R² − R + 1).
    """
    arms = c.Arms(np.array([10.0, 4, 8]), np.full(3, 4.0), np.full(3, 8.0))
    found = fieller(arms, 0, 1, 2)
    for end in (float(found.lower), float(found.upper)):
        df = 7 * (end**2 + (1 - end) ** 2 + 1) ** 2 / (end**4 + (1 - end) ** 4 + 1)
        assert abs(4 - 6 * end) == pytest.approx(
            stats.t.ppf(0.975, df) * np.sqrt(end**2 - end + 1), rel=1e-6
        )
        form = c.linear_form(arms, rescue_weights(end, 3, 0, 1, 2))
        assert c.p_two_sided(form) == pytest.approx(0.05, rel=1e-6)
    assert found.lower < 0.381 and found.upper > 0.992


@pytest.mark.parametrize("n", [(6, 6, 6, 6), (5, 8, 4, 7), (10, 5, 5, 5)])
def test_dunnett_is_scipys_within_its_own_error(n):
    rng = np.random.default_rng(sum(n))
    groups = [rng.normal(0.7 * i, 1, k) for i, k in enumerate(n)]
    runs = [
        dunnett_pooled(groups[1:], groups[0], generator(s, "dunnett", "peer")) for s in range(8)
    ]
    p = np.array([r.p for r in runs])
    plain = stats.dunnett(*groups[1:], control=groups[0], rng=np.random.default_rng(0))
    np.testing.assert_allclose(runs[0].t, plain.statistic)
    size = np.array(n[1:])
    load = np.sqrt((1 / n[0]) / (1 / n[0] + 1 / size))
    own = 1 - joint_probability(np.abs(runs[0].t), runs[0].df, load)
    np.testing.assert_allclose(own, p.mean(axis=0), atol=max(5 * p.std(axis=0).max(), 5e-5))
    half = critical_value(0.95, runs[0].df, load) * runs[0].se
    np.testing.assert_allclose(
        runs[0].estimate - half, np.mean([r.lower for r in runs], axis=0), atol=0.01
    )
