"""Arithmetic means over blocks, written out animal by animal, and how often intervals hold them
where blocks move logits alike."""

import numpy as np
import pytest
from scipy import stats

from periomics.statistics.kernels.contrasts import (
    Bounded,
    interval,
    p_above,
    p_below,
    p_two_sided,
    summarise,
    without_events,
)
from periomics.statistics.kernels.means import of_means, spread_of_logs

STUDIES = 2500
# Three standard errors below .93.
LEAST = 0.93 - 3 * (0.07 * 0.93 / STUDIES) ** 0.5
# Unequal numbers, ties, zeros, an arm at 0 throughout, a block that one arm lacks.
PERCENT = {
    "a": [(0.0, 1), (0.0, 2), (4.0, 1), (4.0, 2), (11.0, 3)],
    "b": [(30.0, 1), (52.0, 2), (41.0, 3), (35.0, 1)],
    "c": [(0.0, 2), (0.0, 3), (0.0, 3)],
}


def lognormal_with_zeros(variance, share):
    """Skewness of a log-normal variable that is 0 with chance 1 - share, by its raw moments."""
    first, second, third = (share * stats.lognorm(variance**0.5).moment(k) for k in (1, 2, 3))
    square = second - first**2
    return (third - 3 * first * second + 2 * first**3) / square**1.5


def by_hand(weights, most, sizes=False):
    """Standard error, degrees of freedom and skewness of a contrast of means, in plain loops."""
    logs = [[np.log(v) for v, _ in rows if v > 0] for rows in PERCENT.values()]
    squares = sum(sum((x - np.mean(xs)) ** 2 for x in xs) for xs in logs if xs)
    within = squares / sum(len(xs) - 1 for xs in logs if xs)
    slope, lead, skewness, own, n = {}, {}, {}, {}, {}
    for arm, rows in PERCENT.items():
        y = [v for v, _ in rows]
        n[arm], mean = len(y), sum(y) / len(y)
        var = sum((v - mean) ** 2 for v in y) / (len(y) - 1)
        moves = [v * (most - v) / most if np.isfinite(most) else v for v in y]
        slope[arm] = sum(moves) / len(y)
        lead[arm] = slope[arm] / var if var else 0.0
        own[arm] = weights[arm] ** 2 * var / len(y)
        skewness[arm] = 0.0
        if var and np.isfinite(most):
            k = mean / most * (1 - mean / most) / (var / most**2) - 1
            skewness[arm] = stats.beta(mean / most * k, (1 - mean / most) * k).stats("s")
        elif var:
            skewness[arm] = stats.gamma(mean**2 / var).stats("s")
        if var and sizes:
            some = sum(v > 0 for v in y) / n[arm]
            skewness[arm] = max(skewness[arm], lognormal_with_zeros(within, some))
    blocks = sorted({b for rows in PERCENT.values() for _, b in rows})
    part = {a: [sum(b == x for _, b in PERCENT[a]) / n[a] for x in blocks] for a in PERCENT}
    sums, told = [], np.zeros((len(blocks), len(blocks)))
    for i, block in enumerate(blocks):
        total = 0.0
        for arm, rows in PERCENT.items():
            mean = sum(v for v, _ in rows) / n[arm]
            total += sum(lead[arm] * (v - mean) for v, b in rows if b == block)
            # What a block effect of one in block j would make of this sum.
            for j in range(len(blocks)):
                told[i, j] += (
                    lead[arm] * slope[arm] * n[arm] * part[arm][i] * ((i == j) - part[arm][j])
                )
        sums.append(total)
    moved = sum(s**2 for s in sums) / (told**2).sum()
    left = [sum(weights[a] * slope[a] * part[a][i] for a in PERCENT) for i in range(len(blocks))]
    extra = moved * sum(x**2 for x in left)
    whole = sum(own.values()) + extra
    animals = sum(own.values())
    welch = animals**2 / sum(v**2 / (n[a] - 1) for a, v in own.items() if v)
    skew = sum(
        np.sign(weights[a]) * (own[a] / whole) ** 1.5 * skewness[a] / n[a] ** 0.5 for a in PERCENT
    )
    if np.isinf(most):
        lean = stats.lognorm(min(moved, 1) ** 0.5).stats("s")
        skew += sum(x**3 for x in left) * moved**1.5 / whole**1.5 * lean
    one_over_df = (animals / welch + extra / (len(blocks) - 1)) / whole
    return whole**0.5, 1 / one_over_df, 3 / 8 * skew


def arms_of(most, shuffle=None, sizes=False):
    rows = [(v, b, i) for i, a in enumerate(PERCENT.values()) for v, b in a]
    y, block, arm = (np.array(x) for x in zip(*rows, strict=True))
    order = (
        np.arange(len(y)) if shuffle is None else np.random.default_rng(shuffle).permutation(len(y))
    )
    y, block, arm = y[order], block[order], arm[order]
    found = of_means(summarise(y, arm, 3), y, arm, (0.0, most), block, sizes)
    return Bounded(found, *without_events(y, arm, 3, (0.0, most)))


@pytest.mark.parametrize(("most", "sizes"), [(100.0, False), (np.inf, False), (np.inf, True)])
@pytest.mark.parametrize("w", [(1, -1, 0), (0, -1, 1), (-0.3, -0.7, 1)])
def test_a_contrast_of_means_by_hand(w, most, sizes):
    form = arms_of(most, shuffle=5, sizes=sizes).form(w)
    se, df, skew = by_hand(dict(zip(PERCENT, w, strict=True)), most, sizes)
    np.testing.assert_allclose([form.se, form.df, form.skew], [se, df, skew], rtol=1e-9)
    lower, upper = interval(form, 0.95)
    t = stats.t.ppf(0.975, df)
    reach = [t * (1 + max(s, 0) * t) * se for s in (-skew, skew)]
    assert lower == pytest.approx(form.estimate - reach[0] - form.low)
    assert upper == pytest.approx(form.estimate + reach[1] + form.high)


def test_p_values_and_ends_of_intervals_agree():
    form = arms_of(100.0).form((1, -1, 0))
    for level in (0.5, 0.9, 0.95, 0.999):
        lower, upper = interval(form, level)
        at = form.shifted(lower), form.shifted(upper)
        assert p_above(at[0]) == pytest.approx((1 - level) / 2)
        assert p_below(at[1]) == pytest.approx((1 - level) / 2)
        assert p_two_sided(at[0]) == pytest.approx(1 - level)
        mirror = interval(form.signed(-1), level)
        np.testing.assert_allclose(mirror, (-upper, -lower))


def test_one_animal_an_arm_and_equal_values_add_nothing():
    y = np.array([3.0, 5.0, 5.0, 5.0])
    arm, block = np.array([0, 1, 1, 1]), np.array([0, 0, 1, 2])
    found = of_means(summarise(y, arm, 2), y, arm, (0.0, 100.0), block)
    assert found.moved == 0 and not found.skewness.any() and np.isnan(found.form((1, -1)).se)
    alone = of_means(summarise(y, arm, 2), y, arm, (0.0, 100.0), np.zeros(4, int))
    assert alone.place.shape == (2, 0)


def shares(rng, centre, spread, block):
    """Shares of one arm; a block moves logits alike."""
    own = rng.standard_normal((STUDIES, block.shape[1]))
    return 100 / (1 + np.exp(-(np.log(centre / (1 - centre)) + spread * (block + 0.7**0.5 * own))))


@pytest.mark.parametrize(("n", "zeros"), [(10, 0.6), (12, 0.3), (5, 1.0)])
def test_blocks_that_move_logits_alike_do_not_break_means(n, zeros):
    """Blocks left out: .89 at ten animals and 60 % zeros."""
    rng = np.random.default_rng([n, int(10 * zeros)])
    days = np.arange(n) * 3 // n
    block = 0.3**0.5 * rng.standard_normal((STUDIES, 3))[:, days]
    centres = (0.08, 0.38, 0.18)
    y = [shares(rng, c, 0.78, block) for c in centres]
    y[0] = np.where(rng.random(y[0].shape) < zeros, 0.0, y[0])
    z = stats.norm.ppf((np.arange(5000) + 0.5) / 5000)
    true = [(100 / (1 + np.exp(-(np.log(c / (1 - c)) + 0.78 * z)))).mean() for c in centres]
    true[0] *= 1 - zeros
    y, arm = np.concatenate(y, axis=1), np.repeat(range(3), n)
    arms = Bounded(
        of_means(summarise(y, arm, 3), y, arm, (0.0, 100.0), np.tile(days, 3)),
        *without_events(y, arm, 3, (0.0, 100.0)),
    )
    for w in ([1, -1, 0], [0, -1, 1], [-1, 0, 1], [-0.8, -0.2, 1]):
        lower, upper = interval(arms.form(w), 0.95)
        truth = float(np.dot(w, true))
        assert ((lower <= truth) & (truth <= upper)).mean() >= LEAST, w


@pytest.mark.parametrize(("n", "zeros"), [(4, 0.3), (10, 1.0), (20, 0.6)])
def test_sizes_with_zeros_hold_where_logarithms_vary_by_half(n, zeros):
    """With gamma's skewness and Satterthwaite's degrees of freedom: .91 at twenty animals."""
    rng = np.random.default_rng([n, int(10 * zeros), 2])
    days = np.arange(n) * 3 // n
    block = 0.3**0.5 * rng.standard_normal((STUDIES, 3))[:, days]
    centres = np.array([60.0, 260.0, 120.0])
    own = 0.7**0.5 * rng.standard_normal((3, STUDIES, n))
    y = centres[:, None, None] * np.exp(0.6 * (block + own))
    y[0][rng.random((STUDIES, n)) < zeros] = 0.0
    true = centres * np.exp(0.6**2 / 2) * [1 - zeros, 1, 1]
    y, arm = np.concatenate(list(y), axis=1), np.repeat(range(3), n)
    arms = Bounded(
        of_means(summarise(y, arm, 3), y, arm, (0.0, np.inf), np.tile(days, 3), sizes=True),
        *without_events(y, arm, 3, (0.0, np.inf)),
    )
    for w in ([1, -1, 0], [0, -1, 1], [-1, 0, 1], [-0.8, -0.2, 1]):
        lower, upper = interval(arms.form(w), 0.95)
        truth = float(np.dot(w, true))
        assert ((lower <= truth) & (truth <= upper)).mean() >= LEAST, w


def test_the_spread_of_logarithms_is_that_within_arms():
    y = np.array([[0.0, 2.0, 8.0, 5.0, 20.0, np.nan], [0.0, 0.0, 0.0, 3.0, 0.0, 9.0]])
    arm = np.array([0, 0, 0, 1, 1, 1])
    halves = [np.log(4) / 2, np.log(3) / 2]
    first = ((np.log(4) ** 2 + np.log(4) ** 2) / 2 / 2) ** 0.5
    np.testing.assert_allclose(
        spread_of_logs(y, np.zeros(2), arm, 2), [first, halves[1] * 2**0.5], rtol=1e-12
    )
