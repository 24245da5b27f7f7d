"""Gene sets: the team's signed signatures and sets in GMT files, in the symbols of a species."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from periomics.core.errors import InputError

COLUMNS = ("set", "gene_human", "gene_mouse", "gene_rat", "role", "direction", "citation")
SIGNS = {"up": 1, "down": -1, "context": 0}
# Members that mark what a sample should not be; they would cancel the other members of a set without directions.
NEGATIVE_ROLES = ("negative", "negative_control")
# Pairs of ligand and receptor are for pair scoring; the genes of these checks mean nothing as a mean.
UNSCORED = ("LR_", "QC_sex")
BY_ROLE = "QC_tissue"


@dataclass(frozen=True)
class Member:
    """A gene of a set: names by which it is looked up, the current one first, and the sign it counts with (+1 or -1)."""

    names: tuple[str, ...]
    sign: int


@dataclass(frozen=True)
class GeneSet:
    """A set with its members; members that the species lacks have no names and count as not mapped."""

    name: str
    members: tuple[Member, ...]


def read_signatures(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read the signatures table as text ("NA" is text: the species has no such gene).

    Raises
    ------
    InputError
        If a column is missing or a direction is unknown.
    """
    df = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    missing = [c for c in COLUMNS if c not in df.columns]
    if missing:
        raise InputError(f"lacks columns {missing}", file=path)
    bad = ~df["direction"].isin(list(SIGNS))
    if bad.any():
        row = int(bad.idxmax())
        raise InputError(
            "unknown direction",
            file=path,
            row=row + 2,
            column="direction",
            value=df.at[row, "direction"],
            allowed=", ".join(SIGNS),
        )
    return df


def names_of(cell: str) -> tuple[str, ...]:
    return tuple(n for n in cell.split("|") if n and n != "NA")


def signed_sets(table: pd.DataFrame, species: str) -> list[GeneSet]:
    """Sets to score, in the symbols of a species.

    Parameters
    ----------
    table
        Of `read_signatures`.
    species
        human, mouse or rat.

    Returns
    -------
    list of GeneSet
        Sorted by name. A set with signed members (up, down) is made of these; one whose members are all of unknown direction
        is their plain mean, without negative controls. The tissue check becomes one set a role.
    """
    cells = zip(*(table[c] for c in ("set", "role", "direction", f"gene_{species}")), strict=True)
    found: dict[str, list[tuple[str, int, str]]] = {}
    for name, role, direction, cell in cells:
        if not name.startswith(UNSCORED):
            key = f"{name}.{role}" if name == BY_ROLE else name
            found.setdefault(key, []).append((role, SIGNS[direction], cell))
    return [GeneSet(key, _members(rows)) for key, rows in sorted(found.items())]


def _members(rows: Sequence[tuple[str, int, str]]) -> tuple[Member, ...]:
    """Members of a set from role, sign (0: unknown) and names of its genes."""
    if any(sign for _, sign, _ in rows):
        return tuple(Member(names_of(cell), sign) for _, sign, cell in rows if sign)
    return tuple(Member(names_of(c), 1) for role, _, c in rows if role not in NEGATIVE_ROLES)


def read_gmt(path: str | os.PathLike[str]) -> list[GeneSet]:
    """Read gene sets in GMT form (name, description, genes; tabs; gz or plain), all members with sign +1.

    Raises
    ------
    InputError
        For a line without genes.
    """
    opener = gzip.open if Path(path).suffix == ".gz" else open
    out = []
    with opener(path, "rt", encoding="utf-8") as handle:
        for number, line in enumerate(handle, start=1):
            cells = line.rstrip("\n").split("\t")
            genes = list(dict.fromkeys(g for g in cells[2:] if g))
            if len(cells) < 3 or not genes:
                raise InputError(
                    "is not a gene set in GMT form", file=path, row=number, value=line[:40]
                )
            out.append(GeneSet(cells[0], tuple(Member((g,), 1) for g in genes)))
    return out


def translated(sets: Iterable[GeneSet], orthologs: Mapping[str, str]) -> list[GeneSet]:
    """Sets with every name replaced by its ortholog; names without one are dropped (and lower the mapped share)."""
    return [
        GeneSet(
            s.name,
            tuple(
                Member(tuple(orthologs[n] for n in m.names if n in orthologs), m.sign)
                for m in s.members
            ),
        )
        for s in sets
    ]


def mapped(gene_set: GeneSet, position: Mapping[str, int]) -> tuple[list[int], list[int], float]:
    """Rows and signs of a set's members that a matrix has, and the share of members found.

    Parameters
    ----------
    gene_set
        The set.
    position
        Symbol → row; other names of a gene are tried in order.

    Returns
    -------
    rows, signs, share
        Each row once (first member wins); share of all members, 0 to 1.
    """
    rows: dict[int, int] = {}
    found = 0
    for member in gene_set.members:
        hit = next((position[n] for n in member.names if n in position), None)
        if hit is not None:
            found += 1
            rows.setdefault(hit, member.sign)
    return (
        list(rows),
        list(rows.values()),
        found / len(gene_set.members) if gene_set.members else 0.0,
    )


def positions(symbols: Sequence[str]) -> dict[str, int]:
    """Symbol → first row that has it; empty symbols are left out."""
    out: dict[str, int] = {}
    for row, symbol in enumerate(symbols):
        if symbol:
            out.setdefault(symbol, row)
    return out
