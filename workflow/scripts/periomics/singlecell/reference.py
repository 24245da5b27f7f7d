"""Which cell types the others are compared with: those whose log counts move together between arms.

Cell counts say how types change relative to each other only. Against the mean of all types, one type that grows makes all
others fall. Here the reference of a type is a weighted mean of the log counts of the other types, whose weights fall to 0 for
those that move away from the bulk of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Parts = Sequence[tuple[float, Floats]]

TUNING = 4.685
"""Standard errors at which a type's weight reaches 0: Tukey's biweight at 95 % efficiency."""
LEAST_WEIGHT = 0.25
"""Weight, of the most possible 1, from which a type counts as one of the reference."""
FEWEST = 4
"""Types of which one may have changed so that the others still tell which."""
MAJORITY = 2 / 3
STEPS = 100


@dataclass(frozen=True)
class Estimates:
    """Contrasts of columns.

    Attributes
    ----------
    change, error, freedom
        Each (columns,): estimate, standard error, degrees of freedom.
    """

    change: Floats
    error: Floats
    freedom: Floats


def contrasts(parts: Parts) -> Estimates:
    """Weighted sum of arm means, with group-wise variances.

    Parameters
    ----------
    parts
        For each arm its weight and its values (units, columns); one unit gives no error. Differences within units are one part
        of weight 1.

    Notes
    -----
    Degrees of freedom are Satterthwaite's, but no more than arms of one variance would have (Bell and McCaffrey's for group
    means): with 3 units against 8, Satterthwaite's alone reject .08 of true nulls at a family-wise .05 over eight types.
    """
    change = np.sum([w * v.mean(axis=0) for w, v in parts], axis=0)
    shares = np.array([w**2 / len(v) for w, v in parts])[:, None]
    own = np.array([len(v) - 1.0 for _, v in parts])[:, None]
    spread = [v.var(axis=0, ddof=1) if len(v) > 1 else np.full(len(v.T), np.nan) for _, v in parts]
    terms = shares * np.array(spread)
    variance = terms.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        freedom = variance**2 / (terms**2 / own).sum(axis=0)
        equal = shares.sum() ** 2 / (shares**2 / own).sum()
    return Estimates(change, np.sqrt(variance), np.minimum(freedom, equal))


def stable_weights(change: Floats, error: Floats) -> tuple[Floats, Floats]:
    """Weights of types in a reference, by how near their change is to that of most.

    Parameters
    ----------
    change, error
        Of each type, against any common reference. An error below the median of all counts as the median, so that a variance
        that is small by chance gives no type the say; without errors all weigh alike.

    Returns
    -------
    weights
        Sum 1: Tukey's biweight over the squared error, about the centre that solves its equation from the median on.
    share
        The biweight alone, 0 to 1.
    """
    if not np.isfinite(error).all():
        return np.full(len(change), 1 / len(change)), np.ones(len(change))
    scale = np.maximum(error, np.median(error))
    scale = np.where(scale > 0, scale, np.finfo(float).tiny)
    centre, share = float(np.median(change)), np.ones(len(change))
    for _ in range(STEPS):
        away = np.minimum(np.abs(change - centre) / (TUNING * scale), 1.0)
        share = (1 - away**2) ** 2
        if not share.any():
            share = np.where(np.abs(change - centre) == np.abs(change - centre).min(), 1.0, 0.0)
        weights = share * (scale.min() / scale) ** 2
        moved = float(weights @ change / weights.sum())
        if abs(moved - centre) <= 1e-12 * (1 + abs(centre)):
            break
        centre = moved
    return weights / weights.sum(), share


def against_the_others(parts: Parts, column: int) -> tuple[Estimates, Floats]:
    """Contrast of one type against the reference that the other types give.

    Parameters
    ----------
    parts
        Log counts, as `contrasts`; at least two columns.
    column
        Which type.

    Returns
    -------
    estimates
        Of one column. The reference's own spread between units is in the error.
    share
        Of each type in the reference, 0 to 1 (`stable_weights`); NaN for the type itself.
    """
    rest = np.delete(np.arange(parts[0][1].shape[1]), column)
    centred = [(w, v[:, rest] - v[:, rest].mean(axis=1, keepdims=True)) for w, v in parts]
    moved = contrasts(centred)
    weights, among = stable_weights(moved.change, moved.error)
    share = np.full(len(rest) + 1, np.nan)
    share[rest] = among
    return contrasts([(w, (v[:, column] - v[:, rest] @ weights)[:, None]) for w, v in parts]), share


def against_declared(parts: Parts, column: int, declared: Sequence[int]) -> Estimates:
    """Contrast of one type against the mean log count of declared types."""
    chosen = list(declared)
    return contrasts([(w, (v[:, column] - v[:, chosen].mean(axis=1))[:, None]) for w, v in parts])
