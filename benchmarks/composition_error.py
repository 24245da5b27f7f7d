"""How often the comparison of cell types calls a type that did not change, and one that did.

Run: OMP_NUM_THREADS=1 .venv/bin/python benchmarks/composition_error.py [studies, 800] [cells, all]

A cell is `A+B:case`, as `8+8:middle up, half`; without one all are drawn.

Seeds are the numbers of study and case. Cells are multinomial draws from shares that vary between animals on the log scale. A
study counts as false where any type that was not planted has adjusted p < .05. `mean of all` is the comparison with the mean
of all types (centred log ratios, Welch, Benjamini and Hochberg), as periomics did before.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

from periomics.singlecell.composition import composition_table  # noqa: E402
from periomics.study.settings.singlecell import PseudobulkTests  # noqa: E402

EVERY = 6  # cases that run with all sizes of arms; the others without two of the unequal ones
SIZES = ((3, 3), (5, 5), (8, 8), (3, 8), (8, 3), (4, 6))
SHARES = np.array([0.30, 0.22, 0.16, 0.12, 0.08, 0.06, 0.045, 0.015])
SD, CELLS, DEPTH = 0.35, 1500, 0.5
WEIGHTS = {"c": {"B": 1.0, "A": -1.0}}
CASES = {
    "nothing": {},
    "largest up": {"planted": {0: 1.5}},
    "middle up": {"planted": {4: 1.5}},
    "rarest down": {"planted": {7: -1.5}},
    "middle up, half": {"planted": {4: 0.75}},
    "two up": {"planted": {1: 1.5, 5: 1.5}},
    "middle up, B has a third of the cells": {"planted": {4: 1.5}, "depth": 1 / 3},
    "middle up, B varies twice as much": {"planted": {4: 1.5}, "spread": 2.0},
    "middle up, 200 cells": {"planted": {4: 1.5}, "cells": 200},
    "middle up, 5 types": {"planted": {2: 1.5}, "types": 5},
    "middle up, 15 types": {"planted": {7: 1.5}, "types": 15},
    "middle up, types move together": {"planted": {4: 1.5}, "shared": 0.3},
}


def draw(
    rng: np.random.Generator,
    sizes: tuple[int, int],
    *,
    planted: dict[int, float] | None = None,
    depth: float = 1.0,
    spread: float = 1.0,
    cells: float = CELLS,
    types: int = 8,
    shared: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Cells (animals, types) and the arm of each animal."""
    shares = SHARES if types == 8 else 0.72 ** np.arange(types)
    effect = np.zeros(types)
    for k, change in (planted or {}).items():
        effect[k] = change
    arms = np.repeat([0, 1], sizes)
    sd = SD * np.where(arms == 1, spread, 1.0)[:, None]
    own = rng.normal(size=(len(arms), types))
    common = rng.normal(size=(len(arms), 1)) * np.where(np.arange(types) < types // 2, 1, -1)
    logs = np.log(shares) + sd * own + shared * common + arms[:, None] * effect
    p = np.exp(logs) / np.exp(logs).sum(axis=1, keepdims=True)
    total = rng.poisson(
        cells * np.exp(rng.normal(0, DEPTH, len(arms))) * np.where(arms, depth, 1.0)
    )
    return np.array([rng.multinomial(t, q) for t, q in zip(total, p, strict=True)]), arms


def tested(counts: np.ndarray, arms: np.ndarray) -> np.ndarray:
    """Adjusted p of each type by composition_table; NaN where it has none."""
    ids = [f"u{i:02d}" for i in range(len(arms))]
    names = [f"t{k:02d}" for k in range(counts.shape[1])]
    wide = pd.DataFrame(counts, pd.Index(ids, name="specimen_id"), names)
    groups = wide.melt(ignore_index=False, var_name="cell_type", value_name="n_cells").reset_index()
    samples = pd.DataFrame(
        {"specimen_id": ids, "animal_id": ids, "arm": np.where(arms, "B", "A"), "unit": "animal"}
    )
    table = composition_table(groups, samples, WEIGHTS, False, PseudobulkTests())
    rows = table[table["row"] == "contrast"].set_index("cell_type")
    return rows["padj"].reindex(names).to_numpy(float)


def against_mean(counts: np.ndarray, arms: np.ndarray) -> np.ndarray:
    logs = np.log(counts + 0.5)
    logs = logs - logs.mean(axis=1, keepdims=True)
    p = stats.ttest_ind(logs[arms == 1], logs[arms == 0], equal_var=False).pvalue
    return stats.false_discovery_control(p)


def main(studies: int, *cells: str) -> None:
    print("n      case | false (mean of all) | called (mean of all) | without p")
    for sizes in SIZES:
        for at, (name, case) in enumerate(CASES.items()):
            wanted = f"{sizes[0]}+{sizes[1]}:{name}" in cells
            if not wanted and (cells or (at >= EVERY and sizes in ((8, 3), (4, 6)))):
                continue
            found = []
            for seed in range(studies):
                counts, arms = draw(np.random.default_rng([seed, at, *sizes]), sizes, **case)
                planted = np.isin(np.arange(counts.shape[1]), list(case.get("planted", {})))
                own, before = tested(counts, arms), against_mean(counts, arms)
                hits = [
                    ((q[~planted] < 0.05).any(), (q[planted] < 0.05).mean() if planted.any() else 0)
                    for q in (own, before)
                ]
                found.append([*hits[0], *hits[1], np.isnan(own).mean()])
            m = np.mean(found, axis=0)
            print(
                f"{sizes[0]} + {sizes[1]}  {name:38s} | {m[0]:.3f} ({m[2]:.3f}) | {m[1]:.3f} ({m[3]:.3f}) | {m[4]:.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 800, *sys.argv[2:])
