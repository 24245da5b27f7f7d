"""Count files as text: opening, separators, headers, and cells with the row of the file they stand in."""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import IO

import pandas as pd

from periomics.core.errors import InputError, nearest
from periomics.genes.no_text import no_text
from periomics.genes.symbols import ENSEMBL

SEPARATORS = "\t,;"
MOST_READS = 1e12  # of one gene; more is no number of reads
GENE_COLUMNS = (
    "gene_id",
    "gene",
    "geneid",
    "ensgene",
    "ensembl",
    "ensembl_id",
    "ensembl_gene_id",
    "id",
    "symbol",
    "gene_symbol",
    "gene_name",
    "genes",
    "name",
    "feature",
    "",
)
# What R writes above the names of rows.
ROW_NAMES = ("x", "row.names", "rownames")
# A cell that is a count, however badly written, or stands for none: no library is called so above a list of genes.
_VALUE = re.compile(r"[-+*.]?|[-+]?[\d.,]*\d[\d.,]*(?:e[-+]?\d+)?|#?n/?a|nan|[-+]?inf|null", re.I)
# Rows of counters that are no genes: HTSeq's (also of old versions), STAR's and DEXSeq's.
COUNTERS = (
    "__no_feature",
    "__ambiguous",
    "__too_low_aQual",
    "__not_aligned",
    "__alignment_not_unique",
    "no_feature",
    "ambiguous",
    "too_low_aQual",
    "not_aligned",
    "alignment_not_unique",
    "N_unmapped",
    "N_multimapping",
    "N_noFeature",
    "N_ambiguous",
    "_ambiguous",
    "_ambiguous_readpair_position",
    "_empty",
    "_lowaqual",
    "_notaligned",
)
# First line of Broad's table of counts (GCT); the second has the numbers of genes and samples.
_GCT = re.compile(r"#1\.\d\s*")


@contextmanager
def told_as_input(path: Path) -> Iterator[None]:
    """Errors of reading a file as refusals of that file: it is missing, cut off, no text, or its
    rows do not fit."""
    try:
        yield
    except FileNotFoundError:
        raise InputError("file does not exist", file=path) from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"file is cut off or damaged ({error})", file=path) from error
    except UnicodeDecodeError as error:
        raise no_text(path) from error
    except (csv.Error, pd.errors.ParserError) as error:
        message = f"rows are of different lengths: {' '.join(str(error).split())}"
        raise InputError(message, file=path) from error


def open_text(path: Path) -> IO[str]:
    """A text file, packed or plain."""
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig")
    return path.open("rt", encoding="utf-8-sig")


def first_lines(path: Path, number: int = 6) -> list[str]:
    """The first lines that are no comments."""
    with open_text(path) as handle:
        _, start = _start(handle, path)
        lines = (line for line in handle if not line.startswith("#"))
        return [line.rstrip("\r\n") for line in islice(chain(start, lines), number)]


def _start(handle: IO[str], path: Path) -> tuple[int, list[str]]:
    """Number of lines above the table, and its first line, or two.

    Lines behind a # are no part of it, but names of columns that stand right above numbers and are
    as many.
    """
    above, last, head = 0, "", next(handle, "")
    if _GCT.fullmatch(head):
        allowed = "the same table without its first two lines"
        message = "is a table in the form GCT, which is not read here"
        raise InputError(message, file=path, row=1, value=head.strip(), allowed=allowed)
    while head.startswith("#"):
        above, last, head = above + 1, head, next(handle, "")
    separator = separator_of(head)
    names, cells = (_cells(line.rstrip("\r\n"), separator) for line in (last, head))
    named = len(names) == len(cells) > 1 and not any(_VALUE.fullmatch(c) for c in names[1:])
    if named and _VALUE.fullmatch(cells[-1]):
        return above - 1, [last.lstrip("# "), head]
    return above, [head]


def separator_of(line: str) -> str:
    """Tab, comma or semicolon, whichever the line has most of."""
    return max(SEPARATORS, key=line.count)


def names_genes(head: str) -> bool:
    """Whether a name stands above a column of genes."""
    plain = head.strip().casefold().replace(" ", "_")
    return plain in GENE_COLUMNS or plain in ROW_NAMES


def is_counter(name: str) -> bool:
    """Whether a row holds reads that belong to no gene."""
    return name.startswith("__") or name in COUNTERS


def _cells(line: str, separator: str) -> list[str]:
    """Cells of a line without the blanks around them and the empty ones at its end."""
    cells = [c.strip().strip('"') for c in line.split(separator)]
    while len(cells) > 1 and not cells[-1]:
        cells.pop()
    return cells


def without_header(lines: Sequence[str]) -> bool:
    """Whether the first of some lines is a gene with its counts already (HTSeq, STAR); samples may be called by numbers."""
    if not lines:
        return False
    separator = separator_of(lines[0])
    cells = [_cells(line, separator) for line in lines]
    first, *rest = cells[0]
    bare = all(_VALUE.fullmatch(c) for c in rest)
    if ENSEMBL.match(first) or is_counter(first):  # a first count that cannot be read is no header
        return bare or (len(rest) == 2 and bool(_VALUE.fullmatch(rest[1])))  # id, name, count
    if len(cells) > 1 and len(cells[1]) != len(cells[0]):
        return False  # R writes no name above the row names
    if not rest or not bare or names_genes(first):
        return False
    return len(rest) == 1 or any(is_counter(c[0]) for c in cells)


def _lines(path: Path, most_cells: int | None) -> tuple[str, int]:
    """Text of a table without comments, up to about so many cells, and the number of lines before its first."""
    with open_text(path) as handle:
        above, (head, *second) = _start(handle, path)
        fields = 1 + max(head.count(c) for c in SEPARATORS)
        most = None if most_cells is None else max(1000, most_cells // fields)
        # A gene whose name became an error of a spreadsheet (#NAME?) is no comment.
        least = max(head.count(c) for c in SEPARATORS)
        body = [
            line
            for line in islice(handle, most)
            if not line.startswith("#") or 0 < least <= max(line.count(c) for c in SEPARATORS)
        ]
        while most is not None and handle.read(1 << 20):
            pass  # a file that was cut off shows at its end only
    return "".join([head, *second, *body]), above


def read_table(path: Path, most_cells: int | None = None, headless: bool = False) -> pd.DataFrame:
    """Cells as text, indexed by the row of the file.

    Parameters
    ----------
    path
        File.
    most_cells
        Read only about so many cells; the end of the file is looked for all the same.
    headless
        Whether the first line holds counts; columns are then called by their places from 0.

    Raises
    ------
    InputError
        If the file is empty or no table, lacks its header, or has two columns of one name.
    """
    text, above = _lines(path, most_cells)
    if not text.strip():
        raise InputError("the file is empty", file=path)
    head = text.split("\n", 1)[0]
    separator = separator_of(head)
    if head.count(separator) == 0:
        message = "columns are separated by neither tab, comma nor semicolon"
        raise InputError(message, file=path, row=above + 1, value=head[:40])
    skip = 0 if headless else 1
    try:
        df = pd.read_csv(
            io.StringIO(text),
            sep=separator,
            skiprows=skip,
            header=None,
            dtype=str,
            keep_default_na=False,
        )
    except pd.errors.EmptyDataError:
        raise InputError("holds a header and no gene", file=path) from None
    df.index = pd.RangeIndex(above + 1 + skip, above + 1 + skip + len(df))
    full = [i for i, line in enumerate(text.split("\n"), above + 1) if line.strip()][skip:]
    if len(full) == len(df):  # blank lines are counted
        df.index = pd.Index(full)
    else:
        _refuse_swallowed(df, path)
    last = text.rstrip("\r\n").rsplit("\n", 1)[-1]
    if len(next(csv.reader([last], delimiter=separator), [])) < df.shape[1]:
        message = "row has fewer cells than the others: was the file cut off?"
        raise InputError(message, file=path, row=int(df.index[-1]), value=df.iloc[-1, 0])
    if headless:
        df.columns = [str(c) for c in df.columns]
        while df.shape[1] > 2 and (df.iloc[:, -1] == "").all():
            df = df.iloc[:, :-1]
        return df
    df.columns = pd.Index(_header(head, df, path, above))
    void = (df.columns == "") & (df == "").all().to_numpy()
    return df.loc[:, ~void]


def _refuse_swallowed(df: pd.DataFrame, path: Path) -> None:
    """Refuse cells of several lines: a quote mark that nothing closes takes in the rows below it."""
    several = df.apply(lambda cells: cells.astype(str).str.contains("\n", regex=False))
    if several.to_numpy().any():
        row = int(several.any(axis=1).to_numpy().argmax())
        cell = df.iloc[row][several.iloc[row]].iloc[0]
        message = "a quote mark opens a cell that takes in the rows below"
        raise InputError(message, file=path, row=int(df.index[row]), value=cell.split("\n")[0][:40])


def _header(head: str, df: pd.DataFrame, path: Path, above: int) -> list[str]:
    header = next(csv.reader([head.rstrip("\r")], delimiter=separator_of(head)))
    # R writes no name above the row names; the header then has one field fewer than the rows.
    if df.shape[1] == len(header) + 1:
        ends = (df.iloc[:, -1] == "").all()  # rows end in a separator: which column has no name?
        if ends and not names_genes(header[0]):
            message = "the rows end in a separator, the header does not: which column has no name?"
            raise InputError(message, file=path, row=above + 1, value=header[0])
        header = [*header, ""] if ends else ["", *header]
    if df.shape[1] != len(header):
        message = f"{len(header)} columns in the header, {df.shape[1]} in the rows"
        raise InputError(message, file=path)
    lines = ["\t".join(header), *("\t".join(r) for r in df.head().to_numpy())]
    counters = df[0].str.startswith(("__", "N_")).any() or is_counter(header[0])
    pasted = bool(ENSEMBL.match(header[0])) and header.count(header[0]) > 1
    if pasted or without_header(lines) or (counters and all(h.isdigit() for h in header[1:])):
        allowed = "a line above that names the columns"
        message = "has no header: its first line holds counts"
        raise InputError(message, file=path, row=above + 1, value=header[0], allowed=allowed)
    void = (df == "").all().to_numpy()  # a spreadsheet's empty columns share the name ''
    some = [h for h, empty in zip(header, void, strict=True) if h or not empty]
    twice = sorted({h for h in some if some.count(h) > 1})
    if twice:
        message = f"two columns have {'the same' if twice[0] else 'no'} name"
        raise InputError(message, file=path, column=twice[0])
    return header


def need_columns(table: pd.DataFrame, needed: Sequence[str], what: str, path: object) -> None:
    """Refuse a table that lacks columns, with those it has and the nearest to the first that is missing."""
    missing = [c for c in needed if c not in table.columns]
    if missing:
        raise InputError(
            f"is no {what}: lacks columns {missing}{nearest(missing[0], table.columns)}",
            file=path,
            row=1,
            value=", ".join(map(str, table.columns[:8])),
            allowed=", ".join(needed),
        )


def numbers_in(cells: pd.Series, column: str, path: object, estimated: bool = False) -> pd.Series:
    """Cells as numbers from 0, finite, and whole unless they are estimates.

    Raises
    ------
    InputError
        Naming file, row, column and value of the first that is not.
    """
    numbers = pd.to_numeric(cells, errors="coerce").astype(float)
    values = numbers.to_numpy()
    bad = ~(abs(values) < MOST_READS)
    less = values < 0
    broken = (values != values.round()) & ~bad
    allowed, message, wrong = "", "", bad
    if bad.any():
        message = "is no number of reads" if estimated else "is no count"
        allowed = "numbers from 0" if estimated else "whole numbers from 0"
    elif less.any():
        message, wrong = "is negative: counts are needed, not logarithms or ratios", less
    elif broken.any() and not estimated:
        message = (
            f"{100 * broken.mean():.0f} % of the values are not whole: counts are needed, "
            "not FPKM, TPM or logarithms"
        )
        wrong = broken
        allowed = (
            "whole numbers from 0; estimated counts as Salmon's quant.sf, RSEM's genes.results or, "
            "with format nfcore, a merged table of them"
        )
    if message:
        row = int(wrong.argmax())
        raise InputError(
            message,
            file=path,
            row=int(cells.index[row]),
            column=column,
            value=cells.iloc[row],
            allowed=allowed,
        )
    return numbers
