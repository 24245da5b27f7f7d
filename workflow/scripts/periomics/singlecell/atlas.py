"""From good cells to clusters, labels and a map, without arms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from periomics.core.seeds import derive_seed
from periomics.singlecell.labels import marker_scores, name_clusters
from periomics.study.settings.singlecell import Atlas

if TYPE_CHECKING:
    from anndata import AnnData

MIN_CELLS = 30
MIN_GENE_CELLS = 3


def embed(cells: AnnData, settings: Atlas, seed: int) -> AnnData:
    """Cells with layers, components, neighbours, clusters and a map.

    Parameters
    ----------
    cells
        Good cells, counts in X.
    settings
        Atlas.
    seed
        The config's seed.

    Returns
    -------
    AnnData
        layers["counts"] raw counts; X log of counts per 10,000; obs cluster; obsm X_pca and X_umap. With fewer than 30 cells there is
        one cluster and no map. Neighbours are exact, so that they do not depend on the number of cores.
    """
    import scanpy as sc

    seen = np.asarray((cells.X > 0).sum(axis=0)).ravel() >= MIN_GENE_CELLS
    out = cells[:, np.flatnonzero(seen)].copy() if seen.any() else cells.copy()
    out.layers["counts"] = out.X.copy()
    sc.pp.normalize_total(out, target_sum=1e4)
    sc.pp.log1p(out)
    if out.n_obs < MIN_CELLS or out.n_vars < MIN_CELLS:
        out.obs["cluster"] = pd.Categorical(["0"] * out.n_obs)
        return out
    state = derive_seed(seed, "build_atlas", "embedding") % (2**31)
    sc.pp.highly_variable_genes(
        out, n_top_genes=min(settings.n_variable, out.n_vars), flavor="seurat"
    )
    components = min(
        settings.n_components, out.n_obs - 2, int(out.var["highly_variable"].sum()) - 1
    )
    sc.pp.pca(out, n_comps=components, random_state=state, svd_solver="arpack")
    sc.pp.neighbors(
        out,
        n_neighbors=min(settings.n_neighbours, out.n_obs - 1),
        use_rep="X_pca",
        transformer="sklearn",
        random_state=state,
    )
    sc.tl.leiden(
        out,
        resolution=settings.resolution,
        flavor="igraph",
        n_iterations=-1,
        directed=False,
        random_state=state,
        key_added="cluster",
    )
    sc.tl.umap(out, random_state=state)
    return out


def label(cells: AnnData, markers: Mapping[str, Sequence[str]], settings: Atlas) -> pd.DataFrame:
    """Add `label`: the given label where there is one, else the name of the cell's cluster; return the marker scores."""
    clusters = cells.obs["cluster"].astype(str).to_numpy()
    scores = marker_scores(
        cells.X.tocsr(), list(cells.var["symbol"].astype(str)), clusters, markers
    )
    names = (
        name_clusters(scores, settings.min_margin)
        if scores.shape[1]
        else dict.fromkeys(scores.index, "unknown")
    )
    found = pd.Series(clusters, index=cells.obs_names).map(names)
    cells.obs["label"] = (
        cells.obs["given_label"].astype(str) if "given_label" in cells.obs else found
    )
    return scores


def label_id(text: str) -> str:
    """A label as it may stand in a file name: letters, digits and _ . + -."""
    cleaned = "".join(c if c.isalnum() or c in "_.+-" else "_" for c in text.strip())
    return cleaned.encode("ascii", "replace").decode().replace("?", "_") or "unknown"


def map_figure(cells: AnnData):
    """The map coloured by label and by library; arms are not known here."""
    from periomics.core.figures import PALETTE, new_figure

    fig, axes = new_figure(10, 4.5, ncols=2)
    points = cells.obsm["X_umap"] if "X_umap" in cells.obsm else np.zeros((cells.n_obs, 2))
    for ax, column in zip(axes, ("label", "specimen_id"), strict=True):
        values = cells.obs[column].astype(str)
        for i, name in enumerate(sorted(set(values))):
            hit = (values == name).to_numpy()
            ax.scatter(
                *points[hit].T,
                s=2,
                color=PALETTE[i % len(PALETTE)],
                marker="os^Dv"[i // len(PALETTE) % 5],
                lw=0,
                label=name,
                rasterized=True,
            )
            if column == "label":
                ax.annotate(name, np.median(points[hit], axis=0), fontsize=7, ha="center")
        ax.set(xticks=[], yticks=[], title=column.replace("_id", ""))
    if "X_umap" not in cells.obsm:
        axes[0].set_title("too few cells for a map")
    return fig
