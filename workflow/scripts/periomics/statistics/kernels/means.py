"""Arithmetic means of skewed values over blocks: what a t interval of means leaves out.

Where an outcome has zeros, arithmetic means of animals are compared. Two things then break a t
interval. A block (a day of surgery) moves logits or logarithms alike and so moves the means of a
high arm more than those of a low one: what is left of it in a contrast is one draw per block and
not one per animal. And means of skewed values are skewed, so that the interval misses on one side.
Measured: docs/statistics.md, "Zeros".
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from periomics.statistics.kernels.contrasts import AnyArms, Estimate, Floats, Index, OverArms

# An end of a skewed mean lies farther away by this times skewness times t²: (2t² + 1) / 6 of
# Edgeworth's expansion at t = 2.
EDGEWORTH = 3 / 8
# SD of the logarithms of sizes above which no interval of their mean is known to hold .93, and the
# largest that their skewness is computed with.
MOST_SPREAD, MOST_SKEWED = 0.75, 1.0
# Below this share of what the blocks could tell they tell nothing: each arm lies in one block.
NO_NEWS = 1e-9


@dataclass(frozen=True)
class Means(OverArms):
    """Arms of which arithmetic means are compared, with what blocks and skewness add to a contrast.

    Parameters
    ----------
    arms
        On the natural scale, shape (..., arms), not adjusted for blocks.
    skewness
        Of each arm's mean, shape (..., arms).
    slope
        How much the mean of an arm moves where a block moves the logit (or logarithm) by one, shape
        (..., arms).
    place
        Share of the arm's animals in each block, shape (..., arms, blocks); no blocks where they
        are not to be counted.
    moved
        Variance between blocks on the logit (or logarithm), with the noise that it was measured
        with; shape (...).
    free
        Its degrees of freedom, shape (...).
    lean
        Skewness of what a block does to a mean of one; shape (...).
    """

    skewness: Floats
    slope: Floats
    place: Floats
    moved: Floats
    free: Floats
    lean: Floats

    def form(self, weights: ArrayLike) -> Estimate:
        """Weighted sum of means; its variance is that of the animals plus what the blocks leave in
        the contrast.

        Notes
        -----
        1/df is the mean of 1/df of both parts, weighted by their variances: Satterthwaite's, which
        takes squares, covers .91 where the few blocks have most of the variance by chance. The
        skewness of the sum is that of its parts, each with the power 3/2 of its share of the
        variance.
        """
        found = self.arms.form(weights)
        w = np.broadcast_to(np.asarray(weights, float), self.mean.shape)
        left = (np.where(w != 0, w * self.slope, 0.0)[..., None] * self.place).sum(axis=-2)
        blocks = (left**2).sum(axis=-1) * self.moved
        with np.errstate(invalid="ignore", divide="ignore"):
            own = found.se**2
            whole = own + blocks
            df = whole / (own / found.df + blocks / np.maximum(self.free, 1.0))
            part = np.where(w != 0, w**2 * self.var / self.n, 0.0) / whole[..., None]
            skewness = (np.sign(w) * part**1.5 * self.skewness).sum(axis=-1)
            skewness += (left**3).sum(axis=-1) * self.lean * (self.moved / whole) ** 1.5
            skew = EDGEWORTH * skewness
        return found._replace(se=np.sqrt(whole), df=df, skew=np.where(np.isfinite(skew), skew, 0.0))

    def some(self, which: Index) -> Means:
        own = (self.skewness, self.slope, self.place, self.moved, self.free, self.lean)
        return Means(self.arms.some(which), *(x[which] for x in own))

    def where(self, asked: NDArray[np.bool_]) -> Means:
        """Nothing added to those studies or outcomes whose means are not compared; `asked` has the
        leading shape."""
        skewness = np.where(asked[..., None], self.skewness, 0.0)
        return Means(
            self.arms,
            skewness=skewness,
            slope=self.slope,
            place=self.place,
            moved=np.where(asked, self.moved, 0.0),
            free=self.free,
            lean=self.lean,
        )


def of_means(
    arms: AnyArms,
    values: ArrayLike,
    arm: ArrayLike,
    limits: tuple[ArrayLike, ArrayLike],
    block: ArrayLike | None = None,
    sizes: ArrayLike = False,
) -> Means:
    """What blocks and skewness add to contrasts of means.

    Parameters
    ----------
    arms
        Of these values, shape (..., arms).
    values, arm
        As `summarise` takes them, on the natural scale.
    limits
        Least and largest value of the outcome, of the leading shape: shares have both, sizes and
        counts the first.
    block
        Index of each animal's block, shape (animals,); nothing where there are none.
    sizes
        Whether the values are sizes, which are log-normal where they are not 0; of the leading
        shape.

    Returns
    -------
    Means

    Notes
    -----
    Skewness is that of a gamma variable, or of a beta variable between two limits, with the mean
    and the variance of the arm: that of five animals themselves says too little. Sizes have at
    least that of a log-normal variable with the SD of logarithms within all arms and the arm's
    share of zeros, and so have blocks what they do to any value without an upper limit. A block
    that moves a logit by b moves a share y by y (1 − y) b, and a size or a count by y b. The
    variance between blocks is that of block means of residuals, weighted by slope over variance,
    over all arms; its noise is not taken off, so that it is never below 0.
    """
    values, arm = np.asarray(values, float), np.asarray(arm, int)
    least, most = (np.asarray(x, float)[..., None] for x in limits)
    n_arms = arms.mean.shape[-1]
    seen = ~np.isnan(values) & (arm >= 0)
    y = np.where(seen, values, 0.0)
    member = (arm[:, None] == np.arange(n_arms)).astype(float)
    n = seen @ member
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = y @ member / n
        away = np.where(seen, y - np.nan_to_num(mean) @ member.T, 0.0)
        var = away**2 @ member / (n - 1)
        slope = np.where(seen, _slope(y, least, most), 0.0) @ member / n
        lead = np.where(var > 0, slope / var, 0.0)
        skewness = np.where(var > 0, _skewness(mean, var, least, most), 0.0)
        if np.any(sizes):
            own = np.where(var > 0, _of_sizes(np.where(seen, y, np.nan), least, arm, n_arms), 0.0)
            larger = np.fmax(skewness, own)
            skewness = np.where(np.asarray(sizes)[..., None], larger, skewness)
        skewness = skewness / np.sqrt(n)
    slope = np.nan_to_num(slope)
    found = partial(Means, arms, np.nan_to_num(skewness), slope)
    shape = values.shape[:-1]
    names = np.unique(np.asarray(block)[arm >= 0]) if block is not None else np.empty(0)
    if len(names) < 2:
        nothing = np.zeros(shape)
        place = np.zeros((*shape, n_arms, 0))
        return found(place=place, moved=nothing, free=nothing, lean=nothing)
    inside = (np.asarray(block)[:, None] == names).astype(float)
    both = (member[:, :, None] * inside[:, None, :]).reshape(len(arm), -1)
    count = (seen @ both).reshape(*shape, n_arms, len(names))
    place = count / np.maximum(n, 1.0)[..., None]
    sums = (away * (lead @ member.T)) @ inside
    told = (lead * slope)[..., None] * count
    spread = -(told[..., :, None] * place[..., None, :]).sum(axis=-3)
    spread[..., range(len(names)), range(len(names))] += told.sum(axis=-2)
    news, all_news = (spread**2).sum(axis=(-2, -1)), told.sum(axis=(-2, -1)) ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        moved = np.where(news > NO_NEWS * all_news, (sums**2).sum(axis=-1) / news, 0.0)
    free = (count.sum(axis=-2) > 0).sum(axis=-1) - 1.0
    lean = np.where(
        np.isfinite(most[..., 0]), 0.0, _of_logs(np.minimum(moved, MOST_SKEWED**2), 1.0)
    )
    return found(place=place, moved=moved, free=free, lean=lean)


def _slope(y: Floats, least: Floats, most: Floats) -> Floats:
    """How much a value moves by its logit between the limits, or by its logarithm above the lower
    one."""
    with np.errstate(invalid="ignore"):
        return np.where(
            np.isfinite(most - least), (y - least) * (most - y) / (most - least), y - least
        )


def _skewness(mean: Floats, var: Floats, least: Floats, most: Floats) -> Floats:
    """Of a beta variable between two limits, or of a gamma variable above the lower one, with this
    mean and variance."""
    m = (mean - least) / (most - least)
    sizes = np.maximum((mean - least) * (most - mean) / var - 1, 0.0)
    beta = 2 * (1 - 2 * m) / (sizes + 2) * np.sqrt((sizes + 1) / (m * (1 - m)))
    return np.where(np.isfinite(most - least), beta, 2 * np.sqrt(var) / (mean - least))


def spread_of_logs(values: ArrayLike, least: ArrayLike, arm: ArrayLike, n_arms: int) -> Floats:
    """SD of the logarithms within all arms, of those values that lie above the lower limit; 0 where
    none can be compared.

    Parameters
    ----------
    values, arm, n_arms
        As `summarise` takes them, on the natural scale.
    least
        Lower limit, of the leading shape.
    """
    y = np.asarray(values, float) - np.asarray(least, float)[..., None]
    arm = np.asarray(arm, int)
    member = (arm[:, None] == np.arange(n_arms)).astype(float)
    some = (y > 0) & (arm >= 0)
    logs = np.log(np.where(some, y, 1.0))
    n = some @ member
    middle = logs @ member / np.maximum(n, 1.0)
    squares = (np.where(some, logs - middle @ member.T, 0.0) ** 2).sum(axis=-1)
    return np.sqrt(squares / np.maximum(np.maximum(n - 1, 0.0).sum(axis=-1), 1.0))


def _of_sizes(values: Floats, least: Floats, arm: NDArray[np.int64], n_arms: int) -> Floats:
    """Skewness of log-normal sizes, some of them 0, by arm."""
    member = (arm[:, None] == np.arange(n_arms)).astype(float)
    seen = ~np.isnan(values)
    spread = spread_of_logs(values, least[..., 0], arm, n_arms)
    share = (seen & (values > least)) @ member / np.maximum(seen @ member, 1.0)
    return _of_logs(np.minimum(spread, MOST_SKEWED)[..., None] ** 2, share)


def _of_logs(variance: Floats, share: ArrayLike) -> Floats:
    """Skewness of a variable that is log-normal with this variance of logarithms by `share`, else
    0."""
    a, q = np.exp(variance), np.asarray(share, float)
    # E(x), E(x^2) and E(x^3) of exp(N(-v/2, v)) are 1, a and a^3.
    squares, cubes = q * a - q**2, q * a**3 - 3 * q**2 * a + 2 * q**3
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.nan_to_num(np.where(squares > 0, cubes / squares**1.5, 0.0))
