"""Scatter plots of the declared pairs, centred within arms, every unit a dot."""

from __future__ import annotations

import numpy as np
import pandas as pd

from periomics.core.figures import PALETTE, new_figure
from periomics.linkage.association import centre
from periomics.linkage.pairs import wide


def association_figure(
    animals: pd.DataFrame, group: pd.Series, table: pd.DataFrame, dictionary: pd.DataFrame
):
    """One panel per tested pair: score and outcome minus their arm's mean, coloured by arm (or isolation)."""
    shown = table[table["n"] > 3]
    columns = min(4, max(1, len(shown)))
    rows = -(-max(1, len(shown)) // columns)
    fig, axes = new_figure(2.7 * columns, 2.5 * rows, nrows=rows, ncols=columns, squeeze=False)
    data, _ = wide(animals, dictionary)
    for ax in axes.ravel()[len(shown) :]:
        ax.axis("off")
    if shown.empty:
        axes[0, 0].text(
            0.5, 0.5, "no declared pair has units that share both", ha="center", wrap=True
        )
    for ax, row in zip(axes.ravel(), shown.itertuples(), strict=False):
        part = data.dropna(subset=[row.score_id, row.outcome])
        own = part["animal_id"].map(group).fillna("") == ""
        part = part[own == (row.adjusted_for == "isolation")]
        strata = (
            part["animal_id"] if row.adjusted_for == "isolation" else part["animal_id"].map(group)
        ).to_numpy(str)
        x, y = (
            centre(part[row.score_id].to_numpy(float), strata),
            centre(part[row.outcome].to_numpy(float), strata),
        )
        for i, label in enumerate(np.unique(strata)):
            ax.plot(
                x[strata == label],
                y[strata == label],
                "o",
                ms=3.5,
                color=PALETTE[i % len(PALETTE)],
                label=label,
            )
        p = f"p_adj {row.p_adj:.2g}" if row.p_adj == row.p_adj else row.family
        ax.set_title(f"r {row.r:.2f} [{row.lower:.2f}, {row.upper:.2f}]  {p}", fontsize=6)
        ax.set_xlabel(row.score_id.split(":")[-1] + " (centred)", fontsize=6)
        ax.set_ylabel(row.outcome + " (centred)", fontsize=6)
        ax.tick_params(labelsize=5)
    return fig
