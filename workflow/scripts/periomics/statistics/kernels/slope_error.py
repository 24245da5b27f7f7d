"""How far a slope is known where units vary unlike: its error from unit to unit, and its freedom.

Residuals of a unit are made larger by what the fit took out of them, so that the error is right on
average under working variances (the form called CR2), and a t with the freedom of that error
(Satterthwaite) says how large a slope must be. Both follow from the score and the design alone, so
that nothing is chosen by the outcome.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]
# Share of the working variances that follows how much the score varies in an arm, and in a unit of
# a few specimens, of which that is less known. With none, one arm of four with ten times the SD
# gives p at most .05 in .09 of studies without a link; with .5 in .05, and the power where arms are
# alike is .02 to .08 lower.
BY_ARM, BY_UNIT = 0.5, 0.15
# Eigenvalues below this share of the largest are 0.
_NOTHING = 1e-9


class SlopeError(NamedTuple):
    """What an error is made of.

    Attributes
    ----------
    weights
        (n,) what each residual counts; the sum over a unit is what this unit adds.
    freedom
        Degrees of freedom; near 1 the error rests on one arm or unit.
    """

    weights: Floats
    freedom: float

    def p(self, top: float, residuals: Floats, unit: NDArray[np.int64]) -> float:
        """Two-sided p of a slope; `top` is the sum of products of score and outcome."""
        parts = np.bincount(unit, self.weights * residuals)
        size = float(np.sqrt(parts @ parts))
        if self.freedom <= 0:
            return 1.0
        return float(2 * stats.t.sf(abs(top) / max(size, 1e-300), self.freedom))


def working_variances(x: Floats, free: Floats, alike: NDArray[np.int64], share: float) -> Floats:
    """(n,) variances, 1 where the score varies as in most specimens, larger where it varies more.

    Parameters
    ----------
    x
        (n,) score without fixed effects.
    free
        (n,) share of each value that the design leaves free.
    alike
        (n,) number of the arm or unit within which variances are alike.
    share
        How far the variances follow those of the score, 0 to 1.
    """
    room = np.bincount(alike, free)[alike]
    own = np.where(room > _NOTHING, np.bincount(alike, x**2)[alike] / np.maximum(room, _NOTHING), 0)
    typical = float(np.median(own)) or float(own.mean())
    return np.asarray(1 - share + share * own / typical, np.float64)


def slope_error(
    x: Floats, fixed: Floats, unit: NDArray[np.int64], alike: NDArray[np.int64]
) -> SlopeError:
    """The error of a slope on a score.

    Parameters
    ----------
    x
        (n,) score without fixed effects, which varies.
    fixed
        (n, n) matrix that takes the fixed effects out.
    unit
        (n,) number of the unit of each specimen, from 0.
    alike
        As for `working_variances`.
    """
    alone = len(np.unique(unit)) == len(unit)
    v = working_variances(x, np.diag(fixed), alike, BY_ARM if alone else BY_UNIT)
    left = fixed - np.outer(x, x) / (x @ x)
    spread = (left * v) @ left
    weights = _raised(x, v, spread, unit)
    parts = spread * np.outer(weights, weights)
    if not alone:
        holds = (unit[:, None] == np.unique(unit)).astype(float)
        parts = holds.T @ parts @ holds
    mean, whole = float(np.trace(parts)), float(x**2 @ v)
    if mean <= _NOTHING * whole:
        return SlopeError(np.zeros_like(x), 0.0)
    # What the fit takes out whole, such as a score that one animal makes, has no residual: others
    # stand in for it, and it counts as one part.
    freedom = whole**2 / (float((parts**2).sum()) + (whole - mean) ** 2)
    return SlopeError(weights * np.sqrt(whole / mean), freedom)


def _raised(x: Floats, v: Floats, spread: Floats, unit: NDArray[np.int64]) -> Floats:
    """The score, raised unit by unit as the fit shrinks residuals of variances `v` to `spread`."""
    if len(np.unique(unit)) == len(unit):
        own = np.diag(spread)
        able = own > _NOTHING * own.max()
        return np.where(able, x * np.sqrt(v / np.where(able, own, 1)), 0)
    out = np.zeros_like(x)
    for k in np.unique(unit):
        rows = np.flatnonzero(unit == k)
        root = np.sqrt(v[rows])
        values, vectors = np.linalg.eigh(root[:, None] * spread[np.ix_(rows, rows)] * root)
        able = values > _NOTHING * max(float(values.max()), 1e-300)
        inverse = np.where(able, 1 / np.sqrt(np.where(able, values, 1)), 0)
        out[rows] = root * (vectors @ (inverse * (vectors.T @ (root * x[rows]))))
    return out
