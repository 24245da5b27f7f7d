"""Differential expression: negative binomial model by PyDESeq2, all contrasts of one design from one fit."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy import optimize, special, stats

from periomics.core.multiplicity import benjamini_hochberg
from periomics.genes.design import Model
from periomics.genes.shrinkage import shrunken

COLUMNS = ("gene_id", "symbol", "baseMean", "log2FC", "lfcSE", "stat", "p", "padj", "log2FC_shrunk")


def empty_table() -> pd.DataFrame:
    """A differential test without genes."""
    return pd.DataFrame(columns=[*COLUMNS, "note"])


def fit_contrasts(
    counts: pd.DataFrame,
    model: Model,
    contrasts: Mapping[str, Mapping[str, float]],
    symbols: Mapping[str, str] | pd.Series,
    alpha: float = 0.05,
    min_total: int = 10,
    reference: str = "t",
) -> dict[str, pd.DataFrame]:
    """Fit ~ blocks + arm once and test every contrast of arms.

    Parameters
    ----------
    counts
        Genes × samples, integers; columns are the rows of the model matrix.
    model
        Design.
    contrasts
        Name → weights of arms, summing to 0.
    symbols
        Gene id → symbol.
    alpha
        False discovery rate that independent filtering aims at.
    min_total
        Genes with fewer counts over all samples are not tested; they are in no table.
    reference
        `t`: Wald statistics are compared with a t distribution whose degrees of freedom say how well the
        dispersions are known (`equivalent_freedom`); `normal`: as DESeq2 does.

    Returns
    -------
    dict of DataFrame
        Columns COLUMNS, sorted by gene_id. log2FC, lfcSE and log2FC_shrunk in log2 units; stat is the Wald statistic; p and padj
        are empty where an outlier or a low mean took a gene out of the test (p stays where only independent filtering did).

    Notes
    -----
    Love, Huber and Anders (Genome Biology 15:550, 2014) as implemented by PyDESeq2 0.5; its sets of significant genes overlap
    with DESeq2's by a Jaccard index of .91 to .96 on real data (shared specification of omics). With the normal reference the false
    discovery rate is .06 to .09 at a nominal .05 on simulated counts of 3 to 10 animals per arm whose log dispersions vary by .25 to .8
    between genes, with t it is .02 to .06 (benchmarks/bulk_error_rates.py), since dispersions are estimates. On small real studies t
    names about half to three quarters of the genes that DESeq2 names. The shrunken change is for display, from `shrinkage`.
    """
    from pydeseq2.dds import DeseqDataSet
    from pydeseq2.default_inference import DefaultInference
    from pydeseq2.ds import DeseqStats

    tested = counts.loc[counts.sum(axis=1) >= max(1, min_total)].sort_index()
    if tested.empty:
        return {name: empty_table() for name in contrasts}
    inference = DefaultInference(n_cpus=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dds = DeseqDataSet(
            counts=tested.T.astype(int),
            metadata=pd.DataFrame({"sample": list(tested.columns)}, index=tested.columns),
            design=model.matrix.loc[list(tested.columns)],
            refit_cooks=True,
            inference=inference,
            quiet=True,
            size_factors_fit_type="ratio" if (tested > 0).all(axis=1).any() else "poscounts",
        )
        dds.deseq2()
        out = {}
        for name, weights in contrasts.items():
            test = DeseqStats(
                dds, contrast=model.vector(weights), alpha=alpha, inference=inference, quiet=True
            )
            test.summary()
            results = test.results_df
            if reference == "t":
                prior = float(np.asarray(dds.uns["prior_disp_var"]))
                excess = float(dds.uns["_squared_logres"]) - float(
                    special.polygamma(1, model.freedom / 2)
                )
                results = with_t_reference(
                    results, equivalent_freedom(model.freedom, prior, max(excess, 0.0))
                )
            out[name] = _table(results, symbols)
    return out


def equivalent_freedom(residual: float, prior: float, spread: float) -> float:
    """Degrees of freedom that a shrunken dispersion is worth.

    Parameters
    ----------
    residual
        Residual degrees of freedom of the design.
    prior
        Variance of the prior on log dispersions that the fit used (DESeq2 takes .25 at least).
    spread
        Variance of true log dispersions around their trend.

    Notes
    -----
    A log dispersion estimated with d degrees of freedom has a sampling variance v of about trigamma(d / 2) (the approximation of Love,
    Huber and Anders, as above). Shrinking gives it the weight w = (1 / v) / (1 / v + 1 / prior) against its trend, and an
    error variance of w² v + (1 - w)² spread; the result is the d with this sampling variance.
    """
    sampling = float(special.polygamma(1, residual / 2))
    weight = (1 / sampling) / (1 / sampling + 1 / prior)
    error = weight**2 * sampling + (1 - weight) ** 2 * spread
    return 2 * optimize.brentq(lambda half: special.polygamma(1, half) - error, 1e-3, 1e9)


def with_t_reference(results: pd.DataFrame, freedom: float) -> pd.DataFrame:
    """Results with p from a t distribution, and padj by Benjamini and Hochberg over the genes that filtering kept."""
    p = pd.Series(2 * stats.t.sf(results["stat"].abs(), freedom), index=results.index).where(
        results["pvalue"].notna()
    )
    kept = results["padj"].notna() & p.notna()
    return results.assign(pvalue=p, padj=benjamini_hochberg(p.where(kept)))


def _table(results: pd.DataFrame, symbols: Mapping[str, str] | pd.Series) -> pd.DataFrame:
    df = results.rename(columns={"log2FoldChange": "log2FC", "pvalue": "p"})
    df = df.rename_axis("gene_id").reset_index()
    df["symbol"] = df["gene_id"].map(symbols).fillna("")
    df["log2FC_shrunk"] = shrunken(df["log2FC"].to_numpy(float), df["lfcSE"].to_numpy(float))
    df["note"] = np.where(
        df["p"].isna(),
        "outlier count or no estimate",
        np.where(df["padj"].isna(), "low mean, filtered", ""),
    )
    return df[[*COLUMNS, "note"]].sort_values("gene_id").reset_index(drop=True)


def without_inference(table: pd.DataFrame, reason: str) -> pd.DataFrame:
    """A test's table with estimates and ranking only: p and padj empty, the reason in every row."""
    return table.assign(p=np.nan, padj=np.nan, note=reason)
