"""Variance between animals, sections and fields: what the next study should sample."""

from __future__ import annotations

import numpy as np
import pandas as pd

COLUMNS = (
    "outcome", "variant", "n_animals", "n_sub", "sub_level", "var_between", "var_within", "icc", "design_effect", "reason",
)  # fmt: skip


def icc_oneway(values: np.ndarray, unit: np.ndarray) -> tuple[float, float, float, float]:
    """Between and within variance by one-way analysis of variance for unequal numbers.

    Parameters
    ----------
    values, unit
        Shape (rows,): the value and the index of its unit.

    Returns
    -------
    between, within, icc, mean_size
        Variances (between is not below 0), their intraclass correlation and the effective number of rows a unit; NaN where the
        data do not tell (a single unit, or no unit with two rows).

    Notes
    -----
    Searle, Casella & McCulloch 1992 [from memory]: between = (MSB − MSW) / n0.
    """
    labels, index = np.unique(unit, return_inverse=True)
    size = np.bincount(index).astype(float)
    units, total = len(labels), float(len(values))
    if units < 2 or total <= units:
        return (float("nan"),) * 4
    means = np.bincount(index, values) / size
    within = float(((values - means[index]) ** 2).sum() / (total - units))
    between_square = float((size * (means - values.mean()) ** 2).sum() / (units - 1))
    n0 = (total - (size**2).sum() / total) / (units - 1)
    between = max((between_square - within) / n0, 0.0)
    whole = between + within
    return between, within, between / whole if whole > 0 else float("nan"), float(n0)


def variance_components(joined: pd.DataFrame) -> pd.DataFrame:
    """Variance between and within animals of each outcome that was sampled more than once an animal.

    Parameters
    ----------
    joined
        Measurements with design columns (`join_design`).

    Returns
    -------
    DataFrame
        Columns `COLUMNS`. Arms are centred first, so that the effect of an arm does not pass for variance between animals.
        design_effect = 1 + (m − 1) ICC.
    """
    df = joined[
        (joined["role"] == "sample") & (joined["qc"] != "fail") & joined["value"].notna() & (joined["variant"] == "")
    ]
    rows = []
    for outcome, part in df.groupby("outcome", sort=True):
        level = "field" if (part["field_id"] != "").any() else "section"
        sub = part[part[f"{level}_id"] != ""]
        sub = sub[sub["animal_id"] != ""]
        if sub.empty or sub["animal_id"].duplicated().sum() == 0:
            continue
        arm = [sub["condition"], sub["time"].fillna(-1), sub["roi"]]
        centred = sub["value"] - sub["value"].groupby(arm).transform("mean")
        between, within, icc, size = icc_oneway(centred.to_numpy(), sub["animal_id"].to_numpy())
        rows.append({
            "outcome": outcome, "variant": "", "n_animals": sub["animal_id"].nunique(), "n_sub": len(sub), "sub_level": level,
            "var_between": between, "var_within": within, "icc": icc, "design_effect": 1 + (size - 1) * icc,
            "reason": "" if np.isfinite(icc) else "one animal, or nothing sampled twice",
        })  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))
