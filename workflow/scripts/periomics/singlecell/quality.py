"""Which cells are good enough: counts, genes, mitochondrial share, and doublets per library."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from periomics.core.seeds import derive_seed
from periomics.study.settings.singlecell import Atlas

if TYPE_CHECKING:
    from anndata import AnnData

MIN_CELLS_FOR_DOUBLETS = 50
QC_COLUMNS = (
    "specimen_id",
    "animal_id",
    "cells",
    "kept",
    "median_counts",
    "median_genes",
    "median_mito_percent",
    "low_counts",
    "low_genes",
    "high_mito",
    "doublets",
    "note",
)


def add_metrics(cells: AnnData) -> None:
    """Add n_counts, n_genes and mito_percent (0 to 100) to obs; mitochondrial genes are those whose symbol begins with MT- or Mt-."""
    counts = cells.X
    mito = cells.var["symbol"].astype(str).str.upper().str.startswith("MT-").to_numpy()
    cells.obs["n_counts"] = np.asarray(counts.sum(axis=1)).ravel().astype(float)
    cells.obs["n_genes"] = np.asarray((counts > 0).sum(axis=1)).ravel().astype(int)
    part = (
        np.asarray(counts[:, np.flatnonzero(mito)].sum(axis=1)).ravel()
        if mito.any()
        else np.zeros(cells.n_obs)
    )
    cells.obs["mito_percent"] = 100 * part / np.maximum(cells.obs["n_counts"].to_numpy(), 1)


def flag_cells(cells: AnnData, settings: Atlas) -> None:
    """Add `drop`, the reason for which a cell is dropped, '' for good ones."""
    obs = cells.obs
    reason = np.full(cells.n_obs, "", dtype=object)
    reason[(obs["mito_percent"] > settings.max_mito_percent).to_numpy()] = "high_mito"
    reason[(obs["n_genes"] < settings.min_genes).to_numpy()] = "low_genes"
    reason[(obs["n_counts"] < settings.min_counts).to_numpy()] = "low_counts"
    obs["drop"] = reason


def find_doublets(cells: AnnData, settings: Atlas, seed: int) -> dict[str, str]:
    """Add doublet_score and mark predicted doublets among good cells as dropped; library by library.

    Parameters
    ----------
    cells
        With `drop` of `flag_cells`.
    settings
        doublet_rate is the share of a library's good cells that is taken: the cells with the highest Scrublet score
        (Wolock 2019, as cited by scanpy) above the median of the simulated doublets.
    seed
        The config's seed; each library has its own.

    Returns
    -------
    dict
        Library → note where no doublets could be looked for.
    """
    import scanpy as sc

    notes: dict[str, str] = {}
    cells.obs["doublet_score"] = np.nan
    drop, score = cells.obs["drop"].to_numpy(object).copy(), np.full(cells.n_obs, np.nan)
    for specimen in sorted(set(cells.obs["specimen_id"])):
        index = np.flatnonzero((cells.obs["specimen_id"] == specimen).to_numpy() & (drop == ""))
        if len(index) < MIN_CELLS_FOR_DOUBLETS:
            notes[specimen] = f"{len(index)} good cells are too few to look for doublets"
            continue
        part = cells[index].copy()
        part = part[:, np.flatnonzero(np.asarray((part.X > 0).sum(axis=0)).ravel() >= 3)].copy()
        components = max(2, min(20, part.n_obs // 3, part.n_vars // 5))
        try:
            with warnings.catch_warnings():
                # Its own threshold is not used, so that rates of it which cannot be computed do not matter.
                warnings.simplefilter("ignore", RuntimeWarning)
                sc.pp.scrublet(
                    part,
                    expected_doublet_rate=settings.doublet_rate,
                    n_prin_comps=components,
                    use_approx_neighbors=False,
                    threshold=0.5,
                    verbose=False,
                    random_state=derive_seed(seed, "build_atlas", specimen) % (2**32),
                )
        except (ValueError, np.linalg.LinAlgError) as error:
            notes[specimen] = f"doublets could not be looked for: {error}"
            continue
        found = part.obs["doublet_score"].to_numpy(float)
        score[index] = found
        simulated = np.asarray(part.uns["scrublet"]["doublet_scores_sim"], float)
        most = round(settings.doublet_rate * len(index))
        order = np.argsort(-found, kind="stable")[:most]
        chosen = order[found[order] >= np.median(simulated)]
        if settings.drop_doublets:
            drop[index[chosen]] = "doublet"
    cells.obs["drop"], cells.obs["doublet_score"] = drop, score
    return notes


def quality_table(cells: AnnData, notes: dict[str, str]) -> pd.DataFrame:
    """One row per library: cells, what was dropped and why."""
    rows = []
    for specimen, part in cells.obs.groupby("specimen_id", observed=True, sort=True):
        dropped = part["drop"].value_counts()
        rows.append(
            {
                "specimen_id": specimen,
                "animal_id": part["animal_id"].iloc[0],
                "cells": len(part),
                "kept": int((part["drop"] == "").sum()),
                "median_counts": part["n_counts"].median(),
                "median_genes": part["n_genes"].median(),
                "median_mito_percent": part["mito_percent"].median(),
                "note": notes.get(str(specimen), ""),
                **{
                    c: int(dropped.get(r, 0))
                    for c, r in (
                        ("low_counts", "low_counts"),
                        ("low_genes", "low_genes"),
                        ("high_mito", "high_mito"),
                        ("doublets", "doublet"),
                    )
                },
            }
        )
    return pd.DataFrame(rows, columns=list(QC_COLUMNS))


def quality_figure(cells: AnnData, settings: Atlas):
    """Counts, genes and mitochondrial share of every cell by library, with the thresholds."""
    from periomics.core.figures import PALETTE, new_figure

    fig, axes = new_figure(10, 3.5, ncols=3)
    libraries = sorted(set(cells.obs["specimen_id"]))
    place = (
        cells.obs["specimen_id"].astype(str).map({s: i for i, s in enumerate(libraries)}).to_numpy()
    )
    jitter = (np.arange(cells.n_obs) * 0.6180339887 % 1 - 0.5) * 0.7
    good = (cells.obs["drop"] == "").to_numpy()
    limits = (
        ("n_counts", settings.min_counts),
        ("n_genes", settings.min_genes),
        ("mito_percent", settings.max_mito_percent),
    )
    for ax, (column, limit) in zip(axes, limits, strict=True):
        values = cells.obs[column].to_numpy(float)
        ax.scatter(
            (place + jitter)[good],
            values[good],
            s=1,
            color=PALETTE[0],
            rasterized=True,
            label="kept",
        )
        ax.scatter(
            (place + jitter)[~good],
            values[~good],
            s=1,
            color=PALETTE[1],
            rasterized=True,
            label="dropped",
        )
        ax.axhline(limit, color="k", lw=0.6)
        ax.set(xlabel="library", ylabel=column, xticks=range(len(libraries)))
        ax.set_xticklabels(libraries, rotation=90, fontsize=5)
        if column != "mito_percent" and (values > 0).any():
            ax.set_yscale("log")
    axes[0].legend(fontsize=6)
    return fig
