"""What was given when, and when what was measured: arms and modalities over time, as the
configuration and the tables say it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from periomics.report.dots import arm_colour
from periomics.report.drawing import PAGE_WIDTH, Drawn, canvas, keep
from periomics.report.modality import VALUE_COLUMNS, areas
from periomics.report.sources import Sources
from periomics.report.words import area_name
from periomics.study.dictionary import scores_among

MEASURED = "measured"
# Room for a word beside a triangle, as a share of the whole time.
WORD = 0.15


def given(sources: Sources) -> pd.DataFrame:
    """row (arm or modality), what, start, end: what `study/given` declares, then the times of each
    modality.

    Times of another unit than that of the declared ones are left out.
    """
    about = sources.config.get("study") or {}
    declared = about.get("given") or []
    rows = [
        {"row": arm, "what": g["name"], "start": g["start"], "end": g.get("end")}
        for arm in sources.arms
        for g in declared
        if arm in g["arms"]
    ]
    values = sources.table("animals_values", VALUE_COLUMNS)
    values = values[~scores_among(values["outcome"]) & (values["status"] == "measured")]
    values = values[values["time_unit"] == (about.get("given_unit") or "d")]
    values = values.assign(area=areas(values, sources.dictionary))
    for area, part in values.groupby("area", sort=True):
        times = sorted(pd.to_numeric(part["time"], errors="coerce").dropna().unique())
        rows += [{"row": area_name(str(area)), "what": MEASURED, "start": t} for t in times]
    table = pd.DataFrame(rows, columns=["row", "what", "start", "end"])
    return table.astype({"start": float, "end": float}) if declared else table.iloc[:0]


def lanes_of(table: pd.DataFrame) -> NDArray[np.int64]:
    """Line of each entry within its row: the first with room for a word before it; measured times
    share one."""
    last = table[["start", "end"]].max(axis=1)
    room = WORD * (last.max() - table["start"].min())
    out = np.zeros(len(table), np.int64)
    for name in table["row"].unique():
        ends: list[float] = []
        own = np.flatnonzero((table["row"] == name) & (table["what"] != MEASURED))
        for i in own[np.argsort(table["start"].to_numpy()[own], kind="stable")]:
            free = [k for k, end in enumerate(ends) if end + room <= table["start"].iloc[i]]
            out[i] = free[0] if free else len(ends)
            ends[out[i] : out[i] + 1] = [float(last.iloc[i])]
    return out


def given_figure(sources: Sources, figures: Path) -> Drawn | None:
    """Arms and modalities as rows over time; None where the configuration does not say what was
    given."""
    table = given(sources)
    if table.empty:
        return None
    unit = (sources.config.get("study") or {}).get("given_unit") or "d"
    names = list(dict.fromkeys(table["row"]))
    lanes = lanes_of(table)
    depth = {name: int(lanes[table["row"] == name].max()) + 1 for name in names}
    top = dict(zip(names, np.cumsum([0, *depth.values()])[:-1], strict=True))
    with canvas(PAGE_WIDTH, 0.7 + 0.26 * sum(depth.values())) as (fig, ax):
        for row, lane in zip(table.itertuples(), lanes, strict=True):
            colour = arm_colour(str(row.row), sources.arms)
            y = top[row.row] + int(lane)
            if np.isfinite(row.end):
                ax.barh(
                    y, row.end - row.start, left=row.start, height=0.6, color=colour, alpha=0.35
                )
            else:
                ax.plot(row.start, y, "o" if row.what == MEASURED else "v", color=colour, ms=6)
            if row.what != MEASURED:
                ax.annotate(
                    row.what, (row.start, y), (7, 0), textcoords="offset points", va="center"
                )
        middle = [top[name] + (depth[name] - 1) / 2 for name in names]
        ax.set_yticks(middle, names)
        ax.set(ylim=(sum(depth.values()) - 0.4, -0.6), xlabel=f"time ({unit})")
        ax.tick_params(axis="y", length=0)
        ax.use_sticky_edges = False
        ax.margins(x=0.06)
        caption = (
            "As the configuration declares it (study: given): bar, over that time; triangle, once. "
            "Dot: a time at which something was measured."
        )
        title = "What was given when, and when what was measured"
        return keep(fig, figures, "given", table, title=title, caption=caption)
