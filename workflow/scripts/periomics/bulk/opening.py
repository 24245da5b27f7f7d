"""What the check sees of count tables before they are brought together: the reader of the job itself, up to a bound."""

from __future__ import annotations

import os

from periomics.bulk.collecting import check_species
from periomics.bulk.columns import (
    GENES_IN_ROWS,
    ONE_LIBRARY,
    TRANSPOSED,
    column_of,
    sample_of,
    transposed,
)
from periomics.bulk.readers import How, read_counts
from periomics.core.errors import InputError
from periomics.core.problems import Problem
from periomics.study.check.opened import Look, Named
from periomics.study.settings.bulk import BulkCounts

MOST_CELLS = 2_000_000  # about two seconds; a table of 25,000 genes and 80 libraries is read whole


def how_of(named: Named) -> How:
    """How the job will read, from the configuration; settings that are wrong are told by the check of the config."""
    settings = named.section("bulk").get("counts")
    tx2gene = os.path.expandvars(str(named.section("resources").get("tx2gene") or ""))
    try:
        read = BulkCounts.of(settings or {}, "bulk/counts")
    except InputError:
        read = BulkCounts()
    return How(read, tx2gene, MOST_CELLS)


def _told(named: Named, error: InputError, rows: list[int], column: str) -> list[Problem]:
    """A refusal as problems of some rows."""
    shown = (error.message, error.value, error.allowed)
    return named.problem(*shown, rows=rows, column=column, inside=named.path.name)


def look_at_counts(named: Named) -> Look:
    """A table of counts: readable, whole numbers from 0, genes in rows under their own names, one column per library."""
    how = how_of(named)
    stated = str(next(iter(named.rows.values())).get("format", ""))
    counts = read_counts(named.path, stated, how=how)
    inside = named.path.name
    if transposed(counts.data, [sample_of(f) for f in named.rows.values()]):
        return Look(named.problem(TRANSPOSED, named.cell, GENES_IN_ROWS, inside=inside))
    if not counts.named and len(named.rows) > 1:
        samples = ", ".join(sample_of(f) for f in named.rows.values())
        return Look(named.problem(ONE_LIBRARY, samples, "a file for each library", inside=inside))
    problems: list[Problem] = []
    taken: dict[str, int] = {}
    told: set[object] = set()
    for row, facts in named.rows.items():
        try:
            column = column_of(counts, facts)
        except InputError as error:
            problems += _told(named, error, [row], "sample")
            continue
        before = taken.setdefault(column, row)
        if before != row:
            message = f"this column is the library of row {before} already"
            refused = InputError(message, value=column, allowed="a column of its own")
            problems += _told(named, refused, [row], "sample")
        try:
            check_species(counts, facts, how)
        except InputError as error:
            same = [r for r, f in named.rows.items() if f.get("species") == facts.get("species")]
            if facts.get("species") not in told:
                problems += _told(named, error, same, "species")
            told.add(facts.get("species"))
    return Look(problems)
