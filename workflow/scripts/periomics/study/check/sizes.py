"""Physical sizes: what headers state against what the sheet says, and scans of one batch against each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

import pandas as pd

from periomics.core.problems import Problem
from periomics.study.check.design import sheet_name
from periomics.study.check.opened import Look
from periomics.study.check.settings import section
from periomics.study.sheets import SHEETS
from periomics.study.study import Study

_TABLES = ("plate", "qpcr", "western")
SIZE_COLUMN = {"scans": "voxel_um", "sections": "pixel_um", "cultures": "pixel_um"}
AGREE = 0.01  # header and sheet may differ by this share
# By what rows are alike beside the batch, and how many times another's size is odd: a study has
# scans of several resolutions, but one objective for a stain.
ALIKE: dict[str, tuple[tuple[str, ...], float]] = {
    "scans": ((), 5.0),
    "sections": (("stain",), 1.5),
    "cultures": (("assay",), 1.5),
}


def check_size(study: Study, sheet: str, looks: Mapping[int, Look]) -> list[Problem]:
    """Sizes that neither file nor sheet states, or that both state differently.

    Parameters
    ----------
    looks
        Row → what the header of its file says.
    """
    column = SIZE_COLUMN.get(sheet, "")
    df, problems = study.sheets[sheet], []
    for row, look in looks.items():
        if not column or (sheet == "cultures" and df.at[row, "assay"] in _TABLES):
            continue
        given = float(df.at[row, column])
        if "pixel_reason" in df.columns and df.at[row, "pixel_reason"] and given == given:
            continue  # the sheet says why it overrules the file
        unknown = look.size_um is None and given != given
        scratch = sheet == "cultures" and df.at[row, "assay"] == "scratch"
        if not (unknown and scratch and _may_be_unknown(study)):
            problems += _size(sheet_name(study, sheet), row, column, look.size_um, given)
    return problems


def _may_be_unknown(study: Study) -> bool:
    """Scratch images need no pixel size where the config says that it is unknown: they are then measured in percent only."""
    return section(study, "culture").get("pixel_size") == "unknown"


def _size(file: str, row: int, column: str, stated: float | None, given: float) -> list[Problem]:
    has_given = given == given
    if stated is None and not has_given:
        message = "the file states no size and the sheet gives none"
        return [Problem(file, row, column, message, allowed=f"{column} in µm")]
    if stated is not None and has_given and abs(stated - given) > AGREE * stated:
        hint = " - was it written in millimetres?" if 0.0009 < given / stated < 0.0011 else ""
        message, allowed = (
            f"the file says {stated:g} µm{hint}",
            "the same size, or an empty cell"
            + (", or a pixel_reason" if file.startswith("sections") else ""),
        )
        return [Problem(file, row, column, message, f"{given:g}", allowed)]
    return []


def check_alike(study: Study, sheet: str, looks: Mapping[int, Look]) -> list[Problem]:
    """Scans, sections and pictures whose size of a voxel or pixel, and scans whose bit depth, is
    not that of the others of their batch."""
    if sheet not in ALIKE:
        return []
    df, column = study.sheets[sheet], SIZE_COLUMN[sheet]
    stated = pd.Series({r: k.size_um for r, k in looks.items()}, dtype=float).reindex(df.index)
    sizes = df[column].where(df[column].notna(), stated)
    problems: list[Problem] = []
    file, (kinds_of, times) = sheet_name(study, sheet), ALIKE[sheet]
    (rule,) = (c for c in SHEETS[sheet].columns if c.name == column)
    for names, part in df.groupby([*kinds_of, "batch"]):
        (*kind, batch), rows = names, part.index
        where = f"in batch {batch}" if batch else "in the sheet"
        where += "".join(f", {k} {v}" for k, v in zip(kinds_of, kind, strict=True))
        found = sizes.loc[rows].dropna()
        found = found[found.between(rule.minimum, rule.maximum)]  # others are told as out of range
        problems += _sizes(file, where, found, given=df[column], column=column, times=times)
        if sheet == "scans" and batch:
            depths = {int(r): looks[r].kind for r in rows if r in looks and looks[r].kind}
            problems += _depths(file, where, depths)
    return problems


def _sizes(
    file: str, where: str, sizes: pd.Series, *, given: pd.Series, column: str, times: float
) -> Iterator[Problem]:
    """A size that is so many times larger or smaller than that of the others of its batch."""
    middle = sizes.median()
    for row, size in sizes.items():
        if len(sizes) >= 3 and not 1 / times < size / middle < times:
            apart = size / middle if size > middle else middle / size
            size_of = "larger" if size > middle else "smaller"
            origin = "" if given.at[row] == given.at[row] else "the file says so: "
            message = f"{origin}{apart:.3g} times {size_of} than the others {where}: is it right?"
            value, allowed = f"{size:g}", f"about {middle:g} µm"
            yield Problem(
                file=file,
                row=int(row),
                column=column,
                message=message,
                value=value,
                allowed=allowed,
                level="warning",
            )


def _depths(file: str, where: str, kinds: Mapping[int, str]) -> Iterator[Problem]:
    """A bit depth that few scans of a batch have: one threshold cannot fit both."""
    counts = Counter(kinds.values()).most_common(2)
    if len(counts) < 2 or counts[0][1] < 3 * counts[1][1]:
        return
    usual = counts[0][0]
    for row, kind in kinds.items():
        if kind != usual:
            message = f"grey values of another type than those of the others {where}: is it right?"
            yield Problem(
                file=file,
                row=row,
                column="path",
                message=message,
                value=kind,
                allowed=usual,
                level="warning",
            )
