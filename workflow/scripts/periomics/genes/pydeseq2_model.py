"""The negative binomial fit by PyDESeq2, in the place of `count_model`: for those who want that package's numbers."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from periomics.core.errors import InputError

Floats = NDArray[np.float64]


class Spread(NamedTuple):
    """Dispersions of each gene alone, of genes of its mean, and of both together, as `Dispersions` names them."""

    own: Floats
    trend: Floats
    used: Floats


class PyDeseqFit:
    """Fit of all genes by PyDESeq2, with what `CountFit` has.

    Parameters
    ----------
    counts
        Genes × samples, integers, each gene with a count.
    matrix
        Model matrix, a row per sample.
    """

    def __init__(self, counts: pd.DataFrame, matrix: pd.DataFrame) -> None:
        from pydeseq2.dds import DeseqDataSet
        from pydeseq2.default_inference import DefaultInference

        self._inference = DefaultInference(n_cpus=1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._fit = DeseqDataSet(
                counts=counts.T.astype(int),
                metadata=pd.DataFrame({"sample": list(counts.columns)}, index=counts.columns),
                design=matrix,
                refit_cooks=True,
                inference=self._inference,
                quiet=True,
                size_factors_fit_type="ratio" if (counts > 0).all(axis=1).any() else "poscounts",
            )
            self._fit.deseq2()
        self.mean = self._results(np.eye(matrix.shape[1])[-1])["baseMean"].to_numpy(float)
        self.outlier = np.asarray(self._fit.cooks_outlier(), bool)
        names = ("genewise_dispersions", "fitted_dispersions", "dispersions")
        own, trend, used = (self._fit.var[n].to_numpy(float) for n in names)
        self.dispersions = Spread(own, trend, used)

    def _results(self, vector: Floats) -> pd.DataFrame:
        from pydeseq2.ds import DeseqStats

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            test: Any = DeseqStats(
                self._fit,
                contrast=vector,
                independent_filter=False,
                inference=self._inference,
                quiet=True,
            )
            test.summary()
        return test.results_df

    def contrast(self, vector: Floats) -> tuple[Floats, Floats]:
        """Change and its standard error in log2 units, for weights of the coefficients."""
        found = self._results(vector)
        return found["log2FoldChange"].to_numpy(float), found["lfcSE"].to_numpy(float)


def refuse_lengths(lengths: pd.DataFrame | None) -> None:
    """Raise InputError where transcript lengths are known, which PyDESeq2 takes no account of."""
    if lengths is not None:
        message = "takes no account of the transcript lengths that the files of counts hold"
        raise InputError(message, file="config", column="fit", value="pydeseq2", allowed="own")
