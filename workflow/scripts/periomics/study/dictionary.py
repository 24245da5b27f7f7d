"""The outcome dictionary: what each outcome is, its unit, direction, scale and tolerance."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

import pandas as pd

from periomics.core.errors import InputError, nearest

COLUMNS = (
    "outcome",
    "symbol",
    "name",
    "unit",
    "modality",
    "domain",
    "definition",
    "benefit",
    "kind",
    "scale",
    "aggregation",
    "tolerance_abs",
    "tolerance_rel",
    "validated",
    "citation",
    "evidence",
)
BENEFITS = ("+", "-", "toward_control", "context")
KINDS = ("continuous", "proportion", "ratio", "count", "binary", "ordinal", "time_series")
SCALES = ("identity", "log", "logit", "count")
AGGREGATIONS = ("A", "S>A", "F>S>A", "well>isolation", "field>well>isolation", "library>A")
DOMAINS = ("bone", "necrosis", "barrier", "vessels", "inflammation", "culture", "score", "context")
_SCORE_START = "score:"
_SCORE = re.compile(
    rf"^{_SCORE_START}(?P<kind>[a-z_]+):(?P<id>[A-Za-z0-9_.+\-]+)(@(?P<cell_type>[A-Za-z0-9_.+\- ]+))?$"
)


def is_score(outcome: str) -> bool:
    """Whether an outcome is a score, `score:<kind>:<id>[@cell_type]`."""
    return outcome.startswith(_SCORE_START)


def scores_among(outcomes: pd.Series) -> pd.Series:
    """Which of many outcomes are scores."""
    return outcomes.astype(str).str.startswith(_SCORE_START)


def score_parts(outcome: str) -> tuple[str, str, str]:
    """Kind, id and cell type ('' for tissue) of a score; three empty texts for what is none."""
    match = _SCORE.match(outcome)
    return (match["kind"], match["id"], match["cell_type"] or "") if match else ("", "", "")


def score_names(kind: pd.Series, score_id: pd.Series, cell_type: pd.Series) -> pd.Series:
    """Outcomes of scores from their parts; `cell_type` is empty for bulk."""
    cell = cell_type.map(lambda c: f"@{c}" if c else "")
    return _SCORE_START + kind + ":" + score_id + cell


def load_dictionary(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read resources/outcomes.tsv, checked, indexed by outcome.

    Raises
    ------
    InputError
        Naming file, row, column and value of the first entry that is not allowed.
    """
    df = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    missing = [c for c in COLUMNS if c not in df.columns]
    if missing:
        raise InputError(f"lacks columns {missing}", file=path)
    for column, allowed in {
        "benefit": BENEFITS,
        "kind": KINDS,
        "scale": SCALES,
        "aggregation": AGGREGATIONS,
        "domain": DOMAINS,
        "evidence": ("seen", "memory"),
    }.items():
        bad = ~df[column].isin(allowed)
        if bad.any():
            row = int(bad.idxmax())
            raise InputError(
                "not a known entry",
                file=path,
                row=row + 2,
                column=column,
                value=df.at[row, column],
                allowed=", ".join(allowed),
            )
    if df["outcome"].duplicated().any():
        row = int(df["outcome"].duplicated().idxmax())
        raise InputError(
            "outcome stands twice",
            file=path,
            row=row + 2,
            column="outcome",
            value=df.at[row, "outcome"],
        )
    for column in ("tolerance_abs", "tolerance_rel"):
        df[column] = pd.to_numeric(df[column].replace("", None))
    return df.set_index("outcome", drop=False)


def entry(dictionary: pd.DataFrame, outcome: str) -> pd.Series:
    """The dictionary row of an outcome; scores (`score:<kind>:<id>[@cell_type]`) share one generic row.

    Raises
    ------
    InputError
        If the outcome is neither in the dictionary nor a score; names the nearest known outcome.
    """
    if outcome in dictionary.index:
        return dictionary.loc[outcome]
    match = _SCORE.match(outcome)
    if match:
        row = pd.Series(dict.fromkeys(dictionary.columns, ""), name=outcome)
        row.update(
            pd.Series(
                {
                    "outcome": outcome,
                    "symbol": match["id"],
                    "name": f"{match['kind']} score {match['id']}",
                    "unit": "a.u.",
                    "modality": "singlecell" if match["cell_type"] else "bulk",
                    "domain": "score",
                    "benefit": "context",
                    "kind": "continuous",
                    "scale": "identity",
                    "aggregation": "library>A",
                    "evidence": "memory",
                }
            )
        )
        row["tolerance_abs"] = row["tolerance_rel"] = float("nan")
        return row
    raise InputError(f"unknown outcome {outcome!r}{nearest(outcome, dictionary.index)}")


def direction_of(dictionary: pd.DataFrame, outcome: str, declared: Mapping[str, str]) -> float:
    """+1 where more is better, −1 where less is better, NaN where neither the dictionary nor the claims (`declared`) say."""
    benefit = str(entry(dictionary, outcome)["benefit"])
    if benefit not in ("+", "-"):
        benefit = declared.get(outcome, "")
    return {"+": 1.0, "-": -1.0}.get(benefit, float("nan"))
