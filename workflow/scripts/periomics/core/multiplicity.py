"""Adjusted p-values of a family; the only place where families are adjusted."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def holm(p: ArrayLike) -> Floats:
    """Holm's adjusted p-values.

    Parameters
    ----------
    p
        Shape (..., hypotheses); NaN takes no part in the family, and stays.
    """
    p = np.asarray(p, float)
    ranked, left, back = _ranked(p)
    steps = np.where(np.isnan(ranked), 0.0, ranked * left)
    adjusted = np.minimum(np.maximum.accumulate(steps, axis=-1), 1.0)
    return np.where(np.isnan(p), np.nan, np.take_along_axis(adjusted, back, axis=-1))


def holm_levels(p: ArrayLike, alpha: float) -> Floats:
    """Level at which Holm's procedure tested each hypothesis.

    It is alpha / (family size − rank) up to the first hypothesis that is not rejected, whose level holds for all that follow.

    Parameters
    ----------
    p
        Shape (..., hypotheses); NaN takes no part in the family, and stays.
    alpha
        Family-wise level.
    """
    p = np.asarray(p, float)
    if p.shape[-1] == 0:
        return p
    ranked, left, back = _ranked(p)
    accepted = (ranked > alpha / left) | np.isnan(ranked)
    stop = np.where(accepted.any(axis=-1), accepted.argmax(axis=-1), p.shape[-1])[..., None]
    size = (~np.isnan(p)).sum(axis=-1, keepdims=True)
    level = alpha / np.maximum(size - np.minimum(np.arange(p.shape[-1]), stop), 1)
    return np.where(np.isnan(p), np.nan, np.take_along_axis(level, back, axis=-1))


def _ranked(p: Floats) -> tuple[Floats, NDArray[np.int64], NDArray[np.int64]]:
    """Sorted p-values, how many hypotheses are left at each, and the way back to the given order."""
    order = np.argsort(p, axis=-1, kind="stable")
    size = (~np.isnan(p)).sum(axis=-1, keepdims=True)
    left = np.maximum(size - np.arange(p.shape[-1]), 1)
    return np.take_along_axis(p, order, axis=-1), left, np.argsort(order, axis=-1, kind="stable")


def benjamini_hochberg(p: ArrayLike) -> Floats:
    """Benjamini and Hochberg's adjusted p-values over the last axis; NaN takes no part."""
    p = np.asarray(p, float)
    size = (~np.isnan(p)).sum(axis=-1, keepdims=True)
    order = np.argsort(p, axis=-1, kind="stable")
    ranked = np.take_along_axis(p, order, axis=-1)
    scaled = np.where(np.isnan(ranked), 1.0, ranked * size / np.arange(1, p.shape[-1] + 1))
    adjusted = np.minimum(np.minimum.accumulate(scaled[..., ::-1], axis=-1)[..., ::-1], 1.0)
    back = np.argsort(order, axis=-1, kind="stable")
    return np.where(np.isnan(p), np.nan, np.take_along_axis(adjusted, back, axis=-1))
