"""The ten essential items of the ARRIVE guidelines 2.0, filled from what the study states; what it does not state is named as a gap.

The items are those of the authors' checklist (Percie du Sert and others 2020, https://arriveguidelines.org); the words are ours.
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from periomics.report.grids import Grid, grid
from periomics.report.methods import blinding
from periomics.report.sources import Sources
from periomics.report.words import counted
from periomics.study.arms import arm_order

COLUMNS = {"item": "Item", "stated": "What this study states", "gap": "Not stated: to be added"}
CONTRASTS = ("contrast", "n_per_arm", "kind")


def arrive(sources: Sources) -> Grid:
    """One row per item: what sheets, claims, configuration and tables say, and what is missing."""
    rows = [
        {
            "item": f"{i}. {name}",
            "stated": "; ".join(filter(None, told)),
            "gap": "; ".join(filter(None, gaps)),
        }
        for i, (name, told, gaps) in enumerate(_items(sources), start=1)
    ]
    return grid(
        pd.DataFrame(rows),
        COLUMNS,
        title="ARRIVE 2.0, the essential ten, as far as this study states them",
    )


Item = tuple[str, list[str], list[str]]


def _items(sources: Sources) -> Iterator[Item]:
    about = sources.config.get("study") or {}
    animals = sources.sheets["animals"].drop_duplicates("animal_id")
    yield _design(sources, animals)
    yield _size(sources, animals)
    yield _left_out(sources)
    yield _random(animals, str(about.get("randomised") or ""))
    said = blinding(sources.config)
    unsaid = about.get("operators_blinded") is None
    yield "Blinding", [said], ["whether operators were blinded"] if unsaid else []
    yield _outcomes(sources)
    yield (
        "Statistical methods",
        ["Methods below, for every claim; software and versions under Provenance"],
        [],
    )
    yield _animals(animals)
    text = str(about.get("description") or "")
    what = [
        "drug, dose, route, surgery, implants, cells, anaesthesia, analgesia, times of day, end"
    ]
    yield "Experimental procedures", [text], what
    yield (
        "Results",
        ["every estimate with its interval and numbers of units in statistics/contrasts.tsv"],
        [],
    )


def _design(sources: Sources, animals: pd.DataFrame) -> Item:
    groups = arm_order(sources.config, sorted(set(animals["group"]) - {""}))
    roles = sources.config.get("roles") or {}
    named = [f"{k}: {roles[k]}" for k in ("healthy", "disease") if roles.get(k)]
    units = ", ".join(counted(int(n), str(u)) for u, n in animals["unit"].value_counts().items())
    arms = f"arms: {', '.join(groups)}" if groups else ""
    told = [arms, *named, f"experimental units: {units}" if units else ""]
    return "Study design", told, [] if named or not groups else ["which arm is the control"]


def _size(sources: Sources, animals: pd.DataFrame) -> Item:
    each = animals.loc[animals["group"] != "", "group"].value_counts()
    order = arm_order(sources.config, sorted(each.index))
    told = [", ".join(f"{a} {int(each[a])}" for a in order)]
    planned = sources.path("power") is not None
    told += ["power and animals needed: statistics/power.tsv"] if planned else []
    return "Sample size", told, [] if planned else ["how the numbers were decided (`make power`)"]


def _left_out(sources: Sources) -> Item:
    rows = sources.sheets["exclusions"]
    told = [
        "limits of quality gates stand in the configuration; what they hold back in quality.tsv"
    ]
    gaps = ["criteria of exclusion that were set before data"]
    if len(rows):
        each = rows["reason"].value_counts()
        told += [f"left out by hand: {', '.join(f'{n} × {r}' for r, n in each.items())}"]
        unblind = int((rows["blind"] == "no").sum())
        told += [f"{unblind} of them not decided blind to the arm"] if unblind else []
    else:
        told += ["nothing was left out by hand"]
    if len(sources.table("contrasts", CONTRASTS)):
        told += ["n of each arm and analysis: column n_per_arm of statistics/contrasts.tsv"]
    return "Inclusion and exclusion", told, gaps


def _random(animals: pd.DataFrame, said: str) -> Item:
    blocks = sorted(set(animals["block"]) - {""})
    told = [said, f"blocks: {len(blocks)}, comparisons are made within them" if blocks else ""]
    gaps = [] if said else ["how animals were allocated (`study: randomised`)"]
    return "Randomisation", told, [*gaps, "order of treatments and measurements, place of cages"]


def _outcomes(sources: Sources) -> Item:
    declared = sources.mapping("claims")
    domains = declared.get("domains") or {}
    told = [f"primary: {', '.join(f'{o} ({d})' for d, o in domains.items())}"] if domains else []
    return (
        "Outcome measures",
        [*told, "definitions of all outcomes stand with their readouts"],
        [] if domains else ["the primary outcome (`domains` in the claims)"],
    )


def _animals(animals: pd.DataFrame) -> Item:
    own = animals[animals["unit"] == "animal"]
    told, gaps = [], []
    for column, name in (("species", "species"), ("sex", "sex")):
        values = own[column][~own[column].isin(["", "unknown"])]
        if len(values):
            told.append(
                f"{name}: " + ", ".join(f"{v} {n}" for v, n in values.value_counts().items())
            )
        if len(values) < len(own):
            gaps.append(f"{name} of {len(own) - len(values)} animals" if len(values) else name)
    weight = pd.to_numeric(own["weight_g"], errors="coerce").dropna()
    if len(weight):
        told.append(f"weight at the start: {weight.min():g} to {weight.max():g} g")
    else:
        gaps.append("weight")
    return "Experimental animals", told, [*gaps, "strain, age, origin, health and genetic state"]
