"""Axes × steps of their evidence, a picture to start from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from periomics.core.figures import PALETTE, new_figure
from periomics.linkage.evidence import NO, UNKNOWN, YES
from periomics.study.interface.linkage import RUNGS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Filled, open, and dot: told apart without colour.
MARKS = {YES: ("s", PALETTE[0], PALETTE[0]), NO: ("s", "none", PALETTE[1])}
MARKS[UNKNOWN] = (".", "0.75", "0.75")
MOST = 30


def axis_figure(evidence: pd.DataFrame, axes: pd.DataFrame) -> Figure:
    """One panel per question: axes in the order of their rungs, a mark per step.

    Parameters
    ----------
    evidence
        linkage/evidence.tsv.
    axes
        linkage/axes.tsv; axes of which no step holds are left out, and of more than MOST the first are shown.
    """
    names = list(dict.fromkeys(axes["question"]))
    shown = {q: axes[(axes["question"] == q) & (axes["held"] != "")].head(MOST) for q in names}
    most = max((len(s) for s in shown.values()), default=0)
    fig, panels = new_figure(
        3.2 * max(len(names), 1), 1.3 + 0.17 * most, ncols=max(len(names), 1), squeeze=False
    )
    for ax, name in zip(panels.ravel(), names, strict=False):
        _panel(ax, name, shown[name], evidence[evidence["question"] == name])
    for kind, (mark, face, edge) in MARKS.items():
        label = {YES: "holds", NO: "not shown", UNKNOWN: "not measured"}[kind]
        panels[0, 0].plot([], [], mark, mfc=face, mec=edge, ls="none", ms=5, label=label)
    fig.legend(loc="outside lower center", ncols=3, fontsize=7, frameon=False)
    return fig


def _panel(ax: object, name: str, shown: pd.DataFrame, evidence: pd.DataFrame) -> None:
    for y, axis in enumerate(shown["axis"]):
        own = evidence[evidence["axis"] == axis]
        for x, rung in enumerate(RUNGS):
            said = set(own.loc[own["rung"] == rung, "holds"])
            mark, face, edge = MARKS[next((k for k in (YES, NO) if k in said), UNKNOWN)]
            ax.plot(x, y, mark, mfc=face, mec=edge, ms=5)  # type: ignore[attr-defined]
    labels = [
        f"{a.removeprefix('LR_')} ({r})" if r else a.removeprefix("LR_")
        for a, r in zip(shown["axis"], shown["response"], strict=True)
    ]
    ax.set(  # type: ignore[attr-defined]
        xticks=range(len(RUNGS)),
        xticklabels=list(RUNGS),
        xlim=(-0.5, len(RUNGS) - 0.5),
        yticks=range(len(labels)),
        yticklabels=labels,
        ylim=(max(len(labels), 1) - 0.5, -0.5),
        title=name,
    )
    ax.tick_params(labelsize=6, length=0)  # type: ignore[attr-defined]
