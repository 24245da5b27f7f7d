"""Orthologs between human and a rodent, from a table with the number of sources that support each pair."""

from __future__ import annotations

import os
from collections.abc import Mapping

import pandas as pd

from periomics.core.errors import InputError


def read_orthologs(path: str | os.PathLike[str], species: str, support: int = 3) -> dict[str, str]:
    """Human symbol → symbol of the species, the best supported pair of each.

    Parameters
    ----------
    path
        Table with human_symbol, <species>_symbol and support_n (number of agreeing sources), tab-separated, gz or plain.
    species
        mouse or rat.
    support
        Fewest agreeing sources.

    Notes
    -----
    One human gene has one ortholog and the other way round: pairs are taken by falling support, then by symbol, and a symbol
    that is taken is not given again.

    Raises
    ------
    InputError
        If a column is missing.
    """
    df = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    column = f"{species}_symbol"
    missing = [c for c in ("human_symbol", column, "support_n") if c not in df.columns]
    if missing:
        raise InputError(
            f"is not an ortholog table of {species}: lacks columns {missing}", file=path
        )
    df["support_n"] = pd.to_numeric(df["support_n"], errors="coerce").fillna(0).astype(int)
    df = df[(df["support_n"] >= support) & (df["human_symbol"] != "") & (df[column] != "")]
    # The pair whose symbols agree apart from case is the likeliest of equally supported ones.
    df["same"] = df["human_symbol"].str.casefold() == df[column].str.casefold()
    df = df.sort_values(
        ["support_n", "same", "human_symbol", column], ascending=[False, False, True, True]
    )
    out: dict[str, str] = {}
    taken: set[str] = set()
    for human, other in zip(df["human_symbol"], df[column], strict=True):
        if human not in out and other not in taken:
            out[human] = other
            taken.add(other)
    return out


def inverted(orthologs: dict[str, str]) -> dict[str, str]:
    """Symbol of the species → human symbol."""
    return {other: human for human, other in orthologs.items()}


def between(tables: Mapping[str, str | None], source: str, target: str) -> dict[str, str] | None:
    """Symbols of one species → those of another, through human where both are rodents; None where both are the same.

    Parameters
    ----------
    tables
        Rodent → path of its table with human, None where not configured.
    source, target
        human, mouse or rat.

    Raises
    ------
    InputError
        If a table is needed that is not configured.
    """
    if source == target:
        return None
    for rodent in (source, target):
        if rodent != "human" and not tables.get(rodent):
            raise InputError(
                f"symbols of {source} cannot be turned into those of {target}: no ortholog table of human and {rodent}",
                file="config",
                column=f"resources/orthologs_{rodent}",
                allowed="path of a table",
            )
    first = {} if source == "human" else inverted(read_orthologs(str(tables[source]), source))
    second = {} if target == "human" else read_orthologs(str(tables[target]), target)
    if source == "human":
        return second
    return first if target == "human" else {a: second[h] for a, h in first.items() if h in second}
