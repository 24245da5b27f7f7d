"""What the check sees of tables of other programs: the reader of the job itself, as they are small."""

from __future__ import annotations

from collections.abc import Mapping

from periomics.core.errors import PeriomicsError
from periomics.core.problems import Problem
from periomics.outcomes.adapters import read_import
from periomics.outcomes.qupath import image_of, names_of
from periomics.study.check.opened import Look, Named


def look_at_import(named: Named) -> Look:
    """A table of CTAn or QuPath: its columns, numbers, regions, and outcomes that the dictionary knows."""
    problems: list[Problem] = []
    taken: dict[tuple[str, str], int] = {}
    for row, facts in named.rows.items():
        try:
            read_import(facts, named.dictionary)
            part = _part(facts)
        except (PeriomicsError, ValueError) as error:
            problems += named.refused(error, rows=[row])
            continue
        before = taken.setdefault(part, row)
        if before != row:
            message = f"these numbers are those of row {before} already"
            allowed = "a table, an image or a region of its own"
            problems += named.problem(message, named.cell, allowed, rows=[row])
    return Look(problems)


def _part(facts: Mapping[str, object]) -> tuple[str, str]:
    """What of a table a row of the imports sheet takes: its image and its region."""
    if facts["format"] != "qupath":
        return "", ""
    return image_of(str(facts["path"]), names_of(facts)), str(facts.get("roi") or "")
