"""Adjusted p-values of a family; the only place where families are adjusted."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

Q = 0.05
"""Adjusted p up to which a score or a set counts as found in tables and words (a test's own alpha is a setting)."""


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


def graphical(
    p: ArrayLike, weights: ArrayLike, edges: ArrayLike, alpha: float
) -> tuple[Floats, Floats]:
    """Sequentially rejective graphical procedure: each hypothesis holds a share of alpha and hands it on when it is rejected.

    Parameters
    ----------
    p
        Shape (..., hypotheses); NaN takes no part: its share goes along its edges before anything is tested.
    weights
        Share of alpha of each hypothesis, shape (hypotheses,), sum at most 1.
    edges
        Part of a rejected hypothesis' share (row) that goes to each other one (column), shape (hypotheses, hypotheses); a row
        sums to at most 1, the diagonal is 0.
    alpha
        Family-wise level.

    Returns
    -------
    adjusted, level
        Adjusted p-values, and the level at which each hypothesis was tested: its share when it was rejected, else the share that it
        had when nothing more could be rejected (0 where none reached it). NaN stays.

    Notes
    -----
    Bonferroni-based graphs as Bretz, Maurer, Brannath and Posch described them (2009): a closed test, so that the family-wise error is
    at most alpha whatever the p-values depend on. Equal shares and edges 1 / (hypotheses − 1) are Holm's procedure.
    """
    p = np.asarray(p, float)
    shape, m = p.shape, p.shape[-1]
    flat = p.reshape(-1, m)
    share = np.broadcast_to(np.asarray(weights, float), flat.shape).copy()
    arcs = np.broadcast_to(np.asarray(edges, float), (len(flat), m, m)).copy()
    left = np.ones(flat.shape, bool)
    for j in range(m):
        _hand_on(share, arcs, left, np.isnan(flat[:, j]), np.full(len(flat), j))
    adjusted, level = np.full(flat.shape, np.nan), np.full(flat.shape, np.nan)
    worst, rejecting = np.zeros(len(flat)), np.ones(len(flat), bool)
    rows = np.arange(len(flat))
    for _ in range(m):
        with np.errstate(divide="ignore", invalid="ignore"):
            asked = np.where(left & (share > 0), flat / share, np.inf)
        one = asked.argmin(axis=-1)
        found = np.isfinite(asked[rows, one])
        # What is left when a graph stops is tested at the share that it has then.
        stops = rejecting & (~found | (np.maximum(worst, asked[rows, one]) > alpha))
        level = np.where(stops[:, None] & left, alpha * share, level)
        rejecting &= ~stops
        worst = np.where(found, np.maximum(worst, asked[rows, one]), worst)
        adjusted[rows[found], one[found]] = np.minimum(worst[found], 1.0)
        now = found & rejecting
        level[rows[now], one[now]] = alpha * share[rows[now], one[now]]
        _hand_on(share, arcs, left, found, one)
    out = ~np.isnan(flat)
    adjusted = np.where(out & np.isnan(adjusted), 1.0, adjusted)
    return adjusted.reshape(shape), np.where(out, level, np.nan).reshape(shape)


def _hand_on(
    share: Floats,
    arcs: Floats,
    left: NDArray[np.bool_],
    rows: NDArray[np.bool_],
    which: NDArray[np.int64],
) -> None:
    """Take hypothesis `which` out of the graphs `rows`, in place: its share and the ways through it go to the others."""
    at = np.flatnonzero(rows)
    if not at.size:
        return
    j = which[at]
    onward = arcs[at, j]
    share[at] += share[at, j][:, None] * onward
    into = arcs[at, :, j]
    loop = 1 - into * onward
    new = arcs[at] + into[:, :, None] * onward[:, None, :]
    with np.errstate(divide="ignore", invalid="ignore"):
        new = np.where(loop[:, :, None] > 1e-12, new / loop[:, :, None], 0.0)
    m = share.shape[-1]
    new[:, np.arange(m), np.arange(m)] = 0.0
    i = np.arange(len(at))
    new[i, j], new[i, :, j] = 0.0, 0.0
    arcs[at] = new
    share[at, j], left[at, j] = 0.0, False
