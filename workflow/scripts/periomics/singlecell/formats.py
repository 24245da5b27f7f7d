"""What files of cells there are and what they must hold, in the words of the check and of the job."""

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from periomics.core.errors import InputError

ALLOWED = "h5ad, 10x folder or h5"
NO_CELLS_FILE = "is no file of cells"
NOT_WHOLE = "cells do not hold whole counts: raw counts are needed, in X, layers['counts'] or raw/X"
LARGEST = 2**24
"""Counts from which the numbers of the atlas (float32) are no longer exact."""

AT_ONCE = 10_000_000
# Cells, of so many genes each, from which their totals and smallest numbers say something.
FEWEST_CELLS, FEWEST_GENES = 50, 100
# Spread of the middle nine tenths of cells' totals over their median: reads of cells spread by far more, and rounding
# after scaling leaves up to this.
NEAR = 0.1
RAW = "raw counts, neither scaled to one total nor rounded from normalised numbers"


def whole(values: NDArray, path: object = "") -> None:
    """Raise InputError at the first number that is no count."""
    values = np.asarray(values).ravel()
    for start in range(0, len(values), AT_ONCE):
        some = values[start : start + AT_ONCE]
        bad = some[~((some >= 0) & (some == np.rint(some)) & (some <= LARGEST))]
        if bad.size:
            allowed = "whole numbers from 0"
            raise InputError(NOT_WHOLE, file=str(path), value=f"{bad[0]:g}", allowed=allowed)


def refuse_scaled(counts: sp.csr_matrix, path: object = "") -> None:
    """Raise InputError where whole numbers of a library were scaled: all cells of one total, or most of them without a 1.

    Parameters
    ----------
    counts
        (cells, genes), whole numbers from 0; cells of few genes say nothing.
    path
        File, for the message.
    """
    data, ends = counts.data, counts.indptr
    numbers = np.diff(ends) >= FEWEST_GENES
    if numbers.sum() < FEWEST_CELLS:
        return
    starts = ends[:-1][np.diff(ends) > 0]
    told = numbers[np.diff(ends) > 0]
    seen = np.where(data > 0, data, np.inf)
    totals, least = (f.reduceat(x, starts)[told] for f, x in ((np.add, data), (np.minimum, seen)))
    low, middle, high = np.quantile(totals.astype(float), (0.05, 0.5, 0.95))
    if high - low < NEAR * middle:
        message = f"nine tenths of cells add up to {low:,.0f} to {high:,.0f}: they were scaled or thinned to one total"
        raise InputError(message, file=str(path), value=f"{middle:.0f}", allowed=RAW)
    without = float((least > 1).mean())
    if without > 0.5:
        message = f"{100 * without:.0f} % of cells have no gene with a count of 1: they were scaled and rounded"
        raise InputError(message, file=str(path), value=f"{np.median(least):.0f}", allowed=RAW)
