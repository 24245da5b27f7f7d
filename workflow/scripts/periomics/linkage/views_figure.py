"""Picture of the views: animals by arm on the first two components of the factor analysis, and what makes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from periomics.core.figures import PALETTE, new_figure
from periomics.linkage.views_table import MFA
from periomics.study.dictionary import entry

# Variables that are named, and how far apart their names stand, as a share of the height.
MOST, APART = 14, 0.066
MARKS = ("o", "s", "^", "D", "v", "P", "X")


def view_figure(
    table: pd.DataFrame,
    animals: pd.DataFrame,
    order: Sequence[str] = (),
    dictionary: pd.DataFrame | None = None,
) -> Any:
    """Animals and variables of the factor analysis; where there is none, why.

    Parameters
    ----------
    table
        Of `view_table`.
    animals
        The animals sheet by animal_id: group.
    order
        Arms in reading order, which gives their colours; by name where nothing is given.
    dictionary
        The outcome dictionary, for symbols.
    """
    fig, (left, right) = new_figure(10.4, 4.6, ncols=2, width_ratios=(1, 1.45))
    found = table[table["view"] == MFA]
    units, variables = (_wide(found, part) for part in ("unit", "variable"))
    if units.empty:
        for ax in (left, right):
            ax.axis("off")
        reason = found.loc[found["part"] == "refused", "reason"]
        left.text(0, 0.5, f"No view: {'; '.join(reason)}", wrap=True)
        return fig
    _units(left, units, animals["group"].reindex(units.index).to_numpy(str), order)
    shares = found[found["part"] == "explained"].set_index("component")["value"]
    for axis, k in (("x", 1), ("y", 2)):
        if k in shares:
            label = f"component {k} ({100 * shares[k]:.0f} %)"
            left.set(**{f"{axis}label": label})
            right.set(**{f"{axis}label": f"correlation with component {k}"})
    _variables(right, variables, found, dictionary)
    return fig


def _units(ax: Any, units: pd.DataFrame, arms: np.ndarray, order: Sequence[str]) -> None:
    second = units[2] if 2 in units else units[1] * 0
    known = list(dict.fromkeys([*order, *np.unique(arms)]))
    for arm in (a for a in known if (arms == a).any()):
        of = arms == arm
        place = known.index(arm)
        color, mark = PALETTE[place % len(PALETTE)], MARKS[place % len(MARKS)]
        ax.plot(units[1][of], second[of], mark, ms=5.5, mec="w", mew=0.5, color=color, label=arm)
    for line in (ax.axhline, ax.axvline):
        line(0, lw=0.5, color="0.7", zorder=0)
    _legend(ax)
    ax.set_title("Animals", fontsize=10, pad=24)


def _variables(
    ax: Any, variables: pd.DataFrame, found: pd.DataFrame, dictionary: pd.DataFrame | None
) -> None:
    second = variables[2] if 2 in variables else variables[1] * 0
    block = found[found["part"] == "variable"].drop_duplicates("name").set_index("name")["block"]
    for i, name in enumerate(dict.fromkeys(block)):
        of = (block.reindex(variables.index) == name).to_numpy()
        # Areas have greys and marks: colours are those of arms.
        color, mark = ("0.15", "0.45", "0.65")[i % 3], MARKS[i % len(MARKS)]
        ax.plot(variables[1][of], second[of], mark, ms=4.5, color=color, label=name)
    length = (variables[1] ** 2 + second**2).sort_values(ascending=False, kind="stable")
    for line in (ax.axhline, ax.axvline):
        line(0, lw=0.5, color="0.7", zorder=0)
    ax.set(xlim=(-2.3, 2.3), ylim=(-1.1, 1.1), xticks=(-1, -0.5, 0, 0.5, 1))
    ax.spines["bottom"].set_bounds(-1, 1)
    named = list(length.index[:MOST])
    for side in (-1, 1):
        of = [n for n in named if (variables.at[n, 1] < 0) == (side < 0)]
        _names(ax, side, {n: (variables.at[n, 1], second[n]) for n in of}, dictionary)
    _legend(ax)
    ax.set_title("Outcomes and scores", fontsize=10, pad=24)


def _names(
    ax: Any,
    side: int,
    places: dict[Any, tuple[float, float]],
    dictionary: pd.DataFrame | None,
) -> None:
    """Names in a column beside the points, in the order of their height, a line from each to its point."""
    order = sorted(places, key=lambda n: places[n][1])
    heights = spread([places[n][1] for n in order], APART * 2.2, -1.05, 1.05)
    for name, height in zip(order, heights, strict=True):
        ax.annotate(
            _name(str(name), dictionary),
            places[name],
            xytext=(1.12 * side, height),
            ha="left" if side > 0 else "right",
            va="center",
            fontsize=8.5,
            arrowprops={"arrowstyle": "-", "color": "0.7", "lw": 0.5, "shrinkA": 1, "shrinkB": 3},
        )


def spread(heights: Sequence[float], apart: float, low: float, high: float) -> list[float]:
    """Rising heights moved no farther than needed to stand `apart`, within `low` and `high` where they fit.

    Neighbours that would touch form a group about the mean of where they want to be; groups that touch are joined.
    """
    groups: list[tuple[float, int]] = []
    for want in heights:
        groups.append((float(want), 1))
        while True:
            centre, n = groups[-1]
            half = (n - 1) * apart / 2
            centre = min(max(centre, low + half), max(high - half, low + half))
            groups[-1] = (centre, n)
            if len(groups) < 2:
                break
            before, m = groups[-2]
            if centre - half - (before + (m - 1) * apart / 2) >= apart - 1e-9:
                break
            groups[-2:] = [((before * m + centre * n) / (m + n), m + n)]
    return [c + (i - (n - 1) / 2) * apart for c, n in groups for i in range(n)]


def _name(outcome: str, dictionary: pd.DataFrame | None) -> str:
    if dictionary is None or outcome.startswith("score:"):
        return outcome.split(":")[-1]
    return str(entry(dictionary, outcome)["symbol"]) or outcome


def _legend(ax: Any) -> None:
    """One row above the axes, where no point lies."""
    ax.legend(
        fontsize=8.5,
        frameon=False,
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        ncols=5,
        handletextpad=0.2,
        columnspacing=1.0,
    )


def _wide(found: pd.DataFrame, part: str) -> pd.DataFrame:
    rows = found[found["part"] == part]
    return rows.pivot(index="name", columns="component", values="value")
