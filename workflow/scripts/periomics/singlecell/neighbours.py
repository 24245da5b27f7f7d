"""Nearest neighbours of cells, and what is made of them: a graph of shared neighbours and means
over neighbours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

FEWEST = 30
"""Cells in all, or genes, below which there are no neighbours: neither clusters nor libraries taken together."""
LEAST_SHARED = 1 / 15
"""Jaccard index of two cells' neighbours below which they are not joined."""


@dataclass(frozen=True)
class Graph:
    """Cells joined where their neighbours are the same.

    Attributes
    ----------
    n
        Cells.
    edges
        (edges, 2): pairs of cells, each pair once.
    weights
        (edges,): Jaccard index of the two cells' neighbours.
    """

    n: int
    edges: NDArray[np.int64]
    weights: NDArray[np.float64]


def nearest(points: NDArray, k: int) -> NDArray[np.int64]:
    """The k nearest points of each point, by Euclidean distance.

    Parameters
    ----------
    points
        (n, dimensions).
    k
        Neighbours; a point is its own first neighbour, also where others are the same.

    Returns
    -------
    array
        (n, k) rows of `points`, nearest first.

    Notes
    -----
    Exact, by matrix products in blocks: 100,000 cells of 20 components take half a minute, an
    index of approximate ones takes as long to be compiled and built, and depends on the number of
    threads.
    """
    from sklearn.neighbors import NearestNeighbors

    points = np.asarray(points, np.float32)
    model = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(points)
    found = model.kneighbors(points, return_distance=False)
    rows = np.arange(len(points))
    own = found == rows[:, None]
    # Of points that are the same any comes first, and of many a point may lack itself.
    place = np.where(own.any(axis=1), own.argmax(axis=1), k - 1)
    found[rows, place], found[:, 0] = found[:, 0].copy(), rows
    return found


def membership(neighbours: NDArray) -> sp.csr_matrix:
    """(n, n) sparse: 1 where a column is among a row's neighbours."""
    n, k = neighbours.shape
    ends = np.arange(0, n * k + 1, k)
    return sp.csr_matrix((np.ones(n * k, np.float32), neighbours.ravel(), ends), shape=(n, n))


def shared_graph(neighbours: NDArray) -> Graph:
    """Graph of cells weighted by the share of neighbours that two of them have in common.

    Parameters
    ----------
    neighbours
        (n, k), of `nearest`.
    """
    n, k = neighbours.shape
    member = membership(neighbours)
    rows, columns, weights = [], [], []
    block = max(1, 2_000_000 // (k * k))
    for start in range(0, n, block):
        shared = (member[start : start + block] @ member.T).tocoo()
        jaccard = shared.data / (2 * k - shared.data)
        kept = (shared.row + start < shared.col) & (jaccard > LEAST_SHARED)
        rows.append(shared.row[kept] + start)
        columns.append(shared.col[kept])
        weights.append(jaccard[kept])
    edges = np.column_stack([np.concatenate(rows), np.concatenate(columns)]).astype(np.int64)
    return Graph(n, edges, np.concatenate(weights).astype(float))
