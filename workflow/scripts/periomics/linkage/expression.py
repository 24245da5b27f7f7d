"""Where a gene is expressed: median counts per million by compartment, cell source or cell type, and tables of a secretome."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from periomics.core.errors import InputError
from periomics.core.results import read_result
from periomics.genes.axes import SetTables

COLUMNS = ("place", "species", "symbol", "cpm", "n", "table")
# Files that the counts are of.
LIBRARIES, CELLS = "bulk/counts.tsv", "singlecell/pseudobulk/counts.tsv"
SECRETOME_COLUMNS = ("ligand", "detected")
DETECTED = {"yes": True, "no": False}
_TAKEN_FROM = ("compartment", "cell_source")


def expressed(
    counts: pd.DataFrame,
    symbols: pd.Series,
    places: Mapping[str, Iterable[str]],
    species: Mapping[str, str],
    wanted: Iterable[str],
    *,
    table: str,
) -> pd.DataFrame:
    """Median counts per million of some genes in every place.

    Parameters
    ----------
    counts
        Genes × columns (libraries, or libraries of one cell type).
    symbols
        Symbol of each gene id; genes with one symbol are summed.
    places
        Column → names of the places it was taken from (compartment, cell source, cell type).
    species
        Column → species.
    wanted
        Symbols.
    table
        Which result the numbers are of.

    Returns
    -------
    DataFrame
        COLUMNS; a symbol that no gene has is absent.
    """
    names = [c for c in counts.columns if c in places]
    total = counts[names].sum()
    names = [c for c in names if total[c] > 0]
    named = symbols.reindex(counts.index).fillna("")
    chosen = counts.loc[named.isin(set(wanted)), names]
    # A gene that no table of a library has is not counted there, which is not the same as no count.
    cpm = chosen.groupby(named[chosen.index]).sum(min_count=1) / total[names] * 1e6
    found = []
    for place, of in sorted({(p, species[c]) for c in names for p in places[c] if p}):
        own = [c for c in names if place in places[c] and species[c] == of]
        part = pd.DataFrame({"symbol": cpm.index, "cpm": cpm[own].median(axis=1).to_numpy()})
        known = part.dropna(subset=["cpm"])
        found.append(known.assign(place=place, species=of, n=len(own), table=table))
    columns = list(COLUMNS)
    return pd.concat(found, ignore_index=True)[columns] if found else pd.DataFrame(columns=columns)


def read_secretome(path: str | os.PathLike[str], known: Sequence[str]) -> pd.DataFrame:
    """Proteins that an assay looked for in the medium.

    Parameters
    ----------
    path
        Table (tab-separated) with `ligand` (human symbol) and `detected` (yes or no); further columns are the user's own.
    known
        Ligands of the signatures, human symbols.

    Raises
    ------
    InputError
        For a missing column, a value that is neither yes nor no, a ligand with both, or none that an axis has.
    """
    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    if missing := [c for c in SECRETOME_COLUMNS if c not in table.columns]:
        raise InputError(f"lacks columns {missing}", file=path)
    wrong = ~table["detected"].isin(list(DETECTED))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise InputError(
            "says neither",
            file=path,
            row=row + 2,
            column="detected",
            value=table["detected"].iloc[row],
            allowed=", ".join(DETECTED),
        )
    both = table.groupby("ligand")["detected"].nunique()
    if (both > 1).any():
        name = str(both.index[both > 1][0])
        raise InputError("a ligand is detected and not detected", file=path, value=name)
    if len(table) and not set(table["ligand"]) & set(known):
        raise InputError(
            "no ligand of an axis stands in it: human symbols are wanted",
            file=path,
            column="ligand",
            value=str(table["ligand"].iloc[0]),
        )
    plain = {_plain(k): k for k in known}
    for i, name in enumerate(table["ligand"]):
        if name not in known and (meant := plain.get(_plain(name))):
            message = "a ligand of an axis written otherwise would not be found"
            at: dict[str, Any] = {"row": i + 2, "column": "ligand", "value": name}
            raise InputError(message, file=path, **at, allowed=meant)
    return table.assign(detected=table["detected"].map(DETECTED))


def secretome_of(path: str | None, tables: SetTables) -> pd.DataFrame | None:
    """Of `read_secretome`; None where no table was given."""
    return read_secretome(path, tables.ligands()) if path else None


def _plain(name: str) -> str:
    return "".join(c for c in name.upper() if c.isalnum())


def measured_expression(
    files: Mapping[str, str], facts: Sequence[Mapping[str, object]], wanted: Iterable[str]
) -> pd.DataFrame:
    """Expression in bulk libraries and in cell types, from the results that a study has.

    Parameters
    ----------
    files
        Paths of `bulk_counts`, `bulk_genes`, `bulk_qc`, and `singlecell_counts`, `singlecell_groups`, `singlecell_genes`.
    facts
        Rows of the libraries sheet.
    wanted
        Symbols, of all species.
    """
    by_id = {str(f["specimen_id"]): f for f in facts}
    species = {i: str(f["species"]) for i, f in by_id.items()}
    wanted, parts = set(wanted), []
    if files.get("bulk_counts"):
        passed = read_result(files["bulk_qc"]).query("qc == 'pass'")["specimen_id"]
        places = {i: {str(by_id[i].get(k, "")) for k in _TAKEN_FROM} for i in passed}
        counts, symbols = _matrix(files, "bulk")
        parts.append(expressed(counts, symbols, places, species, wanted, table=LIBRARIES))
    if files.get("singlecell_counts"):
        groups = read_result(files["singlecell_groups"])
        # A cell type called like what bulk libraries were taken from is another thing: resident cells are no sender of that name.
        taken = {str(f.get(k, "")) for f in facts for k in _TAKEN_FROM if f.get("assay") == "bulk"}
        types = groups["cell_type"].map(lambda t: {t} - taken)
        of_type = dict(zip(groups["column"], types, strict=True))
        own = dict(zip(groups["column"], groups["specimen_id"].map(species), strict=True))
        counts, symbols = _matrix(files, "singlecell")
        parts.append(expressed(counts, symbols, of_type, own, wanted, table=CELLS))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(COLUMNS))


def _matrix(files: Mapping[str, str], area: str) -> tuple[pd.DataFrame, pd.Series]:
    counts = read_result(files[f"{area}_counts"]).set_index("gene_id")
    return counts, read_result(files[f"{area}_genes"]).set_index("gene_id")["symbol"]
