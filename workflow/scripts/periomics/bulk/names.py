"""Names of genes in count files: text around ids taken off; dates, transcripts and genes that stand twice refused."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from periomics.bulk.transcripts import NEEDED
from periomics.core.errors import InputError
from periomics.genes.dates import AS_BEFORE, spoiled_names
from periomics.genes.symbols import unversioned

# An Ensembl gene as some files write it: behind "gene:", or with its symbol behind a bar or an underscore.
_WITH_SYMBOL = re.compile(r"^(?:gene:)?(ENS[A-Z]*G\d{6,}(?:\.\d+)?)(?:[_|](?!PAR_Y)([^|]*).*)?$")
# Ensembl's and RefSeq's transcripts.
_TRANSCRIPT = r"(?:ENS[A-Z]*T\d{6,}|[NX][MR]_\d+)"
# Bins of DEXSeq: the gene and the number of a part of an exon.
_BIN = r".+:E?\d{3,}"
MOST_TRANSCRIPTS = 0.5


def gene_names(cells: pd.Series, path: Path) -> pd.Series:
    """Names without the blanks around them; a row without one is refused."""
    names = cells.astype(str).str.strip()
    if (names == "").any():
        row = int(names.index[(names == "").to_numpy().argmax()])
        raise InputError("row has no gene", file=path, row=row, column=str(cells.name))
    return names


def bare_ids(genes: pd.Series) -> tuple[pd.Series, dict[str, str]]:
    """Ensembl ids without what some files write around them, and the symbols that stood behind; other names stay.

    Nothing changes unless most names are such ids.
    """
    found = [_WITH_SYMBOL.match(str(g).strip()) for g in genes]
    if sum(map(bool, found)) <= len(found) / 2:
        return genes, {}
    bare = [m[1] if m else g for m, g in zip(found, genes, strict=True)]
    symbols = {m[1]: m[2] for m in found if m and m[2]}
    return pd.Series(bare, index=genes.index, name=genes.name, dtype=object), symbols


def refuse_names(genes: pd.Series, path: Path, rows: bool = True) -> None:
    """Refuse names that are dates, transcripts or parts of exons, and genes that stand twice, also
    under two versions of one id."""
    spoiled, message = spoiled_names(list(genes))
    if spoiled:
        raise InputError(
            message,
            file=path,
            row=int(genes.index[genes == spoiled[0]][0]) if rows else None,
            column=str(genes.name),
            value=", ".join(spoiled[:5]),
            allowed=AS_BEFORE,
        )
    refuse_twice(genes, path)
    transcripts = genes.str.match(_TRANSCRIPT).to_numpy(bool)
    if transcripts.mean() > MOST_TRANSCRIPTS:
        message = f"{100 * transcripts.mean():.0f} % of the names are of transcripts, not genes"
        value = genes[transcripts].iloc[0]
        raise InputError(message, file=path, column=str(genes.name), value=value, allowed=NEEDED)
    bins = genes.str.fullmatch(_BIN).to_numpy(bool)
    if bins.mean() > MOST_TRANSCRIPTS:
        message = f"{100 * bins.mean():.0f} % of the names are of parts of exons, not genes"
        value, allowed = (
            genes[bins].iloc[0],
            "counts of genes, as HTSeq or featureCounts writes them",
        )
        raise InputError(message, file=path, column=str(genes.name), value=value, allowed=allowed)
    bare = genes.map(unversioned)
    twice = bare.duplicated(keep=False).to_numpy()
    if twice.any():
        pair = genes[(bare == bare[twice].iloc[0]).to_numpy()]
        raise InputError(
            f"{bare[twice].nunique()} genes ({100 * bare[twice].nunique() / bare.nunique():.2g} %) stand "
            "under several versions: tables of two annotations were joined",
            file=path,
            row=int(pair.index[1]) if rows else None,
            value=", ".join(pair[:2]),
            allowed="one row a gene: counts of one annotation, or ids without versions",
        )


def refuse_twice(genes: pd.Series, path: Path) -> None:
    """Refuse a gene that stands twice."""
    if genes.duplicated().any():
        row = int(genes.duplicated().to_numpy().argmax())
        value = genes.iloc[row]
        raise InputError("gene stands twice", file=path, row=int(genes.index[row]), value=value)
