"""Count tables of libraries in the formats of the usual counters, each with its own checks. Counts only, never FPKM or logs."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from periomics.bulk.annotation import SYMBOL_COLUMNS, gene_column, set_aside
from periomics.bulk.assigned import shares_elsewhere
from periomics.bulk.columns import GENES_IN_ROWS, TRANSPOSED, Counts, bare_columns, transposed
from periomics.bulk.doubts import doubts_about
from periomics.bulk.names import bare_ids, gene_names, refuse_names, refuse_twice
from periomics.bulk.plausible import refuse_no_estimates, refuse_scaled, totals_among
from periomics.bulk.tables import (
    first_lines,
    is_counter,
    need_columns,
    numbers_in,
    read_table,
    separator_of,
    told_as_input,
    without_header,
)
from periomics.bulk.transcripts import genes_of, mean_lengths, summed
from periomics.core.errors import InputError, nearest
from periomics.study.settings.bulk import BulkCounts

FEATURECOUNTS = ("Geneid", "Chr", "Start", "End", "Strand", "Length")
FORMATS = ("matrix", "featurecounts", "htseq", "star", "rsem", "salmon", "kallisto", "nfcore")
_SERIES = (
    r"series_matrix\.txt$",
    "is GEO's list of samples",
    "the supplementary table of counts",
)
# Files that are told by their names before they are opened: what they are, and what to give in their place.
_REFUSED = (
    (r"\.(?:rds|rdata|rda)$", "is an object of R", "a table of text: write.table(assay(object))"),
    (r"\.(?:xlsx?|ods)$", "is a workbook", "the sheet saved as text, its gene names checked"),
    (r"\.(?:bam|sam|cram|fastq|fq)$", "holds reads, not counts", "the table of a counter"),
    (r"abundance\.h5$", "is kallisto's binary form", "abundance.tsv of the same folder"),
    _SERIES,
    (r"(?:gene|transcript)_(?:tpm|lengths?)\.tsv$", "holds TPM or lengths", "gene_counts.tsv"),
    (r"\.summary$", "is featureCounts' summary", "the table beside it"),
    (r"quant\.bias|cmd_info\.json$", "is no table of counts", "quant.sf"),
)
# Files of one library → the columns of transcripts or genes, reads, and genes within the file.
_QUANTIFIED = {
    "salmon": ("Name", "NumReads", "Salmon table"),
    "kallisto": ("target_id", "est_counts", "kallisto table"),
}
# Effective length and abundance of their rows.
_LENGTHS = {
    "salmon": ("EffectiveLength", "TPM"),
    "kallisto": ("eff_length", "tpm"),
    "rsem": ("effective_length", "TPM"),
}
_NAMES = (
    (r"^quant(?:\.genes)?\.sf$", "salmon"),
    (r"(?:^|[._-])abundance\.tsv$", "kallisto"),
    (r"\.(?:genes|isoforms)\.results$", "rsem"),
    (r"ReadsPerGene\.out\.tab$", "star"),
    (r"merged\.(?:gene|transcript)_counts\w*\.tsv$", "nfcore"),
)
_FOLDER = (
    "quant.genes.sf",
    "quant.sf",
    "quant.sf.gz",
    "abundance.tsv",
    "abundance.tsv.gz",
)
_ONE_COLUMN = "a gene and its count in each row, STAR's table with its four columns, or a header"
_STRANDS = ("unstranded", "forward", "reverse")


@dataclass(frozen=True)
class How:
    """How tables are read: settings, the table of transcripts and genes, and about how many cells at most."""

    settings: BulkCounts = field(default_factory=BulkCounts)
    tx2gene: str = ""
    most_cells: int | None = None


def file_format(path: str | os.PathLike[str], stated: str = "") -> str:
    """Format of a file: as the sheet states it, else by its name and first lines (one of FORMATS)."""
    path = Path(path)
    _refuse_by_name(path)
    if stated:
        if stated not in FORMATS:
            raise InputError(
                f"is no format of bulk counts{nearest(stated, FORMATS)}",
                file=path,
                column="format",
                value=stated,
                allowed=", ".join(FORMATS),
            )
        return stated
    if path.is_dir():
        return "kallisto" if _in_folder(path).name.startswith("abundance") else "salmon"
    name = path.name.removesuffix(".gz")
    for pattern, kind in _NAMES:
        if re.search(pattern, name):
            return kind
    return _by_content(first_lines(path), path)


def _by_content(lines: Sequence[str], path: Path) -> str:
    if not lines:
        return "matrix"
    if re.match(r'"?!(?:Series|Sample|Platform)_', lines[0]):
        _, what, allowed = _SERIES
        raise InputError(f"{what}, which is not read here", file=path, row=1, allowed=allowed)
    head = [c.strip('"') for c in lines[0].split(separator_of(lines[0]))]
    rows = [line.split("\t") for line in lines]
    if head[0] == "Geneid" and "Chr" in head:
        return "featurecounts"
    if {"Name", "NumReads"} <= set(head):
        return "salmon"
    if {"target_id", "est_counts"} <= set(head):
        return "kallisto"
    if "expected_count" in head:
        return "rsem"
    if len(rows[0]) == 4 and rows[0][0].startswith("N_"):
        return "star"
    return "htseq" if len(head) in (2, 3) and without_header(lines) else "matrix"


def _refuse_by_name(path: Path) -> None:
    for pattern, what, allowed in _REFUSED:
        if re.search(pattern, path.name.removesuffix(".gz"), re.IGNORECASE):
            raise InputError(f"{what}, which is not read here", file=path, allowed=allowed)


def _in_folder(path: Path) -> Path:
    """File of counts in the folder of a counter."""
    found = [path / n for n in _FOLDER if (path / n).is_file()]
    if not found:
        inside = sorted(path.iterdir())
        for file in inside:
            _refuse_by_name(file)
        names = ", ".join(p.name for p in inside[:6])
        message = "the folder holds no quant.sf or abundance.tsv"
        raise InputError(message, file=path, value=names, allowed=", ".join(_FOLDER))
    return found[0]


def read_counts(
    path: str | os.PathLike[str],
    kind: str = "",
    most_cells: int | None = None,
    how: How | None = None,
) -> Counts:
    """Read a file of counts.

    Parameters
    ----------
    path
        Matrix (genes × samples, TSV or CSV, gz or plain), or a file or folder as a counter writes it.
    kind
        One of FORMATS; recognised where empty.
    most_cells
        Read only so many rows that the table has about this many cells, for a look at a large file; its end is looked
        for all the same.
    how
        Settings, and the table of transcripts and genes.

    Raises
    ------
    InputError
        Naming file, row, column and value where something is no count, or genes that a spreadsheet turned into dates.
    """
    how = how or How(most_cells=most_cells)
    with told_as_input(Path(path)):
        return _read(Path(path), kind, how)


def _read(path: Path, kind: str, how: How) -> Counts:
    kind = file_format(path, kind)
    if path.is_dir():
        path = _in_folder(path)
        _refuse_by_name(path)
    with told_as_input(path):
        counts = _read_file(path, kind, how)
        doubts = doubts_about(counts.data, path)
    known = {str(c): counts.remarks.get(str(c), "") for c in counts.data.columns}
    remarks = {c: "; ".join(filter(None, (r, *doubts))) for c, r in known.items()}
    return replace(counts, remarks=remarks, doubts=doubts) if doubts else counts


def _read_file(path: Path, kind: str, how: How) -> Counts:
    if kind in _QUANTIFIED:
        return _quantified(path, kind, how)
    if kind == "rsem":
        return _rsem(path, how)
    if kind in ("star", "htseq"):
        headless = kind == "star" or without_header(first_lines(path))
        table = read_table(path, how.most_cells, headless=headless)
        if kind == "star":
            return _star(table, path, how)
        if headless:
            return _htseq(table, path)
        return _matrix(table, path, how)
    table = read_table(path, how.most_cells)
    if kind == "featurecounts":
        return _featurecounts(table, path)
    if kind == "nfcore" and transcript_table(table):
        return _merged_transcripts(table, path, how)
    return _matrix(table, path, how, estimated=kind == "nfcore")


def _featurecounts(table: pd.DataFrame, path: Path) -> Counts:
    need_columns(table, FEATURECOUNTS, "featureCounts table", path)
    rest = table.drop(columns=list(FEATURECOUNTS))
    aside = set_aside(rest)
    samples = rest.drop(columns=list(aside))
    if not samples.shape[1]:
        raise InputError("holds no column of counts behind Length", file=path, row=1)
    samples.columns, aliases = bare_columns([str(c) for c in samples.columns])
    genes, own = bare_ids(table["Geneid"])
    out = _counts(genes, samples, path)
    out.aliases, out.aside, out.symbols = aliases, aside, own | _symbols(genes, rest)
    refuse_scaled(out.data, path)
    return out


def _matrix(table: pd.DataFrame, path: Path, how: How, estimated: bool = False) -> Counts:
    first = gene_column(table, path)
    genes, own = bare_ids(table[first])
    rest = table.drop(columns=[first])
    aside = set_aside(rest, whole=not estimated)
    samples = rest.drop(columns=list(aside))
    if transposed(samples, []):
        raise InputError(TRANSPOSED, file=path, allowed=GENES_IN_ROWS)
    if not samples.shape[1]:
        said = [f"{c}: {aside.get(str(c), 'genes')}" for c in table.columns[:4]]
        message = f"holds no column of counts ({'; '.join(said)})"
        raise InputError(message, file=path, row=1, value=", ".join(map(str, table.columns[:8])))
    aliases: dict[str, set[str]] = {}
    if any(re.search(r"[/\\]|\.(?:bam|sam|cram)$", str(c)) for c in samples.columns):
        samples = samples.copy()
        samples.columns, aliases = bare_columns([str(c) for c in samples.columns])
    if estimated:
        numbers = {c: numbers_in(samples[c], str(c), path, True) for c in samples.columns}
        refuse_no_estimates(pd.DataFrame(numbers), path, "scaled" in path.name)
    out = _counts(genes, samples, path, estimated)
    out.aliases, out.aside = aliases, aside
    out.symbols = own | _symbols(genes, rest)
    if aside:
        named = ", ".join(f"{c} ({what})" for c, what in aside.items())
        out.notes.append(f"{path.name}: columns that are no libraries: {named}")
    if not estimated:
        refuse_scaled(out.data, path)
    elif "scaled" in path.name:
        told = f"{path.name}: counts were made from abundances, scaled to library sizes"
        out.notes.append(told)
    return out


def _symbols(genes: pd.Series, rest: pd.DataFrame) -> dict[str, str]:
    names = [c for c in rest.columns if str(c).casefold() in SYMBOL_COLUMNS]
    pairs = zip(genes, rest[names[0]], strict=True) if names else ()
    return {str(g): s for g, s in pairs if s and s != "NA"}


def transcript_table(table: pd.DataFrame) -> bool:
    """Whether a merged table holds transcripts, with their genes beside them."""
    return str(table.columns[0]) in ("tx", "transcript_id")


def _merged_transcripts(table: pd.DataFrame, path: Path, how: How) -> Counts:
    need_columns(table, ("gene_id",), "merged table of transcripts", path)
    rest = table.drop(columns=[table.columns[0], "gene_id"])
    aside = set_aside(rest, whole=False)
    samples = rest.drop(columns=list(aside))
    reads = pd.DataFrame({c: numbers_in(samples[c], str(c), path, True) for c in samples.columns})
    reads.index = pd.Index(table.iloc[:, 0])
    most = how.settings.max_unmapped
    data, notes = summed(reads, list(table["gene_id"]), "by its column gene_id", path, most)
    refuse_no_estimates(data, path, "scaled" in path.name)
    return _rounded(data, path, notes)


def _htseq(table: pd.DataFrame, path: Path) -> Counts:
    if table.shape[1] not in (2, 3):
        message = f"is no table of HTSeq: {table.shape[1]} columns and no header"
        raise InputError(message, file=path, allowed="a gene and its count in each row")
    last = table.columns[-1]
    if table.shape[1] == 3 and table["1"].str.fullmatch(r"\d+").all():
        row, value = int(table.index[0]), ", ".join(table.iloc[0])
        message = "two columns of numbers and no header: which of them holds the counts?"
        raise InputError(message, file=path, row=row, value=value, allowed=_ONE_COLUMN)
    out = _counts(table["0"], table[[last]].rename(columns={last: "count"}), path)
    if table.shape[1] == 3:
        out.symbols = {g: s for g, s in zip(table["0"], table["1"], strict=True) if s}
    out.named, out.one_list = False, True
    refuse_scaled(out.data, path)
    return out


def _star(table: pd.DataFrame, path: Path, how: How) -> Counts:
    if table.shape[1] != 4:
        message = f"is no ReadsPerGene table of STAR: {table.shape[1]} columns"
        allowed = "gene, unstranded, forward and reverse counts, without a header"
        raise InputError(message, file=path, row=1, value=table.iloc[0, 0], allowed=allowed)
    table = table.set_axis(["gene_id", *_STRANDS], axis=1)
    out = _counts(table["gene_id"], table[list(_STRANDS)], path)
    chosen, said = choose_strand(out.data, how.settings.strand, path)
    out.data = out.data[[chosen]].rename(columns={chosen: "count"})
    out.notes.append(f"{path.name}: {said}")
    remarks = [r for r in (said, out.remarks.get(chosen)) if r]
    out.remarks = {"count": "; ".join(remarks)}
    out.assigned = {"count": a} if (a := out.assigned.get(chosen)) is not None else {}
    out.named, out.one_list = False, True
    return out


def choose_strand(data: pd.DataFrame, stated: str, path: object) -> tuple[str, str]:
    """Column of STAR's table by the shares of its stranded reads, and what to say about it.

    Raises
    ------
    InputError
        If the shares are those of neither a stranded nor an unstranded library and no setting says which.
    """
    sums = data.sum()
    both = float(sums["forward"] + sums["reverse"])
    share = float(sums["forward"]) / both if both else 0.5
    if stated == "auto":
        chosen = "forward" if share >= 0.8 else "reverse" if share <= 0.2 else "unstranded"
        if chosen == "unstranded" and abs(share - 0.5) > 0.15:
            raise InputError(
                f"{100 * share:.0f} % of the stranded reads are forward: neither stranded (from 80 % "
                "or up to 20 %) nor unstranded (35 to 65 %)",
                file=path,
                allowed=f"config bulk/counts/strand: {', '.join(_STRANDS)}",
            )
        why = f"{100 * share:.0f} % of the stranded reads are forward"
    elif both and {"forward": share, "reverse": 1 - share}.get(stated, 1.0) <= 0.2:
        raise InputError(
            f"{100 * share:.0f} % of the stranded reads are forward: the configured column holds the "
            "reads of the other strand",
            file=path,
            column="bulk/counts/strand",
            value=stated,
            allowed=f"auto, or one of {', '.join(_STRANDS)} that fits",
        )
    else:
        chosen, why = (
            stated,
            f"as configured; {100 * share:.0f} % of the stranded reads are forward",
        )
    number = _STRANDS.index(chosen) + 2
    return chosen, f"column {number} ({chosen}) of STAR's table was taken: {why}"


def _quantified(path: Path, kind: str, how: How) -> Counts:
    """Salmon's and kallisto's tables of one library, summed to genes unless they are of genes."""
    name, reads, what = _QUANTIFIED[kind]
    table = read_table(path, how.most_cells)
    need_columns(table, (name, reads), what, path)
    numbers = numbers_in(table[reads], reads, path, True)
    key = gene_names(table[name], path)
    refuse_twice(key, path)
    frame = pd.DataFrame({reads: numbers.to_numpy()}, index=pd.Index(key, name="gene_id"))
    notes: list[str] = []
    of: list[str | None] = list(frame.index)
    if not path.name.startswith("quant.genes.sf"):
        of, by = genes_of(list(frame.index), how.tx2gene, path)
        frame, notes = summed(frame, of, by, path, how.settings.max_unmapped)
    out = _rounded(frame, path, [f"{path.name}: {n}" for n in notes])
    out.lengths = _lengths_of(table, kind, of, path)
    out.named, out.one_list = False, True
    return out


def _rsem(path: Path, how: How) -> Counts:
    table = read_table(path, how.most_cells)
    needed = ("gene_id", "expected_count")
    need_columns(table, needed, "table of RSEM", path)
    reads = numbers_in(table["expected_count"], "expected_count", path, True)
    isoforms = str(table.columns[0]) == "transcript_id"
    key = gene_names(table[table.columns[0]], path)
    refuse_twice(key, path)
    frame = pd.DataFrame({"expected_count": reads.to_numpy()}, index=pd.Index(key, name="gene_id"))
    notes: list[str] = []
    of = list(table["gene_id"]) if isoforms else list(frame.index)
    if isoforms:
        most = how.settings.max_unmapped
        frame, notes = summed(frame, of, "by its column gene_id", path, most)
    out = _rounded(frame, path, [f"{path.name}: {n}" for n in notes])
    out.lengths = _lengths_of(table, "rsem", of, path)
    bare, own = bare_ids(pd.Series(out.data.index, name="gene_id"))
    if own:
        out.symbols, out.data.index = own, pd.Index(bare, name="gene_id")
        if out.lengths is not None:
            out.lengths.index = out.data.index
        refuse_names(bare, path, rows=False)
    out.named, out.one_list = False, True
    return out


def _lengths_of(
    table: pd.DataFrame, kind: str, genes: Sequence[str | None], path: Path
) -> pd.DataFrame | None:
    """Mean transcript lengths of a library's genes, under the name of its counts; None where the file has no such columns."""
    length, abundance = _LENGTHS[kind]
    if not {length, abundance} <= set(table.columns):
        return None
    values = [numbers_in(table[c], c, path, True) for c in (length, abundance)]
    name = "expected_count" if kind == "rsem" else _QUANTIFIED[kind][1]
    return mean_lengths(values[0], values[1], genes).where(lambda v: v > 0).to_frame(name)


def _rounded(data: pd.DataFrame, path: Path, notes: Sequence[str] = ()) -> Counts:
    """Estimated counts as whole numbers."""
    refuse_names(pd.Series(data.index, name="gene_id"), path, rows=False)
    whole = np.rint(data).astype(np.int64)
    change = float(np.abs(whole.sum() - data.sum()).max())
    said = (
        f"{path.name}: estimated counts were rounded (the sum of a library changes by {change:.1f} "
        f"of {data.sum().max():.0f} reads)"
    )
    return Counts(whole, notes=[*notes, said])


def _counts(genes: pd.Series, samples: pd.DataFrame, path: Path, estimated: bool = False) -> Counts:
    """Counts of genes; rows of counters are dropped, and said."""
    genes = gene_names(genes, path)
    counters = genes.map(is_counter).to_numpy(bool)
    rows, notes = samples.loc[counters].set_axis(genes[counters]), []
    if counters.any():
        reads = pd.to_numeric(rows.iloc[:, 0], errors="coerce").sum()
        named = ", ".join(genes[counters])
        notes.append(
            f"{path.name}: rows that are no genes: {named} ({reads:.0f} in the first column)"
        )
        genes, samples = genes[~counters], samples.loc[~counters]
    if not len(genes):
        raise InputError("holds no gene", file=path)
    refuse_names(genes, path)
    data = {str(c): numbers_in(samples[c], str(c), path, estimated) for c in samples.columns}
    frame = pd.DataFrame({c: v.to_numpy() for c, v in data.items()})
    frame.index = pd.Index(genes, name="gene_id")
    sums = totals_among(frame)
    if sums.any():
        named = ", ".join(map(str, frame.index[sums]))
        notes.append(f"{path.name}: a row that is the sum of all others was left out: {named}")
        frame = frame[~sums]
    if estimated:
        return _rounded(frame, path, notes)
    told = shares_elsewhere(frame.sum(), rows)
    return Counts(
        frame.astype(np.int64),
        notes=notes,
        assigned={c: share for c, (share, _) in told.items()},
        remarks={c: words for c, (_, words) in told.items()},
    )
