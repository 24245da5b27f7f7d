"""How often a family of claims says anything false: "refuted" and "improved" at their margins, and
three equal arms against one.

Run: .venv/bin/python benchmarks/family_bounds.py [studies]
(default 20000; a fifth where the family is Dunnett's)
Arms are drawn here, by numpy alone; only verdicts are the engine's. Its tables stand in
docs/calibration.md.
"""

import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

from periomics.statistics.claims.families import load  # noqa: E402
from periomics.statistics.claims.graph import arm_forms, decide  # noqa: E402
from periomics.statistics.claims.plan import read_plan  # noqa: E402
from periomics.statistics.kernels.contrasts import signs, summarise  # noqa: E402

SEED = 20262
SIZES = (5, 6, 10)
OUTCOMES = tuple(f"o{i}" for i in range(5))
CORRELATION = 0.4  # between the outcomes of an animal
DEFICIT = 2.5  # healthy - diseased in SD
CORRECTIONS = ("holm", "bh", "dunnett")
IMPROVED = ("refuted", "improved but below the margin", "improved, size unclear")
# Claim, margin, effect of each outcome in SD (three at the boundary, two well beyond it), false
# verdicts, what is promised.
AT_MARGIN = (
    ("superiority", "deficit", (0.75, 0.75, 0.75, -3, -3), ("refuted", "supported, small"), 0.025),
    ("non_superiority", "deficit", (0.75, 0.75, 0.75, 4, 4), ("refuted",), 0.05),
    ("equivalence", "deficit", (0.75, 0.75, 0.75, 4, 4), ("refuted",), 0.05),
    ("superiority", "sd", (0.8, 0.8, 0.8, -3, -3), ("refuted", "supported, small"), 0.025),
    ("non_superiority", "sd", (0.8, 0.8, 0.8, 4, 4), ("refuted",), 0.05),
    ("non_superiority", "deficit", (0, 0, 0, 4, 4), IMPROVED, 0.05),
    ("non_superiority", "sd", (0, 0, 0, 4, 4), IMPROVED, 0.05),
)
MARGINS = {"deficit": {"kind": "deficit", "value": 0.3}, "sd": {"kind": "sd", "value": 0.8}}


def draw(means: np.ndarray, n: int, studies: int, rng: np.random.Generator) -> np.ndarray:
    """Normal values of SD 1, shape (studies, outcomes, arms x n); `means` is (outcomes, arms)."""
    outcomes, arms = means.shape
    common = rng.standard_normal((studies, 1, arms * n))
    own = rng.standard_normal((studies, outcomes, arms * n))
    y = np.sqrt(CORRELATION) * common + np.sqrt(1 - CORRELATION) * own
    return y + np.repeat(means, n, axis=1)


def verdicts(plan, names, y, n):
    """Verdicts of each claim, shape (studies, outcomes)."""
    arms = summarise(y, np.repeat(range(len(names)), n), len(names))
    ones = np.ones(y.shape[1])
    forms = {c.id: arm_forms(plan, c, list(names), arms, arms, sign=ones) for c in plan.claims}
    loads = {
        c.id: load(arms, names, plan.weights_of(c), "none")
        for c in plan.claims
        if c.correction == "dunnett"
    }
    found = decide(plan, forms, loads=loads, ends=signs)
    return {name: decision.verdict for name, decision in found.items()}


def at_margin(kind, margin, effects, words, n, studies, rng):
    """Share of studies in which an outcome at the boundary gets a false verdict."""
    claim = {"id": "A", "kind": kind, "contrast": "C", "outcomes": list(OUTCOMES)}
    plan = read_plan(
        {
            "contrasts": {"C": {"weights": {"treated": 1, "none": -1}}},
            "claims": [claim | {"correction": "holm", "margin": MARGINS[margin]}],
        },
        {"healthy": "well", "disease": "none", "treated": ["treated"]},
    )
    means = np.array([[DEFICIT, 0.0, e] for e in effects], float)
    found = verdicts(plan, ("well", "none", "treated"), draw(means, n, studies, rng), n)["A"]
    edge = np.array(effects) == effects[0]
    return np.isin(found[:, edge], words).any(axis=1).mean()


def equal_doses(correction, n, studies, rng):
    """Share of studies in which any of three claims is supported where no arm has an effect."""
    doses = ("low", "mid", "high")
    claims = [
        {"id": a, "kind": "superiority", "contrast": a, "outcomes": [OUTCOMES[0]], "family": "f"}
        for a in doses
    ]
    plan = read_plan(
        {
            "contrasts": {a: {"weights": {a: 1, "none": -1}} for a in doses},
            "claims": [c | {"correction": correction, "margin": MARGINS["sd"]} for c in claims],
        }
    )
    found = verdicts(plan, ("none", *doses), draw(np.zeros((1, 4)), n, studies, rng), n)
    said = [np.isin(found[a][:, 0], ("supported", "supported, small")) for a in doses]
    return np.any(said, axis=0).mean()


def main(studies: int) -> None:
    rng = np.random.default_rng(SEED)
    print("| claim | margin | false | promised | " + " | ".join(f"{n} an arm" for n in SIZES))
    for kind, margin, effects, words, promised in AT_MARGIN:
        rates = [at_margin(kind, margin, effects, words, n, studies, rng) for n in SIZES]
        side = "improved" if words is IMPROVED else "refuted"
        print(f"| {kind} | {margin} | {side} | {promised} | ", *(f"{r:.4f} | " for r in rates))
    print(f"\n{studies} studies, standard error at .025 {np.sqrt(0.025 * 0.975 / studies):.4f}\n")
    for correction in CORRECTIONS:
        many = studies // 5 if correction == "dunnett" else studies
        rates = [equal_doses(correction, n, many, rng) for n in SIZES]
        print(f"| {correction} | {many} | .025 | ", *(f"{r:.4f} | " for r in rates))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
