"""Relative effect and its permutation test; comparisons with lost animals."""

import itertools
import warnings

import numpy as np
import pytest
from limits import at_most, clopper_pearson
from scipy import stats

from periomics.statistics.kernels import lost as k
from periomics.statistics.kernels import ordinal as o
from periomics.statistics.kernels.permutation import attainable_floor, judge, labellings

RNG = np.random.default_rng(8)


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def arms(m, n):
    return np.r_[np.ones(m, bool), np.zeros(n, bool)], np.zeros(m + n)


def compare(y, first, block=None, **more):
    return o.compare_ranks(
        y, first, np.zeros(len(y)) if block is None else block, np.random.default_rng(1), **more
    )


@pytest.mark.parametrize(("m", "n"), [(4, 5), (6, 3)])
def test_exact_p_by_plain_enumeration_of_scipys_statistic(m, n):
    y = RNG.integers(0, 4, m + n).astype(float)
    first, _ = arms(m, n)
    found = compare(y, first)

    def statistic(mask):
        x, z = y[mask], y[~mask]
        effect = np.mean((x[:, None] > z) + 0.5 * (x[:, None] == z))
        if (x[:, None] > z).all() or (x[:, None] < z).all():
            return np.inf
        return 0.0 if effect == 0.5 else abs(stats.brunnermunzel(x, z).statistic)

    every = [statistic(np.isin(range(m + n), c)) for c in itertools.combinations(range(m + n), m)]
    assert found.exact and found.n == len(every)
    assert found.p == pytest.approx(np.mean(np.array(every) >= statistic(first) - 1e-9))
    u = stats.mannwhitneyu(y[first], y[~first]).statistic
    assert found.effect == pytest.approx(u / (m * n))


def test_complete_separation_is_the_floor_with_a_finite_interval():
    for n in (2, 3, 5, 8):
        first, block = arms(n, n)
        found = compare(np.r_[np.arange(n) + 100.0, np.arange(n)], first)
        assert found.effect == 1 == found.upper and found.p == pytest.approx(
            attainable_floor(first, block)
        )
        assert 0 < found.lower < 1 and not found.reason
        other = compare(-np.r_[np.arange(n) + 100.0, np.arange(n)], first)
        assert (
            other.effect == 0
            and other.lower == 0
            and other.upper == pytest.approx(1 - found.lower, abs=1e-3)
        )


def test_only_the_order_counts_and_arms_exchange():
    y, (first, _) = RNG.normal(size=11), arms(5, 6)
    one = compare(y, first)
    assert compare(np.exp(3 * y) + 7, first) == one
    two = compare(y, ~first)
    assert two.p == pytest.approx(one.p) and two.effect == pytest.approx(1 - one.effect)
    assert two.lower == pytest.approx(1 - one.upper, abs=1e-3)


def test_blocks():
    block = np.tile([0, 0, 1, 1, 2, 2], 2)
    first = np.repeat([True, False], 6)
    y = RNG.normal(size=12)
    one = compare(y, first, block)
    assert compare(y + 100.0 * block, first, block) == one and one.n == 6**3
    pairs = np.tile(np.arange(6), 2)  # one animal an arm a block: a sign test of blocks
    paired = compare(y, first, pairs)
    wins = int((y[:6] > y[6:]).sum())
    assert paired.p == pytest.approx(
        stats.binomtest(wins, 6).pvalue
    ) and paired.effect == pytest.approx(wins / 6)
    more = compare(np.r_[y, 5.0], np.r_[first, True], np.r_[block, 9])
    assert more == one  # a block without the other arm takes no part


@pytest.mark.parametrize(
    ("y", "first", "reason"),
    [
        ([1, 1, 1, 1], [1, 1, 0, 0], "same value"),
        ([np.nan] * 4, [1, 1, 0, 0], "no animals"),
        ([1, 2, np.nan, np.nan], [1, 1, 0, 0], "no animals"),
        ([], [], "no animals"),
        ([1, 2, 3], [1, 0, 0], "fewer than 2"),
    ],
)
def test_degenerate(y, first, reason):
    found = compare(np.array(y, float), np.array(first, bool))
    assert reason in found.reason and not found.p < 0.3


@pytest.mark.parametrize("n", [3, 4, 5, 6, 7, 8, 10])
def test_type_one_error_with_four_grades(n):
    """Exchangeable arms hold the level; arms of unequal spread come near it (table in the module)."""
    first, block = arms(n, n)
    rng = np.random.default_rng(n)
    masks, every = labellings(first, block, rng, 800, 499)
    where, studies = [np.arange(2 * n)], 1000
    for spread, bound in (((1, 1), 0.05), ((0.5, 1.5), 0.06)):
        hits = 0
        for _ in range(studies):
            y = np.clip(np.round(rng.normal(1.5, np.repeat(spread, n))), 0, 3)
            found, seen = (
                o._statistic(y, masks, where)[1],
                o._statistic(y, first[None], where)[1][0],
            )
            hits += judge(found, seen, 0, every).p <= 0.05
        assert at_most(hits, studies, bound), (hits, spread)


@pytest.mark.parametrize(("m", "n"), [(3, 3), (5, 5), (6, 6), (10, 10), (9, 3), (10, 4)])
def test_coverage_of_the_relative_effect(m, n):
    rng = np.random.default_rng(10 * m + n)
    studies = 1500
    for shift, spread in ((0, 3), (1.2, 1), (2.7, 1), (1.8, 3)):
        truth = stats.norm.cdf(shift / np.hypot(1, spread))
        x, y = rng.normal(shift, 1, (studies, m)), rng.normal(0, spread, (studies, n))
        effects = (x[:, :, None] > y[:, None]).mean(axis=(1, 2)).round(9)
        ends = {e: o.relative_effect_interval(e, (m, n)) for e in np.unique(effects)}
        held = sum(ends[e][0] <= truth <= ends[e][1] for e in effects)
        assert clopper_pearson(held, studies)[1] >= 0.95 and held / studies >= 0.93, (
            shift,
            spread,
            held / studies,
        )


def test_worst_ranks_by_hand():
    y, lost = [3.0, np.nan, 5, 3, np.nan, 9], [0, 1, 0, 0, 0, 1]
    np.testing.assert_allclose(k.worst_rank_scores(y, lost), [3.5, 1.5, 5, 3.5, np.nan, 1.5])
    times = [
        np.nan,
        20,
        np.nan,
        np.nan,
        np.nan,
        7,
    ]  # the one lost on day 7 fared worse than the one lost on day 20
    np.testing.assert_allclose(k.worst_rank_scores(y, lost, times), [3.5, 2, 5, 3.5, np.nan, 1])
    assert np.isnan(k.worst_rank_scores([np.nan], [0])).all()
    np.testing.assert_allclose(k.worst_rank_scores([np.nan] * 3, [1, 1, 1], [np.nan] * 3), 2)


def test_losses_turn_a_flattered_arm():
    """Two of six lost in the first arm: its measured animals look better than they are."""
    y = np.r_[np.nan, np.nan, 6.0, 7, 8, 9, 1, 2, 3, 4, 5, 5.5]
    first, block = arms(6, 6)
    found = k.compare_with_losses(y, np.isnan(y), first, block, np.random.default_rng(1))
    assert found.available.effect == 1 and found.worst_rank.effect == pytest.approx(4 / 6)
    assert found.worst_rank.p > found.available.p
    assert (found.n_measured, found.n_lost) == (
        (4, 6),
        (2, 0),
    ) and "may flatter the first arm" in found.bias
    same = k.compare_with_losses(
        y[2:], np.zeros(10, bool), first[2:], block[2:], np.random.default_rng(1)
    )
    assert same.worst_rank == same.available and same.bias == "no animal was lost"


def test_losses_everywhere_and_nowhere():
    first, block = arms(3, 3)
    gone = k.compare_with_losses(
        np.full(6, np.nan), np.ones(6, bool), first, block, np.random.default_rng(1)
    )
    assert gone.worst_rank.effect == 0.5 and gone.worst_rank.p == 1 and np.isnan(gone.available.p)
    assert "equal shares" in gone.bias
    empty = k.compare_with_losses(
        np.full(3, np.nan),
        np.r_[True, False, False],
        first[:3],
        block[:3],
        np.random.default_rng(1),
    )
    assert "no direction can be given" in empty.bias and np.isnan(empty.worst_rank.p)


def test_worst_rank_holds_its_level_when_losses_follow_the_outcome():
    """No effect, animals with low values are lost: the same law in both arms, so the level holds."""
    rng = np.random.default_rng(9)
    first, block = arms(5, 5)
    hits, studies = 0, 400
    for _ in range(studies):
        y = rng.normal(size=10)
        lost = rng.random(10) < 1 / (1 + np.exp(1.5 + 1.5 * y))
        y[lost] = np.nan
        hits += k.compare_with_losses(y, lost, first, block, rng).worst_rank.p <= 0.05
    assert at_most(hits, studies, 0.05)
