"""Counts of all libraries of a study in one table: which genes the files share, and what had to be said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from periomics.bulk.columns import ONE_LIBRARY, Counts, column_of
from periomics.bulk.length_tables import lengths_of, with_lengths
from periomics.bulk.parts import part_of
from periomics.bulk.plausible import refuse_equal_totals
from periomics.bulk.readers import How, file_format, read_counts
from periomics.core.errors import InputError
from periomics.genes.combined import COMBINED, is_combined
from periomics.genes.kinds import refuse_other_species, refuse_two_species
from periomics.genes.symbols import common_names

# As the ERCC's 92 are called in every annotation.
SPIKE = r"ERCC-\d{5}"


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


Key = tuple[str, str, str, str, str]


def _key(fact: Mapping[str, object]) -> Key:
    """Path, format, species, table of lengths and reference: the part of a file that a library is a column of."""
    rest = ("format", "species", "lengths", "reference")
    form, species, beside, reference = (str(fact.get(k) or "") for k in rest)
    return str(fact["path"]), form, species, beside, reference


@dataclass
class Read:
    """Files that were read, by `_key`, and the library of every row of the sheet in them."""

    facts: Sequence[Mapping[str, object]]
    how: How
    files: dict[Key, Counts] = field(default_factory=dict)
    columns: dict[str, pd.Series] = field(default_factory=dict)
    lengths: dict[str, pd.Series] = field(default_factory=dict)
    remarks: dict[str, str] = field(default_factory=dict)
    assigned: dict[str, float] = field(default_factory=dict)


def read_all(facts: Sequence[Mapping[str, object]], how: How) -> Read:
    """Every file once, and every library's column in its file; refuses what is wrong with a file by itself."""
    read = Read(facts, how)
    whole: dict[tuple[str, str], Counts] = {}
    taken: dict[tuple[str, ...], str] = {}
    for fact in facts:
        path, form, species, beside, _ = key = _key(fact)
        if (path, form) not in whole:
            whole[path, form] = read_counts(path, form, how=how)
        if key not in read.files:
            check_species(whole[path, form], fact, how)
            file = whole[path, form]
            if beside:
                file = with_lengths(file, file_format(path, form), Path(path), Path(beside))
            read.files[key] = part_of(file, fact)
        file = read.files[key]
        column, library = column_of(file, fact), str(fact["specimen_id"])
        before = taken.setdefault((path, form, species, column), library)
        if before != library:
            same = [str(f["specimen_id"]) for f in facts if str(f["path"]) == path]
            value = ", ".join(same[:8]) + (" …" if len(same) > 8 else "")
            raise InputError(ONE_LIBRARY, file=path, column="path", value=value)
        read.columns[library] = file.data[column]
        if (lengths := lengths_of(file, column, fact)) is not None:
            read.lengths[library] = lengths
        read.remarks |= {library: r} if (r := file.remarks.get(column)) else {}
        read.assigned |= {library: file.assigned[column]} if column in file.assigned else {}
    return read


def joined(read: Read) -> Counts:
    """Counts of all libraries in one table; refuses what is wrong with files of a species beside each other.

    Genes are those of every species of the study; libraries of another species have no number for them.
    """
    every = sorted({k[2] for k in read.files})
    found = [_joined_of(read, species) for species in every]
    data = pd.concat([c.data for c in found], axis=1).rename_axis("gene_id").sort_index()
    data = data[[str(f["specimen_id"]) for f in read.facts]]
    if len(found) > 1:
        data = data.astype("Int64")
    symbols = {g: s for c in found for g, s in c.symbols.items()}
    notes = list(dict.fromkeys(n for c in found for n in c.notes))
    strands = {r.split(" of ")[0] for r in read.remarks.values() if "STAR" in r}
    if len(strands) > 1:
        notes.append(f"libraries differ in the strand that was taken: {'; '.join(sorted(strands))}")
    known = [c.lengths for c in found if c.lengths is not None]
    lengths = pd.concat(known, axis=1).rename_axis("gene_id").sort_index() if known else None
    return Counts(
        data, symbols, notes, lengths=lengths, remarks=read.remarks, assigned=read.assigned
    )


def _joined_of(read: Read, species: str) -> Counts:
    """Counts of the libraries of one species."""
    facts = [f for f in read.facts if _key(f)[2] == species]
    keyed = {k: c for k, c in read.files.items() if k[2] == species}
    files, paths = list(keyed.values()), [k[0] for k in keyed]
    _refuse_cut(keyed)
    names, said = common_names([f.data.index for f in files])
    symbols = {
        new: f.symbols[old]
        for f, index in zip(files, names, strict=True)
        for old, new in zip(f.data.index, index, strict=True)
        if old in f.symbols
    }
    named = dict(zip(keyed, names, strict=True))
    data, lacking = _one_table(read, facts, named)
    notes = [n for f in files for n in f.notes]
    notes += said + _shared(data, lacking, names, paths, read.how.settings.min_shared)
    data, spiked = without_spikes(data[~lacking].astype(np.int64))
    notes += spiked
    if len(files) > 1:
        refuse_equal_totals(data, "; ".join(sorted(set(paths))[:3]))
    lengths, told = _lengths(read, facts, named, data)
    return Counts(data, symbols, [*notes, *told], lengths=lengths)


def without_spikes(data: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Counts without spiked-in RNA of the ERCC, and what to say: how much was added says nothing of
    the cells."""
    spikes = data.index.str.fullmatch(SPIKE)
    if not spikes.any():
        return data, []
    share = data[spikes].sum() / data.sum().where(lambda s: s > 0, 1)
    said = (
        f"{int(spikes.sum())} spiked-in RNAs (ERCC) are no genes and were left out, with "
        f"{100 * share.max():.2g} % of a library's reads at most ({share.idxmax()})"
    )
    return data[~spikes], [said]


def check_species(counts: Counts, fact: Mapping[str, object], how: How) -> None:
    """Refuse a file whose genes are of another species than its library, or of two where the sheet does not say so.

    By ids, and by symbols where the file states them.
    """
    species, least = str(fact.get("species", "")), how.settings.min_own_species
    if not species or is_combined(fact):
        return
    for names in (counts.data.index, counts.symbols.values()):
        genes = [str(g) for g in names]
        refuse_two_species(genes, species, fact["path"], COMBINED)
        refuse_other_species(genes, species, least, fact["path"])


def _one_table(
    read: Read, facts: Sequence[Mapping[str, object]], names: Mapping[Key, pd.Index]
) -> tuple[pd.DataFrame, pd.Series]:
    """Counts of every gene that a file names, and which genes some file lacks."""
    renamed = {}
    for fact in facts:
        library = str(fact["specimen_id"])
        renamed[library] = read.columns[library].set_axis(names[_key(fact)])
    genes = sorted(set().union(*(c.index for c in renamed.values())))
    data = pd.DataFrame(
        {s: c.reindex(genes) for s, c in renamed.items()}, index=pd.Index(genes, name="gene_id")
    )
    return data, data.isna().any(axis=1)


def _lengths(
    read: Read,
    facts: Sequence[Mapping[str, object]],
    names: Mapping[Key, pd.Index],
    data: pd.DataFrame,
) -> tuple[pd.DataFrame | None, list[str]]:
    """Mean transcript lengths of the joined genes, and what to say; None where files or settings leave them out.

    A gene without reads in a library has there the geometric mean of its other libraries; one without any has no length, and 1
    stands for it in all of them.
    """
    if not any(s in read.lengths for s in data.columns):
        return None, []
    without = [s for s in data.columns if s not in read.lengths]
    if without or read.how.settings.lengths == "ignored":
        why = f"{', '.join(without[:5])} have none" if without else "as bulk/counts/lengths says"
        return None, [f"transcript lengths are not used: {why}"]
    aligned = {}
    for fact in facts:
        library = str(fact["specimen_id"])
        file = read.files[key := _key(fact)]
        renamed = dict(zip(file.data.index, names[key], strict=True))
        aligned[library] = read.lengths[library].rename(index=renamed).reindex(data.index)
    logs = np.log(pd.DataFrame(aligned)[list(data.columns)])
    lengths = np.exp(logs.T.fillna(logs.mean(axis=1)).T).fillna(1.0)
    said = "mean transcript lengths of every gene and library enter the model as offsets"
    return lengths.rename_axis("gene_id"), [said]


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


def _refuse_cut(files: Mapping[Key, Counts]) -> None:
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
