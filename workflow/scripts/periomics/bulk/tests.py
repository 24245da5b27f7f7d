"""All differential tests of an analysis of bulk libraries, with what each may be called."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from periomics.genes.design import (
    collapse,
    contrast_weights,
    model_matrix,
    one_species,
    select,
    standing,
    with_design,
)
from periomics.genes.model import empty_table, fit_contrasts, significant, without_inference
from periomics.study.settings.bulk import Analysis, BulkTests

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
    "status",
    "reason",
    "n_genes",
    "n_significant",
    "n_significant_normal",
)


def run_analysis(
    analysis: Analysis,
    counts: pd.DataFrame,
    symbols: pd.Series,
    samples: pd.DataFrame,
    claims: Mapping[str, object],
    roles: Mapping[str, object] | None,
    settings: BulkTests,
) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """Tables of all contrasts of an analysis, from one fit.

    Parameters
    ----------
    analysis
        What to compare.
    counts
        Genes × specimen_id.
    symbols
        Symbol of each gene id.
    samples
        Of `sample_table`, libraries that passed quality control.
    claims, roles
        claims.yaml and the config's roles.
    settings
        BulkTests.

    Returns
    -------
    tables
        `<analysis>.<contrast>` → differential test; without rows where it was refused.
    overview
        TEST_COLUMNS, one row per contrast: what was tested, how many units, and why not where not.
    """
    chosen = with_design(
        select(samples, analysis.select, analysis.name),
        analysis.arm,
        analysis.blocks,
        analysis.name,
    )
    summed, units = collapse(counts, chosen)
    model = model_matrix(units)
    weights = {c: contrast_weights(claims, roles, c) for c in analysis.contrasts}
    status = {c: standing(units, model, w, settings.min_per_arm) for c, w in weights.items()}
    wanted = {c: w for c, w in weights.items() if status[c][0] != "refused"}
    fitted = fit_contrasts(summed, model, wanted, symbols, settings) if wanted else {}
    tables, rows = {}, []
    for contrast, w in weights.items():
        kind, reason = status[contrast]
        table = fitted.get(contrast, empty_table())
        table = without_inference(table, reason) if kind == "descriptive" else table
        tables[f"{analysis.name}.{contrast}"] = table
        sizes = units.groupby("arm")["animal_id"].nunique()
        rows.append(
            {
                "test": f"{analysis.name}.{contrast}",
                "analysis": analysis.name,
                "contrast": contrast,
                "species": one_species(chosen, analysis.name),
                "weights": "; ".join(f"{a} {v:+g}" for a, v in w.items()),
                "n_units": units["animal_id"].nunique(),
                "n_per_arm": "; ".join(f"{a} {int(sizes.get(a, 0))}" for a in w),
                "blocks": "; ".join(analysis.blocks),
                "residual_df": model.freedom,
                "status": kind,
                "reason": reason or table.attrs.get("reason", ""),
                "n_genes": len(table),
                "n_significant": significant(table, "padj", kind, settings.alpha),
                "n_significant_normal": significant(table, "padj_normal", kind, settings.alpha),
            }
        )
    return tables, pd.DataFrame(rows, columns=list(TEST_COLUMNS))


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
