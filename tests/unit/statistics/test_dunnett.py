"""Many arms against one: integrals against draws and scipy, family-wise error, degenerate arms."""

import warnings

import numpy as np
import pytest
from limits import at_most, clopper_pearson
from scipy import stats

from periomics.core.seeds import generator
from periomics.statistics.kernels import dunnett as d
from periomics.statistics.kernels.adjusted import adjust
from periomics.statistics.kernels.contrasts import summarise


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def study(n=(6, 5, 7, 6), shift=0.8, seed=1):
    rng = np.random.default_rng(seed)
    arm = np.repeat(range(len(n)), n)
    return rng.normal(size=sum(n)) + shift * arm, arm


@pytest.mark.parametrize("df", [2.3, 5, 10, 38])
def test_joint_probability_against_draws(df):
    rng = np.random.default_rng(3)
    load, q = np.array([0.5, 0.7, 0.9]), np.array([1.5, 2.0, 3.0])
    z = load * rng.normal(size=(400_000, 1)) + np.sqrt(1 - load**2) * rng.normal(size=(400_000, 3))
    t = np.abs(z / np.sqrt(rng.chisquare(df, (400_000, 1)) / df)).max(axis=1)
    found = d.joint_probability(q, df, load)
    for x, p in zip(q, found, strict=True):
        low, high = clopper_pearson((t <= x).sum(), t.size)
        assert low <= p <= high


def test_one_comparison_is_a_t_test():
    for df in (4, 9.7, 200):
        for load in (0.3, 0.7071, 0.95):
            q = np.array([[0.2], [1.0], [2.5], [7.0]])
            np.testing.assert_allclose(
                d.joint_probability(q, df, [load])[:, 0], 1 - 2 * stats.t.sf(q[:, 0], df), atol=2e-6
            )
    y, arm = study((6, 5))
    found = d.many_to_one(summarise(y, arm, 2), 0, [1])
    peer = stats.ttest_ind(y[arm == 1], y[arm == 0], equal_var=False)
    ci = peer.confidence_interval()
    np.testing.assert_allclose(
        [found.p[0], found.lower[0], found.upper[0]], [peer.pvalue, ci.low, ci.high], atol=1e-5
    )


def test_equals_scipy_where_the_variance_is_pooled():
    """The same integrals with pooled loads and degrees of freedom are Dunnett's own test."""
    y, arm = study()
    found = d.dunnett_pooled([y[arm == g] for g in (1, 2, 3)], y[arm == 0], generator(1, "test"))
    n = np.array([5, 7, 6])
    load = np.sqrt((1 / 6) / (1 / 6 + 1 / n))
    np.testing.assert_allclose(
        1 - d.joint_probability(np.abs(found.t), found.df, load), found.p, atol=2e-4
    )
    half = d.critical_value(0.95, found.df, load) * found.se
    np.testing.assert_allclose(
        [found.estimate - half, found.estimate + half], [found.lower, found.upper], atol=5e-3
    )
    again = d.dunnett_pooled([y[arm == g] for g in (1, 2, 3)], y[arm == 0], generator(1, "test"))
    np.testing.assert_array_equal(found, again)


def test_interval_and_p_agree_and_units_do_not_matter():
    y, arm = study()
    one = d.many_to_one(summarise(y, arm, 4), 0, [1, 2, 3])
    assert (((one.lower > 0) | (one.upper < 0)) == (one.p < 0.05)).all()
    two = d.many_to_one(summarise(1e3 * y + 5e3, arm, 4), 0, [1, 2, 3])
    np.testing.assert_allclose(two.p, one.p, atol=1e-9)
    np.testing.assert_allclose(
        [two.estimate, two.lower], [1e3 * one.estimate, 1e3 * one.lower], rtol=1e-7
    )
    swapped = d.many_to_one(summarise(y, arm, 4), 0, [3, 1, 2])
    np.testing.assert_allclose(swapped.p, one.p[[2, 0, 1]], atol=1e-12)
    assert np.unique(one.df).size == 1
    raw = 2 * stats.t.sf(np.abs(one.t), one.df)
    assert (one.p > raw).all() and (
        one.p < np.minimum(3 * raw, 1) + 1e-6
    ).all()  # between no correction and Bonferroni's


@pytest.mark.parametrize(
    ("n", "sd"),
    [
        ((5,) * 4, (1, 1, 1, 1)),
        ((6,) * 4, (2, 1, 1, 1)),
        ((5, 10, 10, 10), (2, 1, 1, 1)),
        ((10,) * 4, (1, 2, 2, 2)),
        ((10, 3, 3, 3), (1, 2, 2, 2)),
        ((10, 5, 5, 5), (1, 2, 2, 2)),
    ],
)
def test_family_wise_error(n, sd, monkeypatch):
    monkeypatch.setattr(d, "POINTS", np.polynomial.legendre.leggauss(24)[0])
    monkeypatch.setattr(d, "WEIGHTS", np.polynomial.legendre.leggauss(24)[1])
    monkeypatch.setattr(d, "NODES", 24)
    monkeypatch.setattr(d, "critical_value", lambda level, df, load: np.full(df.shape, np.nan))
    rng = np.random.default_rng(sum(n))
    arm, studies = np.repeat(range(4), n), 1000
    y = rng.normal(size=(studies, sum(n))) * np.array(sd, float)[arm]
    hits = sum(
        (d.many_to_one(summarise(part, arm, 4), 0, [1, 2, 3]).p <= 0.05).any(axis=1).sum()
        for part in np.split(y, 4)
    )
    assert at_most(hits, studies, 0.05), hits / studies
    if n == (5, 10, 10, 10):  # what pooling would do
        pooled = (
            sum(
                stats.f_oneway(*(row[arm == g] for g in range(4))).pvalue <= 0.05 for row in y[:300]
            )
            / 300
        )
        assert pooled > 0.1


def test_family_wise_error_with_blocks(monkeypatch):
    monkeypatch.setattr(d, "critical_value", lambda level, df, load: np.full(df.shape, np.nan))
    rng, arm, block = (
        np.random.default_rng(2),
        np.repeat(range(4), 6),
        np.tile([0, 0, 1, 1, 2, 2], 4),
    )
    y = rng.normal(size=(600, 24)) * np.array([1, 2, 2, 2])[arm]
    fits = [adjust(part, arm, 4, block) for part in np.split(y, 6)]
    hits = sum((d.many_to_one(fit, 0, [1, 2, 3]).p <= 0.05).any(axis=1).sum() for fit in fits)
    assert at_most(hits, 600, 0.05), hits / 600


def test_degenerate_arms_leave_the_family():
    y, arm = study()
    y[arm == 2] = np.nan
    found = d.many_to_one(summarise(y, arm, 4), 0, [1, 2, 3])
    without = d.many_to_one(summarise(y, arm, 4), 0, [1, 3])
    assert np.isnan([found.p[1], found.lower[1], found.estimate[1]]).all()
    np.testing.assert_allclose(found.p[[0, 2]], without.p, atol=1e-12)
    flat = d.many_to_one(summarise(np.ones(8), np.repeat(range(4), 2), 4), 0, [1, 2, 3])
    assert np.isnan(flat.p).all() and (flat.estimate == 0).all()
    rng = generator(1, "test")
    assert np.isnan(d.dunnett_pooled([[1.0, 1.0], [1.0, 1.0]], [1.0, 1.0], rng).p).all()
    few = d.dunnett_pooled([[1.0], [np.nan, np.nan]], [1.0, 2.0], rng)
    assert np.isnan(few.p).all() and few.estimate[0] == -0.5
    pairs = d.many_to_one(
        summarise(np.array([1.0, 2, 4, 5.5, 7, 7.1]), np.repeat(range(3), 2), 3), 0, [1, 2]
    )
    assert np.isfinite(pairs.p).all() and np.isfinite(pairs.lower).all()
