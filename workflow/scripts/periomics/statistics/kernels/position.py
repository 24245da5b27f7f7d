"""Where an arm lies on the natural scale between others, tested on the outcome's scale.

Rescue, margins in shares of the deficit and other linear forms are statements about the natural scale: m(arm) against
r m(healthy) + (1 − r) m(diseased), where m is the natural value of the typical animal (mean on the outcome's scale, taken back).
Both sides are brought to the outcome's scale and compared there, where values are near normal: the sign is the same, and the
interval holds its level where that of raw means does not (log scale, SD .59: .82 to .98 instead of .95; docs/statistics.md).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit

from periomics.statistics.kernels.contrasts import AnyArms, Estimate, Floats

IDENTITY, LOG, LOGIT = 0, 1, 2
CODES = {"identity": IDENTITY, "log": LOG, "count": LOG, "logit": LOGIT}


def codes(scales: Sequence[str]) -> NDArray[np.int64]:
    """Code of each scale, shape (outcomes,)."""
    return np.array([CODES[s] for s in scales])


def natural(values: ArrayLike, code: ArrayLike) -> Floats:
    """From the outcome's scale to the natural one; shares, not percent. `code` broadcasts against `values`."""
    y, code = np.asarray(values, float), np.asarray(code)
    if not code.any():  # all on the natural scale, as most outcomes of a study are
        return y
    with np.errstate(over="ignore"):
        return np.where(
            code == LOG, np.exp(np.where(code == LOG, y, 0.0)), np.where(code == LOGIT, expit(y), y)
        )


def scaled(values: ArrayLike, code: ArrayLike) -> Floats:
    """The inverse of `natural`."""
    m, code = np.asarray(values, float), np.asarray(code)
    if not code.any():
        return m
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(
            code == LOG,
            np.log(np.where(code == LOG, m, 1.0)),
            np.where(code == LOGIT, logit(np.where(code == LOGIT, m, 0.5)), m),
        )


def slope(values: ArrayLike, code: ArrayLike) -> Floats:
    """Change of the natural value by that on the outcome's scale, at a natural value."""
    m, code = np.asarray(values, float), np.asarray(code)
    if not code.any():
        return np.ones(np.broadcast_shapes(m.shape, code.shape))
    return np.where(code == LOG, m, np.where(code == LOGIT, m * (1 - m), 1.0))


def form(arms: AnyArms, weights: ArrayLike, code: ArrayLike) -> Estimate:
    """Contrast of natural positions on the outcome's scale.

    Parameters
    ----------
    arms
        On the outcomes' scales, shape (..., arms).
    weights
        Shape (arms,) or (..., arms), summing to 0.
    code
        Code of the scale, broadcast to the leading shape.

    Returns
    -------
    Estimate
        h(weighted mean of the arms with positive weight) − h(that of the negative), each a convex combination on the natural
        scale and brought to the outcome's scale by h; standard error and degrees of freedom by the delta method. On the identity
        scale it is the contrast itself over the sum of its positive weights. Its sign is that of Σ w m.
    """
    w = np.broadcast_to(np.asarray(weights, float), arms.mean.shape)
    code = np.broadcast_to(np.asarray(code), arms.mean.shape[:-1])
    up, down = np.maximum(w, 0.0), np.maximum(-w, 0.0)
    whole = up.sum(axis=-1)
    m = natural(arms.mean, code[..., None])
    k = slope(m, code[..., None])
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        first = np.where(up > 0, up * m, 0.0).sum(axis=-1) / whole
        second = np.where(down > 0, down * m, 0.0).sum(axis=-1) / whole
        lead = (
            up / (whole * slope(first, code))[..., None]
            - down / (whole * slope(second, code))[..., None]
        )
        own = arms.form(np.where(w != 0, lead * k, 0.0))
        estimate = scaled(first, code) - scaled(second, code)
    known = ~np.isnan(own.estimate)
    return own._replace(estimate=np.where(known, estimate, np.nan))
