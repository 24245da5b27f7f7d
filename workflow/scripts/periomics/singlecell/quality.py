"""Which cells are good enough: counts, genes, mitochondrial share, and doublets per library."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from periomics.core.errors import InputError
from periomics.genes.mitochondrial import mitochondrial
from periomics.singlecell.ambient import ambient_shares, empty_profiles
from periomics.singlecell.doublets import find_doublets
from periomics.study.settings.singlecell import Atlas

if TYPE_CHECKING:
    from anndata import AnnData

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
    "mixed_species",
    "counts_limit",
    "genes_limit",
    "mito_limit",
    "ambient_percent",
    "ambient_from",
    "note",
)
LEAST_MITO = 5.0
"""%; a library's own limit of mitochondrial counts is not below it."""
LIMITS = ("counts_limit", "genes_limit", "mito_limit")


def judge_cells(cells: AnnData, settings: Atlas, seed: int) -> pd.DataFrame:
    """Add to obs what cells are judged by and `drop`, why they are dropped; the quality table of
    all libraries.

    Parameters
    ----------
    cells
        Of `read_cells`; what reading had to say goes from uns to the table.
    settings
        Thresholds.
    seed
        The config's seed.
    """
    read, mixed = cells.uns.pop("notes", {}), cells.uns.pop("mixed_species", {})
    add_metrics(cells)
    limits = flag_cells(cells, settings)
    unfiltered, doublets = without_filter(cells), find_doublets(cells, settings, seed)
    said = [(s, n) for notes in (read, unfiltered, doublets) for s, n in notes.items()]
    table = quality_table(
        cells, {s: "; ".join(n for t, n in said if t == s) for s, _ in said}, limits
    )
    return table.assign(mixed_species=table["specimen_id"].map(mixed).astype("Int64"))


def add_metrics(cells: AnnData) -> None:
    """Add n_counts, n_genes and mito_percent (0 to 100; missing where no gene is known as
    mitochondrial) to obs."""
    counts = cells.X
    mito = mitochondrial(list(cells.var_names), list(cells.var["symbol"].astype(str)))
    cells.obs["n_counts"] = np.asarray(counts.sum(axis=1)).ravel().astype(float)
    cells.obs["n_genes"] = np.asarray((counts > 0).sum(axis=1)).ravel().astype(int)
    part = (
        np.asarray(counts[:, np.flatnonzero(mito)].sum(axis=1)).ravel()
        if mito.any()
        else np.full(cells.n_obs, np.nan)
    )
    cells.obs["mito_percent"] = 100 * part / np.maximum(cells.obs["n_counts"].to_numpy(), 1)


def without_filter(cells: AnnData) -> dict[str, str]:
    """Library → note, where the share of mitochondrial counts cannot filter cells."""
    if not cells.n_obs or cells.obs["mito_percent"].notna().any():
        return {}
    note = "no gene is known as mitochondrial (symbols MT-, or Ensembl ids): that filter is off"
    return dict.fromkeys(sorted(set(cells.obs["specimen_id"].astype(str))), note)


def flag_cells(cells: AnnData, settings: Atlas) -> pd.DataFrame:
    """Add `drop`, the reason for which a cell is dropped, '' for good ones; return the limits of
    every library.

    Parameters
    ----------
    cells
        With the numbers of `add_metrics`.
    settings
        Fixed limits, and MADs (median absolute deviations, times 1.4826) from the median of the
        library's cells that pass the fixed ones; log counts and log genes below, mitochondrial
        share above.

    Returns
    -------
    DataFrame
        Library × counts_limit, genes_limit, mito_limit: the stricter of both.
    """
    obs = cells.obs
    libraries = obs["specimen_id"].astype(str).to_numpy()
    counts, genes, mito = (obs[c].to_numpy(float) for c in ("n_counts", "n_genes", "mito_percent"))
    reason = np.full(cells.n_obs, "", dtype=object)
    rows = {}
    for library in sorted(set(libraries)):
        own = libraries == library
        usual = own & (counts >= settings.min_counts) & (genes >= settings.min_genes)
        usual &= ~(mito > settings.max_mito_percent)
        low = [
            max(least, np.exp(_away(np.log(values[usual]), -settings.mads)))
            for least, values in ((settings.min_counts, counts), (settings.min_genes, genes))
        ]
        high = max(LEAST_MITO, _away(mito[usual], settings.mito_mads))
        high = min(settings.max_mito_percent, high)
        reason[own & (mito > high)] = "high_mito"
        reason[own & (genes < low[1])] = "low_genes"
        reason[own & (counts < low[0])] = "low_counts"
        rows[library] = {"counts_limit": low[0], "genes_limit": low[1], "mito_limit": high}
    obs["drop"] = reason
    limits = pd.DataFrame.from_dict(rows, orient="index", columns=list(LIMITS))
    if np.isnan(mito).all():
        limits["mito_limit"] = np.nan
    return limits


def _away(values: np.ndarray, mads: float) -> float:
    """The value that many MADs from the median; infinitely far without values, or where most are
    one value."""
    values = values[np.isfinite(values)]
    if not len(values):
        return float(np.copysign(np.inf, mads))
    middle = np.median(values)
    spread = 1.4826 * np.median(np.abs(values - middle))
    return float(middle + mads * spread) if spread > 0 else float(np.copysign(np.inf, mads))


def quality_table(
    cells: AnnData, notes: dict[str, str], limits: pd.DataFrame | None = None
) -> pd.DataFrame:
    """One row per library: cells, what was dropped and why, and the limits of `flag_cells`."""
    rows = []
    limits = pd.DataFrame(columns=list(LIMITS)) if limits is None else limits
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
                "median_mito_percent": _median(part["mito_percent"]),
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
    table = pd.DataFrame(rows).join(limits, on="specimen_id")
    return table.reindex(columns=list(QC_COLUMNS))


def _median(values: pd.Series) -> float:
    """Median of what is known; missing where nothing is."""
    known = values.dropna()
    return float(known.median()) if len(known) else np.nan


def fluids(cells: AnnData) -> dict[str, np.ndarray]:
    """Counts of the empty droplets of each library that has them (`ambient.empty_profiles`)."""
    return empty_profiles(cells.X, cells.obs["specimen_id"].astype(str).to_numpy())


def add_ambient(
    quality: pd.DataFrame, cells: AnnData, markers: pd.DataFrame, empty: dict[str, np.ndarray]
) -> pd.DataFrame:
    """The quality table with the share of ambient counts in each library, or why there is none.

    Parameters
    ----------
    quality
        Of `judge_cells`.
    cells
        Labelled cells with layers["counts"].
    markers
        Of `read_markers`.
    empty
        Of `fluids`.
    """
    obs = cells.obs
    libraries, labels = (obs[c].astype(str).to_numpy() for c in ("specimen_id", "label"))
    symbols = list(cells.var["symbol"].astype(str))
    found = ambient_shares(cells.layers["counts"], symbols, libraries, labels, markers, empty)
    found = found.reindex(quality["specimen_id"]).reset_index(drop=True)
    notes = quality["note"].str.cat(found["ambient_note"].fillna(""), sep="; ").str.strip("; ")
    shares = found[["ambient_percent", "ambient_from"]]
    return quality.drop(columns=list(shares)).join(shares).assign(note=notes)[list(QC_COLUMNS)]


def good_cells(cells: AnnData) -> AnnData:
    """A copy of the cells that are not dropped.

    Raises
    ------
    InputError
        Where there is none.
    """
    kept = cells[(cells.obs["drop"] == "").to_numpy()].copy()
    if not kept.n_obs:
        message = (
            "no cell passes quality control: see qc.tsv and the thresholds in singlecell/atlas"
        )
        raise InputError(message, file="libraries")
    return kept
