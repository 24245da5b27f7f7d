"""The one meeting point: a long table of everything that has a value per specimen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from periomics.core.errors import PeriomicsError
from periomics.study import modalities

COLUMNS = (
    "specimen_id",
    "animal_id",
    "modality",
    "section_id",
    "field_id",
    "roi",
    "outcome",
    "variant",
    "time",
    "time_unit",
    "value",
    "unit",
    "numerator",
    "denominator",
    "denominator_unit",
    "level",
    "n_sub",
    "role",
    "method",
    "source",
    "reader",
    "qc",
    "qc_reason",
)
KEY = (
    "specimen_id",
    "section_id",
    "field_id",
    "roi",
    "outcome",
    "variant",
    "time",
    "source",
    "reader",
)
NUMERIC = ("time", "value", "numerator", "denominator", "n_sub")
LEVELS = ("cell", "field", "section", "well", "specimen", "animal")
ROLES = ("sample", "vehicle", "blank", "control", "negative_control", "phantom")
SOURCES = ("measured", "imported", "reading")
# warn: counted, with a remark; hold: left out of animals until the sheet confirms it; fail: no value.
QC = ("pass", "warn", "hold", "fail")
_ALLOWED = {
    "level": LEVELS,
    "role": ROLES,
    "source": SOURCES,
    "qc": QC,
    "modality": modalities.NAMES,
}


def empty() -> pd.DataFrame:
    """An empty measurements table with the right columns and types."""
    return tidy([])


def tidy(rows: Iterable[Mapping[str, object]], **common: object) -> pd.DataFrame:
    """Make a measurements table from rows, and check it.

    Parameters
    ----------
    rows
        One mapping a measurement; a column that is not given is empty. `source` defaults to measured, `role` to sample,
        `qc` to pass.
    common
        Values that hold for every row that does not state them.

    Raises
    ------
    PeriomicsError
        On an unknown column, a value outside an enumeration, a duplicate key, or an infinite value.
    """
    defaults = {"source": "measured", "role": "sample", "qc": "pass", **common}
    df = pd.DataFrame(
        [{**defaults, **row} for row in rows], columns=None if rows else list(COLUMNS)
    )
    unknown = [c for c in df.columns if c not in COLUMNS]
    if unknown:
        raise PeriomicsError(f"measurements: unknown columns {unknown}")
    df = df.reindex(columns=list(COLUMNS))
    for column in COLUMNS:
        if column in NUMERIC:
            df[column] = pd.to_numeric(df[column]).astype(float)
        else:
            df[column] = df[column].where(df[column].notna(), "").astype(str)
    validate(df)
    return df


def validate(df: pd.DataFrame) -> None:
    """Raise PeriomicsError if a measurements table breaks the interface."""
    for column, allowed in _ALLOWED.items():
        bad = sorted(set(df[column]) - set(allowed))
        if bad:
            raise PeriomicsError(
                f"measurements: column {column} holds {bad}; allowed: {', '.join(allowed)}"
            )
    for column in NUMERIC:
        if np.isinf(df[column].to_numpy(float)).any():
            raise PeriomicsError(f"measurements: column {column} holds an infinite value")
    twice = df.duplicated(list(KEY), keep=False)
    if twice.any():
        first = df.loc[twice, list(KEY)].iloc[0].to_dict()
        raise PeriomicsError(f"measurements: {int(twice.sum())} rows share a key, first {first}")
    silent = df["qc"].isin(["hold", "fail"]) & (df["qc_reason"] == "")
    if silent.any():
        raise PeriomicsError("measurements: a row with qc = hold or fail needs a qc_reason")


def failed(outcomes: Sequence[str], reason: str, **common: object) -> pd.DataFrame:
    """Rows for a specimen that could not be measured: no value, `qc` = fail, and why."""
    text = " ".join(str(reason).split())
    return tidy([{"outcome": o, "qc": "fail", "qc_reason": text} for o in outcomes], **common)


def concatenate(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Join measurements tables, check the whole, and sort by key (so that the result does not depend on job order)."""
    tables = [t for t in tables if len(t)]
    df = pd.concat(tables, ignore_index=True) if tables else empty()
    validate(df)
    return df.sort_values(list(KEY), kind="stable", na_position="first").reset_index(drop=True)
