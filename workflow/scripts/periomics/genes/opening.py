"""What the check sees of analyses of libraries before counts are read: selections, arms, blocks, times and species."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

import pandas as pd

from periomics.core.errors import InputError
from periomics.core.problems import Problem
from periomics.genes.design import one_species, sample_table, select, with_design
from periomics.study.check.design import sheet_name
from periomics.study.check.settings import section
from periomics.study.settings.bulk import Analysis
from periomics.study.settings.genes import Design
from periomics.study.settings.section import Section, read_section
from periomics.study.settings.singlecell import Atlas, PseudobulkTests
from periomics.study.study import Study

D = TypeVar("D", bound=Section)


def check_analyses(study: Study) -> list[Problem]:
    """Every declared analysis of bulk and single-cell libraries whose libraries may not stand in one model."""
    return [*_bulk(study), *_singlecell(study)]


def _samples(study: Study, modality: str) -> pd.DataFrame:
    sheets = study.sheets
    return sample_table(sheets["libraries"], sheets["animals"], sheets["exclusions"], modality)


def _bulk(study: Study) -> Iterator[Problem]:
    samples = _samples(study, "bulk")
    declared = section(study, "bulk").get("analyses")
    for analysis in declared if isinstance(declared, list) and len(samples) else []:
        design = _read(Analysis, analysis)
        if design is not None:
            yield from _analysis(study, samples, design, design.name, "bulk/analyses")


def _singlecell(study: Study) -> Iterator[Problem]:
    samples = _samples(study, "singlecell")
    atlas = _read(Atlas, section(study, "singlecell").get("atlas") or {}) or Atlas()
    found = {str(s) for s in samples.get("species", ())} - {""}
    if atlas.species is not None and len(samples) and atlas.species not in found:
        none = InputError("no library is of this species", column="species", value=atlas.species)
        yield _problem(study, none, "singlecell/atlas", in_config=True)
        return
    if atlas.species is None:
        try:
            one_species(samples, "singlecell/atlas")
        except InputError as error:
            allowed = (
                "one species, or singlecell/atlas/species, which says whose cells make the atlas"
            )
            told = InputError("", column=error.column, value=error.value, allowed=allowed)
            yield _problem(study, told, "singlecell/atlas", "one atlas holds one species")
            return
    tests = _read(PseudobulkTests, section(study, "singlecell").get("tests") or {})
    if tests is None or not len(samples) or not (tests.contrasts or len(found) > 1):
        return
    yield from _analysis(study, samples, tests, "singlecell", "singlecell/tests")
    selected = tests.select.get("species")
    if len(found) > 1 and selected not in (None, atlas.species):
        other = InputError("is not the atlas' species", column="select", value=selected)
        other.allowed = str(atlas.species)
        yield _problem(study, other, "singlecell/tests")


def _read(model: type[D], given: object) -> D | None:
    """A declared section; None where its form is wrong, which the check of the configuration tells."""
    return read_section(model, given, "config")[0] if isinstance(given, Mapping) else None


def _analysis(
    study: Study, samples: pd.DataFrame, design: Design, name: str, where: str
) -> Iterator[Problem]:
    try:
        chosen = select(samples, design.select, name)
        with_design(chosen, design.arm, design.blocks, name)
    except InputError as error:
        yield _problem(study, error, where)


def _problem(
    study: Study, error: InputError, where: str, message: str = "", in_config: bool = False
) -> Problem:
    """A refusal of the model as a line of the check: of the sheet where it names a column of it, else of the config."""
    in_sheet = not in_config and error.column in study.sheets["libraries"].columns
    file = sheet_name(study, "libraries") if in_sheet else "config"
    column = error.column if in_sheet else f"{where}/{error.column}".rstrip("/")
    value = "" if error.value is None else str(error.value)
    return Problem(file, 0, column, message or error.message, value, error.allowed)
