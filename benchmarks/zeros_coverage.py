"""Coverage of intervals of means with zeros in one arm, and what blocks cost: drawn by numpy alone.

Shares of 150 objects (beta-binomial) and counts (negative binomial); 30, 60 and 100 % of the
healthy animals at 0; 5, 6, 8 and 10 animals an arm, three blocks of equal size that have a share of
what animals vary by, or none. C0, treated - diseased, treated - healthy, and R at its truth, by
interval: without blocks (those of a study that declares none), as the engine does, and with the
noise of the variance between blocks taken off. Printed: least and largest coverage, median width
against the engine's, studies without an interval, sets of R that hold every R, and how often the
others hold the truth (of a quarter of the studies).

Run: .venv/bin/python benchmarks/zeros_coverage.py [studies a cell, 10000]
"""

import itertools
import sys
from dataclasses import replace

import numpy as np

from periomics.statistics.kernels.contrasts import Bounded, interval, summarise, without_events
from periomics.statistics.kernels.means import of_means
from periomics.statistics.kernels.rescue import fieller

SIZES, BLOCKS, ANIMAL_SD = (5, 6, 8, 10), 3, 0.78
# Sets of which coverage is not told: fewer than this.
FEW = 200
# Means of healthy, diseased and treated animals; how much they vary.
LAWS = {
    "shares": (((8, 38, 18), 20), ((8, 38, 18), 6)),
    "counts": (((1, 4, 2), 0.3), ((3, 20, 8), 0.5)),
}


def draw(kind, law, n, zeros, block_share, studies, rng):
    """Values (studies, arms, animals), true means and the block of each animal of an arm."""
    centre, more = np.array(law[0], float), law[1]
    days = np.arange(n) * BLOCKS // n
    sd = ANIMAL_SD * block_share**0.5
    moved = sd * rng.standard_normal((studies, 1, BLOCKS))[..., days]
    many = sd * rng.standard_normal((200_000, 1))
    if kind == "shares":
        logit = np.log(centre / (100 - centre))
        share, wide = (
            1 / (1 + np.exp(-(x + b))) for x, b in ((logit[:, None], moved), (logit, many))
        )
        values = 100 * rng.binomial(150, rng.beta(share * more, (1 - share) * more)) / 150
        true = 100 * wide.mean(axis=0)
    else:
        mean = centre[:, None] * np.exp(moved)
        values = rng.negative_binomial(1 / more, 1 / (1 + mean * more)).astype(float)
        true = (centre * np.exp(many)).mean(axis=0)
    values[:, 0][rng.random((studies, n)) < zeros] = 0.0
    return values, true * [1 - zeros, 1, 1], days


def noise_of_blocks(means):
    """Variance between blocks that animals of their own make, where blocks move nothing."""
    with np.errstate(invalid="ignore", divide="ignore"):
        lead = np.where(means.var > 0, means.slope**2 / means.var, 0.0)
    count = means.place * means.n[..., None]
    told = lead[..., None] * count
    spread = np.einsum("sab,bc->sbc", told, np.eye(BLOCKS))
    spread -= np.einsum("sab,sac->sbc", told, means.place)
    own = (lead * (count * (1 - means.place)).sum(axis=-1)).sum(axis=-1)
    return own / (spread**2).sum(axis=(-2, -1))


def ways(values, days, most):
    """Arms by each way of making an interval."""
    flat, arm = values.reshape(len(values), -1), np.repeat(range(3), values.shape[2])
    arms = summarise(flat, arm, 3)
    bound = without_events(flat, arm, 3, (0.0, most))
    engine = of_means(arms, flat, arm, (0.0, most), np.tile(days, 3))
    without = of_means(arms, flat, arm, (0.0, most))
    less = replace(engine, moved=np.maximum(engine.moved - noise_of_blocks(engine), 0.0))
    found = {"no blocks declared": without, "engine": engine, "noise off": less}
    return {name: Bounded(means, *bound) for name, means in found.items()}


def covered(arms, true):
    """Coverage of each contrast, mean width of each, and the share of studies without interval."""
    R = (true[2] - true[1]) / (true[0] - true[1])
    out = []
    for weights in ([1, -1, 0], [0, -1, 1], [-1, 0, 1], [-R, R - 1, 1]):
        lower, upper = interval(arms.form(weights), 0.95)
        judged, truth = np.isfinite(lower), np.dot(weights, true)
        held = (lower <= truth) & (truth <= upper)
        out.append((held[judged].mean(), (upper - lower)[judged].mean(), 1 - judged.mean()))
    return np.array(out)


def rescued(arms, true, studies):
    """Share of sets of R that hold every R, and coverage of the others (NaN where they are few)."""
    sets, R = fieller(arms.some(slice(0, studies // 4)), 0, 1, 2), true[2] - true[1]
    R = R / (true[0] - true[1])
    judged = np.isfinite(sets.deficit_p)
    whole = judged & np.isnan(sets.lower)
    inside = (sets.lower <= R) & (sets.upper >= R)
    held = np.where(sets.bounded, inside, (sets.lower >= R) | (sets.upper <= R))
    told = judged & ~whole
    return whole.sum() / judged.sum(), held[told].mean() if told.sum() >= FEW else np.nan


def main(studies):
    rng = np.random.default_rng(20264)
    for kind, zeros, share in itertools.product(LAWS, (0.3, 0.6, 1.0), (0.0, 0.3)):
        found = {}
        for law, n in itertools.product(LAWS[kind], SIZES):
            values, true, days = draw(kind, law, n, zeros, share, studies, rng)
            most = 100.0 if kind == "shares" else np.inf
            for name, arms in ways(values, days, most).items():
                found.setdefault(name, []).append(
                    (covered(arms, true), rescued(arms, true, studies))
                )
        for name, cells in found.items():
            coverage, width, gone = np.moveaxis(np.array([c for c, _ in cells]), -1, 0)
            wide = width / np.array([c for c, _ in found["engine"]])[..., 1]
            whole, told = np.array([r for _, r in cells]).T
            print(
                f"{kind} {100 * zeros:.0f} % at 0, blocks {share:g}, {name}: coverage "
                f"{coverage.min():.3f} to {coverage.max():.3f}, median {np.median(coverage):.3f}; "
                f"width {np.median(wide):.2f}; none {gone.max():.3f}; every R {whole.max():.3f}, "
                f"other sets {np.nanmin(told):.3f} to {np.nanmax(told):.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
