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
from periomics.study.settings.section import read_section
from periomics.study.settings.singlecell import PseudobulkTests
from periomics.study.study import Study

D = TypeVar("D", bound=Design)


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
    try:
        one_species(samples, "singlecell/atlas")
    except InputError as error:
        yield _problem(study, error, "singlecell/atlas", "one atlas holds one species")
        return
    tests = _read(PseudobulkTests, section(study, "singlecell").get("tests"))
    if tests is not None and tests.contrasts and len(samples):
        yield from _analysis(study, samples, tests, "singlecell", "singlecell/tests")


def _read(model: type[D], given: object) -> D | None:
    """A declared design; None where its form is wrong, which the check of the configuration tells."""
    return read_section(model, given, "config")[0] if isinstance(given, Mapping) else None


def _analysis(
    study: Study, samples: pd.DataFrame, design: Design, name: str, where: str
) -> Iterator[Problem]:
    try:
        chosen = select(samples, design.select, name)
        with_design(chosen, design.arm, design.blocks, name)
    except InputError as error:
        yield _problem(study, error, where)


def _problem(study: Study, error: InputError, where: str, message: str = "") -> Problem:
    """A refusal of the model as a line of the check: of the sheet where it names a column of it, else of the config."""
    in_sheet = error.column in study.sheets["libraries"].columns
    file = sheet_name(study, "libraries") if in_sheet else "config"
    column = error.column if in_sheet else f"{where}/{error.column}".rstrip("/")
    value = "" if error.value is None else str(error.value)
    return Problem(file, 0, column, message or error.message, value, error.allowed)
