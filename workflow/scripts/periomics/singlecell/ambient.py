"""Counts that come from the fluid around the cells: their share in each library."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray

from periomics.singlecell.labels import UNKNOWN
from periomics.singlecell.markers import columns_of

EMPTY = 100
"""Counts of a droplet up to which it is taken for empty."""
LEAST_EMPTY = 20_000
"""Counts of a library's empty droplets below which the cells stand for the fluid."""
LEAST_CELLS = 20
LEAST_EXPECTED = 50.0
"""Counts that a tenth of ambient counts would give among a type's cells and genes of other types;
fewer tell nothing."""
COLUMNS = ("ambient_percent", "ambient_from", "ambient_note")


def empty_profiles(counts: sp.csr_matrix, libraries: NDArray) -> dict[str, NDArray[np.float64]]:
    """Library → counts of its droplets with up to 100 counts, where these are many enough to tell
    the fluid."""
    totals = np.asarray(counts.sum(axis=1)).ravel()
    out = {}
    for library in sorted(set(libraries)):
        chosen = np.flatnonzero((libraries == library) & (totals <= EMPTY))
        if totals[chosen].sum() >= LEAST_EMPTY:
            out[library] = np.asarray(counts[chosen].sum(axis=0), float).ravel()
    return out


def ambient_shares(
    counts: sp.csr_matrix,
    symbols: Sequence[str],
    libraries: NDArray,
    labels: NDArray,
    markers: pd.DataFrame,
    empty: dict[str, NDArray[np.float64]] | None = None,
) -> pd.DataFrame:
    """Share of ambient counts in the cells of each library.

    Parameters
    ----------
    counts
        (cells, genes) of the cells that are kept.
    symbols
        Of the genes.
    libraries, labels
        Library and label of every cell.
    markers
        Of `read_markers`: genes by which a type is known, which cells of other types do not make.
    empty
        Of `empty_profiles`, by the same genes.

    Returns
    -------
    DataFrame
        Library × COLUMNS. The share is the median over pairs of types, the genes of one in the
        cells of the other, of counts found over counts that these cells would have were all of
        them ambient, weighted by the latter. Cells that make a little of other types' genes raise
        it, so that it is rather too high than too low. Without an estimate ambient_note says why.
    """
    kinds = _top(labels, markers)
    own = _own_genes(symbols, markers)
    rows = {}
    for library in sorted(set(libraries)):
        index = np.flatnonzero(libraries == library)
        part, here = counts[index], kinds[index]
        given = (empty or {}).get(library)
        fluid = np.asarray(part.sum(axis=0), float).ravel() if given is None else given
        ratio, weight = _pairs(part, here, own, fluid / max(fluid.sum(), 1.0))
        source = "cells" if given is None else "empty droplets"
        reason = ""
        if not len(ratio):
            kinds_needed = f"fewer than two types of {LEAST_CELLS} cells with genes of their own"
            reason = f"ambient counts were not estimated: {kinds_needed}"
        elif weight.sum() / 10 < LEAST_EXPECTED:
            reason = "ambient counts were not estimated: too few counts of genes of single types"
        share = np.nan if reason else 100 * min(_weighted_median(ratio, weight), 1.0)
        rows[library] = dict(zip(COLUMNS, (share, "" if reason else source, reason), strict=True))
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(COLUMNS))


def _top(labels: NDArray, markers: pd.DataFrame) -> NDArray:
    """Labels with subtypes under their parents."""
    parents = markers.drop_duplicates("cell_type").set_index("cell_type")["parent"].to_dict()
    return np.array([parents.get(x) or x for x in labels.astype(str)], dtype=object)


def _own_genes(symbols: Sequence[str], markers: pd.DataFrame) -> dict[str, list[int]]:
    """Type → columns of markers that no other type of the table has, subtypes left out."""
    position = columns_of(symbols)
    up = markers[(markers["direction"] == "up") & (markers["parent"] == "")]
    times = markers.loc[markers["direction"] == "up", "gene"].value_counts()
    up = up[up["gene"].map(times) == 1]
    found = {
        t: [position[g] for g in part["gene"] if g in position]
        for t, part in up.groupby("cell_type")
    }
    return {t: genes for t, genes in found.items() if genes}


def _pairs(
    counts: sp.csr_matrix, kinds: NDArray, own: dict[str, list[int]], fluid: NDArray
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Counts found over counts expected of pure fluid, and the latter, of each type's genes in
    each other type."""
    sizes = pd.Series(kinds).value_counts()
    present = [t for t in sizes.index if sizes[t] >= LEAST_CELLS and t in own and t != UNKNOWN]
    ratio, weight = [], []
    for kind in present:
        cells = counts[np.flatnonzero(kinds == kind)]
        total, sums = cells.sum(), np.asarray(cells.sum(axis=0), float).ravel()
        for genes in (own[t] for t in present if t != kind):
            expected = total * fluid[genes].sum()
            if expected > 0:
                ratio.append(sums[genes].sum() / expected)
                weight.append(expected)
    return np.array(ratio), np.array(weight)


def _weighted_median(values: NDArray, weights: NDArray) -> float:
    order = np.argsort(values, kind="stable")
    passed = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(passed, passed[-1] / 2)])
