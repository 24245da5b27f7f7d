"""Every animal a dot, every arm a mean with its interval: the picture of one outcome."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from periomics.core.figures import PALETTE
from periomics.report.drawing import Drawn, canvas, keep
from periomics.report.words import axis_label, known, number, unit_words
from periomics.study.scale import limits

LEVEL = 0.95
COLUMNS = (
    "kind",
    "arm",
    "animal_id",
    "value",
    "lower",
    "upper",
    "n",
    "time",
    "time_unit",
    "batch",
    "unit",
)
NARROW, HEIGHT = 3.4, 2.8
# Dots stand a little left of the arm's tick, mean and interval right of it.
DOTS_AT = -0.12
# Of units that belong to no arm.
NO_PLACE = "#6b7785"


def mean_interval(values: Sequence[float], level: float = LEVEL) -> tuple[float, float, float]:
    """Mean and t interval of one arm; the interval is missing below two values.

    Notes
    -----
    mean ± t(n − 1) × s / √n; never the standard error alone.
    """
    x = np.asarray(values, float)
    x = x[~np.isnan(x)]
    if x.size == 0:
        return np.nan, np.nan, np.nan
    mean = float(x.mean())
    if x.size < 2:
        return mean, np.nan, np.nan
    half = float(stdtrit(x.size - 1, 0.5 + level / 2) * x.std(ddof=1) / np.sqrt(x.size))
    return mean, mean - half, mean + half


def last_time(rows: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Rows of one outcome at the last time where units were measured repeatedly, and a note that says so."""
    times = sorted(rows["time"].dropna().unique())
    repeated = rows.duplicated(["animal_id", "condition", "dose"]).any()
    if len(times) < 2 or not repeated:
        return rows, ""
    unit = next((u for u in rows["time_unit"] if u), "")
    return rows[
        rows["time"] == times[-1]
    ], f"at {number(times[-1])} {unit}, the last of {len(times)} times"


def arm_labels(rows: pd.DataFrame) -> pd.Series:
    """Condition of each row, with the dose where one arm has several."""
    doses = rows.groupby("condition")["dose"].transform("nunique")
    dose = rows["dose"].map(number) + " " + rows["dose_unit"].fillna("")
    return rows["condition"].where(
        ~((doses > 1) & rows["dose"].notna()), rows["condition"] + " " + dose.str.strip()
    )


def dot_table(rows: pd.DataFrame, order: Sequence[str]) -> pd.DataFrame:
    """What is drawn: one row per animal and arm, and one row per arm with mean, interval and n."""
    rows = rows.assign(arm=arm_labels(rows))
    arms = sorted(rows["arm"].unique(), key=lambda a: _rank(a, order))
    parts = []
    for arm in arms:
        part = rows[rows["arm"] == arm].sort_values("animal_id")
        parts.append(part.assign(kind="animal", n=1))
        mean, lower, upper = mean_interval(part["value"])
        if set(part["value"]) <= {0.0, 1.0}:
            lower = upper = np.nan  # a t interval says nothing about yes or no
        parts.append(
            pd.DataFrame(
                [
                    {
                        "kind": "arm",
                        "arm": arm,
                        "animal_id": "",
                        "value": mean,
                        "lower": lower,
                        "upper": upper,
                        "n": part["animal_id"].nunique(),
                        "unit": part["unit"].iloc[0],
                    }
                ]
            )
        )
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    return table.reindex(columns=list(COLUMNS))


def _rank(arm: str, order: Sequence[str]) -> tuple[int, str]:
    base = next((i for i, a in enumerate(order) if arm == a or arm.startswith(f"{a} ")), len(order))
    return base, arm


def arm_colour(arm: str, order: Sequence[str]) -> str:
    """The arm's colour: its place among all arms of the study, the same in every figure."""
    place = _rank(arm, order)[0]
    return PALETTE[place % len(PALETTE)] if place < len(order) else NO_PLACE


def within_limits(ax: Any, values: pd.Series, scale: str, unit: str) -> None:
    """End the axis where the outcome can end (a share at 0 and 100 %), never where data lie."""
    low, high = ax.get_ylim()
    least, most = limits(scale, unit)
    ax.set_ylim(max(low, min(least, values.min())), min(high, max(most, values.max())))


def dot_plot(
    rows: pd.DataFrame,
    outcome: str,
    dictionary: pd.DataFrame,
    order: Sequence[str],
    folder: Path,
    name: str,
) -> Drawn:
    """Draw one outcome.

    Parameters
    ----------
    rows
        Measured rows of outcomes/animals.tsv of one outcome and variant.
    outcome
        The outcome.
    dictionary
        Gives symbol, name and unit.
    order
        Arms in reading order; the order also gives the colours.
    folder, name
        Where the figure and its table go.
    """
    rows, note = last_time(rows)
    table = dot_table(rows, order)
    arms = list(table.loc[table["kind"] == "arm", "arm"])
    dots = table[table["kind"] == "animal"]
    paired = bool(dots["animal_id"].duplicated().any())
    width = NARROW + 0.55 * max(0, len(arms) - 4)
    with canvas(width, HEIGHT) as (fig, ax):
        fig.set_layout_engine(None)
        long = max((len(a) for a in arms), default=0) > 6 and len(arms) > 2
        ax.set_position(
            (0.78 / width, 0.36 if long else 0.2, 1 - 0.88 / width, 0.58 if long else 0.74)
        )
        if paired:
            _lines(ax, dots, arms)
        tips = [_arm(ax, i, arm, table, order) for i, arm in enumerate(arms)]
        labels = [f"{a}{', ' if long else chr(10)}n = {_n(table, a)}" for a in arms]
        turned = {"rotation": 25, "ha": "right", "rotation_mode": "anchor"} if long else {}
        ax.set_xticks(range(len(arms)), labels, fontsize=9, **turned)
        ax.set_xlim(-0.6, len(arms) - 0.4)
        ax.set_ylabel(axis_label(dictionary, outcome, str(rows["unit"].iloc[0])), fontsize=9.5)
        ax.tick_params(axis="y", labelsize=9)
        if set(dots["value"]) <= {0.0, 1.0}:
            ax.set(ylim=(-0.15, 1.15), yticks=(0, 1), yticklabels=("no", "yes"))
        else:
            ax.margins(y=0.08)
            scale = str(known(dictionary, outcome)["scale"])
            within_limits(ax, dots["value"], scale, str(rows["unit"].iloc[0]))
        caption = "; ".join(t for t in (note, "lines join one unit" if paired else "") if t)
        title = str(known(dictionary, outcome)["name"]) or outcome
        title = title if title == outcome else title[:1].upper() + title[1:]
        return keep(fig, folder, name, table, title=title, caption=caption, tips=tips)


def _n(table: pd.DataFrame, arm: str) -> int:
    return int(table.loc[(table["kind"] == "arm") & (table["arm"] == arm), "n"].iloc[0])


def _lines(ax, dots: pd.DataFrame, arms: list[str]) -> None:
    place = {a: i for i, a in enumerate(arms)}
    for _, part in dots.groupby("animal_id"):
        part = part.assign(x=part["arm"].map(place)).sort_values("x")
        ax.plot(part["x"] + DOTS_AT, part["value"], color="#c5ccd3", lw=0.7, zorder=1)


def _arm(ax, i: int, arm: str, table: pd.DataFrame, order: Sequence[str]) -> tuple[str, list[str]]:
    """Dots, mean and interval of one arm; returns the texts for its dots."""
    colour = arm_colour(arm, order)
    part = table[(table["arm"] == arm) & (table["kind"] == "animal")]
    mean = table[(table["arm"] == arm) & (table["kind"] == "arm")].iloc[0]
    gid = f"dots-{i}"
    x = i + DOTS_AT + spread(part["value"].to_numpy(float))
    ax.plot(
        x,
        part["value"],
        "o",
        ms=4.2,
        mfc=colour,
        mec="white",
        mew=0.5,
        alpha=0.9,
        gid=gid,
        zorder=3,
        clip_on=False,
    )
    ax.plot(
        [i + 0.16, i + 0.4],
        [mean["value"]] * 2,
        color=colour,
        lw=2,
        solid_capstyle="butt",
        zorder=2,
    )
    if not np.isnan(mean["lower"]):
        ax.plot([i + 0.28] * 2, [mean["lower"], mean["upper"]], color=colour, lw=1.2, zorder=2)
    unit = unit_words(str(mean["unit"]))
    return gid, [
        f"{a}: {number(v)} {unit}".strip()
        for a, v in zip(part["animal_id"], part["value"], strict=True)
    ]


def spread(values: np.ndarray, width: float = 0.22) -> np.ndarray:
    """Sideways offsets that keep near-equal values apart; the same for the same values."""
    out = np.zeros(values.size)
    if values.size < 2 or np.ptp(values) == 0:
        return np.linspace(-width / 2, width / 2, values.size) if values.size > 1 else out
    near = np.ptp(values) / 12
    ranks = np.argsort(values, kind="stable")
    run = 0
    for before, here in pairwise(ranks):
        run = run + 1 if values[here] - values[before] < near else 0
        out[here] = (((run + 1) // 2) * (1 if run % 2 else -1)) * width / 4
    return np.clip(out, -width, width)
