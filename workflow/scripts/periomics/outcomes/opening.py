"""What the check sees of tables of other programs: the reader of the job itself, as they are small."""

from __future__ import annotations

from periomics.core.errors import PeriomicsError
from periomics.outcomes.adapters import read_import
from periomics.study.check.opened import Look, Named


def look_at_import(named: Named) -> Look:
    """A table of CTAn or QuPath: its columns, numbers, regions, and outcomes that the dictionary knows."""
    problems = []
    for row, facts in named.rows.items():
        try:
            read_import(facts, named.dictionary)
        except (PeriomicsError, ValueError) as error:
            problems += named.refused(error, rows=[row])
    return Look(problems)
