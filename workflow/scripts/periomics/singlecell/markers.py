"""Tables of marker genes, the team's and users' own."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

import pandas as pd

from periomics.core.errors import InputError, nearest

DIRECTIONS = ("up", "down")
QUALIFIED = re.compile(r"[_.]ENS[A-Z]*G\d{11}.*$")


def read_markers(path: str | os.PathLike[str], species: str) -> pd.DataFrame:
    """Markers of a species: cell_type, parent, direction, gene, in the table's order.

    Parameters
    ----------
    path
        Table with cell_type and gene_<species>; parent (the type that a subtype belongs to) and
        direction (up, or down for a gene that the type lacks) may be left out. NA is no gene.
    species
        human, mouse or rat.

    Raises
    ------
    InputError
        If a column is missing, a direction is another word, or a parent is no type of the table.
    """
    df = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    column = f"gene_{species}"
    missing = [c for c in ("cell_type", column) if c not in df.columns]
    if missing:
        raise InputError(f"lacks columns {missing}", file=path, allowed=", ".join(df.columns))
    df = df.assign(gene=df[column])
    df["parent"], df["direction"] = df.get("parent", ""), df.get("direction", "up")
    for row, (found, parent) in enumerate(zip(df["direction"], df["parent"], strict=True), start=2):
        if found not in DIRECTIONS:
            allowed = ", ".join(DIRECTIONS)
            raise InputError(
                "is no direction",
                file=path,
                row=row,
                column="direction",
                value=found,
                allowed=allowed,
            )
        if parent and parent not in set(df["cell_type"]):
            known = sorted(set(df["cell_type"]))
            message = f"the parent is no cell type of the table{nearest(parent, known)}"
            raise InputError(message, file=path, row=row, column="parent", value=parent)
    kept = df[~df["gene"].isin(["NA", ""])]
    return kept[["cell_type", "parent", "direction", "gene"]].reset_index(drop=True)


def share_seen(path: str | os.PathLike[str]) -> float:
    """Share of a table's markers whose source somebody read (`evidence` starts with `seen`); NaN without that column."""
    df = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    if "evidence" not in df:
        return float("nan")
    return float(df["evidence"].str.startswith("seen").mean())


def columns_of(symbols: Sequence[str]) -> dict[str, int]:
    """Plain symbol → column; the first of columns that share one."""
    return {plain_symbol(s): i for i, s in reversed(list(enumerate(symbols)))}


def plain_symbol(symbol: str) -> str:
    """A symbol without the Ensembl id that some tables append to doubled ones
    (CD79A_ENSG00000105369)."""
    return QUALIFIED.sub("", symbol)
