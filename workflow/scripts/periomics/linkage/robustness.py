"""Whether an association hangs on a covariate, on one unit, or on one arm: what stands beside the estimate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from periomics.linkage.association import LEAST_FREEDOM, correlation, flat
from periomics.statistics.kernels.exchange import Exchange, SlopeTest, of_animals

Floats = NDArray[np.float64]
# Fewer animals of an arm tell no correlation within it.
LEAST_IN_ARM = 4
# Cells of the animals sheet that tell nothing.
_UNTOLD = ("", "unknown")


def covariate_table(
    names: Sequence[str], values: pd.DataFrame, animals: pd.DataFrame
) -> pd.DataFrame:
    """Covariates of every animal, NaN where it has none; one in words is a column for each of its values but the first.

    Parameters
    ----------
    names
        Columns of the animals sheet, outcomes or scores.
    values
        Of `on_scale`.
    animals
        The animals sheet by animal_id.
    """
    out = pd.DataFrame(index=animals.index)
    for name in names:
        if name in animals.columns:
            out = out.join(_columns(name, animals[name]))
        else:
            own = values[values["outcome"] == name]
            out[name] = own.groupby("animal_id")["scaled"].mean().reindex(animals.index)
    return out


def _columns(name: str, cells: pd.Series) -> pd.DataFrame:
    numbers = pd.to_numeric(cells, errors="coerce")
    words = cells.fillna("").astype(str).str.strip()
    known = ~words.isin(_UNTOLD)
    values = sorted(set(words[known]))
    if numbers.notna().any() or not values:
        return numbers.to_frame(name)
    if len(values) == 1:  # the same in all animals of which it is known: nothing to take out
        return known.map({True: 0.0, False: np.nan}).to_frame(name)
    columns = {f"{name} {v}": (words == v).astype(float).where(known) for v in values[1:]}
    return pd.DataFrame(columns, cells.index)


def beyond_covariates(
    both: pd.DataFrame,
    animals: pd.DataFrame,
    covariates: pd.DataFrame,
    rng: np.random.Generator,
    n_permutations: int,
) -> dict[str, object]:
    """The association with covariates taken out of both variables as well.

    Parameters
    ----------
    both
        Of `units_of`: animals with score and outcome.
    animals
        The animals sheet by animal_id: group and block.
    covariates
        Of `covariate_table`; a covariate that is the pair's own score or outcome is left out.
    rng, n_permutations
        For the permutations.

    Returns
    -------
    dict
        r_covariates, p_covariates (not adjusted for the family), covariates: what was taken out, or why it could not be.
    """
    known = covariates.reindex(both["animal_id"])
    if known.shape[1] == 0:
        return {"covariates": ""}
    names = ", ".join(known.columns)
    lacking = known.isna().any(axis=1).to_numpy()
    if lacking.any():
        who = ", ".join(both["animal_id"][lacking].astype(str).head(3))
        return {"covariates": f"{names}: not known of {int(lacking.sum())} animals ({who})"}
    facts = animals.reindex(both["animal_id"])
    blocks = facts["block"].fillna("").to_numpy(str) if "block" in facts else None
    design = of_animals(facts["group"].to_numpy(str), blocks, known.to_numpy(float))
    x, y = both["score"].to_numpy(float), both["outcome"].to_numpy(float)
    rx, ry = design.fixed @ x, design.fixed @ y
    if design.freedom < LEAST_FREEDOM or flat(rx, x) or flat(ry, y):
        return {"covariates": f"{names}: nothing is left beyond them"}
    test = SlopeTest(x, y, design, rng, n_permutations)
    if test.hindrance:
        return {"covariates": f"{names}: {test.hindrance}"}
    return {"r_covariates": correlation(rx, ry), "p_covariates": test.p(), "covariates": names}


def without_one(x: Floats, y: Floats, design: Exchange) -> tuple[float, float]:
    """Smallest and largest correlation with one unit left out.

    What the design leaves of both variables is corrected for the unit's own pull on the fixed effects, which equals
    leaving the unit out of the whole computation.

    Parameters
    ----------
    x, y
        (n,)
    design
        What is fixed.
    """
    found = []
    units = np.unique(design.unit)
    for unit in units:
        gone = np.flatnonzero(design.unit == unit)
        kept = np.setdiff1d(np.arange(len(x)), gone)
        rx, ry = (_left(v, design.fixed, gone, kept) for v in (x, y))
        if not (flat(rx, x) or flat(ry, y)):
            found.append(correlation(rx, ry))
    return (min(found), max(found)) if len(found) == len(units) else (np.nan, np.nan)


def _left(v: Floats, fixed: Floats, gone: NDArray[np.int64], kept: NDArray[np.int64]) -> Floats:
    """Residuals of the kept specimens in a fit without the others."""
    own, _, _, _ = np.linalg.lstsq(fixed[np.ix_(gone, gone)], (fixed @ v)[gone], rcond=None)
    return np.asarray((fixed @ v)[kept] - fixed[np.ix_(kept, gone)] @ own, np.float64)


def by_arm(x: Floats, y: Floats, design: Exchange, arm: NDArray[np.str_]) -> str:
    """Correlation within every arm of what the design leaves, as text: a description without a test."""
    rx, ry = design.fixed @ x, design.fixed @ y
    said = []
    for name in np.unique(arm):
        own = arm == name
        if own.sum() < LEAST_IN_ARM:
            said.append(f"{name} –")
            continue
        a, b = rx[own] - rx[own].mean(), ry[own] - ry[own].mean()
        said.append(f"{name} {'–' if flat(a, x) or flat(b, y) else f'{correlation(a, b):.2f}'}")
    return ", ".join(said)
