"""Checks of what claims ask beside what the study can answer: arms of a rescue, times, directions,
grades, and whom a claim waits for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from periomics.core.errors import InputError, nearest
from periomics.core.problems import Problem
from periomics.study.check.claims import claim_outcomes
from periomics.study.claims import NO_BENEFIT
from periomics.study.design import arm_weights
from periomics.study.dictionary import entry
from periomics.study.sheets import SHEETS
from periomics.study.study import Study


def check_asked(study: Study, dictionary: pd.DataFrame) -> list[Problem]:
    """Every claim that this study cannot answer, or not as it was meant."""
    file = str(study.config.get("claims") or "claims")
    claims, contrasts = study.claims.get("claims") or [], study.claims.get("contrasts") or {}
    if not isinstance(claims, list) or not isinstance(contrasts, Mapping):
        return []
    found = [*_directions(study, file, dictionary), *_roles(study)]
    times = _times(study)
    before: dict[str, list[str]] = {}
    for claim in claims:
        if not isinstance(claim, Mapping) or not claim.get("id"):
            continue
        found += _rescue(study, file, claim)
        found += _gate(study, file, claim, contrasts)
        found += _time(file, claim, times)
        found += _discrete(study, file, claim, dictionary)
        outcomes = claim_outcomes(study, claim)
        found += _waits(file, claim, outcomes, before)
        before[str(claim["id"])] = outcomes
    return found


def _roles(study: Study) -> Iterator[Problem]:
    roles = study.config.get("roles")
    named = [roles.get(r) for r in ("healthy", "disease")] if isinstance(roles, Mapping) else []
    if named and named[0] and named[0] == named[1]:
        message = "the healthy and the diseased arm are one: there is no deficit between them"
        yield Problem("config", 0, "roles", message, str(named[0]))


def _directions(study: Study, file: str, dictionary: pd.DataFrame) -> Iterator[Problem]:
    """Directions that contradict the dictionary, which are not followed."""
    declared = study.claims.get("directions")
    for outcome, sign in (declared if isinstance(declared, Mapping) else {}).items():
        try:
            benefit = str(entry(dictionary, str(outcome))["benefit"])
        except InputError:
            continue
        if benefit in ("+", "-") and sign in ("+", "-") and sign != benefit:
            message = "the dictionary of outcomes says otherwise, and it is followed"
            yield Problem(file, 0, f"directions/{outcome}", message, str(sign), benefit)


def _rescue(study: Study, file: str, claim: Mapping[str, Any]) -> Iterator[Problem]:
    if claim.get("kind") != "rescue":
        return
    arm = next(iter(arm_weights(study, {str(claim.get("arm")): 1.0})))
    roles = study.config.get("roles")
    ends = [str(roles.get(r)) for r in ("healthy", "disease")] if isinstance(roles, Mapping) else []
    if arm in ends:
        message = "a rescue is of a treated arm: the healthy and the diseased one are its ends"
        known = ", ".join(a for a in study.arms if a not in ends)
        yield Problem(file, 0, f"claims/{claim['id']}/arm", message, arm, known)


def _gate(
    study: Study, file: str, claim: Mapping[str, Any], contrasts: Mapping[str, Any]
) -> Iterator[Problem]:
    """A gate on another contrast than the deficit: its words would be false."""
    contrast = contrasts.get(str(claim.get("contrast")))
    if claim.get("kind") != "gate" or not isinstance(contrast, Mapping):
        return
    try:
        weights = arm_weights(study, contrast.get("weights") or {})
        wanted = arm_weights(study, {"healthy": 1.0, "disease": -1.0})
    except (TypeError, ValueError, AttributeError):
        return
    if "healthy" not in wanted and "disease" not in wanted and weights != wanted:
        message = (
            "a gate asks whether there is a deficit, and this contrast is not healthy over disease"
        )
        yield Problem(
            file,
            0,
            f"claims/{claim['id']}/contrast",
            message,
            str(claim["contrast"]),
            level="warning",
        )


def _times(study: Study) -> list[float]:
    """Times that the sheets state."""
    found: set[float] = set()
    for name in SHEETS:
        sheet = study.sheets[name]
        if "time" in sheet:
            found |= set(pd.to_numeric(sheet["time"], errors="coerce").dropna().astype(float))
    return sorted(found)


def _time(file: str, claim: Mapping[str, Any], times: list[float]) -> Iterator[Problem]:
    asked = claim.get("time")
    if not isinstance(asked, int | float) or not times:
        return
    if not any(abs(t - asked) <= 1e-6 * max(1.0, abs(t)) for t in times):
        known = ", ".join(f"{t:g}" for t in times)
        message = "nothing is measured at this time"
        yield Problem(file, 0, f"claims/{claim['id']}/time", message, f"{asked:g}", known)


def _discrete(
    study: Study, file: str, claim: Mapping[str, Any], dictionary: pd.DataFrame
) -> Iterator[Problem]:
    """What cannot be said of grades, and margins in SD of yes or no: said before data, since the
    claim would not be judged."""
    kind = str(claim.get("kind"))
    margin = claim.get("margin") or study.claims.get("margin") or {}
    size = str(margin.get("kind", "deficit")) if isinstance(margin, Mapping) else ""
    for outcome in claim_outcomes(study, claim):
        try:
            values = str(entry(dictionary, outcome)["kind"])
        except InputError:
            continue
        message = ""
        if values == "ordinal" and kind == "rescue":
            message = "grades have an order and no distances: a rescue of them is not judged"
        elif values == "ordinal" and kind in NO_BENEFIT and size != "raw":
            message = (
                "grades know no margin in shares of the deficit or in SD: this claim is not judged "
                "without one of kind raw, in P(better) - 0.5"
            )
        elif values == "binary" and kind in NO_BENEFIT and size == "sd":
            message = (
                "yes or no has no margin in SD: this claim is not judged without one of "
                "kind raw or deficit"
            )
        elif values in ("ordinal", "binary") and kind == "dose_trend":
            message = (
                "a trend over doses is not fitted to yes or no or to grades: this claim "
                "is not judged"
            )
        if message:
            yield Problem(file, 0, f"claims/{claim['id']}", message, outcome, level="warning")


def _waits(
    file: str, claim: Mapping[str, Any], outcomes: list[str], before: Mapping[str, list[str]]
) -> Iterator[Problem]:
    """A claim that waits for one which judges other outcomes waits for nothing."""
    after = claim.get("after") or []
    for other in [after] if isinstance(after, str) else after:
        alone = [o for o in outcomes if o not in before.get(str(other), outcomes)]
        if alone:
            known = before[str(other)]
            message = (
                f"{other} does not judge {', '.join(alone)}: there this claim waits for "
                f"nothing{nearest(alone[0], known)}"
            )
            where = f"claims/{claim['id']}/after"
            yield Problem(file, 0, where, message, str(other), ", ".join(known), level="warning")
