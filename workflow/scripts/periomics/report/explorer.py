"""An interactive chart of every outcome: choose, and see every animal. The page says all of it without this chart as well."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path

import pandas as pd
from markupsafe import Markup

from periomics.core.files import atomic
from periomics.report.dots import arm_colour, arm_labels
from periomics.report.words import known, unit_words

MOST_ROWS = 6000


def explorer_rows(values: pd.DataFrame, dictionary: pd.DataFrame) -> pd.DataFrame:
    """Values that the chart offers: what (symbol, name, unit, time), arm, unit, value, batch; no scores of single cell types."""
    good = values[
        (values["status"] == "measured") & values["value"].notna() & (values["variant"] == "")
    ]
    good = good[~good["outcome"].astype(str).str.contains("@")]
    if good.empty:
        return pd.DataFrame(columns=["what", "arm", "animal", "value", "batch", "off"])
    labels = {o: _label(dictionary, o) for o in good["outcome"].unique()}
    several = good.groupby("outcome")["time"].transform("nunique") > 1
    when = (", " + good["time"].map("{:g}".format) + " " + good["time_unit"]).where(
        several & good["time"].notna(), ""
    )
    table = pd.DataFrame(
        {
            "what": good["outcome"].map(labels) + when,
            "arm": arm_labels(good),
            "animal": good["animal_id"],
            "value": good["value"].round(6),
            "batch": good["batch"],
        }
    )
    table["off"] = ((table.groupby(["what", "arm"]).cumcount() % 5) - 2) * 0.12
    whole = (
        table["what"].value_counts(sort=False).reindex(table["what"].unique()).cumsum() <= MOST_ROWS
    )
    return table[table["what"].map(whole)]


def _label(dictionary: pd.DataFrame, outcome: str) -> str:
    row = known(dictionary, outcome)
    unit = unit_words(str(row["unit"]))
    return f"{row['symbol']} – {row['name']}" + (f" ({unit})" if unit else "")


def explorer(
    values: pd.DataFrame, dictionary: pd.DataFrame, order: Sequence[str]
) -> tuple[Markup, Markup] | None:
    """(script that draws, library that it needs), None where there is nothing to show. Nothing is loaded from a network."""
    rows = explorer_rows(values, dictionary)
    if rows.empty:
        return None
    import altair as alt

    first = next(iter(rows["what"]))
    choice = alt.param(
        name="what",
        value=first,
        bind=alt.binding_select(options=sorted(rows["what"].unique()), name="Outcome "),
    )
    base = alt.Chart(alt.Data(values=rows.to_dict("records"))).transform_filter(
        "datum.what == what"
    )
    x = alt.X("arm:N", sort=list(order), title=None, axis=alt.Axis(labelAngle=0))
    y = alt.Y("value:Q", title=None, scale=alt.Scale(zero=False))
    arms = sorted(set(rows["arm"]))
    scale = alt.Scale(domain=arms, range=[arm_colour(a, order) for a in arms])
    colour = alt.Color("arm:N", scale=scale, legend=None)
    shape = alt.Shape("batch:N", title="Batch")
    tips = [
        *(alt.Tooltip(f"{c}:N") for c in ("animal", "arm", "batch")),
        alt.Tooltip("value:Q", format=".4g"),
    ]
    offset = alt.XOffset("off:Q", scale=alt.Scale(domain=[-0.5, 0.5]))
    dots = base.mark_point(size=60, opacity=0.85, filled=True).encode(
        x=x, y=y, xOffset=offset, color=colour, shape=shape, tooltip=tips
    )
    mean = base.mark_tick(thickness=2, size=34, color="#1d2733").encode(
        x=x, y=alt.Y("mean(value):Q")
    )
    chart = alt.layer(dots, mean).add_params(choice).properties(width=560, height=300)
    spec = chart.to_dict()
    # Safe as markup: in a script element only "<" can end it; as \\u003c it stays the same text in JSON.
    text = json.dumps(spec, sort_keys=True).replace("<", "\\u003c")
    return Markup(text), Markup(_library())  # noqa: S704


@cache
def _library() -> str:
    """Vega and what it draws with, as one script; put together once, which takes two seconds, and
    kept beside the bytecode where that can be written."""
    import vl_convert

    kept = Path(__file__).parent / "__pycache__" / f"vega-{version('vl-convert-python')}.js"
    if kept.is_file():
        return kept.read_bytes().decode()
    script = vl_convert.javascript_bundle()  # type: ignore[call-arg]  # the stub lacks the default
    with suppress(OSError), atomic(kept) as part:
        part.write_bytes(script.encode())
    return script
