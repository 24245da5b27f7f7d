"""Outcomes that were measured repeatedly in a unit: one number a unit (slope, mean level) as variants of the outcome."""

from __future__ import annotations

import numpy as np
import pandas as pd

from periomics.statistics.kernels.series import summarise_series

# With fewer times a slope is a difference of two, which the last time and the change say better.
MIN_TIMES = 3
SUMMARIES = {"slope": "summary=slope", "mean_level": "summary=mean"}


def with_summaries(prepared: pd.DataFrame) -> pd.DataFrame:
    """Prepared rows with those of the summaries over time added.

    Parameters
    ----------
    prepared
        `animals.prepare`.

    Returns
    -------
    DataFrame
        For each outcome (default variant) whose units have three times or more: variants `summary=slope` (natural unit per unit of
        time) and `summary=mean` (area under the curve over the common window, by its length), on the identity scale. A unit
        that lacks them has no row.
    """
    parts = []
    default = prepared[(prepared["variant"] == "") & prepared["time"].notna()]
    for _, rows in default.groupby("outcome", sort=True):
        key = [rows["animal_id"], rows["condition"], rows["dose"].fillna(-1.0)]
        unit = rows.groupby(key, sort=True).ngroup()
        times = rows.groupby(unit)["time"].nunique()
        if times.median() >= MIN_TIMES and (rows["scale"] != "binary").all():
            parts += _rows(rows, unit.to_numpy(int))
    return pd.concat([prepared, *parts], ignore_index=True) if parts else prepared


def _rows(rows: pd.DataFrame, unit: np.ndarray) -> list[pd.DataFrame]:
    found = summarise_series(unit, rows["time"], rows["value"])
    facts = rows.assign(_unit=unit).drop_duplicates("_unit").sort_values("_unit", kind="stable")
    out = []
    for column, variant in SUMMARIES.items():
        values = found[column].to_numpy(float)
        unit_words = facts["unit"] + ("/" + facts["time_unit"] if column == "slope" else "")
        out.append(
            facts.assign(
                variant=variant,
                value=values,
                analysis=values,
                scale="identity",
                least=-np.inf,
                most=np.inf,
                means=False,
                unit=unit_words,
                time=np.nan,
                scale_note="",
                numerator=np.nan,
                denominator=np.nan,
            ).drop(columns="_unit")[~np.isnan(values)]
        )
    return out
