"""Checks of settings against each other, and of the folder that all results go to."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from periomics.core.problems import Problem
from periomics.study.settings.section import section_of
from periomics.study.sheets import SPECIMEN_SHEETS
from periomics.study.study import RESULTS_TOKEN, Study

# Folders of the project itself; nothing may be written into `workflow`, nor straight into the others.
SOURCES = ("config", "resources", "docs", "tests", "envs", "profiles", "benchmarks")
_SPECIAL = re.compile(r"[{}$`*?\"'<>|;&\\\x00-\x1f]")
_FOLDER = "a folder of its own for results, such as results or results/mystudy"


def section(study: Study, name: str) -> Mapping:
    """A section of the configuration; empty where it is none."""
    return section_of(study.config, name)


def number(settings: Mapping, key: str) -> float | None:
    """A setting that is a number, else None."""
    value = settings.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value)


def check_results_folder(study: Study) -> list[Problem]:
    """Why results may not go where `results_dir` says: the way there, or what lies there."""
    value = study.config.get("results_dir")
    if not isinstance(value, str):
        return []  # its type is told by the model; the default is used where it is not given
    message = _refused_name(value) or _refused_place(study, value)
    return [Problem("config", 0, "results_dir", message, value, _FOLDER)] if message else []


def _refused_name(value: str) -> str:
    special = _SPECIAL.search(value)
    if special:
        return f"the character {special[0]!r} may not stand in it"
    parts = value.split("/")
    if ".." in parts:
        return "it may not climb out of a folder by '..'"
    if value.strip() != value or not value or value.startswith(("~", "-")):
        return "it is not the name of a folder"
    return "it is the working folder itself" if not PurePosixPath(value).parts else ""


def _refused_place(study: Study, value: str) -> str:
    results = Path(os.path.realpath(value))
    here = Path.cwd().resolve()
    if results == here or results in here.parents:
        return "it is the working folder itself, or one around it"
    if results.is_relative_to(here):
        inside = results.relative_to(here).parts
        if inside[0] == "workflow" or (len(inside) == 1 and inside[0] in SOURCES):
            return "it is a folder of the workflow's own files"
        if inside[0].startswith("."):
            return "it is a hidden folder"
    if results.exists() and not results.is_dir():
        return "a file of this name exists"
    for name in _sheet_files(study):
        if Path(os.path.realpath(name)).is_relative_to(results):
            return f"it is a folder that holds the study's own files ({Path(name).name})"
    return ""


def _sheet_files(study: Study) -> Iterator[str]:
    """Sheets, claims and raw files of the study that no job writes."""
    for name in study.sheets:
        if file := study.sheet_file(name):
            yield file
    if claims := study.claims_file():
        yield claims
    made = Path(study.results) / "simulate"
    for sheet in SPECIMEN_SHEETS:
        for cell in study.sheets[sheet]["path"]:
            file = study.resolve(sheet, cell) if cell and not cell.startswith(RESULTS_TOKEN) else ""
            if file and not Path(file).is_relative_to(made):
                yield file


def check_settings(study: Study) -> list[Problem]:
    """Every setting that contradicts another, and file names that cannot be used."""
    return [*_shares(study), *_names(study), *_bulk(study)]


def _shares(study: Study) -> Iterator[Problem]:
    """Shares of the claims that were written as percents."""
    file = str(study.config.get("claims") or "claims")
    claims = study.claims.get("claims")
    listed = [c for c in claims if isinstance(c, Mapping)] if isinstance(claims, list) else []
    margins = [("margin", study.claims.get("margin"))]
    margins += [(f"claims/{c.get('id')}/margin", c.get("margin")) for c in listed]
    for where, margin in margins:
        if not isinstance(margin, Mapping) or margin.get("kind") != "deficit":
            continue
        value = number(margin, "value")
        if value is None or value <= 1:
            continue
        message = f"a share of the deficit was meant - did you mean {value / 100:g}?"
        yield Problem(file, 0, f"{where}/value", message, f"{value:g}", "above 0, at most 1")
    for claim in listed:
        value = number(claim, "threshold")
        if claim.get("kind") == "rescue" and value is not None and not 0 <= value <= 2:
            near = f" - did you mean {value / 100:g}?" if value > 0 else ""
            message = f"a share of the way to healthy was meant{near}"
            where = f"claims/{claim.get('id')}/threshold"
            yield Problem(file, 0, where, message, f"{value:g}", "from 0 to 2")


def _names(study: Study) -> Iterator[Problem]:
    """Files of sheets and claims whose names the workflow would read as placeholders."""
    sheets = study.config.get("sheets")
    named = [(f"sheets/{k}", v) for k, v in sheets.items()] if isinstance(sheets, Mapping) else []
    named += [("claims", study.config.get("claims")), ("study_dir", study.config.get("study_dir"))]
    for where, value in named:
        if isinstance(value, str) and re.search(r"[{}]", value):
            message = "the name of a file may hold no braces"
            yield Problem("config", 0, where, message, value, "a name without { and }")


def _bulk(study: Study) -> Iterator[Problem]:
    libraries = study.sheets["libraries"]
    rows = int((libraries["assay"] == "bulk").sum())
    if rows and not section(study, "bulk").get("analyses"):
        message = (
            f"{rows} bulk libraries and no analysis: they get scores, but no test between arms; "
            "declare one under bulk/analyses"
        )
        yield Problem("config", 0, "bulk/analyses", message, level="warning")
