"""Tables of CTAn, clinical observations and readings by hand, as measurements; every row of the
imports sheet by its format.

Column names of CTAn's tables are those of their documentation as the project's notes give them;
exports of other versions that lack them are refused by name, never guessed.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from periomics.core.errors import InputError
from periomics.outcomes.qupath import measured_by_qupath
from periomics.outcomes.units import text_lines, unit_factor
from periomics.study.dictionary import entry
from periomics.study.sheets import observed

CTAN = {
    "BV/TV": "bvtv",
    "BV": "bv",
    "TV": "tv",
    "Tb.Th": "tbth",
    "Tb.Sp": "tbsp",
    "Tb.N": "tbn",
    "Conn.Dn": "conn",
    "Conn.D": "conn",
    "BS/BV": "bs_bv",
    "BS/TV": "bs_tv",
    "SMI": "smi",
    "DA": "da",
}


@dataclass(frozen=True)
class _Line:
    row: int
    name: str
    value: str
    unit: str


def _ctan_lines(path: Path) -> list[_Line]:
    """`description,abbreviation,value,unit` lines; with `;` as separator the value may hold a decimal comma."""
    out = []
    for row, line in enumerate(text_lines(path), start=1):
        cells = [
            c.strip()
            for c in next(csv.reader([line], delimiter=";" if line.count(";") >= 2 else ","), [])
        ]
        if len(cells) >= 3 and cells[1] in CTAN:
            out.append(_Line(row, cells[1], cells[2], cells[3] if len(cells) > 3 else ""))
    return out


def read_ctan(path: str | Path, dictionary: pd.DataFrame) -> list[dict[str, object]]:
    """Measurements from a CTAn text of results.

    Only the three-dimensional, directly measured parameters are taken (abbreviations as in `CTAN`); plate-model values carry
    other abbreviations there and stay out.

    Raises
    ------
    InputError
        If no known parameter is found, one stands twice with different values, or a unit is not known.
    """
    path = Path(path)
    rows: dict[str, dict[str, object]] = {}
    for line in _ctan_lines(path):
        outcome = CTAN[line.name]
        text = line.value.replace(",", ".")
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not math.isfinite(value):
            raise InputError(
                "not a number", file=path, row=line.row, column=line.name, value=line.value
            )
        wanted = str(entry(dictionary, outcome)["unit"])
        factor = 1.0 if wanted == "1" else unit_factor(line.unit, wanted)
        if factor is None:
            raise InputError(
                "unit is not known",
                file=path,
                row=line.row,
                column=line.name,
                value=line.unit,
                allowed=wanted,
            )
        if outcome in rows and rows[outcome]["value"] != value * factor:
            raise InputError(
                "stands twice with different values",
                file=path,
                row=line.row,
                column=line.name,
                value=line.value,
            )
        rows[outcome] = {
            "outcome": outcome,
            "value": value * factor,
            "unit": wanted,
            "level": "specimen",
            "method": "CTAn",
        }
    if not rows:
        raise InputError("no CTAn parameter found", file=path, allowed=", ".join(CTAN))
    return list(rows.values())


def read_import(fact: Mapping[str, object], dictionary: pd.DataFrame) -> list[dict[str, object]]:
    """Measurements of one row of the imports sheet, by its format."""
    if fact["format"] == "ctan":
        return read_ctan(str(fact["path"]), dictionary)
    return measured_by_qupath(fact, dictionary)


def expected_outcomes(fact: Mapping[str, object]) -> list[str]:
    """Outcomes that a row of the imports sheet should bring, for the rows that say why it could not."""
    if fact["format"] == "ctan":
        return ["bvtv", "tbth", "tbsp"]
    return re.findall(r"([\w:.@+-]+)\s*=", str(fact.get("outcomes", "")))


def clinical_rows(clinical: pd.DataFrame, dictionary: pd.DataFrame) -> list[dict[str, object]]:
    """Clinical observations as measurements; the specimen is the animal, or the animal under what it was given (`observed`)."""
    return [
        {
            "specimen_id": observed(r.animal_id, r.condition, r.dose),
            "animal_id": r.animal_id,
            "modality": "clinical",
            "outcome": r.outcome,
            "value": r.value,
            "unit": entry(dictionary, r.outcome)["unit"],
            "time": r.time,
            "time_unit": r.time_unit,
            "level": "animal",
            "source": "reading",
            "reader": r.observer or "not reported",
            "method": "observation",
        }
        for r in clinical.itertuples()
    ]


def reading_rows(readings: pd.DataFrame, dictionary: pd.DataFrame) -> list[dict[str, object]]:
    """Numbers read by hand as measurements, one a reader."""
    return [
        {
            "specimen_id": r.specimen_id,
            "animal_id": r.animal_id,
            "modality": "readings",
            "section_id": r.section_id,
            "field_id": r.field_id,
            "outcome": r.outcome,
            "value": r.value,
            "unit": entry(dictionary, r.outcome)["unit"],
            "numerator": r.numerator,
            "denominator": r.denominator,
            "denominator_unit": r.denominator_unit,
            "time": r.time,
            "time_unit": r.time_unit,
            "source": "reading",
            "reader": r.reader,
            "method": "by hand",
            "level": "field" if r.field_id else "section" if r.section_id else "specimen",
        }
        for r in readings.itertuples()
    ]
