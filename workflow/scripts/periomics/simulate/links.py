"""Planted links: axes of ligand, receptor and response, how strongly each responds in an animal or
a culture, and what that drives.

Every axis responds to the arms. Within arms the response of a linked axis goes with an outcome;
that of a decoy goes with nothing. Outcomes are drawn first and responses given them: of two normal
variables that is the same as an outcome that follows the response, and animals, sheets and pictures
of a seed stay what they are whatever is linked. Sizes are the team's guess, not data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from periomics.core.seeds import generator
from periomics.genes.axes import RESPONSE

Floats = np.ndarray
PREFIX, SHARE_PREFIX = "r_", "share_"
# Compartment of the libraries, and type of the single cells, that send ligands.
SENDER = "msc"
# Within-arm correlation of a linked axis' response with its outcome, where the config does not say
# `link`.
STRENGTH = 0.9
COLUMNS = (
    "axis",
    "score",
    "kind",
    "ligand",
    "receptor",
    "receiver",
    "outcome",
    "arms",
    "r_within",
    "r_drawn",
    "culture_outcome",
    "conditions",
    "culture_r",
    "cause",
)


@dataclass(frozen=True)
class Axis:
    """A paracrine axis: its set and its response (resources/signatures.tsv, responses.tsv), human
    symbols, types of cells that respond.

    `domain` and `culture` are what the axis drives, where it is linked: a domain of the animals and
    a readout of the cultures; empty for a decoy. `tissue` is that whose share of the piece moves
    the response's genes in the scenario `composition`.
    """

    name: str
    response: str
    ligand: str
    receptor: str
    receiver: tuple[str, ...]
    domain: str = ""
    culture: str = ""
    tissue: str = ""

    @property
    def target(self) -> str:
        """Name of its response among the targets."""
        return PREFIX + self.name


AXES = (
    Axis(
        "LR_TGFB1_TGFBR",
        "tgfb",
        "TGFB1",
        "TGFBR2",
        ("basal", "suprabasal"),
        domain="barrier",
        culture="scratch_rate",
        tissue="epithelium",
    ),
    Axis(
        "LR_VEGFA_KDR",
        "vegf",
        "VEGFA",
        "KDR",
        ("endothelial",),
        domain="vessels",
        tissue="endothelium",
    ),
    Axis("LR_EGF_EGFR", "mapk", "HBEGF", "EGFR", ("basal", "suprabasal")),
    Axis("LR_BMP_BMPR", "bmp", "BMP2", "BMPR1A", ("endothelial", "fibroblast")),
    Axis("LR_WNT_canonical", "wnt", "WNT3A", "FZD1", ("basal", "fibroblast")),
)
LINKED = tuple(a for a in AXES if a.domain)
TISSUES = tuple(a.tissue for a in LINKED)
# What makes a response go with an outcome within arms; scenarios that are not named are `linked`.
CAUSES = {
    "no_link": "none",
    "null_all": "none",
    "null_treatment": "none",
    "severity": "severity",
    "composition": "composition",
}
# Mean response of a decoy by arm: cells at either time raise it. Linked axes follow the rescue of
# the scenario.
DECOY_ARMS = {"CTRL": 0.0, "DRUG": 0.0, "PRE": 0.6, "POST": 1.0}
UNTREATED = ("null_all", "null_treatment")
# Mean response in culture to medium, to the cue, and to both beyond their sum; SD between
# isolations and between their cultures.
CULTURE_MEANS, ISOLATION_SD, CULTURE_SD = (0.5, 0.1, 0.4), 0.15, 0.25
# How much of a hidden severity the weight of an animal shows: what is left of it hides no link.
WEIGHT_SHOWS = 0.995


def cause_of(scenario: str) -> str:
    """linked, none, severity or composition."""
    return CAUSES.get(scenario, "linked")


def strength_of(settings: Mapping[str, Any]) -> float:
    """The config's `simulate: link`, 0 to 1."""
    r = float(settings.get("link", STRENGTH))
    if not 0 <= r <= 1:
        raise ValueError(f"simulate: link = {r:g}; allowed: 0 to 1")
    return r


def mixed(first: Floats, second: Floats, r: float) -> Floats:
    """A standard normal variable that correlates with the first by r; both are standard normal and
    independent."""
    return r * first + np.sqrt(1 - r**2) * second


def blocked(blocks: Floats, share: float, rng: np.random.Generator) -> Floats:
    """Standard normal values of animals, of whose variance blocks explain a share."""
    labels, index = np.unique(blocks, return_inverse=True)
    own, shared = rng.standard_normal(len(blocks)), rng.standard_normal(len(labels))
    return np.sqrt(1 - share) * own + np.sqrt(share) * shared[index]


@dataclass(frozen=True)
class Drawn:
    """Standard normal values of animals within arms: standing by domain, responses by axis, shares
    by tissue, hidden severity."""

    standing: dict[str, Floats]
    responses: dict[str, Floats]
    shares: dict[str, Floats]
    severity: Floats | None


def draw_within(
    standing: Mapping[str, Floats],
    blocks: Floats,
    settings: Mapping[str, Any],
    rng: np.random.Generator,
) -> Drawn:
    """What animals of one arm differ in, given their standing.

    Parameters
    ----------
    standing
        Domain → standard normal values (n,).
    blocks
        Block of each animal (n,).
    settings
        The config's `simulate`: scenario, link, block_share.
    rng
        Generator.

    Returns
    -------
    Drawn
        In the scenario `severity` the standing of the linked domains changes: one hidden factor
        moves it and the response, each such that they correlate as they would if linked, and not at
        all at equal severity.
    """
    cause, r = cause_of(str(settings["scenario"])), strength_of(settings)
    share = float(settings["block_share"])
    now = dict(standing)
    own = {a.name: blocked(blocks, share, rng) for a in AXES}
    severity = None
    if cause == "severity":
        severity, half = blocked(blocks, share, rng), np.sqrt(r)
        now |= {a.domain: mixed(severity, now[a.domain], half) for a in LINKED}
        own |= {a.name: mixed(severity, own[a.name], half) for a in LINKED}
    if cause == "linked":
        own |= {a.name: mixed(now[a.domain], own[a.name], r) for a in LINKED}
    shares = {}
    if cause == "composition":
        shares = {a.tissue: mixed(now[a.domain], blocked(blocks, share, rng), r) for a in LINKED}
    return Drawn(now, own, shares, severity)


def arm_means(axis: Axis, scenario: str, rescue: Mapping[str, float]) -> dict[str, float]:
    """Mean response of an axis by arm: 0 as in the diseased, 1 as in the healthy, or as cells raise
    a decoy."""
    if axis.domain:
        return dict(rescue)
    return dict.fromkeys(rescue, 0.0) if scenario in UNTREATED else dict(DECOY_ARMS)


def animal_responses(
    drawn: Drawn, group: pd.Series, rescue: Mapping[str, float], settings: Mapping[str, Any]
) -> pd.DataFrame:
    """Response of each animal by axis (`r_<axis>`) and share of tissues (`share_<tissue>`), in
    units of healing."""
    scenario, sd = str(settings["scenario"]), 1 / float(settings["deficit_d"])
    out = {
        a.target: group.map(arm_means(a, scenario, rescue)) + sd * drawn.responses[a.name]
        for a in AXES
    }
    out |= {SHARE_PREFIX + t: group.map(rescue) + sd * x for t, x in drawn.shares.items()}
    return pd.DataFrame(out)


def draw_cultures(
    isolations: Sequence[str],
    conditions: Mapping[str, tuple[int, int]],
    readouts: Sequence[str],
    settings: Mapping[str, Any],
    seed: int,
) -> pd.DataFrame:
    """What each culture of an isolation differs in: one row an isolation and condition.

    Parameters
    ----------
    isolations
        Their ids; each has a generator of its own.
    conditions
        Condition → with medium, with cue.
    readouts
        Readouts that vary from culture to culture.
    settings
        The config's `simulate`.
    seed
        The config's.

    Returns
    -------
    DataFrame
        animal_id, condition, `e_<readout>` (standard normal), `k_cm` and `k_cue` (standard normal),
        `r_<axis>`.
    """
    linked = cause_of(str(settings["scenario"])) == "linked"
    r, n, rows = strength_of(settings), len(conditions), []
    for isolation in isolations:
        rng = generator(seed, "simulate_design", f"cultures:{isolation}")
        differ = {f"e_{name}": rng.standard_normal(n) for name in readouts}
        differ |= {name: rng.standard_normal(n) for name in ("k_cm", "k_cue")}
        for axis in AXES:
            level, own = rng.standard_normal(), rng.standard_normal(n)
            if linked and axis.culture:
                own = mixed(differ[f"e_{axis.culture}"], own, r)
            means = np.array([culture_mean(*c) for c in conditions.values()])
            differ[axis.target] = means + ISOLATION_SD * level + CULTURE_SD * own
        rows.append(pd.DataFrame({"animal_id": isolation, "condition": list(conditions)} | differ))
    if not rows:
        return pd.DataFrame(columns=["animal_id", "condition"])
    return pd.concat(rows, ignore_index=True)


def culture_mean(medium: int, cue: int) -> float:
    """Mean response of every axis in a culture with or without medium and cue."""
    of_medium, of_cue, of_both = CULTURE_MEANS
    return of_medium * medium + of_cue * cue + of_both * medium * cue


def within(x: Floats, y: Floats, group: Floats) -> float:
    """Correlation beyond the means of groups; missing where nothing varies."""
    frame = pd.DataFrame({"x": x, "y": y})
    left = frame - frame.groupby(np.asarray(group)).transform("mean")
    spread = float(np.sqrt((left["x"] ** 2).sum() * (left["y"] ** 2).sum()))
    return float((left["x"] * left["y"]).sum() / spread) if spread > 0 else np.nan


def links_table(
    animals: pd.DataFrame,
    outcomes: Mapping[str, str],
    rescue: Mapping[str, float],
    conditions: Mapping[str, tuple[int, int]],
    settings: Mapping[str, Any],
) -> pd.DataFrame:
    """What was planted, one row an axis (`COLUMNS`).

    Parameters
    ----------
    animals
        Of `design.draw_animals`.
    outcomes
        Domain → outcome.
    rescue
        Arm → R of the scenario.
    conditions
        Condition of cultures → with medium, with cue.
    settings
        The config's `simulate`.

    Returns
    -------
    DataFrame
        `r_within` is the correlation within arms of the response with the outcome's healing that
        was asked for at equal severity and composition, 0 where nothing drives; `r_drawn` is that
        of the animals drawn, whatever causes it. `kind` is linked, decoy, or unlinked: an axis that
        is linked in other scenarios.
    """
    scenario, rows = str(settings["scenario"]), []
    cause, r = cause_of(scenario), strength_of(settings)
    arms = [str(arm) for arm in settings["arms"]]
    for a in AXES:
        planted = r if cause == "linked" and a.domain else 0.0
        h = f"h_{a.domain}"
        drawn = a.domain and len(animals)
        row = {
            "axis": a.name,
            "score": f"score:{RESPONSE}:{a.response}",
            "kind": ("linked" if planted else "unlinked") if a.domain else "decoy",
            "ligand": a.ligand,
            "receptor": a.receptor,
            "receiver": "|".join(a.receiver),
            "outcome": outcomes.get(a.domain, ""),
            "arms": _weights({arm: arm_means(a, scenario, rescue)[arm] for arm in arms}),
            "r_within": planted,
            "r_drawn": within(animals[a.target], animals[h], animals["group"]) if drawn else np.nan,
            "culture_outcome": a.culture,
            "conditions": _weights({c: culture_mean(*v) for c, v in conditions.items()}),
            "culture_r": planted if a.culture else 0.0,
            "cause": cause,
        }
        rows.append(row)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _weights(means: Mapping[str, float]) -> str:
    return "; ".join(f"{name} {value:g}" for name, value in means.items())
