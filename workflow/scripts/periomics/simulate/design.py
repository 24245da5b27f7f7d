"""The simulated study: sheets and the target of every specimen, from scenario and seed alone.

An animal's standing is drawn per domain on the link scale of its outcome (logit for percentages, log for densities), with the
arm's mean matched on the natural scale, so that nothing has to be clipped and the rescue fraction R is what it says. Means and
spreads are the team's guess at usual ones, not data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import expit, logit

from periomics.core.seeds import generator
from periomics.simulate import links

DOMAINS = ("bone", "necrosis", "barrier", "vessels", "inflammation")
CULTURE_ONLY = "culture_only"  # no animals
# Rescue fraction R of each arm's mean by scenario: 0 = diseased, 1 = healthy.
SCENARIOS: dict[str, dict[str, float]] = {
    "source_study": {"CTRL": 1.0, "DRUG": 0.0, "PRE": 0.05, "POST": 0.7},
    "null_all": {"CTRL": 0.0, "DRUG": 0.0, "PRE": 0.0, "POST": 0.0},
    "null_treatment": {"CTRL": 1.0, "DRUG": 0.0, "PRE": 0.0, "POST": 0.0},
    "equal_timing": {"CTRL": 1.0, "DRUG": 0.0, "PRE": 0.7, "POST": 0.7},
    "sclerotic": {"CTRL": 1.0, "DRUG": 0.0, "PRE": 0.05, "POST": 0.7},
    "lost_implants": {"CTRL": 1.0, "DRUG": 0.0, "PRE": 0.05, "POST": 0.7},
    "confounded": {"CTRL": 1.0, "DRUG": 0.0, "PRE": 0.05, "POST": 0.7},
    "disjoint_modalities": {"CTRL": 1.0, "DRUG": 0.0, "PRE": 0.05, "POST": 0.7},
    # What makes responses go with outcomes within arms differs: `links.CAUSES`.
    "no_link": {"CTRL": 1.0, "DRUG": 0.0, "PRE": 0.05, "POST": 0.7},
    "severity": {"CTRL": 1.0, "DRUG": 0.0, "PRE": 0.05, "POST": 0.7},
    "composition": {"CTRL": 1.0, "DRUG": 0.0, "PRE": 0.05, "POST": 0.7},
    CULTURE_ONLY: {"CTRL": 1.0, "DRUG": 0.0, "PRE": 0.05, "POST": 0.7},
}
# Isolations: response to medium and to the wound cue, as factors of the vehicle without cue.
CONDITIONS = {"vehicle": (0, 0), "medium": (1, 0), "vehicle_cue": (0, 1), "medium_cue": (1, 1)}


@dataclass(frozen=True)
class Outcome:
    """Natural-scale means of a healthy and a diseased animal, the link on which animals vary, and the domain."""

    healthy: float
    diseased: float
    link: str
    domain: str


OUTCOMES = {
    "bvtv": Outcome(48.0, 33.0, "percent", "bone"),
    "elac": Outcome(8.0, 38.0, "percent", "necrosis"),
    "ln332": Outcome(55.0, 25.0, "percent", "barrier"),
    "mvd": Outcome(95.0, 55.0, "log", "vessels"),
    "neu": Outcome(60.0, 260.0, "log", "inflammation"),
}


@dataclass(frozen=True)
class Readout:
    """A culture readout: vehicle without cue, factors for medium, for the cue and for both beyond their product, and the SD of log
    values between cultures of an isolation. Effects of medium are 1 to 3 SD of their differences within isolations."""

    vehicle: float
    medium: float
    cue: float
    both: float
    spread: float


CULTURE = {
    "scratch_rate": Readout(3.9, 1.20, 1.05, 1.25, 0.10),
    "prol": Readout(100.0, 1.18, 1.03, 1.15, 0.075),
    "surv": Readout(62.0, 1.09, 1.00, 1.10, 0.045),
}
# SD between cultures of how strongly their programmes of genes respond to medium and to the cue (1).
PROGRAMME_SD = 0.4


def outcome_means(scenario: str) -> dict[str, Outcome]:
    """Outcomes of a scenario; in `sclerotic` the drug raises the bone volume instead of lowering it."""
    means = dict(OUTCOMES)
    if scenario == "sclerotic":
        means["bvtv"] = Outcome(48.0, 58.0, "percent", "bone")
    return means


def to_link(value: float | np.ndarray, link: str) -> float | np.ndarray:
    """From the natural scale to that on which animals vary: percent (logit of the share), log or identity."""
    if link == "identity":
        return value
    return logit(np.asarray(value) / 100.0) if link == "percent" else np.log(value)


def from_link(value: float | np.ndarray, link: str) -> float | np.ndarray:
    """The inverse of `to_link`."""
    if link == "identity":
        return value
    return 100.0 * expit(value) if link == "percent" else np.exp(value)


def matched_location(mean: float, spread: float, link: str) -> float:
    """Location on the link scale for which a normal spread gives the wanted mean on the natural scale."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    weights = weights / weights.sum()

    def excess(location: float) -> float:
        return float(weights @ from_link(location + spread * nodes, link)) - mean

    start = float(to_link(mean, link))
    return float(brentq(excess, start - 5 * spread - 1, start + 5 * spread + 1, xtol=1e-12))


def draw_standing(
    n: int, blocks: np.ndarray, correlation: float, block_share: float, rng: np.random.Generator
) -> np.ndarray:
    """Standard normal standing (n, 5) of animals in the five domains: correlated within an animal, shared within a block."""
    lower = np.linalg.cholesky(np.full((5, 5), correlation) + (1 - correlation) * np.eye(5))
    own = rng.standard_normal((n, 5)) @ lower.T
    labels, index = np.unique(blocks, return_inverse=True)
    shared = rng.standard_normal(len(labels))[index][:, None]
    return np.sqrt(1 - block_share) * own + np.sqrt(block_share) * shared


def draw_animals(settings: Mapping[str, Any], seed: int) -> pd.DataFrame:
    """Animals with arm, block, healing per domain (`h_<domain>`), outcome values and whether the implant was lost.

    Parameters
    ----------
    settings
        The config's `simulate` mapping: scenario, arms, n_per_arm, n_blocks, deficit_d, correlation, block_share, loss_intercept, link.
    seed
        The config's seed.

    Returns
    -------
    DataFrame
        One row per animal. `h` is 0 at the diseased mean and 1 at the healthy mean, and so is the response of an axis (`r_<axis>`).
    """
    scenario = str(settings["scenario"])
    rescue, means = SCENARIOS[scenario], outcome_means(scenario)
    arms = [str(a) for a in settings["arms"]]
    n, n_blocks = int(settings["n_per_arm"]), int(settings["n_blocks"])
    rng = generator(seed, "simulate_design", scenario)
    others = generator(seed, "simulate_design", f"{scenario}:links")
    rows = [
        {"group": arm, "block": f"day{1 + i * n_blocks // n}", "turn": i}
        for i in range(n)
        for arm in arms
    ]
    df = pd.DataFrame(rows)
    df["animal_id"] = [f"R{i + 1:02d}" for i in rng.permutation(len(df))]
    standing = draw_standing(
        len(df),
        df["block"].to_numpy(),
        float(settings["correlation"]),
        float(settings["block_share"]),
        rng,
    )
    by_domain = dict(zip(DOMAINS, standing.T, strict=True))
    drawn = links.draw_within(by_domain, df["block"].to_numpy(), settings, others)
    for name, o in means.items():
        link_d, link_h = float(to_link(o.diseased, o.link)), float(to_link(o.healthy, o.link))
        spread = abs(link_h - link_d) / float(settings["deficit_d"])
        location = {
            a: matched_location(o.diseased + rescue[a] * (o.healthy - o.diseased), spread, o.link)
            for a in set(arms)
        }
        sign = np.sign(o.healthy - o.diseased)
        z = drawn.standing[o.domain]
        df[name] = from_link(df["group"].map(location).to_numpy() + sign * spread * z, o.link)
        df[f"h_{o.domain}"] = (df[name] - o.diseased) / (o.healthy - o.diseased)
    weight = rng.normal(185, 12, len(df))
    if drawn.severity is not None:
        weight = 185 + 12 * links.mixed(drawn.severity, (weight - 185) / 12, links.WEIGHT_SHOWS)
    df["weight_g"] = np.round(weight, 1)
    df["sex"] = np.where(
        (df["turn"] + df["group"].map({a: i for i, a in enumerate(arms)})) % 2 == 0, "F", "M"
    )
    df["lost"] = rng.random(len(df)) < expit(float(settings["loss_intercept"]) - 1.5 * df["h_bone"])
    df = df.join(links.animal_responses(drawn, df["group"], rescue, settings))
    df = df[:0] if scenario == CULTURE_ONLY else df
    return df.sort_values("animal_id").reset_index(drop=True)


def draw_isolations(settings: Mapping[str, Any], seed: int) -> pd.DataFrame:
    """Cell isolations with a lognormal factor each on growth and motility (`factor`)."""
    rng = generator(seed, "simulate_design", "isolations")
    n = int(settings["n_isolations"])
    return pd.DataFrame(
        {"animal_id": [f"ISO{i + 1}" for i in range(n)], "factor": np.exp(rng.normal(0, 0.12, n))}
    )


def culture_target(name: str, condition: str, factor: float, differs: float = 0.0) -> float:
    """Target of a culture readout; survival (percent) varies on the logit scale so that it stays a percentage.

    Parameters
    ----------
    name
        Key of `CULTURE`.
    condition
        Key of `CONDITIONS`.
    factor
        Of the isolation.
    differs
        How far the culture stands from what its isolation and condition give, in SD.
    """
    r, (medium, cue) = CULTURE[name], CONDITIONS[condition]
    change = np.log(r.medium) * medium + np.log(r.cue) * cue + np.log(r.both) * medium * cue
    change += r.spread * differs
    if name == "surv":
        return float(100 * expit(logit(r.vehicle / 100) + np.log(factor) + 4 * change))
    return float(r.vehicle * factor * np.exp(change))


def draw_cultures(settings: Mapping[str, Any], seed: int) -> pd.DataFrame:
    """Targets of every isolation and condition: `cm` and `cue` (0 without, about 1 with), factor, readouts, response of every axis."""
    isolations = draw_isolations(settings, seed).astype({"animal_id": object})
    df = (
        links.draw_cultures(
            list(isolations["animal_id"]), CONDITIONS, list(CULTURE), settings, seed
        )
        .astype({"animal_id": object})  # of no isolation the column would be of numbers
        .merge(isolations, on="animal_id")
    )
    if df.empty:
        return df
    given = np.array([CONDITIONS[c] for c in df["condition"]])
    for k, name in enumerate(("cm", "cue")):
        df[name] = given[:, k] * (1 + PROGRAMME_SD * df[f"k_{name}"])
    for name in CULTURE:
        df[name] = [
            culture_target(name, *row)
            for row in zip(df["condition"], df["factor"], df[f"e_{name}"], strict=True)
        ]
    return df


def draw_targets(
    settings: Mapping[str, object], seed: int, sheets: Mapping[str, pd.DataFrame]
) -> pd.DataFrame:
    """Target of every specimen: `specimen_id, animal_id, target, value`, sorted; what the layers then realise."""
    animals = draw_animals(settings, seed).set_index("animal_id")
    cultures = draw_cultures(settings, seed).set_index(["animal_id", "condition"])
    rows: list[tuple[str, str, str, float]] = []
    responses = [c for c in animals if c.startswith((links.PREFIX, links.SHARE_PREFIX))]
    healing = [*(f"h_{d}" for d in DOMAINS), *responses]
    of_library = ["cm", "cue", "factor", *(a.target for a in links.AXES)]
    for sheet, wanted in (
        ("scans", ["bvtv"]),
        ("sections", ["mvd", "neu", "elac", "ln332"]),
        ("libraries", healing),
    ):
        for specimen, animal in (
            sheets[sheet]
            .reindex(columns=["specimen_id", "animal_id"])
            .drop_duplicates()
            .itertuples(index=False)
        ):
            if animal in animals.index:
                rows += [(specimen, animal, t, float(animals.at[animal, t])) for t in wanted]
    for sheet in ("cultures", "libraries"):
        part = (
            sheets[sheet]
            .reindex(columns=["specimen_id", "animal_id", "condition"])
            .drop_duplicates()
        )
        for specimen, animal, condition in part.itertuples(index=False):
            if (animal, condition) in cultures.index:
                wanted = [*of_library, *CULTURE] if sheet == "cultures" else of_library
                own = cultures.loc[(animal, condition)]
                rows += [(specimen, animal, t, float(own[t])) for t in wanted]
    df = pd.DataFrame(rows, columns=["specimen_id", "animal_id", "target", "value"])
    return df.sort_values(["specimen_id", "target"]).reset_index(drop=True)


def planted_links(settings: Mapping[str, Any], seed: int) -> pd.DataFrame:
    """What a study plants, one row an axis (`links.COLUMNS`)."""
    outcomes = {o.domain: name for name, o in OUTCOMES.items()}
    rescue = SCENARIOS[str(settings["scenario"])]
    return links.links_table(draw_animals(settings, seed), outcomes, rescue, CONDITIONS, settings)
