"""Culture readouts over the vehicle of their own isolation."""

from __future__ import annotations

import numpy as np
import pandas as pd

from periomics.outcomes.aggregate import excluded_reasons
from periomics.outcomes.derived import WITHIN, derive, reference

PERCENT_OF_VEHICLE = "% of vehicle"
RATIO = "ratio_to_vehicle"
_NO_BLANK = "no blank of the same plate or isolation: nothing was subtracted"
_LEFT_OUT = "left out, "  # before the role of a blank, vehicle or control that nothing may rest on


def normalise_cultures(
    joined: pd.DataFrame, dictionary: pd.DataFrame, exclusions: pd.DataFrame | None = None
) -> tuple[pd.DataFrame, list[str]]:
    """Subtract blanks and divide by the own isolation's vehicle.

    Parameters
    ----------
    joined
        Measurements with design columns (`join_design`).
    dictionary
        resources/outcomes.tsv: outcomes whose unit is "% of vehicle" are replaced by 100 (y − blank) / (vehicle − blank); the
        other culture outcomes stay as they are and get a variant "ratio_to_vehicle" in the same way.
    exclusions
        The exclusions sheet. What it names, and what a quality gate holds back, is no blank, vehicle or control of others.

    Returns
    -------
    table
        The measurements; a row that has no vehicle to be divided by becomes qc = fail with the reason. Rows that already are
        "% of vehicle" are left alone. Blanks of the plate (batch) take precedence over blanks of the isolation.
    notes
        What was done, in words.
    """
    away = joined["qc"] == "hold"
    if exclusions is not None:
        away |= excluded_reasons(joined, exclusions) != ""
    away &= joined["role"] != "sample"
    joined, notes = derive(
        joined.assign(role=joined["role"].where(~away, _LEFT_OUT + joined["role"]))
    )
    culture = (joined["modality"] == "culture") & (joined["qc"] != "fail") & joined["value"].notna()
    wanted = joined["outcome"].map(dictionary["unit"]) == PERCENT_OF_VEHICLE
    done = joined["unit"] == PERCENT_OF_VEHICLE
    relative = culture & wanted & ~done
    extra = (
        culture & ~wanted & joined["role"].isin(["sample", "vehicle"]) & (joined["variant"] == "")
    )
    has_vehicle = joined.loc[culture & (joined["role"] == "vehicle"), "outcome"].unique()
    extra &= joined["outcome"].isin(has_vehicle)
    out = joined.copy()
    if relative.any():
        values, reasons = percent_of_vehicle(joined[relative])
        bare = without_blank(joined[relative])
        # Blanks stay signals: they have no vehicle and take no part further on.
        relative &= joined["role"].str.removeprefix(_LEFT_OUT) != "blank"
        values, reasons = values[relative[relative].index], reasons[relative[relative].index]
        out.loc[relative, "value"] = values
        out.loc[relative, "unit"] = PERCENT_OF_VEHICLE
        out.loc[relative, ["numerator", "denominator"]] = np.nan
        out.loc[relative, "denominator_unit"] = ""
        _remark(out, bare[bare].index.intersection(values.index))
        failed = reasons[reasons != ""].index
        out.loc[failed, "qc"] = "fail"
        out.loc[failed, "qc_reason"] = reasons[failed]
        notes.append(
            f"{int(relative.sum())} plate readouts as % of the own isolation's vehicle, {len(failed)} without one"
        )
    if extra.any():
        values, reasons = percent_of_vehicle(joined[extra])
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
    out["role"] = out["role"].str.removeprefix(_LEFT_OUT)
    return out, notes


def _remark(table: pd.DataFrame, rows: pd.Index) -> None:
    """Say of rows that no blank was subtracted."""
    before = table.loc[rows, "qc_reason"]
    table.loc[rows, "qc_reason"] = before.where(before == "", before + "; ") + _NO_BLANK
    table.loc[rows, "qc"] = table.loc[rows, "qc"].replace("pass", "warn")


def without_blank(rows: pd.DataFrame) -> pd.Series:
    """Which rows no blank of their plate or isolation belongs to."""
    out = pd.Series(False, index=rows.index)
    for _, group in rows.groupby(WITHIN, dropna=False, sort=True):
        for batch, part in group.groupby("batch", sort=True):
            out[part.index] = bool(np.isnan(reference(group, rows, part, str(batch), "blank")))
    return out


def percent_of_vehicle(rows: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """100 (y − blank) / (vehicle − blank) and why a row has none; blanks and vehicles are divided like samples."""
    values = pd.Series(np.nan, index=rows.index)
    reasons = pd.Series("", index=rows.index)
    for _, group in rows.groupby(WITHIN, dropna=False, sort=True):
        for batch, part in group.groupby("batch", sort=True):
            blank = reference(group, rows, part, batch, "blank")
            vehicle = reference(group, rows, part, batch, "vehicle")
            if np.isnan(vehicle):
                reasons[part.index] = "no vehicle of the same isolation, readout and time"
                continue
            span = vehicle - (0.0 if np.isnan(blank) else blank)
            if span <= 0:
                reasons[part.index] = "vehicle does not exceed the blank"
                continue
            values[part.index] = 100 * (part["value"] - (0.0 if np.isnan(blank) else blank)) / span
    return values, reasons
