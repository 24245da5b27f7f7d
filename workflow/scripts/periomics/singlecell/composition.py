"""Shares of cell types per animal, and their contrasts on centred log ratios."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy import stats

from periomics.core.multiplicity import benjamini_hochberg

COLUMNS = (
    "row",
    "animal_id",
    "arm",
    "cell_type",
    "count",
    "proportion",
    "clr",
    "contrast",
    "estimate",
    "se",
    "df",
    "lower",
    "upper",
    "p",
    "padj",
    "n_units",
    "status",
    "reason",
)
PRIOR = 0.5


def centred_log_ratios(counts: np.ndarray) -> np.ndarray:
    """log of each share over the geometric mean of all shares; half a cell is added everywhere against log 0.

    Parameters
    ----------
    counts
        (units, types), cells.
    """
    logs = np.log(np.asarray(counts, float) + PRIOR)
    return logs - logs.mean(axis=1, keepdims=True)


def shares(groups: pd.DataFrame, samples: pd.DataFrame) -> pd.DataFrame:
    """Cells, proportion (0 to 1) and centred log ratio of every unit, arm and type.

    Parameters
    ----------
    groups
        specimen_id, cell_type, n_cells (of `pseudobulk`).
    samples
        specimen_id, animal_id, arm and block columns; libraries of a unit under the same arm are added.
    """
    joined = groups.drop(columns="animal_id", errors="ignore").merge(
        samples[["specimen_id", "animal_id", "arm"]], on="specimen_id"
    )
    wide = joined.pivot_table(
        index=["animal_id", "arm"],
        columns="cell_type",
        values="n_cells",
        aggfunc="sum",
        fill_value=0,
    ).sort_index()
    counts = wide.to_numpy(float)
    size = wide.shape[1]
    keys = wide.index.repeat(size).to_frame(index=False)
    return keys.assign(
        cell_type=np.tile(wide.columns.to_numpy(str), len(wide)),
        count=counts.ravel().astype(int),
        proportion=(counts / counts.sum(axis=1, keepdims=True)).ravel(),
        clr=centred_log_ratios(counts).ravel(),
    )


def contrast(values: Mapping[str, np.ndarray], weights: Mapping[str, float]) -> dict[str, float]:
    """A contrast of arm means with group-wise variances and Satterthwaite degrees of freedom (Welch for two arms).

    Parameters
    ----------
    values
        Arm → one number a unit, at least two each.
    weights
        Arm → weight.
    """
    parts = [(w, np.asarray(values[a], float)) for a, w in weights.items()]
    estimate = sum(w * v.mean() for w, v in parts)
    terms = [w**2 * v.var(ddof=1) / len(v) for w, v in parts]
    variance = sum(terms)
    freedom = (
        variance**2 / sum(t**2 / (len(v) - 1) for t, (_, v) in zip(terms, parts, strict=True))
        if variance > 0
        else np.nan
    )
    return _interval(float(estimate), float(np.sqrt(variance)), float(freedom))


def paired_contrast(wide: pd.DataFrame, weights: Mapping[str, float]) -> dict[str, float]:
    """A contrast within units: the weighted sum of each unit that has all arms, then a t interval over units."""
    each = sum(w * wide[a] for a, w in weights.items()).dropna().to_numpy(float)
    se = each.std(ddof=1) / np.sqrt(len(each)) if len(each) > 1 else np.nan
    return _interval(float(each.mean()) if len(each) else np.nan, float(se), float(len(each) - 1))


def _interval(estimate: float, se: float, freedom: float) -> dict[str, float]:
    if not (se > 0 and freedom >= 1):
        return {
            "estimate": estimate,
            "se": se,
            "df": freedom,
            "lower": np.nan,
            "upper": np.nan,
            "p": np.nan,
        }
    half = stats.t.ppf(0.975, freedom) * se
    p = 2 * stats.t.sf(abs(estimate) / se, freedom)
    return {
        "estimate": estimate,
        "se": se,
        "df": freedom,
        "lower": estimate - half,
        "upper": estimate + half,
        "p": float(p),
    }


def composition_table(
    groups: pd.DataFrame,
    samples: pd.DataFrame,
    contrasts: Mapping[str, Mapping[str, float]],
    paired: bool,
    min_per_arm: int,
) -> pd.DataFrame:
    """Rows `unit` (shares of every unit) and rows `contrast` (a contrast a type, on centred log ratios).

    Parameters
    ----------
    groups, samples
        As `shares`; samples also has unit.
    contrasts
        Name → weights of arms.
    paired
        Whether arms vary within units (the unit is the block): differences within units then.
    min_per_arm
        Units an arm below which there is an estimate but no interval or p-value.

    Returns
    -------
    DataFrame
        Columns COLUMNS; p is adjusted within a contrast over types (Benjamini and Hochberg).
    """
    if groups.empty or samples.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    table = shares(groups, samples).assign(row="unit")
    technical = bool((samples["unit"] == "technical").any())
    rows = []
    for name, weights in contrasts.items():
        units = {a: int(table.loc[table["arm"] == a, "animal_id"].nunique()) for a in weights}
        status, reason = _status(units, technical, paired, table, weights, min_per_arm)
        found = []
        for cell_type, part in table.groupby("cell_type", sort=True):
            entry = {
                "row": "contrast",
                "cell_type": cell_type,
                "contrast": name,
                "n_units": sum(units.values()),
                "status": status,
                "reason": reason,
            }
            if status != "refused":
                entry |= _estimate(part, weights, paired)
            if status != "tested":
                entry |= dict.fromkeys(("se", "df", "lower", "upper", "p"), np.nan)
            found.append(entry)
        if status == "tested":
            adjusted = benjamini_hochberg([e["p"] for e in found])
            found = [{**e, "padj": a} for e, a in zip(found, adjusted, strict=True)]
        rows += found
    return pd.concat([table, pd.DataFrame(rows)], ignore_index=True).reindex(columns=list(COLUMNS))


def _estimate(part: pd.DataFrame, weights: Mapping[str, float], paired: bool) -> dict[str, float]:
    if paired:
        return paired_contrast(
            part.pivot_table(index="animal_id", columns="arm", values="clr"), weights
        )
    values = {a: part.loc[part["arm"] == a, "clr"].to_numpy() for a in weights}
    if min(len(v) for v in values.values()) < 2:
        return {"estimate": float(sum(w * values[a].mean() for a, w in weights.items()))}
    return contrast(values, weights)


def _status(
    units: Mapping[str, int],
    technical: bool,
    paired: bool,
    table: pd.DataFrame,
    weights: Mapping[str, float],
    fewest: int,
) -> tuple[str, str]:
    missing = [a for a, n in units.items() if n == 0]
    if missing:
        return "refused", f"no library in arm {', '.join(missing)}"
    if technical:
        return "descriptive", "technical replicates: no inference beyond this one biological sample"
    if paired:
        arms = table[["animal_id", "arm"]].drop_duplicates()
        complete = (
            arms[arms["arm"].isin(list(weights))].groupby("animal_id").size().eq(len(weights)).sum()
        )
        return (
            ("tested", "")
            if complete >= fewest
            else ("descriptive", f"{complete} units with all arms, fewer than {fewest}")
        )
    low = ", ".join(f"{a} {n}" for a, n in units.items())
    return (
        ("tested", "")
        if min(units.values()) >= fewest
        else ("descriptive", f"fewer than {fewest} units per arm ({low})")
    )
