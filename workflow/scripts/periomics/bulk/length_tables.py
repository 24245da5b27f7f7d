"""Tables of mean transcript lengths beside merged counts, as tximport makes them in nf-core's pipeline: read, and paired with counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from periomics.bulk.annotation import gene_column, set_aside
from periomics.bulk.columns import Counts
from periomics.bulk.names import bare_ids, gene_names, refuse_twice
from periomics.bulk.tables import read_table, told_as_input
from periomics.core.errors import InputError, nearest

RAW = "the table of estimated counts that is not scaled (gene_counts.tsv)"


def with_lengths(counts: Counts, kind: str, path: Path, beside: Path) -> Counts:
    """Counts of a file with the mean transcript lengths of a table beside it.

    Parameters
    ----------
    counts, kind, path
        Of `read_counts`, with the file's format and path.
    beside
        Table of lengths.

    Raises
    ------
    InputError
        If these counts do not go with lengths, or the table lacks a gene or holds a length that is not above 0.
    """
    _refuse_pair(counts, kind, path)
    with told_as_input(beside):
        table = read_table(beside)
    first = gene_column(table, beside)
    genes, rest = gene_names(table[first], beside), table.drop(columns=[first])
    refuse_twice(genes, beside)
    held = [str(c) for c in rest.columns.drop(list(set_aside(rest, whole=False)))]
    values = {c: _lengths_in(table[c], c, beside).to_numpy() for c in held}
    found = pd.DataFrame(values, index=pd.Index(bare_ids(genes)[0], name="gene_id"))
    lost = counts.data.index.difference(found.index)
    if len(lost):
        raise InputError(
            f"{len(lost)} of {len(counts.data)} genes of {path.name} have no length: are both of one run?",
            file=beside,
            column="lengths",
            value=str(lost[0]),
            allowed="the lengths of the same genes",
        )
    return replace(counts, lengths=found.reindex(counts.data.index))


def lengths_of(counts: Counts, column: str, fact: Mapping[str, object]) -> pd.Series | None:
    """Lengths of a library's genes; None where its file tells none.

    Raises
    ------
    InputError
        If the library's row names a table of lengths that has no column for it.
    """
    if counts.lengths is None or column in counts.lengths:
        return None if counts.lengths is None else counts.lengths[column]
    names = list(map(str, counts.lengths.columns))
    message = f"has no column for library {fact['specimen_id']}{nearest(column, names)}"
    allowed = ", ".join(names[:8]) or "a column for each library"
    beside = str(fact.get("lengths", ""))
    raise InputError(message, file=beside, column="lengths", value=column, allowed=allowed)


def _refuse_pair(counts: Counts, kind: str, path: Path) -> None:
    message = ""
    if kind != "nfcore":
        message = f"lengths go with nf-core's merged counts; {path.name} is read as {kind}"
    elif "scaled" in path.name:
        message = "counts that were scaled to abundances know no lengths: they would count twice"
    if message:
        allowed = f"{RAW} and, under another name, format nfcore"
        raise InputError(message, file=path, column="lengths", value=path.name, allowed=allowed)


def _lengths_in(cells: pd.Series, column: str, path: Path) -> pd.Series:
    """Lengths above 0; NaN where the table has none (NA), for a gene without reads."""
    none = cells.str.strip().str.casefold().isin(("na", "nan"))
    lengths = pd.to_numeric(cells.where(~none), errors="coerce").astype(float)
    wrong = (~(lengths > 0) & ~none) | np.isinf(lengths)
    if wrong.any():
        row = int(wrong.to_numpy().argmax())
        raise InputError(
            "is no length: counts or TPM in the place of lengths?",
            file=path,
            row=int(cells.index[row]),
            column=column,
            value=cells.iloc[row],
            allowed="bases, above 0",
        )
    return lengths
