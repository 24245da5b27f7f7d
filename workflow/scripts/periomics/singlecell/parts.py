"""Cells of a library whose file was counted against the references of several species: each cell by its share of counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray

from periomics.core.errors import InputError
from periomics.genes.combined import is_combined, told_genes
from periomics.genes.kinds import without_prefix
from periomics.study.settings.singlecell import Atlas

if TYPE_CHECKING:
    from anndata import AnnData

MIXED, NONE = "mixed", ""


@dataclass(frozen=True)
class Part:
    """A library's cells and genes.

    Attributes
    ----------
    cells
        Genes without prefixes.
    mixed
        Cells of the file that hold both species, which are in no part; None where the reference is of one.
    note
        How the file's cells were shared.
    """

    cells: AnnData
    mixed: int | None = None
    note: str = ""


def part_of(cells: AnnData, fact: Mapping[str, object], settings: Atlas) -> Part:
    """A library's part of its file: its species' cells and genes where references are combined, else all.

    Parameters
    ----------
    cells
        Counts in X, var with ids as index and symbol.
    fact
        Row of the libraries sheet: path, species, reference.
    settings
        min_species_share, min_counts.

    Raises
    ------
    InputError
        If no gene, or no cell, is of the species.
    """
    import anndata as ad

    ids, symbols = list(map(str, cells.var_names)), list(map(str, cells.var["symbol"]))
    combined = is_combined(fact)
    if not combined and not any(without_prefix(n)[0] for n in (*ids, *symbols)):
        return Part(cells)
    told = told_genes(ids, fact, symbols)
    bare = [without_prefix(s)[1] for s, o in zip(symbols, told.own, strict=True) if o]
    var = pd.DataFrame({"symbol": bare}, index=told.names)
    own = np.flatnonzero(told.own)
    counts = sp.csr_matrix(cells.X)
    if not combined:
        return Part(ad.AnnData(counts[:, own], obs=cells.obs, var=var))
    species = str(fact["species"])
    found, are_cells = species_of_cells(counts, told.species, settings)
    number = Counter(found[are_cells].tolist())
    mixed = number.pop(MIXED, 0)
    share = f"{100 * settings.min_species_share:g} %"
    said = ", ".join(f"{n} {s}" for s, n in sorted(number.items()))
    note = (
        f"cells of the combined reference: {said or 'none'}; {mixed} with less than {share} of one"
    )
    mine = np.flatnonzero(found == species)
    if not len(mine):
        message = f"no cell is of {species} ({note})"
        raise InputError(message, file=str(fact["path"]), column="species", value=species)
    part = ad.AnnData(counts[mine][:, own], obs=cells.obs.iloc[mine], var=var)
    return Part(part, mixed, note)


def species_of_cells(
    counts: sp.csr_matrix, species: NDArray[np.str_], settings: Atlas
) -> tuple[NDArray[np.str_], NDArray[np.bool_]]:
    """Species of every droplet, `mixed` where it holds too much of another, '' without a count that tells one; and which of them are cells.

    Parameters
    ----------
    counts
        (cells, genes).
    species
        Of every gene, '' where it is of none.
    settings
        A cell is of the species that has min_species_share of the counts that tell one. Droplets with fewer than min_counts of
        those are no cells: they go with the species that has most, and are dropped or taken for empty there.
    """
    names = sorted(set(species.tolist()) - {""})
    sums = np.column_stack(
        [np.asarray(counts[:, np.flatnonzero(species == n)].sum(axis=1)).ravel() for n in names]
    ).astype(float)
    total, most = sums.sum(axis=1), sums.max(axis=1)
    found = np.array(names, dtype=object)[sums.argmax(axis=1)]
    are_cells = total >= max(settings.min_counts, 1)
    found[are_cells & (most < settings.min_species_share * total)] = MIXED
    found[total == 0] = NONE
    return found.astype(str), are_cells
