"""The scale of an outcome: from natural values of animals to the scale on which they are compared.

The only place that knows what a scale does to a value: verdicts, variances and associations all come here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def to_scale(
    values: ArrayLike,
    scale: str,
    unit: str = "",
    numerator: ArrayLike | None = None,
    denominator: ArrayLike | None = None,
) -> tuple[Floats, str]:
    """Values on the outcome's scale.

    Parameters
    ----------
    values
        Natural values of animals, shape (animals,).
    scale
        identity, log, logit or count (log((N + 0.5) / area)).
    unit
        Unit of the values: % is divided by 100 before logit.
    numerator, denominator
        Counts and area of each animal, for `count`.

    Returns
    -------
    transformed
        NaN where the value is.
    note
        What had to be done, or why the scale does not apply (then all NaN, see `applies`). On logit,
        values at 0 or 100 % are moved inwards by half the distance of the nearest other animal;
        blind to arms.
    """
    y = np.asarray(values, float)
    seen = ~np.isnan(y)
    if scale == "identity":
        return y.copy(), ""
    if scale == "log":
        if (y[seen] <= 0).any():
            return np.full_like(y, np.nan), "no log scale: values of 0 or below"
        return np.log(y, where=seen, out=np.full_like(y, np.nan)), ""
    if scale == "count":
        return _counts(y, seen, unit, numerator, denominator)
    if scale == "logit":
        share = y / 100 if unit.startswith("%") else y
        if ((share[seen] < 0) | (share[seen] > 1)).any():
            return np.full_like(y, np.nan), "no logit scale: shares outside 0 to 100 %"
        inner = share[seen & (share > 0) & (share < 1)]
        edge = min(inner.min(), 1 - inner.max()) / 2 if inner.size else np.nan
        if np.isnan(edge):
            return np.full_like(y, np.nan), "no logit scale: every share is 0 or 100 %"
        moved = int((seen & ((share <= 0) | (share >= 1))).sum())
        share = np.clip(share, edge, 1 - edge)
        return np.log(
            share / (1 - share)
        ), f"{moved} share(s) at 0 or 100 % moved inwards" if moved else ""
    raise ValueError(f"unknown scale {scale!r}")


def applies(values: ArrayLike, scaled: ArrayLike) -> bool:
    """Whether `to_scale` could bring values to their scale: none that was there is missing now."""
    return not (np.isnan(np.asarray(scaled, float)) & ~np.isnan(np.asarray(values, float))).any()


def _counts(
    y: Floats,
    seen: np.ndarray,
    unit: str,
    numerator: ArrayLike | None,
    denominator: ArrayLike | None,
) -> tuple[Floats, str]:
    out = np.full_like(y, np.nan)
    if numerator is not None and denominator is not None:
        n, area = np.asarray(numerator, float), np.asarray(denominator, float)
        if not np.isnan(n[seen]).any() and (area[seen] > 0).all():
            # The area in the unit of the density, so that exp() of the scale is a density.
            factor = (
                np.median((y * area / np.where(n > 0, n, np.nan))[seen & (n > 0)])
                if (n[seen] > 0).any()
                else 1.0
            )
            out[seen] = np.log((n[seen] + 0.5) / area[seen] * factor)
            return out, ""
    if (y[seen] <= 0).any():
        return out, "no count scale: densities of 0 without counts and areas"
    out[seen] = np.log(y[seen])
    return out, "log of the density: counts and areas not given for every animal"
