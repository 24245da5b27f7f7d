"""Picture of the views: animals by arm on the first two components of the factor analysis, and what makes them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from periomics.core.figures import PALETTE, new_figure
from periomics.linkage.views_table import MFA

# Variables that are named.
MOST = 14


def view_figure(table: pd.DataFrame, animals: pd.DataFrame):
    """Animals and variables of the factor analysis; where there is none, why.

    Parameters
    ----------
    table
        Of `view_table`.
    animals
        The animals sheet by animal_id: group.
    """
    fig, (left, right) = new_figure(9.5, 4.2, ncols=2)
    found = table[table["view"] == MFA]
    units, variables = (_wide(found, part) for part in ("unit", "variable"))
    if units.empty:
        for ax in (left, right):
            ax.axis("off")
        reason = found.loc[found["part"] == "refused", "reason"]
        left.text(0, 0.5, f"No view: {'; '.join(reason)}", wrap=True)
        return fig
    second = units[2] if 2 in units else units[1] * 0
    arms = animals["group"].reindex(units.index).to_numpy(str)
    for i, arm in enumerate(np.unique(arms)):
        of = arms == arm
        color = PALETTE[i % len(PALETTE)]
        left.plot(units[1][of], second[of], "o", ms=4, color=color, label=arm)
    left.legend(fontsize=7, frameon=False)
    shares = found[found["part"] == "explained"].set_index("component")["value"]
    for axis, k in (("x", 1), ("y", 2)):
        if k in shares:
            label = f"component {k} ({100 * shares[k]:.0f} %)"
            left.set(**{f"{axis}label": label})
            right.set(**{f"{axis}label": f"correlation with component {k}"})
    left.set_title("Animals", fontsize=9)
    _variables(right, variables, found)
    return fig


def _variables(ax, variables: pd.DataFrame, found: pd.DataFrame) -> None:
    second = variables[2] if 2 in variables else variables[1] * 0
    block = found[found["part"] == "variable"].drop_duplicates("name").set_index("name")["block"]
    blocks = list(dict.fromkeys(block))
    for i, name in enumerate(blocks):
        of = (block.reindex(variables.index) == name).to_numpy()
        color = PALETTE[i % len(PALETTE)]
        ax.plot(variables[1][of], second[of], "o", ms=3, color=color, label=name)
    length = (variables[1] ** 2 + second**2).sort_values(ascending=False, kind="stable")
    for name in length.index[:MOST]:
        ax.annotate(name.split(":")[-1], (variables.at[name, 1], second[name]), fontsize=6)
    ax.axhline(0, lw=0.5, color="0.7")
    ax.axvline(0, lw=0.5, color="0.7")
    ax.set(xlim=(-1.05, 1.05), ylim=(-1.05, 1.05))
    ax.legend(fontsize=6, frameon=False)
    ax.set_title("Outcomes and scores", fontsize=9)


def _wide(found: pd.DataFrame, part: str) -> pd.DataFrame:
    rows = found[found["part"] == part]
    return rows.pivot(index="name", columns="component", values="value")
