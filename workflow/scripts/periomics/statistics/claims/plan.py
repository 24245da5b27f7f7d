"""The claims of a study as a plan: arms resolved, every slip named. Reads the mapping of claims.yaml, never data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from periomics.core.errors import InputError, nearest
from periomics.study.claims import NO_BENEFIT, ClaimEntry, Claims, ContrastEntry, Design, check_form

# Units that may hold several arms.
WITHIN_UNITS = ("isolation", "donor")


@dataclass(frozen=True)
class Margin:
    """Smallest effect of interest: share of the healthy − disease difference, share of the SD, or a natural number."""

    kind: str = "deficit"
    value: float = 0.3


@dataclass(frozen=True)
class Contrast:
    """Weights of arms; with `trend` the slope on log2(dose + 1), inside units that hold several doses, else between animals."""

    id: str
    weights: Mapping[str, float]
    text: str = ""
    unit: str = ""
    confounded_with: str = ""
    trend: bool = False


@dataclass(frozen=True)
class Claim:
    """One claim: what kind of statement, on which contrast (or arm, for rescue) and outcomes, after which claims."""

    id: str
    kind: str
    outcomes: tuple[str, ...]
    text: str = ""
    contrast: str = ""
    arm: str = ""
    threshold: float = math.nan
    after: tuple[str, ...] = ()
    correction: str = "none"
    family: str = ""
    combine: str = ""
    margin: Margin | None = None
    time: float = math.nan
    variant: str = ""
    score: str = ""


@dataclass(frozen=True)
class Graph:
    """Shares of alpha of claims (or `claim/outcome`) in one family, and where a share goes when its claim is supported."""

    weights: Mapping[str, float]
    edges: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Adjustment:
    """What contrasts of different animals are adjusted for."""

    blocks: bool = True
    covariates: tuple[str, ...] = ()
    baseline_time: float = math.nan


@dataclass(frozen=True)
class Plan:
    """All that was declared before data."""

    alpha: float
    margin: Margin
    domains: Mapping[str, str]
    directions: Mapping[str, str]
    healthy: str
    disease: str
    treated: tuple[str, ...]
    contrasts: Mapping[str, Contrast]
    claims: tuple[Claim, ...]
    secondary: str = "bh"
    adjustment: Adjustment = Adjustment()
    composite: tuple[str, ...] = ()
    min_domains: float = 0.6
    graphs: Mapping[str, Graph] = field(default_factory=dict)
    source: str = field(default="claims.yaml", compare=False)

    @property
    def primary(self) -> tuple[str, ...]:
        """The primary outcome of each domain, in the declared order."""
        return tuple(dict.fromkeys(self.domains.values()))

    @property
    def gates(self) -> tuple[Claim, ...]:
        """The claims that there is a deficit."""
        return tuple(c for c in self.claims if c.kind == "gate")

    @property
    def role_arms(self) -> tuple[str, ...]:
        """Healthy, diseased and treated arms that the config names."""
        return tuple(dict.fromkeys(a for a in (self.healthy, self.disease, *self.treated) if a))

    def margin_of(self, claim: Claim) -> Margin:
        return claim.margin or self.margin

    def needs_deficit(self, claim: Claim) -> bool:
        """Whether a claim means nothing for an outcome without a deficit."""
        if claim.kind in ("gate", "association"):
            return False
        return (
            claim.kind == "rescue"
            or any(g.id in claim.after for g in self.gates)
            or (claim.kind in NO_BENEFIT and self.margin_of(claim).kind == "deficit")
        )

    def gated(self, claim: Claim, outcome: str) -> bool:
        """Whether a gate asks for the deficit that a claim needs of an outcome."""
        return self.needs_deficit(claim) and any(outcome in g.outcomes for g in self.gates)

    def weights_of(self, claim: Claim) -> dict[str, float]:
        """Weights of the claim's own effect; for rescue the linear form arm − disease − threshold (healthy − disease)."""
        if claim.kind == "rescue":
            r = claim.threshold
            return _sum({claim.arm: 1.0}, {self.disease: r - 1.0}, {self.healthy: -r})
        return dict(self.contrasts[claim.contrast].weights) if claim.contrast else {}

    def deficit(self) -> dict[str, float]:
        return {self.healthy: 1.0, self.disease: -1.0} if self.healthy and self.disease else {}


def _sum(*parts: Mapping[str, float]) -> dict[str, float]:
    out: dict[str, float] = {}
    for part in parts:
        for arm, w in part.items():
            out[arm] = out.get(arm, 0.0) + w
    return {a: w for a, w in out.items() if abs(w) > 1e-12}


def read_plan(
    claims: Mapping[str, Any], roles: Mapping[str, Any] | None = None, source: str = "claims.yaml"
) -> Plan:
    """Make a plan of the mapping in claims.yaml.

    Parameters
    ----------
    claims
        The mapping, as `study.claims.Claims` describes it.
    roles
        The config's roles: healthy and disease (one arm each) and treated (a list). A weight may name a role or an arm.
    source
        File name for errors.

    Raises
    ------
    InputError
        Naming the first slip: a form that the models refuse, weights that do not sum to 0, an unknown contrast, the order of claims.
    """
    slips = check_form(claims, source)
    if slips:
        first = slips[0]
        raise InputError(
            first.message,
            file=source,
            column=first.column,
            value=first.value or None,
            allowed=first.allowed,
        )
    declared, roles = Claims.model_validate(dict(claims)), roles or {}
    known = {k: str(roles[k]) for k in ("healthy", "disease") if roles.get(k)}
    treated = roles.get("treated") or ()
    treated = (treated,) if isinstance(treated, str) else tuple(str(t) for t in treated)
    composite = declared.composite.outcomes
    plan = Plan(
        alpha=declared.alpha,
        margin=Margin(declared.margin.kind, declared.margin.value),
        domains=declared.domains,
        directions=declared.directions,
        healthy=known.get("healthy", ""),
        disease=known.get("disease", ""),
        treated=treated,
        contrasts={k: _contrast(k, v, known, source) for k, v in declared.contrasts.items()},
        claims=(),
        secondary=declared.secondary.correction,
        adjustment=_adjustment(declared.design),
        composite=tuple(dict.fromkeys(declared.domains.values()))
        if composite == "primary"
        else tuple(composite),
        min_domains=declared.composite.min_domains,
        graphs={k: Graph(g.weights, g.edges) for k, g in declared.graphs.items()},
        source=source,
    )
    out: list[Claim] = []
    for row in declared.claims:
        out.append(_claim(row, plan, [c.id for c in out], known))
    return Plan(**{**plan.__dict__, "claims": tuple(out)})


def _adjustment(design: Design) -> Adjustment:
    time = math.nan if design.baseline_time is None else design.baseline_time
    return Adjustment(design.blocks, tuple(design.covariates), time)


def _contrast(name: str, entry: ContrastEntry, roles: Mapping[str, str], source: str) -> Contrast:
    weights = _sum(*({roles.get(arm, arm): w} for arm, w in entry.weights.items()))
    if len(weights) < 2 or abs(sum(weights.values())) > 1e-9:
        raise InputError(
            "weights must sum to 0 over two arms or more",
            file=source,
            column=f"contrasts/{name}/weights",
            value=dict(entry.weights),
        )
    return Contrast(
        name, weights, entry.text, entry.unit or "", entry.confounded_with, entry.trend == "dose"
    )


def _claim(row: ClaimEntry, plan: Plan, before: list[str], roles: Mapping[str, str]) -> Claim:
    column = f"claims/{row.id}"
    outcomes = (
        plan.primary
        if row.outcomes == "primary"
        else tuple([row.outcomes] if isinstance(row.outcomes, str) else row.outcomes)
    )
    after = (row.after,) if isinstance(row.after, str) else tuple(row.after)
    if row.id in before:
        raise InputError(
            "a claim needs an id of its own", file=plan.source, column=column, value=row.id
        )
    if not outcomes:
        raise InputError(
            "names no outcome",
            file=plan.source,
            column=f"{column}/outcomes",
            allowed="primary (see domains), or a list",
        )
    if row.kind == "rescue" and not row.arm:
        raise InputError("a rescue claim names its arm", file=plan.source, column=f"{column}/arm")
    if row.kind not in ("rescue", "association") and row.contrast not in plan.contrasts:
        raise InputError(
            f"unknown contrast{nearest(row.contrast, plan.contrasts)}",
            file=plan.source,
            column=f"{column}/contrast",
            value=row.contrast,
            allowed=", ".join(plan.contrasts),
        )
    for other in after:
        if other not in before:
            raise InputError(
                f"waits for a claim that does not stand before it{nearest(other, before)}",
                file=plan.source,
                column=f"{column}/after",
                value=other,
            )
    if row.combine and row.correction != "none":
        raise InputError(
            "combine: all takes no correction",
            file=plan.source,
            column=f"{column}/correction",
            value=row.correction,
        )
    return Claim(
        id=row.id,
        kind=row.kind,
        outcomes=outcomes,
        text=row.text,
        contrast="" if row.kind in ("rescue", "association") else row.contrast,
        arm=roles.get(row.arm, row.arm),
        threshold=row.threshold if row.kind == "rescue" else math.nan,
        after=after,
        correction=row.correction,
        family=row.family or row.id,
        combine=row.combine or "",
        margin=Margin(row.margin.kind, row.margin.value) if row.margin else None,
        time=math.nan if row.time is None else row.time,
        variant=row.variant,
        score=row.score,
    )
