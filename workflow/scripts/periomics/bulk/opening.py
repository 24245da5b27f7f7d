"""What the check sees of count tables before they are brought together: the reader of the job itself, up to a bound."""

from __future__ import annotations

from typing import Any

from periomics.bulk.readers import (
    GENES_IN_ROWS,
    TRANSPOSED,
    column_of,
    read_counts,
    sample_of,
    transposed,
)
from periomics.core.errors import InputError
from periomics.core.problems import Problem
from periomics.study.check.opened import Look, Named

MOST_CELLS = 2_000_000  # about two seconds; a table of 25,000 genes and 80 libraries is read whole


def look_at_counts(named: Named) -> Look:
    """A table of counts: readable, whole numbers from 0, genes in rows under their own names, one column per library."""
    stated = str(next(iter(named.rows.values())).get("format", ""))
    data = read_counts(named.path, stated, MOST_CELLS).data
    if transposed(data, [sample_of(f) for f in named.rows.values()]):
        return Look(named.problem(TRANSPOSED, named.cell, GENES_IN_ROWS, inside=named.path.name))
    problems: list[Problem] = []
    taken: dict[str, int] = {}
    for row, facts in named.rows.items():
        where: dict[str, Any] = {"rows": [row], "column": "sample", "inside": named.path.name}
        try:
            column = column_of(data, facts)
        except InputError as error:
            problems += named.problem(error.message, error.value, error.allowed, **where)
            continue
        before = taken.setdefault(column, row)
        if before != row:
            message = f"this column is the library of row {before} already"
            problems += named.problem(message, column, "a column of its own", **where)
    return Look(problems)
