"""Differential tests per cell type on pseudobulk, through the model of bulk libraries."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from periomics.genes.design import collapse, missing_arms, model_matrix, standing, with_design
from periomics.genes.model import (
    SUMMARY_COLUMNS,
    empty_table,
    fit_contrasts,
    summary,
    without_inference,
)
from periomics.singlecell.naive import naive_genes
from periomics.study.settings.singlecell import PseudobulkTests

TEST_COLUMNS = (
    "test",
    "contrast",
    "cell_type",
    "n_units",
    "n_per_arm",
    "n_cells",
    "residual_df",
    *SUMMARY_COLUMNS,
    "n_naive",
)


def compare_type(
    counts: pd.DataFrame,
    groups: pd.DataFrame,
    samples: pd.DataFrame,
    symbols: Mapping[str, str],
    contrasts: Mapping[str, Mapping[str, float]],
    settings: PseudobulkTests,
    *,
    moments: pd.DataFrame | None = None,
) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """All contrasts of one cell type.

    Parameters
    ----------
    counts
        Genes × pseudobulk column.
    groups
        Rows of `pseudobulk` for this type.
    samples
        Of `sample_table`.
    symbols
        Gene id → symbol.
    contrasts
        Name → weights of arms.
    settings
        PseudobulkTests.
    moments
        Of `log_moments`, by gene_id, for the warning `n_naive`.

    Returns
    -------
    tables
        Contrast → differential test, without rows where it was refused.
    overview
        TEST_COLUMNS.
    """
    cell_type = str(groups["cell_type"].iloc[0])
    enough = groups[groups["n_cells"] >= settings.min_cells].set_index("specimen_id")
    chosen = with_design(
        samples[samples["specimen_id"].isin(enough.index)], settings.arm, settings.blocks, cell_type
    )
    status: dict[str, tuple[str, str]] = dict.fromkeys(
        contrasts, ("refused", f"no library has {settings.min_cells} cells of this type")
    )
    fitted: dict[str, pd.DataFrame] = {}
    freedom, units = 0, chosen
    if len(chosen):
        renamed = counts[list(enough.loc[chosen["specimen_id"], "column"])]
        summed, units = collapse(renamed.set_axis(list(chosen["specimen_id"]), axis=1), chosen)
        model = model_matrix(units)
        freedom = model.freedom
        status = {c: _standing(units, model, w, settings, cell_type) for c, w in contrasts.items()}
        wanted = {c: w for c, w in contrasts.items() if status[c][0] != "refused"}
        fitted = fit_contrasts(summed, model, wanted, symbols, settings) if wanted else {}
    tables, rows = {}, []
    for contrast, weights in contrasts.items():
        kind, reason = status[contrast]
        table = fitted.get(contrast, empty_table())
        tables[contrast] = without_inference(table, reason) if kind == "descriptive" else table
        sizes = units.groupby("arm")["animal_id"].nunique() if len(units) else pd.Series(dtype=int)
        rows.append(
            {
                "test": f"{contrast}@{cell_type}",
                "contrast": contrast,
                "cell_type": cell_type,
                "n_units": units["animal_id"].nunique() if len(units) else 0,
                "n_per_arm": "; ".join(f"{a} {int(sizes.get(a, 0))}" for a in weights),
                "n_cells": int(groups["n_cells"].sum()),
                "residual_df": freedom,
                **summary(table, kind, reason, settings),
                "n_naive": _naive(moments, groups, units, chosen, weights, settings),
            }
        )
    return tables, pd.DataFrame(rows, columns=list(TEST_COLUMNS))


def _naive(moments, groups, units, chosen, weights, settings) -> int | str:
    """Genes that a test with cells as units would call; '' where it was not asked for or an arm has no library."""
    if moments is None or not len(chosen):
        return ""
    kept = set(units["animal_id"])
    arms = chosen[chosen["animal_id"].isin(kept)].set_index("specimen_id")["arm"]
    return naive_genes(moments, groups, arms, weights, settings.alpha)


def _standing(
    units: pd.DataFrame,
    model,
    weights: Mapping[str, float],
    settings: PseudobulkTests,
    cell_type: str,
) -> tuple[str, str]:
    kind, reason = standing(units, model, weights, settings.min_per_arm)
    if missing_arms(model, weights):
        return kind, f"{reason} has {settings.min_cells} cells of type {cell_type}"
    return kind, reason
