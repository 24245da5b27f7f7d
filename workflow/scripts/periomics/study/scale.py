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
        What had to be done, or why the scale does not apply (then all NaN, see `applies`): logit has no
        place for 0 and 100 %, log none for 0. No constant takes their place, since whatever is chosen
        decides the result.
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
        edge = int((seen & ((share <= 0) | (share >= 1))).sum())
        if edge:
            return np.full_like(y, np.nan), f"no logit scale: {edge} share(s) at 0 or 100 %"
        return np.log(share / (1 - share)), ""
    raise ValueError(f"unknown scale {scale!r}")


def applies(values: ArrayLike, scaled: ArrayLike) -> bool:
    """Whether `to_scale` could bring values to their scale: none that was there is missing now."""
    return not (np.isnan(np.asarray(scaled, float)) & ~np.isnan(np.asarray(values, float))).any()


def comparable(
    values: ArrayLike,
    scale: str,
    unit: str = "",
    numerator: ArrayLike | None = None,
    denominator: ArrayLike | None = None,
) -> tuple[str, Floats, str]:
    """Scale on which animals are compared, their values on it, and why it is not the outcome's own.

    A scale that has no place for a value is left for the natural one, so that arithmetic means of animals are
    compared; so is that of counts as soon as one is 0, where log(N + 0.5) rests on the 0.5. Missing
    everywhere where an outcome of shares is but 0 and 100 %.
    """
    y = np.asarray(values, float)
    seen = y[~np.isnan(y)]
    found, note = to_scale(y, scale, unit, numerator, denominator)
    zeros = int((seen == 0).sum()) if scale == "count" else 0
    if not zeros and applies(y, found):
        return scale, found, note
    if scale == "logit" and seen.size and np.isin(seen, limits(scale, unit)).all():
        return scale, np.full_like(y, np.nan), "every share is 0 or 100 %: judge it as yes or no"
    return "identity", y, f"no count scale: {zeros} of {seen.size} at 0" if zeros else note


def limits(scale: str, unit: str = "") -> tuple[float, float]:
    """Least and largest value that an outcome of a scale can have; infinite where there is no limit."""
    if scale == "logit":
        return 0.0, 100.0 if unit.startswith("%") else 1.0
    return (0.0, np.inf) if scale in ("log", "count") else (-np.inf, np.inf)


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
