"""What the check sees of files of cells before they are read: shapes, names and a few of the numbers, never a whole matrix."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from periomics.core.errors import InputError, nearest
from periomics.core.problems import Problem
from periomics.genes.kinds import ONE_SPECIES, refuse_other_species, refuse_two_species
from periomics.singlecell.formats import ALLOWED, NO_CELLS_FILE, NOT_WHOLE, SYMBOLS
from periomics.singlecell.markers import read_markers
from periomics.study.check.opened import Look, Named
from periomics.study.settings.section import section_of
from periomics.study.settings.singlecell import Atlas
from periomics.study.study import Study

if TYPE_CHECKING:
    import h5py

FIRST = 100_000  # numbers that are looked at
CHUNK = 1 << 22


def look_at_cells(named: Named) -> Look:
    """A file or folder of cells: whole, with counts, as many names as the matrix has rows and columns, and the library."""
    if named.path.is_dir():
        _folder(named.path)
        return Look([*_columns(named, []), *_species(named, _features(named.path))])
    if named.path.suffix not in (".h5", ".h5ad"):
        raise InputError(NO_CELLS_FILE, value=named.path.suffix, allowed=ALLOWED)
    import h5py

    with h5py.File(named.path, "r") as file:
        if named.path.suffix == ".h5":
            _tenx(file)
            return Look([*_columns(named, []), *_species(named, _names_of(file))])
        _annotated(file)
        return Look([*_libraries(named, file["obs"]), *_species(named, _names_of(file))])


def check_markers(study: Study) -> list[Problem]:
    """A table of markers of one's own (`resources: cell_types`) that the atlas could not use."""
    given = section_of(study.config, "resources").get("cell_types")
    rows = study.rows("libraries")
    cells = rows[rows["assay"] == "singlecell"] if "assay" in rows else rows[:0]
    if not given or not len(cells):
        return []
    path = Path(os.path.expandvars(str(given)))
    for species in sorted({str(s) for s in cells.get("species", []) if s}):
        try:
            if not len(read_markers(path, species)):
                raise InputError("names no gene of this species", file=path, value=species)
        except OSError:
            return []  # told where paths of the configuration are looked at
        except (InputError, ValueError) as error:
            told = error if isinstance(error, InputError) else InputError(str(error), file=path)
            column = f"resources/cell_types: {told.column or ''}".rstrip(": ")
            value = "" if told.value is None else str(told.value)
            return [Problem(str(path), told.row or 0, column, told.message, value, told.allowed)]
    return []


def _species(named: Named, names: Iterable[Sequence[str]]) -> list[Problem]:
    """Libraries whose species is not that of the genes, told by ids and by symbols."""
    settings = named.settings(Atlas, "singlecell/atlas") or Atlas()
    problems, lists = [], [n for n in names if n]
    for row, facts in named.rows.items():
        species = str(facts.get("species", ""))
        for genes in lists if species else []:
            try:
                refuse_two_species(genes, species, "", ONE_SPECIES)
                refuse_other_species(genes, species, settings.min_own_species, "")
            except InputError as error:
                problems += named.problem(
                    error.message,
                    error.value,
                    error.allowed,
                    rows=[row],
                    column="species",
                    inside=named.path.name,
                )
                break
    return problems


def _features(folder: Path) -> tuple[list[str], list[str]]:
    """Ids and symbols of a folder's genes."""
    path = next(p for n in ("genes.tsv", "features.tsv.gz") if (p := folder / n).is_file())
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open("rt") as handle:
        cells = [line.rstrip("\r\n").split("\t") for line in handle]
    return [c[0] for c in cells], [c[1] for c in cells if len(c) > 1]


def _names_of(file: h5py.File) -> list[list[str]]:
    """Lists of names that the genes of an h5 or h5ad have: ids, symbols."""
    if "var" in file:
        table = file["var"]
        if hasattr(table, "dtype"):
            return []  # of before 2019: read whole by the job
        columns = [table.attrs.get("_index", "_index"), *SYMBOLS]
        found = [table[c] for c in columns if c in table]
    else:
        groups = [file["matrix"]] if "matrix" in file else list(file.values())
        paths = ("features/id", "features/name", "genes", "gene_names")
        found = [g[p] for g in groups if hasattr(g, "keys") for p in paths if p in g]
    return [_text(c) for c in found]


def _text(column: h5py.Group | h5py.Dataset) -> list[str]:
    """Names of a column, coded or not."""
    stored = column if hasattr(column, "dtype") else column.get("categories", column.get("values"))
    return [v.decode() if isinstance(v, bytes) else str(v) for v in stored[:]]


def _folder(folder: Path) -> None:
    """Raise InputError unless a folder is one of Cell Ranger (either form), its matrix whole and of the size of its names."""
    old = (folder / "genes.tsv").is_file()
    names = ("matrix.mtx", "genes.tsv", "barcodes.tsv")
    if not old:
        names = ("matrix.mtx.gz", "features.tsv.gz", "barcodes.tsv.gz")
    lacking = [n for n in names if not (folder / n).is_file()]
    if lacking:
        found = sorted(p.name for p in folder.iterdir())[:6]
        form = "matrix.mtx.gz, features.tsv.gz and barcodes.tsv.gz, as Cell Ranger writes them"
        message = f"the folder lacks {', '.join(lacking)}"
        raise InputError(message, value=", ".join(found), allowed=form)
    matrix, features, barcodes = (folder / n for n in names)
    lines, head = _lines(matrix, 3000)
    body = [x for x in head if not x.startswith("%")]
    try:
        rows, columns, entries = (int(v) for v in body[0].split())
    except (ValueError, IndexError):
        message = "is no matrix of Matrix Market: no line of rows, columns and entries"
        raise InputError(message, file=matrix, value=(head or [""])[0][:40]) from None
    if lines - (len(head) - len(body)) - 1 < entries:
        message = f"matrix is cut off: {entries} entries stated"
        raise InputError(message, file=matrix, value=lines - (len(head) - len(body)) - 1)
    for file, stated, what in ((features, rows, "rows"), (barcodes, columns, "columns")):
        count = _lines(file, 0)[0]
        if count != stated:
            message = f"{count} names, but the matrix has {stated} {what}"
            raise InputError(message, file=file, value=count, allowed=str(stated))
    values = np.array([float(x.split()[2]) for x in body[1:] if len(x.split()) > 2])
    _whole(values, matrix)


def _lines(path: Path, first: int) -> tuple[int, list[str]]:
    """Number of lines of a text file, and its first; raises InputError where a gzip stream is cut off."""
    count, last, head = 0, b"\n", b""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as handle:
            while chunk := handle.read(CHUNK):
                head = head or chunk
                count, last = count + chunk.count(b"\n"), chunk
    except (EOFError, OSError) as error:
        raise InputError(f"file is cut off or damaged ({error})", file=path) from error
    start = head.decode("utf-8", "replace").splitlines()[: first + 1]
    return count + (not last.endswith(b"\n")), start[:first]


def _tenx(file: h5py.File) -> None:
    """Raise InputError unless an h5 is one of Cell Ranger (either form) with as many names as its matrix has rows and columns."""
    import h5py

    groups = [file["matrix"]] if "matrix" in file else [g for g in file.values() if "shape" in g]
    groups = [g for g in groups if isinstance(g, h5py.Group)]
    if not groups:
        allowed = "matrix with data, indices, indptr, shape, barcodes and features"
        raise InputError("is no 10x file: no matrix", value=", ".join(file), allowed=allowed)
    for group in groups:
        lacking = [k for k in ("data", "indices", "indptr", "shape", "barcodes") if k not in group]
        if lacking:
            raise InputError(f"matrix lacks {', '.join(lacking)}", value=", ".join(group))
        rows, columns = (int(n) for n in group["shape"][:])
        names = group["features/id"] if "features" in group else group.get("genes", [])
        for what, found, stated in (
            ("genes", len(names), rows),
            ("barcodes", len(group["barcodes"]), columns),
        ):
            if found != stated:
                message = f"{found} {what}, but the matrix has {stated}"
                raise InputError(message, value=found, allowed=str(stated))
        _sparse(group, columns)


def _sparse(group: h5py.Group, columns: int) -> None:
    """Raise InputError where a sparse matrix does not hold what its pointers say, or its first numbers are no counts."""
    stated = int(group["indptr"][-1])
    if len(group["indptr"]) != columns + 1 or len(group["data"]) < stated:
        message = "matrix is incomplete: its pointers do not fit its numbers"
        raise InputError(message, value=f"{len(group['data'])} of {stated} numbers")
    _whole(np.asarray(group["data"][:FIRST]), "")


def _annotated(file: h5py.File) -> None:
    """Raise InputError unless an h5ad holds counts where they are read: in layers['counts'], else in X."""
    import h5py

    lacking = [k for k in ("obs", "var") if k not in file]
    if lacking:
        raise InputError(f"is no h5ad: lacks {', '.join(lacking)}", value=", ".join(file))
    name = "layers/counts" if "layers/counts" in file else "X"
    if name not in file:
        raise InputError("holds no matrix", value=", ".join(file), allowed="X, or layers['counts']")
    matrix, cells, genes = file[name], _length(file["obs"]), _length(file["var"])
    dense = isinstance(matrix, h5py.Dataset)
    shape = matrix.shape if dense else matrix.attrs.get("shape", matrix.attrs.get("h5sparse_shape"))
    if shape is None or tuple(int(n) for n in shape) != (cells, genes):
        found = "no shape" if shape is None else " x ".join(str(int(n)) for n in shape)
        message = f"{name} has another shape than its cells and genes"
        raise InputError(message, value=found, allowed=f"{cells} x {genes}")
    try:
        if dense:
            _whole(np.asarray(matrix[: max(1, FIRST // max(1, genes))]), "")
        else:
            by_column = "csc" in str(matrix.attrs.get("encoding-type", "csr_matrix"))
            _sparse(matrix, genes if by_column else cells)
    except InputError as error:
        if error.message == NOT_WHOLE and name == "X" and "raw" in file:
            message = f"{NOT_WHOLE}; raw/X is not read: copy it to layers['counts']"
            raise InputError(message, value=error.value) from None
        raise


def _length(table: h5py.Group | h5py.Dataset) -> int:
    """Rows of a table of cells or genes, of any version of the format."""
    if hasattr(table, "dtype"):
        return len(table)
    return len(table[table.attrs.get("_index", "_index")])


def _whole(values: np.ndarray, path: object) -> None:
    values = values.ravel()
    bad = values[(values < 0) | (values != np.rint(values))]
    if bad.size:
        raise InputError(NOT_WHOLE, file=path, value=f"{bad[0]:g}", allowed="whole numbers from 0")


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


def _columns(named: Named, known: Sequence[str]) -> list[Problem]:
    """Columns of cells that the file lacks: of labels, of samples where libraries share it; files of 10x have none."""
    settings = named.settings(Atlas, "singlecell/atlas") or Atlas()
    column, label = settings.sample_column, settings.label_column
    allowed, inside = ", ".join(known) or "an h5ad with that column", named.path.name
    problems: list[Problem] = []
    unnamed = [r for r, facts in named.rows.items() if not facts.get("cell_type")]
    if label and label not in known and unnamed:
        message = f"cells have no such column{nearest(str(label), known)}"
        problems += named.problem(message, label, allowed, rows=unnamed, inside=inside)
    if column not in known and len(named.rows) > 1:
        message = f"several libraries share the file, but its cells have no column {column!r}"
        message += nearest(column, known)
        problems += named.problem(message, "", allowed, inside=inside)
    return problems


def _values(column: h5py.Group | h5py.Dataset) -> set[str]:
    """The distinct values of a column of cells, as text."""
    stored = column if hasattr(column, "dtype") else column.get("categories", column.get("values"))
    raw = np.unique(stored[:]) if stored.dtype.kind != "O" else set(stored[:])
    return {v.decode() if isinstance(v, bytes) else str(v) for v in raw}
