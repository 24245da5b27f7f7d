"""Shares of cell types per animal, and their contrasts against the types that move together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import special

from periomics.core.errors import InputError, nearest
from periomics.core.multiplicity import holm
from periomics.singlecell.reference import (
    FEWEST,
    LEAST_WEIGHT,
    MAJORITY,
    Estimates,
    Parts,
    against_declared,
    against_the_others,
)
from periomics.study.settings.singlecell import PseudobulkTests

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
    "reference",
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


def composition_table(
    groups: pd.DataFrame,
    samples: pd.DataFrame,
    contrasts: Mapping[str, Mapping[str, float]],
    paired: bool,
    settings: PseudobulkTests,
) -> pd.DataFrame:
    """Rows `unit` (shares of every unit) and rows `contrast` (a contrast a type, of log counts against a reference).

    Parameters
    ----------
    groups, samples
        As `shares`; samples also has unit. Blocks are not adjusted for: where they hold other shares of one arm than of
        another there is no p.
    contrasts
        Name → weights of arms.
    paired
        Whether arms vary within units (the unit is the block): differences within units then.
    settings
        Units an arm below which there is an estimate but no interval or p-value (`min_per_arm`), cells below which a type is
        not compared (`min_mean_cells`), and declared types (`composition_reference`).

    Returns
    -------
    DataFrame
        Columns COLUMNS. estimate is the change of log count of a type less that of its reference (`singlecell.reference`); p
        is adjusted within a contrast over types by Holm. Without a declared reference a type has no p where fewer than four
        types can be compared, or fewer than two thirds of the others move together.

    Raises
    ------
    InputError
        If a declared type is not among the cells.
    """
    if not groups["specimen_id"].isin(samples["specimen_id"]).any():
        reason = "no library that is compared has cells"
        rows = [{"row": "contrast", "contrast": c, "n_units": 0} for c in contrasts]
        empty = pd.DataFrame(rows, columns=list(COLUMNS))
        return empty.assign(status="refused", reason=reason, cell_type="")
    table = shares(groups, samples).assign(row="unit")
    _known(settings.composition_reference, sorted(set(table["cell_type"])))
    rows = []
    for name, weights in contrasts.items():
        units = {a: int(table.loc[table["arm"] == a, "animal_id"].nunique()) for a in weights}
        status, reason = _status(units, samples, paired, table, weights, settings.min_per_arm)
        if status == "refused":
            refused: dict[str, object] = {"status": status, "reason": reason}
            found = dict.fromkeys(table["cell_type"].unique(), refused)
        else:
            found = compared(table, weights, paired, settings)
        if status == "descriptive":
            found = {t: {**f, "status": status, "reason": reason} for t, f in found.items()}
        rows += [
            {"row": "contrast", "cell_type": t, "contrast": name, "n_units": sum(units.values())}
            | without_test(f)
            for t, f in sorted(found.items())
        ]
    whole = pd.concat([table, pd.DataFrame(rows)], ignore_index=True).reindex(columns=list(COLUMNS))
    for _, part in whole[whole["row"] == "contrast"].groupby("contrast"):
        whole.loc[part.index, "padj"] = holm(part["p"].to_numpy(float))
    return whole


def without_test(found: Mapping[str, object]) -> dict[str, object]:
    """What a row shows: an estimate only, unless it is tested."""
    bare = dict.fromkeys(("se", "df", "lower", "upper", "p"), np.nan)
    return {**found, **({} if found["status"] == "tested" else bare)}


def compared(
    table: pd.DataFrame, weights: Mapping[str, float], paired: bool, settings: PseudobulkTests
) -> dict[str, dict[str, object]]:
    """Each type of a contrast against its reference, with status and reason.

    Parameters
    ----------
    table
        Rows `unit` of the composition.
    weights
        Arm → weight; every arm has a unit.
    paired, settings
        As `composition_table`.
    """
    wide = table[table["arm"].isin(list(weights))].pivot(
        index=["arm", "animal_id"], columns="cell_type", values="count"
    )
    cells = wide.groupby("arm").mean().mean()
    rare = f"fewer than {settings.min_mean_cells:g} cells a unit"
    found: dict[str, dict[str, object]] = {
        t: {"status": "descriptive", "reason": f"{rare} on average ({cells[t]:.1f})"}
        for t in wide.columns
    }
    types = [t for t in wide.columns if cells[t] >= settings.min_mean_cells]
    logs = np.log(wide[types] + PRIOR)
    parts = _parts(logs, weights, paired)
    declared = [types.index(t) for t in settings.composition_reference if t in types]
    for k, name in enumerate(types if min(len(v) for _, v in parts) else []):
        found[name] = _one(parts, k, types, declared, bool(settings.composition_reference))
    return found


def _parts(logs: pd.DataFrame, weights: Mapping[str, float], paired: bool) -> Parts:
    """Values of each arm with its weight, or differences within the units that have all arms."""
    arms = {a: logs.loc[a] for a in weights}
    if not paired:
        return [(w, arms[a].to_numpy(float)) for a, w in weights.items()]
    both = sorted(set.intersection(*(set(df.index) for df in arms.values())))
    each = sum(w * arms[a].loc[both].to_numpy(float) for a, w in weights.items())
    return [(1.0, np.asarray(each, float))]


def _one(
    parts: Parts, column: int, types: Sequence[str], declared: Sequence[int], is_declared: bool
) -> dict[str, object]:
    if is_declared:
        if not declared:
            return {"status": "descriptive", "reason": "the declared reference has too few cells"}
        if column in declared:
            return {"status": "descriptive", "reason": "declared reference"}
        names = "; ".join(types[i] for i in declared)
        estimates = against_declared(parts, column, declared)
        return _called({**_interval(estimates), "reference": names})
    if len(types) < 2:
        return {"status": "descriptive", "reason": "no other type to compare with"}
    estimates, share = against_the_others(parts, column)
    chosen = [t for t, w in zip(types, share, strict=True) if w > LEAST_WEIGHT]
    out = {**_interval(estimates), "reference": "; ".join(chosen)}
    reason = ""
    if len(types) < FEWEST:
        reason = f"{len(types)} types: which of them changed needs a declared reference"
    elif len(chosen) < MAJORITY * (len(types) - 1) - 1e-9:
        most = f"{len(chosen)} of {len(types) - 1} other types move together"
        reason = f"only {most}: no reference without one declared"
    return _called(out, reason)


def _called(found: Mapping[str, object], reason: str = "") -> dict[str, object]:
    """An estimate with what it is called: tested, unless there is a reason or no interval."""
    if not reason and found["p"] != found["p"]:
        reason = "units of an arm do not differ: no interval"
    return {**found, "status": "descriptive" if reason else "tested", "reason": reason}


def _known(declared: Sequence[str], types: Sequence[str]) -> None:
    for name in declared:
        if name not in types:
            raise InputError(
                f"the declared reference is no type of these cells{nearest(name, types)}",
                file="config",
                column="singlecell/tests/composition_reference",
                value=name,
                allowed=", ".join(types),
            )


def _interval(estimates: Estimates) -> dict[str, object]:
    """Estimate of one column, with a t interval where its units differ."""
    change, se, freedom = (
        float(x[0]) for x in (estimates.change, estimates.error, estimates.freedom)
    )
    half = special.stdtrit(freedom, 0.975) * se if se > 0 and freedom >= 1 else np.nan
    return {
        "estimate": change,
        "se": se,
        "df": freedom,
        "lower": change - half,
        "upper": change + half,
        "p": float(2 * special.stdtr(freedom, -abs(change) / se)) if half == half else np.nan,
    }


def _status(
    units: Mapping[str, int],
    samples: pd.DataFrame,
    paired: bool,
    table: pd.DataFrame,
    weights: Mapping[str, float],
    fewest: int,
) -> tuple[str, str]:
    missing = [a for a, n in units.items() if n == 0]
    if missing:
        return "refused", f"no library in arm {', '.join(missing)}"
    if (samples["unit"] == "technical").any():
        return "descriptive", "technical replicates: no inference beyond this one biological sample"
    whole = table[table["arm"].isin(list(weights))].drop_duplicates(["animal_id", "arm"])
    whole = whole[["animal_id", "arm"]]
    if paired:
        arms = whole.groupby("animal_id")["arm"].transform("size")
        whole = whole[arms == len(weights)]
        complete = whole["animal_id"].nunique()
        if complete < fewest:
            return "descriptive", f"{complete} units with all arms, fewer than {fewest}"
    elif min(units.values()) < fewest:
        low = ", ".join(f"{a} {n}" for a, n in units.items())
        return "descriptive", f"fewer than {fewest} units per arm ({low})"
    if _uneven(samples.merge(whole)):
        return "descriptive", "blocks differ between arms, and shares are not adjusted for blocks"
    return "tested", ""


def _uneven(samples: pd.DataFrame) -> bool:
    """Whether some block holds another share of one arm than of another."""
    for block in [c for c in samples.columns if c.startswith("block_")]:
        once = samples.drop_duplicates(["animal_id", "arm", block])
        held = pd.crosstab(once[block], once["arm"], normalize="columns").to_numpy()
        if (np.ptp(held, axis=1) > 1e-9).any():
            return True
    return False
