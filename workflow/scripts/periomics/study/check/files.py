"""Checks of the files that sheets name: there, readable as what they are, with a physical size, and not twice the same."""

from __future__ import annotations

import hashlib
import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from stat import S_ISDIR, S_ISREG

import pandas as pd

from periomics.core.files import sha256
from periomics.core.problems import Problem
from periomics.study.check.design import sheet_name
from periomics.study.check.opened import Look, Named, Opener
from periomics.study.check.sheets import BRACES, has_placeholder
from periomics.study.check.sizes import check_alike, check_size
from periomics.study.sheets import SPECIMEN_SHEETS
from periomics.study.study import PATH_COLUMNS, Study

BLOCK = 1 << 14  # bytes
_PICTURES = dict.fromkeys(("tubes", "junctions", "nuclei"), "picture")


def check_files(
    study: Study, openers: Mapping[str, Opener], dictionary: pd.DataFrame
) -> list[Problem]:
    """Every problem with files; headers are read, never pixels.

    Parameters
    ----------
    study
        The study.
    openers
        Kind of file (see `kind_of`) → what looks into it.
    dictionary
        The outcome dictionary.
    """
    problems = []
    for sheet in SPECIMEN_SHEETS:
        problems += _missing(study, sheet)
        looks: dict[int, Look] = {}
        for kind, named in named_files(study, sheet, dictionary):
            found = _unusable(named)
            look = Look(found) if found else _look(named, openers.get(kind))
            problems += look.problems
            if named.column == "path" and not look.problems:
                looks |= dict.fromkeys(named.rows, look)
        problems += check_size(study, sheet, looks) + check_alike(study, sheet, looks)
    return problems + _twice(study)


def kind_of(sheet: str, column: str, row: Mapping[str, object]) -> str:
    """What kind of file a cell names: the key of its opener."""
    if column != "path":
        known = {"rois": "regions", "lengths": "lengths", "earlier": "scan"}
        return known.get(column, "labels" if sheet == "scans" else "drawing")
    if sheet == "cultures":
        assay = str(row.get("assay", ""))
        return {"plate": "plate", "qpcr": "ratios", "western": "ratios", **_PICTURES}.get(
            assay, "series"
        )
    if sheet == "libraries":
        return "cells" if row.get("assay") == "singlecell" else "counts"
    return {"scans": "scan", "sections": "section", "imports": "import"}[sheet]


def named_files(study: Study, sheet: str, dictionary: pd.DataFrame) -> Iterator[tuple[str, Named]]:
    """Every raw file of a sheet once, with its kind and the rows that name it."""
    groups: dict[tuple, dict[int, dict[str, object]]] = defaultdict(dict)
    cells: dict[str, str] = {}
    columns = [c for c in PATH_COLUMNS if c in study.sheets[sheet].columns]
    for row, record in study.rows(sheet).to_dict("index").items():
        facts = {k: v for k, v in record.items() if v != "" and v == v}
        told = facts | {c: study.resolve(sheet, facts[c]) for c in columns if c in facts}
        for column in columns:
            if column in facts and not study.is_simulated(str(facts[column])):
                key = (column, kind_of(sheet, column, facts), told[column], facts.get("format"))
                groups[key][int(row)] = told
                cells.setdefault(told[column], str(facts[column]))
    for (column, kind, path, _), rows in groups.items():
        names = (cells[path], sheet_name(study, sheet), column)
        yield kind, Named(Path(path), *names, rows, study.config, dictionary)


def _look(named: Named, opener: Opener | None) -> Look:
    if opener is None:
        return Look()
    try:
        return opener(named)
    except Exception as error:  # every decoder has its own exceptions
        return Look(named.refused(error))


def _missing(study: Study, sheet: str) -> list[Problem]:
    """Files that do not exist; and names that hold braces only once a variable in them is put in."""
    problems, file = [], sheet_name(study, sheet)
    lost = {(row, column) for name, row, column in study.missing_files if name == sheet}
    for column in (c for c in PATH_COLUMNS if c in study.sheets[sheet].columns):
        for row, cell in study.sheets[sheet][column].items():
            if not cell or has_placeholder(cell):
                continue  # the second is told with the sheet's cells
            path = study.resolve(sheet, cell)
            if (row, column) in lost:
                message = f"file does not exist; {_missing_hint(path)}"
                problems.append(Problem(file, int(row), column, message, cell))
            elif "$" in cell and study.has_braces(sheet, cell):
                allowed = "a variable whose value holds no { and }"
                problems.append(Problem(file, int(row), column, BRACES, path, allowed))
    return problems


def _missing_hint(path: str) -> str:
    """Why a file may be missing: an environment variable that is not set stays in the path as it was written."""
    unset = re.search(r"\$\{?(\w+)", path)
    if unset:
        return f"the environment variable {unset[1]} is not set"
    return "its folder exists" if Path(path).parent.is_dir() else "nor does its folder"


def _unusable(named: Named) -> list[Problem]:
    """Why a file may not be opened at all: opening a pipe would wait for ever."""
    special = _special(named.path)
    message = special or ("" if _readable(named.path) else "file cannot be opened for reading")
    return named.problem(message, named.cell) if message else []


def _special(place: Path) -> str:
    """What is wrong with a path that is neither a file nor a folder of files and folders."""
    mode = place.stat().st_mode
    if S_ISDIR(mode):
        odd = next(iter(sorted(_odd(place))), None)
        return f"the folder holds a device, pipe or broken link, {odd!r}" if odd else ""
    return "" if S_ISREG(mode) else "is a device or pipe, not a file"


def _odd(folder: Path) -> Iterator[str]:
    for top, _, names in os.walk(folder):
        for name in names:
            place = Path(top, name)
            if not place.is_file():
                yield str(place.relative_to(folder))


def _readable(place: Path) -> bool:
    try:
        if place.is_dir():
            return any(place.iterdir())
        with place.open("rb") as handle:
            return len(handle.read(1)) == 1
    except OSError:
        return False


def _twice(study: Study) -> list[Problem]:
    """Same content under two names: by size first, then by some blocks, by all bytes only where these agree."""
    by_size: dict[int, list[tuple[str, int, str]]] = defaultdict(list)
    for sheet in ("scans", "sections", "cultures"):
        for row, cell in study.rows(sheet)["path"].items():
            raw = Path(study.resolve(sheet, cell))
            if raw.is_file() and not study.is_simulated(cell):
                by_size[raw.stat().st_size].append((sheet, int(row), str(raw)))
    problems = []
    for group in by_size.values():
        paths = _alike_in_parts(sorted({p for _, _, p in group}))
        if len(paths) < 2:
            continue
        group = [g for g in group if g[2] in paths]
        first: dict[str, str] = {}
        digest = {p: sha256(p) for p in paths}
        for path in paths:
            first.setdefault(digest[path], path)
        for sheet, row, path in group:
            original = first[digest[path]]
            if original != path:
                message, allowed = f"same content as {original}", "each specimen its own file"
                file = sheet_name(study, sheet)
                problems.append(Problem(file, row, "path", message, path, allowed))
    return problems


def _alike_in_parts(paths: list[str]) -> list[str]:
    """Files of one size whose start, middle and end another has too; scans of one shape have one size."""
    if len(paths) < 2:
        return []
    parts: dict[bytes, list[str]] = defaultdict(list)
    for path in paths:
        with Path(path).open("rb") as handle:
            size, seen = os.fstat(handle.fileno()).st_size, b""
            for place in (0, size // 2, max(0, size - BLOCK)):
                handle.seek(place)
                seen += handle.read(BLOCK)
        parts[hashlib.sha256(seen).digest()].append(path)
    return [p for same in parts.values() if len(same) > 1 for p in same]
