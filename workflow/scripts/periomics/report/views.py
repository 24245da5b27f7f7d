"""All animals at once on the page: what the views are of, their components, what makes them, and what was left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from periomics.report.grids import Grid, grid
from periomics.report.pictures import svg_address
from periomics.report.sources import Sources
from periomics.report.words import number, p_value, symbol
from periomics.study.interface.linkage import VIEW_COLUMNS

FILE = "linkage/views.tsv"
# Variables of each component that are shown.
MOST = 10
# Level of the sentence on a model.
LEVEL = 0.05
_TITLES = {"pca": "principal components", "mfa": "factor analysis"}


@dataclass(frozen=True)
class Views:
    """Picture, tables, and in words how many animals they are of and what was not made."""

    picture: str
    told: str
    grids: Sequence[Grid]


def views(sources: Sources) -> Views:
    """The views of linkage/views.tsv."""
    table = sources.table("views", VIEW_COLUMNS)
    refused = list(table.loc[table["part"] == "refused", "reason"].astype(str))
    made = table[table["part"] == "explained"]
    several = table[table["part"] == "variable"]
    seen = several[several["view"] != "pls"]
    told = ["No view is made."]
    if len(made):
        columns, blocks = seen["name"].nunique(), seen["block"].nunique()
        told = [
            f"{number(made['n'].iloc[0])} animals, {columns} outcomes and scores of {blocks} blocks."
        ]
    told += _models(table, sources)
    told += [f"{r[:1].upper()}{r[1:]}." for r in refused]
    picture = svg_address(sources.path("views_figure")) if len(made) else ""
    grids = (
        _components(table),
        _variables(several, sources),
        _predictors(several, sources),
        _blocks(table),
        _left(table, sources),
    )
    return Views(picture, " ".join(told), [g for g in grids if g.rows])


def _models(table: pd.DataFrame, sources: Sources) -> list[str]:
    """A sentence for each model of an outcome."""
    rows = table[table["view"] == "pls"]
    rows = rows[rows["part"].isin(["q2", "p_adj"])]
    wide = rows.pivot(index=["name", "n"], columns="part", values="value").reset_index()
    said = []
    for row in wide.itertuples():
        holds = row.q2 > 0 and row.p_adj <= LEVEL
        numbers = f"Q² {number(row.q2)}, {p_value(row.p_adj)} by Holm, {number(row.n)} animals"
        told = "all scores together predict" if holds else "scores are not shown to predict"
        of = symbol(sources.dictionary, row.name)
        said.append(
            f"Beyond the design {told} {of} of an animal that was left out ({numbers}; one "
            f"component of partial least squares{', consistent with a link' if holds else ''})."
        )
    return said


def _predictors(rows: pd.DataFrame, sources: Sources) -> Grid:
    rows = rows[rows["view"] == "pls"]
    rows = rows.assign(size=rows["value"].abs())
    rows = rows.sort_values(["block", "size"], ascending=[True, False], kind="stable")
    first = rows.groupby("block").head(MOST)
    for column in ("name", "block"):
        first = first.assign(**{column: [symbol(sources.dictionary, n) for n in first[column]]})
    columns = {"block": "Outcome", "name": "Score", "value": "correlation with the prediction"}
    return grid(first, columns, file=FILE, title="What makes the predictions of left-out animals")


def _components(table: pd.DataFrame) -> Grid:
    parts = {
        "explained": "share of the variance",
        "arms": "of it between arms",
        "stability": "least likeness without one animal",
    }
    rows = table[table["part"].isin(parts) & table["view"].isin(_TITLES)]
    wide = rows.pivot(index=["view", "component"], columns="part", values="value").reset_index()
    wide["view"] = wide["view"].map(_TITLES)
    columns = {"view": "View", "component": "Component", **parts}
    return grid(wide, columns, file=FILE, title="Components (description, no test)")


def _variables(rows: pd.DataFrame, sources: Sources) -> Grid:
    rows = rows[rows["view"] == "mfa"]
    size = rows["value"].abs()
    rows = rows.assign(size=size).sort_values(
        ["component", "size"], ascending=[True, False], kind="stable"
    )
    first = rows.groupby("component").head(MOST)
    first = first.assign(name=[symbol(sources.dictionary, n) for n in first["name"]])
    columns = {"component": "Component", "name": "Outcome or score", "block": "Block"}
    columns["value"] = "correlation with the component"
    return grid(first, columns, file=FILE, title="What makes the components of the factor analysis")


def _blocks(table: pd.DataFrame) -> Grid:
    rows = table[table["part"].isin(["rv", "rv_adjusted"])]
    wide = rows.pivot(index=["name", "block"], columns="part", values="value").reset_index()
    columns = {"name": "Block", "block": "and block", "rv": "RV", "rv_adjusted": "adjusted RV"}
    return grid(wide, columns, file=FILE, title="How alike blocks order the animals")


def _left(table: pd.DataFrame, sources: Sources) -> Grid:
    rows = table[table["part"] == "left_out"]
    names = [
        n if not b else symbol(sources.dictionary, n)
        for n, b in zip(rows["name"], rows["block"].fillna(""), strict=True)
    ]
    columns = {"name": "Left out", "block": "Block", "reason": "Reason"}
    return grid(rows.assign(name=names), columns, file=FILE, title="Left out of the views")
