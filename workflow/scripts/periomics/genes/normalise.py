"""From counts to comparable numbers: size factors by the median of ratios, and log counts per million."""

from __future__ import annotations

import numpy as np


def _depths(counts: np.ndarray) -> np.ndarray:
    """Medians of ratios to the genes' geometric means; library sizes where no gene is seen in every library."""
    totals = counts.sum(axis=0)
    if (totals <= 0).any():
        raise ValueError("a library has no counts")
    seen = (counts > 0).all(axis=1)
    if not seen.any():
        return np.asarray(totals / np.exp(np.mean(np.log(totals))))
    logs = np.log(counts[seen])
    return np.asarray(np.exp(np.median(logs - logs.mean(axis=1, keepdims=True), axis=0)))


def size_factors(counts: np.ndarray) -> np.ndarray:
    """Median-of-ratios size factors, as DESeq2's but for a common factor.

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
    factors = _depths(np.asarray(counts, float))
    return np.asarray(factors / np.exp(np.mean(np.log(factors))))


def scales(counts: np.ndarray, lengths: np.ndarray | None = None) -> np.ndarray:
    """What the expected count of a gene in a library is a multiple of: size factors, times relative transcript lengths.

    Parameters
    ----------
    counts
        (genes, libraries).
    lengths
        (genes, libraries), mean length of the transcripts that a gene's reads come from.

    Returns
    -------
    ndarray
        (genes, libraries). Without lengths DESeq2's size factors, whose geometric mean need not be 1; with lengths each gene's
        factors have the geometric mean 1, as tximport and DESeq2 have. Where no gene is seen in every library the library
        sizes take the place of medians of ratios.

    Raises
    ------
    ValueError
        If a library has no counts at all.
    """
    counts = np.asarray(counts, float)
    if lengths is None:
        return np.ones_like(counts) * _depths(counts)
    logs = np.log(np.asarray(lengths, float))
    relative = np.exp(logs - logs.mean(axis=1, keepdims=True))
    out = relative * _depths(counts / relative)
    return np.asarray(out / np.exp(np.log(out).mean(axis=1, keepdims=True)))


def log_cpm(counts: np.ndarray, prior: float = 2.0, sizes: np.ndarray | None = None) -> np.ndarray:
    """log2 counts per million of effective library size, with a prior count against noise of small numbers.

    Parameters
    ----------
    counts
        (genes, libraries), counts.
    prior
        Counts added at the mean library size, scaled with each library's size as in edgeR's cpm, so that a gene without
        counts in an arm has no spurious differences there.
    sizes
        (libraries,) or (genes, libraries), up to a factor; without them `size_factors`.

    Returns
    -------
    ndarray
        As counts.
    """
    counts = np.asarray(counts, float)
    sizes = size_factors(counts) if sizes is None else sizes
    library = sizes * counts.sum() / counts.shape[1] / sizes.mean(axis=-1, keepdims=True)
    added = prior * library / library.mean(axis=-1, keepdims=True)
    return np.asarray(np.log2((counts + added) / (library + 2 * added) * 1e6))
