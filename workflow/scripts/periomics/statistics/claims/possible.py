"""Values that an outcome can have, and the animals of those that cannot be."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from periomics.study.dictionary import RANGE
from periomics.study.scale import limits


def limits_of(known: Mapping[str, object], values: np.ndarray, unit: str) -> tuple[float, float]:
    """Least and largest value of an outcome; 0 where a size that has no other limit is never below
    it."""
    own = [_number(known.get(k)) for k in RANGE]
    if known["kind"] in ("binary", "ordinal"):
        least, most = -np.inf, np.inf
    else:
        least, most = limits(str(known["scale"]), unit)
    least, most = float(np.fmax(least, own[0])), float(np.fmin(most, own[1]))
    if known["kind"] in ("binary", "ordinal"):
        return least, most
    return (0.0 if np.isinf(least) and (values >= 0).all() else least), most


def _number(cell: object) -> float:
    """A cell of the dictionary as a number; NaN where it holds none."""
    try:
        return float(str(cell))
    except ValueError:
        return np.nan


def what_can_be(rows: pd.DataFrame, least: float, most: float) -> tuple[np.ndarray, str]:
    """Which values of one outcome can be, and the animals of the others by name.

    A value outside of its limits cannot be, nor can one of nothing: a count in an area of 0, a
    share of 0.
    """
    value = rows["value"].to_numpy(float)
    inside = (value >= least) & (value <= most) & np.isfinite(value)
    of = (
        rows["denominator"].to_numpy(float) if "denominator" in rows else np.full(len(rows), np.nan)
    )
    nothing = inside & (of == 0)
    said = [_outside(rows[~inside], least, most)]
    if nothing.any():
        who = ", ".join(rows.loc[nothing, "animal_id"].astype(str))
        said.append(f"left out, since there was nothing to measure in: {who} (denominator 0)")
    return inside & ~nothing, "; ".join(s for s in said if s)


def _outside(rows: pd.DataFrame, least: float, most: float) -> str:
    """The animals whose values cannot be, by name."""
    if rows.empty:
        return ""
    allowed = f"at least {least:g}" if np.isinf(most) else f"{least:g} to {most:g}"
    unit = str(rows["unit"].iloc[0])
    each = ", ".join(f"{r.animal_id} ({r.value:g} {unit})" for r in rows.itertuples())
    return f"left out, since the value cannot be: {each}; allowed is {allowed} {unit}"
