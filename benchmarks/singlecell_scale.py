"""CPU time, wall time and peak memory of the atlas, from file to file, by number of cells × 20,000 genes.

Run: OMP_NUM_THREADS=1 .venv/bin/python benchmarks/singlecell_scale.py [cells, 20000 60000 100000] [--folder DIR]

Each size is drawn into an h5ad and then built by the job's own script in a process of its own. Cells are negative binomial draws:
12 libraries, 16 types of which some are rare, each with 150 genes of its own beside the team's markers of a named type, library
effects on every gene (SD .15), 3,000 counts and about 1,500 genes a cell. What is drawn is not what periomics/simulate draws.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

ROOT = Path(__file__).resolve().parents[1]
GENES, LIBRARIES, DEPTH, BLOCK = 20_000, 12, 3000.0, 500
NAMED = (
    "basal suprabasal fibroblast endothelial pericyte neutrophil macrophage t_cell b_cell monocyte msc osteoblast "
    "osteoclast mast_cell schwann plasma_cell"
).split()


def profiles(rng: np.random.Generator, genes: list[str]) -> np.ndarray:
    """Relative level (types, genes): common levels, genes of a type's own, and its markers on top."""
    base = rng.normal(0, 1.5, GENES)
    out = np.tile(base, (len(NAMED), 1))
    markers = pd.read_csv(ROOT / "resources/cell_types.tsv", sep="\t", keep_default_na=False)
    known = markers[markers["direction"] == "up"]
    named = [genes.index(g) for g in set(markers["gene_human"]) & set(genes)]
    out[:, named] = -3.0
    for i, name in enumerate(NAMED):
        own = [
            genes.index(g)
            for g in known.loc[known["cell_type"] == name, "gene_human"]
            if g in genes
        ]
        out[i, own] = rng.uniform(1.5, 3.0, len(own))
        chosen = rng.choice(GENES, 150, replace=False)
        out[i, chosen] += rng.normal(0, 1.2, 150)
    level = np.exp(out)
    return level / level.sum(axis=1, keepdims=True)


def draw(n: int, path: Path, seed: int | None = None) -> pd.DataFrame:
    """Write n cells of 12 libraries; returns what each cell is."""
    rng = np.random.default_rng(n if seed is None else seed)
    markers = pd.read_csv(ROOT / "resources/cell_types.tsv", sep="\t", keep_default_na=False)
    named = sorted(set(markers["gene_human"]) - {"NA"})
    genes = [*named, *(f"GENE{i:05d}" for i in range(GENES - len(named)))]
    level = profiles(rng, genes)
    share = rng.dirichlet(np.full(len(NAMED), 2.0)) * 0.8 + 0.2 / len(NAMED)
    kinds = rng.choice(len(NAMED), n, p=share / share.sum())
    library = np.sort(rng.integers(0, LIBRARIES, n))
    effect = np.exp(rng.normal(0, 0.15, (LIBRARIES, GENES)))
    parts = []
    for start in range(0, n, BLOCK):
        here = slice(start, min(start + BLOCK, n))
        mean = level[kinds[here]] * effect[library[here]]
        depth = DEPTH * np.exp(rng.normal(0, 0.3, len(mean)))
        mean *= (depth / mean.sum(axis=1))[:, None]
        mean *= rng.gamma(5, 1 / 5, mean.shape)
        parts.append(sp.csr_matrix(rng.poisson(mean).astype(np.float32)))
    obs = pd.DataFrame(
        {"sample": [f"s{x:02d}" for x in library], "type": [NAMED[k] for k in kinds]},
        index=[f"c{i}" for i in range(n)],
    )
    ad.AnnData(sp.vstack(parts).tocsr(), obs=obs, var=pd.DataFrame(index=genes)).write_h5ad(path)
    return obs


JOB = """
import json, sys, types
sys.path[:0] = [sys.argv[1] + "/workflow/scripts", sys.argv[1] + "/workflow/scripts/singlecell"]
from pathlib import Path
import build_atlas
folder = Path(sys.argv[2])
class Named(dict):
    __getattr__ = dict.__getitem__
facts = [{"specimen_id": f"L{i:02d}", "animal_id": f"A{i:02d}", "sample": f"s{i:02d}", "species": "human",
          "path": sys.argv[3]} for i in range(12)]
out = {"atlas": "atlas.h5ad", "cells": "cells.tsv", "qc": "qc.tsv", "clusters": "clusters.tsv", "markers": "markers.tsv",
       "facts": "atlas.tsv", "quality": "qc.png", "map": "umap.png", "dots": "markers.png"}
build_atlas.main(Named(
    input=Named(markers=sys.argv[1] + "/resources/cell_types.tsv"), output=Named({k: str(folder / v) for k, v in out.items()}),
    params=Named(facts=facts, settings={}, seed=1), log=[str(folder / "log.txt")], rule="build_atlas", wildcards={}, threads=1,
    resources=Named(), config={}))
"""


def one(n: int, folder: Path) -> str:
    """A line of the table."""
    from sklearn.metrics import adjusted_rand_score

    path = folder / f"cells{n}.h5ad"
    truth = draw(n, path)
    place = folder / f"out{n}"
    place.mkdir(exist_ok=True)
    start, before = time.time(), resource.getrusage(resource.RUSAGE_CHILDREN)
    command = ["/usr/bin/time", "-f", "%M", "-o", str(place / "peak"), sys.executable, "-c", JOB]
    subprocess.run([*command, str(ROOT), str(place), str(path)], check=True)
    wall, after = time.time() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    peak = int((place / "peak").read_text().split()[-1]) / 1e6
    cells = pd.read_csv(place / "cells.tsv", sep="\t").assign(
        c=lambda d: d["cell"].str.split(":").str[1]
    )
    known = truth.loc[cells["c"], "type"].to_numpy()
    right = (cells["label"] == known).mean()
    index = adjusted_rand_score(known, cells["label"])
    path.unlink()
    return f"| {n:,} | {cpu:.0f} | {wall:.0f} | {peak:.1f} | {right:.3f} | {index:.3f} |"


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("cells", nargs="*", type=int, default=[20_000, 60_000, 100_000])
    parser.add_argument("--folder")
    given = parser.parse_args()
    print(
        "| cells | CPU s | wall s | peak GB | labels right | ARI |\n|---|---|---|---|---|---|",
        flush=True,
    )
    with tempfile.TemporaryDirectory() as temporary:
        for size in given.cells or [20_000, 60_000, 100_000]:
            print(one(size, Path(given.folder or temporary)), flush=True)
