"""Verdicts of association claims, from the tests that linkage made within arms; no causal word is ever theirs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from periomics.statistics.claims import verdicts as v
from periomics.statistics.claims.analysis import Analysis
from periomics.statistics.claims.plan import Claim

TABLE, RULE = "linkage/associations.tsv", "associate_scores"


def association_rows(
    analysis: Analysis, claim: Claim, associations: pd.DataFrame | None
) -> list[dict[str, object]]:
    """One row per outcome of an association claim.

    Parameters
    ----------
    analysis, claim
        The plan with its dictionary, and the claim; its score and outcomes are pairs of the config's
        linkage/pairs.
    associations
        linkage/associations.tsv, or nothing where nothing was linked.

    Returns
    -------
    list of dict
        The correlation within arms is signed so that positive means: a better score goes with a better outcome.
        Supported where its interval lies above 0 and the adjusted permutation p is at most alpha; refuted where the
        interval lies below 0 and the same holds.
    """
    rows = []
    for outcome in claim.outcomes:
        found = _pair(associations, claim.score, outcome)
        row = {
            "claim_id": claim.id,
            "outcome": outcome,
            "contrast": claim.score,
            "text": claim.text,
            "kind": claim.kind,
            "family": claim.family,
            "table": TABLE,
            "rule": RULE,
            "variant": "",
            "domain": str(analysis.dictionary["domain"].get(outcome, "")),
            "confounded_with": "",
            "n_animals": int(found.get("n") or 0),
            "scale": "correlation",
            "unit": "r",
        }
        if not found or np.isnan(float(found["p"])):
            reason = str(found.get("reason") or "") or "no unit has both the score and the outcome"
            rows.append(row | {"verdict": v.NOT_JUDGED, "reason": reason})
            continue
        rows.append(row | _judged(analysis, claim, outcome, found))
    return rows


def _pair(associations: pd.DataFrame | None, score: str, outcome: str) -> Mapping[str, Any]:
    if associations is None or associations.empty:
        return {}
    hit = associations[(associations["score_id"] == score) & (associations["outcome"] == outcome)]
    return hit.iloc[0].to_dict() if len(hit) else {}


def _judged(
    analysis: Analysis, claim: Claim, outcome: str, found: Mapping[str, Any]
) -> dict[str, object]:
    signs = [analysis.direction(x) for x in (outcome, claim.score)]
    sign = float(np.prod([1.0 if np.isnan(s) else s for s in signs]))
    ends = sorted(sign * float(found[k]) for k in ("lower", "upper"))
    p_adj, alpha = float(found["p_adj"]), analysis.plan.alpha
    verdict = v.INCONCLUSIVE
    if ends[0] > 0 and p_adj <= alpha:
        verdict = v.SUPPORTED
    elif ends[1] < 0 and p_adj <= alpha:
        verdict = v.REFUTED
    said = _in_own_unit(found)
    reason = "; ".join([*said, "association within arms only; it says nothing of causes"])
    return {
        "estimate": sign * float(found["r"]),
        "lower": ends[0],
        "upper": ends[1],
        "p": float(found["p"]),
        "p_adj": p_adj,
        "level": 0.95,
        "verdict": verdict,
        "reason": reason,
    }


def _in_own_unit(found: Mapping[str, Any]) -> list[str]:
    """What goes with one SD of the score, in the outcome's own unit; nothing where it is not
    known."""
    keys = ("per_sd", "per_sd_lower", "per_sd_upper")
    numbers = [float(found.get(k, np.nan)) for k in keys]
    if np.isnan(numbers).any():
        return []
    value, lower, upper = (f"{x:.3g}" for x in numbers)
    unit = str(found["per_sd_unit"])
    what = f"a {unit} of {value}" if unit.startswith("ratio") else f"{value} {unit}"
    return [f"with one SD of the score beyond the design goes {what} ({lower} to {upper})"]
