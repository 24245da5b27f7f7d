"""All differential tests of an analysis of bulk libraries, with what each may be called."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from periomics.bulk.designs import Designed
from periomics.genes.design import one_species
from periomics.genes.model import (
    SUMMARY_COLUMNS,
    empty_table,
    fit_design,
    summary,
    without_inference,
)
from periomics.study.settings.bulk import BulkTests

TEST_COLUMNS = (
    "test",
    "analysis",
    "contrast",
    "species",
    "weights",
    "n_units",
    "n_per_arm",
    "blocks",
    "residual_df",
    *SUMMARY_COLUMNS,
)


def run_analysis(
    of: Designed, settings: BulkTests
) -> tuple[dict[str, pd.DataFrame], pd.DataFrame, pd.DataFrame]:
    """Tables of all contrasts of an analysis, from one fit.

    Returns
    -------
    tables
        `<analysis>.<contrast>` → differential test; without rows where it was refused.
    overview
        TEST_COLUMNS, one row per contrast: what was tested, how many units, and why not where not.
    spread
        DISPERSION_COLUMNS, a row per gene.
    """
    analysis, units = of.analysis, of.units
    wanted = {c: w for c, w in of.weights.items() if of.status[c][0] != "refused"}
    fitted, spread = fit_design(
        of.counts, of.model, wanted, of.symbols, settings, lengths=of.lengths
    )
    tables, rows = {}, []
    for contrast, w in of.weights.items():
        kind, reason = of.status[contrast]
        table = fitted.get(contrast, empty_table())
        table = without_inference(table, reason) if kind == "descriptive" else table
        tables[f"{analysis.name}.{contrast}"] = table
        sizes = units.groupby("arm")["animal_id"].nunique()
        rows.append(
            {
                "test": f"{analysis.name}.{contrast}",
                "analysis": analysis.name,
                "contrast": contrast,
                "species": one_species(of.libraries, analysis.name),
                "weights": "; ".join(f"{a} {v:+g}" for a, v in w.items()),
                "n_units": units["animal_id"].nunique(),
                "n_per_arm": "; ".join(f"{a} {int(sizes.get(a, 0))}" for a in w),
                "blocks": "; ".join(analysis.blocks),
                "residual_df": of.model.freedom,
                **summary(table, kind, reason, settings),
            }
        )
    spread.insert(0, "analysis", analysis.name)
    return tables, pd.DataFrame(rows, columns=list(TEST_COLUMNS)), spread


def tests_figure(tables: Mapping[str, pd.DataFrame], overview: pd.DataFrame, alpha: float):
    """Change against mean count for every test; significant genes in colour, the strongest named."""
    from periomics.core.figures import PALETTE, new_figure

    n = max(1, len(tables))
    columns = min(4, n)
    fig, axes = new_figure(
        3.4 * columns, 3 * -(-n // columns), nrows=-(-n // columns), ncols=columns, squeeze=False
    )
    for ax in axes.ravel()[len(tables) :]:
        ax.axis("off")
    status = overview.set_index("test")
    for ax, (name, table) in zip(axes.ravel(), tables.items(), strict=False):
        ax.set_title(f"{name}: {status.at[name, 'status']}", fontsize=8)
        if table.empty:
            ax.text(
                0.5,
                0.5,
                status.at[name, "reason"],
                ha="center",
                va="center",
                wrap=True,
                fontsize=7,
                transform=ax.transAxes,
            )
            ax.axis("off")
            continue
        hit = table["padj"] < alpha
        ax.scatter(
            table["baseMean"][~hit], table["log2FC"][~hit], s=2, color="0.75", rasterized=True
        )
        ax.scatter(
            table["baseMean"][hit], table["log2FC"][hit], s=4, color=PALETTE[1], rasterized=True
        )
        for row in table.assign(size=table["stat"].abs()).nlargest(6, "size").itertuples():
            ax.annotate(row.symbol or row.gene_id, (row.baseMean, row.log2FC), fontsize=5)
        ax.axhline(0, color="k", lw=0.5)
        ax.set(xscale="log", xlabel="mean count", ylabel="log2 change")
    return fig
