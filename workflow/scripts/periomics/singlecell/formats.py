"""What files of cells there are and what they must hold, in the words of the check and of the job."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from periomics.core.errors import InputError

ALLOWED = "h5ad, 10x folder or h5"
NO_CELLS_FILE = "is no file of cells"
MTX_ALONE = "is a matrix without the names of its genes and cells, which stand beside it"
NOT_WHOLE = "cells do not hold whole counts: raw counts are needed, in X, layers['counts'] or raw/X"
LARGEST = 2**24
"""Counts from which the numbers of the atlas (float32) are no longer exact."""

AT_ONCE = 10_000_000
# Cells, of so many genes each, from which their totals and smallest numbers say something.
FEWEST_CELLS, FEWEST_GENES = 50, 100
# Spread of the middle nine tenths of cells' totals over their median: reads of cells spread by far more, and rounding
# after scaling leaves up to this.
NEAR = 0.1
# The same spread below which totals are told, not refused: of raw cells it is 1 and more, of counts
# that a model brought to one depth (sctransform's) .3.
ALIKE = 0.45
# Counts of v + 1 and v + 2 in a cell without any of v from which v was left out by rounding, for v of 1 to 3; share of such
# cells from which a library was scaled: none of 1,556 real cells, .08 to .8 of cells that were scaled to their median.
BESIDE, SMALL, GAPS = 10, (1, 2, 3), 0.05
RAW = "raw counts, neither scaled to one total nor rounded from normalised numbers"


def no_cells_file(path: Path, kind: str = "") -> InputError:
    """The refusal of a file that is none of cells; a matrix by itself is read by its folder."""
    if re.search(r"\.mtx(\.gz)?$", path.name):
        return InputError(MTX_ALONE, file=path, allowed=f"its folder, {path.parent.name}")
    value = kind or path.suffix
    return InputError(NO_CELLS_FILE, file=path, column="format", value=value, allowed=ALLOWED)


def joined_libraries(cells: Sequence[str]) -> str:
    """What to say where names of cells end in several numbers, as Cell Ranger's aggr numbers the
    libraries that it joins; else ''."""
    ends = {name.rpartition("-")[2] for name in cells if "-" in name}
    numbers = sorted(int(e) for e in ends if e.isdigit())
    if len(numbers) < 2 or len(numbers) < len(ends):
        return ""
    return (
        f"its cells end in -{numbers[0]} to -{numbers[-1]}: {len(numbers)} libraries that were joined? "
        "Here they are one"
    )


def whole(values: NDArray, path: object = "") -> None:
    """Raise InputError at the first number that is no count."""
    values = np.asarray(values).ravel()
    for start in range(0, len(values), AT_ONCE):
        some = values[start : start + AT_ONCE]
        bad = some[~((some >= 0) & (some == np.rint(some)) & (some <= LARGEST))]
        if bad.size:
            allowed = "whole numbers from 0"
            raise InputError(NOT_WHOLE, file=str(path), value=f"{bad[0]:g}", allowed=allowed)


def refuse_scaled(counts: sp.csr_matrix, path: object = "", complete: bool = True) -> None:
    """Raise InputError where whole numbers of a library were scaled: all cells of one total, most of them without a 1, or
    some of them without a small number that lies among others.

    Parameters
    ----------
    counts
        (cells, genes), whole numbers from 0; cells of few genes say nothing.
    path
        File, for the message.
    complete
        Whether cells have all their genes; totals of a part of them say nothing.
    """
    data, ends = counts.data, counts.indptr
    starts, numbers = ends[:-1][np.diff(ends) > 0], np.diff(ends)[np.diff(ends) > 0]
    if not len(starts):
        return
    told = numbers >= FEWEST_GENES
    if told.sum() >= FEWEST_CELLS:
        seen = np.where(data > 0, data, np.inf)
        totals, least = (
            f.reduceat(x, starts)[told] for f, x in ((np.add, data), (np.minimum, seen))
        )
        if data.max() == 1:
            message = "no cell has a gene with more than 1: these are marks of genes that were seen"
            raise InputError(message, file=str(path), value=1, allowed=RAW)
        if complete:
            _refuse_one_total(totals, path)
        if complete and counts.nnz == np.prod(counts.shape) and data.min() > 0:
            message = "every cell has every gene: a number was added to all counts"
            raise InputError(message, file=str(path), value=f"{data.min():g}", allowed=RAW)
        without = float((least > 1).mean())
        if without > 0.5:
            message = f"{100 * without:.0f} % of cells have no gene with a count of 1: they were scaled and rounded"
            raise InputError(message, file=str(path), value=f"{np.median(least):.0f}", allowed=RAW)
    _refuse_gaps(data, starts, path)


def of_one_depth(counts: sp.csr_matrix) -> str:
    """What to say where the cells of a library are of nearly one total, as models of depth make
    them; else ''."""
    numbers = np.diff(counts.indptr)
    totals = np.asarray(counts.sum(axis=1), float).ravel()[numbers >= FEWEST_GENES]
    if len(totals) < FEWEST_CELLS or (spread := _spread(totals)) >= ALIKE:
        return ""
    return (
        f"nine tenths of its cells have totals within {100 * spread:.0f} % of one another: raw "
        "counts hardly "
        "ever have, counts that were brought to one depth do"
    )


def _spread(totals: NDArray) -> float:
    """Width of the middle nine tenths over the median."""
    low, middle, high = np.quantile(totals.astype(float), (0.05, 0.5, 0.95))
    return float((high - low) / middle)


def _refuse_one_total(totals: NDArray, path: object) -> None:
    if _spread(totals) < NEAR:
        low, middle, high = np.quantile(totals.astype(float), (0.05, 0.5, 0.95))
        message = f"nine tenths of cells add up to {low:,.0f} to {high:,.0f}: they were scaled or thinned to one total"
        raise InputError(message, file=str(path), value=f"{middle:.0f}", allowed=RAW)


def _refuse_gaps(data: NDArray, starts: NDArray, path: object) -> None:
    """Numbers that a factor and rounding leave out: times 1.3 there are 1, 3 (of 2), 4 and 5 but no 2."""
    last = max(SMALL) + 2
    found = {v: np.add.reduceat(data == v, starts, dtype=np.int32) for v in range(1, last + 1)}
    beside = {v: found[v + 1] + found[v + 2] >= BESIDE for v in SMALL}
    gaps = {v: beside[v] & (found[v] == 0) for v in SMALL}
    told, some = (np.any(list(x.values()), axis=0) for x in (beside, gaps))
    if told.sum() < FEWEST_CELLS or some.sum() <= GAPS * told.sum():
        return
    most = max(SMALL, key=lambda v: int(gaps[v].sum()))
    message = f"{100 * some.sum() / told.sum():.0f} % of cells lack a small number between others: they were scaled and rounded"
    value = f"no {most} beside {most + 1} and {most + 2}"
    raise InputError(message, file=str(path), value=value, allowed=RAW)
