"""Animals that may be one animal under two ids: every value that both have is the same."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd

# Significant digits that must agree, over all values together: two of 100 animals do so by chance in about 5 of 1,000 studies.
DIGITS = 6
CELL = ["outcome", "variant", "condition", "time", "dose"]


def same_values(animals: pd.DataFrame) -> list[tuple[str, str]]:
    """Pairs of animals of one arm or two with equal values throughout, and enough digits in them.

    Parameters
    ----------
    animals
        Measured rows; zeros, yes or no and scores carry no digits.

    Returns
    -------
    list of tuple
        Ids, sorted.
    """
    rows = animals[(animals["variant"] == "") & ~animals["outcome"].str.startswith("score:")]
    cells = rows.assign(condition="").groupby(CELL, dropna=False, sort=False).ngroup()
    wide = rows.assign(_cell=cells).pivot_table(
        index="animal_id", columns="_cell", values="value", aggfunc="first"
    )
    values = wide.to_numpy(float)
    digits = np.vectorize(_digits, otypes=[float])(values)
    order = pd.Series(range(len(wide))).groupby([_first(v) for v in values]).groups
    found = []
    for places in order.values():
        for i, j in combinations(places, 2):
            both = ~np.isnan(values[i]) & ~np.isnan(values[j])
            if (
                both.any()
                and (values[i] == values[j])[both].all()
                and digits[i][both].sum() >= DIGITS
            ):
                found.append((str(wide.index[i]), str(wide.index[j])))
    return sorted(found)


def _first(values: np.ndarray) -> float:
    """A value that twins share: the first one with digits."""
    good = values[~np.isnan(values) & (values != 0)]
    return float(good[0]) if good.size else np.nan


def _digits(value: float) -> int:
    """Significant digits of a number as it was written."""
    if np.isnan(value) or value in (0.0, 1.0):
        return 0
    return len(f"{abs(value):.10g}".replace(".", "").strip("0"))
