"""The test that takes cells for animals, beside the pseudobulk test as a warning; no verdict rests
on it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy import special

from periomics.core.multiplicity import benjamini_hochberg


def naive_genes(
    moments: pd.DataFrame,
    groups: pd.DataFrame,
    arms: pd.Series,
    weights: Mapping[str, float],
    alpha: float,
) -> int | str:
    """Genes that Welch's test on log counts would call with every cell as a unit.

    Parameters
    ----------
    moments
        Of `pseudobulk.log_moments`, by gene_id.
    groups
        Rows of `pseudobulk` for one cell type: column, specimen_id, n_cells.
    arms
        Library → arm, of the libraries that are compared.
    weights
        Arm → weight.
    alpha
        Level, after Benjamini and Hochberg.

    Returns
    -------
    int or ''
        '' where an arm has fewer than two cells.

    Notes
    -----
    Cells of one animal are alike, so that this test takes differences between animals for
    differences between arms: the more cells, the more genes it calls where there is nothing.
    """
    change, variance, freedom = 0.0, 0.0, 0.0
    for arm, weight in weights.items():
        part = groups[groups["specimen_id"].map(arms) == arm]
        n = int(part["n_cells"].sum())
        if n < 2:
            return ""
        sums, squares = (
            moments[[f"{word}:{c}" for c in part["column"]]].to_numpy(float).sum(axis=1)
            for word in ("sum", "squares")
        )
        mean = sums / n
        term = weight**2 * np.maximum(squares - n * mean**2, 0) / (n - 1) / n
        change, variance = change + weight * mean, variance + term
        freedom = freedom + term**2 / (n - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = 2 * special.stdtr(variance**2 / freedom, -np.abs(change) / np.sqrt(variance))
    p = p[np.isfinite(p)]
    return int((benjamini_hochberg(p) < alpha).sum())
