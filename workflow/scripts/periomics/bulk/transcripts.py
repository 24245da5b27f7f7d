"""Transcripts summed to genes by a table of both, with their mean lengths; transcripts are never tested as genes."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from periomics.bulk.tables import first_lines, open_text, separator_of, told_as_input
from periomics.core.errors import InputError
from periomics.genes.symbols import unversioned

TRANSCRIPTS = (
    "transcript_id",
    "transcript",
    "tx",
    "txname",
    "tx_id",
    "target_id",
    "ensembl_transcript_id",
)
GENES = ("gene_id", "gene", "geneid", "ensembl_gene_id", "gene_symbol", "symbol")
NEEDED = (
    "a table of transcripts and genes in the config (resources/tx2gene), or the counter's own "
    "gene table (quant.genes.sf)"
)
_BARS = re.compile(r"^[^|]+\|(ENS\w*G\d{6,}(?:\.\d+)?)\|")


def read_tx2gene(path: str | os.PathLike[str]) -> dict[str, str]:
    """Transcript → gene.

    Parameters
    ----------
    path
        Table, tab, comma or semicolon, gz or plain, of a transcript and its gene in the first two columns, or in columns with
        usual names (transcript_id, gene_id). A header may be left out.

    Raises
    ------
    InputError
        If it has one column only, or gives a transcript two genes.
    """
    path = Path(path)
    if not path.is_file():
        column = "resources/tx2gene"
        raise InputError("file does not exist", file="config", column=column, value=str(path))
    state = path.stat()
    return _read_once(path, (state.st_mtime_ns, state.st_size))


@lru_cache(maxsize=2)
def _read_once(path: Path, state: tuple[int, int]) -> dict[str, str]:
    """A table once for all the files that it is needed for; `state` tells a changed file."""
    with told_as_input(path):
        return _read_pairs(path)


def _read_pairs(path: Path) -> dict[str, str]:
    lines = first_lines(path, 2)
    separator = separator_of(lines[0]) if lines else "\t"
    head = [c.strip('"').casefold() for c in lines[0].split(separator)] if lines else []
    if len(head) < 2:
        allowed = "a transcript and its gene in each row"
        raise InputError("is no table of transcripts and genes", file=path, row=1, allowed=allowed)
    places = [
        next((head.index(n) for n in names if n in head), -1) for names in (TRANSCRIPTS, GENES)
    ]
    start = 1 if max(places) >= 0 else 0
    tx, gene = places if min(places) >= 0 else (0, 1)
    out: dict[str, str] = {}
    with open_text(path) as handle:
        rows = csv.reader((x for x in handle if not x.startswith("#")), delimiter=separator)
        for number, row in enumerate(rows, 1):
            if number <= start or not row:
                continue
            if len(row) <= max(tx, gene):
                message = "row has fewer cells than the first: was the file cut off?"
                raise InputError(message, file=path, row=number, value=row[0])
            if out.setdefault(row[tx], row[gene]) != row[gene]:
                message = "transcript has two genes"
                raise InputError(message, file=path, row=number, value=row[tx])
    return out


def genes_of(names: Sequence[str], tx2gene: str, path: object) -> tuple[list[str | None], str]:
    """Gene of every transcript (None where the table does not name it), and how it was found.

    Versions are left out on both sides only where a name with its version is not found and, without it, leads to one gene.

    Raises
    ------
    InputError
        If neither a table nor the names themselves (as GENCODE writes them) tell the gene.
    """
    bars = [_BARS.match(n) for n in names]
    if not tx2gene:
        if names and all(bars):
            return [m[1] if m else None for m in bars], "by the gene in their names"
        message = "holds transcripts, and no table says which gene they are of"
        raise InputError(message, file=path, value=names[0] if names else "", allowed=NEEDED)
    table = read_tx2gene(tx2gene)
    bare: dict[str, set[str]] = {}
    for transcript, gene in table.items():
        bare.setdefault(unversioned(transcript.split("|")[0]), set()).add(gene)
    out: list[str | None] = []
    for name in names:
        short = name.split("|")[0]
        own: str | None = table.get(name, table.get(short))
        if own is None:
            found = bare.get(unversioned(short), set())
            own = next(iter(found)) if len(found) == 1 else None
        out.append(own)
    return out, f"by {Path(tx2gene).name}"


def summed(
    reads: pd.DataFrame, genes: Sequence[str | None], how: str, path: object, most_lost: float
) -> tuple[pd.DataFrame, list[str]]:
    """Reads of transcripts (rows) summed to genes, in the order of the genes' first transcripts.

    Raises
    ------
    InputError
        If transcripts without a gene hold more than the share `most_lost` of a library's reads, or no transcript has one.
    """
    of = pd.Series(list(genes), index=reads.index, dtype=object)
    known = of.notna().to_numpy()
    total = reads.sum().to_numpy(float)
    lost = reads.loc[~known].sum().to_numpy(float)
    share = float(np.max(lost / np.where(total > 0, total, 1.0), initial=0.0))
    if not known.any() or share > most_lost:
        first = str(reads.index[~known][0])
        raise InputError(
            f"{100 * (1 - known.mean()):.0f} % of the transcripts, with {100 * share:.0f} % of the "
            f"reads, have no gene {how}: is it of another species or release?",
            file=path,
            value=first,
            allowed=f"at most {100 * most_lost:g} % of the reads without a gene",
        )
    data = reads.loc[known].groupby(of[known].to_numpy(), sort=False).sum()
    data.index.name = "gene_id"
    notes = [f"{int(known.sum())} transcripts were summed to {len(data)} genes {how}"]
    if not known.all():
        notes.append(
            f"{int((~known).sum())} transcripts have no gene {how} and were left out, with "
            f"{100 * share:.2g} % of the reads at most"
        )
    return data, notes


def mean_lengths(
    lengths: pd.Series, abundance: pd.Series, genes: Sequence[str | None]
) -> pd.Series:
    """Mean length of each gene's transcripts, weighted by their abundance (not by reads, which are long ones' more often).

    Parameters
    ----------
    lengths, abundance
        Effective length and abundance (TPM) of each transcript.
    genes
        Its gene; None is left out.

    Returns
    -------
    Series
        By gene, in the order of the genes' first transcripts; NaN where no transcript is abundant.
    """
    of = pd.Series(list(genes), index=lengths.index, dtype=object)
    known = of.notna().to_numpy()
    parts = pd.DataFrame({"product": lengths * abundance, "abundance": abundance})[known]
    sums = parts.groupby(of[known].to_numpy(), sort=False).sum()
    return (sums["product"] / sums["abundance"].where(sums["abundance"] > 0)).rename_axis("gene_id")
