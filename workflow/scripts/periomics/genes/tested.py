"""Genes of a design that are tested, and the fit of their log counts: what tests of genes and of sets stand on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from periomics.core.errors import InputError
from periomics.genes.design import Model
from periomics.genes.moderated import Fit, adjusted_after_filter, contrast_test, fit_logs
from periomics.genes.normalise import scales


@dataclass(frozen=True)
class Tested:
    """Genes that are tested, with the least squares fit of their log counts.

    Attributes
    ----------
    counts
        Genes × samples, sorted by gene.
    model
        Design.
    matrix
        (samples, coefficients), rows as the columns of `counts`.
    scale
        (genes, samples), of `scales`.
    logs
        Fit of log counts: the moderated reference.
    seen
        Genes × arms, whether an arm holds a count.
    """

    counts: pd.DataFrame
    model: Model
    matrix: NDArray[np.float64]
    scale: NDArray[np.float64]
    logs: Fit
    seen: pd.DataFrame

    def seen_in(self, weights: Mapping[str, float]) -> NDArray[np.bool_]:
        """Genes of which an arm of a contrast holds a count."""
        return self.seen[[a for a, w in weights.items() if w]].any(axis=1).to_numpy(bool)

    def moderated(self, weights: Mapping[str, float]) -> pd.DataFrame:
        """`contrast_test` of a contrast of arms; no test of genes without a count in these arms."""
        test = contrast_test(self.logs, self.model.vector(weights))
        test.loc[~self.seen_in(weights), ["stat", "df", "p"]] = np.nan
        return test

    def named(self, weights: Mapping[str, float], symbols: pd.Series, alpha: float) -> pd.DataFrame:
        """`moderated` by symbol, with padj after the filter of low means: symbol, stat, padj."""
        test = self.moderated(weights)
        mean = (self.counts.to_numpy(float) / self.scale).mean(axis=1)
        return pd.DataFrame(
            {
                "symbol": symbols.reindex(self.counts.index).fillna("").to_numpy(),
                "stat": test["stat"].to_numpy(),
                "padj": adjusted_after_filter(test["p"].to_numpy(float), mean, alpha),
            }
        )


def tested_genes(
    counts: pd.DataFrame, model: Model, min_total: int, lengths: pd.DataFrame | None = None
) -> Tested | None:
    """Choose the genes that are tested and fit their log counts; None where no gene has the counts.

    Parameters
    ----------
    counts
        Genes × samples, integers; columns are the rows of the model matrix.
    model
        Design.
    min_total
        Genes with fewer counts over all samples are not tested, nor are genes without any.
    lengths
        Mean transcript length of each gene in each sample, where files tell them.

    Raises
    ------
    InputError
        If a sample has no count of any of these genes.
    """
    counts = counts.loc[counts.sum(axis=1) >= max(1, min_total)].sort_index()
    if counts.empty:
        return None
    without = counts.columns[counts.sum() == 0]
    if len(without):
        message = f"no count of any gene with {max(1, min_total)} counts over all libraries"
        raise InputError(message, file="counts.tsv", column=", ".join(without))
    values, arms = counts.to_numpy(float), model.arm_of(list(counts.columns))
    long = None if lengths is None else lengths.loc[counts.index, counts.columns].to_numpy(float)
    matrix, scale = model.matrix.loc[list(counts.columns)].to_numpy(float), scales(values, long)
    seen = {a: values[:, arms == i].sum(axis=1) > 0 for i, a in enumerate(model.arms)}
    return Tested(
        counts=counts,
        model=model,
        matrix=matrix,
        scale=scale,
        logs=fit_logs(values, matrix, arms, scale[0] if long is None else scale),
        seen=pd.DataFrame(seen, index=counts.index),
    )
