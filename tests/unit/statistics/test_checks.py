"""Permutation, effect sizes and scales."""

from itertools import combinations

import numpy as np
import pytest
from scipy import stats
from studies import DICTIONARY

from periomics.statistics.kernels.effects import hedges_correction, hedges_g
from periomics.statistics.kernels.permutation import (
    attainable_floor,
    flip_signs,
    permute_two_arms,
    permute_unknown_direction,
    relabellings,
)
from periomics.study.scale import applies, to_scale

RNG = np.random.default_rng(5)
NO_BLOCK = np.zeros(12)
FIRST = np.repeat([True, False], 6)


def test_exact_permutation_equals_a_plain_enumeration():
    y = RNG.normal(size=9)
    first = np.array([True] * 4 + [False] * 5)
    hits, total = 0, 0
    observed = abs(stats.ttest_ind(y[first], y[~first], equal_var=False).statistic)
    for chosen in combinations(range(9), 4):
        mask = np.isin(range(9), chosen)
        hits += (
            abs(stats.ttest_ind(y[mask], y[~mask], equal_var=False).statistic) >= observed - 1e-9
        )
        total += 1
    found = permute_two_arms(y, first, np.zeros(9), RNG)
    assert found.exact and found.n == total and found.p == pytest.approx(hits / total)


def test_floor_of_one_animal_an_arm_a_block():
    block = np.tile(np.arange(6), 2)
    assert relabellings(FIRST, block) == 64 and attainable_floor(FIRST, block) == 2 / 64
    far = permute_two_arms(
        np.where(FIRST, 10.0, 0.0) + 0.01 * RNG.normal(size=12), FIRST, block, RNG
    )
    assert far.p == pytest.approx(2 / 64)
    assert attainable_floor(FIRST, NO_BLOCK) == 2 / 924
    assert attainable_floor(np.array([True, False, False]), np.zeros(3)) == 1 / 3


def test_drawn_permutations_agree_with_all_of_them_and_are_seeded():
    y = RNG.normal(size=12) + FIRST * 0.8
    every = permute_two_arms(y, FIRST, NO_BLOCK, RNG)
    drawn = [
        permute_two_arms(y, FIRST, NO_BLOCK, np.random.default_rng(1), exact=10) for _ in range(2)
    ]
    assert drawn[0] == drawn[1] and not drawn[0].exact
    assert drawn[0].p == pytest.approx(every.p, abs=0.02)


def test_permutation_p_is_uniform_under_the_null():
    p = np.array(
        [permute_two_arms(RNG.normal(size=8), FIRST[2:10], np.zeros(8), RNG).p for _ in range(1500)]
    )
    assert (p <= 0.05).mean() <= 0.065 and (p <= 0.5).mean() == pytest.approx(0.5, abs=0.05)


def test_nothing_varies_is_p_one():
    assert permute_two_arms(np.ones(12), FIRST, NO_BLOCK, RNG).p == 1
    assert flip_signs(np.zeros(5), RNG).p == 1


def test_sign_flips_of_six_differences():
    found = flip_signs(np.array([1.0, 2, 3, 4, 5, 6]), RNG)
    assert found.p == pytest.approx(2 / 64) and found.floor == 2 / 64


def test_estimated_direction_holds_its_level():
    """All arms equal, direction estimated from the same disease arm: the plain one-sided test is too eager, this is not."""
    rng = np.random.default_rng(6)
    arm, naive, honest = np.repeat([0, 1, 2], 6), 0, 0
    for _ in range(600):
        y = rng.normal(size=18)
        sign = np.sign(y[arm == 2].mean() - y[arm == 0].mean())
        naive += (
            stats.ttest_ind(sign * y[arm == 1], sign * y[arm == 0], alternative="greater").pvalue
            <= 0.05
        )
        honest += permute_unknown_direction(y, arm, np.zeros(18), rng, draws=299).p <= 0.05
    assert honest / 600 <= 0.05 + 2.6 * np.sqrt(0.05 * 0.95 / 600)
    assert naive > honest


def test_hedges_g_by_hand_and_its_interval_covers():
    g, low, high = hedges_g((3.0, 1.0), (4.0, 4.0), (8, 8))
    assert g == pytest.approx(hedges_correction(14) * 1.0) and hedges_correction(
        14
    ) == pytest.approx(1 - 3 / 55, abs=1e-3)
    d = g / hedges_correction(14)
    # At its ends the observed t is the 97.5th and the 2.5th percentile.
    for end, p in ((low, 0.975), (high, 0.025)):
        assert stats.nct.cdf(d * 2, 14, end * 2) == pytest.approx(p, abs=1e-6)
    assert np.isnan(hedges_g((1.0, 1.0), (0.0, 0.0), (4, 4))[0]) and np.isnan(
        hedges_g((1, 2), (1, 1), (1, 4))[0]
    )


def test_hedges_interval_is_symmetric_under_exchange():
    one, two = hedges_g((9.0, 1.0), (2.0, 1.0), (6, 5)), hedges_g((1.0, 9.0), (1.0, 2.0), (5, 6))
    np.testing.assert_allclose(one, [-two[0], -two[2], -two[1]], rtol=1e-7)


def test_scales():
    y, note = to_scale([25.0, 50.0, np.nan], "logit", "%")
    np.testing.assert_allclose(y, [np.log(1 / 3), 0, np.nan], atol=1e-12)
    y, note = to_scale([0.0, 10.0, 50.0], "logit", "%")
    assert np.isnan(y).all() and note == "no logit scale: 1 share(s) at 0 or 100 %"
    y, _ = to_scale([20.0, 0.0], "count", "1/mm2", [10, 0], [0.5, 0.25])
    np.testing.assert_allclose(y, np.log([10.5 / 0.5, 0.5 / 0.25]))
    y, _ = to_scale([20.0], "count", "1/mm2", [10], [5e5])  # the area in um2
    np.testing.assert_allclose(y, np.log(10.5 / 0.5))
    for bad in (
        ([0.0, 1.0], "log", "mm"),
        ([0.0, 3.0], "count", "1/mm2"),
        ([-1.0, 50.0], "logit", "%"),
        ([0.0, 100.0], "logit", "%"),
    ):
        y, note = to_scale(*bad)
        assert np.isnan(y).all() and note.startswith("no ") and not applies(bad[0], y)
    for scale in DICTIONARY["scale"].unique():
        assert np.isnan(to_scale([np.nan], scale, "%")[0]).all()
