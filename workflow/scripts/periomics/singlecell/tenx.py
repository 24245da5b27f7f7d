"""Files of droplets: folders of a matrix with names of genes and cells, and the h5 of Cell Ranger, old and new."""

from __future__ import annotations

import gzip
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from periomics.core.errors import InputError, nearest
from periomics.genes.kinds import species_of_id
from periomics.genes.no_text import no_text

if TYPE_CHECKING:
    import h5py

_MATRIX = re.compile(r"^(.*?)matrix\.mtx(\.gz)?$")
_GENES, _CELLS = ("features.tsv", "genes.tsv"), ("barcodes.tsv",)
FORM = "matrix.mtx, features.tsv (or genes.tsv) and barcodes.tsv, each as it is or .gz"
EXPRESSION = "Gene Expression"
CHUNK = 1 << 22
# First lines that name a column and no gene or cell.
_HEADS = frozenset(
    "x v1 barcode barcodes cell cells cell_id index gene genes gene_id gene_ids geneid ensembl_id "
    "ensembl feature feature_id features id symbol".split()
)


@dataclass(frozen=True)
class Droplets:
    """A matrix of cells with its names.

    Attributes
    ----------
    counts
        (cells, genes).
    cells, ids, symbols
        Barcodes; gene ids, as they are written; symbols, the ids where there are none.
    """

    counts: sp.csr_matrix
    cells: list[str]
    ids: list[str]
    symbols: list[str]


@dataclass(frozen=True)
class Files:
    """The three files of a library in a folder."""

    matrix: Path
    features: Path
    barcodes: Path


@dataclass(frozen=True)
class Features:
    """Names of a matrix' rows: ids, symbols, and which of them are genes (antibodies and guides are not)."""

    ids: list[str]
    symbols: list[str]
    are_genes: NDArray[np.bool_]


def files_of(folder: Path, sample: str) -> Files:
    """The files of a library in a folder, which may hold those of several behind prefixes, as GEO has them.

    Parameters
    ----------
    folder
        As Cell Ranger (either form) or STARsolo writes it.
    sample
        Library; the prefix that holds it is taken where there are several.

    Raises
    ------
    InputError
        If a file is lacking, or no prefix is the library's.
    """
    names = sorted(p.name for p in folder.iterdir() if p.is_file())
    found = {m[1]: m[0] for n in names if (m := _MATRIX.match(n))}
    if not found:
        raise _no_matrix(folder, names)
    prefix = _prefix(sorted(found), sample)
    return Files(
        folder / found[prefix],
        folder / _named(names, prefix, _GENES),
        folder / _named(names, prefix, _CELLS),
    )


def _no_matrix(folder: Path, names: Sequence[str]) -> InputError:
    """The refusal of a folder without a matrix; it may be the one around those of Cell Ranger."""
    below = [p.parent.name for p in sorted(folder.glob("*/*")) if _MATRIX.match(p.name)]
    message = "the folder lacks matrix.mtx"
    if below:
        message += f", which its folder {' or '.join(dict.fromkeys(below))} holds"
    return InputError(message, file=folder, value=", ".join(names[:6]) or None, allowed=FORM)


def _prefix(prefixes: Sequence[str], sample: str) -> str:
    if len(prefixes) == 1:
        return prefixes[0]
    bare = {p: p.rstrip("_.-") for p in prefixes}
    exact = [p for p, b in bare.items() if b == sample]
    parts = [p for p, b in bare.items() if sample in re.split(r"[_.\-]", b)]
    ends = [p for p, b in bare.items() if re.search(rf"(^|[_.\-]){re.escape(sample)}($|[_.\-])", b)]
    fits = exact or parts or ends
    if len(fits) == 1:
        return fits[0]
    known = [b or "(none)" for b in bare.values()]
    raise InputError(
        f"the folder holds {len(prefixes)} matrices, {len(fits)} of them of this library"
        f"{nearest(sample, known)}",
        column="sample",
        value=sample,
        allowed=", ".join(known[:12]),
    )


def _named(names: Sequence[str], prefix: str, stems: Sequence[str]) -> str:
    fits = [f"{prefix}{s}{z}" for s in stems for z in ("", ".gz") if f"{prefix}{s}{z}" in names]
    if fits:
        return fits[0]
    message = f"the folder lacks {prefix}{' or '.join(stems)}, as it is or .gz"
    raise InputError(message, value=", ".join(names[:6]), allowed=FORM)


def text_of(path: Path) -> str:
    """A text file, compressed or not; raises InputError where it is cut off or no text."""
    try:
        raw = path.read_bytes()
        return (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8-sig")
    except (EOFError, OSError) as error:
        raise InputError(f"file is cut off or damaged ({error})", file=path) from error
    except UnicodeDecodeError as error:
        raise no_text(path) from error


def _rows(path: Path, number: int, what: str) -> list[list[str]]:
    """Cells of a table of names, one row a name, without quotes; a line above them that names columns is left out."""
    lines = text_of(path).splitlines()
    while lines and not lines[-1].strip():
        lines.pop()
    rows = [[c.strip().strip('"') for c in line.split("\t")] for line in lines]
    if len(rows) == number + 1 and rows[0][0].lower() in _HEADS:
        rows = rows[1:]
    if len(rows) != number:
        message = f"{len(rows)} names, but the matrix has {number} {what}"
        raise InputError(message, file=path, value=len(rows), allowed=str(number))
    for i, row in enumerate(rows, 1):
        if not row[0]:
            raise InputError("row has no name", file=path, row=i)
    return rows


def features_of(path: Path, number: int) -> Features:
    """Names of genes of a folder: one, two or three columns (id, symbol, kind)."""
    rows = _rows(path, number, "rows")
    ids = [r[0] for r in rows]
    if ids and all(i.isdigit() for i in ids):
        allowed = "ids or symbols in the first column"
        raise InputError(
            "names of genes are numbers", file=path, row=1, value=ids[0], allowed=allowed
        )
    symbols = [r[1] if len(r) > 1 and r[1] else r[0] for r in rows]
    if are_ids(symbols) and not are_ids(ids):  # some tables name the symbol first
        ids, symbols = symbols, ids
    kinds = np.array([r[2] if len(r) > 2 else EXPRESSION for r in rows], dtype=object)
    return Features(ids, symbols, _of_genes(kinds, path))


def are_ids(names: Sequence[str]) -> bool:
    """Whether most names are Ensembl's ids."""
    return sum(bool(species_of_id(n)) for n in names) > len(names) / 2


def barcodes_of(path: Path, number: int) -> list[str]:
    """Names of cells of a folder, in the first column; raises InputError where one stands twice."""
    return unique_cells([r[0] for r in _rows(path, number, "columns")], path)


def unique_cells(names: list[str], path: object) -> list[str]:
    """The names, of which none stands twice."""
    seen: set[str] = set()
    for i, name in enumerate(names, 1):
        if name in seen:
            raise InputError("cell stands twice", file=path, row=i, value=name)
        seen.add(name)
    return names


def _of_genes(kinds: NDArray, path: object) -> NDArray[np.bool_]:
    """Which features are genes; where no kind is Cell Ranger's own word all of them are."""
    known = kinds == EXPRESSION
    others = {"Antibody Capture", "CRISPR Guide Capture", "Multiplexing Capture", "Custom", "Peaks"}
    strange = sorted(set(kinds) & others)
    if not known.any() and strange:
        value = ", ".join(strange)
        raise InputError("holds no genes", file=path, value=value, allowed=EXPRESSION)
    return known if known.any() else np.ones(len(kinds), bool)


def shape_of(lines: Sequence[str], path: Path) -> tuple[int, int, int]:
    """Rows, columns and entries that the head of a Matrix Market file states.

    Raises
    ------
    InputError
        If it is none, or holds where numbers are but not which.
    """
    first = lines[0].lower().split() if lines else []
    if not first or first[0] != "%%matrixmarket" or "coordinate" not in first or len(first) < 5:
        message = (
            "is no matrix of Matrix Market: the first line is %%MatrixMarket matrix coordinate"
        )
        raise InputError(message, file=path, row=1, value=(lines or [""])[0][:40])
    if first[3] in ("pattern", "complex") or first[4] != "general":
        message = "matrix holds no counts"
        allowed = "integer or real, general"
        raise InputError(message, file=path, row=1, value=" ".join(first[3:5]), allowed=allowed)
    body = next((x for x in lines if x.strip() and not x.startswith("%")), "")
    try:
        rows, columns, entries = (int(v) for v in body.split())
    except ValueError:
        message = "is no matrix of Matrix Market: no line of rows, columns and entries"
        raise InputError(message, file=path, value=body[:40]) from None
    return rows, columns, entries


def matrix_head(path: Path, first: int) -> tuple[tuple[int, int, int], list[str], int]:
    """Shape and entries that a matrix states, the lines of its first entries, and how many lines of entries it has.

    The whole file is read through once: one that is cut off, or written with decimal commas, is refused.
    """
    count, last, head = 0, b"\n", b""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as handle:
            while chunk := handle.read(CHUNK):
                if not head and chunk.startswith(b"\x1f\x8b"):
                    raise no_text(path)
                _plain(chunk if head else chunk.partition(b"\n")[2], path)
                head = head or chunk
                count, last = count + chunk.count(b"\n"), chunk
    except (EOFError, OSError) as error:
        raise InputError(f"file is cut off or damaged ({error})", file=path) from error
    lines = head.decode("utf-8-sig", "replace").splitlines()[: first + 100]
    shape = shape_of(lines, path)
    above = sum(x.startswith("%") or not x.strip() for x in lines) + 1
    body = [x for x in lines if x.strip() and not x.startswith("%")][1 : first + 1]
    return shape, body, count + (not last.endswith(b"\n")) - above


def _plain(chunk: bytes, path: Path) -> None:
    """Raise InputError at a decimal comma, behind which the reader of the matrix would leave off in silence."""
    for line in chunk.split(b"\n") if b"," in chunk else ():
        if b"," in line and not line.startswith(b"%"):
            value = line.decode("utf-8", "replace").strip()
            raise InputError("number with a comma", file=path, value=value, allowed="whole numbers")


def read_folder(folder: Path, sample: str) -> Droplets:
    """The cells of a library in a folder."""
    from scipy.io import mmread

    files = files_of(folder, sample)
    (rows, columns, entries), *_ = matrix_head(files.matrix, 0)
    try:
        found = sp.coo_matrix(mmread(files.matrix))
    except (EOFError, OSError, ValueError, OverflowError) as error:
        raise InputError(f"matrix is cut off or damaged ({error})", file=files.matrix) from error
    turned = cells_in_rows(files, rows, columns)
    features = features_of(files.features, columns if turned else rows)
    cells = barcodes_of(files.barcodes, rows if turned else columns)
    counts = sp.csr_matrix(found if turned else found.T)
    if counts.nnz < entries:
        message = "matrix has entries that stand twice"
        raise InputError(message, file=files.matrix, value=entries - counts.nnz)
    return _droplets(counts, features, cells)


def cells_in_rows(files: Files, rows: int, columns: int) -> bool:
    """Whether cells stand in the rows of a matrix, as the number of genes says; a line that names columns counts for none."""
    number = len(text_of(files.features).splitlines())
    return abs(number - columns) <= 1 < abs(number - rows)


def groups_of(file: h5py.File) -> list[Any]:
    """Matrices of an h5: one, or with Cell Ranger 2 one a reference.

    Raises
    ------
    InputError
        If there is none, or a part of one is lacking.
    """
    import h5py

    found = [file["matrix"]] if "matrix" in file else list(file.values())
    found = [g for g in found if isinstance(g, h5py.Group) and "shape" in g]
    if not found:
        allowed = "matrix with data, indices, indptr, shape, barcodes and features"
        raise InputError("is no 10x file: no matrix", value=", ".join(file), allowed=allowed)
    for group in found:
        lacking = [k for k in ("data", "indices", "indptr", "shape", "barcodes") if k not in group]
        lacking += [] if "features/id" in group or "genes" in group else ["features"]
        if lacking:
            raise InputError(f"matrix lacks {', '.join(lacking)}", value=", ".join(group))
    _refuse_shared(found)
    return found


def _refuse_shared(groups: Sequence[h5py.Group]) -> None:
    """Raise InputError where two references name one gene: its counts cannot be told apart."""
    seen: set[str] = set()
    for group in groups if len(groups) > 1 else ():
        ids = set(features_in(group).ids)
        if both := sorted(seen & ids):
            message = f"{len(both)} genes stand in several references"
            allowed = "references of different genes"
            raise InputError(message, value=both[0], allowed=allowed)
        seen |= ids


def features_in(group: h5py.Group) -> Features:
    """Names of genes of a matrix of an h5."""
    ids = words(group["features/id"] if "features/id" in group else group["genes"])
    names = group.get("features/name", group.get("gene_names"))
    kinds = group.get("features/feature_type")
    told = np.array([EXPRESSION] * len(ids) if kinds is None else words(kinds), dtype=object)
    return Features(ids, ids if names is None else words(names), _of_genes(told, ""))


def words(stored: h5py.Dataset) -> list[str]:
    """Text of a data set."""
    return [v.decode() if isinstance(v, bytes) else str(v) for v in stored[:]]


def read_h5(path: Path) -> list[Droplets]:
    """The cells of an h5 of Cell Ranger, one table a matrix."""
    import h5py

    out = []
    with h5py.File(path, "r") as file:
        for group in groups_of(file):
            genes, cells = (int(n) for n in group["shape"][:])
            parts = tuple(group[k][:] for k in ("data", "indices", "indptr"))
            counts = sp.csr_matrix(parts, shape=(cells, genes))
            counts.check_format(full_check=True)
            counts.sum_duplicates()
            names = unique_cells(words(group["barcodes"]), path)
            features = features_in(group)
            if counts.shape != (len(names), len(features.ids)):
                allowed = f"{len(names)} cells, {len(features.ids)} genes"
                value = f"{cells} cells, {genes} genes"
                raise InputError("names do not fit the matrix", value=value, allowed=allowed)
            out.append(_droplets(counts, features, names))
    return out


def _droplets(counts: sp.csr_matrix, features: Features, cells: list[str]) -> Droplets:
    own = np.flatnonzero(features.are_genes)
    if len(own) < counts.shape[1]:
        counts = counts[:, own]
    ids, symbols = ([names[i] for i in own] for names in (features.ids, features.symbols))
    return Droplets(counts, cells, ids, symbols)
