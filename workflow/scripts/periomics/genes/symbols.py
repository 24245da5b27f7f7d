"""From the gene ids of a table to symbols."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import pandas as pd

ENSEMBL = re.compile(r"^(ENS(?:RNO|MUS)?[GT]\d{6,})(\.\d+)?$")


def symbol_table(
    genes: Sequence[str],
    stated: Mapping[str, str],
    orthologs: Sequence[str] = (),
    species: Sequence[str] = (),
) -> pd.DataFrame:
    """Symbol of every gene id.

    Parameters
    ----------
    genes
        Gene ids: symbols, or Ensembl genes with or without a version.
    stated
        Gene id → symbol where the file says so.
    orthologs
        Ortholog tables with <species>_ensembl and <species>_symbol, for Ensembl ids.
    species
        Species of the libraries.

    Returns
    -------
    DataFrame
        gene_id, symbol ('' where an Ensembl id is not known); an id that is no Ensembl id is its own symbol.
    """
    known: dict[str, str] = {}
    for path in orthologs if any(ENSEMBL.match(g) for g in genes) else ():
        known |= _ensembl_symbols(path, species)
    symbols = []
    for gene in genes:
        match = ENSEMBL.match(gene)
        symbols.append(stated.get(gene) or (known.get(match[1], "") if match else gene))
    return pd.DataFrame({"gene_id": list(genes), "symbol": symbols})


def _ensembl_symbols(path: str, species: Sequence[str]) -> dict[str, str]:
    df = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    out: dict[str, str] = {}
    for name in species:
        columns = [f"{name}_ensembl", f"{name}_symbol"]
        if set(columns) <= set(df.columns):
            part = df[(df[columns] != "").all(axis=1)]
            out |= dict(zip(part[columns[0]], part[columns[1]], strict=True))
    return out


def unversioned(name: str) -> str:
    """An Ensembl id without its version; other names as they are."""
    match = ENSEMBL.match(name)
    return match[1] if match else name


def common_names(indices: Sequence[pd.Index]) -> tuple[list[pd.Index], list[str]]:
    """Names of genes under which files can be joined, and what to say.

    Where files have the same ids nothing changes. Else versions of Ensembl ids are left out; the readers have refused files in
    which that makes two genes one.
    """
    if all(index.equals(indices[0]) or set(index) == set(indices[0]) for index in indices):
        return list(indices), []
    bare = [pd.Index([unversioned(str(g)) for g in i], name="gene_id") for i in indices]
    changed = {
        g for i, b in zip(indices, bare, strict=True) for g, n in zip(i, b, strict=True) if g != n
    }
    if not changed:
        return list(indices), []
    note = f"{len(changed)} ids were matched without their versions, since files differ in them"
    return bare, [note]
