"""Pictures of single cells: quality, maps, markers, composition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from periomics.core.figures import PALETTE, new_figure
from periomics.singlecell.labels import Evidence
from periomics.singlecell.markers import columns_of

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKS = "os^Dv"
MOST_GENES = 60
NO_MAP = "too few cells for a map"


def quality_figure(cells: AnnData, limits: pd.DataFrame) -> Figure:
    """Counts, genes and mitochondrial share of every cell by library, with each library's limits.

    Parameters
    ----------
    cells
        With n_counts, n_genes, mito_percent and drop in obs.
    limits
        specimen_id, counts_limit, genes_limit, mito_limit.
    """
    fig, axes = new_figure(10, 3.5, ncols=3)
    libraries = sorted(set(cells.obs["specimen_id"]))
    place = cells.obs["specimen_id"].astype(str).map({s: i for i, s in enumerate(libraries)})
    jitter = (np.arange(cells.n_obs) * 0.6180339887 % 1 - 0.5) * 0.7
    good = (cells.obs["drop"] == "").to_numpy()
    titles = ("counts of a cell", "genes of a cell", "mitochondrial counts (%)")
    columns = (
        ("n_counts", "counts_limit"),
        ("n_genes", "genes_limit"),
        ("mito_percent", "mito_limit"),
    )
    limits = limits.set_index("specimen_id").loc[libraries]
    for ax, (column, limit), title in zip(axes, columns, titles, strict=True):
        values = cells.obs[column].to_numpy(float)
        for hit, colour, name in ((good, PALETTE[0], "kept"), (~good, PALETTE[1], "dropped")):
            x = (place.to_numpy() + jitter)[hit]
            ax.scatter(x, values[hit], s=1, color=colour, rasterized=True, label=name)
        at = np.arange(len(libraries))
        ax.hlines(limits[limit].to_numpy(float), at - 0.45, at + 0.45, color="k", lw=0.8)
        ax.set(xlabel="library", title=title, xticks=at)
        ax.set_xticklabels(libraries, rotation=90, fontsize=5)
        if column != "mito_percent" and (values > 0).any():
            ax.set_yscale("log")
    axes[0].legend(fontsize=6)
    return fig


def map_figure(cells: AnnData) -> Figure:
    """The map coloured by label, by library and by how sure the label is; arms are not known
    here."""
    fig, axes = new_figure(14, 4.5, ncols=3)
    points = cells.obsm["X_umap"] if "X_umap" in cells.obsm else np.zeros((cells.n_obs, 2))
    _coloured(axes[0], points, cells.obs["label"].astype(str).to_numpy(), named=True)
    _coloured(axes[1], points, cells.obs["specimen_id"].astype(str).to_numpy())
    sure = cells.obs["confidence"].to_numpy(float)
    order = np.argsort(-sure, kind="stable")
    drawn = axes[2].scatter(
        points[order, 0],
        points[order, 1],
        c=sure[order],
        s=2,
        lw=0,
        cmap="viridis",
        vmin=0,
        vmax=1,
        rasterized=True,
    )
    fig.colorbar(drawn, ax=axes[2], label="confidence (0 to 1)")
    titles = ("label", "library", "how sure the label is")
    for ax, title in zip(axes, titles, strict=True):
        ax.set(xticks=[], yticks=[], title=title if "X_umap" in cells.obsm else NO_MAP)
    return fig


def arms_figure(points: NDArray, arms: Sequence[str], labels: Sequence[str]) -> Figure:
    """The map coloured by arm, and the labels for orientation.

    Parameters
    ----------
    points
        (cells, 2); missing where there is no map.
    arms, labels
        Arm and label of every cell.
    """
    fig, axes = new_figure(10, 4.5, ncols=2)
    is_map = np.isfinite(points).any()
    points = np.nan_to_num(points)
    order = (np.arange(len(points)) * 7919) % max(len(points), 1)
    order = np.argsort(order, kind="stable")
    _coloured(axes[0], points[order], np.asarray(arms, str)[order], mixed=True)
    _coloured(axes[1], points, np.asarray(labels, str), named=True)
    for ax, title in zip(axes, ("arm", "label"), strict=True):
        ax.set(xticks=[], yticks=[], title=title if is_map else NO_MAP)
    axes[0].legend(fontsize=7, markerscale=3, loc="best")
    return fig


def _coloured(
    ax: Axes, points: NDArray, values: NDArray, named: bool = False, mixed: bool = False
) -> None:
    """Points in one colour a value; drawn one value after the other, or in the order given where
    `mixed`."""
    names = sorted(set(values))
    if mixed:
        colours = {name: PALETTE[i % len(PALETTE)] for i, name in enumerate(names)}
        ax.scatter(
            points[:, 0], points[:, 1], s=2, c=[colours[v] for v in values], lw=0, rasterized=True
        )
    for i, name in enumerate(names):
        hit = values == name
        shown = points[hit] if not mixed else points[:0]
        colour, mark = PALETTE[i % len(PALETTE)], MARKS[i // len(PALETTE) % len(MARKS)]
        ax.scatter(
            shown[:, 0],
            shown[:, 1],
            s=2,
            color=colour,
            marker=mark,
            lw=0,
            label=name,
            rasterized=True,
        )
        if named:
            box = {"facecolor": "white", "alpha": 0.7, "lw": 0, "pad": 0.5}
            place = np.median(points[hit], axis=0)
            ax.annotate(name, place, fontsize=7, ha="center", bbox=box)


def dot_figure(cells: AnnData, markers: pd.DataFrame, found: Evidence) -> Figure:
    """Markers of the types that were found: dot size is the share of a label's cells with the
    gene, colour its mean level."""
    labels = cells.obs["label"].astype(str).to_numpy()
    kinds = sorted(set(labels))
    genes = _shown(markers, found, kinds)
    fig, ax = new_figure(max(5.0, 2 + 0.17 * len(genes)), max(2.5, 1.3 + 0.25 * len(kinds)))
    if not genes:
        ax.set(title="no marker tells the types of these cells apart", xticks=[], yticks=[])
        return fig
    position = columns_of(list(cells.var["symbol"].astype(str)))
    values = cells.X[:, [position[g] for g in genes]].tocsr()
    rows = [values[np.flatnonzero(labels == k)] for k in kinds]
    share = np.array([np.asarray((r > 0).mean(axis=0)).ravel() for r in rows])
    level = np.array([np.asarray(r.mean(axis=0)).ravel() for r in rows])
    level = level / np.maximum(level.max(axis=0), 1e-9)
    x, y = np.meshgrid(np.arange(len(genes)), np.arange(len(kinds)))
    dots = ax.scatter(
        x.ravel(), y.ravel(), s=60 * share.ravel(), c=level.ravel(), cmap="Blues", vmin=0
    )
    ax.set(yticks=range(len(kinds)), yticklabels=kinds, xticks=range(len(genes)))
    ax.set_xticklabels(genes, rotation=90, fontsize=6)
    ax.set_title(
        "size: share of cells with the gene; colour: mean level, the highest label 1", fontsize=8
    )
    fig.colorbar(dots, ax=ax, label="level")
    return fig


def _shown(markers: pd.DataFrame, found: Evidence, kinds: Sequence[str]) -> list[str]:
    """Informative markers of the labels found, or of all types where labels are the user's own."""
    told = markers[markers["gene"].isin(found.genes.index[found.genes["informative"]])]
    told = told[told["direction"] == "up"]
    own = told[told["cell_type"].isin(kinds)]
    return list(dict.fromkeys((own if len(own) else told)["gene"]))[:MOST_GENES]


def shares_figure(units: pd.DataFrame) -> Figure:
    """Share of each cell type in every animal, as stacked bars, arm by arm.

    Parameters
    ----------
    units
        animal_id, arm, cell_type, proportion (0 to 1).
    """
    wide = units.pivot_table(
        index=["arm", "animal_id"],
        columns="cell_type",
        values="proportion",
        aggfunc="sum",
        fill_value=0,
    ).sort_index()
    fig, ax = new_figure(max(5.0, 2.5 + 0.3 * len(wide)), 4)
    x = np.arange(len(wide)) + 0.6 * pd.factorize(wide.index.get_level_values("arm"))[0]
    bottom = np.zeros(len(wide))
    for i, name in enumerate(wide.columns):
        hatch = ("", "///", "...", "xx", "\\\\")[i // len(PALETTE) % 5]
        colour, edge = PALETTE[i % len(PALETTE)], {"edgecolor": "white", "lw": 0.3}
        ax.bar(x, 100 * wide[name], 0.9, bottom, color=colour, hatch=hatch, label=name, **edge)
        bottom += 100 * wide[name].to_numpy()
    ax.set(xticks=x, ylabel="% of cells", ylim=(0, 100))
    ax.set_xticklabels([f"{animal} ({arm})" for arm, animal in wide.index], rotation=90, fontsize=6)
    handles, names = ax.get_legend_handles_labels()
    fig.legend(handles[::-1], names[::-1], loc="outside right upper", fontsize=7)
    return fig
