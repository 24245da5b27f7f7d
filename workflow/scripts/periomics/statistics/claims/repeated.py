"""Outcomes that were measured repeatedly in a unit: one number a unit (slope, mean level) as variants of the outcome."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pandas as pd

from periomics.statistics.claims.analysis import Analysis
from periomics.statistics.claims.composite import with_index
from periomics.statistics.kernels.series import summarise_series

# With fewer times a slope is a difference of two, which the last time and the change say better.
MIN_TIMES = 3
SUMMARIES = {"slope": "summary=slope", "mean_level": "summary=mean"}


@lru_cache(maxsize=2)
def with_all(analysis: Analysis) -> pd.DataFrame:
    """Animals with the healing index and the summaries over time; one table, to be read only, for
    all who ask of a study."""
    return with_summaries(with_index(analysis).animals)


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
    default = prepared[(prepared["variant"] == "") & prepared["time"].notna()]
    keys = [default[c] for c in ("outcome", "animal_id", "condition")]
    unit = default.groupby([*keys, default["dose"].fillna(-1.0)], sort=True).ngroup().to_numpy(int)
    first, found = [], []
    time, value, scale = (default[c].to_numpy() for c in ("time", "value", "scale"))
    for places in default.groupby("outcome", sort=True).indices.values():
        own, start, of = np.unique(unit[places], return_index=True, return_inverse=True)
        when = np.unique(time[places], return_inverse=True)[1]
        times = np.bincount(np.unique(np.stack([of, when]), axis=1)[0])
        if np.median(times) >= MIN_TIMES and (scale[places] != "binary").all():
            first.append(places[start])
            found.append(summarise_series(of, time[places], value[places], own.size))
    if not found:
        return prepared
    facts, values = default.iloc[np.concatenate(first)], pd.concat(found)
    return pd.concat(
        [prepared, *(_rows(facts, values[c].to_numpy(float), c) for c in SUMMARIES)],
        ignore_index=True,
    )


def _rows(facts: pd.DataFrame, values: np.ndarray, column: str) -> pd.DataFrame:
    """Rows of one summary, of the units that have it; `facts` is a row of each unit."""
    out = facts.assign(
        variant=SUMMARIES[column],
        value=values,
        analysis=values,
        scale="identity",
        least=-np.inf,
        most=np.inf,
        means="",
        unit=facts["unit"] + ("/" + facts["time_unit"] if column == "slope" else ""),
        time=np.nan,
        scale_note="",
        numerator=np.nan,
        denominator=np.nan,
    )
    return out[~np.isnan(values)]
