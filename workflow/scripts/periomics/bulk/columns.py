"""Which column of a count table is which library: by name, by the file or the folder of an alignment; ambiguous is refused."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import pandas as pd

from periomics.core.errors import InputError, nearest
from periomics.genes.symbols import ENSEMBL

TRANSPOSED = "libraries stand in rows and genes in columns"
GENES_IN_ROWS = "one row per gene, one column per library"
ONE_LIBRARY = "holds the counts of one library, but several rows of the sheet name it"
_ENDINGS = re.compile(
    r"(?:[._-]?(?:Aligned\.(?:sortedByCoord\.)?out|sorted(?:ByCoord)?|sort|markdup(?:licates)?|dedup"
    r"|umi_dedup|primary|Aligned))+$"
)


@dataclass
class Counts:
    """Counts (genes × samples), and what reading them had to say.

    Parameters
    ----------
    data
        Genes × samples, integers.
    symbols
        Gene id → symbol where the file states them.
    notes
        What had to be said about reading, a line each.
    named
        Whether the file names its columns; files of one library as counters write them do not.
    aliases
        Other names of columns: files and folders of alignments.
    aside
        Columns that are no counts → what they are.
    remarks
        Column → what its row of the quality table says.
    assigned
        Column → share of its reads that fell on genes, where the file tells it.
    one_list
        Whether files of this format list every gene of the annotation, so that fewer genes are a file cut off.
    doubts
        What may be wrong with the file as a whole, a line each.
    lengths
        Genes × samples: mean length of the transcripts that a gene's reads come from, where the file tells them; NaN for a gene
        without reads.
    """

    data: pd.DataFrame
    symbols: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    named: bool = True
    aliases: dict[str, set[str]] = field(default_factory=dict)
    aside: dict[str, str] = field(default_factory=dict)
    remarks: dict[str, str] = field(default_factory=dict)
    assigned: dict[str, float] = field(default_factory=dict)
    one_list: bool = False
    lengths: pd.DataFrame | None = None
    doubts: list[str] = field(default_factory=list)


def stem_of(name: str) -> str:
    """Sample in the name of an alignment: its file's name without what aligners and sorters put behind."""
    last = PurePosixPath(name.replace("\\", "/")).name
    return _ENDINGS.sub("", re.sub(r"\.(?:bam|sam|cram)$", "", last))


def bare_columns(names: Sequence[str]) -> tuple[list[str], dict[str, set[str]]]:
    """Names of samples for columns that are called by the paths of alignments, and every other name they go by.

    A column is called by its file; where files are called alike, by the nearest folders whose names all differ.
    """
    parts = [PurePosixPath(n.replace("\\", "/")).parts for n in names]
    choices = [[stem_of(n) for n in names]]
    for depth in range(2, 5):
        choices.append([p[-depth] if len(p) >= depth else "" for p in parts])
    distinct = [c for c in choices if all(c) and len(set(c)) == len(c)]
    chosen = distinct[0] if distinct else list(names)
    aliases: dict[str, set[str]] = {}
    for names_of in [list(names), choices[0], *distinct]:
        for alias, column in zip(names_of, chosen, strict=True):
            if alias:
                aliases.setdefault(alias, set()).add(column)
    return chosen, aliases


def transposed(data: pd.DataFrame, samples: Iterable[str]) -> bool:
    """Whether libraries stand in the rows of a table and genes in its columns."""
    samples = list(samples)
    if any(s in data.columns for s in samples):
        return False
    genes = sum(bool(ENSEMBL.match(str(c))) for c in data.columns)
    return any(s in data.index for s in samples) or genes > len(data.columns) / 2


def sample_of(fact: Mapping[str, object]) -> str:
    """How a library is called in a shared file."""
    return str(fact.get("sample", "")) or str(fact["specimen_id"])


def column_of(counts: Counts, fact: Mapping[str, object]) -> str:
    """Column of a library in a table: its sample, or the only one.

    Raises
    ------
    InputError
        If the table has none, or several that may be meant, or libraries stand in its rows.
    """
    data, path, sample = counts.data, str(fact["path"]), sample_of(fact)
    hits = set(counts.aliases.get(sample, set()))
    if sample in data.columns:
        hits.add(sample)
    if len(hits) == 1:
        return hits.pop()
    if hits:
        raise InputError(
            f"several columns may be library {fact['specimen_id']}: name one by its whole path",
            file=path,
            column="sample",
            value=sample,
            allowed=", ".join(n for n, c in counts.aliases.items() if c & hits and "/" in n),
        )
    alone = data.shape[1] == 1 and sample not in counts.aside
    if alone and (not counts.named or not fact.get("sample")):
        return str(data.columns[0])
    if transposed(data, [sample]):
        raise InputError(TRANSPOSED, file=path, allowed=GENES_IN_ROWS)
    names = list(map(str, data.columns))
    allowed = ", ".join(names[:8]) + (" …" if len(names) > 8 else "")
    if sample in counts.aside:
        message = f"the column of library {fact['specimen_id']} holds {counts.aside[sample]}"
    else:
        message = f"has no column for library {fact['specimen_id']}{nearest(sample, names)}"
    raise InputError(message, file=path, column="sample", value=sample, allowed=allowed)
