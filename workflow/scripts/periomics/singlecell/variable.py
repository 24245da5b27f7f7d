"""Log counts of cells and the genes that vary between them."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

TARGET = 1e4
BINS = 20
CAP = 10.0
SILENT = -10.0
LEAST_CELLS = 20
"""Cells of a library below which its variances are not looked at."""


def log_normalised(counts: sp.csr_matrix, totals: NDArray | None = None) -> sp.csr_matrix:
    """log(1 + counts per 10,000) of cells × genes; places of the numbers are shared with `counts`,
    not copied.

    Parameters
    ----------
    counts
        (cells, genes), sparse by row.
    totals
        Counts of each cell; the sum of the matrix's row where there are none.
    """
    counts = sp.csr_matrix(counts)
    if totals is None:
        totals = np.asarray(counts.sum(axis=1), float).ravel()
    scale = (TARGET / np.maximum(totals, 1)).astype(np.float32)
    data = np.log1p(counts.data * np.repeat(scale, np.diff(counts.indptr)))
    shared = (data.astype(np.float32, copy=False), counts.indices, counts.indptr)
    return sp.csr_matrix(shared, shape=counts.shape, copy=False)


def moments(logs: sp.csr_matrix) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and variance of each gene's counts per 10,000."""
    n, genes = logs.shape
    level = np.expm1(logs.data.astype(float))
    mean = np.bincount(logs.indices, weights=level, minlength=genes) / n
    square = np.bincount(logs.indices, weights=level**2, minlength=genes) / n
    return mean, np.maximum(square - mean**2, 0) * n / max(n - 1, 1)


def variable_genes(logs: sp.csr_matrix, libraries: NDArray, n: int) -> NDArray[np.int64]:
    """Genes that vary more than others of the same mean, within libraries.

    Parameters
    ----------
    logs
        Of `log_normalised`.
    libraries
        Library of each cell. A gene's place is by its mean over libraries, so that a difference
        between libraries, or arms, makes no gene variable. Where all libraries are small they are
        taken as one.
    n
        Genes wanted.

    Returns
    -------
    array
        Columns, ascending.

    Notes
    -----
    Variance over mean, logged, standardised within twenty bins of the mean.
    """
    names, sizes = np.unique(libraries, return_counts=True)
    large = names[sizes >= LEAST_CELLS]
    parts = [logs[np.flatnonzero(libraries == x)] for x in large] if len(large) > 1 else [logs]
    total = np.zeros(logs.shape[1])
    for part in parts:
        total += _excess(*moments(part))
    order = np.argsort(-total, kind="stable")[: min(n, len(total))]
    return np.sort(order)


def scaled(logs: sp.csr_matrix) -> sp.csr_matrix:
    """Genes over their standard deviations, up to CAP, so that strong genes do not stand for all.

    Without it, types that make a few genes of their own were joined where cells have 3,000 counts over
    20,000 genes (docs/omics.md).
    """
    logs = sp.csr_matrix(logs, dtype=float)
    n, genes = logs.shape
    mean = np.bincount(logs.indices, weights=logs.data, minlength=genes) / n
    square = np.bincount(logs.indices, weights=logs.data**2, minlength=genes) / n
    spread = np.sqrt(np.maximum(square - mean**2, 0))
    over = np.divide(1.0, spread, out=np.zeros(genes), where=spread > 0)
    data = np.minimum(logs.data * over[logs.indices], CAP)
    return sp.csr_matrix((data, logs.indices, logs.indptr), shape=logs.shape)


def _excess(mean: NDArray, variance: NDArray) -> NDArray[np.float64]:
    """How much the dispersion of genes exceeds that of others of their mean, in SD of those; far
    below all for silent genes."""
    out = np.full(len(mean), SILENT)
    seen = np.flatnonzero((mean > 0) & (variance > 0))
    if not len(seen):
        return out
    dispersion, level = np.log(variance[seen] / mean[seen]), np.log1p(mean[seen])
    edges = np.linspace(level.min(), level.max() + 1e-9, BINS + 1)
    where = np.clip(np.digitize(level, edges) - 1, 0, BINS - 1)
    size = np.bincount(where, minlength=BINS)
    centre = np.bincount(where, dispersion, BINS) / np.maximum(size, 1)
    square = np.bincount(where, (dispersion - centre[where]) ** 2, BINS)
    spread = np.sqrt(square / np.maximum(size - 1, 1))
    # A bin of one gene has no spread: the gene counts as one SD above, as scanpy has it.
    alone = size[where] < 2
    out[seen] = np.where(
        alone, 1.0, (dispersion - centre[where]) / np.where(spread[where] > 0, spread[where], 1)
    )
    return out
