"""Standardised effect and ratio of means: finite ends, coverage, what scaling and exchanging do."""

import warnings

import numpy as np
import pytest
from limits import compatible
from scipy import stats

from periomics.statistics.kernels import effects as e
from periomics.statistics.kernels.contrasts import Estimate, linear_form, summarise


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def test_noncentral_t_where_scipy_is_finite_and_where_it_is_not():
    rng = np.random.default_rng(1)
    t, df = rng.uniform(-12, 12, 2000), rng.integers(1, 60, 2000)
    nc = t + rng.normal(0, 3, 2000)
    with np.errstate(all="ignore"):
        peer = stats.nct.cdf(t, df, nc)
    own, seen = e.noncentral_t_cdf(t, df, nc), np.isfinite(peer)
    assert seen.sum() > 1900
    np.testing.assert_allclose(own[seen], peer[seen], atol=1e-11)
    # The trap of spec/study.md 3.4: t = −2, nc ≥ 9.5, 8 degrees of freedom. The truth is P(Z + nc ≤ −2 s) < P(Z < −nc).
    far = e.noncentral_t_cdf(-2.0, 8, np.array([9.5, 12, 30, 80]))
    assert np.isfinite(far).all() and (np.abs(far) < 1e-12).all()


def test_noncentral_t_against_draws_far_out():
    rng = np.random.default_rng(2)
    t = (rng.normal(size=200_000) + 55) / np.sqrt(rng.chisquare(8, 200_000) / 8)
    for q in (0.1, 0.5, 0.9):
        assert e.noncentral_t_cdf(np.quantile(t, q), 8, 55) == pytest.approx(q, abs=0.005)


@pytest.mark.parametrize("df", [2, 3, 8, 18, 38, 198])
def test_ends_are_finite_and_are_percentiles(df):
    t = np.r_[np.linspace(-60, 60, 61), 500.0]
    low, high = e.noncentrality_interval(t, df)
    assert (
        np.isfinite(low).all() and np.isfinite(high).all() and (low < t).all() and (t < high).all()
    )
    np.testing.assert_allclose(e.noncentral_t_cdf(t, df, low), 0.975, atol=1e-9)
    np.testing.assert_allclose(e.noncentral_t_cdf(t, df, high), 0.025, atol=1e-9)
    np.testing.assert_allclose(low[:61], -high[60::-1], rtol=1e-9)
    assert (np.diff(low) > 0).all() and (np.diff(high) > 0).all()


@pytest.mark.parametrize("n", [5, 6, 8, 10])
def test_coverage_of_hedges_interval(n):
    rng = np.random.default_rng(n)
    studies = 4000
    a, b = rng.normal(1.5, 1, (studies, n)), rng.normal(0, 1, (studies, n))
    g = e.hedges_g((a.mean(1), b.mean(1)), (a.var(1, ddof=1), b.var(1, ddof=1)), (n, n))
    assert compatible(((g.lower <= 1.5) & (g.upper >= 1.5)).sum(), studies, 0.95)
    assert g.size.mean() == pytest.approx(1.5, abs=5 * g.size.std() / np.sqrt(studies))  # unbiased


def test_arrays_equal_one_by_one_and_scaling_changes_nothing():
    rng = np.random.default_rng(3)
    mean, var, n = (
        rng.normal(size=(2, 5)),
        rng.uniform(1, 4, (2, 5)),
        np.array([[3, 4, 5, 6, 9], [2, 4, 8, 6, 3]]),
    )
    whole = e.hedges_g(tuple(mean), tuple(var), tuple(n))
    for i in range(5):
        one = e.hedges_g(tuple(mean[:, i]), tuple(var[:, i]), tuple(n[:, i]))
        np.testing.assert_allclose(one, [x[i] for x in whole], rtol=1e-12)
    scaled = e.hedges_g(tuple(1e3 * mean + 7e3), tuple(1e6 * var), tuple(n))
    np.testing.assert_allclose(scaled, whole, rtol=1e-8)
    swapped = e.hedges_g(tuple(mean[::-1]), tuple(var[::-1]), tuple(n[::-1]))
    np.testing.assert_allclose([-swapped.size, -swapped.upper, -swapped.lower], whole, rtol=1e-8)


@pytest.mark.parametrize(
    ("mean", "var", "n"),
    [
        ((1, 2), (0, 0), (5, 5)),
        ((1, np.nan), (1, np.nan), (5, 0)),
        ((1, 2), (1, np.nan), (5, 1)),
        ((0.1 + 0.2, 0.3), (0, 3e-33), (5, 5)),
        ((np.nan, np.nan), (np.nan, np.nan), (0, 0)),
    ],
)
def test_nothing_to_say_is_nan(mean, var, n):
    assert np.isnan(e.hedges_g(mean, var, n)).all()


def test_smallest_arms_and_huge_effects_are_finite():
    assert np.isfinite(e.hedges_g((1.0, 0.0), (1.0, 2.0), (2, 2))).all()
    assert np.isfinite(e.hedges_g((60.0, 0.0), (1.0, 1.0), (5, 5))).all()


def test_ratio_of_means():
    rng = np.random.default_rng(4)
    y = np.r_[rng.lognormal(1, 0.3, 6), rng.lognormal(0, 0.3, 5)]
    arm = np.repeat([0, 1], [6, 5])
    form = linear_form(summarise(np.log(y), arm, 2), [1, -1])
    found = e.ratio_of_means(form, 0.9)
    assert found.size == pytest.approx(stats.gmean(y[:6]) / stats.gmean(y[6:]))
    ci = stats.ttest_ind(np.log(y[:6]), np.log(y[6:]), equal_var=False).confidence_interval(0.9)
    assert (found.lower, found.upper) == (
        pytest.approx(np.exp(ci.low)),
        pytest.approx(np.exp(ci.high)),
    )
    other = e.ratio_of_means(linear_form(summarise(np.log(1e3 * y), arm, 2), [1, -1]), 0.9)
    np.testing.assert_allclose(found, other, rtol=1e-9)  # a change of unit leaves a ratio as it is
    none = e.ratio_of_means(Estimate(np.array(0.5), np.array(np.nan), np.array(np.nan)))
    assert none.size == pytest.approx(np.exp(0.5)) and np.isnan(none.lower)
