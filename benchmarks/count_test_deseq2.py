"""The count model beside DESeq2 in R: genes that both name at .05, and CPU of fit and test.

Run: OMP_NUM_THREADS=1 .venv/bin/python benchmarks/count_test_deseq2.py <folder with pasilla and airway>

Needs R with DESeq2 (Debian: r-bioc-deseq2). CPU is without start-up and reading, one thread each; the last set is simulated,
60,000 genes in two arms of 11 (seed 0).
"""

import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

from count_test_error import real  # noqa: E402

from periomics.genes.design import Model, model_matrix, with_design  # noqa: E402
from periomics.genes.model import fit_contrasts  # noqa: E402
from periomics.study.settings.genes import GeneTests  # noqa: E402

PEER = """
suppressMessages(library(DESeq2))
y <- as.matrix(read.delim("counts.tsv", row.names = 1)); X <- as.matrix(read.delim("design.tsv"))
before <- proc.time()
d <- DESeqDataSetFromMatrix(y, data.frame(s = factor(seq_len(ncol(y)))), ~1)
d <- DESeq(d, full = X, betaPrior = FALSE, quiet = TRUE)
r <- results(d, contrast = c(0, 1, rep(0, ncol(X) - 2)), alpha = .05)
cat(sum((proc.time() - before)[1:2]))
write.table(data.frame(padj = r$padj), "padj.tsv", sep = "\\t", row.names = FALSE)
"""


def designed(counts: pd.DataFrame, arm: list[str], block: list[str]) -> tuple[pd.DataFrame, Model]:
    ids = list(counts.columns)
    rows = {"specimen_id": ids, "animal_id": ids, "group": arm, "kind": block, "unit": "animal"}
    samples = with_design(pd.DataFrame(rows).assign(time=0.0), "group", ["kind"], "x")
    model = model_matrix(samples)
    return counts[list(model.matrix.index)], model


def large() -> tuple[pd.DataFrame, Model]:
    rng = np.random.default_rng(0)
    mean = np.exp(rng.normal(4, 2, 60_000))
    alpha = (0.05 + 2 / mean) * np.exp(rng.normal(0, 0.6, 60_000))
    change = np.where(rng.random(60_000) < 0.1, rng.normal(0, 1, 60_000), 0)
    arm = np.repeat([0, 1], 11)
    mu = mean[:, None] * np.exp(change[:, None] * arm + rng.normal(0, 0.3, 22))
    counts = rng.poisson(rng.gamma(1 / alpha[:, None], mu * alpha[:, None]))
    names = [f"g{i:05d}" for i in range(60_000)]
    table = pd.DataFrame(counts, names, [f"s{i:02d}" for i in range(22)])
    return designed(table, ["B" if a else "A" for a in arm], ["one"] * 22)


def compare(name: str, counts: pd.DataFrame, model: Model) -> None:
    counts = counts[counts.sum(axis=1) >= 10].sort_index()
    low, high = model.arms
    settings = GeneTests(reference="normal")
    before = time.process_time()
    table = fit_contrasts(counts, model, {"c": {high: 1, low: -1}}, {}, settings)["c"]
    own = time.process_time() - before
    with TemporaryDirectory() as place:
        folder = Path(place)
        counts.to_csv(folder / "counts.tsv", sep="\t")
        names = [f"x{i}" for i in range(model.matrix.shape[1])]
        design = pd.DataFrame(model.matrix.to_numpy(), columns=names)
        design.to_csv(folder / "design.tsv", sep="\t", index=False)
        (folder / "peer.R").write_text(PEER, encoding="utf-8")
        done = subprocess.run(
            ["Rscript", "--vanilla", "peer.R"],
            cwd=folder,
            check=True,
            capture_output=True,
            encoding="utf-8",
        )
        theirs = pd.read_csv(folder / "padj.tsv", sep="\t")["padj"].to_numpy() < 0.05
    ours = table["padj"].to_numpy() < 0.05
    print(
        f"{name} {counts.shape[0]} x {counts.shape[1]}: ours {ours.sum()}, DESeq2 {theirs.sum()}, "
        f"Jaccard {(ours & theirs).sum() / (ours | theirs).sum():.3f}; CPU s {own:.1f}, DESeq2 {float(done.stdout):.1f}",
        flush=True,
    )


if __name__ == "__main__":
    for which in ("pasilla", "airway"):
        counts, facts = real(Path(sys.argv[1]), which)
        compare(which, *designed(counts, list(facts["arm"]), list(facts["block"])))
    compare("simulated", *large())
