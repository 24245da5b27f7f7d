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
from periomics.bulk.length_tables import lengths_of, with_lengths
from periomics.bulk.parts import part_of
from periomics.bulk.readers import How, file_format, read_counts
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


def _kind(facts: Mapping[str, object]) -> tuple[object, ...]:
    """What the genes of a library's file must be."""
    return facts.get("species"), facts.get("reference")


def _told(named: Named, error: InputError, rows: list[int], column: str) -> list[Problem]:
    """A refusal as problems of some rows, with its place inside the file."""
    shown, inside = (error.message, error.value, error.allowed), named.path.name
    if error.row is not None:
        inside += f", row {error.row}, column {error.column}"
    return named.problem(*shown, rows=rows, column=column, inside=inside)


def look_at_counts(named: Named) -> Look:
    """A table of counts: readable, whole numbers from 0, genes in rows under their own names, one column per library."""
    how = how_of(named.config, MOST_CELLS)
    stated = str(next(iter(named.rows.values())).get("format", ""))
    counts = read_counts(named.path, stated, how=how)
    inside = named.path.name
    if transposed(counts.data, [sample_of(f) for f in named.rows.values()]):
        return Look(named.problem(TRANSPOSED, named.cell, GENES_IN_ROWS, inside=inside))
    species = [f.get("species") for f in named.rows.values()]
    if not counts.named and len(set(species)) < len(species):
        samples = ", ".join(sample_of(f) for f in named.rows.values())
        return Look(named.problem(ONE_LIBRARY, samples, "a file for each library", inside=inside))
    problems: list[Problem] = []
    for doubt in counts.doubts:
        problems += named.problem(doubt, level="warning", inside=inside)
    taken: dict[tuple[str, object], int] = {}
    told: set[tuple[object, ...]] = set()
    for row, facts in named.rows.items():
        try:
            column = column_of(counts, facts)
        except InputError as error:
            problems += _told(named, error, [row], "sample")
            continue
        before = taken.setdefault((column, facts.get("species")), row)
        if before != row:
            message = f"this column is the library of row {before} already"
            refused = InputError(message, value=column, allowed="a column of its own")
            problems += _told(named, refused, [row], "sample")
        kind = _kind(facts)
        if kind in told:
            continue
        told.add(kind)
        try:
            check_species(counts, facts, how)
            part_of(counts, facts)
        except InputError as error:
            same = [r for r, f in named.rows.items() if _kind(f) == kind]
            problems += _told(named, error, same, error.column or "species")
    return Look(problems)


def look_at_lengths(named: Named) -> Look:
    """A table of lengths: it goes with the counts of the rows that name it, and knows their libraries and genes."""
    how = how_of(named.config, MOST_CELLS)
    problems: list[Problem] = []
    files: dict[tuple[str, str], list[int]] = {}
    for row, facts in named.rows.items():
        files.setdefault((str(facts["path"]), str(facts.get("format", ""))), []).append(row)
    for (path, form), rows in files.items():
        try:
            counts = read_counts(path, form, how=how)
            columns = {row: column_of(counts, named.rows[row]) for row in rows}
        except (InputError, OSError):  # told with the file of counts
            continue
        try:
            known = with_lengths(counts, file_format(path, form), Path(path), named.path)
        except InputError as error:
            problems += _told(named, error, rows, "lengths")
            continue
        for row, column in columns.items():
            try:
                lengths_of(known, column, named.rows[row])
            except InputError as error:
                problems += _told(named, error, [row], "lengths")
    return Look(problems)
