"""Pathway, transcription factor and signature scores of libraries as outcomes of the animal."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np
import pandas as pd

from periomics.core.errors import InputError
from periomics.core.results import read_result
from periomics.outcomes.aggregate import COLUMNS
from periomics.outcomes.collect import with_dose_given
from periomics.study.dictionary import score_names

SCORE_COLUMNS = ("library_id", "animal_id", "cell_type", "score_id", "kind", "method", "value")


def read_scores(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a scores.tsv; InputError if it lacks a column."""
    df = read_result(path)
    missing = [c for c in SCORE_COLUMNS if c not in df.columns]
    if missing:
        raise InputError(f"lacks columns {missing}", file=path)
    df["value"] = pd.to_numeric(df["value"]).astype(float)
    return df


def score_outcomes(
    scores: pd.DataFrame, specimens: pd.DataFrame, animals: pd.DataFrame, modality: str
) -> pd.DataFrame:
    """Scores as animal-level rows.

    Parameters
    ----------
    scores
        Columns `SCORE_COLUMNS`.
    specimens
        `specimen_table`; a library's condition, dose, time and batch come from it.
    animals
        The animals sheet; the group is the condition where the library states none.
    modality
        bulk or singlecell.

    Returns
    -------
    DataFrame
        Columns of outcomes/animals.tsv; outcome = "score:<kind>:<score_id>[@cell_type]"; several libraries of an animal under one
        condition, dose and time are averaged. The first method of a score in the table is the default variant.
    """
    if scores.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    df = scores.copy()
    df["outcome"] = score_names(df["kind"], df["score_id"], df["cell_type"])
    first = df.groupby("outcome")["method"].transform("first")
    df["variant"] = (
        df["method"].where(df["method"] != first, "").map(lambda m: f"method={m}" if m else "")
    )
    of = specimens.set_index("specimen_id").reindex(df["library_id"])
    for column in ("condition", "dose", "dose_unit", "time", "time_unit", "batch"):
        df[column] = of[column].to_numpy()
    group = animals.set_index("animal_id")["group"].reindex(df["animal_id"]).fillna("").to_numpy()
    for column in ("condition", "dose_unit", "time_unit", "batch"):
        df[column] = df[column].fillna("")
    df["dose"] = df["dose"].astype(float)
    given = df["dose"].isna() & (df["condition"] == "")
    df = with_dose_given(df, animals.set_index("animal_id"), given)
    df["condition"] = df["condition"].where(df["condition"] != "", group)
    df["dose"], df["time"] = df["dose"].astype(float), df["time"].astype(float)
    key = ["animal_id", "outcome", "variant", "condition", "dose", "time"]
    grouped = df.groupby(key, dropna=False, sort=True)
    out = grouped.agg(
        value=("value", "mean"),
        n=("value", "size"),
        time_unit=("time_unit", "first"),
        dose_unit=("dose_unit", "first"),
        batch=("batch", lambda b: "|".join(sorted(set(b) - {""}))),
    ).reset_index()
    out = out.assign(
        unit="a.u.",
        n_sections=0,
        n_fields=0,
        numerator=np.nan,
        denominator=np.nan,
        denominator_unit="",
        modality=modality,
        source="measured",
        level="specimen",
        status=np.where(out["value"].notna(), "measured", "missing"),
        reason=np.where(
            out["value"].notna(),
            np.where(out["n"] > 1, "mean of several libraries", ""),
            "no value",
        ),
    )
    return out[list(COLUMNS)]


def all_scores(
    files: Mapping[str, str], specimens: pd.DataFrame, animals: pd.DataFrame
) -> list[pd.DataFrame]:
    """Scores of every kind of library that a job's input has, as outcomes of the animal (`score_outcomes`)."""
    return [
        score_outcomes(read_scores(str(path)), specimens, animals, modality)
        for modality in ("bulk", "singlecell")
        if (path := files.get(modality))
    ]
