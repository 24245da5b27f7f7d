"""Scores of libraries: signed mean z of a signature, and footprint activities by one linear model a library.

Scores are relative to the libraries they are computed with, and are set-level numbers per library, so that tests across
animals use animals as units; permuting genes would not (97 to 100 % false alarms measured, design section 5).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from periomics.genes.signatures import GeneSet, mapped, positions

MIN_LIBRARIES = 3
MIN_GENES = 3
REFUSE_SHARE, WARN_SHARE = 0.5, 0.7


def standardised(expression: np.ndarray) -> np.ndarray:
    """z per gene over libraries (sample SD); genes that do not vary become NaN.

    Parameters
    ----------
    expression
        (genes, libraries), log scale. A single library has no z.
    """
    if expression.shape[1] < 2:
        return np.full(expression.shape, np.nan)
    sd = expression.std(axis=1, ddof=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(
            sd > 1e-9, (expression - expression.mean(axis=1, keepdims=True)) / sd, np.nan
        )


def signature_scores(
    expression: np.ndarray, symbols: Sequence[str], sets: Sequence[GeneSet]
) -> pd.DataFrame:
    """Signed mean z of every set in every library.

    Parameters
    ----------
    expression
        (genes, libraries), log2 counts per million.
    symbols
        Symbol of each gene.
    sets
        Signed sets.

    Returns
    -------
    DataFrame
        score_id, column (index of the library), value, n_genes, share_mapped (0 to 1), reason; a set of which under half the
        genes are found, or fewer than three vary, has rows without a value, with the reason.
    """
    z, where, n = standardised(expression), positions(symbols), expression.shape[1]
    varies = np.isfinite(z).all(axis=1)
    parts = []
    for s in sets:
        rows, signs, share = mapped(s, where)
        keep = [i for i, r in enumerate(rows) if varies[r]]
        reason = _refusal(share, len(keep), n)
        value = np.full(n, np.nan)
        if not reason:
            value = np.mean(np.array(signs)[keep, None] * z[np.array(rows)[keep]], axis=0)
        parts.append(
            pd.DataFrame(
                {
                    "score_id": s.name,
                    "column": range(n),
                    "value": value,
                    "n_genes": len(keep),
                    "share_mapped": share,
                    "reason": reason,
                }
            )
        )
    columns = ["score_id", "column", "value", "n_genes", "share_mapped", "reason"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def _refusal(share: float, n_genes: int, n_libraries: int) -> str:
    if n_libraries < MIN_LIBRARIES:
        return f"{n_libraries} libraries: a score needs {MIN_LIBRARIES} to compare"
    if share < REFUSE_SHARE:
        return f"only {100 * share:.0f} % of the genes were found"
    if n_genes < MIN_GENES:
        return f"only {n_genes} genes vary"
    return ""


def read_footprints(path: str, top: int, orthologs: dict[str, str] | None = None) -> pd.DataFrame:
    """Footprint weights (pathway × gene) from a table with pathway, gene, weight, p_value.

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
    """
    df = pd.read_csv(path, sep="\t")
    if orthologs is not None:
        df["gene"] = df["gene"].map(orthologs)
        df = df.dropna(subset=["gene"])
    df = df.sort_values(["pathway", "p_value", "gene"]).groupby("pathway").head(top)
    return df.pivot_table(
        index="gene", columns="pathway", values="weight", aggfunc="mean", fill_value=0.0
    )


def footprint_scores(
    expression: np.ndarray, symbols: Sequence[str], weights: pd.DataFrame
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
        As `signature_scores`.

    Notes
    -----
    Genes outside all footprints stay in the model with weights 0, as in the multivariate linear model of decoupler,
    which a test compares with.
    """
    n = expression.shape[1]
    names = np.asarray(symbols, object)
    first = np.array(sorted(positions(list(names)).values()))
    y = expression[first] - expression[first].mean(axis=1, keepdims=True)
    x = weights.reindex(names[first]).fillna(0.0).to_numpy()
    found = (weights.index.isin(set(names[first])).astype(float) @ (weights != 0).to_numpy()) / (
        weights != 0
    ).sum().to_numpy()
    used = (x != 0).sum(axis=0)
    design = np.column_stack([np.ones(len(x)), x])
    solved, _, rank, _ = np.linalg.lstsq(design, y, rcond=None)
    freedom = len(x) - design.shape[1]
    values = np.full((x.shape[1], n), np.nan)
    reason = _refusal(1.0, int(used.min()) if len(used) else 0, n)
    if not reason and (rank < design.shape[1] or freedom < 1):
        reason = "footprints cannot be told apart with the genes that were found"
    if not reason:
        spread = np.sqrt(((y - design @ solved) ** 2).sum(axis=0) / freedom)
        root = np.sqrt(np.diag(np.linalg.inv(design.T @ design)))
        values = (solved / (root[:, None] * spread[None, :]))[1:]
    low = found < REFUSE_SHARE
    values[low] = np.nan
    return pd.DataFrame(
        {
            "score_id": np.repeat([str(p).replace(" ", "_") for p in weights.columns], n),
            "column": np.tile(np.arange(n), x.shape[1]),
            "value": values.ravel(),
            "n_genes": np.repeat(used, n),
            "share_mapped": np.repeat(found, n),
            "reason": np.repeat(
                [
                    reason
                    or (f"only {100 * f:.0f} % of the genes were found" if f < REFUSE_SHARE else "")
                    for f in found
                ],
                n,
            ),
        }
    )
