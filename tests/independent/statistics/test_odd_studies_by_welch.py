"""Every kind of claim on drawn odd studies, against Welch's formulas written down here.

Arms of 1 to 8 animals, ties, arms that do not vary, missing values, values below 0, more or less is
better, with a gate and without one.
"""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from periomics.outcomes.aggregate import COLUMNS
from periomics.statistics.claims.analysis import Analysis
from periomics.statistics.claims.animals import prepare
from periomics.statistics.claims.judging import verdict_table
from periomics.statistics.claims.plan import read_plan
from periomics.study.dictionary import load_dictionary

DICTIONARY = load_dictionary("resources/outcomes.tsv")
ROLES = {"healthy": "CTRL", "disease": "DRUG", "treated": ["POST"]}
DIFFERENCES = ("superiority", "non_superiority", "equivalence")
WEIGHTS = {"gate": {"CTRL": 1, "DRUG": -1}, "rescue": {"POST": 1, "CTRL": -0.5, "DRUG": -0.5}}
WEIGHTS |= {kind: {"POST": 1, "DRUG": -1} for kind in DIFFERENCES}
NONE = "not judged", np.nan


def drawn(rng, kind, sign):
    """Values of the three arms; healthy animals lie 4 better than diseased ones."""
    arms = {}
    for arm, mean in (("CTRL", 10), ("DRUG", 6), ("POST", rng.choice([6, 8, 9.5, 10]))):
        n = int(rng.choice([1, 2, 3, 4, 8]) if rng.random() < 0.3 else rng.integers(3, 9))
        y = mean + rng.normal(0, rng.choice([0.3, 1, 2.5]), n)
        y = np.round(y) if kind == "ties" else y - 9 * (kind == "below 0")
        if kind == "flat" and rng.random() < 0.4:
            y = np.full(n, float(mean))
        if kind == "missing":
            y[rng.random(n) < 0.2] = np.nan
        arms[arm] = y if sign > 0 else 16 - y
    return arms


def judged(arms, outcome, margin, gated):
    """The engine's verdict and p of each kind of claim."""
    rows = [
        dict.fromkeys(COLUMNS, "")
        | dict.fromkeys(("dose", "numerator", "denominator"), np.nan)
        | {"animal_id": f"{arm}{i}", "condition": arm, "value": y, "outcome": outcome}
        | {"time": 28.0, "time_unit": "d", "status": "measured", "unit": "mm"}
        for arm, ys in arms.items()
        for i, y in enumerate(ys)
    ]
    table = pd.DataFrame(rows)
    sheet = pd.DataFrame({"animal_id": table["animal_id"], "unit": "animal", "block": ""})
    claims = [{"id": "gate", "kind": "gate", "contrast": "C0"}] if gated else []
    raw = {"contrast": "C2", "margin": {"kind": "raw", "value": margin}}
    claims += [{"id": k, "kind": k} | raw for k in DIFFERENCES]
    claims.append({"id": "rescue", "kind": "rescue", "arm": "POST", "threshold": 0.5})
    contrasts = {"C0": {"weights": WEIGHTS["gate"]}, "C2": {"weights": WEIGHTS["superiority"]}}
    asked = {"contrasts": contrasts, "claims": [c | {"outcomes": [outcome]} for c in claims]}
    known = prepare(table, sheet, DICTIONARY)
    found = verdict_table(Analysis(read_plan(asked, ROLES), known, DICTIONARY))
    return {r["claim_id"]: (r["verdict"], r["p"]) for r in found.to_dict("records")}


def welch(arms, kind, sign, m):
    """Verdict and p of one claim by itself; m is the margin."""
    used = {a: (w, arms[a]) for a, w in WEIGHTS[kind].items()}
    if any(len(y) < 3 for _, y in used.values()):
        return NONE
    parts = [(w**2 * y.var(ddof=1) / len(y), len(y) - 1) for w, y in used.values()]
    se = sum(v for v, _ in parts) ** 0.5
    if se < 1e-12:
        return NONE
    effect = sign * sum(w * y.mean() for w, y in used.values())
    law = stats.t(se**4 / sum(v**2 / k for v, k in parts), effect, se)
    p, (lo, up) = 2 * min(law.cdf(0), law.sf(0)), law.interval(0.95)
    near, far = law.interval(0.9)
    above, below = law.sf(m), law.cdf(-m)  # against "at least m", against "at most -m"
    rules = {
        "gate": (p, [(lo > 0, "supported"), (True, "no deficit")]),
        "rescue": (p, [(lo > 0, "supported"), (up < 0, "refuted")]),
        "superiority": (
            p,
            [(lo > 0 and up < m, "supported, small"), (lo > 0, "supported"), (up < m, "refuted")],
        ),
        "non_superiority": (
            above,
            [
                (near > m, "refuted"),
                (near > 0 and far < m, "improved but below the margin"),
                (far < m, "supported"),
                (near > 0, "improved, size unclear"),
            ],
        ),
        "equivalence": (
            max(above, below),
            [(-m < near and far < m, "supported"), (near > m or far < -m, "refuted")],
        ),
    }
    p, own = rules[kind]
    return next((word for holds, word in own if holds), "inconclusive"), p


@pytest.mark.parametrize("kind", ["plain", "ties", "flat", "missing", "below 0"])
def test_every_kind_of_claim_is_as_by_welch(kind):
    rng = np.random.default_rng(len(kind))
    for study in range(8):
        outcome, sign = (("insertion", 1), ("ridge", -1))[study % 2]
        arms, margin = drawn(rng, kind, sign), float(rng.choice([0.5, 1, 3]))
        seen = {a: y[~np.isnan(y)] for a, y in arms.items()}
        found = judged(arms, outcome, margin, gated := study % 4 > 1)
        gate = welch(seen, "gate", sign, margin)[0]
        for claim, (verdict, p) in found.items():
            want, own = welch(seen, claim, sign, margin)
            if claim == "rescue" and want != "not judged":
                if gated and gate != "supported":
                    want = gate
                elif not gated and sign * (seen["CTRL"].mean() - seen["DRUG"].mean()) <= 0:
                    want = "not judged"
            assert verdict == want, (study, claim, arms)
            if "not judged" not in (verdict, want):
                assert p == pytest.approx(own, abs=1e-9)
