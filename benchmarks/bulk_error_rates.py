"""False discovery rate, power and slope of differential tests on simulated counts, for both reference distributions; CPU time.

Run: .venv/bin/python benchmarks/bulk_error_rates.py [seeds] [SD of log dispersions between genes of a mean, .25]
"""

import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

from periomics.core.results import read_result  # noqa: E402
from periomics.genes.axes import SetTables  # noqa: E402
from periomics.genes.design import model_matrix, with_design  # noqa: E402
from periomics.genes.model import fit_contrasts  # noqa: E402
from periomics.simulate import bulk as simulated  # noqa: E402
from periomics.simulate.bulk_programme import HEALING  # noqa: E402

TABLES = ROOT / "resources"
WEIGHTS = {"x": {"B": 1.0, "A": -1.0}}


def one(n: int, n_genes: int, seed: int) -> tuple[dict[str, list[int]], float, float]:
    """False hits, hits and changed genes by reference; slope of estimated on true change; seconds."""
    h = np.tile([0.0, 1.0], n // 2)
    genome = simulated.draw_genome(
        SetTables.read(TABLES / "signatures.tsv", TABLES / "responses.tsv"),
        read_result(TABLES / "signalling.tsv"),
        "rat",
        n_genes,
        seed,
    )
    facts = [
        {
            "specimen_id": f"s{i:02d}",
            "animal_id": f"s{i:02d}",
            "batch": f"b{i // 2 % 2}",
            "species": "rat",
        }
        for i in range(n)
    ]
    counts, _ = simulated.draw_counts(
        genome,
        facts,
        {f["specimen_id"]: dict.fromkeys(HEALING, v) for f, v in zip(facts, h, strict=True)},
        seed,
    )
    samples = pd.DataFrame(facts).assign(group=np.where(h > 0, "B", "A"), time=0.0, unit="animal")
    model = model_matrix(with_design(samples, "group", ["batch"], "x"))
    start = time.process_time()
    table = fit_contrasts(counts, model, WEIGHTS, {})["x"].set_index("gene_id")
    seconds = time.process_time() - start
    moved = (
        genome.planted[genome.planted["component"].isin(list(HEALING))]
        .groupby("gene_id")["lfc"]
        .sum()
    )
    truth = moved.reindex(table.index).fillna(0)
    changed = truth != 0
    hits = {"normal": table["padj_normal"] < 0.05, "moderated": table["padj"] < 0.05}
    counted = {
        k: [int((hit & ~changed).sum()), int(hit.sum()), int(changed.sum())]
        for k, hit in hits.items()
    }
    strong = changed & (table["baseMean"] > 10)
    slope = float(np.polyfit(truth[strong], table["log2FC"][strong], 1)[0])
    return counted, slope, seconds


if __name__ == "__main__":
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    simulated.DISPERSION_SD = float(sys.argv[2]) if len(sys.argv) > 2 else simulated.DISPERSION_SD
    print("per arm  reference  FDR at .05  power  slope  CPU s per fit (1,700 genes)")
    for n in (6, 8, 12, 20):
        runs = [one(n, 1700, seed) for seed in range(seeds)]
        slope, seconds = np.mean([run[1:] for run in runs], axis=0)
        for reference in ("normal", "moderated"):
            false, found, changed = np.sum([run[0][reference] for run in runs], axis=0)
            print(
                f"{n // 2:7d}  {reference:9s}  {false / max(found, 1):10.3f}  "
                f"{(found - false) / changed:5.2f}  {slope:5.2f}  {seconds:.1f}",
                flush=True,
            )
    for n_genes in (2000, 4000, 8000):
        print(f"{n_genes} genes, 16 libraries: {one(16, n_genes, 1)[2]:.1f} s of processor time")
