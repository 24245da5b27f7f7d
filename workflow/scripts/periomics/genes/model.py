"""Differential expression: one fit of a design's counts, and a table for each of its contrasts."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy import special

from periomics.core.multiplicity import benjamini_hochberg
from periomics.genes.count_model import CountFit, fit_counts
from periomics.genes.design import Model
from periomics.genes.moderated import adjusted_after_filter
from periomics.genes.pydeseq2_model import PyDeseqFit, refuse_lengths
from periomics.genes.shrinkage import shrunken
from periomics.genes.tested import Tested, tested_genes
from periomics.study.interface.genes import DISPERSION_COLUMNS, GENE_COLUMNS
from periomics.study.settings.genes import GeneTests

SUMMARY_COLUMNS = (
    "status",
    "reason",
    "n_genes",
    "n_significant",
    "n_significant_normal",
    "margin",
    "n_beyond",
    "n_within",
)


def empty_table(reason: str = "") -> pd.DataFrame:
    """A differential test without genes."""
    table = pd.DataFrame(columns=[*GENE_COLUMNS, "note"])
    table.attrs["reason"] = reason
    return table


def fit_contrasts(
    counts: pd.DataFrame,
    model: Model,
    contrasts: Mapping[str, Mapping[str, float]],
    symbols: Mapping[str, str] | pd.Series,
    settings: GeneTests | None = None,
    *,
    lengths: pd.DataFrame | None = None,
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
        `normal` of Wald statistics against the normal distribution, as DESeq2 does. `fit` says whether the negative binomial
        fit is our own or PyDESeq2's. `margin` is the change that p_beyond and p_within are about.
    lengths
        Mean transcript length of each gene in each sample, where files tell them: changes are then of molecules, not of reads.

    Returns
    -------
    dict of DataFrame
        Columns GENE_COLUMNS, sorted by gene_id, and note. log2FC, lfcSE and log2FC_shrunk are in log2 units and the same for
        both references; df is empty with `normal`; padj_normal is padj of the normal reference. padj is empty where a low
        mean took a gene out, p where there is nothing to test: no count in the arms compared, no degree of freedom or, with
        `normal`, an outlier. p_beyond tests whether a change is larger than the margin, p_within whether it is smaller;
        their padj are Benjamini and Hochberg's over all genes. `attrs["reason"]` says why variances were not squeezed, where
        they were not, or why there are no genes.

    Raises
    ------
    InputError
        Where PyDESeq2 is asked for and there are transcript lengths, or a sample has no counts (`tested_genes`).

    Notes
    -----
    The negative binomial fit is DESeq2's (`periomics.genes.count_model`), or PyDESeq2's on request. Dispersions are
    estimates: with the normal reference the false discovery rate exceeds the stated one. Error rates and power of the
    moderated test: docs/omics.md. The shrunken change is for display, from `shrinkage`.
    """
    return fit_design(counts, model, contrasts, symbols, settings, lengths=lengths)[0]


def fit_design(
    counts: pd.DataFrame,
    model: Model,
    contrasts: Mapping[str, Mapping[str, float]],
    symbols: Mapping[str, str] | pd.Series,
    settings: GeneTests | None = None,
    *,
    lengths: pd.DataFrame | None = None,
) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """Tables of `fit_contrasts`, and how much genes vary between units of one arm.

    Returns
    -------
    tables
        As `fit_contrasts`.
    spread
        gene_id, baseMean, and the dispersions of the count model: own, trend, used (squares of a coefficient of variation,
        that of counting left out).
    """
    settings = settings or GeneTests()
    spread = pd.DataFrame(columns=list(DISPERSION_COLUMNS[1:]))
    tested = tested_genes(counts, model, settings.min_total, lengths) if contrasts else None
    if tested is None:
        none = f"no gene has {max(1, settings.min_total)} counts over all units"
        return {name: empty_table(none) for name in contrasts}, spread
    if settings.fit == "pydeseq2":
        refuse_lengths(lengths)
        matrix = model.matrix.loc[list(tested.counts.columns)]
        counted: CountFit | PyDeseqFit = PyDeseqFit(tested.counts, matrix)
    else:
        counted = fit_counts(tested.counts.to_numpy(float), tested.matrix, tested.scale)
    found = counted.dispersions
    values = (tested.counts.index, counted.mean, found.own, found.trend, found.used)
    spread = pd.DataFrame(dict(zip(DISPERSION_COLUMNS[1:], values, strict=True)))
    tables = {
        n: contrast_table(tested, counted, w, symbols, settings) for n, w in contrasts.items()
    }
    return tables, spread


def contrast_table(
    tested: Tested,
    counted: CountFit | PyDeseqFit,
    weights: Mapping[str, float],
    symbols: Mapping[str, str] | pd.Series,
    settings: GeneTests,
) -> pd.DataFrame:
    """Table of one contrast, as `fit_contrasts` gives it, from the fits of log counts and of counts."""
    change, error = counted.contrast(tested.model.vector(weights))
    moderated = tested.moderated(weights)
    stat = np.divide(change, error, out=np.full(len(change), np.nan), where=error != 0)
    normal = pd.DataFrame(
        {
            "change": change,
            "error": error,
            "stat": stat,
            "df": np.nan,
            "p": np.where(counted.outlier, np.nan, 2 * special.ndtr(-np.abs(stat))),
        }
    )
    normal.loc[~tested.seen_in(weights), ["stat", "p"]] = np.nan
    is_moderated = settings.reference == "moderated"
    used = moderated if is_moderated else normal
    padj, padj_normal = (
        adjusted_after_filter(test["p"].to_numpy(), counted.mean, settings.alpha)
        for test in (used, normal)
    )
    df = pd.DataFrame(
        {
            "gene_id": tested.counts.index,
            "symbol": tested.counts.index.to_series().map(symbols).fillna("").to_numpy(),
            "baseMean": counted.mean,
            "log2FC": change,
            "lfcSE": error,
            "stat": used["stat"],
            "p": used["p"],
            "padj": padj,
            "log2FC_shrunk": shrunken(change, error),
            "df": used["df"],
            "padj_normal": padj_normal,
        }
    )
    df = df.join(against_margin(used, change, settings.margin))
    untested = "no test: no counts in these arms, an outlier or no estimate"
    filtered = np.where(df["padj"].isna(), "low mean, filtered", "")
    df["note"] = np.where(df["p"].isna(), untested, filtered)
    df.attrs["reason"] = tested.logs.reason if is_moderated else ""
    return df[[*GENE_COLUMNS, "note"]].sort_values("gene_id").reset_index(drop=True)


def against_margin(test: pd.DataFrame, change: np.ndarray, margin: float) -> pd.DataFrame:
    """Tests of whether changes are larger than a margin, and of whether they are smaller.

    Parameters
    ----------
    test
        change, error, df (NaN: normal) and p of a reference; without p a gene is not tested.
    change
        log2 changes of the count model.
    margin
        log2, above 0.

    Returns
    -------
    DataFrame
        p_beyond, padj_beyond, p_within, padj_within.

    Notes
    -----
    Each at its boundary, |change| = margin: the probability of an estimate as large (both tails), or as small (the larger of
    two one-sided p). Changes of log counts are too small where counts are low, so each test takes the less favourable of
    both estimates.
    """
    both = np.abs(np.column_stack([test["change"], change]))
    agree = np.sign(test["change"]) == np.sign(change)
    low, high = np.where(agree, both.min(axis=1), 0.0), both.max(axis=1)
    freedom = test["df"].fillna(np.inf).to_numpy(float)
    error = np.where(test["p"].isna(), np.nan, test["error"])
    beyond = special.stdtr(freedom, -(low - margin) / error)
    beyond = np.minimum(beyond + special.stdtr(freedom, -(low + margin) / error), 1.0)
    within = special.stdtr(freedom, -(margin - high) / error)
    return pd.DataFrame(
        {
            "p_beyond": beyond,
            "padj_beyond": benjamini_hochberg(beyond),
            "p_within": within,
            "padj_within": benjamini_hochberg(within),
        }
    )


def without_inference(table: pd.DataFrame, reason: str) -> pd.DataFrame:
    """A test's table with estimates and ranking only: every p is empty, the reason in every row."""
    inference = [c for c in GENE_COLUMNS if c.split("_")[0] in ("p", "padj")]
    return table.assign(**dict.fromkeys(inference, np.nan), note=reason)


def summary(table: pd.DataFrame, kind: str, reason: str, settings: GeneTests) -> dict[str, object]:
    """SUMMARY_COLUMNS of a contrast: what it was called and why, and its genes; numbers below alpha only where it was tested.

    Parameters
    ----------
    table
        Of `fit_contrasts`; `empty_table` where it was refused.
    kind, reason
        Of `standing`; without a reason that of the fit.
    settings
        Level and margin.
    """
    columns = {
        "n_significant": "padj",
        "n_significant_normal": "padj_normal",
        "n_beyond": "padj_beyond",
        "n_within": "padj_within",
    }
    below: dict[str, object] = {
        n: int((table[c] < settings.alpha).sum()) if kind == "tested" else ""
        for n, c in columns.items()
    }
    shared = {"n_genes": len(table), "margin": settings.margin}
    return {"status": kind, "reason": reason or table.attrs.get("reason", ""), **shared, **below}
