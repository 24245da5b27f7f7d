"""Fieller's set against a hand value, the linear forms, and by simulation."""

import numpy as np
import pytest
from scipy import stats

from periomics.statistics.kernels.contrasts import Arms, interval, linear_form, summarise
from periomics.statistics.kernels.rescue import describe, fieller, rescue_weights

BIG = 1e9


def test_hand_value():
    # Known variances (n = 1e9 makes t the normal quantile): var of each mean is .25; N = 7, D = 10.
    arms = Arms(np.array([10.0, 0.0, 7.0]), np.full(3, 0.25 * BIG), np.full(3, BIG))
    z2 = stats.norm.ppf(0.975) ** 2
    a, b, c = 100 - z2 * 0.5, 70 - z2 * 0.25, 49 - z2 * 0.5
    root = np.sqrt(b * b - a * c)
    found = fieller(arms, 0, 1, 2)
    assert (found.R, found.lower, found.upper) == (
        pytest.approx(0.7),
        pytest.approx((b - root) / a, rel=1e-6),
        pytest.approx((b + root) / a, rel=1e-6),
    )
    assert bool(found.bounded)


def test_ends_agree_with_linear_forms():
    rng = np.random.default_rng(1)
    arms = summarise(
        rng.normal(size=(500, 18)) * np.repeat([1, 2.5, 0.6], 6) + np.repeat([4, 0, 2.4], 6),
        np.repeat(range(3), 6),
        3,
    )
    found = fieller(arms, 0, 1, 2)
    for threshold in (0.3, 0.5, 0.8):
        low, high = interval(linear_form(arms, rescue_weights(threshold, 3, 0, 1, 2)), 0.95)
        ok = found.bounded & (arms.mean[:, 0] > arms.mean[:, 1])
        assert ((low > 0) == (found.lower > threshold))[ok].all()
        assert ((high < 0) == (found.upper < threshold))[ok].all()


@pytest.mark.parametrize(
    ("d", "spread"), [(2.5, (1, 1, 1)), (1.5, (1, 1, 1)), (2.5, (0.5, 1.5, 1.0))]
)
def test_coverage(d, spread):
    rng = np.random.default_rng(2)
    studies = 6000
    y = rng.normal(size=(studies, 18)) * np.repeat(spread, 6) + np.repeat([d, 0, 0.7 * d], 6)
    found = fieller(summarise(y, np.repeat(range(3), 6), 3), 0, 1, 2)
    inside = (found.lower <= 0.7) & (found.upper >= 0.7)
    outside = np.isnan(found.lower) | (found.lower >= 0.7) | (found.upper <= 0.7)
    covered = np.where(found.bounded, inside, outside)
    low = stats.beta.ppf(0.005, covered.sum(), studies - covered.sum() + 1)
    high = stats.beta.ppf(0.995, covered.sum() + 1, studies - covered.sum())
    assert low <= 0.97 and high >= 0.94, covered.mean()
    assert found.bounded.mean() < 0.8 if d == 1.5 else found.bounded.mean() > 0.85


def test_unbounded_exactly_when_the_deficit_is_not_shown():
    rng = np.random.default_rng(3)
    arms = summarise(
        rng.normal(size=(800, 15)) + np.repeat([1, 0, 0.5], 5), np.repeat(range(3), 5), 3
    )
    found = fieller(arms, 0, 1, 2)
    assert ((found.deficit_p < 0.05) == found.bounded).all()
    assert "deficit not established" in describe(float("nan"), float("nan"), False)
    assert "R up to" in describe(-1.0, 2.0, False)


def test_scale_and_sign_do_not_change_r():
    rng = np.random.default_rng(4)
    y = rng.normal(size=18) + np.repeat([4, 0, 2], 6)
    a, b = (fieller(summarise(v, np.repeat(range(3), 6), 3), 0, 1, 2) for v in (y, 100 - 7 * y))
    np.testing.assert_allclose([a.R, a.lower, a.upper], [b.R, b.lower, b.upper], rtol=1e-9)


def test_degenerate_arms_give_no_set():
    found = fieller(summarise(np.ones(6), np.repeat(range(3), 2), 3), 0, 1, 2)
    assert not bool(found.bounded) and np.isnan(found.R)
