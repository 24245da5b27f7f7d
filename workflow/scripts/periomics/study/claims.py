"""The claims file as pydantic models: what can be claimed, in which words. The schema in workflow/schemas is generated from here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, get_args

from pydantic import Field, ValidationError, model_validator

from periomics.core.errors import nearest
from periomics.core.problems import Problem
from periomics.study.settings.section import Section, problem_of

ClaimKind = Literal[
    "gate",
    "superiority",
    "timing",
    "interaction",
    "dose_trend",
    "non_superiority",
    "equivalence",
    "rescue",
    "association",
]
Correction = Literal["none", "holm", "bh", "dunnett", "graph"]
# What each correction of a family is called.
CORRECTIONS: Mapping[str, str] = {
    "holm": "Holm's correction",
    "bh": "Benjamini and Hochberg's correction",
    "dunnett": "Dunnett's test with a variance for each arm",
    "graph": "a graphical procedure",
}
CLAIM_KINDS: tuple[str, ...] = get_args(ClaimKind)
# Kinds that ask whether a contrast lies above 0; they differ in what the contrast is.
DIFFERENCE = ("superiority", "timing", "interaction", "dose_trend")
# Kinds that claim the absence of a benefit; they are tested one-sided against a margin.
NO_BENEFIT = ("non_superiority", "equivalence")
COMPOSITE = "hi"
# How the row of a claim over all its outcomes begins; their names follow, with commas.
ALL_OF = "all of "
# Units per arm beyond which a number that would decide a claim is no plan, and is not printed.
MOST_UNITS = 10_000


class Margin(Section):
    """Smallest effect of interest."""

    kind: Literal["deficit", "sd", "raw"] = Field(
        description="deficit: share of healthy − disease; sd: share of the SD between animals; raw: the outcome's own unit"
    )
    value: float = Field(gt=0, description="size of the margin")


class Design(Section):
    """What contrasts of different animals are adjusted for; declared before data."""

    blocks: bool = Field(
        True,
        description="compare within the blocks of the animals sheet, where every animal of an outcome has one",
    )
    covariates: list[Literal["weight_g", "sex", "baseline"]] = Field(
        default_factory=list,
        description="known before treatment: columns of the animals sheet, or baseline, the outcome itself at `baseline_time`",
    )
    baseline_time: float | None = Field(
        None, description="time before treatment at which the outcome is the covariate `baseline`"
    )

    @model_validator(mode="after")
    def _baseline_has_its_time(self) -> Design:
        if "baseline" in self.covariates and self.baseline_time is None:
            raise ValueError("the covariate baseline needs baseline_time")
        return self


class Composite(Section):
    """The healing index (outcome `hi`): benefit-signed z, mean in each domain, then over domains."""

    outcomes: Literal["primary"] | list[str] = Field(
        "primary", description="outcomes that enter; each needs a declared direction of benefit"
    )
    min_domains: float = Field(
        0.6, gt=0, le=1, description="share of the domains that an animal needs"
    )


class Graph(Section):
    """Shares of alpha in a family that is corrected by `graph`; a node is a claim, or `claim/outcome`."""

    weights: dict[str, float] = Field(
        description="node → its share of alpha; a claim's is divided evenly over its outcomes; at most 1 in all"
    )
    edges: dict[str, dict[str, float]] = Field(
        default_factory=dict,
        description="node → node → part of its share that goes there when it is supported; at most 1 from a node. "
        "Between claims to the same outcome, from a claim to itself to its other outcomes",
    )


class Secondary(Section):
    """Every other measured outcome × contrast, exploratory."""

    correction: Literal["bh", "none"] = Field(
        "bh", description="correction over all secondary contrasts"
    )


class ContrastEntry(Section):
    """One contrast of arms."""

    text: str = Field("", description="what is compared, in words")
    weights: dict[str, float] = Field(
        description="arm, or role healthy or disease → weight; sums to 0. `arm@dose` names one dose of a condition"
    )
    unit: Literal["animal", "isolation", "donor", "technical"] | None = Field(
        None, description="units that take part; all where empty"
    )
    trend: Literal["dose"] | None = Field(
        None,
        description="dose: slope on log2(dose + 1) instead of a difference, inside units that hold several doses, else between animals",
    )
    confounded_with: str = Field(
        "", description="what else differs between the arms; printed beside every verdict"
    )


class ClaimEntry(Section):
    """One claim."""

    id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$", description="name of the claim")
    text: str = Field("", description="the claim in words")
    kind: ClaimKind = Field(description="what is asked of the contrast")
    contrast: str = Field("", description="name of a contrast; not for rescue and association")
    arm: str = Field("", description="rescue: the treated arm")
    threshold: float = Field(
        0.5, description="rescue: R that must be passed; .5 is half way to healthy, .8 restored"
    )
    outcomes: str | list[str] = Field(
        "primary", description="outcomes, `primary` for one a domain, or `hi` for the healing index"
    )
    score: str = Field(
        "", description="association: the score, as declared in config linkage/pairs"
    )
    after: str | list[str] = Field(
        default_factory=list, description="claims that must be supported for the same outcome first"
    )
    correction: Correction = Field(
        "none",
        description="over the outcomes of the family that are tested; dunnett: claims of several arms against one; graph: by `graphs`",
    )
    family: str = Field(
        "",
        description="name of the family; claims that name one are corrected together; the claim's own where empty",
    )
    combine: Literal["all"] | None = Field(
        None, description="all: one verdict over all outcomes, intersection–union"
    )
    margin: Margin | None = Field(None, description="in place of the study's margin")
    time: float | None = Field(None, description="time of measurement; the last where empty")
    variant: str = Field("", description="variant of the outcome; the declared default where empty")


class Claims(Section):
    """All that is declared before data."""

    alpha: float = Field(
        0.05,
        gt=0,
        lt=0.5,
        description="family-wise and two-sided; non-superiority is one-sided at alpha",
    )
    margin: Margin = Field(
        default_factory=lambda: Margin(kind="deficit", value=0.3),
        description="smallest effect of interest",
    )
    domains: dict[str, str] = Field(
        default_factory=dict, description="domain → its one primary outcome"
    )
    directions: dict[str, Literal["+", "-"]] = Field(
        default_factory=dict,
        description="outcome or score → which way is better, where the dictionary does not say",
    )
    design: Design = Field(default_factory=Design)
    composite: Composite = Field(default_factory=Composite)
    contrasts: dict[str, ContrastEntry] = Field(default_factory=dict)
    claims: list[ClaimEntry] = Field(default_factory=list)
    graphs: dict[str, Graph] = Field(
        default_factory=dict, description="family → its graph, for `correction: graph`"
    )
    secondary: Secondary = Field(default_factory=Secondary)


def check_form(claims: Mapping[str, Any], file: str) -> list[Problem]:
    """Every slip in the form of a claims file, each with its place and, for an unknown key or word, the nearest known one."""
    try:
        declared = Claims.model_validate(dict(claims))
    except ValidationError as error:
        found = [(e["loc"], problem_of(e, Claims, file)) for e in error.errors()]
        # Of `primary`, or a list: the union names every member that does not fit.
        return list(dict.fromkeys(replace(p, column=_place(loc, claims)) for loc, p in found))
    return [
        *_contents(declared, file),
        *_families(declared.claims, file),
        *_corrections(declared, file),
    ]


def _contents(declared: Claims, file: str) -> Iterator[Problem]:
    """Contrasts that are none, and outcomes that are missing or would count twice."""
    for name, contrast in declared.contrasts.items():
        weights = [w for w in contrast.weights.values() if w]
        where, shown = (
            f"contrasts/{name}/weights",
            ", ".join(f"{a} {w:g}" for a, w in contrast.weights.items()),
        )
        if len(weights) < 2:
            message = "a contrast has weights other than 0 of two arms or more"
            yield Problem(file, 0, where, message, shown)
        elif len(weights) == 2 and sum(weights) == 0 and abs(weights[0]) != 1:
            message = (
                "two arms are compared with weights 1 and -1: with others the estimate is no "
                "difference, "
                "and margins are judged against a multiple of it"
            )
            yield Problem(file, 0, where, message, shown, "1 and -1")
    first: dict[str, str] = {}
    for domain, outcome in declared.domains.items():
        if outcome in first:
            message = (
                f"is the primary outcome of {first[outcome]} already: one finding would "
                "stand for two domains"
            )
            yield Problem(file, 0, f"domains/{domain}", message, outcome)
        first.setdefault(outcome, domain)
    for claim in declared.claims:
        where = f"claims/{claim.id}/outcomes"
        if not claim.outcomes:
            yield Problem(file, 0, where, "names no outcome", "", "primary, or a list")
        elif not isinstance(claim.outcomes, str):
            for outcome in dict.fromkeys(o for o in claim.outcomes if claim.outcomes.count(o) > 1):
                message = "stands twice: its family would count it twice"
                yield Problem(file, 0, where, message, outcome)


def decided_at(claims: Sequence[ClaimEntry]) -> dict[str, int]:
    """Claim → place in the declared order at which it is decided: that of the last claim of its family."""
    last = {c.family or c.id: i for i, c in enumerate(claims)}
    return {c.id: last[c.family or c.id] for c in claims}


def _families(claims: Sequence[ClaimEntry], file: str) -> Iterator[Problem]:
    """Claims of one family that cannot be corrected together."""
    at = decided_at(claims)
    first: dict[str, ClaimEntry] = {}
    gates: list[str] = []
    names = [c.family or c.id for c in claims]
    shared = {name for name in names if names.count(name) > 1}
    for claim in claims:
        name = claim.family or claim.id
        head = first.setdefault(name, claim)
        where = f"claims/{claim.id}"
        if claim.correction != head.correction:
            message = f"family {name} has one correction: claim {head.id} says {head.correction}"
            yield Problem(
                file, 0, f"{where}/correction", message, claim.correction, head.correction
            )
        if name in shared and (claim.combine or head.combine):
            message = (
                f"family {name} holds a claim over all outcomes (combine: all), which is "
                "a family of its own"
            )
            yield Problem(file, 0, f"{where}/family", message, name)
        after = [claim.after] if isinstance(claim.after, str) else claim.after
        if claim.kind == "gate":
            gates.append(claim.id)
            waits = list(after)
        else:
            waits = list(dict.fromkeys([*after, *gates]))
        for other in waits:
            if other in at and other != claim.id and at[other] >= at[claim.id]:
                message = (
                    "waits for a claim that is decided together with it or later, by its family; "
                    "give one of them a family of its own"
                )
                yield Problem(file, 0, f"{where}/after", message, other)


def _corrections(declared: Claims, file: str) -> Iterator[Problem]:
    """Families whose graph or arms do not fit their correction."""
    families: dict[str, list[ClaimEntry]] = {}
    for claim in declared.claims:
        families.setdefault(claim.family or claim.id, []).append(claim)
    for name, family in families.items():
        correction, where = family[0].correction, f"claims/{family[0].id}/correction"
        if correction == "graph" and name not in declared.graphs:
            near = nearest(name, declared.graphs)
            yield Problem(file, 0, where, f"no graph of the family {name}{near}", correction)
        if correction == "dunnett":
            yield from _against_one(declared, family, file)
    for name, graph in declared.graphs.items():
        family = families.get(name, [])
        if not family or family[0].correction != "graph":
            known = ", ".join(n for n, f in families.items() if f[0].correction == "graph")
            message = f"no family of this name is corrected by graph{nearest(name, families)}"
            yield Problem(file, 0, f"graphs/{name}", message, name, known)
            continue
        yield from _graph(declared, name, graph, family, file)


def _against_one(declared: Claims, family: Sequence[ClaimEntry], file: str) -> Iterator[Problem]:
    """Claims that are no comparisons of one other arm each with the same arm."""
    common: set[tuple[str, float]] | None = None
    for claim in family:
        contrast = declared.contrasts.get(claim.contrast)
        where = f"claims/{claim.id}/correction"
        if claim.kind not in DIFFERENCE or contrast is None:
            message = "Dunnett's test is of differences between arms"
            yield Problem(file, 0, where, message, claim.kind, ", ".join(DIFFERENCE))
            return
        plain = sorted(contrast.weights.values()) == [-1, 1] and not contrast.trend
        own = set(contrast.weights.items())
        common = own if common is None else common & own
        if not plain or contrast.unit in ("isolation", "donor") or not common:
            message = "Dunnett's test compares one other arm in each claim with the same arm, between animals"
            weights = ", ".join(f"{a}: {w:g}" for a, w in contrast.weights.items())
            yield Problem(file, 0, where, message, weights, "weights 1 and -1, one arm in common")
            return


def _graph(
    declared: Claims, name: str, graph: Graph, family: Sequence[ClaimEntry], file: str
) -> Iterator[Problem]:
    """Nodes that are no claims, shares and edges that are none or too many."""
    known = [c.id for c in family]
    for claim in family:
        own = declared.domains.values() if claim.outcomes == "primary" else claim.outcomes
        known += [f"{claim.id}/{o}" for o in ([own] if isinstance(own, str) else own)]
    sums = {"weights": graph.weights} | {f"edges/{k}": e for k, e in graph.edges.items()}
    if not sum(graph.weights.values()):
        message = "no claim has a share of alpha: none of the family could be supported"
        yield Problem(file, 0, f"graphs/{name}/weights", message)
    for node in graph.edges:
        if "/" in node and node.split("/", 1)[0] in graph.edges:
            message = "edges of the whole claim stand too: its share would go out twice"
            yield Problem(file, 0, f"graphs/{name}/edges/{node}", message)
    for part, shares in sums.items():
        where = f"graphs/{name}/{part}"
        sources = [part.removeprefix("edges/")] if part != "weights" else []
        for node in (*sources, *shares):
            if node not in known:
                message = f"no claim of the family{nearest(node, known)}"
                yield Problem(file, 0, where, message, node, ", ".join(c.id for c in family))
        for node, share in shares.items():
            if not 0 <= share <= 1:
                yield Problem(file, 0, f"{where}/{node}", "is no share", f"{share:g}", "0 to 1")
        if sum(shares.values()) > 1 + 1e-9:
            message = "shares add up to more than 1"
            yield Problem(file, 0, where, message, f"{sum(shares.values()):g}", "at most 1")


def _place(loc: tuple[int | str, ...], claims: Mapping[str, Any]) -> str:
    """Where a slip is, claims by their id."""
    parts = [str(p) for p in loc if not str(p).startswith(("list[", "str", "literal["))]
    if len(loc) > 1 and loc[0] == "claims" and isinstance(loc[1], int):
        entry = claims["claims"][loc[1]]
        if isinstance(entry, Mapping) and entry.get("id"):
            parts[1] = str(entry["id"])
    return "/".join(parts)
