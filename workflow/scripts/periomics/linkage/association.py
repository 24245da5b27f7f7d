"""Do scores track outcomes in the same units, beyond what arms, blocks and treatments make of both?

What the design fixes is taken out of scores and outcomes before they are correlated: a pooled correlation rediscovers the
arms. What is exchanged under the null follows from the design (`statistics.kernels.exchange`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from periomics.statistics.kernels.exchange import Exchange, p_value

COLUMNS = (
    "outcome",
    "score_id",
    "r",
    "lower",
    "upper",
    "p",
    "p_adj",
    "n",
    "family",
    "method",
    "adjusted_for",
    "p_floor",
    "r_pooled",
    "n_units",
    "reason",
)
METHOD = "Pearson beyond the design; permutation of studentised products"
# Below these there is an estimate and no test: animals; isolations or donors that hold several conditions.
MIN_ANIMALS, MIN_UNITS = 12, 4
LEAST_FREEDOM = 3

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Association:
    """Correlation beyond the design with interval, permutation p and its floor; `reason` says why a number is missing."""

    n: int
    n_units: int
    r: float = np.nan
    lower: float = np.nan
    upper: float = np.nan
    p: float = np.nan
    p_floor: float = np.nan
    r_pooled: float = np.nan
    reason: str = ""


def correlation(x: Floats, y: Floats) -> float:
    """Correlation of two variables whose means were taken out; missing where one does not vary."""
    size = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / size if size > 1e-12 else np.nan


def beyond(
    x: Floats,
    y: Floats,
    design: Exchange,
    rng: np.random.Generator,
    n_permutations: int = 9999,
) -> Association:
    """Association of two variables beyond what the design makes of both.

    Parameters
    ----------
    x, y
        Score and outcome (n,), on the scale on which a line is sensible.
    design
        What is fixed, and which units may be exchanged.
    rng
        Generator of the permutations.
    n_permutations
        Where there are no more different ones, each is taken once.

    Notes
    -----
    Measured in docs/linkage.md: rate of p at most .05 without a link, and coverage of the interval, with blocks, unequal
    variances and numbers, ties and heavy tails.
    """
    n, units = len(x), len(np.unique(design.unit))
    bare = Association(n=n, n_units=units)
    if n < 4 or design.freedom < LEAST_FREEDOM or design.count < 2:
        return _with(bare, reason="too few units that share both")
    centred = x - x.mean(), y - y.mean()
    rx, ry = design.fixed @ x, design.fixed @ y
    # What is left of a variable that the design explains is rounding.
    flat = [
        float(r @ r) <= 1e-18 * float(c @ c) or not c.any()
        for r, c in zip((rx, ry), centred, strict=True)
    ]
    found = _with(bare, r_pooled=correlation(*centred))
    if any(flat):
        return _with(found, reason="score or outcome does not vary within arms")
    r = correlation(rx, ry)
    lower, upper = interval(rx, ry, design)
    found = _with(found, r=r, lower=lower, upper=upper, p_floor=design.floor(n_permutations))
    least, what = (MIN_UNITS, "isolations") if units < n else (MIN_ANIMALS, "animals")
    if units < least:
        return _with(found, reason=f"no test below {least} {what} that share both")
    return _with(found, p=p_value(x, y, design, rng, n_permutations))


def _with(found: Association, **changed: float | str) -> Association:
    return Association(**{**vars(found), **changed})  # type: ignore[arg-type]


def interval(rx: Floats, ry: Floats, design: Exchange, level: float = 0.95) -> tuple[float, float]:
    """Interval of the correlation of residuals, on Fisher's z, from what each unit contributes to it.

    The variance is the sum of squared influences of the units (leverages of the design corrected as in HC3; for units
    that hold several conditions by the freedom that is left), so that it holds where arms vary unequally. Degrees of
    freedom are Satterthwaite's from the sets of units that are exchanged, or those of the units.
    """
    n, h = len(rx), 1 - np.diag(design.fixed)
    r = correlation(rx, ry)
    u, v = rx / np.sqrt(rx @ rx / n), ry / np.sqrt(ry @ ry / n)
    influence = (u * v - r / 2 * (u**2 + v**2)) / n
    units = np.unique(design.unit)
    if len(units) < n:
        each = np.array([influence[design.unit == k].sum() for k in units])
        squares = each**2 * n / design.freedom
        freedom = float(len(units) - 1)
    else:
        squares = np.where(h < 1 - 1e-9, influence**2 / np.maximum(1 - h, 1e-9) ** 2, 0.0)
        sets = [rows.ravel() for rows in design.places]
        left = design.freedom / max(n - len(sets), 1)
        parts = [(float(squares[rows].sum()), max((len(rows) - 1) * left, 1.0)) for rows in sets]
        total = sum(part for part, _ in parts)
        terms = sum(part**2 / df for part, df in parts)
        freedom = total**2 / terms if terms > 0 else np.nan
    if abs(r) >= 1 - 1e-12 or not freedom >= 1:
        return np.nan, np.nan
    half = stats.t.ppf(0.5 + level / 2, freedom) * np.sqrt(squares.sum()) / (1 - r * r)
    z = np.arctanh(r)
    return float(np.tanh(z - half)), float(np.tanh(z + half))
