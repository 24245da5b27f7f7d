"""What the check says of tables of scores before anything is counted: third-party tables that cannot be read, and names of scores."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd

from periomics.core.errors import InputError
from periomics.core.problems import Problem
from periomics.genes import footprints, regulons
from periomics.genes.scoring import Models
from periomics.study.settings.bulk import BulkScores
from periomics.study.settings.section import read_section, section_of
from periomics.study.species import SPECIES
from periomics.study.study import Study

# Tables of scores that a study may name.
CONFIGURED = ("progeny", "regulons")
_ORTHOLOGS = ("orthologs_mouse", "orthologs_rat")


def check_scores(study: Study, tables: Mapping[str, str]) -> list[Problem]:
    """Configured tables of footprints and regulons that are no such tables, read as the jobs read them.

    Parameters
    ----------
    study
        The study.
    tables
        Paths of the team's `signatures`, `responses` and `signalling`.
    """
    named = _named(study)
    if not any(n in named for n in CONFIGURED) or study.sheets["libraries"].empty:
        return []
    problems = [p for n, path in named.items() for p in _absent(n, path)]
    if problems:
        return problems
    for species in _species(study):
        try:
            _models(study, tables, species)
        except InputError as error:
            value = "" if error.value is None else str(error.value)
            return [
                Problem(
                    error.file,
                    error.row or 0,
                    error.column,
                    error.message,
                    value,
                    error.allowed,
                )
            ]
    return []


def known_scores(study: Study, tables: Mapping[str, str]) -> dict[str, set[str]]:
    """Kind of score → names of the scores that the study's libraries will have.

    A configured table that cannot be read, which `check_scores` tells, leaves out the kinds of both such tables.
    """
    out: dict[str, set[str]] = {}
    absent = [p for n, path in _named(study).items() for p in _absent(n, path)]
    for species in _species(study) or ("human",):
        names = None if absent else _names(study, tables, species)
        if names is None:
            names = Models.read(tables, BulkScores(), species).names()
            names = names[~names["kind"].isin([footprints.KIND, regulons.KIND])]
        for kind, part in names.groupby("kind"):
            out.setdefault(str(kind), set()).update(part["score_id"])
    return out


def _names(study: Study, tables: Mapping[str, str], species: str) -> pd.DataFrame | None:
    try:
        return _models(study, tables, species).names()
    except InputError:
        return None


def _named(study: Study) -> dict[str, str]:
    """Third-party tables of scores and orthologs, by name, with variables of the environment expanded as for the jobs."""
    given = section_of(study.config, "resources")
    wanted = (*CONFIGURED, *_ORTHOLOGS)
    return {n: os.path.expandvars(v) for n in wanted if (v := str(given.get(n) or ""))}


def _models(study: Study, tables: Mapping[str, str], species: str) -> Models:
    given = section_of(section_of(study.config, "bulk"), "scores")
    settings = read_section(BulkScores, given, "config", "bulk/scores")[0] or BulkScores()
    return Models.read({**tables, **_named(study)}, settings, species)


def _species(study: Study) -> list[str]:
    return sorted(set(study.sheets["libraries"]["species"]) & set(SPECIES))


def _absent(name: str, path: str) -> Iterator[Problem]:
    if "$" in path:
        message = "the environment variable in this path is not set"
        yield Problem("config", 0, f"resources/{name}", message, path)
    elif not Path(path).is_file():
        yield Problem("config", 0, f"resources/{name}", "there is no such file", path)
