"""h5ad files: where their counts stand, and which column of genes holds symbols; the same for the check and the job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import scipy.sparse as sp

from periomics.core.errors import InputError
from periomics.genes.kinds import kind_of_gene, species_of_id
from periomics.singlecell.formats import NOT_WHOLE, whole

if TYPE_CHECKING:
    import h5py
    from anndata import AnnData

LAYERS = ("counts", "raw_counts", "count")
SYMBOLS = ("symbol", "gene_symbols", "gene_name", "gene_symbol", "feature_name")
"""Columns of genes in which symbols are looked for first."""
NAMELESS = ("", "nan", "NA", "<NA>", "None")
LOOKED_AT = 2000
"""Names of a column that are looked at for what it holds."""
FIRST = 1_000_000
"""Numbers of a matrix that are looked at for whether they are counts."""
BY_GENE, BLOCKS, CELLS_BY_GENE = 5_000_000, 10, 1000
"""Numbers of a matrix stored gene by gene that are looked at, in how many blocks, and for how many of its cells."""


def place_of_counts(file: h5py.File) -> str:
    """Where an h5ad holds counts: a layer called so, else X, else raw/X where X holds other numbers.

    Raises
    ------
    InputError
        If it is no h5ad, has no matrix, or none of whole numbers.
    """
    lacking = [k for k in ("obs", "var") if k not in file]
    if lacking:
        raise InputError(f"is no h5ad: lacks {', '.join(lacking)}", value=", ".join(file))
    layers = list(file["layers"]) if "layers" in file else []
    named = [f"layers/{n}" for want in LAYERS for n in layers if n.lower() == want]
    if named:
        return named[0]
    found = [n for n in ("X", "raw/X") if n in file]
    if not found:
        allowed = "X, layers['counts'] or raw/X"
        raise InputError("holds no matrix", value=", ".join(file), allowed=allowed)
    for name in found:
        try:
            whole(first_numbers(file[name]))
        except InputError:
            continue
        return name
    raise InputError(NOT_WHOLE, value=" and ".join(found), allowed="whole numbers from 0")


def first_numbers(matrix: h5py.Group | h5py.Dataset) -> np.ndarray:
    """The first numbers of a matrix, dense or sparse."""
    if hasattr(matrix, "dtype"):
        return np.asarray(matrix[: max(1, FIRST // max(1, matrix.shape[1]))])
    return np.asarray(matrix["data"][:FIRST])


def first_cells(matrix: h5py.Group | h5py.Dataset) -> sp.csr_matrix:
    """The first cells of a matrix whose rows are cells, or a matrix stored cell by cell, each whole."""
    if hasattr(matrix, "dtype"):
        return sp.csr_matrix(first_numbers(matrix))
    ends = matrix["indptr"][: FIRST + 1]
    ends = ends[ends <= FIRST]
    data, genes = (matrix[k][: ends[-1]] for k in ("data", "indices"))
    return sp.csr_matrix((data, genes, ends), (len(ends) - 1, int(genes.max(initial=0)) + 1))


def cells_by_gene(matrix: h5py.Group) -> tuple[sp.csr_matrix, bool]:
    """The first cells of a matrix stored gene by gene, and whether they are whole.

    Of a matrix of more than BY_GENE numbers, blocks spread over its genes are read, so that cells have a part of theirs.
    """
    stored = int(matrix["indptr"][-1])
    block = max(1, BY_GENE // BLOCKS)
    complete = stored <= BLOCKS * block
    starts = np.arange(0, stored, block)
    if not complete:
        starts = np.linspace(0, stored - block, BLOCKS).astype(int)
    parts = []
    for start in starts:
        cells, data = (matrix[k][start : min(start + block, stored)] for k in ("indices", "data"))
        kept = cells < CELLS_BY_GENE
        parts.append((cells[kept], data[kept]))
    if not parts:
        return sp.csr_matrix((0, 1)), True
    cells, data = (np.concatenate(x) for x in zip(*parts, strict=True))
    order = np.argsort(cells, kind="stable")
    ends = np.concatenate([[0], np.cumsum(np.bincount(cells, minlength=1))])
    # Which gene a number is of does not matter here.
    genes = np.arange(len(cells)) - np.repeat(ends[:-1], np.diff(ends))
    shape = (len(ends) - 1, int(np.diff(ends).max(initial=1)))
    return sp.csr_matrix((data[order], genes, ends), shape), complete


def symbol_column(ids: Sequence[str], columns: Mapping[str, Sequence[str]]) -> str:
    """The column of genes that holds their symbols; '' where none does, or where the ids are symbols themselves.

    Parameters
    ----------
    ids
        Names of the genes.
    columns
        Other columns of text. One of the usual names is taken first; else, where the ids are Ensembl's, the first in which most
        names are written as symbols are.
    """
    usual = [c for c in SYMBOLS if c in columns]
    if usual:
        return usual[0]
    if _share(ids, lambda g: bool(species_of_id(g))) < 0.5:
        return ""
    fits = [c for c, v in columns.items() if _share(v, _like_symbol) >= 0.5 and _differ(v)]
    return fits[0] if fits else ""


def _share(names: Sequence[str], is_so) -> float:
    some = [str(n) for n in names[:LOOKED_AT] if str(n) not in NAMELESS]
    return sum(map(is_so, some)) / max(len(some), 1)


def _like_symbol(name: str) -> bool:
    return kind_of_gene(name) != "" and not species_of_id(name)


def _differ(names: Sequence[str]) -> bool:
    some = names[:LOOKED_AT]
    return len(set(map(str, some))) > 0.8 * len(some)


def ids_and_symbols(
    ids: Sequence[str], columns: Mapping[str, Sequence[str]]
) -> tuple[list[str], list[str]]:
    """Ids and symbols of the genes of an h5ad; a gene whose symbol is missing goes by its id.

    Parameters
    ----------
    ids
        Names of the genes. Numbers, as a table without names has them, are those of rows: the first
        column of Ensembl's ids, else that of symbols, stands in.
    columns
        Other columns of text.

    Raises
    ------
    InputError
        If the names are numbers and no column tells the genes.
    """
    if _share(ids, str.isdigit) == 1:
        ensembl = [
            c for c, v in columns.items() if _share(v, lambda g: bool(species_of_id(g))) > 0.5
        ]
        named = next(iter(ensembl), "") or symbol_column(ids, columns)
        if not named:
            allowed = "ids or symbols as names of the genes, or in a column of text"
            raise InputError("names of genes are numbers", value=ids[0], allowed=allowed)
        ids = _or_else(columns[named], ids)
    column = symbol_column(ids, columns)
    return list(ids), _or_else(columns[column], ids) if column else list(ids)


def _or_else(names: Sequence[str], others: Sequence[str]) -> list[str]:
    return [n if n not in NAMELESS else o for n, o in zip(names, others, strict=True)]


def names_of_genes(table: h5py.Group) -> tuple[list[str], list[str]]:
    """Ids and symbols of a table of genes of an h5ad, without reading the rest."""
    index = table.attrs.get("_index", "_index")
    ids = text(table[index])
    columns = {n: text(c) for n, c in table.items() if n != index and _is_text(c)}
    return ids_and_symbols(ids, columns)


def _is_text(column: h5py.Group | h5py.Dataset) -> bool:
    stored = _stored(column)
    return stored is not None and stored.dtype.kind in "OSU"


def _stored(column: h5py.Group | h5py.Dataset):
    if hasattr(column, "dtype"):
        return column
    return column.get("categories", column.get("values"))


def text(column: h5py.Group | h5py.Dataset) -> list[str]:
    """Text of a column, row by row, coded or not."""
    names = [v.decode() if isinstance(v, bytes) else str(v) for v in _stored(column)[:]]
    if hasattr(column, "dtype") or "codes" not in column:
        return names
    return [names[k] if k >= 0 else "" for k in column["codes"][:]]


def read_annotated(path: Path) -> AnnData:
    """Cells of an h5ad: counts in X, `symbol` in var."""
    import anndata as ad
    import h5py

    with h5py.File(path, "r") as file:
        # Tables of before 2019 are no groups.
        old = "var" in file and hasattr(file["var"], "dtype")
        place = "" if old else place_of_counts(file)
    out = ad.read_h5ad(path)
    if place.startswith("layers/"):
        out.X = out.layers[place.removeprefix("layers/")]
    elif place == "raw/X":
        out = ad.AnnData(sp.csr_matrix(out.raw.X), obs=out.obs, var=out.raw.var)
    var = out.var
    columns = {
        str(c): var[c].astype(str).tolist()
        for c in var
        if pd.api.types.is_string_dtype(var[c].dtype)
        or isinstance(var[c].dtype, pd.CategoricalDtype)
        or var[c].dtype == object
    }
    ids, symbols = ids_and_symbols([str(g) for g in out.var_names], columns)
    return ad.AnnData(out.X, obs=out.obs, var=pd.DataFrame({"symbol": symbols}, index=ids))
