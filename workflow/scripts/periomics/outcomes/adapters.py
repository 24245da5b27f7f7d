"""Tables of other programs, clinical observations and readings by hand, as measurements.

Column names of CTAn and QuPath exports are those of their documentation as the project's notes give them; exports of other
versions that lack them are refused by name, never guessed.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from periomics.core.errors import InputError, nearest
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
_LENGTH_MM = {"mm": 1.0, "um": 1e-3, "µm": 1e-3, "μm": 1e-3}
_UNIT = re.compile(r"^(?P<inverse>1/)?(?P<length>mm|um|µm|μm)(\^?(?P<power>[23])|(?P<sup>[²³]))?$")
_POWER = {"²": 2, "³": 3}


def _lines(path: Path) -> list[str]:
    raw = path.read_bytes()
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            return raw.decode(encoding).splitlines()
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1").splitlines()


def unit_factor(unit: str, wanted: str) -> float | None:
    """Factor that turns a number in `unit` into `wanted` (lengths, areas, volumes and their inverses); None if they differ in kind."""
    if unit == wanted:
        return 1.0
    a, b = _UNIT.match(unit.strip()), _UNIT.match(wanted.strip())
    if not a or not b:
        return None
    powers = [int(m["power"] or _POWER.get(m["sup"] or "", 1)) for m in (a, b)]
    if powers[0] != powers[1] or bool(a["inverse"]) != bool(b["inverse"]):
        return None
    factor = (_LENGTH_MM[a["length"]] / _LENGTH_MM[b["length"]]) ** powers[0]
    return 1 / factor if a["inverse"] else factor


@dataclass(frozen=True)
class _Line:
    row: int
    name: str
    value: str
    unit: str


def _ctan_lines(path: Path) -> list[_Line]:
    """`description,abbreviation,value,unit` lines; with `;` as separator the value may hold a decimal comma."""
    out = []
    for row, line in enumerate(_lines(path), start=1):
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
            raise InputError(
                "not a number", file=path, row=line.row, column=line.name, value=line.value
            ) from None
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


def parse_mapping(text: str) -> dict[str, tuple[str, str]]:
    """`neu=Num Positive/Area|ki67=Num Positive/Num Detections` as outcome → (numerator, denominator).

    Raises
    ------
    ValueError
        If an entry has not that form.
    """
    out = {}
    for part in text.split("|"):
        match = re.fullmatch(r"\s*([\w:.@+-]+)\s*=\s*([^/|]+?)\s*/\s*([^/|]+?)\s*", part)
        if not match:
            raise ValueError(f"{part!r} is not of the form outcome=numerator/denominator")
        out[match[1]] = (match[2], match[3])
    return out


def _area_mm2(df: pd.DataFrame, path: Path) -> pd.Series:
    for column in df.columns:
        match = re.fullmatch(r"Area (.+?)\^?2", column)
        if match and match[1].strip() in _LENGTH_MM:
            return pd.to_numeric(df[column]) * _LENGTH_MM[match[1].strip()] ** 2
    found = [c for c in df.columns if c.startswith("Area")]
    message = "no calibrated area: set the pixel size in QuPath and export again"
    raise InputError(
        message,
        file=path,
        row=1,
        column="Area",
        value=found[0] if found else None,
        allowed="Area µm^2",
    )


def read_qupath(
    path: str | Path, mapping: str, roi: str, dictionary: pd.DataFrame
) -> list[dict[str, object]]:
    """Measurements from a QuPath table of annotations: counts over areas or counts, recomputed a region, never averaged rates.

    Parameters
    ----------
    path
        Tab-separated export of annotation measurements.
    mapping
        As in `parse_mapping`; `Area` stands for the region's area.
    roi
        Name or class of the annotations to take; all where empty.
    dictionary
        The outcome dictionary.

    Raises
    ------
    InputError
        Naming the column that is not there, or the region that no row has.
    """
    path = Path(path)
    df = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False, encoding_errors="replace")
    df.columns = [c.replace("μ", "µ").replace("\ufffd", "µ") for c in df.columns]
    names = [c for c in ("Name", "Class") if c in df.columns]
    chosen = df[df[names].eq(roi).any(axis=1)] if roi else df
    if chosen.empty:
        known = sorted(set(df[names].to_numpy().ravel()) - {""})
        raise InputError(
            f"no annotation of this name or class{nearest(roi, known)}",
            file=path,
            value=roi,
            allowed=", ".join(known),
        )
    rows = []
    for outcome, (top, bottom) in parse_mapping(mapping).items():
        unit = str(entry(dictionary, outcome)["unit"])
        numerator = _column(chosen, top, path)
        denominator = _area_mm2(chosen, path) if bottom == "Area" else _column(chosen, bottom, path)
        for i, (n, d) in enumerate(zip(numerator, denominator, strict=True)):
            value = (100.0 * n / d if unit == "%" else n / d) if d > 0 else None
            rows.append(
                {
                    "outcome": outcome,
                    "roi": roi,
                    "field_id": f"a{i + 1}" if len(chosen) > 1 else "",
                    "value": value,
                    "unit": unit,
                    "numerator": n,
                    "denominator": d,
                    "denominator_unit": "mm2" if bottom == "Area" else bottom,
                    "method": "QuPath",
                    "level": "field" if len(chosen) > 1 else "section",
                }
            )
    return rows


def _column(df: pd.DataFrame, name: str, path: Path) -> pd.Series:
    if name not in df.columns:
        message = f"no such column{nearest(name, df.columns)}"
        raise InputError(message, file=path, row=1, column=name, allowed=", ".join(df.columns))
    return pd.to_numeric(df[name])


def read_import(fact: Mapping[str, object], dictionary: pd.DataFrame) -> list[dict[str, object]]:
    """Measurements of one row of the imports sheet, by its format."""
    if fact["format"] == "ctan":
        return read_ctan(str(fact["path"]), dictionary)
    return read_qupath(
        str(fact["path"]), str(fact.get("outcomes", "")), str(fact.get("roi", "")), dictionary
    )


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
