"""How often a pair of score and outcome that nothing links has p at most .05, and how often the interval holds the truth.

    python benchmarks/linkage_error.py [STUDIES]

Every study is drawn anew: arms, a day of surgery (block), medium and cue, and whole isolations move score and outcome; the link
beyond them is rho. Prints the table of docs/linkage.md.
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow/scripts"))

from periomics.linkage.association import beyond
from periomics.statistics.kernels.exchange import of_animals, of_units, p_value

ANIMALS = {
    "24 animals": {"sizes": (6, 6, 6, 6)},
    "24, blocks .3": {"sizes": (6, 6, 6, 6), "share": 0.3},
    "24, blocks .5": {"sizes": (6, 6, 6, 6), "share": 0.5},
    "16, blocks .3": {"sizes": (4, 4, 4, 4), "share": 0.3},
    "12, blocks .3": {"sizes": (3, 3, 3, 3), "share": 0.3},
    "24, one arm SD × 3": {"sizes": (6, 6, 6, 6), "sd": (1, 3, 1, 1)},
    "24, blocks .3, one arm SD × 3": {"sizes": (6, 6, 6, 6), "share": 0.3, "sd": (1, 3, 1, 1)},
    "1, 6, 6, 3, blocks .3, one arm SD × 2": {
        "sizes": (1, 6, 6, 3),
        "share": 0.3,
        "sd": (1, 2, 1, 1),
    },
    "24, t with 3 df": {"sizes": (6, 6, 6, 6), "heavy": True},
    "24, blocks .3, ties": {"sizes": (6, 6, 6, 6), "share": 0.3, "ties": True},
    "10, 2, 2, 2, blocks .3, two arms SD × 10": {
        "sizes": (10, 2, 2, 2),
        "share": 0.3,
        "sd": (1, 10, 10, 1),
        "days": 4,
    },
    "10, 2, 2, 2, blocks .3, one arm SD × 20": {
        "sizes": (10, 2, 2, 2),
        "share": 0.3,
        "sd": (1, 1, 1, 20),
        "days": 4,
    },
    "16, blocks .3, one arm SD × 10": {"sizes": (4, 4, 4, 4), "share": 0.3, "sd": (1, 10, 1, 1)},
}
CULTURES = {
    f"{n} isolations, effects {e} SD{', own responses' if r else ''}": (n, e, r)
    for n in (4, 6)
    for e in (1, 3)
    for r in (0, 1)
}
UNLIKE = ("SD unlike", "SD up to 50 times", "one SD × 50")
CULTURES |= {
    f"{n} isolations, own responses, {how}": (n, 1, 1, how) for how in UNLIKE for n in (4, 5, 6, 7)
}
CULTURES |= {f"{n} isolations, own responses": (n, 1, 1) for n in (8, 12)}
CULTURES |= {f"{n} isolations, own responses, {UNLIKE[0]}": (n, 1, 1, UNLIKE[0]) for n in (8, 12)}


def draw_animals(rng, rho, *, sizes, share=0.0, sd=(1, 1, 1, 1), heavy=False, ties=False, days=0):
    """Score, outcome and design of one study of animals."""
    n, scale = sum(sizes), np.repeat(sd, sizes)
    arm = np.repeat(list("ABCD"), sizes)
    day = np.concatenate([np.arange(s) for s in sizes])
    if days:  # dealt at random, as arms of two have no day for every block
        day = rng.permutation(np.resize(np.arange(days), n))
    first, second = (
        rng.standard_t(3, n) / np.sqrt(3) if heavy else rng.standard_normal(n) for _ in range(2)
    )
    second = rho * first + np.sqrt(1 - rho**2) * second
    shared = np.sqrt(share) * rng.standard_normal(day.max() + 1)[day] + 2 * (arm == "B")
    x, y = (shared + np.sqrt(1 - share) * scale * v for v in (first, second))
    if ties:
        x, y = np.round(x), np.round(y)
    return x, y, of_animals(arm, day.astype(str) if share else None)


def draw_cultures(rng, rho, isolations, effect, own, how=""):
    """Score, outcome and design of one study of cultures: vehicle and medium, each without and with
    a cue; `how` the SD of isolations differ, of score and outcome alike."""
    n = 4 * isolations
    dose = np.tile([0.0, 1.0, 1.0, 2.0], isolations)
    first = rng.standard_normal(n)
    second = rho * first + np.sqrt(1 - rho**2) * rng.standard_normal(n)
    sd = np.ones(isolations)
    if how == UNLIKE[0]:
        sd = np.exp(rng.standard_normal(isolations))
    elif how == UNLIKE[1]:
        sd = np.clip(np.exp(2 * rng.standard_normal(isolations)), 1 / 7, 7)
    elif how:
        sd[0] = 50
    level = np.repeat(2 * rng.standard_normal(isolations), 4) + effect * dose
    x, y = (
        level + np.repeat(own * rng.standard_normal(isolations), 4) * dose + np.repeat(sd, 4) * v
        for v in (first, second)
    )
    unit = np.repeat([f"I{k}" for k in range(isolations)], 4)
    return x, y, of_units(unit, np.tile(["v", "m", "vc", "mc"], isolations))


def rates(draw, studies, rho, rng):
    """Shares: of p at most .05 over all studies, of studies that are tested, and of intervals that
    hold rho over a fifth of them."""
    found = []
    for _ in range(studies):
        x, y, design = draw(rng, rho)
        found.append(p_value(x, y, design, rng, 299))
    some = [beyond(*draw(rng, rho), rng, 299) for _ in range(studies // 5)]
    held = [f.lower <= rho <= f.upper for f in some if np.isfinite(f.p)]
    return np.mean(np.array(found) <= 0.05), np.isfinite(found).mean(), np.mean(held)


def main():
    studies = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    rng = np.random.default_rng(20261129)
    cases = {k: lambda r, rho, v=v: draw_animals(r, rho, **v) for k, v in ANIMALS.items()}
    cases |= {k: lambda r, rho, v=v: draw_cultures(r, rho, *v) for k, v in CULTURES.items()}
    print(
        "| study | p ≤ .05, no link | tested | coverage, no link "
        "| p ≤ .05, r .6 | tested | coverage, r .6 |"
    )
    print("|---|---|---|---|---|---|---|")
    for name, draw in cases.items():
        cells = [f"{v:.3f}" for rho in (0.0, 0.6) for v in rates(draw, studies, rho, rng)]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
