"""What the check sees of files of cells before they are read: shapes, names and a few of the numbers, never a whole matrix."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from periomics.core.errors import InputError, nearest
from periomics.core.problems import Problem
from periomics.genes.combined import is_combined, told_genes
from periomics.genes.unended import UNENDED, ends_in_line
from periomics.singlecell.annotated import (
    cells_by_gene,
    first_cells,
    first_numbers,
    names_of_genes,
    place_of_counts,
    text,
)
from periomics.singlecell.formats import joined_libraries, no_cells_file, refuse_scaled, whole
from periomics.singlecell.labelled import refuse_column, types_in
from periomics.singlecell.markers import read_markers
from periomics.singlecell.readers import CELLS_TWICE, check_species
from periomics.singlecell.tenx import (
    Files,
    barcodes_of,
    cells_in_rows,
    features_in,
    features_of,
    files_of,
    groups_of,
    matrix_head,
    unique_cells,
    words,
)
from periomics.study.check.opened import Look, Named
from periomics.study.settings.section import read_section, section_of
from periomics.study.settings.singlecell import Atlas
from periomics.study.study import Study

if TYPE_CHECKING:
    import h5py

MOST_LINES = 100_000  # entries of a folder's matrix that are looked at


def look_at_cells(named: Named) -> Look:
    """A file or folder of cells: whole, with counts, as many names as the matrix has rows and columns, and the library."""
    if named.path.is_dir():
        return Look(_folder(named))
    if named.path.suffix not in (".h5", ".h5ad"):
        raise no_cells_file(named.path)
    import h5py

    with h5py.File(named.path, "r") as file:
        if named.path.suffix == ".h5":
            cells = [c for group in groups_of(file) for c in words(group["barcodes"])]
            problems = [*_columns(named, []), *_species(named, _tenx(file))]
            return Look([*problems, *_joined(named, cells)])
        place = place_of_counts(file) if not hasattr(file.get("var"), "dtype") else ""
        if not place:
            return Look(_columns(named, []))  # of before 2019: read whole by the job
        names = _annotated(file, place)
        problems = [*_libraries(named, file["obs"]), *_species(named, names)]
        return Look(problems or _cells_twice(named, file["obs"]))


def check_markers(study: Study) -> list[Problem]:
    """A table of markers of one's own (`resources: cell_types`) that the atlas could not use."""

    def look(path: Path, species: str) -> None:
        if not len(read_markers(path, species)):
            raise InputError("names no gene of this species", file=path, value=species)

    return _of_resource(study, "cell_types", look)


def check_reference(study: Study) -> list[Problem]:
    """Labelled cells (`resources: cell_reference`) that the atlas could not learn from."""
    import h5py

    given = section_of(section_of(study.config, "singlecell"), "atlas")
    settings = read_section(Atlas, given, "config")[0] or Atlas()

    def look(path: Path, species: str) -> None:
        if path.is_file() and not h5py.is_hdf5(path):
            raise InputError("is no h5ad", file=path, allowed="labelled cells in an h5ad")
        with h5py.File(path, "r") as file:
            names = _annotated(file, place_of_counts(file))
            column = settings.reference_column
            refuse_column(column, [c for c in file["obs"] if not c.startswith("_")], path)
            types_in(pd.Series(text(file["obs"][column])).str.strip(), column, path)
        check_species(*names, {"species": species}, settings, path)

    return _of_resource(study, "cell_reference", look)


def _of_resource(study: Study, key: str, look: Callable[[Path, str], None]) -> list[Problem]:
    """What `look` refuses of a file that `resources` names, for the species of the cells."""
    given = section_of(study.config, "resources").get(key)
    rows = study.rows("libraries")
    cells = rows[rows["assay"] == "singlecell"] if "assay" in rows else rows[:0]
    if not given or not len(cells):
        return []
    path = Path(os.path.expandvars(str(given)))
    wanted = section_of(section_of(study.config, "singlecell"), "atlas").get("species")
    for species in sorted({str(s) for s in cells.get("species", []) if s and wanted in (None, s)}):
        try:
            look(path, species)
        except OSError:
            return []  # told where paths of the configuration are looked at
        except (InputError, ValueError, KeyError) as error:
            told = error if isinstance(error, InputError) else InputError(str(error), file=path)
            column = f"resources/{key}: {told.column or ''}".rstrip(": ")
            value = "" if told.value is None else str(told.value)
            return [Problem(str(path), told.row or 0, column, told.message, value, told.allowed)]
    return []


def _species(
    named: Named, names: tuple[list[str], list[str]], rows: Iterable[int] | None = None
) -> list[Problem]:
    """Libraries whose species is not that of the genes, told by ids and by symbols; combined references without any."""
    settings = named.settings(Atlas, "singlecell/atlas") or Atlas()
    problems = []
    for row in named.rows if rows is None else rows:
        facts = named.rows[row]
        try:
            if is_combined(facts):
                told_genes(names[0], facts, names[1])
            else:
                check_species(*names, facts, settings, "")
        except InputError as error:
            problems += named.problem(
                error.message,
                error.value,
                error.allowed,
                rows=[row],
                column=error.column or "species",
                inside=named.path.name,
            )
    return problems


def _folder(named: Named) -> list[Problem]:
    """A folder's matrices, each whole and of the size of its names; libraries that share one, or have none."""
    seen: dict[Path, tuple[int, str]] = {}
    problems: list[Problem] = []
    for row, facts in named.rows.items():
        sample = str(facts.get("sample", "")) or str(facts["specimen_id"])
        try:
            files = files_of(named.path, sample)
            names = None if files.matrix in seen else _matrix(files)
        except InputError as error:
            problems += named.refused(error, rows=[row])
            continue
        part = str(facts.get("species", "")) if is_combined(facts) else ""
        before = [r for m, (r, p) in seen.items() if m == files.matrix and p == part]
        if before:
            message = f"this matrix is the library of row {before[0]} already"
            problems += named.problem(
                message, sample, "a matrix of its own", rows=[row], column="sample"
            )
        seen[files.matrix] = row, part
        if names:
            ids, symbols, cells = names
            problems += [*_species(named, (ids, symbols), [row]), *_joined(named, cells, [row])]
            problems += _unended(named, files.matrix, [row])
    return [*_columns(named, [], of_folder=True), *problems]


def _joined(named: Named, cells: Sequence[str], rows: Sequence[int] | None = None) -> list[Problem]:
    """A warning where a file's cells seem to be of several libraries."""
    said = joined_libraries(cells)
    where: dict[str, Any] = {"rows": rows, "level": "warning", "inside": named.path.name}
    allowed = "a library a file, or an h5ad whose cells name theirs"
    return named.problem(said, "", allowed, **where) if said else []


def _unended(named: Named, matrix: Path, rows: Sequence[int]) -> list[Problem]:
    """A warning where a matrix may have been cut off within its last number."""
    if ends_in_line(matrix):
        return []
    inside = matrix.name
    return named.problem(UNENDED, rows=rows, level="warning", inside=inside)


def _matrix(files: Files) -> tuple[list[str], list[str], list[str]]:
    """Ids and symbols of a folder's genes, and its cells; raises InputError where matrix and names
    are not whole or do not fit."""
    (rows, columns, entries), body, lines = matrix_head(files.matrix, MOST_LINES)
    if lines < entries:
        message = f"matrix is cut off: {entries} entries stated"
        raise InputError(message, file=files.matrix, value=lines)
    turned = cells_in_rows(files, rows, columns)
    features = features_of(files.features, columns if turned else rows)
    cells = barcodes_of(files.barcodes, rows if turned else columns)
    numbers = np.array([_number(x, files.matrix) for x in body])
    whole(numbers, files.matrix)
    refuse_scaled(_first_whole(body, numbers, turned), files.matrix)
    return features.ids, features.symbols, cells


def _number(line: str, path: Path) -> float:
    try:
        return float(line.split()[2])
    except (IndexError, ValueError):
        message = "entry is no row, column and number"
        raise InputError(message, file=path, value=line[:40]) from None


def _first_whole(body: list[str], numbers: np.ndarray, turned: bool) -> sp.csr_matrix:
    """Cells of the first entries, but the last one, of which more may follow; none where entries do not stand cell by cell."""
    cells = np.array([int(x.split()[0 if turned else 1]) for x in body], int)
    if not len(cells) or (np.diff(cells) < 0).any():
        return sp.csr_matrix((0, 1))
    keep = cells < cells[-1]
    _, number = np.unique(cells[keep], return_counts=True)
    ends = np.concatenate([[0], np.cumsum(number)])
    genes = np.arange(keep.sum()) - np.repeat(ends[:-1], number)
    return sp.csr_matrix((numbers[keep], genes, ends), (len(number), int(number.max(initial=1))))


def _tenx(file: h5py.File) -> tuple[list[str], list[str]]:
    """Ids and symbols of an h5; raises InputError unless it is one of Cell Ranger with as many names as its matrix has rows
    and columns."""
    ids: list[str] = []
    symbols: list[str] = []
    for group in groups_of(file):
        rows, columns = (int(n) for n in group["shape"][:])
        features = features_in(group)
        for what, found, stated in (
            ("genes", len(features.ids), rows),
            ("barcodes", len(group["barcodes"]), columns),
        ):
            if found != stated:
                message = f"{found} {what}, but the matrix has {stated}"
                raise InputError(message, value=found, allowed=str(stated))
        unique_cells(words(group["barcodes"]), "")
        _sparse(group, columns)
        refuse_scaled(first_cells(group))
        ids, symbols = [*ids, *features.ids], [*symbols, *features.symbols]
    return ids, symbols


def _sparse(group: h5py.Group, columns: int) -> None:
    """Raise InputError where a sparse matrix does not hold what its pointers say, or its first numbers are no counts."""
    stated = int(group["indptr"][-1])
    if (
        len(group["indptr"]) != columns + 1
        or min(len(group["data"]), len(group["indices"])) < stated
    ):
        message = "matrix is incomplete: its pointers do not fit its numbers"
        raise InputError(message, value=f"{len(group['data'])} of {stated} numbers")
    whole(first_numbers(group))


def _annotated(file: h5py.File, place: str) -> tuple[list[str], list[str]]:
    """Ids and symbols of the genes of an h5ad; raises InputError unless its counts fit its names."""
    import h5py

    matrix, cells = file[place], _length(file["obs"])
    table = file["raw/var"] if place == "raw/X" else file["var"]
    genes, dense = _length(table), isinstance(matrix, h5py.Dataset)
    shape = matrix.shape if dense else matrix.attrs.get("shape", matrix.attrs.get("h5sparse_shape"))
    if shape is None or tuple(int(n) for n in shape) != (cells, genes):
        found = "no shape" if shape is None else " x ".join(str(int(n)) for n in shape)
        message = f"{place} has another shape than its cells and genes"
        raise InputError(message, value=found, allowed=f"{cells} x {genes}")
    by_column = not dense and "csc" in str(matrix.attrs.get("encoding-type", "csr_matrix"))
    if dense:
        whole(first_numbers(matrix))
    else:
        _sparse(matrix, genes if by_column else cells)
    counts, complete = cells_by_gene(matrix) if by_column else (first_cells(matrix), True)
    refuse_scaled(counts, complete=complete)
    return names_of_genes(table)


def _length(table: h5py.Group | h5py.Dataset) -> int:
    """Rows of a table of cells or genes, of any version of the format."""
    if hasattr(table, "dtype"):
        return len(table)
    return len(table[table.attrs.get("_index", "_index")])


def _libraries(named: Named, cells: h5py.Group | h5py.Dataset) -> list[Problem]:
    """Rows whose cells the file does not hold, and columns of cells that it lacks."""
    column = (named.settings(Atlas, "singlecell/atlas") or Atlas()).sample_column
    if hasattr(cells, "dtype"):
        return []  # of before 2019: read whole by the job
    problems = _columns(named, list(cells))
    if column not in cells:
        return problems
    values = _values(cells[column])
    for row, facts in named.rows.items():
        sample = str(facts.get("sample", "")) or str(facts["specimen_id"])
        if sample not in values:
            message = f"no cells of this library{nearest(sample, values)}"
            allowed = ", ".join(sorted(values)[:12])
            where: dict[str, Any] = {"rows": [row], "column": "sample", "inside": named.path.name}
            problems += named.problem(message, sample, allowed, **where)
    return problems


def _cells_twice(named: Named, cells: h5py.Group) -> list[Problem]:
    """Libraries of which two cells have one name."""
    column = (named.settings(Atlas, "singlecell/atlas") or Atlas()).sample_column
    names = pd.DataFrame({"cell": text(cells[cells.attrs.get("_index", "_index")])})
    names["sample"] = text(cells[column]) if column in cells else ""
    twice = names[names.duplicated()]
    problems: list[Problem] = []
    for row, facts in named.rows.items():
        sample = str(facts.get("sample", "")) or str(facts["specimen_id"])
        own = twice if column not in cells else twice[twice["sample"] == sample]
        if len(own):
            value, inside = own["cell"].iloc[0], named.path.name
            problems += named.problem(CELLS_TWICE, value, rows=[row], inside=inside)
    if column not in cells:
        problems += _joined(named, list(names["cell"]))
    return problems


def _columns(named: Named, known: Sequence[str], of_folder: bool = False) -> list[Problem]:
    """Columns of cells that the file lacks: of labels, of samples where libraries share it; files of 10x have none."""
    settings = named.settings(Atlas, "singlecell/atlas") or Atlas()
    column, label = settings.sample_column, settings.label_column
    allowed, inside = ", ".join(known) or "an h5ad with that column", named.path.name
    problems: list[Problem] = []
    unnamed = [r for r, facts in named.rows.items() if not facts.get("cell_type")]
    if label and label not in known and unnamed:
        message = f"cells have no such column{nearest(str(label), known)}"
        problems += named.problem(message, label, allowed, rows=unnamed, inside=inside)
    parts = [f.get("species") if is_combined(f) else "" for f in named.rows.values()]
    if column not in known and not of_folder and len(set(parts)) < len(parts):
        message = f"several libraries share the file, but its cells have no column {column!r}"
        message += nearest(column, known)
        problems += named.problem(message, "", allowed, inside=inside)
    return problems


def _values(column: h5py.Group | h5py.Dataset) -> set[str]:
    """The distinct values of a column of cells, as text."""
    return set(text(column))
