"""Plate readouts: one signal a well, as the reader gave it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd

from periomics.core.errors import InputError
from periomics.core.tables import decimal_commas, read_table

WELL = re.compile(r"^([A-Pa-p])0*([1-9]|1[0-9]|2[0-4])$")

WELLS = "A1 to P24"


def well_name(text: str) -> str:
    """`b03` as `B3`.

    Raises
    ------
    ValueError
        If the text is not a well of a plate with up to 384 wells.
    """
    match = WELL.match(text.strip())
    if not match:
        raise ValueError(f"{text!r} is not a well")
    return f"{match[1].upper()}{int(match[2])}"


def read_plate(path: str | Path) -> pd.Series:
    """Signals of a plate, indexed by well name, from a grid or from a list.

    A grid has the columns' numbers in its header and the rows' letters in its first column; a list has columns `well` and
    `value`. TSV, CSV and XLSX are read.

    Raises
    ------
    InputError
        Naming row, column and value of the first cell that is no number, or saying what the file lacks.
    """
    table = read_table(path, Path(path).name)
    errors = [p for p in table.problems if p.level == "error"]
    if errors:
        raise InputError(errors[0].message, file=path, row=errors[0].row or None)
    data = table.data
    if {"well", "value"} <= set(data.columns):
        cells = [(row, str(w), str(v)) for row, w, v in data[["well", "value"]].itertuples()]
    else:
        first = data.columns[0]
        numbers = [c for c in data.columns[1:] if c.isdigit()]
        if not numbers:
            raise InputError(
                "neither a grid of wells nor a list",
                file=path,
                row=1,
                allowed="columns well and value, or a grid with numbers above and letters before",
            )
        cells = [
            (row, f"{data.at[row, first]}{c}", data.at[row, c])
            for row in data.index
            for c in numbers
        ]
    texts, _ = decimal_commas(pd.Series([c for *_, c in cells], dtype=str, name="signal"), "")
    cells = [(row, name, text) for (row, name, _), text in zip(cells, texts, strict=True)]
    signals: dict[str, float] = {}
    for row, name, text in cells:
        if text == "":
            continue
        try:
            well = well_name(name)
        except ValueError:
            raise InputError("not a well", file=path, row=row, value=name, allowed=WELLS) from None
        try:
            signals[well] = float(text)
        except ValueError:
            saturated = text.upper() in ("OVRFLW", "OVER", "OVERFLOW", "SAT")
            message = "the reader was saturated" if saturated else "not a number"
            raise InputError(message, file=path, row=row, column=name, value=text) from None
    return pd.Series(signals, name="signal", dtype=float)


def edge_well(well: str, wells: pd.Index) -> bool:
    """Whether a well lies on the outer rim of the wells that the plate's format has (96 or 384, by the largest well used)."""
    big = any(w[0] > "H" or int(w[1:]) > 12 for w in wells)
    rows, columns = ("AP", (1, 24)) if big else ("AH", (1, 12))
    return well[0] in rows or int(well[1:]) in columns


def z_prime(high: np.ndarray, low: np.ndarray) -> float:
    """Z' = 1 − 3 (sd_high + sd_low) / |mean_high − mean_low|, missing with fewer than two wells per side."""
    if len(high) < 2 or len(low) < 2 or np.mean(high) == np.mean(low):
        return float("nan")
    return float(
        1 - 3 * (np.std(high, ddof=1) + np.std(low, ddof=1)) / abs(np.mean(high) - np.mean(low))
    )
