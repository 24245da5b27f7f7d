"""Cells of an XLSX workbook as text; what would read as empty although a person sees a value is a problem."""

from __future__ import annotations

from pathlib import Path

from periomics.core.problems import Problem

_MERGED = "cells are merged, and only the first of them holds the value"
_FORMULA = "the formula has no stored value: open and save the file in a spreadsheet program"


def read_workbook(path: Path, name: str) -> tuple[list[list[str]] | None, list[Problem]]:
    """Rows of the first worksheet as text, and what reading showed; None in place of rows where it cannot be opened."""
    import openpyxl

    try:
        values = openpyxl.load_workbook(path, data_only=True)
        formulas = openpyxl.load_workbook(path)
    except Exception as error:  # openpyxl raises many kinds; each means the same to the user
        return None, [Problem(name, 0, "", f"cannot be read as a workbook: {error}")]
    if not values.worksheets:
        return None, [Problem(name, 0, "", "the workbook has no worksheet")]
    sheet = values.worksheets[0]
    note = f"read from its first worksheet, {sheet.title!r}"
    problems = [Problem(name, 0, "", note, level="note")] if len(values.sheetnames) > 1 else []
    problems += _merged(sheet, name) + _uncomputed(sheet, formulas.worksheets[0], name)
    return [[_cell(c) for c in row] for row in sheet.iter_rows(values_only=True)], problems


def _merged(sheet, name: str) -> list[Problem]:
    return [
        Problem(name, area.min_row, "", _MERGED, str(area), "one value in every cell")
        for area in sheet.merged_cells.ranges
    ]


def _uncomputed(values, formulas, name: str) -> list[Problem]:
    """Formulas whose value the file does not hold; one with the empty text as its value says so by its type."""
    problems = []
    for row in formulas.iter_rows():
        for cell in row:
            if cell.data_type != "f":
                continue
            stored = values.cell(cell.row, cell.column)
            if stored.value is None and stored.data_type != "str":
                shown = f"{cell.coordinate}: {getattr(cell.value, 'text', cell.value)}"
                allowed = "a formula with its value, or the value"
                problems.append(Problem(name, cell.row, "", _FORMULA, shown[:60], allowed))
    return problems


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
