"""What was measured in whom: arms by modality and time, animals measured of those planned, as one picture."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from periomics.report.dots import arm_colour
from periomics.report.drawing import PAGE_WIDTH, Drawn, canvas, keep
from periomics.report.flow import in_order, outcome_status, planned, units_by_arm
from periomics.report.modality import VALUE_COLUMNS, areas
from periomics.report.sources import Sources
from periomics.report.words import area_name, number
from periomics.study.dictionary import scores_among

# Times of one modality that get a column each; with more, the modality keeps one column.
MOST_TIMES = 8


def measured(sources: Sources) -> pd.DataFrame:
    """unit, arm, allocated, area, time, measured, planned: a row per arm and column of the picture.

    A modality with several times has a row for each; planned is then whoever has a row of values at that time,
    measured or not, since sheets plan specimens and no times.
    """
    units = units_by_arm(sources)
    plan, status, timed = planned(sources), outcome_status(sources), by_time(sources)
    rows = []
    for (unit, arm), part in units.groupby(["unit", "arm"], sort=False):
        ids = set(part["animal_id"])
        base = {"unit": unit, "arm": arm, "allocated": len(ids)}
        for area in in_order(set(plan["area"]) | set(status["area"])):
            times = timed[(timed["area"] == area)]
            for time, seen in times.groupby("when", sort=False):
                mine = seen[seen["animal_id"].isin(ids)]
                good = mine.loc[mine["status"] == "measured", "animal_id"].nunique()
                wanted = mine["animal_id"].nunique()
                rows.append(base | _counts(area, str(time), good, wanted))
            if times.empty:
                here = status[(status["area"] == area) & status["animal_id"].isin(ids)]
                good = set(here.loc[here["status"] == "measured", "animal_id"])
                wanted = ids & set(plan.loc[plan["area"] == area, "animal_id"]) | good
                rows.append(base | _counts(area, "", len(good), len(wanted)))
    columns = ["unit", "arm", "allocated", "area", "time", "measured", "planned"]
    return pd.DataFrame(rows, columns=columns)


def _counts(area: str, time: str, good: int, wanted: int) -> dict[str, object]:
    return {"area": area, "time": time, "measured": good, "planned": wanted}


def by_time(sources: Sources) -> pd.DataFrame:
    """Rows of modalities that were measured at several times: animal_id, area, when, status."""
    values = sources.table("animals_values", VALUE_COLUMNS)
    columns = ["animal_id", "area", "when", "status"]
    values = values[(values["variant"] == "") & ~scores_among(values["outcome"])]
    values = values.assign(time=pd.to_numeric(values["time"], errors="coerce")).dropna(
        subset=["time"]
    )
    values = values.assign(area=areas(values, sources.dictionary))
    times = values.groupby("area")["time"].transform("nunique")
    values = values[(times > 1) & (times <= MOST_TIMES)].sort_values("time", kind="stable")
    pairs = zip(values["time"], values["time_unit"], strict=True)
    return values.assign(when=[f"{number(t)} {u}".strip() for t, u in pairs])[columns]


def measured_figure(sources: Sources, figures: Path) -> Drawn | None:
    """Arms as rows, modalities and times as columns; None where the study has no units."""
    table = measured(sources)
    if table.empty:
        return None
    rows = list(table[["unit", "arm", "allocated"]].drop_duplicates().itertuples(index=False))
    columns = list(table[["area", "time"]].drop_duplicates().itertuples(index=False, name=None))
    with canvas(min(PAGE_WIDTH, 2.6 + 1.15 * len(columns)), 1.1 + 0.36 * len(rows)) as (fig, ax):
        for row in table.itertuples():
            x = columns.index((row.area, row.time))
            y = next(i for i, r in enumerate(rows) if (r.unit, r.arm) == (row.unit, row.arm))
            _cell(ax, x, y, row, arm_colour(str(row.arm), sources.arms))
        heads = [f"{area_name(a)}\n{t}".strip().replace(" ", "\n", 1) for a, t in columns]
        ax.set_xticks(range(len(columns)), heads, fontsize=9)
        ax.xaxis.tick_top()
        ax.set_yticks(range(len(rows)), [f"{r.arm} ({r.unit}, {r.allocated})" for r in rows])
        ax.tick_params(length=0, labelsize=9)
        ax.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(rows) - 0.5, -0.5))
        for side in ax.spines.values():
            side.set_visible(False)
        caption = (
            "Units measured of those planned; the fuller the bar, the more of them. In brackets the units "
            "allocated. Dash: not planned."
        )
        if not (sources.config.get("study") or {}).get("given"):
            caption += " What was given when is not declared (study: given) and not shown."
        title = "What was measured in whom"
        return keep(fig, figures, "measured", table, title=title, caption=caption)


def _cell(ax, x: int, y: int, row, colour: str) -> None:
    if not row.planned:
        ax.text(x, y, "–", ha="center", va="center", color="#7b8794", fontsize=9)
        return
    ax.barh(y, 0.9, left=x - 0.45, height=0.78, color="#eef1f4", lw=0)
    share = row.measured / row.planned
    ax.barh(y, 0.9 * share, left=x - 0.45, height=0.78, color=colour, alpha=0.35, lw=0)
    text = f"{row.measured} of {row.planned}"
    ax.text(x, y, text, ha="center", va="center", color="#1b2530", fontsize=9)
