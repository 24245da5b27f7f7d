"""Contrast kernels against hand derivations and scipy."""

import numpy as np
import pytest
from scipy import stats

from periomics.statistics.kernels import contrasts as c

RNG = np.random.default_rng(7)


def two_groups(n1, n2, s1=1.0, s2=3.0):
    a, b = RNG.normal(1, s1, n1), RNG.normal(0, s2, n2)
    return a, b, c.summarise(np.r_[a, b], np.r_[np.zeros(n1, int), np.ones(n2, int)], 2)


@pytest.mark.parametrize(("n1", "n2"), [(2, 2), (3, 9), (6, 6), (40, 5)])
def test_two_groups_equal_welch(n1, n2):
    a, b, arms = two_groups(n1, n2)
    form = c.linear_form(arms, [1, -1])
    peer = stats.ttest_ind(a, b, equal_var=False)
    assert c.p_two_sided(form) == pytest.approx(peer.pvalue, rel=1e-9)
    assert form.df == pytest.approx(peer.df, rel=1e-9)
    low, high = c.interval(form, 0.9)
    ci = peer.confidence_interval(0.9)
    assert (low, high) == (pytest.approx(ci.low, rel=1e-9), pytest.approx(ci.high, rel=1e-9))
    assert c.p_above(form) == pytest.approx(
        stats.ttest_ind(a, b, equal_var=False, alternative="greater").pvalue, rel=1e-9
    )
    assert c.p_below(form) == pytest.approx(
        stats.ttest_ind(a, b, equal_var=False, alternative="less").pvalue, rel=1e-9
    )


def test_linear_form_by_hand():
    arms = c.Arms(np.array([10.0, 4.0, 5.0]), np.array([4.0, 9.0, 1.0]), np.array([4.0, 9.0, 2.0]))
    form = c.linear_form(arms, [-0.5, -0.5, 1.0])
    # parts: .25*4/4 = .25, .25*9/9 = .25, 1*1/2 = .5; se² = 1; df = 1 / (.25²/3 + .25²/8 + .5²/1)
    assert form.estimate == pytest.approx(-2.0) and form.se == pytest.approx(1.0)
    assert form.df == pytest.approx(1 / (0.0625 / 3 + 0.0625 / 8 + 0.25), rel=1e-12)


def test_arms_of_weight_zero_may_be_empty():
    arms = c.summarise(np.array([1.0, 2.0, 4.0, 4.5]), np.array([0, 0, 2, 2]), 4)
    assert np.isfinite(c.linear_form(arms, [1, 0, -1, 0]).se)
    assert "fewer than 2" in c.refusal(arms, [1, -1, 0, 0], list("abcd"))


@pytest.mark.parametrize(
    "values",
    [[5.0, 5, 5, 5], [0.1 + 0.2, 0.3, 0.3, 0.1 + 0.2], [1.0, 2.0, np.nan, 3.0], [np.nan] * 4],
)
def test_degenerate_arms_are_refused_without_a_warning(values):
    with np.errstate(all="raise"):
        arms = c.summarise(np.array(values), np.array([0, 0, 1, 1]), 2)
        form = c.linear_form(arms, [1, -1])
    assert np.isnan(form.se) and np.isnan(form.df)
    assert c.refusal(arms, [1, -1], ["a", "b"])


def test_many_studies_at_once_equal_one_by_one():
    y = RNG.normal(size=(50, 3, 24))
    y[RNG.random(y.shape) < 0.1] = np.nan
    arm = np.repeat(range(4), 6)
    whole = c.linear_form(c.summarise(y, arm, 4), [0, -1, 0, 1])
    for i in (0, 17, 49):
        one = c.linear_form(c.summarise(y[i, 2], arm, 4), [0, -1, 0, 1])
        np.testing.assert_array_equal(
            [whole.estimate[i, 2], whole.se[i, 2], whole.df[i, 2]], list(one[:3])
        )


def test_within_units_equals_the_paired_t_test():
    a, b = RNG.normal(1, 1, 7), RNG.normal(0, 1, 7)
    unit = np.r_[np.arange(7), np.arange(7), 7]  # the eighth unit lacks the second arm
    arm = np.r_[np.zeros(7, int), np.ones(7, int), 0]
    d, complete = c.within_units(np.r_[a, b, 99.0], arm, unit, [1, -1])
    assert complete.tolist() == list(range(7)) and np.isnan(d[7])
    form = c.one_sample(d)
    assert c.p_two_sided(form) == pytest.approx(
        stats.ttest_rel(a, b).pvalue, rel=1e-9
    ) and form.df == pytest.approx(6)


def test_slopes_within_units():
    x, unit = np.array([0.0, 1, 2, 0, 1, 5]), np.array([0, 0, 0, 1, 1, 2])
    d, complete = c.within_unit_slopes(np.array([1.0, 3, 5, 7, 4, 1]), x, unit)
    np.testing.assert_allclose(d[:2], [2, -3])
    assert complete.tolist() == [0, 1]


POWERS = {  # spec/study.md 1.3: true R_pre .05, R_post .7; power of C0, C1 supported, C2, C4
    (6, 2.5): (0.98, 0.32, 0.82, 0.75),
    (8, 2.5): (1, 0.38, 0.92, 0.87),
    (6, 1.2): (0.51, 0.15, 0.27, 0.26),
    (10, 1.2): (0.74, 0.19, 0.43, 0.39),
    (40, 2.5): (1, 0.94, 1, 1),
    (60, 2.5): (1, 0.99, 1, 1),
}


@pytest.mark.parametrize(("n", "d"), POWERS)
def test_unadjusted_powers_of_the_specification(n, d):
    """They are those of the variance pooled over four arms, by the noncentral t and by the engine."""
    rng = np.random.default_rng(11)
    y = rng.normal(size=(8000, 4 * n)) + d * np.repeat([1, 0, 0.05, 0.7], n)
    arms = c.summarise(y, np.repeat(range(4), n), 4)
    c0, c2, c4 = (
        (c.interval(c.linear_form(arms, w, pooled=True), 0.95)[0] > 0).mean()
        for w in ([1, -1, 0, 0], [0, -1, 0, 1], [0, 0, -1, 1])
    )
    c1 = (c.interval(c.linear_form(arms, [-0.3, -0.7, 1, 0], pooled=True), 0.90)[1] < 0).mean()
    df, t = 4 * (n - 1), stats.t.ppf([0.975, 0.95], 4 * (n - 1))
    exact = [stats.nct.sf(t[0], df, e * d * np.sqrt(n / 2)) for e in (1, 0.7, 0.65)]
    exact.insert(1, stats.nct.cdf(-t[1], df, -0.25 * d * np.sqrt(n / 1.58)))
    assert exact == pytest.approx(POWERS[n, d], abs=0.02)
    assert (c0, c1, c2, c4) == pytest.approx(exact, abs=0.02)


def test_group_wise_variances_cost_what_the_noncentral_t_says():
    rng = np.random.default_rng(11)
    y = rng.normal(size=(20_000, 24)) + np.repeat([2.5, 0, 0.125, 1.75], 6)
    arms = c.summarise(y, np.repeat(range(4), 6), 4)
    for weights, d in (([1, -1, 0, 0], 2.5), ([0, -1, 0, 1], 1.75), ([0, 0, -1, 1], 1.625)):
        own = (c.interval(c.linear_form(arms, weights), 0.95)[0] > 0).mean()
        assert own == pytest.approx(
            stats.nct.sf(stats.t.ppf(0.975, 10), 10, d * np.sqrt(3)), abs=0.02
        )


def test_signs_are_those_of_the_ends_of_intervals():
    """Also with margins in SD, with bounds beyond the estimate, and with a level for each end."""
    rng = np.random.default_rng(5)
    k = 3000
    form = c.Estimate(
        estimate=rng.normal(0, 2, k),
        se=np.where(rng.random(k) < 0.05, np.nan, rng.uniform(0.3, 1.5, k)),
        df=rng.uniform(2, 30, k),
        low=np.where(rng.random(k) < 0.3, rng.uniform(0, 1, k), 0.0),
        high=np.where(rng.random(k) < 0.3, rng.uniform(0, 1, k), 0.0),
    )
    margin = np.where(rng.random(k) < 0.6, rng.choice([-0.5, 0.5, 1.0], k), np.nan)
    levels = rng.uniform(0.5, 0.99, k), rng.uniform(0.5, 0.99, k)
    for asked in (form, form.against(margin, rng.uniform(0.5, 2, k))):
        ends, found = c.interval(asked, *levels), c.signs(asked, *levels)
        for end, sign in zip(ends, found, strict=True):
            assert np.array_equal(np.sign(end), np.sign(sign), equal_nan=True)
            assert 0.05 < np.mean(end > 0) < 0.95
