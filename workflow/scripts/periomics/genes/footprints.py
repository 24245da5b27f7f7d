"""Pathway footprints: how far the genes that a pathway moves have moved, for all pathways in one linear model a library.

A table gives each pathway weights of genes (PROGENy: `pathway`, `gene`, `weight`, `p_value`). The score is the t value of the
pathway's weights in the regression of a library's expression on the weights of all pathways: decoupler's `mlm`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from periomics.core.errors import InputError
from periomics.genes.scores import refusal
from periomics.genes.signatures import positions

KIND, METHOD = "footprint", "mlm"
COLUMNS = ("pathway", "gene", "weight", "p_value")
NUMBERS = ("weight", "p_value")

Floats = NDArray[np.float64]


def read_footprints(
    path: str, top: int, orthologs: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """Footprint weights (gene × pathway) from a table with pathway, gene, weight, p_value.

    Parameters
    ----------
    path
        Table, tab-separated, gz or plain.
    top
        Genes a pathway, by smallest p-value.
    orthologs
        Symbol in the table → symbol of the libraries, where the species differ.

    Returns
    -------
    DataFrame
        Genes × pathways, 0 where a gene is no footprint of a pathway.

    Raises
    ------
    InputError
        If the table cannot be read, lacks a column, or holds a weight that is no number.
    """
    df = numbers_of(plain_table(path, COLUMNS, "footprints", NUMBERS), NUMBERS, path)
    if orthologs is not None:
        df["gene"] = df["gene"].map(orthologs)
        df = df.dropna(subset=["gene"])
    df = df.sort_values(["pathway", "p_value", "gene"]).groupby("pathway").head(top)
    return df.pivot_table(
        index="gene", columns="pathway", values="weight", aggfunc="mean", fill_value=0.0
    )


def plain_table(
    path: str, columns: Sequence[str], what: str, numbers: Sequence[str] = ()
) -> pd.DataFrame:
    """A tab-separated third-party table as text, gz or plain.

    Columns of `numbers` come as numbers where all of their values are, as text where one is not.

    Raises
    ------
    InputError
        If it cannot be read or lacks one of the columns.
    """
    try:
        df = _read(path, numbers)
    except (OSError, EOFError, ValueError) as error:
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"cannot be read as a table: {text}", file=path) from error
    if missing := [c for c in columns if c not in df.columns]:
        raise InputError(
            f"is no table of {what}: lacks columns {missing}", file=path, allowed=", ".join(columns)
        )
    return df.apply(lambda column: column if column.name in numbers else _stripped(column))


def _read(path: str, numbers: Sequence[str]) -> pd.DataFrame:
    types = dict.fromkeys(numbers, "float64")
    try:
        return pd.read_csv(
            path,
            sep="\t",
            dtype=defaultdict(lambda: "str", types),
            keep_default_na=False,
            float_precision="round_trip",
        )
    except ValueError:
        if not numbers:
            raise
        return _read(path, ())


def _stripped(column: pd.Series) -> pd.Series:
    """Text without the blanks around it; a long column has few different values."""
    return column.map({value: value.strip() for value in column.unique()})


def numbers_of(df: pd.DataFrame, columns: Sequence[str], path: str) -> pd.DataFrame:
    """The table with some columns as numbers.

    Raises
    ------
    InputError
        Naming row and column of the first value that is no finite number.
    """
    out = df.copy()
    for column in columns:
        values = pd.to_numeric(df[column], errors="coerce").astype(float)
        wrong = ~np.isfinite(values.to_numpy())
        if wrong.any():
            i = int(np.argmax(wrong))
            raise InputError(
                "is no number", file=path, row=i + 2, column=column, value=df[column].iloc[i]
            )
        out[column] = values
    return out


def centred(expression: Floats, symbols: Sequence[str]) -> tuple[NDArray[np.object_], Floats]:
    """First row of each symbol, and its expression without the gene's mean over libraries."""
    names = np.asarray(symbols, object)
    first = np.array(sorted(positions(list(names)).values()), int)
    y = expression[first]
    return names[first], y - y.mean(axis=1, keepdims=True)


def footprint_scores(
    expression: Floats, symbols: Sequence[str], weights: pd.DataFrame
) -> pd.DataFrame:
    """Activity of every pathway in every library: t value of its weights in one linear model of the library's expression.

    Parameters
    ----------
    expression
        (genes, libraries), log2 counts per million; centred per gene over the libraries here.
    symbols
        Symbol of each gene.
    weights
        Of `read_footprints`.

    Returns
    -------
    DataFrame
        As `signature_scores`. A pathway too few of whose genes are found has no value, and stands in no one else's model.

    Notes
    -----
    Genes outside all footprints stay in the model with weights 0, as in the multivariate linear model of decoupler.
    """
    names, y = centred(expression, symbols)
    x = weights.reindex(names).fillna(0.0).to_numpy(float)
    given = weights.to_numpy(float) != 0
    used = (x != 0).sum(axis=0)
    share = (given & weights.index.isin(names)[:, None]).sum(axis=0) / np.maximum(
        given.sum(axis=0), 1
    )
    n = expression.shape[1]
    reasons = np.array(
        [refusal(s, int(u), n) for s, u in zip(share, used, strict=True)], dtype=object
    )
    kept = reasons == ""
    values = np.full((x.shape[1], n), np.nan)
    if kept.any():
        values[kept] = multivariate(x[:, kept], y)
    if kept.any() and np.isnan(values[kept]).any():
        reasons[kept] = "pathways cannot be told apart by the genes that were found"
    ids = [score_id(p) for p in weights.columns]
    return score_rows(ids, values, used, share, list(reasons))


def multivariate(x: Floats, y: Floats) -> Floats:
    """t of each column of weights in the regression of each library on all of them and a constant.

    Parameters
    ----------
    x, y
        (genes, weights); (genes, libraries).

    Returns
    -------
    array
        (weights, libraries); NaN as a whole where the weights depend on each other or genes are too few.
    """
    design = np.column_stack([np.ones(len(x)), x])
    freedom = len(x) - design.shape[1]
    solved, _, rank, _ = np.linalg.lstsq(design, y, rcond=None)
    if rank < design.shape[1] or freedom < 1:
        return np.full((x.shape[1], y.shape[1]), np.nan)
    spread = np.sqrt(((y - design @ solved) ** 2).sum(axis=0) / freedom)
    root = np.sqrt(np.diag(np.linalg.inv(design.T @ design)))
    with np.errstate(invalid="ignore", divide="ignore"):
        return (solved / (root[:, None] * spread[None, :]))[1:]


def score_id(name: object) -> str:
    """Name of a pathway or factor as it stands in a score: letters, digits and _ . + -."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "_.+-") else "_" for c in str(name))


def score_rows(
    ids: Sequence[str], values: Floats, used: Sequence[int], share: Floats, reasons: Sequence[str]
) -> pd.DataFrame:
    """Rows as of `signature_scores` from one value a score and library."""
    n = values.shape[1]
    return pd.DataFrame(
        {
            "score_id": np.repeat(np.asarray(ids, object), n),
            "column": np.tile(np.arange(n), len(ids)),
            "value": values.ravel(),
            "n_genes": np.repeat(np.asarray(used, int), n),
            "share_mapped": np.repeat(np.asarray(share, float), n),
            "reason": np.repeat(np.asarray(reasons, object), n),
        }
    )
