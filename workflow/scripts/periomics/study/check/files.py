"""Checks of the files that sheets name: there, readable by their header, with a physical size, and not twice the same."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path

from periomics.core.errors import PeriomicsError
from periomics.core.files import sha256
from periomics.core.problems import Problem
from periomics.study.sheets import HEADERLESS_ASSAYS, SPECIMEN_SHEETS
from periomics.study.study import RESULTS_TOKEN, Study

# A probe takes a path and a row's facts and returns the size the header states in µm (None where it states none).
Probe = Callable[[str, Mapping[str, object]], "float | None"]
SIZE_COLUMN = {"scans": "voxel_um", "sections": "pixel_um", "cultures": "pixel_um"}


def check_files(study: Study, probes: Mapping[str, Probe]) -> list[Problem]:
    """Every problem with files; headers are read, never pixels.

    Parameters
    ----------
    study
        The study.
    probes
        Function a sheet that reads a file's header.
    """
    problems = []
    for sheet in SPECIMEN_SHEETS:
        file = str((study.config.get("sheets") or {}).get(sheet, sheet))
        for name, row, column in study.missing_files:
            if name == sheet:
                cell = str(study.sheets[sheet].at[row, column])
                hint = _missing_hint(study.resolve(sheet, cell))
                problems.append(Problem(file, row, column, f"file does not exist; {hint}", cell))
        problems += _headers(study, sheet, file, probes.get(sheet))
    return problems + _twice(study)


def _missing_hint(path: str) -> str:
    """Why a file may be missing: an environment variable that is not set stays in the path as it was written."""
    unset = re.search(r"\$\{?(\w+)", path)
    if unset:
        return f"the environment variable {unset[1]} is not set"
    return "its folder exists" if Path(path).parent.is_dir() else "nor does its folder"


def _headers(study: Study, sheet: str, file: str, probe: Probe | None) -> list[Problem]:
    problems = []
    df = study.rows(sheet)
    column = SIZE_COLUMN.get(sheet)
    for row, record in df.to_dict("index").items():
        if record["path"].startswith(RESULTS_TOKEN) and study.simulated:
            continue
        path = study.resolve(sheet, record["path"])
        if special := _special(path):
            problems.append(Problem(file, row, "path", special, record["path"]))
            continue
        if not _readable(path):
            problems.append(
                Problem(file, row, "path", "file cannot be opened for reading", record["path"])
            )
            continue
        if probe is None or record.get("assay") in HEADERLESS_ASSAYS:
            continue
        try:
            stated = probe(path, record)
        except (PeriomicsError, OSError, ValueError) as error:
            message = f"file cannot be read: {' '.join(str(error).split())[:200]}"
            problems.append(Problem(file, row, "path", message, record["path"]))
            continue
        if column and not (
            stated is None and record[column] != record[column] and _may_be_unknown(study, record)
        ):
            problems += _size(file, row, column, stated, record[column])
    return problems


def _may_be_unknown(study: Study, record: Mapping[str, object]) -> bool:
    """Scratch images need no pixel size where the config says that it is unknown: they are then measured in percent only."""
    culture = study.config.get("culture")
    unknown = isinstance(culture, Mapping) and culture.get("pixel_size") == "unknown"
    return unknown and record.get("assay") == "scratch"


def _special(path: str) -> str:
    """What is wrong with a path that is neither a file nor a folder of files: opening a pipe would wait for ever."""
    place = Path(path)
    if place.is_dir():
        odd = [p.name for p in place.iterdir() if not (p.is_file() or p.is_dir())]
        return f"the folder holds a device, pipe or broken link, {sorted(odd)[0]!r}" if odd else ""
    return "is a device or pipe, not a file" if place.exists() and not place.is_file() else ""


def _readable(path: str) -> bool:
    try:
        if Path(path).is_dir():
            return any(Path(path).iterdir())
        with Path(path).open("rb") as handle:
            return len(handle.read(1)) == 1
    except OSError:
        return False


def _size(file: str, row: int, column: str, stated: float | None, given: float) -> list[Problem]:
    has_given = given == given
    if stated is None and not has_given:
        return [
            Problem(
                file,
                row,
                column,
                "the file states no size and the sheet gives none",
                allowed=f"{column} in µm",
            )
        ]
    if stated is not None and has_given and abs(stated - given) > 0.01 * stated:
        ratio = given / stated
        hint = " - was it written in millimetres?" if 0.0009 < ratio < 0.0011 else ""
        return [
            Problem(
                file,
                row,
                column,
                f"the file says {stated:g} µm{hint}",
                f"{given:g}",
                "the same size, or an empty cell",
            )
        ]
    return []


def _twice(study: Study) -> list[Problem]:
    """Same content under two names: by size first, by digest only where sizes agree."""
    by_size: dict[int, list[tuple[str, int, str]]] = defaultdict(list)
    for sheet in ("scans", "sections", "cultures"):
        for row, cell in study.rows(sheet)["path"].items():
            path = Path(study.resolve(sheet, cell))
            if path.is_file() and not (cell.startswith(RESULTS_TOKEN) and study.simulated):
                by_size[path.stat().st_size].append((sheet, int(row), str(path)))
    problems = []
    for group in by_size.values():
        paths = sorted({p for _, _, p in group})
        if len(paths) < 2:
            continue
        first: dict[str, str] = {}
        digest = {p: sha256(p) for p in paths}
        for path in paths:
            first.setdefault(digest[path], path)
        for sheet, row, path in group:
            original = first[digest[path]]
            if original != path:
                file = str((study.config.get("sheets") or {}).get(sheet, sheet))
                problems.append(
                    Problem(
                        file,
                        row,
                        "path",
                        f"same content as {original}",
                        path,
                        "each specimen its own file",
                    )
                )
    return problems
