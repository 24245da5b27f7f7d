"""Differential expression: negative binomial model by PyDESeq2, all contrasts of one design from one fit."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np
import pandas as pd

from periomics.genes.design import Model
from periomics.genes.moderated import Fit, adjusted_after_filter, contrast_test, fit_logs
from periomics.genes.shrinkage import shrunken
from periomics.study.settings.genes import GeneTests

COLUMNS = (
    "gene_id",
    "symbol",
    "baseMean",
    "log2FC",
    "lfcSE",
    "stat",
    "p",
    "padj",
    "log2FC_shrunk",
    "df",
)


def empty_table() -> pd.DataFrame:
    """A differential test without genes."""
    return pd.DataFrame(columns=[*COLUMNS, "padj_normal", "note"])


def fit_contrasts(
    counts: pd.DataFrame,
    model: Model,
    contrasts: Mapping[str, Mapping[str, float]],
    symbols: Mapping[str, str] | pd.Series,
    settings: GeneTests | None = None,
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
    settings
        Genes with fewer counts than `min_total` over all samples are in no table; independent filtering aims at `alpha`. With
        `reference: moderated` stat, df, p and padj are of a moderated t-test on log counts (`periomics.genes.moderated`), with
        `normal` of Wald statistics against the normal distribution, as DESeq2 does.

    Returns
    -------
    dict of DataFrame
        Columns COLUMNS, sorted by gene_id, with padj_normal (padj of the normal reference) and note. log2FC, lfcSE and
        log2FC_shrunk are in log2 units and the same for both references; df is empty with `normal`. padj is empty where a low
        mean took a gene out, p where there is nothing to test: no count in the arms compared, no degree of freedom or, with
        `normal`, an outlier. `attrs["reason"]` says why variances were not squeezed, where they were not.

    Notes
    -----
    The model of Love, Huber and Anders as implemented by PyDESeq2 0.5; its sets of significant genes overlap with DESeq2's by a
    Jaccard index of .91 to .96 on real data (shared specification of omics). Dispersions are estimates: with the normal reference
    the false discovery rate exceeds the stated one. Error rates and power of the moderated test: docs/omics.md. The shrunken
    change is for display, from `shrinkage`.
    """
    from pydeseq2.dds import DeseqDataSet
    from pydeseq2.default_inference import DefaultInference
    from pydeseq2.ds import DeseqStats

    settings = settings or GeneTests()
    alpha, is_moderated = settings.alpha, settings.reference == "moderated"
    tested = counts.loc[counts.sum(axis=1) >= max(1, settings.min_total)].sort_index()
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
        fit, seen, mean = moderated(tested, model, np.asarray(dds.obs["size_factors"], float))
        out = {}
        for name, weights in contrasts.items():
            test = DeseqStats(
                dds, contrast=model.vector(weights), alpha=alpha, inference=inference, quiet=True
            )
            test.summary()
            results = test.results_df
            if is_moderated:
                results = with_moderated_reference(
                    results,
                    fit,
                    model.vector(weights),
                    seen=seen[[a for a, w in weights.items() if w]].any(axis=1),
                    mean=mean,
                    alpha=alpha,
                )
            else:
                results = results.assign(df=np.nan, padj_normal=results["padj"])
            out[name] = _table(results, symbols)
            out[name].attrs["reason"] = fit.reason if is_moderated else ""
    return out


def moderated(
    counts: pd.DataFrame, model: Model, sizes: np.ndarray
) -> tuple[Fit, pd.DataFrame, pd.Series]:
    """Fit of log counts with, for each gene, the arms that hold a count of it, and its mean count."""
    values = counts.to_numpy(float)
    arms = model.arm_of(list(counts.columns))
    fit = fit_logs(values, model.matrix.loc[list(counts.columns)].to_numpy(float), arms, sizes)
    seen = pd.DataFrame(
        {arm: values[:, arms == i].sum(axis=1) > 0 for i, arm in enumerate(model.arms)},
        index=counts.index,
    )
    return fit, seen, pd.Series((values / sizes).mean(axis=1), counts.index)


def with_moderated_reference(
    results: pd.DataFrame,
    fit: Fit,
    vector: np.ndarray,
    *,
    seen: pd.Series,
    mean: pd.Series,
    alpha: float,
) -> pd.DataFrame:
    """Results with stat, df, p and padj of the moderated t-test.

    Parameters
    ----------
    results
        Of PyDESeq2, by gene.
    fit
        Of `fit_logs`, genes in the same order.
    vector
        Contrast of coefficients.
    seen
        Whether an arm of the contrast holds a count of the gene; without one there is nothing to test.
    mean
        Mean normalised count.
    alpha
        False discovery rate that filtering by mean count aims at.
    """
    test = contrast_test(fit, vector).set_index(results.index)
    test.loc[~seen.loc[results.index], ["stat", "df", "p"]] = np.nan
    padj = adjusted_after_filter(test["p"].to_numpy(), mean.loc[results.index].to_numpy(), alpha)
    return results.assign(
        stat=test["stat"], df=test["df"], pvalue=test["p"], padj=padj, padj_normal=results["padj"]
    )


def _table(results: pd.DataFrame, symbols: Mapping[str, str] | pd.Series) -> pd.DataFrame:
    df = results.rename(columns={"log2FoldChange": "log2FC", "pvalue": "p"})
    df = df.rename_axis("gene_id").reset_index()
    df["symbol"] = df["gene_id"].map(symbols).fillna("")
    df["log2FC_shrunk"] = shrunken(df["log2FC"].to_numpy(float), df["lfcSE"].to_numpy(float))
    df["note"] = np.where(
        df["p"].isna(),
        "no test: no counts in these arms, an outlier or no estimate",
        np.where(df["padj"].isna(), "low mean, filtered", ""),
    )
    return df[[*COLUMNS, "padj_normal", "note"]].sort_values("gene_id").reset_index(drop=True)


def without_inference(table: pd.DataFrame, reason: str) -> pd.DataFrame:
    """A test's table with estimates and ranking only: p and padj empty, the reason in every row."""
    return table.assign(p=np.nan, padj=np.nan, note=reason)


def significant(table: pd.DataFrame, column: str, status: str, alpha: float) -> int | str:
    """Genes below alpha in a column of adjusted p of a test's table; '' where it has no inference."""
    return int((table[column] < alpha).sum()) if status == "tested" else ""
