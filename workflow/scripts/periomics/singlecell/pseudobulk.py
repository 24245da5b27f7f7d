"""Counts of a library's cells of one type summed, so that the library's unit is what is counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import scipy.sparse as sp

from periomics.genes.normalise import log_cpm
from periomics.genes.scoring import Models

if TYPE_CHECKING:
    from anndata import AnnData

COLUMNS = (
    "library_id",
    "animal_id",
    "cell_type",
    "score_id",
    "kind",
    "method",
    "value",
    "n_genes",
    "share_mapped",
    "reason",
    "n_cells",
)
SEPARATOR = "@"


def pseudobulk(cells: AnnData) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Sum raw counts by library and label.

    Parameters
    ----------
    cells
        The atlas: layers["counts"], obs specimen_id, animal_id, label.

    Returns
    -------
    counts
        Genes × `<specimen_id>@<label>`, integers.
    groups
        column, specimen_id, animal_id, cell_type, n_cells, one row per column.
    """
    names, index, member = _keys(cells)
    sums = np.asarray((member @ cells.layers["counts"]).todense()).T
    first = (
        cells.obs.assign(column=names[index])
        .drop_duplicates("column")
        .set_index("column")
        .loc[names]
    )
    groups = pd.DataFrame(
        {
            "column": names,
            "specimen_id": first["specimen_id"].astype(str).to_numpy(),
            "animal_id": first["animal_id"].astype(str).to_numpy(),
            "cell_type": first["label"].astype(str).to_numpy(),
            "n_cells": np.bincount(index, minlength=len(names)),
        }
    )
    counts = pd.DataFrame(
        np.rint(sums).astype(np.int64),
        index=pd.Index(cells.var_names, name="gene_id"),
        columns=names,
    )
    return counts.sort_index(), groups


def log_moments(cells: AnnData) -> pd.DataFrame:
    """Sums over cells of log counts and of their squares, by library and label: what a test with
    cells as units would use.

    Parameters
    ----------
    cells
        The atlas: X log counts per 10,000, obs specimen_id and label.

    Returns
    -------
    DataFrame
        gene_id, then `sum:<column>` and `squares:<column>` with the columns of `pseudobulk`.
    """
    names, _, member = _keys(cells)
    logs = sp.csr_matrix(cells.X)
    squares = sp.csr_matrix((logs.data.astype(float) ** 2, logs.indices, logs.indptr), logs.shape)
    parts = {}
    for word, values in (("sum", logs), ("squares", squares)):
        sums = np.asarray((member @ values).todense()).T
        parts[word] = pd.DataFrame(
            np.round(sums, 4), index=list(cells.var_names), columns=[f"{word}:{n}" for n in names]
        )
    return pd.concat(parts.values(), axis=1).rename_axis("gene_id").sort_index().reset_index()


def _keys(cells: AnnData) -> tuple[np.ndarray, np.ndarray, sp.csr_matrix]:
    """Columns of pseudobulk, sorted, the column of each cell, and both as a matrix of 0 and 1."""
    key = cells.obs["specimen_id"].astype(str) + SEPARATOR + cells.obs["label"].astype(str)
    names, index = np.unique(key.to_numpy(str), return_inverse=True)
    places = (index, np.arange(len(index)))
    return names, index, sp.csr_matrix((np.ones(len(index)), places), (len(names), len(index)))


def score_types(
    counts: pd.DataFrame,
    groups: pd.DataFrame,
    symbols: Mapping[str, str],
    models: Models,
    min_cells: int,
) -> pd.DataFrame:
    """Scores of every library within each cell type.

    Parameters
    ----------
    counts, groups
        Of `pseudobulk`.
    symbols
        Gene id → symbol.
    models
        What libraries are scored with.
    min_cells
        Libraries with fewer cells of the type get a row without a value.

    Returns
    -------
    DataFrame
        Columns COLUMNS. z and means of genes are over the libraries that have enough cells of the type.
    """
    parts = []
    genes = [str(symbols.get(g, "")) for g in counts.index]
    known = models.names()
    for cell_type, part in groups.groupby("cell_type", sort=True):
        enough = part[part["n_cells"] >= min_cells].reset_index(drop=True)
        if len(enough):
            found = models.scores(log_cpm(counts[list(enough["column"])].to_numpy()), genes)
            of = enough.iloc[found["column"]].reset_index(drop=True)
            for column in ("specimen_id", "animal_id", "n_cells"):
                found[column] = of[column]
            parts.append(found.assign(cell_type=cell_type))
        for row in part[part["n_cells"] < min_cells].itertuples():
            few = known.assign(
                value=np.nan,
                n_genes=0,
                share_mapped=np.nan,
                reason=f"{row.n_cells} cells, fewer than {min_cells}",
                specimen_id=row.specimen_id,
                animal_id=row.animal_id,
                cell_type=cell_type,
                n_cells=row.n_cells,
            )
            parts.append(few)
    if not parts:
        return pd.DataFrame(columns=list(COLUMNS))
    table = pd.concat(parts, ignore_index=True).rename(columns={"specimen_id": "library_id"})
    order = ["kind", "score_id", "cell_type", "library_id"]
    return table[list(COLUMNS)].sort_values(order).reset_index(drop=True)
