"""Cell by cell checks of the sheets: one pandera schema a sheet, all failures in one pass."""

from __future__ import annotations

import re
from datetime import datetime
from functools import cache

import pandas as pd
import pandera.pandas as pa

from periomics.core.errors import nearest
from periomics.core.problems import Problem
from periomics.core.tables import decimal_commas
from periomics.study.sheets import IDENTIFIER_TEXT, SHEETS, Column, Sheet, plain_id
from periomics.study.study import usable

_NUMBER = re.compile(r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$")

# What R, Python and databases write where nothing is known; a sheet leaves the cell empty.
MISSING = frozenset({"NA", "<NA>", "N/A", "n/a", "NaN", "nan", "NULL", "null"})
BRACES = "a name with braces, which stand for placeholders"


def has_placeholder(cell: str) -> bool:
    """Whether a path holds braces other than those of a variable, `${NAME}`."""
    return bool(re.search("[{}]", re.sub(r"\$\{\w+\}", "", cell)))


@cache
def sheet_schema(sheet: Sheet) -> pa.DataFrameSchema:
    """Pandera schema of a sheet's text cells; an empty cell passes every check but `is given`."""
    # All cells are read as text, so no type is asked for: pandera prints the whole sheet for that.
    columns = {
        c.name: pa.Column(None, checks=_checks(c), required=c.required, coerce=False)
        for c in sheet.columns
    }
    return pa.DataFrameSchema(columns, strict=False, name=sheet.name)


def _checks(column: Column) -> list[pa.Check]:
    checks = []
    if column.required:
        checks.append(pa.Check(lambda v: v != "", element_wise=True, error="a value is needed"))
    if column.kind == "id":
        checks.append(
            pa.Check(
                lambda v: v == "" or usable(v),
                element_wise=True,
                error=f"not a usable name|{IDENTIFIER_TEXT}",
            )
        )
    if column.kind == "choice":
        allowed = set(column.allowed)
        text = f"not a known entry|{', '.join(column.allowed)}"
        checks.append(pa.Check(lambda v: v == "" or v in allowed, element_wise=True, error=text))
    if column.kind == "number":
        text = "not a number|digits with a decimal point"
        checks.append(
            pa.Check(lambda v: v == "" or bool(_NUMBER.match(v)), element_wise=True, error=text)
        )
        checks.append(
            pa.Check(lambda v: _within(v, column), element_wise=True, error=_range_text(column))
        )
    if column.kind == "date":
        text = "not a date|YYYY-MM-DD"
        checks.append(pa.Check(lambda v: v == "" or _is_date(v), element_wise=True, error=text))
    if column.kind in ("id", "text"):
        text = "a word for a missing value is taken for a name|an empty cell, or another name"
        checks.append(pa.Check(lambda v: v not in MISSING, element_wise=True, error=text))
    if column.kind == "path":
        text = f"{BRACES}|a name without {{ and }}"
        checks.append(pa.Check(lambda v: not has_placeholder(v), element_wise=True, error=text))
    if column.kind in ("text", "path"):
        text = "holds a line break or another control character|printable text on one line"
        checks.append(
            pa.Check(lambda v: not re.search(r"[\x00-\x1f\x7f]", v), element_wise=True, error=text)
        )
    return checks


def _is_date(value: str) -> bool:
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return value[4:5] == "-"


def _within(value: str, column: Column) -> bool:
    if not _NUMBER.match(value):
        return True
    number = float(value)
    low = column.minimum is None or number >= column.minimum
    return low and (column.maximum is None or number <= column.maximum)


def _range_text(column: Column) -> str:
    low = "" if column.minimum is None else f"from {column.minimum:g} "
    high = "" if column.maximum is None else f"to {column.maximum:g} "
    return f"out of range|{low}{high}{column.unit}".rstrip()


def check_sheet(name: str, cells: pd.DataFrame, file: str) -> list[Problem]:
    """Every problem in a sheet's cells.

    Parameters
    ----------
    name
        Which sheet.
    cells
        Its cells as text, as `tables.read_table` gives them, indexed by the spreadsheet's row.
    file
        How the file is called in the report.
    """
    sheet = SHEETS[name]
    problems = []
    for column in cells.columns:
        if column not in sheet.names:
            message = f"unknown column{nearest(column, sheet.names)}"
            problems.append(Problem(file, 1, str(column), message, allowed=", ".join(sheet.names)))
    missing = [c.name for c in sheet.columns if c.required and c.name not in cells.columns]
    problems += [Problem(file, 1, c, "required column is missing") for c in missing]
    cells = cells.copy()
    for column in sheet.columns:
        if column.kind == "number" and column.name in cells.columns:
            cells[column.name], _ = decimal_commas(cells[column.name], file)
    try:
        sheet_schema(sheet).validate(cells, lazy=True)
    except pa.errors.SchemaErrors as error:
        problems += _translate(error.failure_cases, sheet, file)
    return problems + _duplicates(sheet, cells, file) + _alike(sheet, cells, file)


def _translate(cases: pd.DataFrame, sheet: Sheet, file: str) -> list[Problem]:
    allowed_of = {c.name: c.allowed for c in sheet.columns}
    problems = []
    for case in cases.itertuples():
        if case.index is None or pd.isna(case.index):
            continue  # a missing column, reported by name above
        message, _, allowed = str(case.check).partition("|")
        value = str(case.failure_case)
        if message.startswith("not a known entry"):
            message += nearest(value, allowed_of[case.column])
        if message == "out of range":
            message += _hint(next(c for c in sheet.columns if c.name == case.column), value)
        problems.append(Problem(file, int(case.index), str(case.column), message, value, allowed))
    return problems


def _hint(column: Column, value: str) -> str:
    """What a number out of range was probably meant to be: sizes written in millimetres or in nanometres."""
    if not column.hint or column.minimum is None or column.maximum is None:
        return ""
    number = float(value)
    if number < column.minimum:
        return f" - {column.hint}"
    fits = column.minimum <= number / 1000 <= column.maximum
    return f" - was it written in nm? {number / 1000:g} µm would fit" if fits else ""


def _duplicates(sheet: Sheet, cells: pd.DataFrame, file: str) -> list[Problem]:
    key = [c for c in sheet.key if c in cells.columns]
    if not key or key[0] not in cells.columns:
        return []
    problems = []
    for values, rows in cells.groupby(key, sort=False).groups.items():
        values = values if isinstance(values, tuple) else (values,)
        if len(rows) > 1 and values[0] != "":
            first, *others = sorted(int(r) for r in rows)
            value = " / ".join(v for v in values if v)
            message = f"stands already in row {first}: {' + '.join(key)} must be unique"
            problems += [Problem(file, r, key[0], message, value) for r in others]
    return problems


def _alike(sheet: Sheet, cells: pd.DataFrame, file: str) -> list[Problem]:
    """Ids of a sheet that differ by case or leading zeros only."""
    problems = []
    for column in ("animal_id", "specimen_id", "section_id"):
        if column not in cells.columns or column not in sheet.names:
            continue
        first: dict[str, tuple[str, int]] = {}
        for row, identifier in cells[column].drop_duplicates().items():
            before, where = first.setdefault(plain_id(identifier), (identifier, int(row)))
            if before != identifier:
                how = "leading zeros" if before.casefold() != identifier.casefold() else "case"
                message = f"differs from {before!r} in row {where} by {how} only"
                problems.append(
                    Problem(file, int(row), column, message, identifier, "one spelling of an id")
                )
    return problems
