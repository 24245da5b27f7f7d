"""Count tables of libraries: gene matrices, featureCounts and Salmon, each with its own checks. Counts only, never FPKM or logs."""

from __future__ import annotations

import csv
import gzip
import io
import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd

from periomics.core.errors import InputError, nearest
from periomics.genes.dates import dates_among
from periomics.genes.symbols import ENSEMBL

FEATURECOUNTS = ("Geneid", "Chr", "Start", "End", "Strand", "Length")
GENE_COLUMNS = (
    "gene_id",
    "gene",
    "geneid",
    "ensgene",
    "ensembl",
    "ensembl_gene_id",
    "id",
    "symbol",
    "genes",
    "name",
    "",
)
TRANSPOSED = "libraries stand in rows and genes in columns"
GENES_IN_ROWS = "one row per gene, one column per library"
SYMBOL_COLUMNS = ("symbol", "gene_name", "gene_symbol", "external_gene_name")


@dataclass
class Counts:
    """Counts (genes × samples, integers), symbols where the file states them, and what had to be said about reading it."""

    data: pd.DataFrame
    symbols: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def file_format(path: str | os.PathLike[str], stated: str = "") -> str:
    """Format of a file: as the sheet states it, else by its name and first line (salmon, featurecounts, matrix)."""
    if stated:
        return stated
    path = Path(path)
    if path.is_dir() or path.name.startswith("quant.sf") or path.name.startswith("quant.genes.sf"):
        return "salmon"
    first = [line for line in _head(path) if not line.startswith("#")]
    return "featurecounts" if first and first[0].split("\t")[0] == "Geneid" else "matrix"


def _open(path: Path):
    return (
        gzip.open(path, "rt", encoding="utf-8-sig")
        if path.suffix == ".gz"
        else path.open("rt", encoding="utf-8-sig")
    )


def _head(path: Path) -> list[str]:
    with _open(path) as handle:
        return [line.rstrip("\n") for _, line in zip(range(5), handle, strict=False)]


def read_counts(
    path: str | os.PathLike[str], kind: str = "", most_cells: int | None = None
) -> Counts:
    """Read a file of counts.

    Parameters
    ----------
    path
        Matrix (genes × samples, TSV or CSV, gz or plain), featureCounts table, or Salmon quant.sf (file or its folder).
    kind
        matrix, featurecounts or salmon; recognised where empty.
    most_cells
        Read only so many rows that the table has about this many cells, for a look at a large file; its end is looked
        for all the same.

    Raises
    ------
    InputError
        Naming file, row, column and value where something is no count, or genes that a spreadsheet turned into dates.
    """
    try:
        return _read(path, kind, most_cells)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"file is cut off or damaged ({error})", file=path) from error
    except UnicodeDecodeError as error:
        raise InputError(f"is no text: byte {error.start} is not UTF-8", file=path) from error
    except (csv.Error, pd.errors.ParserError) as error:
        message = f"rows are of different lengths: {' '.join(str(error).split())}"
        raise InputError(message, file=path) from error


def _read(path: str | os.PathLike[str], kind: str, most_cells: int | None) -> Counts:
    kind = file_format(path, kind)
    if kind == "salmon":
        return _salmon(Path(path), most_cells)
    table = _table(Path(path), most_cells)
    if kind == "featurecounts":
        missing = [c for c in FEATURECOUNTS if c not in table.columns]
        if missing:
            raise InputError(f"is no featureCounts table: lacks columns {missing}", file=path)
        rest = table.drop(columns=list(FEATURECOUNTS))
        names = [c for c in rest.columns if c.casefold() in SYMBOL_COLUMNS]
        rest.columns = [c if c in names else _bare(c) for c in rest.columns]
        return _counts(table["Geneid"], rest, names, path)
    if kind != "matrix":
        raise InputError(
            "is no format of bulk counts",
            file=path,
            column="format",
            value=kind,
            allowed="matrix, featurecounts, salmon",
        )
    first = table.columns[0]
    names = [c for c in table.columns[1:] if c.casefold() in SYMBOL_COLUMNS]
    return _counts(table[first], table.drop(columns=[first]), names, path)


def _bare(name: str) -> str:
    """Sample of a featureCounts column, which is named by the path of its alignment."""
    return (
        Path(name)
        .name.removesuffix(".bam")
        .removesuffix(".sam")
        .removesuffix(".Aligned.sortedByCoord.out")
        .removesuffix(".sorted")
    )


def _lines(path: Path, most_cells: int | None) -> tuple[str, int]:
    """Text of a table without comments, up to about so many cells, and the number of lines before its header."""
    with _open(path) as handle:
        above, head = 0, next(handle, "")
        while head.startswith("#"):
            above, head = above + 1, next(handle, "")
        fields = 1 + max(head.count(c) for c in "\t,;")
        most = None if most_cells is None else max(1000, most_cells // fields)
        body = [line for line in islice(handle, most) if not line.startswith("#")]
        while most is not None and handle.read(1 << 20):
            pass  # a file that was cut off shows at its end only
    return head + "".join(body), above


def _table(path: Path, most_cells: int | None = None) -> pd.DataFrame:
    """Cells as text, indexed by the row of the file."""
    text, above = _lines(path, most_cells)
    if not text.strip():
        raise InputError("the file is empty", file=path)
    head = text.split("\n", 1)[0]
    separator = max("\t,;", key=head.count)
    if head.count(separator) == 0:
        raise InputError(
            "columns are separated by neither tab, comma nor semicolon",
            file=path,
            row=1,
            value=head[:40],
        )
    # R writes no name above the row names; the header then has one field fewer than the rows.
    rows = csv.reader(
        io.StringIO(text.split("\n", 2)[1] if "\n" in text else ""), delimiter=separator
    )
    header = next(csv.reader([head], delimiter=separator))
    if len(next(rows, [])) == len(header) + 1:
        header = ["", *header]
    df = pd.read_csv(
        io.StringIO(text), sep=separator, skiprows=1, header=None, dtype=str, keep_default_na=False
    )
    if df.shape[1] != len(header):
        raise InputError(
            f"{len(header)} columns in the header, {df.shape[1]} in the rows", file=path
        )
    if _no_header(header, df[0]):
        allowed = "a line above that names the columns"
        message = "has no header: its first line holds counts"
        raise InputError(message, file=path, row=above + 1, value=header[0], allowed=allowed)
    twice = sorted({h for h in header if header.count(h) > 1})
    if twice:
        raise InputError("two columns have the same name", file=path, column=twice[0])
    df.columns = header
    df.index = pd.RangeIndex(above + 2, above + 2 + len(df))
    return df


def _no_header(header: Sequence[str], genes: pd.Series) -> bool:
    """Whether the first line is a gene with its counts (HTSeq, STAR); samples may be called by numbers."""
    if not all(h.isdigit() for h in header[1:]):
        return False
    counters = genes.str.startswith(("__", "N_")).any() or header[0].startswith(("__", "N_"))
    return bool(ENSEMBL.match(header[0])) or bool(counters)


def _counts(genes: pd.Series, samples: pd.DataFrame, names: Sequence[str], path: object) -> Counts:
    genes = genes.astype(str)
    dates = dates_among(list(genes))
    if dates:
        raise InputError(
            f"{len(dates)} gene names are dates: a spreadsheet program has changed them",
            file=path,
            row=int(genes.index[genes == dates[0]][0]),
            column=str(genes.name),
            value=", ".join(dates[:5]),
            allowed="gene ids, or symbols as they were before (1-Mar may be MARCH1 or MARC1)",
        )
    if genes.duplicated().any():
        row = int(genes.duplicated().to_numpy().argmax())
        raise InputError(
            "gene stands twice", file=path, row=genes.index[row], value=genes.iloc[row]
        )
    symbols = dict(zip(genes, samples[names[0]], strict=True)) if names else {}
    data = {}
    for column in samples.columns.difference(list(names), sort=False):
        data[column] = _integers(samples[column], str(column), path)
    return Counts(
        pd.DataFrame(data, index=pd.Index(genes, name="gene_id")),
        {g: s for g, s in symbols.items() if s},
    )


def _integers(cells: pd.Series, column: str, path: object) -> np.ndarray:
    numbers = pd.to_numeric(cells, errors="coerce").to_numpy(float)
    bad = ~np.isfinite(numbers)
    if bad.any():
        row = int(bad.argmax())
        raise InputError(
            "is no count",
            file=path,
            row=cells.index[row],
            column=column,
            value=cells.iloc[row],
            allowed="whole numbers from 0",
        )
    if (numbers < 0).any():
        row = int((numbers < 0).argmax())
        raise InputError(
            "is negative: counts are needed, not logarithms or ratios",
            file=path,
            row=cells.index[row],
            column=column,
            value=cells.iloc[row],
        )
    broken = numbers != np.rint(numbers)
    if broken.any():
        row = int(broken.argmax())
        raise InputError(
            f"{100 * broken.mean():.0f} % of the values are not whole: counts are needed, not FPKM, TPM or logarithms",
            file=path,
            row=cells.index[row],
            column=column,
            value=cells.iloc[row],
            allowed="whole numbers from 0; estimated counts as Salmon's quant.sf",
        )
    return numbers.astype(np.int64)


def _salmon(path: Path, most_cells: int | None = None) -> Counts:
    file = path
    if path.is_dir():
        found = [
            path / n for n in ("quant.genes.sf", "quant.sf", "quant.sf.gz") if (path / n).is_file()
        ]
        if not found:
            raise InputError("the folder holds no quant.sf", file=path)
        file = found[0]
    table = _table(file, most_cells)
    missing = [c for c in ("Name", "NumReads") if c not in table.columns]
    if missing:
        raise InputError(f"is no Salmon table: lacks columns {missing}", file=file)
    reads = pd.to_numeric(table["NumReads"], errors="coerce").to_numpy(float)
    bad = ~(np.isfinite(reads) & (reads >= 0))
    if bad.any():
        row = int(bad.argmax())
        raise InputError(
            "is no number of reads",
            file=file,
            row=table.index[row],
            column="NumReads",
            value=table["NumReads"].iloc[row],
        )
    data = pd.DataFrame(
        {"NumReads": np.rint(reads).astype(np.int64)}, index=pd.Index(table["Name"], name="gene_id")
    )
    if data.index.duplicated().any():
        raise InputError(
            "gene stands twice",
            file=file,
            column="Name",
            value=data.index[data.index.duplicated()][0],
        )
    change = abs(float(data["NumReads"].sum()) - reads.sum())
    note = f"{file.name}: estimated counts were rounded (the sum changes by {change:.1f} of {reads.sum():.0f} reads)"
    return Counts(data, notes=[note])


def transposed(data: pd.DataFrame, samples: Sequence[str]) -> bool:
    """Whether libraries stand in the rows of a table and genes in its columns."""
    if any(s in data.columns for s in samples):
        return False
    genes = sum(bool(ENSEMBL.match(str(c))) for c in data.columns)
    return any(s in data.index for s in samples) or genes > len(data.columns) / 2


def sample_of(fact: Mapping[str, object]) -> str:
    """How a library is called in a shared file."""
    return str(fact.get("sample", "")) or str(fact["specimen_id"])


def column_of(data: pd.DataFrame, fact: Mapping[str, object]) -> str:
    """Column of a library in a table: its sample, or the only one.

    Raises
    ------
    InputError
        If the table has none, or libraries stand in its rows.
    """
    path, sample = str(fact["path"]), sample_of(fact)
    if sample in data.columns:
        return sample
    if transposed(data, [sample]):
        raise InputError(TRANSPOSED, file=path, allowed=GENES_IN_ROWS)
    if data.shape[1] == 1:
        return str(data.columns[0])
    raise InputError(
        f"has no column for library {fact['specimen_id']}{nearest(sample, data.columns)}",
        file=path,
        column="sample",
        value=sample,
        allowed=", ".join(map(str, data.columns[:8])) + (" …" if data.shape[1] > 8 else ""),
    )


def collect(facts: Sequence[Mapping[str, object]]) -> Counts:
    """Counts of all libraries of a sheet, genes × specimen_id.

    Parameters
    ----------
    facts
        Rows of the libraries sheet: specimen_id, path, format, sample (column of a shared file; specimen_id where empty, or the
        only column).

    Raises
    ------
    InputError
        If a file lacks the library's column, or files do not name the same genes at all.
    """
    files: dict[tuple[str, str], Counts] = {}
    columns, notes = {}, []
    symbols: dict[str, str] = {}
    for fact in facts:
        key = (str(fact["path"]), str(fact.get("format", "")))
        if key not in files:
            files[key] = read_counts(*key)
            notes += files[key].notes
            symbols |= files[key].symbols
        data = files[key].data
        columns[str(fact["specimen_id"])] = data[column_of(data, fact)]
    genes = sorted(set().union(*(c.index for c in columns.values())))
    out = pd.DataFrame(
        {s: c.reindex(genes) for s, c in columns.items()}, index=pd.Index(genes, name="gene_id")
    )
    lacking = out.isna().any(axis=1)
    if lacking.all() and len(genes):
        raise InputError(
            "the files name no gene in common: are the gene ids of one kind?",
            file="; ".join(sorted({k[0] for k in files})),
        )
    if lacking.any():
        notes.append(f"{int(lacking.sum())} genes that not every file has were left out")
    return Counts(out[~lacking].astype(np.int64), symbols, notes)
