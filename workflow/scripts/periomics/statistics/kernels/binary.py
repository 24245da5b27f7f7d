"""Yes-or-no outcomes of two arms: difference of shares with an exact interval, exact p-values with and without blocks.

At 3 to 10 animals per arm no approximate interval holds its level: over all shares on a grid of .01 the least coverage of the 95 %
interval is .83 for Newcombe's (11 % of the grid below .93), .86 for Agresti and Caffo's (2 %), and that of statsmodels' score interval is
not defined where an arm has 0 or all events. The exact unconditional interval used here has .95 or more everywhere, by
construction (tests/unit/statistics/test_binary.py enumerates it).
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaincinv, binom, ndtri

from periomics.statistics.kernels.contrasts import Floats

METHOD = "risk difference, exact unconditional score interval and p-value"
METHOD_BLOCKS = "risk difference weighted over blocks, exact test within blocks"
SUM = "weighted sum of shares"
METHOD_SUM = f"{SUM}, exact unconditional limits"
METHOD_SUM_LARGE = f"{SUM}, Clopper and Pearson limits put together by squares"
METHOD_LARGE = "risk difference, Newcombe interval, Fisher's exact test"
# Differences tried on the first pass and inside the step where the interval ends; shares of the second arm per
# difference, and for the p-value.
DIFFERENCES, STEPS, NUISANCE, FINE = 401, 21, 101, 1001
# More animals in an arm than this and Newcombe's interval with Fisher's test takes over.
LARGE = 40
TIE = 1e-9
# Shares of each arm that are tried for a weighted sum of so many arms; tables above which its
# limits are put together.
GRIDS = {1: 25, 2: 25, 3: 25, 4: 13, 5: 9}
TABLES = 50_000


class RiskDifference(NamedTuple):
    """Share of the first arm minus that of the second, ends of its interval, two-sided p-value."""

    difference: float
    lower: float
    upper: float
    p: float


def risk_difference(
    events: tuple[int, int], n: tuple[int, int], level: float = 0.95
) -> RiskDifference:
    """Difference of two shares of animals with an exact interval and p-value that agree with each other.

    Parameters
    ----------
    events, n
        Animals with the event and animals in each of the two arms.
    level
        Confidence level.

    Returns
    -------
    RiskDifference
        All but the difference are NaN with fewer than two animals in an arm.

    Notes
    -----
    The two-sided exact unconditional test orders tables by the score statistic and takes the worst case over the common
    share; at difference 0 it is Barnard's test with pooled variance. The interval is the hull of the
    differences that it does not reject. `scipy.stats.barnard_exact` (1.17) breaks exact ties by rounding: 5 of 6 against 0 of 6 gives
    it .0063 or .0039, depending on which answer is called the event. Above `LARGE` animals in an arm: `newcombe` and Fisher's test.
    """
    n, events = (int(n[0]), int(n[1])), (int(events[0]), int(events[1]))
    shares = [k / m if m else math.nan for k, m in zip(events, n, strict=True)]
    difference = shares[0] - shares[1]
    if min(n) < 2:
        return RiskDifference(difference, math.nan, math.nan, math.nan)
    if max(n) > LARGE:
        from scipy import stats

        table = [[events[0], n[0] - events[0]], [events[1], n[1] - events[1]]]
        return RiskDifference(
            difference, *newcombe(events, n, level), float(stats.fisher_exact(table).pvalue)
        )

    grid = np.linspace(-1, 1, DIFFERENCES)
    inside = np.flatnonzero(_first_pass(n)[:, events[0], events[1]] > 1 - level)
    if not inside.size:  # a level so low that only the observed difference is left
        inside = np.array([np.abs(grid - difference).argmin()])
    ends = []
    for edge, out in ((int(inside[0]), -1), (int(inside[-1]), 1)):
        if not 0 <= edge + out < grid.size:
            ends.append(float(grid[edge]))
            continue
        fine, p_values = _inside_step(n, edge, out)
        kept = np.flatnonzero(p_values[:, events[0], events[1]] > 1 - level)
        ends.append(float(fine[min(int(kept.max(initial=0)) + 1, STEPS - 1)]))
    lower, upper = ends
    return RiskDifference(difference, lower, upper, float(_no_difference(n)[events]))


@lru_cache(maxsize=64)
def _first_pass(n: tuple[int, int]) -> Floats:
    return exact_p_values(n, np.linspace(-1, 1, DIFFERENCES))


@lru_cache(maxsize=4096)
def _inside_step(n: tuple[int, int], edge: int, out: int) -> tuple[Floats, Floats]:
    """Differences between one of the first pass and the next one out, and the p-values of every table at them."""
    grid = np.linspace(-1, 1, DIFFERENCES)
    fine = np.linspace(grid[edge], grid[edge + out], STEPS)
    return fine, exact_p_values(n, fine)


@lru_cache(maxsize=64)
def _no_difference(n: tuple[int, int]) -> Floats:
    return exact_p_values(n, np.zeros(1), FINE)[0]


def clopper_pearson(events: ArrayLike, n: ArrayLike, level: float) -> tuple[Floats, Floats]:
    """Exact limits of shares."""
    k, m, tail = np.asarray(events, float), np.asarray(n, float), (1 - level) / 2
    with np.errstate(invalid="ignore"):
        lower = np.where(k > 0, betaincinv(np.maximum(k, 1e-300), m - k + 1, tail), 0.0)
        upper = np.where(k < m, betaincinv(k + 1, np.maximum(m - k, 1e-300), 1 - tail), 1.0)
    return lower, upper


def exact_sum(n: ArrayLike) -> bool:
    """Whether a weighted sum of the shares of arms of `n` animals has exact limits
    (`linear_shares`)."""
    return np.size(n) <= max(GRIDS) and math.prod(int(m) + 1 for m in np.ravel(n)) <= TABLES


def linear_shares(
    events: ArrayLike, n: ArrayLike, weights: ArrayLike, level: float = 0.95
) -> tuple[float, float, float]:
    """Weighted sum of several arms' shares with an interval.

    Parameters
    ----------
    events, n, weights
        Shape (arms,): animals with the event, animals, and the arm's weight.
    level
        Confidence level.

    Returns
    -------
    estimate, lower, upper
        The ends are NaN with fewer than two animals in an arm that has a weight.

    Notes
    -----
    Each end is the farthest sum, over all shares of all arms, at which tables whose 95 % limit
    `put_together` does not lie farther out have more than half of 1 − level: Buehler's limit, which
    no share can make cover less. Shares are tried on a grid that is finer near 0 and 1, the end is
    interpolated. Least coverage on another grid .95
    (tests/independent/statistics/test_discrete_truth.py). `put_together` alone covers as little as
    .908 at 3, 3, 6 animals, at levels of .9 and .95 alike: where several arms lie near 0 or 1,
    squares of distances to a limit that cannot be passed add up to too little. It serves where
    there are more than `TABLES` tables.
    """
    k, m, w = (np.asarray(x, float) for x in (events, n, weights))
    used = w != 0
    k, m, w = k[used], m[used], w[used]
    estimate = float((w * k / m).sum())
    if m.min(initial=math.inf) < 2:
        return estimate, math.nan, math.nan
    if not exact_sum(m):
        lower, upper = put_together(k, m, w, level)
        return estimate, float(lower), float(upper)
    tail = (1 - level) / 2
    down, up = (
        _farthest(*_as_far(tuple(k.tolist()), tuple(m.tolist()), tuple((s * w).tolist())), tail)
        for s in (-1, 1)
    )
    return estimate, min(-down, estimate), max(up, estimate)


def linear_shares_p(events: ArrayLike, n: ArrayLike, weights: ArrayLike, at: float = 0.0) -> float:
    """One-sided p-value against "the weighted sum is at most `at`": the largest tail whose end by
    `linear_shares` does not lie above `at`.

    Arguments as of `linear_shares`, for arms of which `exact_sum` holds. 1 where the tail would
    reach a half, and with fewer than two animals in an arm that has a weight.
    """
    k, m, w = (np.asarray(x, float) for x in (events, n, weights))
    used = w != 0
    k, m, w = k[used], m[used], w[used]
    if m.min(initial=math.inf) < 2 or (w * k / m).sum() <= at:
        return 1.0
    far = _as_far(tuple(k.tolist()), tuple(m.tolist()), tuple((-w).tolist()))
    p = _chance_beyond(*far, -at)
    return p if p < 0.5 else 1.0


def put_together(
    events: ArrayLike, n: ArrayLike, weights: ArrayLike, level: float
) -> tuple[Floats, Floats]:
    """Ends of weighted sums of shares, shape (..., arms), by recovery of variance estimates: limits
    of Clopper and Pearson, squares of distances added."""
    k, m, w = (np.asarray(x, float) for x in (events, n, weights))
    share = w * k / m
    limits = [w * end for end in clopper_pearson(k, m, level)]
    below, above = share - np.minimum(*limits), np.maximum(*limits) - share
    whole = share.sum(axis=-1)
    return (
        whole - np.sqrt((below**2).sum(axis=-1)),
        whole + np.sqrt((above**2).sum(axis=-1)),
    )


@lru_cache(maxsize=64)
def _as_far(
    k: tuple[float, ...], n: tuple[float, ...], w: tuple[float, ...]
) -> tuple[Floats, Floats]:
    """Chance that the upper limit lies no higher than that of the table seen, and the weighted sum,
    at each choice of shares, in each arm from the lowest to the highest w × share."""
    arms, whole, far = len(n), np.zeros(()), np.zeros(())
    for m, weight in zip(n, w, strict=True):
        middle, limits = _limits(m)
        whole = whole[..., None] + weight * middle
        far = far[..., None] + ((weight * (limits - middle)).max(axis=0)) ** 2
    limit = whole + np.sqrt(far)  # the upper end of `put_together`, of all tables
    chance = (limit <= limit[tuple(int(x) for x in k)] + TIE).astype(float)
    total = np.zeros(())
    for m, weight in zip(n, w, strict=True):
        share, counts = _counts(m, GRIDS[arms])
        up = slice(None, None, 1 if weight > 0 else -1)
        chance = np.tensordot(chance, counts[:, up], (0, 0))
        total = total[..., None] + weight * share[up]
    return chance, total


@lru_cache(maxsize=256)
def _limits(m: float) -> tuple[Floats, Floats]:
    """Every share that m animals can show, and both its 95 % limits."""
    k = np.arange(m + 1)
    return k / m, np.array(clopper_pearson(k, m, 0.95))


@lru_cache(maxsize=256)
def _counts(m: float, shares: int) -> tuple[Floats, Floats]:
    """Shares that are tried, and the chance of each count of m animals (rows) at each of them."""
    share, k = np.sin(np.linspace(0, np.pi / 2, shares)) ** 2, np.arange(m + 1)[:, None]
    return share, binom(m, k) * share**k * (1 - share) ** (m - k)


def _farthest(chance: Floats, total: Floats, tail: float) -> float:
    """Largest sum at which the chance is above `tail`, interpolated along each arm."""
    found = [total[chance > tail].max(initial=-math.inf)]
    for axis in range(chance.ndim):
        p, d = np.moveaxis(chance, axis, -1), np.moveaxis(total, axis, -1)
        ends = (p[..., :-1] > tail) & (p[..., 1:] <= tail)
        near, far = p[..., :-1][ends], p[..., 1:][ends]
        start, step = d[..., :-1][ends], np.diff(d, axis=-1)[ends]
        found.append((start + step * (near - tail) / (near - far)).max(initial=-math.inf))
    return float(max(found))


def _chance_beyond(chance: Floats, total: Floats, at: float) -> float:
    """Largest chance at a sum of at least `at`, interpolated as `_farthest` does."""
    found = [chance[total >= at].max(initial=0.0)]
    for axis in range(chance.ndim):
        p, d = np.moveaxis(chance, axis, -1), np.moveaxis(total, axis, -1)
        across = (d[..., :-1] < at) & (d[..., 1:] >= at)
        near, step = p[..., :-1][across], np.diff(p, axis=-1)[across]
        start, wide = d[..., :-1][across], np.diff(d, axis=-1)[across]
        found.append((near + step * (at - start) / wide).max(initial=0.0))
    return float(max(found))


def exact_p_values(n: tuple[int, int], differences: ArrayLike, shares: int = NUISANCE) -> Floats:
    """Two-sided exact unconditional p-values of every table for each assumed difference.

    Parameters
    ----------
    n
        Animals in each arm.
    differences
        Assumed share of the first arm minus the second, shape (differences,).
    shares
        How many shares of the second arm are tried.

    Returns
    -------
    ndarray
        Shape (differences, n₁ + 1, n₂ + 1): largest probability, over the shares, of a statistic as large as the table's.
    """
    from scipy import stats

    out = np.empty((np.size(differences), n[0] + 1, n[1] + 1))
    asked = np.asarray(differences, float)
    share = np.array([np.linspace(max(0.0, -d), min(1.0, 1.0 - d), shares) for d in asked])
    moved = np.clip(share + asked[:, None], 0, 1)
    chances = [
        stats.binom.pmf(np.arange(m + 1), m, p[..., None])
        for m, p in zip(n, (moved, share), strict=True)
    ]
    for i, (difference, first, second) in enumerate(zip(asked, *chances, strict=True)):
        statistic = np.round(_score(n, float(difference)).ravel(), 9)
        order = np.argsort(-statistic, kind="stable")
        joint = first[:, :, None] * second[:, None, :]
        tail = np.cumsum(joint.reshape(shares, -1)[:, order], axis=1).max(axis=0)
        ranked = statistic[order]
        last = np.r_[ranked[1:] != ranked[:-1], True]
        tail = np.minimum.accumulate(np.where(last, tail, np.inf)[::-1])[::-1]
        p = np.empty(order.size)
        p[order] = np.minimum(tail, 1.0)
        out[i] = p.reshape(n[0] + 1, n[1] + 1)
    return out


def _score(n: tuple[int, int], difference: float) -> Floats:
    """|score statistic| of every table, the variance at the likeliest shares that differ by `difference`; shape (n₁ + 1, n₂ + 1).

    Closed form of the restricted estimate.
    """
    p1, p2 = np.arange(n[0] + 1)[:, None] / n[0], np.arange(n[1] + 1)[None] / n[1]
    ratio = n[1] / n[0]
    a = 1 + ratio
    b = -(1 + ratio + p1 + ratio * p2 + difference * (ratio + 2))
    c = difference**2 + difference * (2 * p1 + ratio + 1) + p1 + ratio * p2
    d = -p1 * difference * (1 + difference)
    v = b**3 / (27 * a**3) - b * c / (6 * a**2) + d / (2 * a)
    u = np.where(v < 0, -1.0, 1.0) * np.sqrt(np.maximum(b**2 / (9 * a**2) - c / (3 * a), 0.0))
    cube = np.where(np.abs(u) > 1e-100, u**3, 1.0)
    angle = (np.pi + np.arccos(np.clip(v / cube, -1, 1))) / 3
    low, high = max(0.0, difference), min(1.0, 1.0 + difference)
    q1 = np.clip(2 * u * np.cos(angle) - b / (3 * a), low, high)
    q2 = np.clip(q1 - difference, 0, 1)
    variance = q1 * (1 - q1) / n[0] + q2 * (1 - q2) / n[1]
    gap = np.abs(p1 - p2 - difference)
    flat = variance < TIE
    return np.where(
        flat, np.where(gap < TIE, 0.0, np.inf), gap / np.sqrt(np.where(flat, 1.0, variance))
    )


def newcombe(
    events: tuple[int, int], n: tuple[int, int], level: float = 0.95
) -> tuple[float, float]:
    """Newcombe's hybrid of two Wilson intervals for the difference of two shares (Statistics in Medicine 17:873, 1998)."""
    z = float(ndtri(0.5 + level / 2))
    shares = [k / m for k, m in zip(events, n, strict=True)]
    ends = []
    for p, m in zip(shares, n, strict=True):
        middle = (p + z * z / (2 * m)) / (1 + z * z / m)
        half = z * math.sqrt(p * (1 - p) / m + z * z / (4 * m * m)) / (1 + z * z / m)
        ends.append((middle - half, middle + half))
    difference = shares[0] - shares[1]
    return (
        difference - math.hypot(shares[0] - ends[0][0], ends[1][1] - shares[1]),
        difference + math.hypot(ends[0][1] - shares[0], shares[1] - ends[1][0]),
    )


def conditional_p(events: ArrayLike, n: ArrayLike) -> float:
    """Two-sided exact p-value of no difference in any block, given each block's number of events.

    Parameters
    ----------
    events, n
        Shape (blocks, 2): animals with the event, and animals, in each arm of each block.

    Returns
    -------
    float
        Probability of a total of the first arm that is as likely as the observed one or less so; 1 where no block holds both
        arms and both answers. With one block it is Fisher's exact test.

    Notes
    -----
    Given its margins, a block's count is hypergeometric; the sum over blocks is their convolution (the exact form of the test of
    Mantel and Haenszel). It is the exact permutation test within blocks of the number of events.
    """
    from scipy import stats

    events, n = np.atleast_2d(np.asarray(events, int)), np.atleast_2d(np.asarray(n, int))
    chance, lowest = np.ones(1), 0
    for (k1, k2), (n1, n2) in zip(events, n, strict=True):
        low, high = max(0, k1 + k2 - n2), min(k1 + k2, n1)
        part = stats.hypergeom.pmf(np.arange(low, high + 1), n1 + n2, k1 + k2, n1)
        chance, lowest = np.convolve(chance, part), lowest + low
    observed = chance[int(events[:, 0].sum()) - lowest]
    return float(min(chance[chance <= observed * (1 + 1e-7)].sum(), 1.0))


def risk_difference_blocks(events: ArrayLike, n: ArrayLike, level: float = 0.95) -> RiskDifference:
    """Difference of two shares over blocks.

    Parameters
    ----------
    events, n
        Shape (blocks, 2). Blocks that lack an arm take no part.
    level
        Confidence level.

    Returns
    -------
    RiskDifference
        The difference is the mean over blocks weighted by n₁n₂/(n₁+n₂) (Mantel and Haenszel); p is
        `conditional_p`. The interval is NaN with fewer than two animals in an arm.

    Notes
    -----
    Where every block has the arms in the same proportion, the interval is the exact one of the arms summed over blocks: blocks that
    differ make the summed counts vary less than binomial ones, so it is conservative. Else it is the hull of that interval and of
    the same one moved to the weighted difference and widened by the ratio of the standard errors. Least coverage found by
    enumeration, eight layouts of two or three blocks and eight sets of block shares: .955 (tests/unit/statistics/test_binary.py). The
    interval ignores what blocks explain, the p-value does not, so the two may disagree near the level.
    """
    events, n = np.atleast_2d(np.asarray(events, int)), np.atleast_2d(np.asarray(n, int))
    both = (n > 0).all(axis=1)
    if not both.any():
        return RiskDifference(*(math.nan,) * 4)
    events, n = events[both], n[both]
    weight = n.prod(axis=1) / n.sum(axis=1)
    difference = float(
        (weight * (events[:, 0] / n[:, 0] - events[:, 1] / n[:, 1])).sum() / weight.sum()
    )
    total, size = events.sum(axis=0), n.sum(axis=0)
    summed = risk_difference((int(total[0]), int(total[1])), (int(size[0]), int(size[1])), level)
    if math.isnan(summed.p):
        return RiskDifference(difference, math.nan, math.nan, math.nan)
    wider = math.sqrt(1 / weight.sum() / (1 / size).sum())
    lower = difference - wider * (summed.difference - summed.lower)
    upper = difference + wider * (summed.upper - summed.difference)
    lower, upper = max(min(lower, summed.lower), -1.0), min(max(upper, summed.upper), 1.0)
    return RiskDifference(difference, lower, upper, conditional_p(events, n))
