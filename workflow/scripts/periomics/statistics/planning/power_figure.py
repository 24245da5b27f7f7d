"""Power over animals per arm, one panel per claim."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from periomics.core.figures import PALETTE, new_figure
from periomics.study.interface.power import COMBINED

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def power_figure(curves: pd.DataFrame, wanted: float) -> Figure:
    """Adjusted power (solid) and power of the claim by itself (dotted) over animals in every arm.

    Parameters
    ----------
    curves
        `power_tables.CURVE_COLUMNS`, at least one row.
    wanted
        The wanted power, drawn as a line.
    """
    claims = list(dict.fromkeys(curves["claim_id"]))
    columns = min(3, len(claims))
    lines = -(-len(claims) // columns)
    fig, axes = new_figure(
        2.9 * columns,
        2.3 * lines,
        nrows=lines,
        ncols=columns,
        sharex=True,
        sharey=True,
        squeeze=False,
    )
    outcomes = [o for o in dict.fromkeys(curves["outcome"]) if o != COMBINED]
    colours = {o: PALETTE[i % len(PALETTE)] for i, o in enumerate(outcomes)}
    if COMBINED in set(curves["outcome"]):
        colours[COMBINED] = "#8a949e"
    for ax, claim in zip(axes.flat, claims, strict=False):
        ax.axhline(wanted, color="#c0c6cc", linewidth=0.8)
        for outcome, part in curves[curves["claim_id"] == claim].groupby("outcome", sort=False):
            ax.plot(part["n"], part["power_adjusted"], color=colours[outcome], linewidth=1.2)
            ax.plot(part["n"], part["power"], color=colours[outcome], linewidth=0.7, linestyle=":")
        ax.set_title(claim, loc="left", fontsize=9)
        ax.set_ylim(0, 1.02)
    for ax in axes.flat[len(claims) :]:
        ax.axis("off")
    for ax in axes[-1]:
        ax.set_xlabel("animals (or units) an arm")
    axes[0, 0].set_ylabel("power")
    handles = [axes[0, 0].plot(np.nan, np.nan, color=c, label=o)[0] for o, c in colours.items()]
    fig.legend(
        handles=handles,
        loc="outside lower center",
        ncols=min(len(handles), 5),
        frameon=False,
        fontsize=7,
    )
    return fig
