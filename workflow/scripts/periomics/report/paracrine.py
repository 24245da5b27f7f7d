"""Paracrine axes on the page: a sentence each, the numbers behind it, timing and mediation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from periomics.report.claims import anchor
from periomics.report.grids import Grid, grid
from periomics.report.pictures import svg_address
from periomics.report.sources import Sources
from periomics.report.words import symbol
from periomics.study.interface.linkage import (
    AXIS_COLUMNS,
    EVIDENCE_COLUMNS,
    MEDIATION_COLUMNS,
    RUNGS,
    TIMING_COLUMNS,
)

EVIDENCE_FILE, AXES_FILE = "linkage/evidence.tsv", "linkage/axes.tsv"
# Axes that open the page: those of which more than expression is known.
MOST = 12
_BEYOND_EXPRESSION = tuple(RUNGS)[2:]


@dataclass(frozen=True)
class Axes:
    """Paracrine axes: picture, those with most evidence, and everything behind them."""

    picture: str
    first: Grid
    more: Sequence[Grid]


def paracrine(sources: Sources) -> Axes:
    """Axes in the order of their evidence; the sentence of each leads to its numbers."""
    axes = sources.table("axes", AXIS_COLUMNS)
    evidence = sources.table("evidence", EVIDENCE_COLUMNS)
    beyond = np.array(
        [any(r in str(h).split() for r in _BEYOND_EXPRESSION) for h in axes["held"]], bool
    )
    first, rest = axes[beyond].head(MOST), axes.drop(axes[beyond].head(MOST).index)
    known = first[["axis", "question"]].drop_duplicates()
    behind = evidence.reset_index().merge(known, on=["axis", "question"]).set_index("index")
    more = (
        _sentences(rest, "All other axes", {}),
        _steps(behind),
        _timing(sources),
        _mediation(sources),
    )
    return Axes(
        svg_address(sources.path("axes_figure")),
        _sentences(first, "Paracrine axes with a response or a link", _places(behind)),
        [g for g in more if g.rows],
    )


def _places(behind: pd.DataFrame) -> dict[tuple[str, str], str]:
    """Axis and question → id of the first of its rows in the table of evidence."""
    firsts = behind.reset_index().drop_duplicates(["axis", "question"])
    return {
        (r.axis, r.question): anchor(EVIDENCE_FILE, r.index + 2)
        for r in firsts[["axis", "question", "index"]].itertuples(index=False)
    }


def _sentences(table: pd.DataFrame, title: str, places: dict[tuple[str, str], str]) -> Grid:
    columns = {
        "sentence": "What is known",
        "rung": "Rung",
        "missing": "What is missing",
    }
    keys = zip(table["axis"], table["question"], strict=True)
    return grid(
        table,
        columns,
        file=AXES_FILE,
        title=title,
        links=[places.get(k, "") for k in keys] if places else (),
        reason="Of no axis a response or a link is shown.",
    )


def _steps(behind: pd.DataFrame) -> Grid:
    columns = {
        "axis": "Axis",
        "question": "Question",
        "rung": "Rung",
        "holds": "Holds",
        "subject": "What",
        "value": "Number",
        "unit": "Unit",
        "p": "adjusted p",
        "n": "n",
        "table": "From",
        "reason": "Reason or remark",
    }
    return grid(
        behind,
        columns,
        file=EVIDENCE_FILE,
        title="The numbers behind these sentences",
        anchors=[anchor(EVIDENCE_FILE, int(i) + 2) for i in behind.index],
    )


def _timing(sources: Sources) -> Grid:
    table = sources.table("timing", TIMING_COLUMNS)
    columns = {
        "response": "Response",
        "test": "Test",
        "direction": "Direction",
        "stat": "t",
        "p_adj": "adjusted p",
        "agree": "Agree",
    }
    title = "Responses by time of the cells, in animals and cultures"
    return grid(table, columns, file="linkage/timing.tsv", title=title)


def _mediation(sources: Sources) -> Grid:
    table = sources.table("mediation", MEDIATION_COLUMNS)
    table = table.assign(
        **{c: [symbol(sources.dictionary, v) for v in table[c]] for c in ("response", "outcome")}
    )
    columns = {
        "response": "Response",
        "outcome": "Outcome",
        "contrast": "Contrast",
        "p_treatment": "p, treatment moves it",
        "r": "r beyond the design",
        "p_association": "p, it tracks the outcome",
        "p_adj": "adjusted p of both",
        "n": "n",
        "reason": "Reason or remark",
    }
    title = (
        "Does a treatment act through a response? Both steps must hold; consistent with, no proof"
    )
    return grid(table, columns, file="linkage/mediation.tsv", title=title)
