"""QuPath's tables of annotations as measurements: counts and areas of each region, never averages
of rates.

Tables are of one image or, as its exporter of projects writes them, of many, with tabs, commas or
semicolons.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath

import numpy as np
import pandas as pd

from periomics.core.errors import InputError, nearest
from periomics.outcomes.units import LENGTH_MM, text_lines
from periomics.study.dictionary import entry

AREA, IMAGE, OBJECT, KIND = "Area", "Image", "Object ID", "Object type"
_NAMES = ("Name", "Class", "Classification")
_ANNOTATIONS = ("Annotation", "PathAnnotationObject")
_AREA = re.compile(r"(?:.*[ :])?(mm|um|µm|px)\^?2")
_SEPARATORS = "\t,;"


def parse_mapping(text: str) -> dict[str, tuple[str, str]]:
    """`neu=Num Positive/Area|ki67=Num Positive/Num Detections` as outcome → (numerator,
    denominator).

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


def read_qupath(
    path: str | Path,
    mapping: str,
    roi: str,
    dictionary: pd.DataFrame,
    of: Sequence[str] = (),
) -> list[dict[str, object]]:
    """Measurements from a QuPath table of annotations, recomputed for each region.

    Parameters
    ----------
    path
        Export of annotation measurements.
    mapping
        As in `parse_mapping`; `Area` stands for the region's area.
    roi
        Name or class of the annotations to take; all where empty.
    dictionary
        The outcome dictionary.
    of
        Names that the image may have, of which one must be its own where the table holds several
        images.

    Raises
    ------
    InputError
        Naming the column that is not there, the cell that is no number, the region or the image
        that no row has, or an outcome whose unit these columns cannot give.
    """
    path = Path(path)
    table = _table(path)
    table = table[_of_image(table, of, path)]
    chosen = table[_of_region(table, roi, path)]
    rows: list[dict[str, object]] = []
    for outcome, (top, bottom) in parse_mapping(mapping).items():
        unit = str(entry(dictionary, outcome)["unit"])
        _refuse_unit(outcome, unit, top, bottom, path)
        part, whole = (_amounts(chosen, name, path) for name in (top, bottom))
        if unit != "1/mm2":
            _refuse_more_than_whole(part, whole, path)
        factor = 100.0 if unit == "%" else 1.0
        for i, (n, d) in enumerate(zip(part, whole, strict=True)):
            rows.append(
                {
                    "outcome": outcome,
                    "roi": roi,
                    "field_id": f"a{i + 1}" if len(chosen) > 1 else "",
                    "value": factor * n / d if d > 0 else None,
                    "unit": unit,
                    "numerator": n,
                    "denominator": d,
                    "denominator_unit": "mm2" if bottom == AREA else bottom,
                    "method": "QuPath",
                    "level": "field" if len(chosen) > 1 else "section",
                }
            )
    return rows


def image_of(path: str | Path, of: Sequence[str]) -> str:
    """The image of a table whose rows are taken; '' where it names none."""
    table = _table(Path(path))
    some = table[_of_image(table, of, Path(path))]
    return str(some[IMAGE].iloc[0]) if IMAGE in some and len(some) else ""


def _table(path: Path) -> pd.DataFrame:
    """Rows of annotations as text, indexed by the row of the file."""
    lines = text_lines(path)
    if not lines or not lines[0].strip():
        raise InputError("the file is empty", file=path)
    separator = max(_SEPARATORS, key=lines[0].count)
    try:
        df = pd.read_csv(
            io.StringIO("\n".join(lines)), sep=separator, dtype=str, keep_default_na=False
        ).fillna("")
    except pd.errors.ParserError as error:
        raise InputError(f"rows are of different lengths: {error}", file=path) from error
    df.index = pd.RangeIndex(2, 2 + len(df))
    df.columns = [str(c).replace("μ", "µ").replace("\ufffd", "µ") for c in df.columns]
    if KIND in df:
        df = df[df[KIND].isin(_ANNOTATIONS)]
    if df.empty:
        message = "holds no annotation"
        raise InputError(message, file=path, column=KIND, allowed="measurements of annotations")
    if OBJECT in df and (twice := df[df[OBJECT].ne("") & df[OBJECT].duplicated()]).size:
        row, value = int(twice.index[0]), twice[OBJECT].iloc[0]
        raise InputError("object stands twice", file=path, row=row, column=OBJECT, value=value)
    return df


def _of_image(table: pd.DataFrame, of: Sequence[str], path: Path) -> pd.Series:
    """Rows of the image that has one of these names; all where the table is of one image."""
    images = table[IMAGE] if IMAGE in table else pd.Series("", index=table.index)
    names = sorted(set(images))
    if len(names) < 2:
        return pd.Series(True, index=table.index)
    wanted = [n for n in names if of and ({n, PurePath(n).stem} & set(of))]
    if len(wanted) == 1:
        return images == wanted[0]
    first = next(iter(of), "")
    raise InputError(
        f"holds {len(names)} images, and {'several' if wanted else 'none'} of the row's name"
        f"{nearest(first, names)}",
        file=path,
        column=IMAGE,
        value=" or ".join(of),
        allowed=", ".join(names[:8]) + " (as section_id), or a table for each image",
    )


def _of_region(table: pd.DataFrame, roi: str, path: Path) -> pd.Series:
    names = [c for c in _NAMES if c in table.columns]
    hit = table[names].eq(roi).any(axis=1) if roi else pd.Series(True, index=table.index)
    if not hit.any():
        known = sorted(set(table[names].to_numpy().ravel()) - {""})
        message = f"no annotation of this name or class{nearest(roi, known)}"
        raise InputError(message, file=path, value=roi, allowed=", ".join(known))
    return hit


def _refuse_unit(outcome: str, unit: str, top: str, bottom: str, path: Path) -> None:
    """Refuse columns of which an outcome in this unit cannot be made: a density from two counts, a
    share from a count and an area."""
    areas = [name == AREA or bool(_AREA.fullmatch(name)) for name in (top, bottom)]
    allowed = {
        "1/mm2": "a count over Area",
        "%": "two counts, or two areas",
        "1": "two counts, or two areas",
    }
    density, share = areas == [False, True], areas[0] == areas[1]
    if not (density if unit == "1/mm2" else share and unit in allowed):
        raise InputError(
            f"{outcome} is in {unit}, which these columns do not give",
            file=path,
            column="outcomes",
            value=f"{top}/{bottom}",
            allowed=allowed.get(unit, f"outcomes in {', '.join(allowed)}"),
        )


def _amounts(df: pd.DataFrame, name: str, path: Path) -> pd.Series:
    """Numbers of a column; areas in mm²."""
    if name == AREA:
        name = next((c for c in df.columns if re.fullmatch(r"Area (?:mm|um|µm)\^?2", c)), name)
    if name == AREA:
        found = [c for c in df.columns if c.startswith(AREA)]
        raise InputError(
            "no calibrated area: set the pixel size in QuPath and export again",
            file=path,
            row=1,
            column=AREA,
            value=found[0] if found else None,
            allowed="Area µm^2",
        )
    if name not in df.columns:
        message = f"no such column{nearest(name, df.columns)}"
        raise InputError(message, file=path, row=1, column=name, allowed=", ".join(df.columns))
    numbers = pd.to_numeric(df[name], errors="coerce").astype(float)
    bad = ~(np.isfinite(numbers) & (numbers >= 0))
    if bad.any():
        row = int(bad.idxmax())
        raise InputError(
            "is no number from 0",
            file=path,
            row=row,
            column=name,
            value=df.loc[row, name],
            allowed="numbers with a decimal point",
        )
    match = _AREA.fullmatch(name)
    return numbers * LENGTH_MM[match[1]] ** 2 if match and match[1] in LENGTH_MM else numbers


def _refuse_more_than_whole(part: pd.Series, whole: pd.Series, path: Path) -> None:
    more = part > whole * (1 + 1e-9)
    if more.any():
        row = int(more.idxmax())
        value = f"{part[row]:g} of {whole[row]:g}"
        raise InputError("the part is larger than the whole", file=path, row=row, value=value)


def measured_by_qupath(
    fact: Mapping[str, object], dictionary: pd.DataFrame
) -> list[dict[str, object]]:
    """Measurements of one row of the imports sheet; the image may be called as its section or
    specimen."""
    told = [str(fact.get(k) or "") for k in ("path", "outcomes", "roi")]
    return read_qupath(told[0], told[1], told[2], dictionary, names_of(fact))


def names_of(fact: Mapping[str, object]) -> list[str]:
    """Names that the image of a row of the imports sheet may have."""
    return [str(fact[k]) for k in ("section_id", "specimen_id") if fact.get(k)]
