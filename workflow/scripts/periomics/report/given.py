"""What was given when, and when what was measured: arms and modalities over time, as the configuration and the tables say it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from periomics.report.dots import arm_colour
from periomics.report.drawing import PAGE_WIDTH, Drawn, canvas, keep
from periomics.report.modality import VALUE_COLUMNS, areas
from periomics.report.sources import Sources
from periomics.report.words import area_name
from periomics.study.dictionary import scores_among

MEASURED = "measured"


def given(sources: Sources) -> pd.DataFrame:
    """row (arm or modality), what, start, end: what `study/given` declares, then the times of each modality.

    Times of another unit than that of the declared ones are left out.
    """
    about = sources.config.get("study") or {}
    declared = about.get("given") or []
    rows = [
        {"row": arm, "what": g["what"], "start": g["start"], "end": g.get("end")}
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


def given_figure(sources: Sources, figures: Path) -> Drawn | None:
    """Arms and modalities as rows over time; None where the configuration does not say what was given."""
    table = given(sources)
    if table.empty:
        return None
    unit = (sources.config.get("study") or {}).get("given_unit") or "d"
    names = list(dict.fromkeys(table["row"]))
    lanes = table.groupby("row").cumcount().to_numpy()
    lanes = np.where(table["what"] == MEASURED, 0, lanes)
    depth = {name: int(lanes[table["row"] == name].max()) + 1 for name in names}
    top = dict(zip(names, np.cumsum([0, *depth.values()])[:-1], strict=True))
    with canvas(PAGE_WIDTH, 0.9 + 0.32 * sum(depth.values())) as (fig, ax):
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
        ax.margins(x=0.12)
        caption = (
            "As the configuration declares it (study: given): bar, over that time; triangle, once. "
            "Dot: a time at which something was measured."
        )
        title = "What was given when, and when what was measured"
        return keep(fig, figures, "given", table, title=title, caption=caption)
