"""Libraries of several species: the part of a file that was counted against combined references, and tables by species."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from periomics.bulk.columns import Counts
from periomics.genes.combined import is_combined, said_shares, told_genes
from periomics.genes.kinds import without_prefix


def part_of(counts: Counts, fact: Mapping[str, object]) -> Counts:
    """A library's part of a file: where references are combined the genes of its species, else all; names without prefixes.

    Genes are told apart by what a combined reference writes before them (an assembly or a species and an underscore) or by
    Ensembl's code; others, such as spiked-in ones, are in no part. Every library's reads by species are said.

    Raises
    ------
    InputError
        If no gene is of the species.
    """
    combined, names = is_combined(fact), [str(g) for g in counts.data.index]
    if not combined and not any(without_prefix(g)[0] for g in names):
        return counts
    told = told_genes(names, fact)
    index = pd.Index(told.names, name="gene_id")
    bare = dict(zip(np.array(names, object)[told.own], told.names, strict=True))
    return replace(
        counts,
        data=counts.data[told.own].set_axis(index),
        symbols={bare[g]: without_prefix(s)[1] for g, s in counts.symbols.items() if g in bare},
        remarks=_by_species(counts, told.species) if combined else counts.remarks,
        lengths=None if counts.lengths is None else counts.lengths[told.own].set_axis(index),
    )


def _by_species(counts: Counts, told: NDArray[np.str_]) -> dict[str, str]:
    """Column → its remarks, with its reads by species."""
    sums = counts.data.groupby(told).sum()
    shares = sums / sums.sum().where(sums.sum() > 0, 1)
    said = {
        str(c): f"reads of the combined reference: {said_shares(shares[c].to_dict())}"
        for c in shares
    }
    return {c: f"{r}; {t}" if (r := counts.remarks.get(c)) else t for c, t in said.items()}


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
