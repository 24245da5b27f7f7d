"""Checks of claims and contrasts against the design: what is asked must exist, add up and be estimable."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from periomics.core.errors import InputError, nearest
from periomics.core.problems import Problem
from periomics.study.claims import CLAIM_KINDS, COMPOSITE, check_form
from periomics.study.design import arm_weights, estimable, only_in
from periomics.study.dictionary import entry
from periomics.study.study import Study


def check_claims(study: Study, dictionary: pd.DataFrame) -> list[Problem]:
    """Every problem in the claims file: its form first, then whether what it names exists and adds up."""
    file = str(study.config.get("claims") or "claims")
    problems = check_form(study.written.claims, file)
    if set(study.claims) != set(study.written.claims):
        return problems  # what refers to a part that is none is looked at when that is mended
    contrasts = study.claims.get("contrasts") or {}
    for name, contrast in contrasts.items():
        problems += _check_contrast(study, file, str(name), contrast)
    for name, outcome in _mapping(study.claims.get("domains")).items():
        problems += _check_outcome(file, f"domains/{name}", str(outcome), dictionary)
    for outcome in _mapping(study.claims.get("directions")):
        problems += _check_outcome(file, f"directions/{outcome}", str(outcome), dictionary)
    before: list[str] = []
    for claim in study.claims.get("claims") or []:
        if claim.get("id"):
            problems += _check_claim(study, file, claim, contrasts, dictionary, before)
            before.append(str(claim["id"]))
    problems += _check_repeated(study, file, dictionary)
    return problems + _check_composite(study, file, dictionary)


def _check_repeated(study: Study, file: str, dictionary: pd.DataFrame) -> list[Problem]:
    """Claims on an outcome that repeats what another one says, which a claim names too: one finding counted twice."""
    named: dict[str, str] = {}
    for claim in study.claims.get("claims") or []:
        for outcome in claim_outcomes(study, claim):
            named.setdefault(outcome, f"claims/{claim.get('id')}")
    twice = dictionary.loc[dictionary.index.isin(named) & dictionary["repeats"].isin(named)]
    return [
        Problem(
            file,
            0,
            named[str(row.outcome)],
            f"repeats what {row.repeats} says, which {named[str(row.repeats)]} names: one finding would count twice",
            str(row.outcome),
            f"{row.definition}",
        )
        for row in twice.itertuples()
    ]


def _mapping(value: object) -> Mapping:
    return value if isinstance(value, Mapping) else {}


def _check_contrast(study: Study, file: str, name: str, contrast: Mapping) -> list[Problem]:
    where = f"contrasts/{name}"
    if "weights" not in contrast:
        return []
    problems = []
    weights = arm_weights(study, contrast["weights"])
    for arm in weights:
        if not _known_arm(study, arm):
            known = [*study.arms, "healthy", "disease"]
            problems.append(
                Problem(file, 0, where, f"unknown arm{nearest(arm, known)}", arm, ", ".join(known))
            )
    if abs(sum(weights.values())) > 1e-9:
        shown = ", ".join(f"{a} {w:g}" for a, w in weights.items())
        problems.append(
            Problem(
                file,
                0,
                where,
                f"weights must sum to zero, they sum to {sum(weights.values()):g}",
                shown,
            )
        )
    return problems


def _known_arm(study: Study, arm: str) -> bool:
    """Whether an arm, or the condition of `condition@dose`, has animals."""
    return arm in study.arms or arm.rpartition("@")[0] in study.arms


def _check_outcome(file: str, where: str, outcome: str, dictionary: pd.DataFrame) -> list[Problem]:
    try:
        entry(dictionary, outcome)
    except InputError as error:
        return [Problem(file, 0, where, error.message)]
    return []


def claim_outcomes(study: Study, claim: Mapping[str, Any]) -> list[str]:
    """Outcomes that a claim speaks of; `primary` stands for one outcome a domain."""
    outcomes = claim.get("outcomes", "primary")
    if outcomes == "primary":
        return [str(o) for o in _mapping(study.claims.get("domains")).values()]
    return [outcomes] if isinstance(outcomes, str) else [str(o) for o in outcomes or []]


def _check_claim(
    study: Study,
    file: str,
    claim: Mapping,
    contrasts: Mapping,
    dictionary: pd.DataFrame,
    before: list[str],
) -> list[Problem]:
    where, kind = f"claims/{claim['id']}", str(claim.get("kind", ""))
    problems = []
    if str(claim["id"]) in before:
        problems.append(Problem(file, 0, where, "the id stands twice", str(claim["id"])))
    after = claim.get("after") or []
    for other in [after] if isinstance(after, str) else after:
        if other not in before:
            message = (
                f"waits for a claim that does not stand before it{nearest(str(other), before)}"
            )
            problems.append(
                Problem(file, 0, f"{where}/after", message, str(other), ", ".join(before))
            )
    if kind == "rescue":
        if not _known_arm(study, str(claim.get("arm"))):
            message = f"unknown arm{nearest(str(claim.get('arm')), study.arms)}"
            problems.append(
                Problem(file, 0, where, message, str(claim.get("arm")), ", ".join(study.arms))
            )
    elif kind == "association":
        problems += _check_association(study, file, where, claim)
    elif kind in CLAIM_KINDS and str(claim.get("contrast")) not in contrasts:
        message = f"unknown contrast{nearest(str(claim.get('contrast')), contrasts)}"
        problems.append(
            Problem(
                file, 0, where, message, str(claim.get("contrast")), ", ".join(map(str, contrasts))
            )
        )
    if kind == "dose_trend" and not _mapping(contrasts.get(str(claim.get("contrast")))).get(
        "trend"
    ):
        problems.append(
            Problem(
                file,
                0,
                where,
                "a dose trend needs a contrast with trend: dose",
                str(claim.get("contrast")),
            )
        )
    if claim.get("combine") and claim.get("correction", "none") != "none":
        problems.append(
            Problem(
                file,
                0,
                where,
                "combine: all takes no correction",
                str(claim["correction"]),
                allowed="none",
            )
        )
    for outcome in claim_outcomes(study, claim):
        problems += _check_outcome(file, where, outcome, dictionary) or _check_direction(
            study, file, where, outcome, kind, dictionary
        )
    return problems


def _check_direction(
    study: Study, file: str, where: str, outcome: str, kind: str, dictionary: pd.DataFrame
) -> list[Problem]:
    benefit = entry(dictionary, outcome)["benefit"]
    declared = _mapping(study.claims.get("directions")).get(outcome) in ("+", "-")
    if (
        kind not in CLAIM_KINDS
        or kind == "association"
        or benefit not in ("toward_control", "context")
        or declared
    ):
        return []
    message = f"confirmatory outcome {outcome} has no declared direction of benefit: state it under directions"
    return [Problem(file, 0, where, message, allowed="+ or -")]


def _check_association(study: Study, file: str, where: str, claim: Mapping) -> list[Problem]:
    linkage = _mapping(study.config.get("linkage"))
    pairs = [p for p in linkage.get("pairs") or [] if isinstance(p, Mapping)]
    scores = [str(p.get("score")) for p in pairs]
    score = str(claim.get("score") or "")
    outcomes = claim_outcomes(study, claim)
    if score not in scores:
        message = f"config linkage/pairs does not declare this score{nearest(score, scores)}"
        return [Problem(file, 0, f"{where}/score", message, score, ", ".join(scores))]
    partners = [str(p.get("outcome")) for p in pairs if p.get("score") == score]
    return [
        Problem(
            file,
            0,
            where,
            "config linkage/pairs does not pair the score with this outcome",
            o,
            ", ".join(partners),
        )
        for o in outcomes
        if o not in partners
    ]


def _check_composite(study: Study, file: str, dictionary: pd.DataFrame) -> list[Problem]:
    """The healing index needs outcomes with a direction, a diseased arm, and a claim or outcomes that ask for it."""
    composite = _mapping(study.claims.get("composite"))
    listed = composite.get("outcomes", "primary")
    if listed == "primary" or not isinstance(listed, list):
        return []
    problems = []
    for outcome in map(str, listed):
        found = _check_outcome(file, "composite/outcomes", outcome, dictionary)
        if not found and outcome == COMPOSITE:
            found = [
                Problem(
                    file, 0, "composite/outcomes", "the index cannot be part of itself", outcome
                )
            ]
        problems += found or _check_direction(
            study, file, "composite/outcomes", outcome, "gate", dictionary
        )
    return problems


def check_estimable(study: Study) -> list[Problem]:
    """Contrasts that batches confound, sheet by sheet, and arms without animals.

    With `allow_confounded: true` in the config the refusal becomes a warning; such contrasts then get no inference.
    """
    level = "warning" if study.config.get("allow_confounded") else "error"
    animals = study.sheets["animals"].set_index("animal_id")
    group = animals["group"][~animals.index.duplicated()]
    problems = []
    for name, contrast in (study.claims.get("contrasts") or {}).items():
        if not isinstance(contrast, Mapping) or contrast.get("unit", "animal") != "animal":
            continue
        try:
            weights = arm_weights(study, contrast.get("weights") or {})
        except (TypeError, ValueError):
            continue
        if any(a not in study.arms for a in weights):
            continue
        for sheet in ("scans", "sections", "libraries"):
            problems += _confounding(study, sheet, str(name), weights, group, level)
    return problems


def _confounding(
    study: Study, sheet: str, name: str, weights: dict, group: pd.Series, level: str
) -> list[Problem]:
    df = study.sheets[sheet]
    design = pd.DataFrame({"arm": df["animal_id"].map(group).fillna(""), "batch": df["batch"]})
    design = design[(design["arm"] != "") & (df["role"] == "sample") & (design["batch"] != "")]
    if design["batch"].nunique() < 2 or any(a not in set(design["arm"]) for a in weights):
        return []
    cells = design.drop_duplicates()  # which arms and batches meet, however many specimens do
    if estimable(cells, weights):
        return []
    shown = only_in(cells, weights)
    file = str((study.config.get("sheets") or {}).get(sheet, sheet))
    message = f"contrast {name} is not estimable: batch and group are confounded ({shown})"
    return [
        Problem(
            file,
            0,
            "batch",
            message,
            allowed="every arm in every batch, or allow_confounded: true",
            level=level,
        )
    ]
