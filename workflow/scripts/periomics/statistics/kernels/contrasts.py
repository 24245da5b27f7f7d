"""Contrasts of arms from group-wise variances, on arrays: one study or a thousand at once.

All kernels take the last axis as arms (or units) and broadcast over the leading axes, so that calibration runs the very code
that judges a study.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit

from periomics.statistics.kernels.noncentral import noncentral_t_cdf, noncentrality_interval

Floats = NDArray[np.float64]
Index = NDArray[Any] | tuple[Any, ...]
# A standard error below this share of the means is rounding, not variation.
ROUNDING = 1e-12
# Chance of no event in an arm that its bound still allows for.
NO_EVENT = 0.05


class Arms(NamedTuple):
    """Mean, variance (ddof 1) and number of animals, each of shape (..., arms)."""

    mean: Floats
    var: Floats
    n: Floats

    def form(self, weights: ArrayLike) -> Estimate:
        """Weighted sum of means (`linear_form`)."""
        return linear_form(self, weights)

    def some(self, which: Index) -> Arms:
        """Those studies or outcomes that an index or mask of the leading shape names."""
        return Arms(*(x[which] for x in self))


class Estimate(NamedTuple):
    """Estimate, standard error and degrees of freedom; the last two are NaN where no inference is possible.

    `low` and `high` say how much farther below and above the estimate the true value may lie than its standard
    error says (`Bounded`). `margin` is that in SD which was subtracted, `spread` the SD that it was multiplied by: the SD is an
    estimate too, so that such a form is judged by the noncentral t (`interval`). `skew` stretches
    the interval above (below, where it is negative): its end at t lies t (1 + skew t) standard
    errors away (`means.Means`).
    """

    estimate: Floats
    se: Floats
    df: Floats
    low: Floats = np.zeros(())
    high: Floats = np.zeros(())
    margin: Floats = np.full((), np.nan)
    spread: Floats = np.full((), np.nan)
    skew: Floats = np.zeros(())

    def against(self, margin: ArrayLike, spread: ArrayLike) -> Estimate:
        """The estimate minus a margin in SD, of which `spread` is the estimate."""
        m, s = np.asarray(margin, float), np.asarray(spread, float)
        return self._replace(estimate=self.estimate - m * s, margin=m, spread=s)

    def shifted(self, by: ArrayLike) -> Estimate:
        """The estimate minus a fixed number."""
        return self._replace(estimate=self.estimate - np.asarray(by, float))

    def signed(self, sign: ArrayLike) -> Estimate:
        """The estimate times +1 or −1; no inference where the sign is NaN."""
        sign = np.asarray(sign, float)
        low, high = (
            np.where(sign < 0, *pair) for pair in ((self.high, self.low), (self.low, self.high))
        )
        se = np.where(np.isnan(sign), np.nan, self.se)
        skew = np.where(sign < 0, -self.skew, self.skew)
        return self._replace(estimate=self.estimate * sign, se=se, low=low, high=high, skew=skew)

    @property
    def bounded(self) -> bool:
        """Whether some arm of it shows no event (`Bounded`)."""
        return bool(np.any(self.low > 0) or np.any(self.high > 0))

    def t(self) -> Floats:
        """How far 0 lies from the estimate beyond `low` and `high`, as a t; not below 0."""
        return np.maximum(np.maximum(self.t_below(), self.t_above()), 0.0)

    def t_below(self) -> Floats:
        """The t at which the lower end of the interval is 0."""
        return _shrunk((self.estimate - self.low) / self.se, -self.skew)

    def t_above(self) -> Floats:
        """The t at which the upper end of the interval is 0."""
        return _shrunk((-self.estimate - self.high) / self.se, self.skew)


def stretched(t: Floats, skew: Floats | float) -> Floats:
    """How many standard errors an end at t lies from the estimate."""
    if not np.any(skew):
        return t
    return t + np.maximum(skew, 0.0) * np.maximum(t, 0.0) ** 2


def _shrunk(distance: Floats, skew: Floats) -> Floats:
    """The inverse of `stretched`."""
    if not np.any(skew):
        return distance
    far = np.maximum(distance, 0.0)
    t = 2 * far / (1 + np.sqrt(1 + 4 * np.maximum(skew, 0.0) * far))
    return np.where(distance > 0, t, distance)


class AnyArms(Protocol):
    """What contrasts are made of: `Arms`, `Adjusted` ones, `Means`, or `Bounded` ones."""

    @property
    def mean(self) -> Floats: ...
    @property
    def var(self) -> Floats: ...
    @property
    def n(self) -> Floats: ...
    def form(self, weights: ArrayLike) -> Estimate: ...
    def some(self, which: Index) -> AnyArms: ...


@dataclass(frozen=True)
class OverArms:
    """Arms of which more is known than their means, spread and numbers."""

    arms: AnyArms

    @property
    def mean(self) -> Floats:
        return self.arms.mean

    @property
    def var(self) -> Floats:
        return self.arms.var

    @property
    def n(self) -> Floats:
        return self.arms.n


@dataclass(frozen=True)
class Bounded(OverArms):
    """Arms some of which have no event: every animal at the outcome's least (or largest) value.

    Such an arm shows no spread, and its true mean may lie `up` above (`down` below) what was seen;
    shape (..., arms).

    Notes
    -----
    With n animals and no event the share p of animals that have one is at most 1 − .05^(1/n) with
    95 % confidence, since (1 − p)^n would else be below .05. An event is taken to be at most the
    largest seen in any arm. Measured coverage with 30, 60 and 100 % zeros in one arm:
    docs/statistics.md.
    """

    up: Floats
    down: Floats

    def form(self, weights: ArrayLike) -> Estimate:
        w, found = np.asarray(weights, float), self.arms.form(weights)
        more, less = np.maximum(w, 0.0), np.maximum(-w, 0.0)
        high = (more * self.up + less * self.down).sum(axis=-1)
        low = (more * self.down + less * self.up).sum(axis=-1)
        return found._replace(low=low, high=high)

    def some(self, which: Index) -> Bounded:
        return Bounded(self.arms.some(which), self.up[which], self.down[which])


def without_events(
    values: ArrayLike, arm: ArrayLike, n_arms: int, limits: tuple[float, float]
) -> tuple[Floats, Floats]:
    """How far the mean of an arm without events may lie above and below what was seen.

    Parameters
    ----------
    values, arm, n_arms
        As `summarise` takes them, on the natural scale.
    limits
        Least and largest value that the outcome can have.

    Returns
    -------
    up, down
        Shape (..., n_arms), see `Bounded`; 0 for an arm that shows any other value.
    """
    values, arm = np.asarray(values, float), np.asarray(arm, int)
    used = np.where((arm >= 0) & ~np.isnan(values), values, np.nan)
    out = []
    for limit, top in zip(limits, (np.fmax, np.fmin), strict=True):
        bound = np.zeros((*values.shape[:-1], n_arms))
        out.append(bound)
        if not (used == limit).any():  # as nearly everywhere: no arm can lie at it
            continue
        reach = np.abs(top.reduce(used, axis=-1, initial=np.nan) - limit)
        for g in range(n_arms):
            own = used[..., arm == g]
            n = (~np.isnan(own)).sum(axis=-1)
            none = (n > 0) & ((own == limit) | np.isnan(own)).all(axis=-1)
            share = 1 - NO_EVENT ** (1 / np.maximum(n, 1))
            bound[..., g] = np.nan_to_num(np.where(none, share * reach, 0.0))
    return out[0], out[1]


def summarise(values: ArrayLike, arm: ArrayLike, n_arms: int) -> Arms:
    """Mean, variance and number of animals of each arm.

    Parameters
    ----------
    values
        Shape (..., animals); NaN is a missing animal.
    arm
        Index of the arm of each animal, shape (animals,); a negative index leaves an animal out.
    n_arms
        Number of arms.

    Returns
    -------
    Arms
        Arrays of shape (..., n_arms); the mean of an empty arm and the variance of an arm with fewer than two animals are NaN.
    """
    values, arm = np.asarray(values, float), np.asarray(arm, int)
    shape = (*values.shape[:-1], n_arms)
    mean, var, n = np.full(shape, np.nan), np.full(shape, np.nan), np.zeros(shape)
    for g in range(n_arms):
        y = values[..., arm == g]
        seen = ~np.isnan(y)
        k = seen.sum(axis=-1).astype(float)
        total = np.where(seen, y, 0.0).sum(axis=-1)
        with np.errstate(invalid="ignore", divide="ignore"):
            m = np.where(k > 0, total / k, np.nan)
            squares = np.where(seen, (y - m[..., None]) ** 2, 0.0).sum(axis=-1)
            var[..., g] = np.where(k > 1, squares / (k - 1), np.nan)
        mean[..., g], n[..., g] = m, k
    return Arms(mean, var, n)


def linear_form(arms: Arms, weights: ArrayLike, *, pooled: bool = False) -> Estimate:
    """Weighted sum of arm means with group-wise variances and Satterthwaite degrees of freedom.

    Parameters
    ----------
    arms
        Shape (..., arms).
    weights
        Shape (arms,) or broadcastable to (..., arms); arms of weight 0 take no part.
    pooled
        Pool the variance over all arms (residual degrees of freedom). Only calibration uses it, to meet published powers.

    Returns
    -------
    Estimate
        `se` and `df` are NaN where an arm with a weight has fewer than two animals, or where nothing varies.

    Notes
    -----
    Welch and Satterthwaite: se² = Σ w²s²/n, df = se⁴ / Σ (w²s²/n)²/(n−1).
    """
    w = np.broadcast_to(np.asarray(weights, float), arms.mean.shape)
    used = w != 0
    estimate = np.where(used, w * np.where(used, arms.mean, 0.0), 0.0).sum(axis=-1)
    enough = (~used | (arms.n >= 2)).all(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        if pooled:
            free = np.where(arms.n > 1, arms.n - 1, 0.0)
            df = free.sum(axis=-1)
            s2 = np.where(free > 0, arms.var * free, 0.0).sum(axis=-1) / df
            squared = (np.where(used, w**2 / np.where(used, arms.n, 1.0), 0.0)).sum(axis=-1) * s2
        else:
            part = np.where(
                used, w**2 * np.where(used, arms.var, 0.0) / np.where(used, arms.n, 1.0), 0.0
            )
            squared = part.sum(axis=-1)
            df = squared**2 / np.where(used, part**2 / np.where(used, arms.n - 1, 1.0), 0.0).sum(
                axis=-1
            )
        size = np.where(used, np.abs(w * np.where(used, arms.mean, 0.0)), 0.0).max(
            axis=-1, initial=0.0
        )
        fine = enough & (squared > (ROUNDING * size) ** 2) & (squared > 0)
        return Estimate(
            estimate, np.where(fine, np.sqrt(squared), np.nan), np.where(fine, df, np.nan)
        )


def one_sample(differences: ArrayLike) -> Estimate:
    """Mean of within-unit differences with its t statistics; shape (..., units), NaN is a unit that lacks an arm."""
    values = np.asarray(differences, float)
    arms = summarise(values, np.zeros(values.shape[-1], int), 1)
    return linear_form(arms, np.ones(1))


def within_units(
    values: ArrayLike, arm: ArrayLike, unit: ArrayLike, weights: ArrayLike
) -> tuple[Floats, NDArray[np.int64]]:
    """Contrast of arms inside each unit (isolation, donor, block).

    Parameters
    ----------
    values, arm, unit
        Shape (rows,): the value, the index of its arm and the index of its unit; NaN values are missing.
    weights
        Shape (arms,).

    Returns
    -------
    differences
        Shape (units,): Σ w × mean of the unit in the arm; NaN where the unit lacks an arm with a weight.
    complete
        Indices of the units that have a difference.
    """
    values, arm, unit = np.asarray(values, float), np.asarray(arm, int), np.asarray(unit, int)
    w = np.asarray(weights, float)
    out = np.full(int(unit.max(initial=-1)) + 1, np.nan)
    for u in range(out.size):
        means = summarise(values[unit == u], arm[unit == u], w.size)
        if (means.n[w != 0] > 0).all():
            out[u] = float((w[w != 0] * means.mean[w != 0]).sum())
    return out, np.flatnonzero(~np.isnan(out))


def within_unit_slopes(
    values: ArrayLike, x: ArrayLike, unit: ArrayLike
) -> tuple[Floats, NDArray[np.int64]]:
    """Least-squares slope of `values` on `x` inside each unit; NaN where a unit has fewer than two distinct x."""
    values, x, unit = np.asarray(values, float), np.asarray(x, float), np.asarray(unit, int)
    out = np.full(int(unit.max(initial=-1)) + 1, np.nan)
    for u in range(out.size):
        keep = (unit == u) & ~np.isnan(values) & ~np.isnan(x)
        spread = x[keep] - x[keep].mean() if keep.any() else np.empty(0)
        if spread.size and (spread**2).sum() > 0:
            out[u] = float((spread * values[keep]).sum() / (spread**2).sum())
    return out, np.flatnonzero(~np.isnan(out))


def interval(
    form: Estimate, level: ArrayLike, upper_level: ArrayLike | None = None
) -> tuple[Floats, Floats]:
    """Two-sided t interval at `level` (0.95 …), broadcast; its upper end at `upper_level`, where that is another.

    Notes
    -----
    Of an effect minus a margin of δ SD the noncentrality of t is inverted: effect / SD lies between nc₁ se / SD and nc₂ se / SD, and
    the ends are these minus δ, in SD. Exact for two arms of one SD and equal numbers and within units; measured for other
    designs in docs/statistics.md. With the SD taken as known, "refuted" and "within the margin" were false in up to .075 at .05.
    """
    levels = [level, level if upper_level is None else upper_level]
    below, above = (
        stretched(stdtrit(form.df, 0.5 + np.asarray(x, float) / 2), skew) * form.se
        for x, skew in zip(levels, (-form.skew, form.skew), strict=True)
    )
    lower, upper = form.estimate - below, form.estimate + above
    if np.isfinite(form.margin).any():
        lower, upper = (
            np.where(np.isfinite(form.margin), *pair)
            for pair in zip(_in_sd(form, *levels), (lower, upper), strict=True)
        )
    return lower - form.low, upper + form.high


def _in_sd(form: Estimate, level: ArrayLike, upper: ArrayLike) -> tuple[Floats, Floats]:
    """Interval of a form against a margin in SD."""
    size = form.margin * form.spread
    with np.errstate(invalid="ignore", divide="ignore"):
        t = (form.estimate + size) / form.se
    low, high = noncentrality_interval(t, form.df, level, upper)
    return low * form.se - size, high * form.se - size


def _below(form: Estimate) -> Floats:
    """Chance of so small a t at the margin in SD."""
    size = form.margin * form.spread
    with np.errstate(invalid="ignore", divide="ignore"):
        t, nc = (form.estimate + size) / form.se, (size - form.high) / form.se
    fine = np.isfinite(t) & np.isfinite(nc) & np.isfinite(form.df)
    p = noncentral_t_cdf(*(np.where(fine, x, 1.0) for x in (t, form.df, nc)))
    return np.where(fine, p, np.nan)


def p_two_sided(form: Estimate) -> Floats:
    """Two-sided p-value of estimate = 0."""
    return 2 * stdtr(form.df, -form.t())


def p_above(form: Estimate) -> Floats:
    """One-sided p-value against "at most 0": small when the estimate lies above 0."""
    plain = stdtr(form.df, -form.t_below())
    if np.isfinite(form.margin).any():
        mirrored = form._replace(
            estimate=-form.estimate, low=form.high, high=form.low, margin=-form.margin
        )
        return np.where(np.isfinite(form.margin), _below(mirrored), plain)
    return plain


def p_below(form: Estimate) -> Floats:
    """One-sided p-value against "at least 0": small when the estimate lies below 0."""
    plain = stdtr(form.df, -form.t_above())
    if np.isfinite(form.margin).any():
        return np.where(np.isfinite(form.margin), _below(form), plain)
    return plain


def signs(
    form: Estimate, level: ArrayLike, upper_level: ArrayLike | None = None
) -> tuple[Floats, Floats]:
    """Two numbers with the signs of the ends of `interval`, by p-values: for simulations, which only judge.

    An end lies beyond 0 where the one-sided p-value is below its half of 1 − level; no root is searched.
    """
    lower, upper = (
        0.5 - np.asarray(x, float) / 2
        for x in (level, level if upper_level is None else upper_level)
    )
    return lower - p_above(form), p_below(form) - upper


def refusal(arms: Arms, weights: ArrayLike, names: list[str]) -> str:
    """Why a single contrast (arms of shape (arms,)) has no inference; empty if it has."""
    w = np.asarray(weights, float)
    few = [f"{names[g]} ({int(arms.n[g])})" for g in np.flatnonzero(w) if arms.n[g] < 2]
    if few:
        return f"fewer than 2 animals in {', '.join(few)}"
    if np.isnan(linear_form(arms, w).se):
        return "all animals of the contrasted arms have the same value"
    return ""
