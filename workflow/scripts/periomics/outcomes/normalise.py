"""Culture readouts over the vehicle of their own isolation."""

from __future__ import annotations

import numpy as np
import pandas as pd

PERCENT_OF_VEHICLE = "% of vehicle"
RATIO = "ratio_to_vehicle"
# Wells are compared within one isolation, readout, time and cue; plates that carry their own vehicle use that one.
_WITHIN = ["animal_id", "outcome", "variant", "time", "cue"]


def normalise_cultures(
    joined: pd.DataFrame, dictionary: pd.DataFrame
) -> tuple[pd.DataFrame, list[str]]:
    """Subtract blanks and divide by the own isolation's vehicle.

    Parameters
    ----------
    joined
        Measurements with design columns (`join_design`).
    dictionary
        resources/outcomes.tsv: outcomes whose unit is "% of vehicle" are replaced by 100 (y − blank) / (vehicle − blank); the
        other culture outcomes stay as they are and get a variant "ratio_to_vehicle" in the same way.

    Returns
    -------
    table
        The measurements; a row that has no vehicle to be divided by becomes qc = fail with the reason. Rows that already are
        "% of vehicle" are left alone. Blanks of the plate (batch) take precedence over blanks of the isolation.
    notes
        What was done, in words.
    """
    culture = (joined["modality"] == "culture") & (joined["qc"] != "fail") & joined["value"].notna()
    wanted = joined["outcome"].map(dictionary["unit"]) == PERCENT_OF_VEHICLE
    done = joined["unit"] == PERCENT_OF_VEHICLE
    relative = culture & wanted & ~done
    extra = (
        culture & ~wanted & joined["role"].isin(["sample", "vehicle"]) & (joined["variant"] == "")
    )
    has_vehicle = joined.loc[culture & (joined["role"] == "vehicle"), "outcome"].unique()
    extra &= joined["outcome"].isin(has_vehicle)
    out, notes = joined.copy(), []
    if relative.any():
        values, reasons = _percent(joined[relative])
        relative &= (
            joined["role"] != "blank"
        )  # blanks stay signals: they have no vehicle and take no part further on
        values, reasons = values[relative[relative].index], reasons[relative[relative].index]
        out.loc[relative, "value"] = values
        out.loc[relative, "unit"] = PERCENT_OF_VEHICLE
        out.loc[relative, ["numerator", "denominator"]] = np.nan
        out.loc[relative, "denominator_unit"] = ""
        failed = reasons[reasons != ""].index
        out.loc[failed, "qc"] = "fail"
        out.loc[failed, "qc_reason"] = reasons[failed]
        notes.append(
            f"{int(relative.sum())} plate readouts as % of the own isolation's vehicle, {len(failed)} without one"
        )
    if extra.any():
        values, reasons = _percent(joined[extra])
        more = joined[extra].assign(
            value=values,
            unit=PERCENT_OF_VEHICLE,
            numerator=np.nan,
            denominator=np.nan,
            denominator_unit="",
            variant=RATIO,
        )
        out = pd.concat([out, more[reasons == ""]], ignore_index=True)
        notes.append(f"{int((reasons == '').sum())} further culture readouts also as {RATIO}")
    return out, notes


def _percent(rows: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """100 (y − blank) / (vehicle − blank) and why a row has none; blanks and vehicles are divided like samples."""
    values = pd.Series(np.nan, index=rows.index)
    reasons = pd.Series("", index=rows.index)
    for _, group in rows.groupby(_WITHIN, dropna=False, sort=True):
        for batch, part in group.groupby("batch", sort=True):
            blank = _reference(group, rows, part, batch, "blank")
            vehicle = _reference(group, rows, part, batch, "vehicle")
            if np.isnan(vehicle):
                reasons[part.index] = "no vehicle of the same isolation, readout and time"
                continue
            span = vehicle - (0.0 if np.isnan(blank) else blank)
            if span <= 0:
                reasons[part.index] = "vehicle does not exceed the blank"
                continue
            values[part.index] = 100 * (part["value"] - (0.0 if np.isnan(blank) else blank)) / span
    return values, reasons


def _reference(
    group: pd.DataFrame, rows: pd.DataFrame, part: pd.DataFrame, batch: str, role: str
) -> float:
    """Mean of the blanks or vehicles nearest to a plate: its own, else the isolation's, else (blanks) any of the plate."""
    for pool in (part, group):
        found = pool.loc[pool["role"] == role, "value"]
        if len(found):
            return float(found.mean())
    if role == "blank":
        first = part.iloc[0]
        same = (
            (rows["outcome"] == first["outcome"])
            & (rows["variant"] == first["variant"])
            & (rows["batch"] == batch)
        )
        found = rows.loc[same & (rows["role"] == role), "value"]
        if len(found):
            return float(found.mean())
    return float("nan")
