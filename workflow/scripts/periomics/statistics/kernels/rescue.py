"""Rescue fraction R = (arm − disease) / (healthy − disease) with Fieller's set from group-wise variances."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from periomics.statistics.kernels import position
from periomics.statistics.kernels.contrasts import AnyArms, Floats, p_two_sided

# Angles at which an unbounded set is searched for a point outside it, and steps in which its ends are found.
GRID, STEPS = 181, 60
NO_DEFICIT = "deficit not established"
SETTLED = 1e-11
# Forms that are computed at a time where unbounded sets are searched.
TOGETHER = 2048
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
    return _weights(np.ones_like(np.asarray(R, float)), R, arms, healthy, disease, arm)


def _weights(
    one: ArrayLike, R: ArrayLike, arms: int, healthy: int, disease: int, arm: int
) -> Floats:
    """Weights of one × (arm − disease) − R × (healthy − disease)."""
    one, R = np.asarray(one, float), np.asarray(R, float)
    w = np.zeros((*R.shape, arms))
    w[..., healthy] -= R
    w[..., disease] += R - one
    w[..., arm] += one
    return w


def fieller(
    arms: AnyArms,
    healthy: int,
    disease: int,
    arm: int,
    level: float = 0.95,
    code: ArrayLike = position.IDENTITY,
) -> Rescue:
    """Rescue fraction with Fieller's confidence set, on arrays.

    Parameters
    ----------
    arms
        On the outcomes' scales, shape (..., arms), adjusted for blocks or not.
    healthy, disease, arm
        Indices of the arms; numerator and denominator share the disease arm, whose covariance is taken into account.
    level
        Confidence level.
    code
        Code of the scale (`position.codes`), broadcast to the leading shape. R is on the natural scale.

    Returns
    -------
    Rescue
        Never clipped to 0..1. The set is {R : |form(R)| <= t × se(R)} of the linear form at R, with the degrees of freedom of that form,
        so that an end below or above a threshold says the same as the verdict at that threshold.

    Notes
    -----
    Fieller's set; group-wise variances by design.md section 7.1; forms on the outcome's scale by `position.form`.
    """
    count, places = arms.mean.shape[-1], (healthy, disease, arm)
    tail = 0.5 + level / 2
    code = np.broadcast_to(np.asarray(code), arms.mean.shape[:-1])
    m = position.natural(arms.mean, code[..., None])
    gap = m[..., healthy] - m[..., disease]
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        R = np.where(gap != 0, (m[..., arm] - m[..., disease]) / gap, np.nan)
        deficit = position.form(arms, _weights(0.0, -1.0, count, *places), code)
        bounded = deficit.t() > stdtrit(deficit.df, tail)

        # Both ends are searched at once, each in a copy of the arms.
        twice = arms.some((np.newaxis, ...)).some((np.zeros(2, int), ...))
        codes = np.stack([code, code])

        def excess(angle: Floats) -> Floats:
            """How far the form at R = tan(angle) lies outside its interval, in standard errors."""
            weights = _weights(np.cos(angle), np.sin(angle), count, *places)
            form = position.form(twice, weights, codes)
            return form.t() - stdtrit(form.df, tail)

        centre = np.arctan(R)
        outside = np.where(bounded, np.pi / 2, np.nan)
        wide = ~bounded & ~np.isnan(deficit.se) & ~np.isnan(R)
        if wide.any():
            # Several angles at once where few sets are searched, each in a copy of its arms.
            copies = min(GRID - 2, max(1, TOGETHER // int(wide.sum())))
            some, scale = arms.some(wide), code[wide]
            each = np.repeat(np.arange(len(scale)), copies)
            repeated, scale = some.some(each), scale[each]

            def far(angle: Floats) -> Floats:
                form = position.form(
                    repeated, _weights(np.cos(angle), np.sin(angle), count, *places), scale
                )
                return form.t() - stdtrit(form.df, tail)

            outside[wide] = _farthest(far, centre[wide], copies)
        beyond = np.stack(_both_sides(centre, outside))
        ends = np.tan(_crossing(excess, np.stack([centre, centre]), beyond))
        known = ~np.isnan(deficit.se) & ~np.isnan(ends[0]) & ~np.isnan(ends[1])
    lower, upper = (np.where(known, f(*ends), np.nan) for f in (np.minimum, np.maximum))
    return Rescue(R, lower, upper, bounded & known, p_two_sided(deficit))


def _both_sides(centre: Floats, outside: Floats) -> tuple[Floats, Floats]:
    """The point outside the set, left and right of the estimate (angles repeat after π)."""
    right = outside > centre
    return np.where(right, outside - np.pi, outside), np.where(right, outside, outside + np.pi)


def _farthest(excess: Callable[[Floats], Floats], centre: Floats, copies: int) -> Floats:
    """Angle at which the form is farthest outside its interval; NaN where it is inside everywhere.

    `excess` takes `copies` angles of each set, one set after the other.
    """
    best, where = np.zeros_like(centre), np.full_like(centre, np.nan)
    steps = np.linspace(0, np.pi, GRID)[1:-1]
    for start in range(0, len(steps), copies):
        some = steps[start : start + copies]
        asked = centre[:, None] + np.resize(some, copies)
        found = np.nan_to_num(excess(asked.ravel()), nan=-np.inf).reshape(asked.shape)
        at = found.argmax(axis=1)
        top, angle = (np.take_along_axis(x, at[:, None], axis=1)[:, 0] for x in (found, asked))
        better = top > best
        best, where = np.where(better, top, best), np.where(better, angle, where)
    return where


def _crossing(excess: Callable[[Floats], Floats], inside: Floats, outside: Floats) -> Floats:
    """Angles between those inside the set and those outside at which `excess` is 0 (Illinois rule);
    one that is found stays."""
    a, b = inside + 0.0, outside + 0.0
    fa, fb = excess(a), excess(b)
    fine = (fa < 0) & (fb > 0)
    side, c, open_ = np.zeros(np.shape(a), int), np.full(np.shape(a), np.nan), fine
    for _ in range(STEPS):
        c = np.where(open_, b - fb * (b - a) / (fb - fa), c)
        fc = excess(c)
        out = fc > 0
        fa = np.where(out, np.where(side == 1, fa / 2, fa), fc)
        fb = np.where(out, fc, np.where(side == -1, fb / 2, fb))
        side = np.where(out, 1, -1)
        a, b = np.where(out, a, c), np.where(out, c, b)
        open_ = open_ & (np.abs(fc) > SETTLED)
        if not open_.any():
            break
    return c


def describe(lower: float, upper: float, bounded: bool, why: str = NO_DEFICIT) -> str:
    """The confidence set in words; `why` it has no bounds where it has none."""
    if bounded:
        return f"{lower:.3g} to {upper:.3g}"
    if np.isnan(lower):
        return f"unbounded: {why}; {WHOLE_LINE}"
    return f"unbounded: {why}; R up to {lower:.3g} or from {upper:.3g}"
