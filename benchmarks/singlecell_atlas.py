"""CPU time and memory of the atlas by number of cells, and how well types are found, on simulated libraries.

Run: .venv/bin/python benchmarks/singlecell_atlas.py [cells per library ...]
"""

import resource
import sys
import time
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.metrics import adjusted_rand_score

ROOT = Path(__file__).resolve().parents[1]
TABLES = ROOT / "resources"
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

from periomics.core.results import read_result  # noqa: E402
from periomics.genes.axes import SetTables  # noqa: E402
from periomics.simulate.singlecell import draw_library, draw_tissue  # noqa: E402
from periomics.singlecell.atlas import embed, label  # noqa: E402
from periomics.singlecell.doublets import find_doublets  # noqa: E402
from periomics.singlecell.markers import read_markers  # noqa: E402
from periomics.singlecell.quality import add_metrics, flag_cells  # noqa: E402
from periomics.study.settings.singlecell import Atlas  # noqa: E402

HEALING = ("h_barrier", "h_vessels", "h_inflammation")


def libraries(n_cells: int, n: int = 12) -> tuple[ad.AnnData, pd.DataFrame]:
    """Simulated cells of n libraries, and what they are."""
    tissue = draw_tissue(
        SetTables.read(TABLES / "signatures.tsv", TABLES / "responses.tsv"),
        read_result(TABLES / "signalling.tsv"),
        "rat",
        2000,
        1,
    )
    drawn = [
        draw_library(
            tissue,
            {"specimen_id": f"l{i}", "animal_id": f"a{i}"},
            dict.fromkeys(HEALING, i / n),
            n_cells,
            1,
        )
        for i in range(n)
    ]
    truth = pd.concat([t for _, t in drawn]).set_index("cell")
    counts = sp.csr_matrix(np.vstack([c for c, _ in drawn]).astype(np.float32))
    return ad.AnnData(
        counts,
        obs=truth[["specimen_id", "animal_id"]].copy(),
        var=pd.DataFrame({"symbol": tissue.genes}, index=tissue.genes),
    ), truth


def one(n_cells: int) -> str:
    """A line of the table."""
    cells, truth = libraries(n_cells)
    settings = Atlas()
    start = time.process_time()
    add_metrics(cells)
    flag_cells(cells, settings)
    find_doublets(cells, settings, 1)
    doublets = time.process_time() - start
    kept = cells[(cells.obs["drop"] == "").to_numpy()].copy()
    atlas = kept
    found = embed(atlas, settings, 1)
    label(atlas, found, read_markers(ROOT / "resources/cell_types.tsv", "rat"), settings)
    total = time.process_time() - start
    known = truth.loc[atlas.obs_names]
    single = (known["doublet"] == "no").to_numpy()
    index = adjusted_rand_score(known["type"][single], atlas.obs["label"][single])
    caught = 1 - (~single).sum() / ((truth["doublet"] == "yes") & (truth["dying"] == "no")).sum()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return f"{12 * n_cells:6d}  {doublets:8.1f}  {total:8.1f}  {memory:8.0f}  {index:5.3f}  {caught:5.2f}"


if __name__ == "__main__":
    print(" cells  doublets s   all s  peak MB  ARI of labels  doublets caught")
    for n_cells in [int(a) for a in sys.argv[1:]] or [100, 300, 900]:
        print(one(n_cells), flush=True)
