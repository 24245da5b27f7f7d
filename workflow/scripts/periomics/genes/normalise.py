"""From counts to comparable numbers: size factors by the median of ratios, and log counts per million."""

from __future__ import annotations

import numpy as np


def size_factors(counts: np.ndarray) -> np.ndarray:
    """Median-of-ratios size factors, as DESeq2's.

    Parameters
    ----------
    counts
        (genes, libraries), counts.

    Returns
    -------
    ndarray
        One factor a library, geometric mean 1. Where no gene is seen in every library the library sizes take their place.

    Raises
    ------
    ValueError
        If a library has no counts at all.
    """
    counts = np.asarray(counts, float)
    totals = counts.sum(axis=0)
    if (totals <= 0).any():
        raise ValueError("a library has no counts")
    seen = (counts > 0).all(axis=1)
    if seen.any():
        logs = np.log(counts[seen])
        factors = np.exp(np.median(logs - logs.mean(axis=1, keepdims=True), axis=0))
    else:
        factors = totals
    return factors / np.exp(np.mean(np.log(factors)))


def log_cpm(counts: np.ndarray, prior: float = 2.0) -> np.ndarray:
    """log2 counts per million of effective library size, with a prior count against noise of small numbers.

    Parameters
    ----------
    counts
        (genes, libraries), counts.
    prior
        Counts added at the mean library size, scaled with each library's size as in edgeR's cpm.

    Returns
    -------
    ndarray
        Same shape.
    """
    counts = np.asarray(counts, float)
    sizes = size_factors(counts)
    library = sizes * counts.sum() / counts.shape[1] / sizes.mean()
    added = prior * library / library.mean()
    return np.log2((counts + added) / (library + 2 * added) * 1e6)
