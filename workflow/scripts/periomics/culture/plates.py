"""Plate readouts: one signal a well, as the reader gave it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from periomics.core.errors import InputError, nearest
from periomics.core.tables import decimal_commas, read_cells

WELL = re.compile(r"^([A-Pa-p])0*([1-9]|1[0-9]|2[0-4])$")
WELLS = "A1 to P24"
_NEITHER = "neither a grid of wells nor a list"
_FORMS = "columns well and value, or a grid with numbers above and letters before"
_NUMBER = r"[1-9]|1\d|2[0-4]"
_SATURATED = ("OVRFLW", "OVER", "OVERFLOW", "SAT")

Row = tuple[int, list[str]]
Cell = tuple[int, str, str]  # row of the file, well as written, signal as written


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


def read_plate(path: str | Path, plate: str = "") -> pd.Series:
    """Signals of one plate of a file, indexed by well name (`read_plates`, `plate_named`)."""
    plates = read_plates(path)
    return plates[plate_named(list(plates), plate, path)]


def read_plates(path: str | Path) -> dict[str, pd.Series]:
    """Signals of the plates of a file: name → signals indexed by well name.

    Parameters
    ----------
    path
        TSV, CSV (comma or semicolon, decimal point or comma) or XLSX. Grids have the columns' numbers above and the rows' letters
        before them, each grid under a line that names it where there are several; lists have columns `well` and `value`,
        and `plate` where there are several. Lines that belong to neither are not read.

    Raises
    ------
    InputError
        Naming row, column and value of the first cell that is no number, or saying what the file lacks.
    """
    rows, problems = read_cells(path, Path(path).name)
    errors = [p for p in problems if p.level == "error"]
    if errors:
        raise InputError(errors[0].message, file=path, row=errors[0].row or None)
    found = _lists(rows) or _grids(rows)
    if not found:
        first = rows[0][0] if rows else 1
        raise InputError(_NEITHER, file=path, row=first, allowed=_FORMS)
    return {name: _signals(cells, path) for name, cells in found.items()}


def _lists(rows: Sequence[Row]) -> dict[str, list[Cell]]:
    """Plate → cells of a list with a header of well and value."""
    headers = [[c.casefold() for c in cells] for _, cells in rows]
    start = next((i for i, h in enumerate(headers) if {"well", "value"} <= set(h)), None)
    if start is None:
        return {}
    header = headers[start]
    place = {name: header.index(name) for name in ("well", "value", "plate") if name in header}
    out: dict[str, list[Cell]] = {}
    for row, cells in rows[start + 1 :]:
        padded = cells + [""] * len(header)
        name = padded[place["plate"]] if "plate" in place else ""
        out.setdefault(name, []).append((row, padded[place["well"]], padded[place["value"]]))
    return out


def _grids(rows: Sequence[Row]) -> dict[str, list[Cell]]:
    """Plate → cells of the grids of a file, each under its own header; without a name they count from 1."""
    out: dict[str, list[Cell]] = {}
    at, title = 0, ""
    while at < len(rows):
        cells = rows[at][1]
        numbers = _numbers(cells)
        at += 1
        if not numbers:
            title = " ".join(c for c in cells if c)
            continue
        before = min(numbers) - 1
        block: list[Cell] = []
        while at < len(rows):
            row, cells = rows[at]
            letter = cells[before] if before < len(cells) else ""
            if not re.fullmatch("[A-Za-z]", letter) or _title(rows, at, numbers):
                break
            block += [
                (row, f"{letter}{n}", c) for i, n in numbers.items() for c in cells[i : i + 1]
            ]
            at += 1
        if block:
            out[title if title and title not in out else str(len(out) + 1)] = block
        title = ""
    return out


def _title(rows: Sequence[Row], at: int, numbers: Mapping[int, int]) -> bool:
    """Whether a row of one letter names the plate below it: it has no signal and a header follows."""
    bare = not any(rows[at][1][i : i + 1] not in ([], [""]) for i in numbers)
    return bare and at + 1 < len(rows) and bool(_numbers(rows[at + 1][1]))


def _numbers(cells: Sequence[str]) -> dict[int, int]:
    """Place → number of a plate's column, where a row is the header of a grid: rising numbers after a cell that is no row's letter."""
    first = next((i for i, c in enumerate(cells) if i and re.fullmatch(_NUMBER, c)), None)
    if first is None or any(re.fullmatch(r"[\d.,+-]+", c) for c in cells[:first]):
        return {}
    if re.fullmatch("[A-Pa-p]", cells[first - 1]):
        return {}
    found: dict[int, int] = {}
    for i, cell in enumerate(cells[first:], start=first):
        if not re.fullmatch(_NUMBER, cell):
            break
        found[i] = int(cell)
    rising = list(found.values()) == sorted(set(found.values()))
    return found if rising else {}


def plate_named(names: Sequence[str], plate: str, path: str | Path) -> str:
    """The plate that the sheet means, of those that a file holds: its name, or words that tell it from the others.

    Raises
    ------
    InputError
        If there are several and the sheet names none, or none alone.
    """
    if len(names) == 1:
        return names[0]
    wanted = _words(plate)
    same = [n for n in names if _words(n) == wanted]
    close = same or [n for n in names if wanted and set(wanted) <= set(_words(n))]
    if len(close) == 1:
        return close[0]
    message = (
        "the file holds several plates: which one?" if not plate else "no such plate, or several"
    )
    message += nearest(plate, names) if plate else ""
    raise InputError(message, file=path, column="plate", value=plate, allowed=", ".join(names))


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def _signals(cells: Sequence[Cell], path: str | Path) -> pd.Series:
    texts, problems = decimal_commas(
        pd.Series([c for *_, c in cells], dtype=str, name="signal"), ""
    )
    unclear = [p for p in problems if p.level == "error"]
    if unclear:
        row, name, text = cells[unclear[0].row]
        raise InputError(unclear[0].message, file=path, row=row, column=name, value=text)
    signals: dict[str, float] = {}
    for (row, name, _), text in zip(cells, texts, strict=True):
        if text == "":
            continue
        try:
            well = well_name(name)
        except ValueError:
            raise InputError("not a well", file=path, row=row, value=name, allowed=WELLS) from None
        if well in signals:
            raise InputError("the well stands twice", file=path, row=row, value=name)
        try:
            signals[well] = float(text)
        except ValueError:
            saturated = text.upper() in _SATURATED
            message = "the reader was saturated" if saturated else "not a number"
            raise InputError(message, file=path, row=row, column=name, value=text) from None
        if not np.isfinite(signals[well]):
            raise InputError("not a number", file=path, row=row, column=name, value=text)
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


def window(signals: pd.Series, facts: Sequence[Mapping[str, object]]) -> float:
    """Z' of the wells with cells (vehicle, or control where there is none) over the blanks that a sheet names on a plate."""

    def of(role: str) -> np.ndarray:
        wells = [well_name(str(f["well"])) for f in facts if f.get("role") == role]
        return signals.reindex(wells).dropna().to_numpy(float)

    high = of("vehicle")
    return z_prime(high if len(high) else of("control"), of("blank"))
