"""CPU time of the claim engine: a thousand studies at once, and one study of toy size through its tables.

Run: .venv/bin/python benchmarks/statistics_engine.py
"""

import resource
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "workflow" / "scripts"), str(ROOT / "tests" / "unit" / "statistics")]

from studies import ARMS, CORE, DICTIONARY, MEANS, analysis, plan, simulated  # noqa: E402

from periomics.statistics.claims import estimates, graph  # noqa: E402
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


if __name__ == "__main__":
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
