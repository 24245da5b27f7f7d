"""Paracrine axes and the responses by which they can be told apart.

An axis is a set `LR_…` of the signatures: ligand, receptor, and genes that respond. Axes whose receptors signal alike have one
response (resources/responses.tsv): the genes of the axes and of the pathway's own set, a gene of two responses in neither.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from periomics.core.errors import InputError, nearest
from periomics.genes.signatures import (
    SIGNS,
    GeneSet,
    Member,
    names_of,
    read_signatures,
    signed_sets,
)
from periomics.study.species import SPECIES

AXIS = "LR_"
# Kind of the scores of responses, `score:response:<name>`, and their source among tested sets.
RESPONSE = "response"
# Kind of scores that check tissue and technique.
QC = "qc"
COLUMNS = ("response", "set", "sign")
CONTEXT = "context"


@dataclass(frozen=True)
class Axis:
    """A paracrine axis.

    Attributes
    ----------
    name
        Set of the signatures.
    ligands, receptors
        Names of each gene in the species asked for, the current one first.
    response
        Response that the axis shares; '' where none is known.
    sign
        Whether the axis raises (+1) or lowers (−1) the response; 0 without a response.
    """

    name: str
    ligands: tuple[tuple[str, ...], ...]
    receptors: tuple[tuple[str, ...], ...]
    response: str
    sign: int


def read_responses(path: str | os.PathLike[str], signatures: pd.DataFrame) -> pd.DataFrame:
    """Which sets make which response, as text but `sign`.

    Raises
    ------
    InputError
        For a column that is missing, a set that the signatures lack, a sign other than 1 and −1, an axis of two responses.
    """
    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    if missing := [c for c in COLUMNS if c not in table.columns]:
        raise InputError(f"lacks columns {missing}", file=path)
    known, seen = set(signatures["set"]), set()
    for i, row in table.iterrows():
        name, wrong, column, allowed = row["set"], "", "set", ""
        if name not in known:
            wrong = f"the signatures have no such set{nearest(name, sorted(known))}"
        elif row["sign"] not in ("1", "-1"):
            wrong, column, allowed = "unknown sign", "sign", "1, -1"
        elif name in seen:
            wrong = "a set stands in two responses"
        if wrong:
            at = int(str(i)) + 2
            value = row[column]
            raise InputError(wrong, file=path, row=at, column=column, value=value, allowed=allowed)
        seen.add(name)
    return table.assign(sign=table["sign"].astype(int))


def axes_of(signatures: pd.DataFrame, responses: pd.DataFrame, species: str) -> list[Axis]:
    """Every axis of the signatures, with its genes in the symbols of a species, by name."""
    of = responses.set_index("set")
    out = []
    for name, part in signatures[signatures["set"].str.startswith(AXIS)].groupby("set"):
        genes = {
            role: tuple(names for cell in rows[f"gene_{species}"] if (names := names_of(cell)))
            for role, rows in part.groupby("role")
        }
        response, sign = of.loc[str(name), ["response", "sign"]] if name in of.index else ("", 0)
        out.append(
            Axis(
                name=str(name),
                ligands=genes.get("ligand", ()),
                receptors=genes.get("receptor", ()),
                response=str(response),
                sign=int(sign),
            )
        )
    return out


def response_sets(signatures: pd.DataFrame, responses: pd.DataFrame, species: str) -> list[GeneSet]:
    """One set per response, genes signed so that a high mean is an active pathway.

    Parameters
    ----------
    signatures
        Of `read_signatures`.
    responses
        Of `read_responses`.
    species
        human, mouse or rat.

    Returns
    -------
    list of GeneSet
        By name. A gene that two sets of a response want up and down, or that two responses have, is in neither.

    Notes
    -----
    Sets of an axis count as their ligand does (an axis that harms has ligand and response `down`), so that the direction of a gene
    under the axis is that of the gene times that of the ligand.
    """
    found: dict[str, dict[str, Mapping[str, object]]] = {}
    several: set[str] = set()
    members = _members_of(signatures, species)
    for row in responses.itertuples():
        for gene, names, sign in _responding(members.get(str(row.set), []), str(row.set)):
            sign *= int(str(row.sign))
            own = found.setdefault(str(row.response), {})
            if gene in own and own[gene]["sign"] != sign:
                several.add(gene)
            own[gene] = {"names": names, "sign": sign}
    counts = pd.Series([g for own in found.values() for g in own]).value_counts()
    several |= set(counts[counts > 1].index)
    return [
        GeneSet(
            name,
            tuple(
                Member(m["names"], m["sign"])  # type: ignore[arg-type]
                for g, m in sorted(own.items())
                if g not in several
            ),
        )
        for name, own in sorted(found.items())
    ]


@dataclass(frozen=True)
class SetTables:
    """The team's tables of sets."""

    signatures: pd.DataFrame
    responses: pd.DataFrame

    @classmethod
    def read(cls, signatures: str, responses: str) -> SetTables:
        """Both tables from their files."""
        table = read_signatures(signatures)
        return cls(table, read_responses(responses, table))

    def scored(self, species: str) -> list[tuple[str, GeneSet]]:
        """Sets that libraries are scored for, with the kind of score: signature, response, or qc for checks of tissue and technique."""
        sets = signed_sets(self.signatures, species)
        own = [(QC if s.name.startswith("QC_") else "signature", s) for s in sets]
        return own + [
            (RESPONSE, s) for s in response_sets(self.signatures, self.responses, species)
        ]

    def genes(self) -> dict[str, set[str]]:
        """Human symbols of every set of the signatures and of every response."""
        sets = self.signatures.groupby("set")["gene_human"].agg(set).to_dict()
        found = response_sets(self.signatures, self.responses, "human")
        return sets | {s.name: {n for m in s.members for n in m.names} for s in found}

    def axes(self) -> dict[str, dict[str, Axis]]:
        """Species → axis → its genes in the symbols of the species."""
        found = {s: axes_of(self.signatures, self.responses, s) for s in SPECIES}
        return {s: {a.name: a for a in own} for s, own in found.items()}

    def ligands(self) -> list[str]:
        """Human symbols of the ligands of all axes."""
        return [names[0] for axis in self.axes()["human"].values() for names in axis.ligands]

    def paracrine_genes(self) -> set[str]:
        """Symbols of all ligands and receptors in all species."""
        known = (a for own in self.axes().values() for a in own.values())
        return {n for a in known for gene in (*a.ligands, *a.receptors) for n in gene}


def _members_of(signatures: pd.DataFrame, species: str) -> dict[str, list[tuple[str, ...]]]:
    """Role, direction, human symbol and names in a species of the genes of every set."""
    columns = ("role", "direction", "gene_human", f"gene_{species}")
    rows = zip(*(signatures[c] for c in columns), strict=True)
    out: dict[str, list[tuple[str, ...]]] = {}
    for name, row in zip(signatures["set"], rows, strict=True):
        out.setdefault(name, []).append(row)
    return out


def _responding(
    members: list[tuple[str, ...]], name: str
) -> list[tuple[str, tuple[str, ...], int]]:
    """Human symbol, names in the species, and direction when the response is active, of a set's responding genes."""
    ligand = 1
    if name.startswith(AXIS):
        ligand = _sign(next(m[1] for m in members if m[0] == "ligand"))
        members = [m for m in members if m[0] == "response"]
    elif any(m[1] != CONTEXT for m in members):
        members = [m for m in members if m[1] != CONTEXT]
    return [(gene, names_of(cell), _sign(way) * ligand) for _, way, gene, cell in members]


def _sign(direction: str) -> int:
    # An axis whose use depends on context still raises its response.
    return SIGNS[direction] or 1
