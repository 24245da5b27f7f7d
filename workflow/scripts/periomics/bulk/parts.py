"""Libraries of several species: the part of a file that was counted against combined references, and tables by species."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from periomics.bulk.columns import Counts
from periomics.core.errors import InputError
from periomics.genes.kinds import species_of_id, without_prefix

COMBINED = (
    "a row for each species with `reference: combined` in the libraries sheet where reads were "
    "counted against both references, or the genes of one species only"
)


def is_combined(fact: Mapping[str, object]) -> bool:
    """Whether a library's file holds the genes of several species."""
    return str(fact.get("reference", "")) == "combined"


def part_of(counts: Counts, fact: Mapping[str, object]) -> Counts:
    """A library's part of a file: where references are combined the genes of its species, else all; names without prefixes.

    Genes are told apart by what a combined reference writes before them (an assembly or a species and an underscore) or by
    Ensembl's code; others, such as spiked-in ones, are in no part. Every library's reads by species are said.

    Raises
    ------
    InputError
        If no gene is of the species.
    """
    species, combined = str(fact.get("species", "")), is_combined(fact)
    names = [str(g) for g in counts.data.index]
    bare = {g: without_prefix(g)[1] for g in names}
    if not combined and all(g == b for g, b in bare.items()):
        return counts
    told = pd.Series([species_of_id(g) for g in names], index=counts.data.index)
    own = (told == species).to_numpy(bool) if combined else np.ones(len(told), bool)
    if not own.any():
        others = ", ".join(sorted(set(told) - {""})) or "none"
        raise InputError(
            f"holds no gene of {species} that is told by its id or a prefix (told: {others})",
            file=str(fact["path"]),
            column="reference",
            value=names[0],
            allowed="Ensembl ids, or names behind a species or assembly, such as rat_Actb",
        )
    index = pd.Index([bare[g] for g, o in zip(names, own, strict=True) if o], name="gene_id")
    _refuse_doubled(index, fact)
    return replace(
        counts,
        data=counts.data[own].set_axis(index),
        symbols={bare[g]: without_prefix(s)[1] for g, s in counts.symbols.items() if g in bare},
        remarks=_by_species(counts, told) if combined else counts.remarks,
        lengths=None if counts.lengths is None else counts.lengths[own].set_axis(index),
    )


def _refuse_doubled(index: pd.Index, fact: Mapping[str, object]) -> None:
    if index.has_duplicates:
        value = str(index[index.duplicated()][0])
        raise InputError("gene stands twice without its prefix", file=fact["path"], value=value)


def _by_species(counts: Counts, told: pd.Series) -> dict[str, str]:
    """Column → its remarks, with its reads by species."""
    sums = counts.data.groupby(told.to_numpy()).sum()
    shares = sums / sums.sum().where(sums.sum() > 0, 1)
    said = {str(c): f"reads of the combined reference: {_said(shares[c])}" for c in shares}
    return {c: f"{r}; {t}" if (r := counts.remarks.get(c)) else t for c, t in said.items()}


def _said(shares: pd.Series) -> str:
    parts = shares.sort_values(ascending=False, kind="stable").items()
    return ", ".join(f"{100 * v:.3g} % {k or 'of none'}" for k, v in parts)


def by_species(
    data: pd.DataFrame, facts: Sequence[Mapping[str, object]]
) -> Iterator[tuple[str, pd.DataFrame, list[Mapping[str, object]]]]:
    """(species, counts of its genes in its libraries, their rows of the sheet) of a table that may hold several species."""
    for species in sorted({str(f.get("species", "")) for f in facts}):
        own = [f for f in facts if str(f.get("species", "")) == species]
        yield species, of_libraries(data, [str(f["specimen_id"]) for f in own]), own


def of_libraries(data: pd.DataFrame, libraries: Sequence[str]) -> pd.DataFrame:
    """Counts of some libraries of one species: genes of other species, which they have no number for, are left out."""
    return data[list(libraries)].dropna().astype("int64")
