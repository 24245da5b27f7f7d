"""For the next study: where variance arises, what to sample, what this design can detect."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from periomics.report.grids import Grid, grid
from periomics.report.pictures import svg_address
from periomics.report.sources import Sources
from periomics.study.interface.power import POWER_COLUMNS, hardly_supported

VARIANCE_COLUMNS = (
    "outcome",
    "scale",
    "unit",
    "level",
    "variance",
    "share",
    "n",
    "icc",
    "design_effect",
    "reason",
)
SAMPLING_COLUMNS = (
    "outcome",
    "scale",
    "upper_level",
    "n_upper",
    "lower_level",
    "n_lower",
    "relative",
)


@dataclass(frozen=True)
class NextStudy:
    """Tables of the section; `power` and `curves` (a picture) only where power was asked for; `basis` says what was assumed.

    `hardly` has a sentence for each claim that these animals can practically not support.
    """

    hardly: tuple[str, ...]
    variance: Grid
    sampling: Grid
    power: Grid | None
    curves: str
    basis: tuple[str, ...]


def next_study(sources: Sources) -> NextStudy | None:
    """The section, or None where nothing was measured and no power was asked for."""
    variance = sources.table("variance", VARIANCE_COLUMNS)
    power = sources.table("power", POWER_COLUMNS)
    if variance.empty and power.empty:
        return None
    return NextStudy(
        hardly_supported(power),
        _variance(variance),
        _sampling(sources.table("sampling", SAMPLING_COLUMNS)),
        _power(power) if len(power) else None,
        svg_address(sources.path("power_figure")),
        tuple(dict.fromkeys(b for b in [*power["basis"], *power["sd_source"]] if b)),
    )


def _variance(table: pd.DataFrame) -> Grid:
    nested = table[table["scale"] == "identity"]
    nested = nested[nested.groupby("outcome")["level"].transform("size") > 1]
    columns = {
        "outcome": "Outcome",
        "level": "Level",
        "variance": "Variance",
        "unit": "Unit (squared)",
        "share": "Share",
        "n": "Units",
        "icc": "ICC",
        "design_effect": "Design effect",
        "reason": "Note",
    }
    return grid(
        nested,
        columns,
        title="Variance by level, arms held fixed",
        file="outcomes/variance.tsv",
        limit=60,
        reason="No outcome was sampled more than once in an animal.",
    )


def _sampling(table: pd.DataFrame) -> Grid:
    """One row per outcome and number of sections, one column per number of fields: variance of an animal's mean over that of animals."""
    here = table[(table["scale"] == "identity") & table["relative"].astype(str).ne("")]
    here = here.assign(relative=pd.to_numeric(here["relative"])).dropna(subset=["relative"])
    title = "Variance of an animal's mean, relative to the variance between animals alone (1: sampling more gains nothing)"
    if here.empty:
        return grid(
            here,
            {"outcome": "Outcome"},
            title=title,
            file="outcomes/sampling.tsv",
            reason="No outcome has variance between and within animals.",
        )
    upper = pd.to_numeric(here["n_upper"])
    here = here.assign(
        sampled=np.where(
            upper.isna(), "", upper.fillna(0).astype(int).astype(str) + " " + here["upper_level"]
        ),
        lower=here["n_lower"].astype(int).astype(str),
    )
    keys = ["outcome", "lower_level", "sampled"]
    wide = here.pivot_table(
        index=keys, columns="lower", values="relative", sort=False
    ).reset_index()
    numbers = {c: f"{c}" for c in wide.columns if c not in keys}
    columns = {
        "outcome": "Outcome",
        "sampled": "Sections or specimens",
        "lower_level": "Columns count",
    } | numbers
    return grid(wide, columns, title=title, file="outcomes/sampling.tsv", limit=60)


def _power(table: pd.DataFrame) -> Grid:
    columns = {
        "claim_id": "Claim",
        "outcome": "Outcome",
        "n_now": "n now",
        "power": "Power alone",
        "power_adjusted": "In the graph",
        "detectable": "Detectable",
        "detectable_sd": "in SD",
        "detectable_natural": "in the unit",
        "unit": "Unit",
        "n_needed": "n an arm, alone",
        "n_needed_adjusted": "in the graph",
        "method": "Method",
        "adjusted_by": "Graph",
        "reason": "Note",
    }
    return grid(
        table,
        columns,
        title="Power for the effects declared in planning",
        file="statistics/power.tsv",
        limit=80,
    )
