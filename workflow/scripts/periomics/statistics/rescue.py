"""Rescue fraction R = (arm − disease) / (healthy − disease) with Fieller's set from group-wise variances."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from periomics.statistics.adjusted import Adjusted, AdjustedLine
from periomics.statistics.contrasts import Arms, Estimate, Floats, Line, p_two_sided

# Rounds in which the degrees of freedom at each end of the set settle, and halvings where they do not.
ROUNDS, HALVINGS = 6, 60
SETTLED = 1e-9
WHOLE_LINE = "every R is compatible"


class Rescue(NamedTuple):
    """Arrays of the leading shape. Where `bounded` is False, the set is R <= lower or R >= upper, or all R if both are NaN."""

    R: Floats
    lower: Floats
    upper: Floats
    bounded: np.ndarray
    deficit_p: Floats


def rescue_weights(R: ArrayLike, arms: int, healthy: int, disease: int, arm: int) -> Floats:
    """Weights of the linear form arm − disease − R (healthy − disease); shape (..., arms)."""
    R = np.asarray(R, float)
    w = np.zeros((*R.shape, arms))
    w[..., healthy] -= R
    w[..., disease] += R - 1
    w[..., arm] += 1
    return w


def fieller(arms: Arms | Adjusted, healthy: int, disease: int, arm: int, level: float = 0.95) -> Rescue:
    """Rescue fraction with Fieller's confidence set, on arrays.

    Parameters
    ----------
    arms
        Shape (..., arms), adjusted for blocks or not.
    healthy, disease, arm
        Indices of the arms; numerator and denominator share the disease arm, whose covariance is taken into account.
    level
        Confidence level.

    Returns
    -------
    Rescue
        Never clipped to 0..1. The set is {R : |form(R)| <= t × se(R)}, the degrees of freedom being those of the linear form
        at the end itself, so that an end below or above a threshold says the same as the linear form at that threshold.

    Notes
    -----
    Fieller 1954 [from memory]; group-wise variances by design.md section 7.1.
    """
    count = arms.mean.shape[-1]
    zero, one = (rescue_weights(R, count, healthy, disease, arm) for R in (0.0, 1.0))
    line = arms.line(zero, one - zero)
    raw, deficit = arms.form(zero), arms.form(zero - one)
    tail = 0.5 + level / 2
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        R = np.where(deficit.estimate != 0, raw.estimate / deficit.estimate, np.nan)
        p = p_two_sided(deficit)
        bounded = np.abs(deficit.estimate) > stats.t.ppf(tail, deficit.df) * deficit.se
        shared = (raw.se**2 + deficit.se**2 - arms.form(one).se ** 2) / 2
        pair = _Ratio(raw, deficit, shared)
        start = line.at(R).df
        ends = [_settle(line, pair, side, start, tail) for side in (0, 1)]
        fine = np.all([_gap(line, end, tail) < SETTLED for end in ends], axis=0)
        fine &= np.where(bounded, (ends[0] <= R) & (ends[1] >= R), (ends[0] >= R) | (ends[1] <= R))
        odd = ~fine & ~np.isnan(start)
        if odd.any():
            for end, found in zip(ends, _bisect(line.take(odd), R[odd], bounded[odd], tail), strict=True):
                end[odd] = found
    return Rescue(R, ends[0], ends[1], bounded & ~np.isnan(ends[0]), p)


class _Ratio(NamedTuple):
    """Numerator, denominator and their covariance."""

    raw: Estimate
    deficit: Estimate
    shared: Floats


def _settle(line: Line | AdjustedLine, pair: _Ratio, side: int, df: Floats, tail: float) -> Floats:
    """One end of the set, its degrees of freedom being those of the linear form at the end."""
    root = np.full(np.shape(df), np.nan)
    for _ in range(ROUNDS):
        root = np.array(_roots(pair, stats.t.ppf(tail, df))[side])
        new = line.at(root).df
        df = np.where(np.isnan(new), df, new)
    return root


def _gap(line: Line | AdjustedLine, R: Floats, tail: float) -> Floats:
    """How far |form(R)| / (t se) is from 1; infinite where R is NaN."""
    form = line.at(R)
    gap = np.abs(np.abs(form.estimate) / (stats.t.ppf(tail, form.df) * form.se) - 1)
    return np.where(np.isnan(gap), np.inf, gap)


def _bisect(line: Line | AdjustedLine, R: Floats, bounded: np.ndarray, tail: float) -> list[Floats]:
    """Ends by halving the angle atan(R) between the estimate and a point outside the set.

    For a bounded set the point outside is R = ±infinity; else the angle at which the form is farthest from 0, if it lies outside
    the set at all (NaN: every R is compatible).
    """

    def excess(angle: Floats) -> Floats:
        x = np.tan(angle)
        form = line.at(x)
        return (np.abs(form.estimate) - stats.t.ppf(tail, form.df) * form.se) / np.sqrt(1 + x * x)

    centre = np.arctan(R)
    grid = centre[..., None] + np.linspace(0, np.pi, 181)[1:-1]
    far = np.stack([excess(grid[..., k]) for k in range(grid.shape[-1])], axis=-1)
    best = np.take_along_axis(grid, np.nan_to_num(far, nan=-np.inf).argmax(axis=-1)[..., None], axis=-1)[..., 0]
    # Just beside infinity: there the form keeps its digits.
    outside = np.where(bounded, np.pi / 2 - 1e-7, best)
    exists = excess(outside) > 0
    ends = []
    for far_side in (
        np.where(outside > centre, outside - np.pi, outside),
        np.where(outside > centre, outside, outside + np.pi),
    ):
        inner, outer = centre.copy(), far_side.copy()
        for _ in range(HALVINGS):
            middle = (inner + outer) / 2
            out = excess(middle) > 0
            inner, outer = np.where(out, inner, middle), np.where(out, middle, outer)
        ends.append(np.where(exists, np.tan((inner + outer) / 2), np.nan))
    return [np.minimum(*ends), np.maximum(*ends)]


def _roots(pair: _Ratio, t: Floats) -> tuple[Floats, Floats]:
    """Roots of (N − R D)² = t² Var(N − R D), the smaller first; NaN where there are none."""
    raw, deficit, shared = pair
    a = deficit.estimate**2 - t**2 * deficit.se**2
    b = raw.estimate * deficit.estimate - t**2 * shared
    c = raw.estimate**2 - t**2 * raw.se**2
    root = np.sqrt(b**2 - a * c)
    first, second = (b - root) / a, (b + root) / a
    return np.minimum(first, second), np.maximum(first, second)


def describe(lower: float, upper: float, bounded: bool) -> str:
    """The confidence set in words."""
    if bounded:
        return f"{lower:.3g} to {upper:.3g}"
    if np.isnan(lower):
        return f"unbounded: deficit not established; {WHOLE_LINE}"
    return f"unbounded: deficit not established; R up to {lower:.3g} or from {upper:.3g}"
