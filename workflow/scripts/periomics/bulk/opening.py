"""What the check sees of count tables before they are brought together: the reader of the job itself, up to a bound."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from periomics.bulk.collecting import check_species, joined, read_all
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
from periomics.study.check.design import sheet_name
from periomics.study.check.opened import Look, Named
from periomics.study.settings.bulk import BulkCounts
from periomics.study.settings.section import read_section, section_of
from periomics.study.study import Study

MOST_CELLS = 2_000_000  # about two seconds; a table of 25,000 genes and 80 libraries is read whole
MOST_BYTES = 60_000_000  # of text; about ten seconds, some forty tables of one library each


def how_of(config: Mapping[str, object], most_cells: int | None) -> How:
    """How the job will read, from the configuration; settings that are wrong are told by the check of the config."""
    counts = section_of(section_of(config, "bulk"), "counts")
    tx2gene = os.path.expandvars(str(section_of(config, "resources").get("tx2gene") or ""))
    settings = read_section(BulkCounts, counts, "config")[0] or BulkCounts()
    return How(settings, tx2gene, most_cells)


def check_together(study: Study) -> list[Problem]:
    """What is wrong with files of counts beside each other: too few genes in common, lists of genes that end early, one total.

    Files that are wrong by themselves are told by `look_at_counts`. Where all files together are larger than MOST_BYTES the
    job tells it, which is among the first to run.
    """
    facts = []
    for record in study.rows("libraries").to_dict("records"):
        told = {str(k): v for k, v in record.items() if v not in ("", None) and v == v}
        if told.get("assay") == "bulk" and "path" in told:
            facts.append(told | {"path": study.resolve("libraries", str(told["path"]))})
    paths = {str(f["path"]): Path(str(f["path"])) for f in facts}
    files = [p / "quant.sf" if p.is_dir() else p for p in paths.values()]
    if len(files) < 2 or not all(p.is_file() for p in files):
        return []
    if sum(p.stat().st_size * (4 if p.suffix == ".gz" else 1) for p in files) > MOST_BYTES:
        return []
    try:
        read = read_all(facts, how_of(study.config, None))
    except (InputError, OSError):  # told with the file
        return []
    try:
        joined(read)
    except InputError as error:
        rows = study.rows("libraries")["path"]
        row = next(
            (int(r) for r, c in rows.items() if study.resolve("libraries", c) == error.file), 0
        )
        name = sheet_name(study, "libraries")
        value = "" if error.value is None else str(error.value)
        return [Problem(name, row, "path", error.message, value, error.allowed)]
    return []


def _told(named: Named, error: InputError, rows: list[int], column: str) -> list[Problem]:
    """A refusal as problems of some rows."""
    shown = (error.message, error.value, error.allowed)
    return named.problem(*shown, rows=rows, column=column, inside=named.path.name)


def look_at_counts(named: Named) -> Look:
    """A table of counts: readable, whole numbers from 0, genes in rows under their own names, one column per library."""
    how = how_of(named.config, MOST_CELLS)
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
