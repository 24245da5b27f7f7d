"""How often partial least squares of scores predict an outcome that nothing links to them, and how
often one that is linked.

    OMP_NUM_THREADS=1 python benchmarks/pls_error.py [STUDIES]

Animals of four arms in blocks that explain .3 of the variance; 20 scores that share four hidden
factors; arms move scores and the outcome by up to 2.5 SD. In `null` nothing else links them; in
`one` the outcome correlates by .6 within arms with one score, in `five` with the mean of five, in
`factor` with a hidden factor that moves all. 199 orders and signs. Prints the table of
docs/linkage.md.
"""

import sys
from pathlib import Path

import numpy as np
from scipy import stats

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow/scripts"))

from periomics.linkage.pls import predicted
from periomics.statistics.kernels.exchange import of_animals

SCORES, FACTORS, LINK = 20, 4, 0.6
# Name, animals of each arm, link, spread of the first arm, heavy tails.
CASES = [
    *((f"{n} animals", (n // 4,) * 4, "null", 1.0, False) for n in (16, 24, 32, 48)),
    ("32, one arm SD x 3", (8,) * 4, "null", 3.0, False),
    ("3, 12, 12, 5", (3, 12, 12, 5), "null", 2.0, False),
    ("32, t with 3 df", (8,) * 4, "null", 1.0, True),
    *(
        (f"{n} animals", (n // 4,) * 4, link, 1.0, False)
        for link in ("one", "five", "factor")
        for n in (16, 24, 32, 48)
    ),
]


def study(sizes, link, spread, heavy, rng):
    """Scores, outcome and design of one study."""
    n = sum(sizes)
    arm, block = np.repeat(list("abcd"), sizes), np.arange(n) % 4
    place = np.repeat(np.arange(4), sizes)

    def noise(*shape):
        drawn = rng.standard_t(3, shape) / np.sqrt(3) if heavy else rng.normal(size=shape)
        return drawn * np.where(arm == "b", spread, 1.0).reshape(-1, *[1] * (len(shape) - 1))

    factors = noise(n, FACTORS)
    scores = 0.7 * factors @ rng.normal(size=(FACTORS, SCORES)) / np.sqrt(FACTORS)
    scores = scores + 0.7 * noise(n, SCORES)
    drives = {"one": scores[:, 0], "five": scores[:, :5].mean(axis=1), "factor": factors[:, 0]}
    outcome = noise(n)
    if link in drives:
        own = drives[link] - drives[link].mean()
        outcome = LINK * own / own.std() + np.sqrt(1 - LINK**2) * outcome
    # Blocks have .3 of the variance that arms leave.
    day = np.sqrt(0.3 / 0.7)
    scores = scores + rng.normal(scale=2.5, size=(4, SCORES))[place]
    scores = scores + day * rng.normal(size=(4, SCORES))[block]
    outcome = outcome + rng.normal(scale=2.5, size=4)[place] + day * rng.normal(size=4)[block]
    return scores, outcome, of_animals(arm, block.astype(str))


def main(studies):
    """A row for each case and number of components."""
    print("| study | link | components | p ≤ .05 | 95 % | p ≤ .05 and Q² > 0 | mean Q² |")
    print("|---|---|---|---|---|---|---|")
    for name, sizes, link, spread, heavy in CASES:
        rng = np.random.default_rng(20261130)
        drawn = [study(sizes, link, spread, heavy, rng) for _ in range(studies)]
        for most in (1, 2, 3):
            found = [predicted(*one, rng, 199, most) for one in drawn]
            p, q2 = np.array([f.p for f in found]), np.array([f.q2 for f in found])
            hits = int((p <= 0.05).sum())
            low, high = stats.binomtest(hits, studies).proportion_ci(0.95, method="exact")
            both = np.mean((p <= 0.05) & (q2 > 0))
            told = f"{hits / studies:.3f} | {low:.3f} to {high:.3f} | {both:.3f} | {q2.mean():.2f}"
            print(f"| {name} | {link} | {most} | {told} |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 400)
