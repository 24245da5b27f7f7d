"""Clusters of cells by Leiden's method on a graph, how stable they are, and the map of the
graph."""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from periomics.core.seeds import derive_seed
from periomics.singlecell.neighbours import Graph

RERUNS = 4
"""Further runs with other seeds by which stability is told."""
NUDGE = 1.25
"""Factor by which the resolution is raised and lowered to see whether clusters hang on it."""
MAP_NEIGHBOURS, MANY = 8, 20_000
"""Neighbours of a cell by which it is placed on the map, and cells from which fewer steps do."""
STABLE_STEPS = 10
"""Iterations of Leiden's method in every run, which is fewer than until nothing changes."""


@dataclass(frozen=True)
class Clusters:
    """Clusters and how stable they are.

    Attributes
    ----------
    members
        (cells,): cluster of every cell, 0 the largest.
    over_seeds, over_resolutions
        Mean adjusted Rand index between the clusters and those of other seeds and of resolutions a
        quarter higher or lower.
    each
        (clusters,): mean over seeds of the largest Jaccard index that a cluster has with one of a
        rerun.
    """

    members: NDArray[np.int64]
    over_seeds: float
    over_resolutions: float
    each: NDArray[np.float64]


def _leiden(network, weights: NDArray, resolution: float, seed: int) -> NDArray[np.int64]:
    """Cluster of every cell, largest first; modularity with a resolution, by igraph."""
    _seed(seed)
    found = network.community_leiden(
        objective_function="modularity",
        weights=weights,
        resolution=resolution,
        n_iterations=STABLE_STEPS,
    )
    members = np.asarray(found.membership)
    order = np.argsort(-np.bincount(members), kind="stable")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    return place[members]


def stable_clusters(graph: Graph, resolution: float, seed: int) -> Clusters:
    """Clusters of one seed, compared with reruns.

    Parameters
    ----------
    graph
        Of `shared_graph`.
    resolution
        Of modularity.
    seed
        The config's seed.
    """
    from sklearn.metrics import adjusted_rand_score

    seeds = [derive_seed(seed, "build_atlas", f"leiden {i}") for i in range(RERUNS + 1)]
    network = _network(graph)

    def run(resolution: float, seed: int) -> NDArray[np.int64]:
        return _leiden(network, graph.weights, resolution, seed)

    members = run(resolution, seeds[0])
    reruns = [run(resolution, s) for s in seeds[1:]]
    nudged = [run(r, seeds[0]) for r in (resolution / NUDGE, resolution * NUDGE)]
    return Clusters(
        members,
        float(np.mean([adjusted_rand_score(members, r) for r in reruns])),
        float(np.mean([adjusted_rand_score(members, r) for r in nudged])),
        np.mean([_best_overlap(members, r) for r in reruns], axis=0),
    )


def layout(points: NDArray, neighbours: NDArray, seed: int) -> NDArray[np.float64]:
    """Map of cells in two dimensions: UMAP (igraph's) of each cell with its nearest few.

    Parameters
    ----------
    points
        (cells, components); the first two are where cells start.
    neighbours
        (cells, k), of `periomics.singlecell.neighbours.nearest`, the cell itself first.
    seed
        The config's seed.

    Returns
    -------
    array
        (cells, 2).
    """
    import igraph

    few = neighbours[:, 1 : 1 + MAP_NEIGHBOURS]
    n, k = few.shape
    away = np.linalg.norm(points[few] - points[:, None, :], axis=2)
    edges = np.column_stack([np.repeat(np.arange(n), k), few.ravel()])
    start = points[:, :2] - points[:, :2].mean(axis=0)
    start = 10 * start / np.maximum(start.std(axis=0), 1e-12)
    _seed(derive_seed(seed, "build_atlas", "map"))
    network = igraph.Graph(n=n, edges=edges)
    placed = network.layout_umap(
        dist=away.ravel().tolist(), dim=2, seed=start.tolist(), epochs=_epochs(n)
    )
    return np.array(placed.coords)


def _epochs(n: int) -> int:
    """Steps of the map: fewer for many cells."""
    return 150 if n <= MANY else 60


def _network(graph: Graph):
    import igraph

    return igraph.Graph(n=graph.n, edges=graph.edges)


def _seed(seed: int) -> None:
    """Random numbers of igraph follow a seed."""
    import igraph

    igraph.set_random_number_generator(random.Random(seed))


def _best_overlap(members: NDArray, others: NDArray) -> NDArray[np.float64]:
    """For each cluster the largest Jaccard index with a cluster of another run."""
    both = np.zeros((members.max() + 1, others.max() + 1))
    np.add.at(both, (members, others), 1)
    union = both.sum(axis=1, keepdims=True) + both.sum(axis=0, keepdims=True) - both
    return (both / union).max(axis=1)
