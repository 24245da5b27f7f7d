"""Repeated times of one animal made into one number: slope, area under the curve, change."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from periomics.statistics.kernels.contrasts import Floats

COLUMNS = ("unit", "n_times", "start", "end", "slope", "auc", "mean_level", "change", "reason")
FEW = "fewer than two times with a value"
SHORT = "does not reach over the window"


def summarise_series(
    unit: ArrayLike,
    time: ArrayLike,
    value: ArrayLike,
    n_units: int | None = None,
    window: tuple[float, float] | None = None,
) -> pd.DataFrame:
    """Slope, area and change of each unit over time.

    Parameters
    ----------
    unit
        Index of the unit (animal, isolation) of each row, shape (rows,); a negative index leaves a row out.
    time, value
        Shape (rows,), any order; rows with NaN in either are left out. Values of one unit at one time are averaged.
    n_units
        Number of units, default the largest index + 1.
    window
        Times between which area and change are taken. Default: the latest first time to the earliest last time over the units
        with at least two times, so that units are compared over the same time.

    Returns
    -------
    DataFrame
        One row per unit: `unit, n_times, start, end` (of its own times), `slope` (least squares over its own times, per unit of time),
        `auc` (trapezoids over the window, ends interpolated linearly, never extrapolated), `mean_level` (auc / length of the window),
        `change` (value at the window's end minus that at its start), `reason`. What cannot be said is NaN with a reason; the
        slope stays where only the window is not reached.
    """
    unit, time, value = np.asarray(unit, int), np.asarray(time, float), np.asarray(value, float)
    keep = (unit >= 0) & ~np.isnan(time) & ~np.isnan(value)
    count = int(unit.max(initial=-1)) + 1 if n_units is None else n_units
    curves = [_curve(time[keep & (unit == u)], value[keep & (unit == u)]) for u in range(count)]
    window = window or common_window([t for t, _ in curves])
    rows = [_row(u, t, y, window) for u, (t, y) in enumerate(curves)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def common_window(times: list[Floats]) -> tuple[float, float]:
    """Latest first and earliest last time over the curves of at least two times; NaN where there is none."""
    long = [t for t in times if t.size > 1]
    if not long:
        return float("nan"), float("nan")
    return float(max(t[0] for t in long)), float(min(t[-1] for t in long))


def _curve(time: Floats, value: Floats) -> tuple[Floats, Floats]:
    """Distinct times in order with the mean value at each."""
    t, place = np.unique(time, return_inverse=True)
    return t, np.bincount(place, value, t.size) / np.bincount(place, minlength=t.size)


def _row(unit: int, t: Floats, y: Floats, window: tuple[float, float]) -> dict[str, object]:
    row: dict[str, object] = dict.fromkeys(COLUMNS, np.nan)
    row |= {"unit": unit, "n_times": t.size, "reason": ""}
    if t.size:
        row |= {"start": t[0], "end": t[-1]}
    if t.size < 2:
        return row | {"reason": FEW}
    spread = t - t.mean()
    row["slope"] = float((spread * (y - y.mean())).sum() / (spread**2).sum())
    low, high = window
    if not low < high:
        return row | {"reason": "the units share no span of time"}
    if t[0] > low or t[-1] < high:
        return row | {"reason": f"{SHORT} {low:g} to {high:g}"}
    inner = t[(t > low) & (t < high)]
    grid: Floats = np.r_[low, inner, high]
    level = np.interp(grid, t, y)
    auc = float(np.trapezoid(level, grid))
    return row | {
        "auc": auc,
        "mean_level": auc / (high - low),
        "change": float(level[-1] - level[0]),
    }
