"""Result tables: how they are written and read back.

Tab-separated UTF-8 with LF and a header; floats with 10 significant digits; missing is empty, never 0.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from periomics.core.errors import InputError
from periomics.core.files import atomic

FLOAT_FORMAT = "%.10g"
# Identifiers stay text when a table is read back, even if they look like numbers.
TEXT_COLUMNS = frozenset(
    "specimen_id animal_id library_id section_id field_id roi outcome variant batch block group condition time_unit "
    "unit denominator_unit dose_unit modality level role method source reader qc qc_reason reason status contrast "
    "claim_id score_id symbol gene_id cell_type kind axis class table rule verdict confounded_with family scale "
    "arm adjusted_for covariates r_by_arm response question rung holds subject held missing sentence".split()
)


def write_result(
    df: pd.DataFrame, path: str | os.PathLike[str], columns: Sequence[str] | None = None
) -> None:
    """Write a result table whole or not at all.

    Parameters
    ----------
    df
        The table; the index is not written.
    path
        Where.
    columns
        The interface's columns in order; raises KeyError if one is missing. Further columns follow.
    """
    if columns is not None:
        missing = [c for c in columns if c not in df.columns]
        if missing:
            raise KeyError(f"{path}: result lacks columns {missing}")
        df = df[[*columns, *(c for c in df.columns if c not in columns)]]
    with atomic(path) as part:
        df.to_csv(
            part,
            sep="\t",
            index=False,
            float_format=FLOAT_FORMAT,
            lineterminator="\n",
            encoding="utf-8",
        )


def read_result(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a table that `write_result` wrote; text columns stay text (missing text is '')."""
    path = Path(path)
    if not path.exists():
        raise InputError("result table does not exist", file=path)
    header = pd.read_csv(path, sep="\t", nrows=0).columns
    text = [c for c in header if c in TEXT_COLUMNS]
    numeric_missing = {c: [""] for c in text} | {
        c: ["", "NA", "nan", "NaN"] for c in header if c not in text
    }
    df = pd.read_csv(
        path,
        sep="\t",
        dtype=dict.fromkeys(text, str),
        keep_default_na=False,
        na_values=numeric_missing,
    )
    df[text] = df[text].fillna("")
    return df
