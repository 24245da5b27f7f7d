"""Checks of claims and contrasts against the design: what is asked must exist, add up and be estimable."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from periomics.study.dictionary import entry
from periomics.study.errors import InputError, nearest
from periomics.study.problems import Problem
from periomics.study.study import Study

CLAIM_KINDS = ("gate", "superiority", "non_superiority", "equivalence", "rescue", "interaction", "association")
CONFIRMATORY = ("gate", "superiority", "non_superiority", "equivalence", "rescue")
UNITS = ("animal", "isolation", "donor", "technical")


def arm_weights(study: Study, weights: Mapping[str, float]) -> dict[str, float]:
    """Weights of a contrast with the role names healthy and disease replaced by the arms they stand for."""
    roles = study.config.get("roles")
    roles = roles if isinstance(roles, Mapping) else {}
    names = {r: str(roles[r]) for r in ("healthy", "disease") if roles.get(r)}
    return {names.get(str(k), str(k)): float(v) for k, v in weights.items()}


def check_claims(study: Study, dictionary: pd.DataFrame) -> list[Problem]:
    """Every problem in the claims file."""
    file = str(study.config.get("claims") or "claims")
    problems: list[Problem] = []
    contrasts = study.claims.get("contrasts") or {}
    if not isinstance(contrasts, Mapping):
        return [Problem(file, 0, "contrasts", "must map a name to its weights")]
    for name, contrast in contrasts.items():
        problems += _check_contrast(study, file, str(name), contrast)
    for name, outcome in (study.claims.get("domains") or {}).items():
        problems += _check_outcome(file, f"domains/{name}", str(outcome), dictionary)
    for claim in study.claims.get("claims") or []:
        problems += _check_claim(study, file, claim, contrasts, dictionary)
    return problems


def _check_contrast(study: Study, file: str, name: str, contrast: object) -> list[Problem]:
    where = f"contrasts/{name}"
    if not isinstance(contrast, Mapping) or not isinstance(contrast.get("weights"), Mapping):
        return [Problem(file, 0, where, "needs weights: a mapping from arm to number")]
    problems = []
    if contrast.get("unit", "animal") not in UNITS:
        problems.append(Problem(file, 0, where, "unknown unit", str(contrast["unit"]), ", ".join(UNITS)))
    try:
        weights = arm_weights(study, contrast["weights"])
    except (TypeError, ValueError):
        return [*problems, Problem(file, 0, where, "weights must be numbers", str(dict(contrast["weights"])))]
    for arm in weights:
        if arm not in study.arms:
            known = [*study.arms, "healthy", "disease"]
            problems.append(Problem(file, 0, where, f"unknown arm{nearest(arm, known)}", arm, ", ".join(known)))
    if abs(sum(weights.values())) > 1e-9:
        shown = ", ".join(f"{a} {w:g}" for a, w in weights.items())
        problems.append(
            Problem(file, 0, where, f"weights must sum to zero, they sum to {sum(weights.values()):g}", shown)
        )
    return problems


def _check_outcome(file: str, where: str, outcome: str, dictionary: pd.DataFrame) -> list[Problem]:
    try:
        entry(dictionary, outcome)
    except InputError as error:
        return [Problem(file, 0, where, error.message)]
    return []


def claim_outcomes(study: Study, claim: Mapping[str, object]) -> list[str]:
    """Outcomes that a claim speaks of; `primary` stands for one outcome a domain."""
    outcomes = claim.get("outcomes", "primary")
    if outcomes == "primary":
        return [str(o) for o in (study.claims.get("domains") or {}).values()]
    return [outcomes] if isinstance(outcomes, str) else [str(o) for o in outcomes or []]


def _check_claim(study: Study, file: str, claim: object, contrasts: Mapping, dictionary: pd.DataFrame) -> list[Problem]:
    if not isinstance(claim, Mapping) or not claim.get("id"):
        return [Problem(file, 0, "claims", "a claim needs an id", str(claim)[:60])]
    where = f"claims/{claim['id']}"
    problems = []
    kind = str(claim.get("kind", ""))
    if kind not in CLAIM_KINDS:
        problems.append(
            Problem(file, 0, where, f"unknown kind{nearest(kind, CLAIM_KINDS)}", kind, ", ".join(CLAIM_KINDS))
        )
    if kind == "rescue":
        if str(claim.get("arm")) not in study.arms:
            message = f"unknown arm{nearest(str(claim.get('arm')), study.arms)}"
            problems.append(Problem(file, 0, where, message, str(claim.get("arm")), ", ".join(study.arms)))
    elif kind in CLAIM_KINDS and kind != "association" and str(claim.get("contrast")) not in contrasts:
        message = f"unknown contrast{nearest(str(claim.get('contrast')), contrasts)}"
        problems.append(Problem(file, 0, where, message, str(claim.get("contrast")), ", ".join(map(str, contrasts))))
    directions = study.claims.get("directions") or {}
    for outcome in claim_outcomes(study, claim):
        found = _check_outcome(file, where, outcome, dictionary)
        problems += found
        if found or kind not in CONFIRMATORY:
            continue
        benefit = entry(dictionary, outcome)["benefit"]
        if benefit in ("toward_control", "context") and directions.get(outcome) not in ("+", "-"):
            message = f"confirmatory outcome {outcome} has no declared direction of benefit: state it under directions"
            problems.append(Problem(file, 0, where, message, allowed="+ or -"))
    return problems


def estimable(design: pd.DataFrame, contrast: Mapping[str, float]) -> bool:
    """Whether a contrast of arms can be told apart from batches.

    Parameters
    ----------
    design
        Columns `arm` and `batch`, a row a specimen.
    contrast
        Weights by arm, summing to zero.

    Notes
    -----
    The contrast is estimable when it lies in the row space of the model matrix [batch | arm].
    """
    arms = sorted(set(design["arm"]))
    if any(a not in arms for a in contrast):
        return False
    batch = pd.get_dummies(design["batch"], dtype=float).to_numpy()
    arm = np.stack([(design["arm"] == a).to_numpy(float) for a in arms], axis=1)
    model = np.hstack([batch, arm])
    weights = np.concatenate([np.zeros(batch.shape[1]), [float(contrast.get(a, 0.0)) for a in arms]])
    return int(np.linalg.matrix_rank(np.vstack([model, weights]))) == int(np.linalg.matrix_rank(model))


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


def _confounding(study: Study, sheet: str, name: str, weights: dict, group: pd.Series, level: str) -> list[Problem]:
    df = study.sheets[sheet]
    design = pd.DataFrame({"arm": df["animal_id"].map(group).fillna(""), "batch": df["batch"]})
    design = design[(design["arm"] != "") & (df["role"] == "sample") & (design["batch"] != "")]
    if design["batch"].nunique() < 2 or any(a not in set(design["arm"]) for a in weights):
        return []
    if estimable(design, weights):
        return []
    pairs = design[design["arm"].isin(list(weights))].groupby("arm")["batch"].unique()
    shown = "; ".join(f"{arm} only in {', '.join(sorted(batches))}" for arm, batches in pairs.items())
    file = str((study.config.get("sheets") or {}).get(sheet, sheet))
    message = f"contrast {name} is not estimable: batch and group are confounded ({shown})"
    return [
        Problem(file, 0, "batch", message, allowed="every arm in every batch, or allow_confounded: true", level=level)
    ]
