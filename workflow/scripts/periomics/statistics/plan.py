"""The claims of a study as a plan: arms resolved, every slip named. Reads the mapping of claims.yaml, never data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from periomics.statistics.verdicts import KINDS
from periomics.study.errors import InputError, nearest

MARGINS = ("deficit", "sd", "raw")
CORRECTIONS = ("none", "holm")
UNITS = ("animal", "isolation", "donor", "technical")


@dataclass(frozen=True)
class Margin:
    """Smallest effect of interest: share of the healthy − disease difference, share of the SD, or a natural number."""

    kind: str = "deficit"
    value: float = 0.3


@dataclass(frozen=True)
class Contrast:
    """Weights of arms; with `trend` the slope on log2(dose + 1) inside units instead."""

    id: str
    weights: Mapping[str, float]
    text: str = ""
    unit: str = ""
    confounded_with: str = ""
    trend: bool = False
    blocks: bool = False


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
    source: str = field(default="claims.yaml", compare=False)

    @property
    def primary(self) -> tuple[str, ...]:
        """The primary outcome of each domain, in the declared order."""
        return tuple(dict.fromkeys(self.domains.values()))

    @property
    def gate(self) -> Claim | None:
        """The claim that there is a deficit, if one is declared."""
        return next((c for c in self.claims if c.kind == "gate"), None)

    def margin_of(self, claim: Claim) -> Margin:
        return claim.margin or self.margin

    def needs_deficit(self, claim: Claim) -> bool:
        """Whether a claim means nothing for an outcome without a deficit."""
        gate = self.gate
        if gate is None or claim is gate:
            return False
        return (
            claim.kind == "rescue"
            or gate.id in claim.after
            or (claim.kind in ("non_superiority", "equivalence") and self.margin_of(claim).kind == "deficit")
        )

    def weights_of(self, claim: Claim) -> dict[str, float]:
        """Weights of the claim's own effect; for rescue the linear form arm − disease − threshold (healthy − disease)."""
        if claim.kind == "rescue":
            r = claim.threshold
            return _sum({claim.arm: 1.0}, {self.disease: r - 1.0}, {self.healthy: -r})
        return dict(self.contrasts[claim.contrast].weights)

    def deficit(self) -> dict[str, float]:
        return {self.healthy: 1.0, self.disease: -1.0} if self.healthy and self.disease else {}


def _sum(*parts: Mapping[str, float]) -> dict[str, float]:
    out: dict[str, float] = {}
    for part in parts:
        for arm, w in part.items():
            out[arm] = out.get(arm, 0.0) + w
    return {a: w for a, w in out.items() if abs(w) > 1e-12}


def read_plan(claims: Mapping[str, Any], roles: Mapping[str, Any] | None = None, source: str = "claims.yaml") -> Plan:
    """Make a plan of the mapping in claims.yaml.

    Parameters
    ----------
    claims
        The mapping: alpha, margin, domains, directions, contrasts, claims, secondary.
    roles
        The config's roles: healthy and disease (one arm each) and treated (a list). A weight may name a role or an arm.
    source
        File name for errors.

    Raises
    ------
    InputError
        Naming the field of the first slip: unknown kind, outcome list, contrast, correction, claim order or margin.
    """
    roles = roles or {}
    alpha = _number(claims.get("alpha", 0.05), source, "alpha", low=0.0, high=0.5)
    known = {k: str(roles[k]) for k in ("healthy", "disease") if roles.get(k)}
    treated = roles.get("treated") or ()
    treated = (treated,) if isinstance(treated, str) else tuple(str(t) for t in treated)
    domains = {str(k): str(v) for k, v in (claims.get("domains") or {}).items()}
    directions = {str(k): str(v) for k, v in (claims.get("directions") or {}).items()}
    for outcome, sign in directions.items():
        if sign not in ("+", "-"):
            raise InputError(
                "a direction is + or -", file=source, column=f"directions.{outcome}", value=sign, allowed="+, -"
            )
    contrasts = {str(k): _contrast(str(k), v, known, source) for k, v in (claims.get("contrasts") or {}).items()}
    secondary = str((claims.get("secondary") or {}).get("correction", "bh"))
    if secondary not in ("bh", "none"):
        raise InputError(
            "unknown correction", file=source, column="secondary.correction", value=secondary, allowed="bh, none"
        )
    plan = Plan(
        alpha, _margin(claims.get("margin"), source, "margin") or Margin(), domains, directions, known.get("healthy", ""),
        known.get("disease", ""), treated, contrasts, (), secondary, source,
    )  # fmt: skip
    out: list[Claim] = []
    for row in claims.get("claims") or []:
        if row.get("kind") == "association":
            continue  # judged by linkage, on scores and outcomes of the same animals
        out.append(_claim(row, plan, out, known))
    return Plan(**{**plan.__dict__, "claims": tuple(out)})


def _number(value: object, source: str, column: str, low: float = -math.inf, high: float = math.inf) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise InputError("is not a number", file=source, column=column, value=value) from None
    if not low < number < high:
        raise InputError(
            "is out of range", file=source, column=column, value=value, allowed=f"between {low:g} and {high:g}"
        )
    return number


def _margin(value: Mapping[str, Any] | None, source: str, column: str) -> Margin | None:
    if value is None:
        return None
    kind = str(value.get("kind", ""))
    if kind not in MARGINS:
        raise InputError(
            "unknown kind of margin", file=source, column=f"{column}.kind", value=kind, allowed=", ".join(MARGINS)
        )
    return Margin(kind, _number(value.get("value"), source, f"{column}.value", low=0.0))


def _contrast(name: str, value: Mapping[str, Any], roles: Mapping[str, str], source: str) -> Contrast:
    column = f"contrasts.{name}"
    if not isinstance(value, Mapping) or not value.get("weights"):
        raise InputError("a contrast needs weights", file=source, column=column, value=value)
    weights = _sum(
        *({roles.get(str(a), str(a)): _number(w, source, f"{column}.weights")} for a, w in value["weights"].items())
    )
    if len(weights) < 2 or abs(sum(weights.values())) > 1e-9:
        raise InputError(
            "weights must sum to 0 over two arms or more",
            file=source,
            column=f"{column}.weights",
            value=dict(value["weights"]),
        )
    unit = str(value.get("unit") or "")
    if unit and unit not in UNITS:
        raise InputError("unknown unit", file=source, column=f"{column}.unit", value=unit, allowed=", ".join(UNITS))
    trend = value.get("trend")
    if trend not in (None, "", "dose"):
        raise InputError("unknown trend", file=source, column=f"{column}.trend", value=trend, allowed="dose")
    return Contrast(
        name, weights, str(value.get("text") or ""), unit, str(value.get("confounded_with") or ""), trend == "dose",
        bool(value.get("blocks", False)),
    )  # fmt: skip


def _claim(row: Mapping[str, Any], plan: Plan, before: list[Claim], roles: Mapping[str, str]) -> Claim:
    name, source = str(row.get("id") or ""), plan.source
    column = f"claims.{name or len(before) + 1}"
    kind = str(row.get("kind") or "")
    if not name or any(c.id == name for c in before):
        raise InputError("a claim needs an id of its own", file=source, column=column, value=name)
    if kind not in KINDS:
        raise InputError(
            f"unknown kind of claim{nearest(kind, KINDS)}",
            file=source,
            column=f"{column}.kind",
            value=kind,
            allowed=", ".join(KINDS),
        )
    listed = row.get("outcomes", "primary")
    outcomes = (
        plan.primary if listed == "primary" else ((listed,) if isinstance(listed, str) else tuple(map(str, listed)))
    )
    if not outcomes:
        raise InputError(
            "names no outcome",
            file=source,
            column=f"{column}.outcomes",
            value=listed,
            allowed="primary (see domains), or a list",
        )
    contrast, arm = str(row.get("contrast") or ""), str(row.get("arm") or "")
    if kind == "rescue":
        if not arm:
            raise InputError("a rescue claim names its arm", file=source, column=f"{column}.arm")
        threshold = _number(row.get("threshold", 0.5), source, f"{column}.threshold")
    else:
        threshold = math.nan
        if contrast not in plan.contrasts:
            raise InputError(
                f"unknown contrast{nearest(contrast, plan.contrasts)}",
                file=source,
                column=f"{column}.contrast",
                value=contrast,
                allowed=", ".join(plan.contrasts),
            )
    after = row.get("after") or ()
    after = (after,) if isinstance(after, str) else tuple(map(str, after))
    for other in after:
        if other not in [c.id for c in before]:
            raise InputError(
                f"waits for a claim that does not stand before it{nearest(other, [c.id for c in before])}",
                file=source,
                column=f"{column}.after",
                value=other,
            )
    correction = str(row.get("correction") or "none")
    if correction not in CORRECTIONS:
        raise InputError(
            "unknown correction",
            file=source,
            column=f"{column}.correction",
            value=correction,
            allowed=", ".join(CORRECTIONS),
        )
    combine = str(row.get("combine") or "")
    if combine not in ("", "all") or (combine and correction != "none"):
        raise InputError(
            "combine is `all`, and takes no correction",
            file=source,
            column=f"{column}.combine",
            value=combine,
            allowed="all",
        )
    time = row.get("time")
    return Claim(
        name, kind, outcomes, str(row.get("text") or ""), contrast, roles.get(arm, arm), threshold, after, correction,
        str(row.get("family") or name), combine, _margin(row.get("margin"), source, f"{column}.margin"),
        math.nan if time is None else _number(time, source, f"{column}.time"), str(row.get("variant") or ""),
    )  # fmt: skip
