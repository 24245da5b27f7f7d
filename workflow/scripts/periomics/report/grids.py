"""Small tables for the page: header, cells as text, where the whole table stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from periomics.report.words import MISSING, number

LIMIT = 400


@dataclass(frozen=True)
class Grid:
    """A table on the page.

    `numeric` tells which columns are set flush right; `anchors` holds an id for each row, or nothing, and `links` the id of a row
    elsewhere that its first cell leads to; `reason` says why a table has no rows; `more` counts rows that are only in `file`.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    numeric: Sequence[bool]
    file: str = ""
    reason: str = ""
    more: int = 0
    anchors: Sequence[str] = ()
    title: str = ""
    links: Sequence[str] = ()


def grid(
    df: pd.DataFrame,
    columns: Mapping[str, str],
    *,
    file: str = "",
    reason: str = "nothing to show",
    limit: int = LIMIT,
    anchors: Iterable[str] = (),
    links: Iterable[str] = (),
    title: str = "",
) -> Grid:
    """A page table of some columns of a result table.

    Parameters
    ----------
    df
        The table; columns that it lacks are shown empty.
    columns
        Column → heading.
    file
        Where the whole table stands, relative to the results folder.
    reason
        What is said where the table has no rows.
    limit
        Rows that are shown at most.
    anchors
        Ids for the rows.
    links
        Ids of rows elsewhere that the rows' first cells lead to; '' for none.
    """
    shown = df.head(limit)
    cells = {
        c: shown[c] if c in shown.columns else pd.Series("", index=shown.index) for c in columns
    }
    rows = (
        [[cell(v) for v in row] for row in zip(*cells.values(), strict=True)] if len(shown) else []
    )
    numeric = [c in df.columns and pd.api.types.is_numeric_dtype(df[c]) for c in columns]
    more = len(df) - len(shown)
    return Grid(
        header=list(columns.values()),
        rows=rows,
        numeric=numeric,
        file=file,
        reason="" if rows else reason,
        more=more,
        anchors=list(anchors)[:limit],
        title=title,
        links=list(links)[:limit],
    )


def cell(value: object) -> str:
    """A value as text; missing and empty as a dash."""
    text = number(value)
    return text if text.strip() else MISSING
