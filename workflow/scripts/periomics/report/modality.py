"""One modality of the study: pictures, every animal's values, quality flags, how far definitions matter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from periomics.report.claims import anchor
from periomics.report.dots import arm_labels, dot_plot, last_time
from periomics.report.drawing import Drawn
from periomics.report.grids import Grid, grid
from periomics.report.pictures import Picture
from periomics.report.representative import representative
from periomics.report.sources import Sources
from periomics.report.words import (
    area_name,
    interval,
    known,
    number,
    p_value,
    unit_words,
    unvalidated,
)
from periomics.study.dictionary import scores_among

ORDER = (
    "microct",
    "histology",
    "culture",
    "clinical",
    "imports",
    "readings",
    "outcomes",
    "bulk",
    "singlecell",
)
VALUE_COLUMNS = (
    "animal_id",
    "outcome",
    "variant",
    "condition",
    "dose",
    "time",
    "value",
    "unit",
    "status",
    "reason",
    "time_unit",
    "dose_unit",
    "batch",
    "modality",
    "source",
)
MEASUREMENT_COLUMNS = (
    "specimen_id",
    "animal_id",
    "modality",
    "section_id",
    "outcome",
    "variant",
    "qc",
    "qc_reason",
    "reader",
)
# Plots that stand open: those of claims, and as many others as fill a row; the rest are folded.
FIRST_FIGURES, MOST_FIGURES = 4, 60


@dataclass(frozen=True)
class Plot:
    """A dot plot with what belongs beside it."""

    drawn: Drawn
    outcome: str
    unvalidated: str
    verdicts: Sequence[object]
    sources: str


@dataclass(frozen=True)
class Page:
    """A modality as the page shows it."""

    area: str
    title: str
    anchor: str
    facts: str
    pictures: Sequence[Picture]
    picture_note: str
    representative: Sequence[Picture]
    first: Sequence[Plot]
    further: Sequence[Plot]
    tables: Sequence[Grid]


def areas(values: pd.DataFrame, dictionary: pd.DataFrame) -> pd.Series:
    """Modality under which each row of outcomes/animals.tsv is shown: that of its outcome, else the row's own."""
    of = {o: str(known(dictionary, o)["modality"]) for o in values["outcome"].unique()}
    named = values["outcome"].map(of)
    return named.where(named != "", values["modality"])


def pages(
    sources: Sources,
    pictures: dict[str, tuple[list[Picture], str]],
    figures: Path,
    verdicts: Sequence[object],
) -> list[Page]:
    """A page for every modality that has values or pictures; scores and genes have pages of their own."""
    values = sources.table("animals_values", VALUE_COLUMNS)
    measurements = sources.table("measurements", MEASUREMENT_COLUMNS)
    values = values[~scores_among(values["outcome"])] if len(values) else values
    values = (
        values.assign(area=areas(values, sources.dictionary))
        if len(values)
        else values.assign(area="")
    )
    found = [a for a in values["area"].unique() if a not in ("bulk", "singlecell")]
    found += [
        a for a in pictures if pictures[a][0] and a not in found and a not in ("bulk", "singlecell")
    ]
    ranked = sorted(found, key=lambda a: (ORDER.index(a) if a in ORDER else len(ORDER), a))
    return [
        _page(
            a,
            values[values["area"] == a],
            measurements,
            sources=sources,
            pictures=pictures,
            figures=figures,
            verdicts=verdicts,
        )
        for a in ranked
    ]


def _page(area, values, measurements, sources: Sources, pictures, figures: Path, verdicts) -> Page:
    good = values[(values["status"] == "measured") & values["value"].notna()]
    default = good[good["variant"] == ""]
    order = sources.arms
    claimed = list(dict.fromkeys(v.outcome for v in verdicts))
    present = list(default["outcome"].unique())
    ranked = [o for o in claimed if o in present]
    ranked += sorted(
        (o for o in present if o not in ranked), key=lambda o: _rank(o, sources.dictionary)
    )
    plots = []
    for outcome in ranked[:MOST_FIGURES]:
        rows = default[default["outcome"] == outcome]
        drawn = dot_plot(rows, outcome, sources.dictionary, order, figures, anchor(area, outcome))
        mine = [v for v in verdicts if v.outcome == outcome]
        sources_of = ", ".join(sorted(set(rows["source"]) - {"", "measured"}))
        plots.append(
            Plot(drawn, outcome, unvalidated(sources.dictionary, outcome), mine, sources_of)
        )
    cut = max(FIRST_FIGURES, sum(o in claimed for o in ranked))
    tables = [
        t
        for t in (
            descriptive(default, sources.dictionary, order),
            quality(measurements, area),
            without_value(values),
            agreement(good, sources.dictionary),
            sensitivity(sources, set(values["outcome"])),
        )
        if t is not None
    ]
    images, note = pictures.get(area, ([], ""))
    return Page(
        area=area,
        title=area_name(area),
        anchor=anchor("page", area),
        facts=_facts(good),
        pictures=images,
        picture_note=note,
        representative=representative(sources, ranked, figures) if area == "histology" else (),
        first=plots[:cut],
        further=plots[cut:],
        tables=tables,
    )


def _rank(outcome: str, dictionary: pd.DataFrame) -> tuple[bool, int]:
    """Outcomes that speak of healing before those that only give context, then as in the dictionary."""
    row = known(dictionary, outcome)
    place = dictionary.index.get_loc(outcome) if outcome in dictionary.index else len(dictionary)
    return row["benefit"] == "context", int(place)


def _facts(good: pd.DataFrame) -> str:
    if good.empty:
        return "Nothing could be measured; the reasons stand below."
    n, outcomes = good["animal_id"].nunique(), good.loc[good["variant"] == "", "outcome"].nunique()
    return f"{n} unit{'s' * (n != 1)}, {outcomes} outcome{'s' * (outcomes != 1)} in the default definitions"


def descriptive(
    default: pd.DataFrame, dictionary: pd.DataFrame, order: Sequence[str]
) -> Grid | None:
    """Mean, SD, median and n of every outcome and arm."""
    rows = []
    for outcome, part in default.groupby("outcome", sort=False):
        part, note = last_time(part)
        row = known(dictionary, str(outcome))
        for arm, group in part.assign(arm=arm_labels(part)).groupby("arm", sort=False):
            x = group.groupby("animal_id")["value"].mean()
            rows.append(
                {
                    "order": order.index(arm) if arm in order else 99,
                    "outcome": outcome,
                    "symbol": row["symbol"],
                    "what": row["name"],
                    "unit": unit_words(str(group["unit"].iloc[0])),
                    "arm": arm,
                    "n": len(x),
                    "mean": x.mean(),
                    "sd": x.std(ddof=1),
                    "median": x.median(),
                    "time": note,
                    "citation": row["citation"],
                }
            )
    if not rows:
        return None
    table = pd.DataFrame(rows).sort_values(["outcome", "order"], kind="stable")
    columns = {
        "symbol": "Symbol",
        "what": "Outcome",
        "unit": "Unit",
        "arm": "Arm",
        "n": "n",
        "mean": "Mean",
        "sd": "SD",
        "median": "Median",
        "time": "Time",
        "citation": "Definition after",
    }
    if not (table["time"] != "").any():
        columns.pop("time")
    return grid(table, columns, file="outcomes/animals.tsv", title="Values by arm", limit=600)


def quality(measurements: pd.DataFrame, area: str) -> Grid:
    """Specimens with a flag or a failure, and why; those of one reason together."""
    df = measurements[
        (measurements["modality"] == area) & measurements["qc"].isin(["warn", "hold", "fail"])
    ]
    what = df["section_id"].where(df["section_id"] != "", df["specimen_id"])
    df = df.assign(what=what, _rank=df["qc"].map({"fail": 0, "hold": 1, "warn": 2}))
    rows = []
    for (_, qc, reason), part in df.groupby(["_rank", "qc", "qc_reason"], sort=True):
        rows.append(
            {
                "qc": qc,
                "n": part["what"].nunique(),
                "what": _names(part["what"]),
                "units": part["animal_id"].nunique(),
                "outcomes": _names(part["outcome"]),
                "reason": reason,
            }
        )
    columns = {
        "qc": "Flag",
        "n": "Specimens or sections",
        "what": "Which",
        "units": "Units",
        "outcomes": "Outcomes",
        "reason": "Reason",
    }
    table = pd.DataFrame(rows, columns=list(columns))
    return grid(
        table,
        columns,
        file="outcomes/measurements.tsv",
        title="Quality flags and failures",
        reason="No specimen was flagged and none failed.",
    )


def _names(values: pd.Series, most: int = 8) -> str:
    """Distinct names in order, the first few of them."""
    names = sorted(set(values))
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def without_value(values: pd.DataFrame) -> Grid | None:
    """Units that have no value for an outcome, and why."""
    df = values[(values["status"] != "measured") & (values["variant"] == "")]
    if df.empty:
        return None
    df = df.groupby(["animal_id", "condition", "status", "reason"], sort=True)["outcome"].agg(
        lambda s: ", ".join(sorted(set(s)))
    )
    columns = {
        "animal_id": "Unit",
        "condition": "Arm",
        "status": "Status",
        "outcome": "Outcomes",
        "reason": "Reason",
    }
    return grid(
        df.reset_index(), columns, file="outcomes/animals.tsv", title="Units without a value"
    )


def agreement(good: pd.DataFrame, dictionary: pd.DataFrame) -> Grid | None:
    """Bland–Altman figures where one outcome came from two sources (measured here, imported, read by hand).

    Notes
    -----
    Mean difference and limits of agreement, mean ± 1.96 SD (Bland and Altman).
    """
    second = good[good["variant"].str.fullmatch(r"source=\w+")]
    rows = []
    for (outcome, variant), part in second.groupby(["outcome", "variant"]):
        key = ["animal_id", "condition", "dose", "time"]
        first = good[(good["outcome"] == outcome) & (good["variant"] == "")]
        both = first.merge(part, on=key, suffixes=("", "_2"))
        difference = (both["value_2"] - both["value"]).to_numpy(float)
        if not len(difference):
            continue
        sd = difference.std(ddof=1) if len(difference) > 1 else np.nan
        mean = difference.mean()
        rows.append(
            {
                "symbol": known(dictionary, str(outcome))["symbol"],
                "first": both["source"].iloc[0],
                "second": variant.removeprefix("source="),
                "n": len(difference),
                "mean": mean,
                "limits": interval(mean - 1.96 * sd, mean + 1.96 * sd),
                "unit": unit_words(both["unit"].iloc[0]),
            }
        )
    if not rows:
        return None
    columns = {
        "symbol": "Symbol",
        "first": "Source",
        "second": "Second source",
        "n": "n",
        "mean": "Mean difference",
        "limits": "Limits of agreement",
        "unit": "Unit",
    }
    return grid(
        pd.DataFrame(rows), columns, file="outcomes/animals.tsv", title="Agreement of two sources"
    )


def sensitivity(sources: Sources, outcomes: set[str]) -> Grid | None:
    """Contrasts under other thresholds and definitions, beside the default."""
    df = sources.table(
        "contrasts",
        ("outcome", "variant", "contrast", "kind", "estimate", "lower", "upper", "p", "scale"),
    )
    df = (
        df[df["outcome"].isin(outcomes) & ~df["kind"].isin(["natural scale", "time course"])]
        if len(df)
        else df
    )
    if df.empty or not (df["kind"] == "sensitivity").any():
        return None
    base = (
        df[df["variant"] == ""]
        .drop_duplicates(["outcome", "contrast"])
        .set_index(["outcome", "contrast"])
    )
    rows = []
    for row in df[df["kind"] == "sensitivity"].itertuples():
        key = (row.outcome, row.contrast)
        default = base.loc[key] if key in base.index else None
        same = (
            ""
            if default is None
            else ("yes" if np.sign(default["estimate"]) == np.sign(row.estimate) else "no")
        )
        rows.append(
            {
                "symbol": known(sources.dictionary, row.outcome)["symbol"],
                "contrast": row.contrast,
                "variant": row.variant,
                "estimate": number(row.estimate),
                "interval": interval(row.lower, row.upper),
                "p": p_value(row.p),
                "default": number(default["estimate"]) if default is not None else "",
                "same": same,
            }
        )
    columns = {
        "symbol": "Symbol",
        "contrast": "Contrast",
        "variant": "Definition or threshold",
        "estimate": "Estimate",
        "interval": "Interval",
        "p": "p (unadjusted)",
        "default": "Default definition",
        "same": "Same sign",
    }
    return grid(
        pd.DataFrame(rows),
        columns,
        file="statistics/contrasts.tsv",
        title="Do other thresholds and definitions agree?",
    )
