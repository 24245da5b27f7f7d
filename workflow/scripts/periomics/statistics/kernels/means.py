"""Arithmetic means of skewed values over blocks: what a t interval of means leaves out.

Where an outcome has zeros, arithmetic means of animals are compared. Two things then break a t
interval. A block (a day of surgery) moves logits or logarithms alike and so moves the means of a
high arm more than those of a low one: what is left of it in a contrast is one draw per block and
not one per animal. And means of skewed values are skewed, so that the interval misses on one side.
Measured: docs/statistics.md, "Zeros".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from periomics.statistics.kernels.contrasts import AnyArms, Estimate, Floats, Index, OverArms

# An end of a skewed mean lies farther away by this times skewness times t²: (2t² + 1) / 6 of
# Edgeworth's expansion at t = 2.
EDGEWORTH = 3 / 8
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
    """

    skewness: Floats
    slope: Floats
    place: Floats
    moved: Floats
    free: Floats

    def form(self, weights: ArrayLike) -> Estimate:
        """Weighted sum of means; its variance is that of the animals plus what the blocks leave in
        the contrast.

        Notes
        -----
        Degrees of freedom by Satterthwaite. The skewness of the sum is that of its parts, each with
        the power 3/2 of its share of the variance.
        """
        found = self.arms.form(weights)
        w = np.broadcast_to(np.asarray(weights, float), self.mean.shape)
        left = (np.where(w != 0, w * self.slope, 0.0)[..., None] * self.place).sum(axis=-2)
        blocks = (left**2).sum(axis=-1) * self.moved
        with np.errstate(invalid="ignore", divide="ignore"):
            own = found.se**2
            whole = own + blocks
            df = whole**2 / (own**2 / found.df + blocks**2 / np.maximum(self.free, 1.0))
            part = np.where(w != 0, w**2 * self.var / self.n, 0.0) / whole[..., None]
            skew = EDGEWORTH * (np.sign(w) * part**1.5 * self.skewness).sum(axis=-1)
        return found._replace(se=np.sqrt(whole), df=df, skew=np.where(np.isfinite(skew), skew, 0.0))

    def some(self, which: Index) -> Means:
        own = (self.skewness, self.slope, self.place, self.moved, self.free)
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
        )


def of_means(
    arms: AnyArms,
    values: ArrayLike,
    arm: ArrayLike,
    limits: tuple[ArrayLike, ArrayLike],
    block: ArrayLike | None = None,
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

    Returns
    -------
    Means

    Notes
    -----
    Skewness is that of a gamma variable, or of a beta variable between two limits, with the mean
    and the variance of the arm: that of five animals themselves says too little. A block that moves
    a logit by b moves a share y by y (1 − y) b, and a size or a count by y b. The variance between
    blocks is that of block means of residuals, weighted by slope over variance, over all arms; its
    noise is not taken off, so that it is never below 0.
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
        skewness = np.where(var > 0, _skewness(mean, var, least, most) / np.sqrt(n), 0.0)
    slope = np.nan_to_num(slope)
    shape = values.shape[:-1]
    names = np.unique(np.asarray(block)[arm >= 0]) if block is not None else np.empty(0)
    if len(names) < 2:
        nothing = np.zeros(shape)
        place = np.zeros((*shape, n_arms, 0))
        return Means(arms, np.nan_to_num(skewness), slope, place, nothing, nothing)
    inside = (np.asarray(block)[:, None] == names).astype(float)
    both = (member[:, :, None] * inside[:, None, :]).reshape(len(arm), -1)
    count = (seen @ both).reshape(*shape, n_arms, len(names))
    place = count / np.maximum(n, 1.0)[..., None]
    sums = (away * (lead @ member.T)) @ inside
    told = (lead * slope)[..., None] * count
    spread = -(told[..., :, None] * place[..., None, :]).sum(axis=-3)
    spread[..., range(len(names)), range(len(names))] += told.sum(axis=-2)
    news, most = (spread**2).sum(axis=(-2, -1)), told.sum(axis=(-2, -1)) ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        moved = np.where(news > NO_NEWS * most, (sums**2).sum(axis=-1) / news, 0.0)
    free = (count.sum(axis=-2) > 0).sum(axis=-1) - 1.0
    return Means(arms, np.nan_to_num(skewness), slope, place, moved, free)


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
