"""A margin in SD is not a known number: false refutations and false "within the margin" exactly at it."""

import numpy as np
import pytest
from scipy import stats

from periomics.statistics.claims.graph import sd_margin_forms
from periomics.statistics.kernels.contrasts import (
    interval,
    one_sample,
    p_above,
    p_below,
    summarise,
)

STUDIES = 6000
# Two and a half standard errors of a rate of .05 over it.
MOST = 0.05 + 2.5 * (0.05 * 0.95 / STUDIES) ** 0.5


def forms(y, n, margin):
    arms = summarise(y, np.repeat([0, 1], n), 2)
    spread = np.sqrt(((n[0] - 1) * arms.var[..., 0] + (n[1] - 1) * arms.var[..., 1]) / (sum(n) - 2))
    return sd_margin_forms(arms.form(np.array([1.0, -1.0])), spread, margin)


def drawn(n, d, seed=1, sd=(1.0, 1.0)):
    rng = np.random.default_rng(seed)
    pooled = np.sqrt(((n[0] - 1) * sd[0] ** 2 + (n[1] - 1) * sd[1] ** 2) / (sum(n) - 2))
    first = d * pooled + sd[0] * rng.standard_normal((STUDIES, n[0]))
    return np.concatenate([first, sd[1] * rng.standard_normal((STUDIES, n[1]))], axis=1)


@pytest.mark.parametrize("n", [(3, 3), (5, 5), (6, 6), (10, 10)])
@pytest.mark.parametrize("d", [0.8, 1.5])
def test_at_the_margin_neither_side_errs_too_often(n, d):
    found = forms(drawn(n, d), n, d)
    assert (p_above(found.above) <= 0.05).mean() <= MOST
    assert (p_below(found.above) <= 0.05).mean() <= MOST
    lower, upper = interval(found.above, 0.90)
    assert ((lower > 0) == (p_above(found.above) < 0.05)).all()
    assert ((upper < 0) == (p_below(found.above) < 0.05)).all()


def test_unequal_spread_and_numbers_stay_near():
    for n, sd in (((6, 6), (1.0, 2.0)), ((4, 8), (1.0, 2.0)), ((10, 5), (1.0, 1.0))):
        found = forms(drawn(n, 0.8, sd=sd), n, 0.8)
        assert (p_above(found.above) <= 0.05).mean() <= 0.065
        assert (p_below(found.above) <= 0.05).mean() <= 0.065


def test_one_study_of_equal_spread_by_the_textbook():
    y = np.array([[1.0, 2.0, 4.0, 3.0, 0.0, 1.0, 3.0, 2.0]])
    y[0, 4:] -= y[0, 4:].mean()
    y[0, :4] -= y[0, :4].mean() - 1.4
    y[0, 4:] *= y[0, :4].std(ddof=1) / y[0, 4:].std(ddof=1)
    found = forms(y, (4, 4), 0.8)
    t = 1.4 / (y[0, :4].std(ddof=1) * np.sqrt(2 / 4))
    assert p_below(found.above)[0] == pytest.approx(stats.nct.cdf(t, 6, 0.8 / np.sqrt(2 / 4)))
    assert p_above(found.above)[0] == pytest.approx(stats.nct.sf(t, 6, 0.8 / np.sqrt(2 / 4)))
    assert p_above(found.below)[0] == pytest.approx(stats.nct.sf(t, 6, -0.8 / np.sqrt(2 / 4)))


def test_differences_within_units():
    rng = np.random.default_rng(2)
    y = 0.8 + rng.standard_normal((STUDIES, 6))
    found = sd_margin_forms(one_sample(y), y.std(axis=-1, ddof=1), 0.8)
    for p in (p_above(found.above), p_below(found.above)):
        assert 0.05 - 0.01 <= (p <= 0.05).mean() <= MOST
