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

DOMAINS = ("bone", "necrosis", "barrier", "vessels", "inflammation")
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
# Culture targets: vehicle without cue, then factors for medium, for the cue, and for both together beyond their product.
CULTURE = {
    "scratch_rate": (4.2, 1.10, 1.05, 1.35),
    "prol": (100.0, 1.12, 1.03, 1.20),
    "surv": (62.0, 1.06, 1.00, 1.16),
}


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
        The config's `simulate` mapping: scenario, arms, n_per_arm, n_blocks, deficit_d, correlation, block_share, loss_intercept.
    seed
        The config's seed.

    Returns
    -------
    DataFrame
        One row per animal. `h` is 0 at the diseased mean and 1 at the healthy mean.
    """
    scenario = str(settings["scenario"])
    rescue, means = SCENARIOS[scenario], outcome_means(scenario)
    arms = [str(a) for a in settings["arms"]]
    n, n_blocks = int(settings["n_per_arm"]), int(settings["n_blocks"])
    rng = generator(seed, "simulate_design", scenario)
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
    for name, o in means.items():
        link_d, link_h = float(to_link(o.diseased, o.link)), float(to_link(o.healthy, o.link))
        spread = abs(link_h - link_d) / float(settings["deficit_d"])
        location = {
            a: matched_location(o.diseased + rescue[a] * (o.healthy - o.diseased), spread, o.link)
            for a in set(arms)
        }
        sign = np.sign(o.healthy - o.diseased)
        z = standing[:, DOMAINS.index(o.domain)]
        df[name] = from_link(df["group"].map(location).to_numpy() + sign * spread * z, o.link)
        df[f"h_{o.domain}"] = (df[name] - o.diseased) / (o.healthy - o.diseased)
    df["weight_g"] = np.round(rng.normal(185, 12, len(df)), 1)
    df["sex"] = np.where(
        (df["turn"] + df["group"].map({a: i for i, a in enumerate(arms)})) % 2 == 0, "F", "M"
    )
    df["lost"] = rng.random(len(df)) < expit(float(settings["loss_intercept"]) - 1.5 * df["h_bone"])
    return df.sort_values("animal_id").reset_index(drop=True)


def draw_isolations(settings: Mapping[str, Any], seed: int) -> pd.DataFrame:
    """Cell isolations with a lognormal factor each on growth and motility (`factor`)."""
    rng = generator(seed, "simulate_design", "isolations")
    n = int(settings["n_isolations"])
    return pd.DataFrame(
        {"animal_id": [f"ISO{i + 1}" for i in range(n)], "factor": np.exp(rng.normal(0, 0.12, n))}
    )


def culture_target(name: str, condition: str, factor: float) -> float:
    """Target of a culture readout; survival (percent) varies on the logit scale so that it stays a percentage."""
    base, medium, cue, both = CULTURE[name]
    with_medium, with_cue = CONDITIONS[condition]
    change = medium**with_medium * cue**with_cue * both ** (with_medium * with_cue)
    if name == "surv":
        return float(100 * expit(logit(base / 100) + np.log(factor) + 4 * np.log(change)))
    return float(base * factor * change)


def draw_targets(
    settings: Mapping[str, object], seed: int, sheets: Mapping[str, pd.DataFrame]
) -> pd.DataFrame:
    """Target of every specimen: `specimen_id, animal_id, target, value`, sorted; what the layers then realise."""
    animals = draw_animals(settings, seed).set_index("animal_id")
    isolations = draw_isolations(settings, seed).set_index("animal_id")
    rows: list[tuple[str, str, str, float]] = []
    healing = [f"h_{d}" for d in DOMAINS]
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
            if animal in isolations.index and condition in CONDITIONS:
                cm, cue = CONDITIONS[condition]
                factor = float(isolations.at[animal, "factor"])
                rows += [
                    (specimen, animal, "cm", cm),
                    (specimen, animal, "cue", cue),
                    (specimen, animal, "factor", factor),
                ]
                if sheet == "cultures":
                    rows += [
                        (specimen, animal, t, culture_target(t, condition, factor)) for t in CULTURE
                    ]
    df = pd.DataFrame(rows, columns=["specimen_id", "animal_id", "target", "value"])
    return df.sort_values(["specimen_id", "target"]).reset_index(drop=True)
