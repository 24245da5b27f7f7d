"""Names of cells from marker genes: which markers are on in a cell and its neighbours, and which
type they make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray

from periomics.singlecell.markers import DIRECTIONS, columns_of
from periomics.singlecell.neighbours import membership
from periomics.study.settings.singlecell import Atlas

UNKNOWN = "unknown"
FEWEST = 2
"""Markers with a contrast between clusters below which a type cannot be called."""
LEAST_CELLS = 15
"""Cells of a cluster below which it says nothing of how high or low a gene is."""
SILENT = 0.1
"""Mean log count (per 10,000) in its highest cluster below which a gene is off everywhere."""
CONTRAST = (0.15, 0.4)
"""Difference of mean log counts between clusters at which a gene starts to count, and counts in
full."""
RELATIVE = (0.45, 0.75)
"""The same as a share of the highest cluster's level."""
ON = (0.2, 0.6)
"""Share of the way from a gene's low to its high level at which it starts to be on, and is on in
full."""
UNINFORMATIVE, SILENT_WEIGHT, PRIOR = 0.3, 0.5, 0.5
"""Least weight of a marker in the denominator, weight of one that is off everywhere, and markers
added to every type as off."""
OF_CLUSTER = 0.5
"""Weight of the cluster's mean in a cell's score."""
TEMPERATURE = 0.08
"""Difference of scores that makes one type e times as likely as another."""


@dataclass(frozen=True)
class Evidence:
    """How far markers are on in every cell.

    Attributes
    ----------
    on
        Cells × genes, 0 to 1, of a cell and its neighbours.
    genes
        Gene → high, low (mean log counts of clusters), weight 0 to 1, and whether it is
        informative.
    """

    on: pd.DataFrame
    genes: pd.DataFrame


def evidence(
    logs: sp.csr_matrix,
    symbols: Sequence[str],
    clusters: NDArray,
    neighbours: NDArray,
    markers: pd.DataFrame,
) -> Evidence:
    """How far each marker is on in each cell.

    Parameters
    ----------
    logs
        (cells, genes), log counts per 10,000.
    symbols
        Of the genes.
    clusters
        Cluster of every cell.
    neighbours
        (cells, k) of `nearest`: a cell's level is the mean over these.
    markers
        Of `read_markers`; genes that the table lacks are left out.

    Notes
    -----
    A marker is on where its level is near that of its highest cluster and off where it is near
    that of the lowest tenth of clusters. Genes whose clusters hardly differ say nothing of a cell,
    however high they are; those that are off in all clusters speak against their types by half.
    """
    position = columns_of(symbols)
    genes = [g for g in dict.fromkeys(markers["gene"]) if g in position]
    values = logs[:, [position[g] for g in genes]].toarray()
    _, codes, sizes = np.unique(clusters, return_inverse=True, return_counts=True)
    member = sp.csr_matrix((np.ones(len(codes)), (codes, np.arange(len(codes)))))
    means = (member @ values) / sizes[:, None]
    means = means[sizes >= LEAST_CELLS] if (sizes >= LEAST_CELLS).any() else means
    high, low = means.max(axis=0), np.quantile(means, 0.1, axis=0)
    silent, gap = high < SILENT, high - low
    weight = _ramp(gap, CONTRAST) * _ramp(gap / np.maximum(high, SILENT), RELATIVE)
    near = (membership(neighbours) @ values) / neighbours.shape[1]
    on = np.where(silent, 0.0, _ramp((near - low) / np.maximum(gap, CONTRAST[0]), ON))
    table = pd.DataFrame(
        {
            "high": high,
            "low": low,
            "weight": np.where(silent, SILENT_WEIGHT, weight),
            "informative": ~silent & (weight >= 0.5),
        },
        index=genes,
    )
    return Evidence(pd.DataFrame(on, columns=genes), table)


def type_scores(found: Evidence, markers: pd.DataFrame, clusters: NDArray) -> pd.DataFrame:
    """Cells × types: weighted share of a type's markers that are on, less for markers of its
    absence, 0 to 1.

    Parameters
    ----------
    found
        Of `evidence`.
    markers
        Of `read_markers`; types with fewer than two informative markers are left out.
    clusters
        Cluster of every cell, whose mean score is half of a cell's.
    """
    out = {}
    for cell_type, part in markers.groupby("cell_type", sort=False):
        part = part[part["gene"].isin(found.genes.index)]
        up, down = (list(part.loc[part["direction"] == d, "gene"]) for d in DIRECTIONS)
        if found.genes.loc[up, "informative"].sum() < FEWEST:
            continue
        weight = found.genes.loc[up, "weight"].to_numpy()
        score = found.on[up].to_numpy() @ weight
        score = score / (np.maximum(weight, UNINFORMATIVE).sum() + PRIOR)
        if down:
            score *= 1 - (
                found.on[down].to_numpy() * found.genes.loc[down, "weight"].to_numpy()
            ).mean(axis=1)
        out[cell_type] = score
    own = pd.DataFrame(out, index=range(len(clusters)))
    mean = own.groupby(clusters).transform("mean")
    return (1 - OF_CLUSTER) * own + OF_CLUSTER * mean


def call(scores: pd.DataFrame, markers: pd.DataFrame, settings: Atlas) -> pd.DataFrame:
    """Label and confidence of every row of scores.

    Parameters
    ----------
    scores
        Cells (or clusters) × types.
    markers
        Of `read_markers`; subtypes are told apart within their parent only, and where they cannot
        be the parent's name stays.
    settings
        min_score and min_margin.

    Returns
    -------
    DataFrame
        label and confidence, 0 to 1: how likely the label is against the other types and none, as
        scores go.
    """
    parents = markers.drop_duplicates("cell_type").set_index("cell_type")["parent"]
    first = [t for t in scores if not parents[t]]
    label, confidence = _best(scores[first], settings)
    for parent in [p for p in dict.fromkeys(parents) if p]:
        rows = np.flatnonzero(label == parent)
        kinds = [t for t in scores if parents[t] == parent]
        if len(rows) and kinds:
            below, sure = _best(scores[kinds].iloc[rows], settings)
            told = below != UNKNOWN
            label[rows[told]] = below[told]
            confidence[rows[told]] *= sure[told]
    return pd.DataFrame({"label": label, "confidence": confidence}, index=scores.index)


def _best(scores: pd.DataFrame, settings: Atlas) -> tuple[NDArray, NDArray]:
    """Type of the highest score and how likely it is; unknown where too few markers are on, or two
    types' alike."""
    label = np.full(len(scores), UNKNOWN, dtype=object)
    if not scores.shape[1]:
        return label, np.ones(len(scores))
    values = scores.to_numpy(float)
    place = values.argmax(axis=1)
    best = values.max(axis=1)
    second = np.sort(values, axis=1)[:, -2] if values.shape[1] > 1 else np.zeros(len(best))
    odds = np.exp((values - best[:, None]) / TEMPERATURE).sum(axis=1)
    likely = 1 / (odds + np.exp((settings.min_score - best) / TEMPERATURE))
    told = (best >= settings.min_score) & (best - second >= settings.min_margin)
    label[told] = scores.columns.to_numpy(object)[place[told]]
    return label, np.where(told, likely, 1 - likely)


def _ramp(values: NDArray, ends: tuple[float, float]) -> NDArray[np.float64]:
    """0 below the first end, 1 above the second, straight between."""
    return np.clip((values - ends[0]) / (ends[1] - ends[0]), 0.0, 1.0)
