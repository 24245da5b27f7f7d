"""Do scores track outcomes in the same units, beyond what arms, blocks and treatments make of both?

What the design fixes is taken out of scores and outcomes before they are correlated: a pooled correlation rediscovers the
arms. What is exchanged under the null follows from the design (`statistics.kernels.exchange`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from periomics.statistics.kernels.exchange import Exchange, SlopeTest

METHOD = (
    "Pearson beyond the design; orders of studentised slopes and t of their error, the larger p"
)
# Below these there is an estimate and no test: animals; isolations or donors that hold several conditions.
MIN_ANIMALS, MIN_UNITS = 12, 4
LEAST_FREEDOM = 3
# Values below which nothing is estimated.
FEWEST = 4
# Sum of squares, as a share of that of the values, up to which it is rounding.
ROUNDING = 1e-24
# Above this share of values at the smallest one (zeros), effects of arms and blocks do not add up.
MOST_FLOORED = 0.25
# Orders with which the ends of an interval are looked for.
INTERVAL_ORDERS = 1999
# Of intervals; the end of one that may not hold 0, as a share of the estimate.
LEVEL, NOT_ZERO = 0.95, 1e-6

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Association:
    """Correlation beyond the design with interval, permutation p and its floor; `per_sd` with its
    ends is the change of the outcome that goes with one SD of the score beyond the design; `reason`
    says why a number is missing."""

    n: int
    n_units: int
    r: float = np.nan
    lower: float = np.nan
    upper: float = np.nan
    p: float = np.nan
    p_floor: float = np.nan
    r_pooled: float = np.nan
    per_sd: float = np.nan
    per_sd_lower: float = np.nan
    per_sd_upper: float = np.nan
    reason: str = ""


def correlation(x: Floats, y: Floats) -> float:
    """Correlation of two variables that vary and whose means were taken out."""
    return float((x / np.sqrt(x @ x)) @ (y / np.sqrt(y @ y)))


def flat(left: Floats, values: Floats) -> bool:
    """Whether what is left of a variable is nothing but rounding."""
    return float(left @ left) <= ROUNDING * float(values @ values)


def beyond(
    x: Floats,
    y: Floats,
    design: Exchange,
    rng: np.random.Generator,
    n_permutations: int = 9999,
    *,
    ends: bool = True,
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
    ends
        Whether the interval is wanted, which takes most of the time.

    Notes
    -----
    Measured in docs/linkage.md: rate of p at most .05 without a link, and coverage of the interval, with blocks, unequal
    variances and numbers, ties and heavy tails.
    """
    n, units = len(x), len(np.unique(design.unit))
    bare = Association(n=n, n_units=units)
    taken = " and ".join(design.adjusted_for)
    if n < FEWEST:
        return _with(bare, reason="too few units that share both")
    if design.freedom < LEAST_FREEDOM:
        reason = f"{n} values are too few: {taken} leave {design.freedom} degrees of freedom"
        return _with(bare, reason=reason)
    if design.count < 2:
        return _with(
            bare, reason="no two units may be exchanged: none has the conditions of another"
        )
    cx, cy = x - x.mean(), y - y.mean()
    rx, ry = design.fixed @ x, design.fixed @ y
    found = bare
    if not (flat(cx, x) or flat(cy, y)):
        found = _with(bare, r_pooled=correlation(cx, cy))
    if flat(rx, x) or flat(ry, y):
        return _with(found, reason=f"score or outcome does not vary beyond {taken}")
    r = correlation(rx, ry)
    whole = SlopeTest(x, y, design, rng, n_permutations)
    p, hindered = whole.p(), not_additive(design, x, y) or whole.hindrance
    found = _with(found, r=r, p_floor=design.floor(n_permutations))
    if ends and not hindered:  # an interval is the test inverted: none where there is no test
        test = SlopeTest(x, y, design, rng, min(n_permutations, INTERVAL_ORDERS))
        slopes = test.interval(LEVEL)
        lower, upper = interval(test, slopes, p)
        found = _with(found, lower=lower, upper=upper, **changes(test, slopes, p))
    least, what = (MIN_UNITS, "isolations") if units < n else (MIN_ANIMALS, "animals")
    if units < least:
        return _with(found, reason=f"no test below {least} {what} that share both")
    if hindered:
        return _with(found, reason=hindered)
    return _with(found, p=p)


def not_additive(design: Exchange, *values: Floats) -> str:
    """Why what a design takes out of values need not add up; '' where it may."""
    floored = max(float(np.mean(v == v.min())) for v in values)
    if len(design.adjusted_for) == 1 or floored <= MOST_FLOORED:
        return ""
    taken = " and ".join(design.adjusted_for)
    return (
        f"{100 * floored:.0f} % of the values are the smallest: effects of {taken} need not add up"
    )


def _with(found: Association, **changed: float | str) -> Association:
    return Association(**{**vars(found), **changed})


def changes(test: SlopeTest, slopes: tuple[float, float], p: float) -> dict[str, float]:
    """What goes with one SD of the score beyond the design, and its ends; these hold 0 where p is
    above 1 − LEVEL, and only there."""
    sd = float(np.sqrt(test.x @ test.x / test.design.freedom))
    best, (low, high) = test.best, slopes
    if p <= 1 - LEVEL:
        least = best * NOT_ZERO
        low, high = (max(low, least), high) if best > 0 else (low, min(high, least))
    else:
        low, high = min(low, 0.0), max(high, 0.0)
    return {"per_sd": best * sd, "per_sd_lower": low * sd, "per_sd_upper": high * sd}


def interval(
    test: SlopeTest, slopes: tuple[float, float], p: float, level: float = LEVEL
) -> tuple[float, float]:
    """Interval of the correlation of residuals: the `slopes` that the permutation test does not
    reject, as correlations.

    A slope b stands for b·s_x / √(b²·s_x² + s_e²). That leaves out how much the spread of the outcome is unknown, for which the
    distances on Fisher's z are divided by √(1 − r²). The interval holds 0 where p is above 1 − level, and only there.
    """
    size, best = float(test.x @ test.x), test.best
    rest = test.y - best * test.x
    noise = float(rest @ rest)

    def z(slope: float) -> float:
        if np.isinf(slope):
            return slope
        r = slope * np.sqrt(size) / np.sqrt(slope**2 * size + noise)
        return float(np.arctanh(np.clip(r, -1 + 1e-12, 1 - 1e-12)))

    r = correlation(test.x, test.y)
    if abs(r) >= 1 - 1e-12:
        return np.nan, np.nan
    middle, rejected = z(best), p <= 1 - level
    ends = []
    for slope in slopes:
        plain = z(slope)
        wide = middle + (plain - middle) / np.sqrt(1 - r * r)
        outward = np.sign(plain - middle) * np.sign(middle) < 0  # the end that lies toward 0
        if outward and rejected and wide * middle <= 0:
            wide = plain if plain * middle > 0 else middle * NOT_ZERO
        if outward and not rejected and wide * middle > 0:
            wide = 0.0
        ends.append(float(np.tanh(wide)))
    return ends[0], ends[1]
