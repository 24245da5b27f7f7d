"""Culture readouts that signals of a plate are turned into: resistance over an area, cytotoxicity, permeability."""

from __future__ import annotations

import numpy as np
import pandas as pd

from periomics.study.sheets import SECONDS_OF

# Wells are compared within one isolation, readout, time and cue; plates that carry their own references use those.
WITHIN = ["animal_id", "outcome", "variant", "time", "cue"]
_OHM, _SIGNAL = "ohm", "signal"
_SINK = 0.1  # of the donor's signal: above it the tracer runs back, and the flux is no longer that into nothing
_STRAIGHT = 0.95  # share of the variance that a line must tell
_LEAST_TIMES = 3


def derive(joined: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Turn signals of `teer`, `cyto` and `papp` into the outcomes of the dictionary.

    Parameters
    ----------
    joined
        Measurements with design columns (`join_design`).

    Returns
    -------
    table
        teer: (resistance − blank) × area; cyto: 100 (signal − low) / (high − low), low from wells of role negative_control, high from
        role control; papp: one row a specimen, slope × volume / (area × donor signal). A row without what it needs is qc = fail with
        the reason. Rows that other programs or hands give in the outcome's own unit are left alone.
    notes
        What was done, in words.
    """
    good = (joined["modality"] == "culture") & (joined["qc"] != "fail") & joined["value"].notna()
    notes: list[str] = []
    out = joined.copy()
    for outcome, unit, make in (("teer", _OHM, _teer), ("cyto", _SIGNAL, _cyto)):
        rows = good & (joined["outcome"] == outcome) & (joined["unit"] == unit)
        if not rows.any():
            continue
        made = make(joined[rows])
        used = made.index
        out.loc[used, ["value", "unit"]] = made[["value", "unit"]]
        out.loc[used, ["numerator", "denominator"]] = np.nan
        out.loc[used, "denominator_unit"] = ""
        _fail(out, made["reason"])
        notes.append(
            f"{len(used)} wells turned into {outcome}, {int((made['reason'] != '').sum())} without it"
        )
    slopes = good & (joined["outcome"] == "papp") & (joined["unit"] == _SIGNAL)
    if slopes.any():
        made = _papp(joined[slopes])
        out = pd.concat([out[~slopes], made], ignore_index=True)
        notes.append(f"{len(made)} permeabilities from {int(slopes.sum())} wells and times")
    return out, notes


def _fail(table: pd.DataFrame, reasons: pd.Series) -> None:
    """Take the value of rows that have a reason."""
    lost = reasons[reasons != ""]
    table.loc[lost.index, "value"] = np.nan
    table.loc[lost.index, "qc"] = "fail"
    table.loc[lost.index, "qc_reason"] = lost


def _teer(rows: pd.DataFrame) -> pd.DataFrame:
    """(R − blank) × area in Ω cm²; a resistance below the blank's has no TEER."""
    out = pd.DataFrame({"value": np.nan, "unit": "ohm cm2", "reason": ""}, index=rows.index)
    for _, group in rows.groupby(WITHIN, dropna=False, sort=True):
        for batch, part in group.groupby("batch", sort=True):
            blank = reference(group, rows, part, str(batch), "blank")
            if np.isnan(blank):
                out.loc[part.index, "reason"] = "no blank insert of the same isolation or plate"
                continue
            value = (part["value"] - blank) * part["denominator"]
            out.loc[part.index, "value"] = value
            out.loc[value.index[value <= 0], "reason"] = "resistance does not exceed the blank"
    return out[rows["role"] != "blank"]


def _cyto(rows: pd.DataFrame) -> pd.DataFrame:
    """100 (signal − low) / (high − low)."""
    out = pd.DataFrame({"value": np.nan, "unit": "%", "reason": ""}, index=rows.index)
    for _, group in rows.groupby(WITHIN, dropna=False, sort=True):
        for batch, part in group.groupby("batch", sort=True):
            low = reference(group, rows, part, str(batch), "negative_control")
            high = reference(group, rows, part, str(batch), "control")
            if np.isnan(low) or np.isnan(high):
                message = "needs low (role negative_control) and high (role control) wells"
                out.loc[part.index, "reason"] = message
            elif high <= low:
                out.loc[part.index, "reason"] = "the high control does not exceed the low one"
            else:
                out.loc[part.index, "value"] = 100 * (part["value"] - low) / (high - low)
    return out[rows["role"].isin(["sample", "vehicle"])]


def _papp(rows: pd.DataFrame) -> pd.DataFrame:
    """One row a specimen: slope of the signal (blank subtracted) per second × volume / area / donor signal, in cm/s.

    Only times before the receiving side has a tenth of the donor's signal count; they must be three or more and lie on a line.
    """
    blanks = rows[rows["role"] == "blank"]
    made = []
    place = ["specimen_id", "variant", "source", "reader"]
    for _, well in rows[rows["role"] != "blank"].groupby(place, dropna=False, sort=True):
        first = well.sort_values("time").iloc[0].copy()
        own = blanks[blanks["batch"] == first["batch"]]
        own = own if len(own) else blanks[blanks["animal_id"] == first["animal_id"]]
        value, reason = _flux(well.sort_values("time"), float(own["value"].mean()))
        first["field_id"] = ""
        first["value"], first["unit"], first["time"], first["time_unit"] = value, "cm/s", np.nan, ""
        first["numerator"], first["denominator"], first["denominator_unit"] = np.nan, np.nan, ""
        if reason:
            first["qc"], first["qc_reason"] = "fail", reason
        made.append(first)
    return pd.DataFrame(made, columns=rows.columns).astype(rows.dtypes.to_dict())


def _flux(well: pd.DataFrame, blank: float) -> tuple[float, str]:
    nothing = float("nan")
    if np.isnan(blank):
        return nothing, "no blank of the same isolation or plate"
    donor = float(well["denominator"].iloc[0])
    if not donor > 0:
        return nothing, "the donor's signal is not above 0"
    seconds = well["time"] * well["time_unit"].map(SECONDS_OF)
    signal = well["value"] - blank
    use = ((signal <= _SINK * donor) & seconds.notna()).cummin()
    if use.sum() < _LEAST_TIMES:
        message = f"fewer than {_LEAST_TIMES} times before the receiving side has a tenth of the donor's signal"
        return nothing, message
    x, y = seconds[use].to_numpy(float), signal[use].to_numpy(float)
    slope, start = np.polyfit(x, y, 1)
    spread = float(np.sum((y - y.mean()) ** 2))
    told = 1 - float(np.sum((y - start - slope * x) ** 2)) / spread if spread > 0 else 0.0
    if slope <= 0:
        return nothing, "the signal of the receiving side does not rise"
    if told < _STRAIGHT:
        return (
            nothing,
            f"the signal does not rise along a line (R² {told:.2f}, at least {_STRAIGHT})",
        )
    return float(slope * well["numerator"].iloc[0] / donor), ""


def reference(
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
