"""All measurements of a study as one table, and the design columns that say what each specimen is."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from periomics.core.errors import InputError, PeriomicsError
from periomics.core.results import read_result
from periomics.study.dictionary import entry
from periomics.study.measurements import COLUMNS, NUMERIC, concatenate
from periomics.study.modalities import OF_SHEET
from periomics.study.sheets import NUMBER_SHEETS, SPECIMEN_SHEETS, observed

DESIGN = ("condition", "dose", "dose_unit", "time", "time_unit", "batch", "role", "replaces", "cue")


def specimen_table(sheets: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """One row per specimen with its design columns.

    Parameters
    ----------
    sheets
        Sheets by name as `periomics.study.sheets.read_sheet` returns them; absent sheets are skipped.

    Returns
    -------
    DataFrame
        specimen_id, animal_id, modality and the columns of `DESIGN`. A specimen that several rows describe (sections of a
        block, frames of a culture) keeps time only where the rows agree; measurements then carry their own.

    Raises
    ------
    InputError
        If rows of one specimen disagree on animal, condition, dose, role or cue.
    """
    parts = []
    for name in SPECIMEN_SHEETS:
        sheet = sheets.get(name)
        if sheet is None or sheet.empty:
            continue
        part = sheet.reindex(columns=["specimen_id", "animal_id", *DESIGN]).copy()
        for column in part.columns.difference(["dose", "time"]):
            part[column] = part[column].where(part[column].notna(), "").astype(str)
        if name == "libraries":
            part["modality"] = sheet["assay"]
        elif name == "imports":
            part["modality"] = sheet["modality"].where(sheet["modality"] != "", "imports")
        else:
            part["modality"] = OF_SHEET[name]
        _agree(part, name)
        times = part.groupby("specimen_id")["time"].transform("nunique")
        part.loc[times > 1, "time"] = float("nan")
        batches = part.groupby("specimen_id")["batch"].transform(
            lambda b: "|".join(sorted(set(b) - {""}))
        )
        parts.append(part.assign(batch=batches).drop_duplicates("specimen_id"))
    parts += [_numbers(name, sheets[name]) for name in NUMBER_SHEETS if name in sheets]
    columns = ["specimen_id", "animal_id", "modality", *DESIGN]
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
    _contradict(table)
    # A vendor's table may describe a specimen that was also measured here: the sheet of the raw file says what it is.
    return table[columns].drop_duplicates("specimen_id").reset_index(drop=True)


def _numbers(name: str, sheet: pd.DataFrame) -> pd.DataFrame:
    """Specimens of which a sheet of numbers states condition or dose; the others are what their own sheets say, or their animals."""
    part = sheet[(sheet["condition"] != "") | sheet["dose"].notna()].copy()
    if name == "clinical":
        part["specimen_id"] = [
            observed(*row)
            for row in part[["animal_id", "condition", "dose"]].itertuples(index=False)
        ]
    part = part.assign(modality=name, role="", cue="", replaces="", batch="", time=np.nan)
    part["time_unit"] = ""
    _agree(part, name)
    return part.drop_duplicates("specimen_id")


def _contradict(table: pd.DataFrame) -> None:
    """Refuse a reading that states another condition or dose than the sheet of its specimen."""
    first = table.drop_duplicates("specimen_id").set_index("specimen_id")
    for row in table[table["modality"].isin(NUMBER_SHEETS)].itertuples():
        own = first.loc[row.specimen_id]
        same = own["condition"] == row.condition and np.array_equal(
            [own["dose"]], [row.dose], equal_nan=True
        )
        if not same:
            raise InputError(
                f"specimen {row.specimen_id!r} has another condition or dose in its own sheet",
                file=f"{row.modality} sheet",
                column="condition",
                value=f"{row.condition} {'' if np.isnan(row.dose) else row.dose}".strip(),
                allowed=f"{own['condition']} {'' if np.isnan(own['dose']) else own['dose']}".strip(),
            )


def _agree(part: pd.DataFrame, sheet: str) -> None:
    for column in ("animal_id", "condition", "dose", "role", "cue", "replaces"):
        odd = part.groupby("specimen_id")[column].nunique(dropna=False)
        if (odd > 1).any():
            specimen = odd.index[odd > 1][0]
            raise InputError(
                "rows of one specimen disagree",
                file=f"{sheet} sheet",
                column=column,
                value=f"{specimen}: {sorted(map(str, set(part.loc[part['specimen_id'] == specimen, column])))}",
            )


def hold(df: pd.DataFrame, reasons: Mapping[str, str]) -> pd.DataFrame:
    """Measurements of which all that are no failures are held back, of the specimens that have a
    reason."""
    why = df["specimen_id"].map(reasons)
    held = why.notna() & (df["qc"] != "fail")
    before = df["qc_reason"].where(df["qc_reason"] == "", "; " + df["qc_reason"])
    return df.assign(
        qc=df["qc"].mask(held, "hold"), qc_reason=df["qc_reason"].mask(held, why + before)
    )


def release(
    joined: pd.DataFrame, confirmed: Mapping[tuple[str, str], str], everything: bool = False
) -> pd.DataFrame:
    """Measurements with those that a sheet confirms no longer held back: a remark says by whom and why.

    Parameters
    ----------
    joined
        Of `join_design`.
    confirmed
        Of `sheets.confirmations`.
    everything
        Release all, to see what holding back changes.
    """
    df = joined.copy()
    held = df["qc"] == "hold"
    if not held.any():
        return df
    for column in ("section_id", "specimen_id"):
        text = df[column].map({i: t for (c, i), t in confirmed.items() if c == column})
        hit = held & (text.notna() | everything)
        remark = df["qc_reason"] + ("" if everything else "; confirmed: " + text.fillna(""))
        df.loc[hit, "qc_reason"] = remark[hit]
        df.loc[hit, "qc"] = "warn"
        held &= ~hit
    return df


def read_measurements(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read one measurements.tsv with the interface's columns and types.

    Raises
    ------
    InputError
        If the file lacks a column.
    """
    df = read_result(path)
    missing = [c for c in COLUMNS if c not in df.columns]
    if missing:
        raise InputError(f"lacks columns {missing}", file=path)
    for column in COLUMNS:
        if column in NUMERIC:
            df[column] = pd.to_numeric(df[column]).astype(float)
        else:
            df[column] = df[column].where(df[column].notna(), "").astype(str)
    return df[list(COLUMNS)]


def collect(tables: Iterable[tuple[str, pd.DataFrame]], dictionary: pd.DataFrame) -> pd.DataFrame:
    """One checked measurements table from many.

    Parameters
    ----------
    tables
        Pairs of a name for errors (file) and a measurements table.
    dictionary
        resources/outcomes.tsv.

    Raises
    ------
    InputError
        If an outcome is unknown, or one outcome and variant is measured in two units.
    """
    tables = list(tables)
    for name, table in tables:
        for outcome in dict.fromkeys(table["outcome"]):
            try:
                entry(dictionary, outcome)
            except InputError as error:
                raise InputError(error.message, file=name, column="outcome") from None
    try:
        df = concatenate(t for _, t in tables)
    except PeriomicsError as error:
        raise InputError(f"{error} (over {len(tables)} tables)") from None
    measured = df[df["value"].notna()]
    units = measured.groupby(["outcome", "variant"])["unit"].agg(lambda u: sorted(set(u)))
    mixed = units[units.map(len) > 1]
    if len(mixed):
        outcome, variant = mixed.index[0]
        raise InputError(
            f"outcome {outcome!r} (variant {variant!r}) is measured in more than one unit",
            column="unit",
            value=", ".join(mixed.iloc[0]),
            allowed=str(entry(dictionary, outcome)["unit"]),
        )
    return df


def with_dose_given(df: pd.DataFrame, animals: pd.DataFrame, where: pd.Series) -> pd.DataFrame:
    """Rows with the dose that their animal was given, where the specimen says nothing else.

    Parameters
    ----------
    df
        Columns `animal_id, dose, dose_unit`.
    animals
        The animals sheet by animal_id.
    where
        Rows that take it.
    """
    unit = animals.reindex(columns=["dose", "dose_unit"]).reindex(df["animal_id"])
    dose = pd.to_numeric(unit["dose"]).to_numpy(float)
    name = unit["dose_unit"].fillna("").to_numpy(str)
    return df.assign(
        dose=df["dose"].where(~where, dose), dose_unit=df["dose_unit"].where(~where, name)
    )


def join_design(
    measurements: pd.DataFrame, animals: pd.DataFrame, specimens: pd.DataFrame
) -> pd.DataFrame:
    """Join arm, dose, time, batch, role and what a specimen replaces to measurements.

    Returns
    -------
    DataFrame
        The measurements with `condition, dose, dose_unit, batch, replaces, cue` and `unit_of_analysis, block`. The condition is
        the specimen's own, else the animal's group; where one condition was cultured with and without wound cue, it ends in
        "+cue" under cue. Role and time are the sheet's where the sheet states them (measuring jobs see
        vehicles as samples).

    Raises
    ------
    InputError
        If a row names an animal that is not in the animals sheet, or another animal than the sheet of its specimen.
    """
    df = measurements.copy()
    known = specimens.set_index("specimen_id")
    listed = df["specimen_id"].isin(known.index)
    of = known.reindex(df["specimen_id"]).reset_index(drop=True)
    of.index = df.index
    clash = listed & (df["animal_id"] != "") & (of["animal_id"] != df["animal_id"])
    if clash.any():
        row = df[clash].iloc[0]
        raise InputError(
            f"specimen {row['specimen_id']!r} belongs to another animal in its sheet",
            column="animal_id",
            value=row["animal_id"],
            allowed=str(of.loc[clash, "animal_id"].iloc[0]),
        )
    df["animal_id"] = df["animal_id"].where(df["animal_id"] != "", of["animal_id"].fillna(""))
    for column in ("condition", "dose_unit", "batch", "replaces", "cue"):
        df[column] = of[column].fillna("") if len(of) else ""
    df["dose"] = pd.to_numeric(of["dose"]) if len(of) else pd.Series(dtype=float)
    df["role"] = of["role"].where(listed & (of["role"] != ""), df["role"])
    own = df["time"].notna()
    df["time"] = df["time"].where(own, pd.to_numeric(of["time"]))
    df["time_unit"] = df["time_unit"].where(own, of["time_unit"].fillna(""))
    sheet = animals.set_index("animal_id")
    strange = (df["animal_id"] != "") & ~df["animal_id"].isin(sheet.index)
    if strange.any():
        row = df[strange].iloc[0]
        raise InputError(
            f"specimen {row['specimen_id']!r} names an animal that is not in the animals sheet",
            column="animal_id",
            value=row["animal_id"],
        )
    unit = sheet.reindex(df["animal_id"])
    for column, source in (("group", "group"), ("block", "block"), ("unit_of_analysis", "unit")):
        df[column] = unit[source].fillna("").to_numpy()
    given = df["dose"].isna() & (df["condition"] == "")
    df = with_dose_given(df, sheet, given)
    df["condition"] = df["condition"].where(df["condition"] != "", df["group"])
    cued = {c for c, cue in zip(df["condition"], df["cue"], strict=True) if cue == "1"}
    bare = {c for c, cue in zip(df["condition"], df["cue"], strict=True) if cue == "0"}
    df["condition"] += [
        "+cue" if cue == "1" and c in cued & bare else ""
        for c, cue in zip(df["condition"], df["cue"], strict=True)
    ]
    return df.drop(columns="group")
