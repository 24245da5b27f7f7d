"""Coverage of 95 % intervals by how the variance is estimated, by the scale on which natural positions are compared, and by what
the healing index is scaled with.

Run: .venv/bin/python benchmarks/statistics_coverage.py [studies]     (default 20000; its tables stand in docs/statistics.md)
"""

import sys
from pathlib import Path

import numpy as np
from scipy import stats

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

from periomics.statistics.claims.composite import overall_sd  # noqa: E402
from periomics.statistics.kernels import position  # noqa: E402
from periomics.statistics.kernels.adjusted import adjust  # noqa: E402
from periomics.statistics.kernels.contrasts import interval, summarise  # noqa: E402
from periomics.statistics.kernels.rescue import rescue_weights  # noqa: E402

CONTRASTS = {
    "C2": np.array([0, -1.0, 0, 1]),
    "C1": np.array([-0.3, -0.7, 1.0, 0]),
    "C4": np.array([0, 0, -1.0, 1]),
}
LAYOUTS = (
    ((3, 3, 3, 3), 3),
    ((4, 4, 4, 4), 2),
    ((4, 4, 4, 4), 3),
    ((5, 5, 5, 5), 3),
    ((6, 6, 6, 6), 3),
    ((6, 6, 6, 6), 6),
    ((8, 8, 8, 8), 4),
    ((10, 10, 10, 10), 5),
    ((10, 5, 4, 8), 3),
    ((6, 3, 6, 4), 3),
)
SPREADS = ((1, 1, 1, 1), (1, 1, 2, 2), (1, 2, 1, 1), (1, 3, 1, 1))
NAMES = (
    "pooled",
    "arm variances",
    "HC2, plain BM",
    "HC2, arms' BM",
    "the engine",
    "block differences",
)


def peers(y, arm, block, w):
    """Coverage of a true contrast of 0 by each way; group-wise ways by their textbook formulas."""
    n, groups = len(arm), np.eye(4)[arm]
    x = np.hstack([groups, np.eye(block.max() + 1)[block][:, 1:]])
    inverse = np.linalg.pinv(x)
    a, m = w @ inverse[:4], np.eye(n) - x @ inverse
    e, estimate = y @ m, y @ a
    s = np.maximum((e**2 @ groups) @ np.linalg.inv(groups.T @ m**2 @ groups).T, 0)
    free = n - np.linalg.matrix_rank(x)
    out = {"pooled": (e**2).sum(axis=1) / free * (a**2).sum()}
    df = {"pooled": np.full(len(y), free)}
    u = np.linalg.solve((groups.T @ m**2 @ groups).T, groups.T @ a**2)
    q = m @ np.diag(u[arm]) @ m
    cross = groups.T @ q**2 @ groups
    out["arm variances"] = s @ (groups.T @ a**2)
    df["arm variances"] = out["arm variances"] ** 2 / np.einsum("sg,gh,sh->s", s, cross, s)
    out["HC2, plain BM"] = e**2 @ (a**2 / np.diag(m))
    b = m @ np.diag(a**2 / np.diag(m)) @ m
    df["HC2, plain BM"] = np.full(len(y), np.trace(b) ** 2 / (b**2).sum())
    out["HC2, arms' BM"] = out["HC2, plain BM"]
    mean, cross = s @ (groups.T @ np.diag(b)), groups.T @ b**2 @ groups
    df["HC2, arms' BM"] = mean**2 / np.einsum("sg,gh,sh->s", s, cross, s)
    hit = {k: np.abs(estimate) <= stats.t.ppf(0.975, df[k]) * np.sqrt(out[k]) for k in out}
    lower, upper = interval(adjust(y, arm, 4, block).form(w), 0.95)
    hit["the engine"] = (lower <= 0) & (upper >= 0)
    inside = [
        [(block == k) & (arm == g) for g in np.flatnonzero(w)] for k in range(block.max() + 1)
    ]
    if all(c.any() for row in inside for c in row):
        d = np.stack(
            [
                sum(
                    w[g] * y[:, c].mean(axis=1) for g, c in zip(np.flatnonzero(w), row, strict=True)
                )
                for row in inside
            ],
            axis=1,
        )
        t = stats.ttest_1samp(d, 0, axis=1)
        hit["block differences"] = t.pvalue >= 0.05
    return {k: v.mean() for k, v in hit.items()}


def variances(studies: int) -> None:
    print("animals, blocks | SD | contrast | " + " | ".join(NAMES))
    for n, blocks in LAYOUTS:
        arm = np.repeat(range(4), n)
        block = np.concatenate([np.arange(k) * blocks // k for k in n])
        for sd in SPREADS:
            rng = np.random.default_rng(1)
            y = (
                rng.standard_normal((studies, arm.size)) * np.asarray(sd)[arm]
                + rng.standard_normal((studies, blocks))[:, block]
            )
            for name, w in CONTRASTS.items():
                found = peers(y, arm, block, w)
                print(
                    f"{n}, {blocks} | {sd} | {name} | "
                    + " | ".join(f"{found.get(k, np.nan):.3f}" for k in NAMES),
                    flush=True,
                )


def scales(studies: int) -> None:
    print(
        "\nscale | d | n | "
        + " | ".join(
            f"R {r}, SD 1:{k}: on the scale / raw means" for r in (0.0, 0.7) for k in (1, 2)
        )
    )
    for code, name, high, low in (
        (1, "log", 60.0, 260.0),
        (1, "log", 95.0, 55.0),
        (2, "logit", 0.08, 0.38),
    ):
        for d in (2.5, 1.2):
            for n in (3, 6, 10):
                cells = []
                for R in (0.0, 0.7):
                    for ratio in (1.0, 2.0):
                        cells.append(one_scale(code, high, low, d, n, R, ratio, studies))
                print(f"{name} {high:g} to {low:g} | {d} | {n} | " + " | ".join(cells), flush=True)


def one_scale(
    code: int, high: float, low: float, d: float, n: int, R: float, ratio: float, studies: int
) -> str:
    rng, arm = np.random.default_rng(2), np.repeat(range(3), n)
    mean = position.scaled(np.array([high, low, low + R * (high - low)]), code)
    sd = abs(mean[0] - mean[1]) / d * np.array([1.0, ratio, 1.0])
    y = mean[arm] + sd[arm] * rng.standard_normal((studies, arm.size))
    w = rescue_weights(R, 3, 0, 1, 2)
    lower, upper = interval(position.form(summarise(y, arm, 3), w, code), 0.95)
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    truth = float(
        w
        @ (position.natural(mean[:, None] + sd[:, None] * nodes, code) @ (weights / weights.sum()))
    )
    below, above = interval(summarise(position.natural(y, code), arm, 3).form(w), 0.95)
    return f"{((lower <= 0) & (upper >= 0)).mean():.3f} / {((below <= truth) & (above >= truth)).mean():.3f}"


def index_scales(studies: int) -> None:
    """One-sided rate at .05 of C2 on the mean of five outcomes (r = .4), no effect, by the SD that each outcome is divided by."""
    print("\nanimals | SD | known SD | SD within arms | SD over all animals")
    for n in (4, 6, 10):
        arm = np.repeat(range(4), n)
        for sd in SPREADS:
            rng = np.random.default_rng(3)
            shared, own = (
                rng.standard_normal((studies, 1, arm.size)),
                rng.standard_normal((studies, 5, arm.size)),
            )
            y = (np.sqrt(0.4) * shared + np.sqrt(0.6) * own) * np.asarray(sd)[arm]
            within = np.sqrt(summarise(y, arm, 4).var.mean(axis=-1))
            rates = []
            for scale in (np.ones_like(within), within, overall_sd(y, arm, 4)):
                form = summarise((y / scale[..., None]).mean(axis=1), arm, 4).form(CONTRASTS["C2"])
                rates.append((stats.t.sf(form.estimate / form.se, form.df) <= 0.05).mean())
            print(f"{n} | {sd} | " + " | ".join(f"{r:.3f}" for r in rates), flush=True)


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    variances(count)
    scales(count)
    index_scales(count)
