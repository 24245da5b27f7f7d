"""Counts of all libraries of a study in one table: which genes the files share, and what had to be said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from periomics.bulk.columns import ONE_LIBRARY, Counts, column_of
from periomics.bulk.plausible import refuse_equal_totals
from periomics.bulk.readers import How, read_counts
from periomics.bulk.transcripts import unversioned
from periomics.core.errors import InputError
from periomics.genes.kinds import refuse_other_species


def collect(facts: Sequence[Mapping[str, object]], how: How | None = None) -> Counts:
    """Counts of all libraries of a sheet, genes × specimen_id.

    Parameters
    ----------
    facts
        Rows of the libraries sheet: specimen_id, path, format, species, sample (column of a shared file; specimen_id where
        empty, or the only column).
    how
        Settings, and the table of transcripts and genes.

    Raises
    ------
    InputError
        If a file lacks the library's column or is of another species, or files share too few genes.
    """
    return joined(read_all(facts, how or How()))


@dataclass
class Read:
    """Files that were read, by path and format, and the library of every row of the sheet in them."""

    facts: Sequence[Mapping[str, object]]
    how: How
    files: dict[tuple[str, str], Counts] = field(default_factory=dict)
    columns: dict[str, pd.Series] = field(default_factory=dict)
    remarks: dict[str, str] = field(default_factory=dict)


def read_all(facts: Sequence[Mapping[str, object]], how: How) -> Read:
    """Every file once, and every library's column in its file; refuses what is wrong with a file by itself."""
    read = Read(facts, how)
    taken: dict[tuple[str, str, str], str] = {}
    for fact in facts:
        key = (str(fact["path"]), str(fact.get("format", "")))
        if key not in read.files:
            read.files[key] = read_counts(*key, how=how)
        file = read.files[key]
        check_species(file, fact, how)
        column, library = column_of(file, fact), str(fact["specimen_id"])
        before = taken.setdefault((*key, column), library)
        if before != library:
            raise InputError(ONE_LIBRARY, file=key[0], column="path", value=f"{before}, {library}")
        read.columns[library] = file.data[column]
        read.remarks |= {library: r} if (r := file.remarks.get(column)) else {}
    return read


def joined(read: Read) -> Counts:
    """Counts of all libraries in one table; refuses what is wrong with files beside each other."""
    files, paths = list(read.files.values()), [k[0] for k in read.files]
    _refuse_cut(read.files)
    names, said = common_names([f.data.index for f in files])
    symbols = {
        new: f.symbols[old]
        for f, index in zip(files, names, strict=True)
        for old, new in zip(f.data.index, index, strict=True)
        if old in f.symbols
    }
    data, lacking = _one_table(read, dict(zip(read.files, names, strict=True)))
    notes = [n for f in files for n in f.notes]
    notes += said + _shared(data, lacking, names, paths, read.how.settings.min_shared)
    strands = {r.split(" of ")[0] for r in read.remarks.values()}
    if len(strands) > 1:
        notes.append(f"libraries differ in the strand that was taken: {'; '.join(sorted(strands))}")
    data = data[~lacking].astype(np.int64)
    if len(files) > 1:
        refuse_equal_totals(data, "; ".join(sorted(set(paths))[:3]))
    return Counts(data, symbols, notes, remarks=read.remarks)


def check_species(counts: Counts, fact: Mapping[str, object], how: How) -> None:
    """Refuse a file whose genes are of another species than its library; by ids, and by symbols where the file states them."""
    species, least = str(fact.get("species", "")), how.settings.min_own_species
    co_culture = str(fact.get("co_culture", ""))
    for names in (counts.data.index, counts.symbols.values()) if species else ():
        genes = [str(g) for g in names]
        refuse_other_species(genes, species, least, fact["path"], co_culture)


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


def _one_table(
    read: Read, names: Mapping[tuple[str, str], pd.Index]
) -> tuple[pd.DataFrame, pd.Series]:
    """Counts of every gene that a file names, and which genes some file lacks."""
    renamed = {}
    for fact in read.facts:
        library = str(fact["specimen_id"])
        key = (str(fact["path"]), str(fact.get("format", "")))
        renamed[library] = read.columns[library].set_axis(names[key])
    genes = sorted(set().union(*(c.index for c in renamed.values())))
    data = pd.DataFrame(
        {s: c.reindex(genes) for s, c in renamed.items()}, index=pd.Index(genes, name="gene_id")
    )
    return data, data.isna().any(axis=1)


def _shared(
    data: pd.DataFrame,
    lacking: pd.Series,
    names: Sequence[pd.Index],
    paths: Sequence[str],
    least: float,
) -> list[str]:
    """What to say about genes that not every file has; too few common ones are refused."""
    if not lacking.any():
        return []
    common = int((~lacking).sum())
    largest = max(len(i) for i in names)
    if not common:
        raise InputError(
            "the files name no gene in common: are the gene ids of one kind?",
            file="; ".join(sorted(set(paths))),
        )
    if common < least * largest:
        sizes = [(len(set(i) & set(names[0])), p) for i, p in zip(names, paths, strict=True)]
        raise InputError(
            f"the files share {100 * common / largest:.0f} % of the genes of the largest, {common} of "
            f"{largest}: are they of one annotation and kind of id?",
            file=min(sizes)[1],
            value=str(data.index[lacking][0]),
            allowed=f"{100 * least:g} % (bulk/counts/min_shared)",
        )
    lost = data[lacking].sum() / data.sum().where(lambda s: s > 0, 1)
    return [
        f"{int(lacking.sum())} genes that not every file has were left out, with "
        f"{100 * lost.max():.2g} % of a library's reads at most ({lost.idxmax()})"
    ]


def _refuse_cut(files: Mapping[tuple[str, str], Counts]) -> None:
    """Refuse a file whose list of genes ends where another of its format goes on: counters list every gene of an annotation."""
    ordered = sorted(
        ((len(c.data), k[0], c.data.index) for k, c in files.items() if c.one_list),
        key=lambda x: (-x[0], x[1]),
    )
    for (_, _, longer), (number, path, shorter) in pairwise(ordered):
        if number < len(longer) and shorter.equals(longer[:number]):
            raise InputError(
                f"ends after {number} genes, where others of its kind have {len(longer)}: was the "
                "file cut off?",
                file=path,
                value=str(shorter[-1]),
                allowed=f"the list of genes that {Path(ordered[0][1]).name} has",
            )
