"""Cells of all libraries in one table of counts: h5ad, 10x folders (mtx) and 10x h5."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import scipy.sparse as sp

from periomics.core.errors import InputError, nearest
from periomics.genes.kinds import ONE_SPECIES, refuse_other_species, refuse_two_species
from periomics.singlecell.formats import ALLOWED, NO_CELLS_FILE, NOT_WHOLE, SYMBOLS
from periomics.study.settings.singlecell import Atlas

if TYPE_CHECKING:
    from anndata import AnnData


def read_cells(facts: Sequence[Mapping[str, object]], settings: Atlas | None = None) -> AnnData:
    """Read the cells of all libraries.

    Parameters
    ----------
    facts
        Rows of the libraries sheet: specimen_id, animal_id, batch, path, format, sample,
        cell_type. Libraries may share a file, whose cells then name their library in `sample_column`.
    settings
        sample_column is the column of the cells that holds the sheet's `sample` (specimen_id where the sheet has none),
        label_column one with labels of one's own to be kept as `given_label`.

    Returns
    -------
    AnnData
        Counts (cells × genes, sparse, whole numbers) with obs specimen_id, animal_id, batch; cells are named
        `<specimen_id>:<barcode>`; genes that all files have, sorted; var has `symbol`.

    Raises
    ------
    InputError
        If a file is no such file, holds no whole counts, lacks a library's cells, or names genes of another species.
    """
    import anndata as ad

    settings = settings or Atlas()
    sample_column, label_column = settings.sample_column, settings.label_column
    files: dict[str, AnnData] = {}
    shared = pd.Series([str(f["path"]) for f in facts]).value_counts()
    parts = []
    sorted_types = any(_text(f.get("cell_type")) for f in facts)
    for fact in facts:
        path, specimen = str(fact["path"]), str(fact["specimen_id"])
        if path not in files:
            files[path] = _read(path, str(fact.get("format", "")))
        check_species(
            list(files[path].var_names), list(files[path].var["symbol"]), fact, settings, path
        )
        part = _of_library(files[path], fact, sample_column, path, alone=shared[path] == 1)
        obs = pd.DataFrame(
            {
                "specimen_id": specimen,
                "animal_id": str(fact.get("animal_id", "")),
                "batch": str(fact.get("batch", "")),
            },
            index=[f"{specimen}:{b}" for b in part.obs_names],
        )
        if label_column or sorted_types:
            obs["given_label"] = _given_labels(part, fact, label_column, path)
        counts = _whole(part.X, path)
        parts.append(
            ad.AnnData(
                counts,
                obs=obs,
                var=pd.DataFrame({"symbol": part.var["symbol"].to_numpy()}, index=part.var_names),
            )
        )
    genes = sorted(set.intersection(*(set(p.var_names) for p in parts)))
    if not genes:
        raise InputError("the files name no gene in common", file="; ".join(sorted(files)))
    out = ad.concat([p[:, genes] for p in parts], join="inner", merge="first")
    if not out.obs_names.is_unique:
        raise InputError(
            "two cells have the same name",
            file="; ".join(sorted(files)),
            value=out.obs_names[out.obs_names.duplicated()][0],
        )
    return out


def check_species(
    ids: Sequence[str],
    symbols: Sequence[str],
    fact: Mapping[str, object],
    settings: Atlas,
    path: object,
) -> None:
    """Refuse genes of another species than the library's, by ids and by symbols."""
    species = str(fact.get("species", ""))
    for names in (ids, symbols) if species else ():
        genes = [str(g) for g in names]
        refuse_two_species(genes, species, path, ONE_SPECIES)
        refuse_other_species(genes, species, settings.min_own_species, path)


def _text(value: object) -> str:
    """A cell of the sheet as text; missing is ''."""
    return "" if value is None or value != value else str(value)


def _given_labels(
    cells: AnnData, fact: Mapping[str, object], label_column: str | None, path: str
) -> np.ndarray:
    """Labels of one's own: the sheet's cell_type, else the cells' column; '' without either."""
    whole = _text(fact.get("cell_type"))
    if whole or not label_column:
        return np.full(cells.n_obs, whole, dtype=object)
    if label_column not in cells.obs:
        raise InputError(
            f"cells have no such column{nearest(label_column, cells.obs)}",
            file=path,
            column=label_column,
        )
    return cells.obs[label_column].astype(str).to_numpy(object)


def _read(path: str, kind: str) -> AnnData:
    import anndata as ad
    import scanpy as sc

    where = Path(path)
    try:
        if where.is_dir():
            out = sc.read_10x_mtx(where, var_names="gene_ids", cache=False)
            out.var["symbol"] = out.var["gene_symbols"].astype(str)
        elif where.suffix == ".h5":
            out = sc.read_10x_h5(where)
            out.var["symbol"] = out.var_names.astype(str)
            out.var_names = (
                out.var["gene_ids"].astype(str) if "gene_ids" in out.var else out.var_names
            )
        elif where.suffix == ".h5ad":
            out = ad.read_h5ad(where)
        else:
            raise InputError(
                NO_CELLS_FILE,
                file=path,
                column="format",
                value=kind or where.suffix,
                allowed=ALLOWED,
            )
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"cannot be read as cells: {error}", file=path) from error
    if "symbol" not in out.var:
        named = next((c for c in SYMBOLS if c in out.var), None)
        out.var["symbol"] = out.var[named].astype(str) if named else out.var_names.astype(str)
    if "counts" in out.layers:
        out.X = out.layers["counts"]
    out.var_names_make_unique()
    return out


def _of_library(
    cells: AnnData, fact: Mapping[str, object], sample_column: str, path: str, alone: bool
) -> AnnData:
    sample = str(fact.get("sample", "")) or str(fact["specimen_id"])
    if sample_column not in cells.obs:
        if alone:
            return cells
        raise InputError(
            f"several libraries share this file, but its cells have no column {sample_column}{nearest(sample_column, cells.obs)}",
            file=path,
            column="singlecell/atlas/sample_column",
            allowed=", ".join(map(str, cells.obs)),
        )
    labels = cells.obs[sample_column].astype(str)
    if not (labels == sample).any():
        known = sorted(set(labels))
        raise InputError(
            f"has no cells of library {fact['specimen_id']}{nearest(sample, known)}",
            file=path,
            column="sample",
            value=sample,
            allowed=", ".join(known[:12]),
        )
    return cells[(labels == sample).to_numpy()]


def _whole(counts: object, path: str) -> sp.csr_matrix:
    matrix = sp.csr_matrix(counts).astype(np.float32)
    data = matrix.data
    if len(data) and ((data < 0).any() or (data != np.rint(data)).any()):
        raise InputError(NOT_WHOLE, file=path)
    return matrix
