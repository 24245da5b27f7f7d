"""CPU seconds to a proven optimum on a whole OmniPath-like table, by depth and number of measured transcription factors.

    python benchmarks/network_optimum.py EDGES GENES

EDGES is a table source, sign, target (TSV, gz); GENES one whose first column names transcription factors. Thirteen receptors are given;
weights are drawn. Prints the table of docs/linkage.md.
"""

import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow/scripts"))
warnings.simplefilter("ignore")

from periomics.linkage.network import solve_pool  # noqa: E402

RECEPTORS = (
    "EGFR MET FGFR1 FGFR2 KDR IL6ST TNFRSF1A TGFBR1 TGFBR2 NOTCH1 IFNGR1 PDGFRB IGF1R".split()
)


def main():
    edges, factors = (pd.read_csv(path, sep="\t") for path in sys.argv[1:3])
    inputs = {r: 1 for r in RECEPTORS if r in set(edges["source"])}
    known = [f for f in sorted(set(factors.iloc[:, 0])) if f in set(edges["target"])]
    rng = np.random.default_rng(0)
    print(f"{len(edges)} edges, {len(inputs)} receptors")
    print(
        "| factors | depth | edges in reach | objective | nodes | status | CPU s |\n|" + "---|" * 7
    )
    for number in (50, 200):
        chosen = rng.choice(known, number, replace=False)
        genes = {str(f): float(rng.choice([-1, 1]) * rng.uniform(0.5, 2)) for f in chosen}
        for depth in (4, 5, 6, None):
            before = time.process_time()
            pool = solve_pool(edges, inputs, genes, 0.2, depth=depth, limit=1)
            best, seconds = pool.solutions[0], time.process_time() - before
            print(
                f"| {number} | {depth or 'no limit'} | {pool.edges} | {best.objective:.3f} | "
                f"{len(best.states)} | {best.status} | {seconds:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
