"""Scatter plots of the declared pairs without what the design fixes, every unit a dot."""

from __future__ import annotations

import numpy as np
import pandas as pd

from periomics.core.figures import PALETTE, new_figure
from periomics.linkage.pairs import design_of, on_scale, paired, units_of
from periomics.statistics.kernels.exchange import WITHIN_UNITS


def association_figure(
    measured: pd.DataFrame, animals: pd.DataFrame, table: pd.DataFrame, dictionary: pd.DataFrame
):
    """One panel per tested pair: what the design leaves of score and outcome, coloured by arm (or isolation)."""
    shown = table[table["n"] > 3]
    columns = min(4, max(1, len(shown)))
    rows = -(-max(1, len(shown)) // columns)
    fig, axes = new_figure(2.7 * columns, 2.5 * rows, nrows=rows, ncols=columns, squeeze=False)
    values, _ = on_scale(measured, dictionary)
    for ax in axes.ravel()[len(shown) :]:
        ax.axis("off")
    if shown.empty:
        axes[0, 0].text(
            0.5, 0.5, "no declared pair has units that share both", ha="center", wrap=True
        )
    for ax, row in zip(axes.ravel(), shown.itertuples(), strict=False):
        within_unit = str(row.adjusted_for).startswith(WITHIN_UNITS)
        both, _ = paired(values, row.score_id, row.outcome)
        both = units_of(both, animals, within_unit)
        fixed = design_of(both, animals, within_unit).fixed
        x, y = (fixed @ both[c].to_numpy(float) for c in ("score", "outcome"))
        names = both["animal_id"]
        label_of = (names if within_unit else names.map(animals["group"])).to_numpy(str)
        for i, label in enumerate(np.unique(label_of)):
            ax.plot(
                x[label_of == label],
                y[label_of == label],
                "o",
                ms=3.5,
                color=PALETTE[i % len(PALETTE)],
                label=label,
            )
        p = f"p_adj {row.p_adj:.2g}" if row.p_adj == row.p_adj else row.family
        ax.set_title(f"r {row.r:.2f} [{row.lower:.2f}, {row.upper:.2f}]  {p}", fontsize=6)
        ax.set_xlabel(row.score_id.split(":")[-1] + " (beyond the design)", fontsize=6)
        ax.set_ylabel(row.outcome + " (beyond the design)", fontsize=6)
        ax.tick_params(labelsize=5)
    return fig
