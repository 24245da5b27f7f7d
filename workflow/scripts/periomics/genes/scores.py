"""Scores of libraries: signed mean z of a signature; what all kinds of scores share.

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
        reason = refusal(share, len(keep), n)
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


def refusal(share: float, n_genes: int, n_libraries: int) -> str:
    """Why a score has no value; '' where it has one."""
    if n_libraries < MIN_LIBRARIES:
        return f"{n_libraries} libraries: a score needs {MIN_LIBRARIES} to compare"
    if share < REFUSE_SHARE:
        return f"only {100 * share:.0f} % of the genes were found"
    if n_genes < MIN_GENES:
        return f"only {n_genes} genes vary"
    return ""
