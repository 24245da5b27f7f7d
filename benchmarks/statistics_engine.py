"""CPU time of the claim engine: a thousand studies at once, and one study of toy size through its tables.

Run: .venv/bin/python benchmarks/statistics_engine.py
With `whole`: 2,000 animals x 500 outcomes x 7 contrasts through every table, some ten minutes.
"""

import resource
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "workflow" / "scripts"), str(ROOT / "tests" / "unit" / "statistics")]

from studies import ARMS, CORE, DICTIONARY, MEANS, analysis, plan, simulated  # noqa: E402

from periomics.statistics.claims import estimates, graph  # noqa: E402
from periomics.statistics.claims.analysis import Analysis  # noqa: E402
from periomics.statistics.claims.animals import prepare  # noqa: E402
from periomics.statistics.claims.judging import verdict_table  # noqa: E402
from periomics.statistics.kernels import position  # noqa: E402
from periomics.statistics.kernels.adjusted import adjust  # noqa: E402
from periomics.statistics.kernels.contrasts import summarise  # noqa: E402
from periomics.statistics.kernels.rescue import fieller  # noqa: E402


def many(studies: int, outcomes: int = 12, blocks: bool = True) -> float:
    """Seconds of processor time for every claim that animals answer, on many studies: drawn values to verdicts."""
    rng = np.random.default_rng(1)
    y = rng.standard_normal((studies, outcomes, 24)) + np.repeat([2.5, 0, 0.1, 1.7], 6)
    names = list(DICTIONARY.index[:outcomes])
    p = plan(domains={o: o for o in names}, claims=CORE)
    arm, block = np.repeat(range(4), 6), np.tile([0, 0, 1, 1, 2, 2], 4)
    code = position.codes(["logit", "log", "identity"] * (outcomes // 3))
    start = time.process_time()
    arms = adjust(y, arm, 4, block) if blocks else summarise(y, arm, 4)
    forms = {
        c.id: graph.arm_forms(p, c, list(ARMS), arms, arms, np.ones(outcomes), code)
        for c in p.claims
    }
    graph.decide(p, forms)
    for treated in (2, 3):
        fieller(arms, 0, 1, treated, 0.95, code)
    return time.process_time() - start


def one(outcomes: int) -> tuple[float, float]:
    """Seconds of processor time for contrasts with rescue, and for verdicts, of one study."""
    others = [o for o in DICTIONARY.index if o not in MEANS and DICTIONARY.at[o, "unit"] != "%"][
        : outcomes - len(MEANS)
    ]
    prepared = prepare(*simulated(means=MEANS | dict.fromkeys(others, (9, 5, 5.5, 8))), DICTIONARY)
    known = analysis(plan(), prepared)
    start = time.process_time()
    estimates.contrast_table(known, 1)
    estimates.rescue_table(known)
    middle = time.process_time()
    verdict_table(known)
    return middle - start, time.process_time() - middle


def large(animals: int) -> float:
    """Seconds of processor time for a row of contrasts of a study of so many animals an arm, four arms."""
    means = dict(list(MEANS.items())[:3])
    known = analysis(plan(), prepare(*simulated(n=animals, means=means), DICTIONARY))
    start = time.process_time()
    rows = len(estimates.contrast_table(known, 1))
    return (time.process_time() - start) / rows


def whole(animals: int = 500, outcomes: int = 500) -> dict[str, float]:
    """Seconds of processor time for 7 contrasts of so many outcomes of four arms in five blocks,
    part by part."""
    rng = np.random.default_rng(8)
    like = ("mvd", "necr", "bvtv")
    names = [f"o{i}" for i in range(outcomes)]
    own = [DICTIONARY.loc[like[i % 3]] for i in range(outcomes)]
    added = pd.DataFrame(own, index=names).assign(outcome=names, benefit="+")
    dictionary = pd.concat([DICTIONARY, added])
    table, sheet = simulated(n=animals, means={"mvd": MEANS["mvd"]})
    sheet["block"] = [f"b{i % 5}" for i in range(len(sheet))]
    level = table["condition"].map({"CTRL": 1.0, "DRUG": 0.0, "PRE": 0.05, "POST": 0.7}).to_numpy()
    parts = []
    for i, name in enumerate(names):
        z = level * rng.uniform(0, 0.6) + rng.standard_normal(len(level))
        y = np.exp(4 + 0.3 * z) if i % 3 == 0 else 100 / (1 + np.exp(0.5 - z))
        parts.append(table.assign(outcome=name, value=y, unit=added.at[name, "unit"]))
    arms = {
        "C0": {"healthy": 1, "disease": -1},
        "C1": {"PRE": 1, "disease": -1},
        "C2": {"POST": 1, "disease": -1},
        "C4": {"POST": 1, "PRE": -1},
        "H1": {"healthy": 1, "PRE": -1},
        "H2": {"healthy": 1, "POST": -1},
        "X": {"POST": 0.5, "PRE": 0.5, "disease": -1},
    }
    claims = [c for c in CORE if c["id"] in ("C0", "C1", "C2")]
    p = plan(
        domains={f"d{i}": o for i, o in enumerate(names[:5])},
        contrasts={name: {"weights": w} for name, w in arms.items()},
        claims=claims,
    )
    times = [time.process_time()]
    known = Analysis(p, prepare(pd.concat(parts, ignore_index=True), sheet, dictionary), dictionary)
    times.append(time.process_time())
    for step in (lambda: estimates.contrast_table(known, 1), lambda: estimates.rescue_table(known)):
        step()
        times.append(time.process_time())
    verdict_table(known)
    times.append(time.process_time())
    return dict(zip(("animals", "contrasts", "rescue", "verdicts"), np.diff(times), strict=True))


if __name__ == "__main__":
    if "whole" in sys.argv[1:]:
        print({name: f"{seconds:.0f} s" for name, seconds in whole().items()})
        sys.exit()
    for animals in (6, 50, 500):
        print(
            f"one study, {4 * animals} animals: {1000 * large(animals):.1f} ms a row of contrasts"
        )
    for studies in (1000, 2000, 4000):
        for blocks in (False, True):
            seconds = many(studies, blocks=blocks)
            how = "adjusted for blocks" if blocks else "unadjusted"
            print(
                f"{studies} studies x {len(CORE)} claims x 12 outcomes and 2 Fieller sets, {how}: {seconds:.2f} s"
            )
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
    for outcomes in (10, 40):
        first, second = one(outcomes)
        print(
            f"one study, {outcomes} outcomes x 7 contrasts: contrasts and rescue {first:.2f} s, verdicts {second:.2f} s"
        )
