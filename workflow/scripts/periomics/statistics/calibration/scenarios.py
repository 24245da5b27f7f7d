"""Studies whose truth is known, as animal tables by the thousand: what the study would look like if this or that were so.

A scenario says how far each treated arm comes back (R), how animals vary, and who is lost. Everything else is the study's own:
arms, animals, blocks, outcomes with their scales and directions, claims.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from periomics.simulate.design import OUTCOMES, from_link, to_link
from periomics.statistics.claims.composite import healing_index, overall_sd, z_scores
from periomics.statistics.claims.plan import Plan
from periomics.statistics.kernels import position
from periomics.statistics.kernels.contrasts import Floats, summarise
from periomics.study.dictionary import direction_of, entry

# Healthy and diseased means where nothing better is known, by scale: the team's guess at usual deficits.
TYPICAL = {"logit": (55.0, 30.0), "log": (1.6, 1.0), "count": (95.0, 55.0), "identity": (10.0, 7.0)}
CODES = {"percent": position.LOGIT, "log": position.LOG, "identity": position.IDENTITY}
# Largest value that an outcome can have, by its link.
MOST = {"percent": 100.0, "log": np.inf, "identity": np.inf}
LINKS = {"logit": "percent", "log": "log", "count": "log", "identity": "identity"}
MODELS = ("equal", "cv", "unequal", "counts", "counts_low")
DISPERSION, COUNT = 0.15, 20.0
# Mean count of the lower arm where counts are low.
LOW_COUNT = 0.3
ZEROS = (0.3, 0.6, 1.0)
ARM_WITHOUT_ROLE = 0.0
MANY = 200_000  # draws behind a mean that has no closed form
COVARIATE_SHARE = 0.2  # of the variance between animals, where covariates are declared


@dataclass(frozen=True)
class Scenario:
    """One truth.

    Parameters
    ----------
    name, text
        What it is called, and in words.
    R
        Share of the deficit that each arm makes up: healthy 1, diseased 0.
    model
        How animals vary on the outcome's scale: equal; cv (SD in proportion to the mean on the natural scale); unequal
        (SD of the diseased arm twice that of the others); counts (negative binomial counts for count outcomes).
    n
        Animals an arm; the study's own where empty.
    lost
        Share of animals that are missing at random from each outcome.
    informative
        Whether animals that heal badly lose their implant and with it every outcome.
    mixed
        Whether every second domain has no treatment effect.
    interaction
        Whether a block (and a covariate) moves the animals of an arm in proportion to how much they vary; elsewhere it moves all
        arms alike.
    bounded
        Whether the bounds of the design hold here.
    directions
        Whether directions of benefit are declared; without, only the permutation test that estimates them is run.
    zeros
        Chance that an animal of the lower arm of a share or a count is at 0.
    kind
        binary or ordinal: what is drawn is cut into yes or no, or into four grades, and judged exactly.
    """

    name: str
    text: str
    R: Mapping[str, float]
    model: str = "equal"
    n: int | None = None
    lost: float = 0.0
    informative: bool = False
    mixed: bool = False
    interaction: bool = False
    bounded: bool = True
    directions: bool = True
    zeros: float = 0.0
    kind: str = ""

    @property
    def by_means(self) -> bool:
        """Whether outcomes that can be 0 are judged by arithmetic means."""
        return self.zeros > 0 or self.model == "counts_low"

    @property
    def exact(self) -> bool:
        """Whether intervals may cover more than they promise: an arm without events, or a discrete outcome."""
        return self.by_means or bool(self.kind)


@dataclass(frozen=True)
class Layout:
    """Animals of a study: index of arm (into `arms`) and block; `outcomes` are what claims speak of."""

    arms: tuple[str, ...]
    outcomes: tuple[str, ...]
    arm: NDArray[np.int64]
    block: NDArray[np.int64]
    covariates: Floats


@dataclass(frozen=True)
class Truth:
    """What is true of the outcomes that are drawn.

    Parameters
    ----------
    location, analysis, natural, spread
        (arms, outcomes): centre on the link scale, mean on the outcome's scale, natural value of the typical animal, SD on the
        link scale.
    sign, area
        (outcomes,): direction, and the area in which counts are made (NaN: no counts).
    ends
        (2, outcomes): natural means of diseased and healthy animals.
    links
        Link of each outcome.
    codes
        Code of the scale on which the truth of each outcome stands: identity where arithmetic means are compared.
    lowest
        (arms, outcomes): the arms whose animals may be at 0.
    """

    location: Floats
    analysis: Floats
    natural: Floats
    spread: Floats
    sign: Floats
    area: Floats
    ends: Floats
    links: tuple[str, ...]
    codes: tuple[int, ...]
    lowest: NDArray[np.bool_]


@dataclass(frozen=True)
class Drawn:
    """Values of many studies on both scales, shape (studies, outcomes, animals); NaN is missing.

    `means` (studies, outcomes) tells where arithmetic means are compared, since a value is 0.
    """

    analysis: Floats
    natural: Floats
    means: NDArray[np.bool_]


def scenarios(
    plan: Plan, planned: Mapping[str, float], recovery: float, sizes: Sequence[int]
) -> list[Scenario]:
    """Every scenario of a study.

    Parameters
    ----------
    plan
        The claims; margins and thresholds give the boundary scenarios.
    planned
        The config's planning/R: arm → share of the deficit it is hoped to make up.
    recovery
        For treated arms that `planned` does not name.
    sizes
        Animals an arm: every scenario is repeated with each of them.
    """
    base = dict.fromkeys(_arms(plan), ARM_WITHOUT_ROLE) | {plan.healthy: 1.0, plan.disease: 0.0}
    hoped = (
        base
        | dict.fromkeys(plan.treated, recovery)
        | {a: float(r) for a, r in planned.items() if a in base}
    )
    null, half = (base | dict.fromkeys(plan.treated, r) for r in (0.0, 0.5))
    out = [
        Scenario("as_planned", "every arm as it is hoped for", hoped),
        Scenario("null_all", "all arms equal, no deficit either", dict.fromkeys(base, 0.0)),
        Scenario("null_treatment", "a deficit, and no treatment does anything", null),
        Scenario(
            "equal_timing",
            "all treated arms heal alike",
            base | dict.fromkeys(plan.treated, recovery),
        ),
    ]
    for claim in plan.claims:
        if claim.kind == "rescue":
            name = f"boundary_{claim.threshold:g}"
            text = f"{claim.arm} comes back exactly to the threshold {claim.threshold:g}"
            out.append(Scenario(name, text, hoped | {claim.arm: claim.threshold}))
        elif claim.kind == "non_superiority" and plan.margin_of(claim).kind == "deficit":
            m, weights = plan.margin_of(claim).value, plan.weights_of(claim)
            arm = next((a for a, w in weights.items() if w > 0), "")
            out.append(
                Scenario(
                    "boundary_margin",
                    f"{arm} improves by exactly the margin {m:g}",
                    hoped | {arm: m},
                )
            )
    out += [
        Scenario(
            "mixed",
            "every second domain without treatment effect, the others half way",
            half,
            mixed=True,
        ),
        Scenario("cv", "SD in proportion to the mean, no treatment effect", null, model="cv"),
        Scenario(
            "unequal",
            "the diseased arm varies twice as much, no treatment effect",
            null,
            model="unequal",
        ),
        Scenario("counts", "overdispersed counts, no treatment effect", null, model="counts"),
        Scenario(
            "missing_at_random", "one value in ten missing, no treatment effect", null, lost=0.1
        ),
        Scenario(
            "toward_control",
            "no direction of benefit is declared anywhere, no treatment effect",
            null,
            directions=False,
        ),
        Scenario(
            "block_interaction",
            "as unequal, and blocks move the diseased arm twice as much",
            null,
            model="unequal",
            interaction=True,
            bounded=False,
        ),
        *(
            Scenario(
                f"zeros_{100 * share:.0f}",
                f"{100 * share:.0f} % of the animals of the lower arm of shares and counts at 0",
                hoped,
                zeros=share,
            )
            for share in ZEROS
        ),
        Scenario(
            "counts_low",
            f"mean counts of {LOW_COUNT:g} in the lower arm, no treatment effect",
            null,
            model="counts_low",
        ),
        Scenario(
            "binary",
            "every outcome as yes or no, at half of the deficit; no treatment effect",
            null,
            kind="binary",
        ),
        Scenario(
            "ordinal", "every outcome in four grades; no treatment effect", null, kind="ordinal"
        ),
        Scenario(
            "lost_implants",
            "animals that heal badly lose their implant",
            hoped,
            informative=True,
        ),
    ]
    own = list({s.name: s for s in out}.values())
    sized = [
        replace(s, name=f"{s.name}_n{n}", text=f"{s.text}; {n} animals per arm", n=n)
        for n in sizes
        for s in own
    ]
    return own + sized


def _arms(plan: Plan) -> list[str]:
    named = [
        a
        for c in plan.contrasts.values()
        if not c.trend and c.unit in ("", "animal")
        for a in c.weights
    ]
    return [a for a in dict.fromkeys([*plan.role_arms, *named]) if a]


def layout(
    plan: Plan,
    sheet: pd.DataFrame,
    outcomes: Sequence[str],
    n: int | None,
    rng: np.random.Generator,
) -> Layout:
    """Animals of the study's own sheet, or `n` an arm in as many blocks as the study has."""
    own = sheet[sheet["unit"].eq("animal") & sheet["group"].isin(_arms(plan))].drop_duplicates(
        "animal_id"
    )
    arms = tuple(a for a in _arms(plan) if (own["group"] == a).any())
    index = {a: i for i, a in enumerate(arms)}
    labels = (
        sorted(set(own["block"]) - {""})
        if plan.adjustment.blocks and (own["block"] != "").all()
        else []
    )
    if n is None:
        arm = own["group"].map(index).to_numpy(int)
        block = (
            own["block"].map({b: i for i, b in enumerate(labels)}).to_numpy(int)
            if labels
            else np.zeros(len(own), int)
        )
        given = [
            _covariate(own, c) if c in own else rng.standard_normal(arm.size)
            for c in plan.adjustment.covariates
        ]
    else:
        arm, count = np.repeat(np.arange(len(arms)), n), min(len(labels), n)
        block = np.tile(np.arange(n) * count // n, len(arms)) if count else np.zeros(arm.size, int)
        given = [rng.standard_normal(arm.size) for _ in plan.adjustment.covariates]
    kept = [c for c in given if c is not None]
    columns = np.array(kept).reshape(len(kept), arm.size).T
    return Layout(arms, tuple(outcomes), arm, block, columns)


def _covariate(own: pd.DataFrame, name: str) -> Floats | None:
    values = own[name].map({"F": 0.0, "M": 1.0}) if name == "sex" else own[name]
    values = pd.to_numeric(values, errors="coerce")
    return None if values.nunique() < 2 else values.fillna(values.mean()).to_numpy(float)


def truth(
    scenario: Scenario,
    plan: Plan,
    arms: Sequence[str],
    outcomes: Sequence[str],
    dictionary: pd.DataFrame,
    d: float,
    cv: Mapping[str, float],
    rng: np.random.Generator,
) -> Truth:
    """Means and spreads of a scenario.

    Parameters
    ----------
    scenario, plan, arms, outcomes
        What is drawn for whom; the healing index is not among `outcomes`, it is computed from the drawn values.
    dictionary
        resources/outcomes.tsv.
    d
        Healthy − diseased in SD of the outcome's scale.
    cv
        outcome → SD over mean, of the model `cv`.
    rng
        For the mean logarithm of counts, which has no closed form.

    Returns
    -------
    Truth
        The typical animal of an arm lies at R of the way from diseased to healthy on the natural scale.
    """
    domains = list(dict.fromkeys(str(entry(dictionary, o)["domain"]) for o in outcomes))
    parts = []
    for outcome in outcomes:
        half = scenario.mixed and domains.index(str(entry(dictionary, outcome)["domain"])) % 2 == 1
        R = {
            a: (0.0 if half and a in plan.treated else scenario.R.get(a, ARM_WITHOUT_ROLE))
            for a in arms
        }
        parts.append(
            _outcome(
                scenario,
                outcome,
                dictionary,
                R=R,
                plan=plan,
                d=d,
                cv=cv.get(outcome, 0.25),
                rng=rng,
            )
        )
    location, analysis, natural, spread, sign, area, ends = (
        np.stack([p[i] for p in parts], axis=-1) for i in range(7)
    )
    links = tuple(p[7] for p in parts)
    codes = [CODES[link] for link in links]
    lowest = np.isclose(natural, natural.min(axis=0))
    if scenario.by_means:
        analysis, natural = analysis.copy(), natural.copy()
        for i in range(len(links)):
            if can_be_zero(links[i], float(area[i]), scenario):
                codes[i] = position.IDENTITY
                zeros = scenario.zeros * lowest[:, i]
                drawn = rng.standard_normal((MANY, 1)) * spread[:, i] + location[:, i]
                values = np.asarray(from_link(drawn, links[i]), float)
                natural[:, i] = analysis[:, i] = (1 - zeros) * values.mean(axis=0)
    return Truth(
        location=location,
        analysis=analysis,
        natural=natural,
        spread=spread,
        sign=sign,
        area=area,
        ends=ends,
        links=links,
        codes=tuple(codes),
        lowest=lowest,
    )


def can_be_zero(link: str, area: float, scenario: Scenario) -> bool:
    """Whether an outcome is at 0 in some animals of a scenario."""
    return (scenario.zeros > 0 and link == "percent") or (
        scenario.model == "counts_low" and np.isfinite(area)
    )


def _outcome(
    scenario: Scenario,
    outcome: str,
    dictionary: pd.DataFrame,
    R: Mapping[str, float],
    plan: Plan,
    d: float,
    cv: float,
    rng: np.random.Generator,
) -> tuple[Floats, Floats, Floats, Floats, float, float, Floats, str]:
    """The parts of `Truth` of one outcome."""
    scale = str(entry(dictionary, outcome)["scale"])
    direction = direction_of(dictionary, outcome, plan.directions)
    sign = 1.0 if np.isnan(direction) else direction
    link, own = LINKS[scale], OUTCOMES.get(outcome)
    high, low = (own.healthy, own.diseased) if own else TYPICAL[scale]
    healthy, diseased = (
        (max(high, low), min(high, low)) if sign > 0 else (min(high, low), max(high, low))
    )
    natural = np.array([diseased + r * (healthy - diseased) for r in R.values()])
    usual = abs(float(to_link(healthy, link)) - float(to_link(diseased, link))) / d
    spread = np.full(natural.size, usual)
    if scenario.model == "cv":
        spread = {
            "percent": cv / (1 - natural / 100),
            "log": np.full(natural.size, cv),
            "identity": cv * natural,
        }[link]
    elif scenario.model == "unequal":
        spread = np.where([a == plan.disease for a in R], usual, usual / 2)
    # The typical animal of an arm lies at R: rescue is about natural positions (`statistics.position`).
    location = np.asarray(to_link(natural, link), float)
    analysis, area = location, np.nan
    if scenario.model == "counts_low" and scale == "count":
        area = LOW_COUNT / float(natural.min())
    elif scenario.model == "counts" and scale == "count":
        area = COUNT / diseased
        many = [m + s * rng.standard_normal(400_000) for m, s in zip(location, spread, strict=True)]
        analysis = np.array([np.log((_counts(x, area, rng) + 0.5) / area).mean() for x in many])
    return location, analysis, natural, spread, sign, area, np.array([diseased, healthy]), link


def _counts(log_density: Floats, area: float, rng: np.random.Generator) -> Floats:
    """Negative binomial counts in an area."""
    return rng.poisson(rng.gamma(1 / DISPERSION, DISPERSION * np.exp(log_density) * area)).astype(
        float
    )


def draw(
    scenario: Scenario,
    known: Truth,
    place: Layout,
    studies: int,
    correlation: float,
    block_share: float,
    rng: np.random.Generator,
) -> Drawn:
    """Draw studies.

    Parameters
    ----------
    scenario, known, place
        Truth and design.
    studies
        How many.
    correlation
        Between outcomes of an animal.
    block_share
        Share of the variance between animals that a block explains; of the arm that varies least, where arms differ.
    rng
        The job's generator.

    Notes
    -----
    The SD of an arm is `known.spread` in every scenario, with what blocks and covariates add.
    """
    own, shared, alone = _standing(known.sign.size, place, studies, correlation, block_share, rng)
    spread = known.spread[place.arm].T
    common = spread if scenario.interaction else known.spread.min(axis=0)[:, None]
    around = (
        np.sqrt(spread**2 - (1 - alone) * common**2) * own + np.sqrt(1 - alone) * common * shared
    )
    value = known.location[place.arm].T + known.sign[:, None] * around
    natural = np.stack([from_link(value[:, i], link) for i, link in enumerate(known.links)], axis=1)
    gone = rng.random(value.shape) < scenario.lost
    if scenario.informative:
        low, high = known.ends[:, 0]
        h = (natural[:, 0] - low) / (high - low)
        gone |= (rng.random(h.shape) < expit(-3.0 - 1.5 * h))[:, None, :]
    for i in np.flatnonzero(~np.isnan(known.area)):
        count = _counts(value[:, i], known.area[i], rng)
        value[:, i], natural[:, i] = np.log((count + 0.5) / known.area[i]), count / known.area[i]
    means = np.zeros(natural.shape[:2], bool)
    for k, link in enumerate(known.links):
        if can_be_zero(link, float(known.area[k]), scenario):
            zero = known.lowest[place.arm, k] & (rng.random(natural[:, k].shape) < scenario.zeros)
            natural[:, k] = np.where(zero, 0.0, natural[:, k])
            means[:, k] = ((natural[:, k] == 0) & ~gone[:, k]).any(axis=-1)
            value[:, k] = np.where(means[:, k, None], natural[:, k], value[:, k])
    return Drawn(np.where(gone, np.nan, value), np.where(gone, np.nan, natural), means)


def _standing(
    outcomes: int,
    place: Layout,
    studies: int,
    correlation: float,
    block_share: float,
    rng: np.random.Generator,
) -> tuple[Floats, Floats, float]:
    """Standard normal parts of an animal's standing: its own, correlated between its outcomes; what its block and covariates say;
    and the share of the variance that is its own."""
    n = place.arm.size
    common, each = rng.standard_normal((studies, 1, n)), rng.standard_normal((studies, outcomes, n))
    own = np.sqrt(correlation) * common + np.sqrt(1 - correlation) * each
    blocks = block_share if place.block.any() else 0.0
    told = COVARIATE_SHARE if place.covariates.size else 0.0
    alone = (1 - blocks) * (1 - told)
    shared = np.zeros((1, 1, n))
    if blocks:
        day = rng.standard_normal((studies, 1, int(place.block.max()) + 1))[..., place.block]
        shared = np.sqrt(blocks * (1 - told)) * day
    if told:
        scaled = (place.covariates - place.covariates.mean(axis=0)) / place.covariates.std(axis=0)
        shared = shared + np.sqrt(told) * scaled.mean(axis=1)
    return own, shared / np.sqrt(1 - alone) if alone < 1 else shared, alone


def index_of(
    values: Floats, known: Truth, place: Layout, domain: Sequence[int], plan: Plan
) -> Floats:
    """The healing index of drawn studies, shape (studies, animals); `values` (studies, members, animals) as drawn."""
    z = z_scores(values, place.arm, len(place.arms), known.sign, place.arms.index(plan.disease))
    return healing_index(z, domain, plan.min_domains)


def index_means(
    values: Floats, known: Truth, place: Layout, domain: Sequence[int], plan: Plan
) -> Floats:
    """True mean of the healing index in each arm of each drawn study, shape (studies, arms).

    The index is in the SD of the study's own animals, so this is what the arms' true locations are in that SD, averaged over the
    animals and outcomes that were seen.
    """
    disease = place.arms.index(plan.disease)
    scale = overall_sd(values, place.arm, len(place.arms))
    shift = known.sign[:, None] * (known.location - known.location[disease])[place.arm].T
    with np.errstate(invalid="ignore", divide="ignore"):
        z = np.where(np.isnan(values), np.nan, shift / scale[..., None])
    return summarise(
        healing_index(z, domain, plan.min_domains)[:, None], place.arm, len(place.arms)
    ).mean[:, 0]


def index_truth(known: Truth, place: Layout, domain: Sequence[int], plan: Plan) -> Floats:
    """Mean of the healing index in each arm, shape (arms,): in the SD over all animals that is expected."""
    n = np.bincount(place.arm)[:, None]
    apart = known.location - (n * known.location).sum(axis=0) / n.sum()
    squares = (n * apart**2).sum(axis=0) + (n * known.spread**2).sum(axis=0) * (1 - 1 / n.sum())
    scale = np.sqrt(squares / (n.sum() - 1))
    shift = known.sign * (known.location - known.location[place.arms.index(plan.disease)]) / scale
    return np.stack(
        [shift[:, np.asarray(domain) == i].mean(axis=1) for i in range(max(domain) + 1)]
    ).mean(axis=0)
