"""The normal reference beside DESeq2: in R where it is installed, and as rewritten in Python."""

import warnings

import numpy as np
import pandas as pd
import pytest
from rscript import need, run_r

from periomics.bulk.readers import read_counts
from periomics.genes.design import model_matrix, with_design
from periomics.genes.model import fit_contrasts
from periomics.study.settings.genes import GeneTests

CODE = """
suppressMessages(library(DESeq2))
X <- as.matrix(d[, grep("^x", names(d))]); y <- t(as.matrix(d[, grep("^g", names(d))]))
f <- DESeqDataSetFromMatrix(y, data.frame(s = factor(seq_len(nrow(X)))), ~1)
f <- DESeq(f, full = X, betaPrior = FALSE, quiet = TRUE)
r <- results(f, contrast = c(0, 1, rep(0, ncol(X) - 2)), alpha = .05)
result <- list(padj = r$padj, p = r$pvalue, change = r$log2FoldChange, error = r$lfcSE)
"""


@pytest.fixture(scope="module")
def deseq2():
    need("DESeq2", "r-bioc-deseq2")


def designed(counts, arm, block):
    ids = list(counts.columns)
    rows = {"specimen_id": ids, "animal_id": ids, "group": list(arm), "kind": list(block)}
    blocks = ["kind"] if len(set(block)) > 1 else []
    model = model_matrix(
        with_design(pd.DataFrame({**rows, "time": 0.0, "unit": "animal"}), "group", blocks, "x")
    )
    return counts[list(model.matrix.index)], model


def real(data, name):
    if name == "pasilla":
        counts = read_counts(data / "rnaseq/pasilla/counts.tsv.gz").data
        notes = pd.read_csv(data / "rnaseq/pasilla/sample_annotation.csv")
        notes = notes.set_index(notes["file"].str.removesuffix("fb")).loc[list(counts.columns)]
        return designed(counts, notes["condition"], notes["type"])
    counts = read_counts(data / "rnaseq/airway/counts.csv.gz").data
    notes = pd.read_csv(data / "rnaseq/airway/metadata.csv", index_col=0).loc[list(counts.columns)]
    return designed(counts, notes["dex"], notes["celltype"])


def simulated(name):
    per_arm, spread = {"3 + 3": (3, 0.5), "5 + 5": (5, 0.8), "8 + 8, outliers": (8, 0.5)}[name]
    rng = np.random.default_rng(per_arm)
    mean = np.exp(rng.normal(4.5, 1.8, 3000))
    alpha = (0.05 + 2 / mean) * np.exp(rng.normal(0, spread, 3000))
    arm = np.repeat([0, 1], per_arm)
    change = np.where(rng.random(3000) < 0.15, rng.normal(0, 1.5, 3000), 0.0)
    mu = mean[:, None] * np.exp(change[:, None] * arm + rng.normal(0, 0.3, 2 * per_arm))
    counts = rng.poisson(rng.gamma(1 / alpha[:, None], mu * alpha[:, None]))
    if "outliers" in name:
        hit = rng.random(counts.shape) < 0.002
        counts = np.where(hit, counts * 50 + 200, counts)
    ids = [f"s{i:02d}" for i in range(2 * per_arm)]
    table = pd.DataFrame(counts, [f"g{i}" for i in range(3000)], ids)
    return designed(table, np.where(arm, "B", "A"), ["one"] * len(arm))


def own(counts, model):
    low, high = model.arms
    settings = GeneTests(reference="normal", min_total=10)
    return fit_contrasts(counts, model, {"c": {high: 1, low: -1}}, {}, settings)["c"]


def jaccard(a, b):
    return (a & b).sum() / (a | b).sum()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("pasilla", 0.99),
        ("airway", 0.98),
        ("3 + 3", 0.97),
        ("5 + 5", 0.99),
        ("8 + 8, outliers", 0.98),
    ],
)
def test_significant_genes_are_those_of_deseq2(deseq2, request, name, least):
    """With three residual degrees of freedom DESeq2 draws its prior at random; ours is what it draws from."""
    is_real = name in ("pasilla", "airway")
    counts, model = real(request.getfixturevalue("data"), name) if is_real else simulated(name)
    table = own(counts, model)
    y = counts.loc[table["gene_id"]].to_numpy()
    columns = {f"x{i}": c for i, c in enumerate(model.matrix.to_numpy().T)}
    columns |= {f"g{i}": c for i, c in enumerate(y)}
    peer = run_r(CODE, columns)
    ours, theirs = table["padj"].to_numpy() < 0.05, peer["padj"] < 0.05
    assert theirs.sum() > 100
    assert jaccard(ours, theirs) >= least
    both = np.isfinite(peer["p"]) & table["p"].notna().to_numpy()
    assert both.mean() > 0.97
    assert np.quantile(np.abs(table["log2FC"] - peer["change"])[both], 0.99) < 0.02
    assert np.quantile(np.abs(np.log(table["lfcSE"] / peer["error"]))[both], 0.99) < 0.05


@pytest.mark.slow
def test_changes_are_those_of_the_model_as_rewritten_in_python():
    """PyDESeq2's trend and prior differ from R's: changes agree, the genes named less so."""
    from pydeseq2.dds import DeseqDataSet
    from pydeseq2.default_inference import DefaultInference
    from pydeseq2.ds import DeseqStats

    counts, model = simulated("5 + 5")
    table = own(counts, model)
    counts = counts.loc[table["gene_id"]]
    inference = DefaultInference(n_cpus=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = DeseqDataSet(
            counts=counts.T.astype(int),
            metadata=pd.DataFrame({"s": list(counts.columns)}, index=counts.columns),
            design=model.matrix,
            inference=inference,
            quiet=True,
        )
        fit.deseq2()
        test = DeseqStats(fit, contrast=np.array([0.0, 1.0]), inference=inference, quiet=True)
        test.summary()
    peer = test.results_df
    assert np.corrcoef(table["log2FC"], peer["log2FoldChange"])[0, 1] > 0.9999
    assert jaccard(table["padj"].to_numpy() < 0.05, peer["padj"].to_numpy() < 0.05) > 0.95
