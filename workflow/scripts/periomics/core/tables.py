"""Reading the tables that people write: TSV, CSV (`,` or `;`) and XLSX, all cells as text.

Nothing is guessed in silence: whatever had to be understood (a byte order mark, a decimal comma, an encoding) becomes a
note, whatever cannot be understood a problem with file and row.
"""

from __future__ import annotations

import csv
import io
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from periomics.core.problems import Problem
from periomics.core.workbooks import read_workbook

SUFFIXES = (".tsv", ".txt", ".csv", ".xlsx")
_NAMES = {"\t": "tab", ";": "semicolon", ",": "comma"}
_ERROR = re.compile(
    r"^(#(N/A|N/D|N/V|NV|GETTING_DATA|[A-Z\u00c4\u00d6\u00dc0/_.]+[!?])|#{3,}|Err:\d{3})$"
)
_ERROR_CELL = "an error of the spreadsheet program stands in this cell"
_COMMENT = "the row starts with '#': is it a comment? Comments stand above the header only"
ERROR_MESSAGES = (_ERROR_CELL, _COMMENT)  # a cell with one of these is not judged further
_COMMA_NUMBER = re.compile(r"^[+-]?\d+,\d+$")
_THOUSANDS_LIKE = re.compile(r"^[+-]?[1-9]\d{0,2},\d{3}$")


@dataclass
class Table:
    """A table as text: `data` is indexed by the spreadsheet's row number; `problems` holds what reading it showed."""

    data: pd.DataFrame
    problems: list[Problem] = field(default_factory=list)


def read_table(path: str | os.PathLike[str], name: str | None = None) -> Table:
    """Read a user's table as text.

    Parameters
    ----------
    path
        A .tsv, .txt (tab), .csv (comma or semicolon) or .xlsx (first worksheet) file.
    name
        How the file is called in problems; its path by default.

    Returns
    -------
    Table
        With an empty frame where the file could not be read at all.
    """
    path = Path(path)
    name = name or str(path)
    refused = _refused(path, name)
    if refused:
        return Table(pd.DataFrame(), [refused])
    if path.suffix.lower() == ".xlsx":
        rows, problems = read_workbook(path, name)
        return _frame(rows, name, problems) if rows is not None else Table(pd.DataFrame(), problems)
    text, problems = _decode(path.read_bytes(), name)
    delimiter, found = _delimiter(text, path.suffix.lower(), name)
    problems += found
    if delimiter is None:
        return Table(pd.DataFrame(), problems)
    rows, broken = _rows(text, delimiter, name)
    if broken:
        return Table(pd.DataFrame(), [*problems, broken])
    return _frame(rows, name, problems)


def read_cells(
    path: str | os.PathLike[str], name: str
) -> tuple[list[tuple[int, list[str]]], list[Problem]]:
    """Cells of a file whose header is not its first line, as instruments export: (row of the file, cells without spaces around).

    Text is split at the character among tab, semicolon and comma that the file has most of in one line. Empty rows are left out.
    """
    path = Path(path)
    refused = _refused(path, name)
    if refused:
        return [], [refused]
    if path.suffix.lower() == ".xlsx":
        found, problems = read_workbook(path, name)
        rows = found or []
    else:
        text, problems = _decode(path.read_bytes(), name)
        lines = text.splitlines()
        # A tie goes to the first: a comma may be a decimal one.
        delimiter = max(_NAMES, key=lambda d: max((line.count(d) for line in lines), default=0))
        rows, broken = _rows(text, delimiter, name)
        if broken:
            return [], [*problems, broken]
    cells = [(i, [c.strip(" \t\r\u00a0") for c in r]) for i, r in enumerate(rows, start=1)]
    return [(i, r) for i, r in cells if any(r)], problems


def _refused(path: Path, name: str) -> Problem | None:
    """Why a path cannot be opened as a table at all."""
    if not path.is_file():
        if not path.exists():
            return Problem(name, 0, "", "file does not exist")
        what = "is a folder" if path.is_dir() else "is a device or pipe"
        return Problem(name, 0, "", f"{what}, not a file")
    if path.suffix.lower() not in SUFFIXES:
        return Problem(name, 0, "", "not a table format", path.suffix, ", ".join(SUFFIXES))
    if not os.access(path, os.R_OK):
        return Problem(name, 0, "", "file may not be read: its permissions forbid it")
    return None


def _rows(text: str, delimiter: str, name: str) -> tuple[list[list[str]], Problem | None]:
    """Cells of a text, row by row, or why there are none."""
    rows: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=False):
            rows.append(row)
    except csv.Error as error:
        return [], _broken_row(len(rows) + 1, str(error), name)
    for number, row in enumerate(rows, start=1):
        for cell in row:
            # A note may have several lines; one that holds separators too has taken in whole rows.
            if "\n" in cell and delimiter in cell:
                message = (
                    f"a quotation mark that opens in this row takes in the next {cell.count(chr(10))} "
                    "lines as one cell: it is not closed, or not meant as one"
                )
                return [], Problem(name, number, "", message, cell.partition("\n")[0][:60])
    return rows, None


def _broken_row(row: int, error: str, name: str) -> Problem:
    if "field limit" in error:
        message = "a cell of more than 131,072 characters: is a quotation mark left open here?"
        return Problem(name, row, "", message, allowed="at most 131,072 characters")
    return Problem(name, row, "", f"cannot be read as a table: {error}")


def _decode(raw: bytes, name: str) -> tuple[str, list[Problem]]:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        note = Problem(name, 0, "", "UTF-16 text was understood; UTF-8 is safer", level="note")
        return raw.decode("utf-16", errors="replace"), [note]
    if raw.startswith(b"\xef\xbb\xbf"):
        note = Problem(name, 0, "", "a byte order mark at the start was skipped", level="note")
        return raw.decode("utf-8-sig", errors="replace"), [note]
    try:
        return raw.decode("utf-8"), []
    except UnicodeDecodeError:
        note = Problem(
            name,
            0,
            "",
            "not UTF-8: read as Windows-1252; check names with accents",
            level="warning",
        )
        return raw.decode("cp1252", errors="replace"), [note]


def _delimiter(text: str, suffix: str, name: str) -> tuple[str | None, list[Problem]]:
    header = next(
        (line for line in text.splitlines() if line.strip() and not line.startswith("#")), ""
    )
    counts = {d: header.count(d) for d in _NAMES}
    wanted = ("\t",) if suffix in (".tsv", ".txt") else (",", ";", "\t")
    best = max(wanted, key=lambda d: counts[d])
    other = max(_NAMES, key=lambda d: counts[d])
    if counts[best] == 0 and counts[other] > 0:
        message = f"columns are separated by {_NAMES[other]}, not by {_NAMES[wanted[0]]}: save it as {suffix}, or rename it to .csv"
        return None, [Problem(name, 1, "", message, header[:60])]
    if suffix == ".csv" and best != ",":
        return best, [Problem(name, 0, "", f"read with {_NAMES[best]} as separator", level="note")]
    return best, []


def _frame(rows: list[list[str]], name: str, problems: list[Problem]) -> Table:
    numbered = [(i, [c.strip(" \t\r\u00a0") for c in r]) for i, r in enumerate(rows, start=1)]
    numbered = [(i, r) for i, r in numbered if any(r)]
    while numbered and numbered[0][1][0].startswith("#"):
        numbered.pop(0)  # comments, which may stand above the header only
    if not numbered:
        return Table(
            pd.DataFrame(),
            [*problems, Problem(name, 0, "", "the file is empty: a header is needed")],
        )
    header = numbered[0][1]
    while header and not header[-1]:
        header.pop()
    twice = sorted({c for c in header if c and header.count(c) > 1})
    if twice or "" in header:
        what = f"column {twice[0]!r} stands twice" if twice else "a column has no name"
        return Table(pd.DataFrame(), [*problems, Problem(name, numbered[0][0], "", what)])
    data, index = [], []
    for number, cells in numbered[1:]:
        extra = [c for c in cells[len(header) :] if c]
        if extra:
            problems.append(
                Problem(
                    name,
                    number,
                    "",
                    f"{len(header)} columns in the header, {len(cells)} cells in the row",
                    extra[0],
                )
            )
        cells = (cells + [""] * len(header))[: len(header)]
        problems += _error_cells(cells, header, number, name)
        data.append(cells)
        index.append(number)
    return Table(pd.DataFrame(data, columns=header, index=index, dtype=str), problems)


def _error_cells(cells: list[str], header: list[str], row: int, name: str) -> list[Problem]:
    """Errors of a spreadsheet program, and a row that looks like a comment below the header."""
    problems = [
        Problem(name, row, column, _ERROR_CELL, cell, "the value itself, or an empty cell")
        for column, cell in zip(header, cells, strict=True)
        if _ERROR.match(cell)
    ]
    if cells[0].startswith("#") and not _ERROR.match(cells[0]):
        problems.append(Problem(name, row, header[0], _COMMENT, cells[0]))
    return problems


def decimal_commas(cells: pd.Series, name: str) -> tuple[pd.Series, list[Problem]]:
    """Turn decimal commas of a number column into points where that is unambiguous.

    `0,5` or `12,75` anywhere in the column settles that a comma is a decimal comma. A column whose only commas stand before
    exactly three digits (`1,234`) could mean either, and is a problem; so is one that mixes commas and points.
    """
    commas = cells[cells.str.match(_COMMA_NUMBER)]
    if commas.empty:
        return cells, []
    column = str(cells.name)
    points = cells[cells.str.contains(".", regex=False)]
    if len(points):
        row = int(commas.index[0])
        return cells, [
            Problem(
                name,
                row,
                column,
                "the column mixes decimal commas and points",
                commas.iloc[0],
                "one of both",
            )
        ]
    ambiguous = commas.str.match(_THOUSANDS_LIKE)
    if ambiguous.all():
        row = int(commas.index[0])
        return cells, [
            Problem(
                name,
                row,
                column,
                "a comma that may be decimal or thousands",
                commas.iloc[0],
                "a decimal point",
            )
        ]
    note = Problem(
        name, 0, column, "decimal commas were read as points", commas.iloc[0], level="note"
    )
    return cells.where(~cells.index.isin(commas.index), cells.str.replace(",", ".", regex=False)), [
        note
    ]
