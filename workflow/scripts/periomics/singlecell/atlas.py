"""From good cells to clusters, labels and a map, without arms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from periomics.core.errors import InputError
from periomics.singlecell.clusters import Clusters, layout, stable_clusters
from periomics.singlecell.integration import integrate, kept_neighbours, mixing
from periomics.singlecell.labelled import NO_LABEL
from periomics.singlecell.labels import UNKNOWN, Evidence, call, evidence, type_scores
from periomics.singlecell.learned import Learned, contradicted
from periomics.singlecell.neighbours import FEWEST, nearest, shared_graph
from periomics.singlecell.variable import log_normalised, scaled, variable_genes
from periomics.study.settings.singlecell import Atlas

if TYPE_CHECKING:
    from anndata import AnnData

CLUSTER_COLUMNS = (
    "cluster",
    "cells",
    "libraries",
    "largest_library_percent",
    "label",
    "confidence",
    "cells_labelled_percent",
    "stability",
)

CELL_COLUMNS = (
    "cell",
    "specimen_id",
    "animal_id",
    "cluster",
    "label",
    "confidence",
    "cluster_label",
    "umap_1",
    "umap_2",
)


@dataclass(frozen=True)
class Embedded:
    """What clusters rest on.

    Attributes
    ----------
    neighbours
        (cells, k): nearest cells, the cell itself first.
    clusters
        Clusters with their stability; none for fewer than 30 cells.
    facts
        Of the whole atlas: what was measured → value.
    """

    neighbours: NDArray[np.int64]
    clusters: Clusters | None
    facts: dict[str, float]


def embed(cells: AnnData, settings: Atlas, seed: int) -> Embedded:
    """Add layers, components, clusters and a map to cells.

    Parameters
    ----------
    cells
        Good cells, counts in X; changed in place: layers["counts"] raw counts; X log of counts per
        10,000; obs cluster; var highly_variable; obsm X_pca, X_integrated (components without
        differences between libraries) and X_umap.
    settings
        Atlas.
    seed
        The config's seed.

    Returns
    -------
    Embedded
        With fewer than 30 cells or genes there is one cluster and no map.
    """
    cells.layers["counts"] = cells.X
    cells.X = log_normalised(cells.layers["counts"])
    libraries = cells.obs["specimen_id"].astype(str).to_numpy()
    if cells.n_obs < FEWEST or cells.n_vars < FEWEST:
        cells.obs["cluster"] = pd.Categorical(["0"] * cells.n_obs)
        return Embedded(np.arange(cells.n_obs)[:, None], None, {})
    before = _components(cells, libraries, settings, seed)
    after = integrate(before, libraries, seed) if settings.integrate else before
    k = min(settings.n_neighbours, cells.n_obs - 1)
    near = nearest(after, k + 1)
    graph = shared_graph(near)
    clusters = stable_clusters(graph, settings.resolution, seed)
    cells.obs["cluster"] = pd.Categorical(clusters.members.astype(str))
    cells.obsm["X_integrated"] = after
    cells.obsm["X_umap"] = layout(after, near, seed)
    facts = {
        "stability_seeds": clusters.over_seeds,
        "stability_resolution": clusters.over_resolutions,
        "mixing_before": float(mixing(nearest(before, k + 1), libraries).mean()),
        "mixing_after": float(mixing(near, libraries).mean()),
        "neighbours_kept": kept_neighbours(before, after, libraries, k),
    }
    return Embedded(near, clusters, facts)


def _components(
    cells: AnnData, libraries: NDArray, settings: Atlas, seed: int
) -> NDArray[np.float64]:
    """Principal components of the variable genes, each of unit variance; adds them to the cells."""
    from sklearn.decomposition import PCA

    chosen = variable_genes(cells.X, libraries, settings.n_variable)
    cells.var["highly_variable"] = np.isin(np.arange(cells.n_vars), chosen)
    n = min(settings.n_components, cells.n_obs - 2, len(chosen) - 1)
    # To the last digits those of the whole covariance matrix, at half its time; the seed starts it.
    model = PCA(n, svd_solver="arpack", random_state=seed)
    points = np.asarray(model.fit_transform(scaled(cells.X[:, chosen])), float)
    cells.obsm["X_pca"] = points
    cells.uns["pca"] = {"variance_ratio": model.explained_variance_ratio_}
    return points


def label(
    cells: AnnData,
    found: Embedded,
    markers: pd.DataFrame,
    settings: Atlas,
    learned: Learned | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame, Evidence]:
    """Add `label`, `confidence` and `cluster_label`: the given label where there is one, else by
    markers.

    Parameters
    ----------
    cells
        Of `embed`.
    found
        What it returned.
    markers
        Of `read_markers`.
    settings
        Atlas.
    learned
        What a reference tells: its types take the place of the table's, which is asked as well.

    Returns
    -------
    clusters
        CLUSTER_COLUMNS.
    scores
        Clusters × types.
    evidence
        How far markers are on.
    """
    members = cells.obs["cluster"].astype(str).to_numpy()
    symbols = list(cells.var["symbol"].astype(str))
    used = learned.markers if learned else markers
    seen = evidence(cells.X, symbols, members, found.neighbours, used)
    scores = type_scores(seen, used, members)
    of_cells = call(scores, used, settings)
    of_types = scores.groupby(members).mean()
    of_clusters = call(of_types, used, settings)
    if learned:
        on = evidence(cells.X, symbols, members, found.neighbours, learned.table)
        asked = type_scores(on, learned.table, members)
        for own, other in ((of_cells, asked), (of_clusters, asked.groupby(members).mean())):
            told = call(other, learned.table, settings)
            wrong = contradicted(learned, own["label"], told["label"])
            own.loc[wrong, "label"] = UNKNOWN
            own.loc[wrong, "confidence"] = told.loc[wrong, "confidence"]
    cells.obs["label"] = of_cells["label"].to_numpy()
    cells.obs["confidence"] = of_cells["confidence"].to_numpy()
    cells.obs["cluster_label"] = of_clusters["label"].loc[members].to_numpy()
    if "given_label" in cells.obs:
        given = cells.obs["given_label"].astype(str).str.strip()
        has = (~given.isin(NO_LABEL)).to_numpy()
        cells.obs.loc[has, "label"] = given[has]
        cells.obs.loc[has, "confidence"] = 1.0
    return _cluster_table(cells, of_clusters, found.clusters), of_types, seen


def _cluster_table(cells: AnnData, called: pd.DataFrame, clusters: Clusters | None) -> pd.DataFrame:
    """CLUSTER_COLUMNS of every cluster, by number."""
    rows = []
    for name, part in cells.obs.groupby("cluster", observed=True):
        libraries = part["specimen_id"].value_counts(normalize=True)
        one = called.loc[str(name)]
        same = (part["label"] == one["label"]).mean()
        stability = np.nan if clusters is None else clusters.each[int(str(name))]
        shared = (int((libraries > 0).sum()), 100 * libraries.iloc[0])
        rows.append(
            (name, len(part), *shared, one["label"], one["confidence"], 100 * same, stability)
        )
    table = pd.DataFrame(rows, columns=list(CLUSTER_COLUMNS))
    return table.sort_values("cluster", key=lambda c: c.astype(int)).reset_index(drop=True)


def atlas_facts(cells: AnnData, found: Embedded, seen: float = np.nan) -> pd.DataFrame:
    """What was measured of the whole atlas, and how mixed the libraries are within each label:
    measure, label, value. `seen` is the share of markers whose source was read, where that is known."""
    facts = {"cells": cells.n_obs, "clusters": cells.obs["cluster"].nunique(), **found.facts}
    if np.isfinite(seen):
        facts["markers_seen"] = seen
    rows = [(name, "", value) for name, value in facts.items()]
    libraries, labels = (cells.obs[c].astype(str).to_numpy() for c in ("specimen_id", "label"))
    if found.clusters is not None:
        rows += [
            ("mixing_after", t, v) for t, v in mixing(found.neighbours, libraries, labels).items()
        ]
    return pd.DataFrame(rows, columns=["measure", "label", "value"])


def cell_table(cells: AnnData) -> pd.DataFrame:
    """CELL_COLUMNS of every cell; places on the map are empty where there is none."""
    chosen = ["specimen_id", "animal_id", "cluster", "label", "confidence", "cluster_label"]
    table = cells.obs[chosen].copy()
    for column in chosen:
        if column != "confidence":
            table[column] = table[column].astype(str)
    points = cells.obsm["X_umap"] if "X_umap" in cells.obsm else np.full((cells.n_obs, 2), np.nan)
    table["umap_1"], table["umap_2"] = points[:, 0], points[:, 1]
    table["confidence"] = table["confidence"].round(4)
    return table.rename_axis("cell").reset_index()


def label_id(text: str) -> str:
    """A label as it may stand in a file name: letters, digits and _ . + -."""
    cleaned = "".join(c if c.isalnum() or c in "_.+-" else "_" for c in text.strip())
    return cleaned.encode("ascii", "replace").decode().replace("?", "_") or "unknown"


def label_ids(labels: pd.Series) -> pd.Series:
    """Labels of cells as they may stand in file names.

    Raises
    ------
    InputError
        If two labels become one, so that their cells would be added.
    """
    ids = {name: label_id(name) for name in sorted(labels.astype(str).unique())}
    first: dict[str, str] = {}
    for name, short in ids.items():
        other = first.setdefault(short, name)
        if other != name:
            raise InputError(
                f"two labels of cells are one in file names, {short}",
                file="atlas.h5ad",
                column="label",
                value=f"{other}, {name}",
                allowed="labels that differ in letters, digits or _ . + -",
            )
    return labels.astype(str).map(ids)
