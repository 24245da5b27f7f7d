"""Columns of a table that are no libraries: what is known about genes, and values made from counts."""

from __future__ import annotations

import re

import pandas as pd

from periomics.bulk.tables import GENE_COLUMNS
from periomics.core.errors import InputError

SYMBOL_COLUMNS = ("symbol", "gene_name", "gene_symbol", "external_gene_name", "genename")
# Columns of numbers or text that tables of genes carry, in small letters, without blanks, dots and underscores.
_KNOWN = frozenset(
    "symbol genename genesymbol externalgenename geneid ensembl ensemblgeneid ensemblid description "
    "genedescription length genelength width effectivelength biotype genebiotype genetype chr "
    "chrom chromosome chromosomename seqnames seqname start end startposition endposition strand "
    "entrez entrezid entrezgene entrezgeneid ncbigeneid hgncsymbol hgncid mgisymbol mgiid rgdsymbol "
    "rgdid refseq transcriptid transcriptids transcript tx source locus product band gc gccontent "
    "percentagegenegccontent exons exoncount name type level tag synonyms alias dbxref geneversion "
    "basemean log2foldchange logfc lfcse stat pvalue padj pval qvalue fdr adjpval avgexpr logcpm "
    "bcv unnamed:0".split()
)
_MADE = re.compile(
    r"(?:^|[._\s-])(?:r?fpkm|rpkm|tpm|cpm|tmm|rlog|vst|normali[sz]ed)(?:$|[._\s-])", re.I
)


def _plain(name: str) -> str:
    return re.sub(r"[\s._()-]", "", name.casefold())


def gene_column(table: pd.DataFrame, path: object) -> str:
    """Column of gene ids: the first, unless it only numbers the rows and another has a usual name.

    Raises
    ------
    InputError
        If the first column holds numbers, some of them twice, where another has the name of genes.
    """
    first = str(table.columns[0])
    others = [str(c) for c in table.columns[1:] if str(c).casefold() in GENE_COLUMNS and str(c)]
    if first.casefold() in ("", "x", "unnamed: 0") and others and len(table) > 1:
        numbers = pd.to_numeric(table[first], errors="coerce").to_numpy(float)
        if (numbers == numbers[0] + range(len(numbers))).all() and numbers[0] in (0, 1):
            return others[0]
    if others and table[first].duplicated().any() and not _is_text(table[first]):
        message = "the first column holds numbers: genes have to stand in it"
        raise InputError(message, file=path, row=1, column=first, value=others[0])
    return first


def set_aside(columns: pd.DataFrame, whole: bool = True) -> dict[str, str]:
    """Columns that are no libraries → what they are: by a usual name, or since most of their cells are text.

    Values made from counts (FPKM, TPM, CPM in the column's name; where counts are `whole`, numbers of which most are not) are set
    aside only where other columns stay.
    """
    out, made = {}, {}
    for column in columns.columns:
        cells = columns[column]
        if _plain(str(column)) in _KNOWN:
            out[str(column)] = "what is known about genes"
        elif len(cells) > 2 and _is_text(cells):
            out[str(column)] = f"text such as {_shown(cells)!r}"
        elif _MADE.search(str(column)):
            made[str(column)] = "values made from counts"
        elif whole and len(cells) > 2 and _is_broken(cells):
            made[str(column)] = "numbers that are not whole"
    if len(out) + len(made) < columns.shape[1]:
        out |= made
    return out


def _is_text(cells: pd.Series) -> bool:
    """Whether most cells are neither numbers nor empty nor a mark of a missing number."""
    some = cells.head(2000).str.strip()
    missing = some.str.casefold().isin(("", "na", "nan", "inf", "-inf", "n.d.", "#n/a"))
    return bool((pd.to_numeric(some, errors="coerce").isna() & ~missing).mean() > 0.5)


def _is_broken(cells: pd.Series) -> bool:
    """Whether most cells are numbers that are not whole."""
    numbers = pd.to_numeric(cells.head(2000), errors="coerce")
    return bool((numbers != numbers.round()).where(numbers.notna(), False).mean() > 0.5)


def _shown(cells: pd.Series) -> str:
    return str(next((c for c in cells if c.strip()), ""))[:30]
