"""How often cells get their right name, and how often cells of a type that the table does not know stay unknown.

Run: OMP_NUM_THREADS=1 .venv/bin/python benchmarks/singlecell_labels.py [kang_ifnb_4samples_subset.h5ad]

With the file of interferon cells (Kang 2018, a subset of two donors) the confusion with the source's own labels; without it, and
beside it, cells of the simulator (rat, 12 libraries of 300) and of benchmarks/singlecell_scale.py (human, 12,000 cells).
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from singlecell_atlas import libraries
from singlecell_scale import draw
from sklearn.metrics import adjusted_rand_score

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

from periomics.singlecell.atlas import embed, label  # noqa: E402
from periomics.singlecell.labels import UNKNOWN, call, type_scores  # noqa: E402
from periomics.singlecell.markers import read_markers  # noqa: E402
from periomics.singlecell.quality import good_cells, judge_cells  # noqa: E402
from periomics.singlecell.readers import read_cells  # noqa: E402
from periomics.study.settings.singlecell import Atlas  # noqa: E402

KANG = {
    "B cells": "b_cell",
    "CD4 T cells": "cd4_t_cell",
    "CD8 T cells": "cd8_t_cell",
    "CD14+ Monocytes": "monocyte",
    "FCGR3A+ Monocytes": "monocyte",
}


def show(name, cells, truth, species, settings) -> None:
    """Confusion, accuracy, ARI, confidence and what happens without each type."""
    markers = read_markers(ROOT / "resources/cell_types.tsv", species)
    parents = markers.drop_duplicates("cell_type").set_index("cell_type")["parent"].to_dict()
    judge_cells(cells, settings, 1)
    cells = good_cells(cells)
    found = embed(cells, settings, 1)
    _, _, seen = label(cells, found, markers, settings)
    named, given = cells.obs["label"].to_numpy(str), truth.loc[cells.obs_names]
    ours = given.map(KANG).fillna(given).to_numpy(str)
    print(f"\n## {name}: {len(named)} cells, {cells.obs['cluster'].nunique()} clusters\n")
    print(pd.crosstab(given.to_numpy(), named).to_string())
    right = (named == ours) | np.array(
        [parents.get(o) == n for o, n in zip(ours, named, strict=True)]
    )
    print(f"right {right.mean():.3f}, ARI {adjusted_rand_score(ours, named):.3f}")
    bins = pd.cut(cells.obs["confidence"].to_numpy(), [0, 0.5, 0.7, 0.8, 0.9, 0.95, 1])
    sure = pd.DataFrame({"said": cells.obs["confidence"].to_numpy(), "right": right, "n": 1})
    print(
        sure.groupby(bins, observed=True)
        .agg({"said": "mean", "right": "mean", "n": "sum"})
        .round(3)
    )
    print({k: round(v, 3) for k, v in found.facts.items()})
    members = cells.obs["cluster"].astype(str).to_numpy()
    unknown, of = 0, 0
    for kind in sorted({parents.get(n) or n for n in set(named)} - {UNKNOWN}):
        fewer = markers[(markers["cell_type"] != kind) & (markers["parent"] != kind)]
        again = call(type_scores(seen, fewer, members), fewer, settings)["label"].to_numpy(str)
        own = np.array([o == kind or parents.get(o) == kind for o in ours])
        unknown, of = unknown + (again[own] == UNKNOWN).sum(), of + own.sum()
        others = pd.Series(again[own & (again != UNKNOWN)]).value_counts().to_dict()
        print(
            f"without {kind}: unknown {(again[own] == UNKNOWN).mean():.3f} of {own.sum()} {others}"
        )
    print(f"without their type: unknown {unknown / of:.3f} of {of}")


def main() -> None:
    if len(sys.argv) > 1:
        samples = ("ctrl101", "stim101", "ctrl107", "stim107")
        facts = [
            {
                "specimen_id": s,
                "animal_id": s[-3:],
                "sample": s,
                "species": "human",
                "path": sys.argv[1],
            }
            for s in samples
        ]
        settings = Atlas(
            sample_column="sample_id",
            label_column="cluster_id",
            min_counts=100,
            min_genes=50,
            drop_doublets=False,
        )
        cells = read_cells(facts, settings)
        truth = cells.obs.pop("given_label")
        show("interferon", cells, truth, "human", settings)
    cells, known = libraries(300)
    show("simulator", cells, known["type"], "rat", Atlas())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cells.h5ad"
        drawn = draw(12_000, path)
        facts = [
            {"specimen_id": f"L{i:02d}", "animal_id": f"A{i:02d}", "sample": f"s{i:02d}"}
            | {"species": "human", "path": str(path)}
            for i in range(12)
        ]
        cells = read_cells(facts)
    truth = pd.Series(
        drawn.loc[cells.obs_names.str.split(":").str[1], "type"].to_numpy(), cells.obs_names
    )
    show("drawn apart from the simulator", cells, truth, "human", Atlas())


if __name__ == "__main__":
    main()
