"""Time of power tables and of allocations, and how both grow; how far the draws of the programme are from a plain lottery.

Run: .venv/bin/python benchmarks/planning.py
"""

import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "workflow" / "scripts"), str(ROOT / "tests" / "unit" / "statistics")]

from studies import DICTIONARY, plan  # noqa: E402

from periomics.statistics.planning.allocation import allocate  # noqa: E402
from periomics.statistics.planning.layout import lay_out  # noqa: E402
from periomics.statistics.planning.power_tables import power_tables  # noqa: E402
from periomics.study.settings.planning import Planning  # noqa: E402
from periomics.study.sheets import read_sheet  # noqa: E402

warnings.simplefilter("ignore", DeprecationWarning)


def sheet(n: int, blocks: int, seed: int) -> pd.DataFrame:
    """Animals with weights of 180 ± 12 g."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "animal_id": [f"R{i}" for i in range(n)],
            "block": [f"d{i % blocks}" for i in range(n)],
            "sex": rng.choice(["F", "M"], n),
            "weight_g": rng.normal(180, 12, n),
        }
    )


if __name__ == "__main__":
    animals = read_sheet("animals", ROOT / "config" / "animals.tsv")
    for simulations in (500, 2000):
        start = time.process_time()
        table, _ = power_tables(plan(), Planning(simulations=simulations), animals, DICTIONARY, 1)
        print(
            f"power, {len(table)} claims x outcomes, {simulations} studies a point: {time.process_time() - start:.1f} s"
        )
    for solver in ("HiGHS", "CBC"):
        for n, arms, blocks in ((24, 4, 3), (40, 4, 4), (60, 5, 5), (100, 5, 5)):
            seconds, off, states = [], [], []
            for seed in range(5):
                df = sheet(n, blocks, seed)
                start = time.monotonic()
                found = allocate(
                    df, [f"A{k}" for k in range(arms)], np.random.default_rng(seed), solver=solver
                )
                seconds.append(time.monotonic() - start)
                off.append(found.difference / df["weight_g"].std())
                states.append(found.status)
            start = time.monotonic()
            lay_out(
                df.assign(specimen_id=df["animal_id"], arm=found.arm),
                12,
                "run",
                np.random.default_rng(1),
                solver=solver,
            )
            print(
                f"{solver:6s} {n:3d} animals, {arms} arms, {blocks} blocks: {np.median(seconds):.2f} s (most {max(seconds):.2f}), "
                f"largest difference of mean weights {max(off):.3f} SD, {states.count('optimal')} of 5 proven, "
                f"layout {time.monotonic() - start:.2f} s",
                flush=True,
            )
