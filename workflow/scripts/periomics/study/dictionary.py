"""The outcome dictionary: what each outcome is, its unit, direction, scale and tolerance."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence

import pandas as pd

from periomics.core.errors import InputError, nearest
from periomics.core.tables import read_table

Path = str | os.PathLike[str]

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
    "repeats",
)
BENEFITS = ("+", "-", "toward_control", "context")
KINDS = ("continuous", "proportion", "ratio", "count", "binary", "ordinal", "time_series")
SCALES = ("identity", "log", "logit", "count")
AGGREGATIONS = ("A", "S>A", "F>S>A", "well>isolation", "field>well>isolation", "library>A")
DOMAINS = ("bone", "necrosis", "barrier", "vessels", "inflammation", "culture", "score", "context")
ALLOWED = {
    "benefit": BENEFITS,
    "scale": SCALES,
    "kind": KINDS,
    "aggregation": AGGREGATIONS,
    "domain": DOMAINS,
    "evidence": ("seen", "memory"),
}
# Of a study's own outcomes: what a row must say, the values that are possible, and what stands where it says nothing.
NEEDED = ("outcome", "unit", "scale", "benefit")
RANGE = ("least", "most")
OWN_DEFAULTS = {
    "modality": "readings",
    "domain": "context",
    "aggregation": "A",
    "evidence": "memory",
    "citation": "the study's own",
}
KIND_OF_SCALE = {
    "identity": "continuous",
    "log": "continuous",
    "logit": "proportion",
    "count": "count",
}
_SHEET_ROW = "row"
_NAME = re.compile(r"^[A-Za-z][A-Za-z0-9_.+\-]*$")
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


def load_dictionary(paths: Path | Sequence[Path]) -> pd.DataFrame:
    """Read resources/outcomes.tsv and, after it, rows of the study's own; checked, indexed by outcome.

    Parameters
    ----------
    paths
        The team's table, or that and tables with the study's own outcomes: columns `outcome`, `unit`, `scale` and `benefit`; `kind`
        where the scale does not tell it, and any others of `COLUMNS`; `least` and `most`, the values that are possible.

    Notes
    -----
    `repeats` names the outcome whose finding another one repeats: claims name one of the two (`check.claims`).

    Raises
    ------
    InputError
        Naming file, row, column and value of the first entry that is not allowed.
    """
    first, *own = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    df = pd.read_csv(first, sep="\t", dtype=str, keep_default_na=False)
    missing = [c for c in COLUMNS if c not in df.columns]
    if missing:
        raise InputError(f"lacks columns {missing}", file=first)
    _check(df, first)
    for path in own:
        df = pd.concat([df, _own_outcomes(path, df)], ignore_index=True)
    for column in ("tolerance_abs", "tolerance_rel", *RANGE):
        df[column] = pd.to_numeric(df.get(column, pd.Series("", df.index)).replace("", None))
    return df.set_index("outcome", drop=False)


def _check(df: pd.DataFrame, path: Path) -> None:
    """Refuse the first entry that is no known word, and an outcome that stands twice."""
    for column, allowed in ALLOWED.items():
        bad = ~df[column].isin(allowed)
        if bad.any():
            row = bad.idxmax()
            value = str(df.at[row, column])
            raise InputError(
                f"not a known entry{nearest(value, allowed)}",
                file=path,
                row=_row_of(df, row),
                column=column,
                value=value,
                allowed=", ".join(allowed),
            )
    if df["outcome"].duplicated().any():
        row = df["outcome"].duplicated().idxmax()
        raise InputError(
            "outcome stands twice",
            file=path,
            row=_row_of(df, row),
            column="outcome",
            value=df.at[row, "outcome"],
        )


def _row_of(df: pd.DataFrame, row: int) -> int:
    """The row as a spreadsheet counts: tables that `read_table` read are indexed by it."""
    return int(row) if df.index.name == _SHEET_ROW else int(row) + 2


def _own_outcomes(path: Path, known: pd.DataFrame) -> pd.DataFrame:
    """The study's own rows, with defaults for what they leave out."""
    read = read_table(path)
    for problem in read.problems:
        if problem.level == "error":
            raise InputError(
                problem.message,
                file=path,
                row=problem.row or None,
                column=problem.column,
                value=problem.value or None,
                allowed=problem.allowed,
            )
    df = read.data.rename_axis(_SHEET_ROW)
    for column in df.columns:
        if column not in (*COLUMNS, *RANGE):
            message = f"unknown column{nearest(column, (*COLUMNS, *RANGE))}"
            allowed = ", ".join((*NEEDED, "kind", *RANGE))
            raise InputError(message, file=path, column=column, allowed=f"{allowed} and others")
    missing = [c for c in NEEDED if c not in df.columns]
    if missing:
        raise InputError(f"lacks columns {', '.join(missing)}", file=path)
    for column, default in OWN_DEFAULTS.items():
        df[column] = df.get(column, pd.Series("", df.index)).replace("", default)
    for column, source in (("symbol", "outcome"), ("name", "outcome")):
        df[column] = df.get(column, pd.Series("", df.index)).mask(lambda x: x == "", df[source])
    kind = df.get("kind", pd.Series("", df.index))
    df["kind"] = kind.mask(kind == "", df["scale"].map(KIND_OF_SCALE)).fillna("")
    for column in (*COLUMNS, *RANGE):
        df[column] = df.get(column, pd.Series("", df.index))
    _check(df, path)
    for row, cells in df.iterrows():
        _check_own(path, int(row), cells, known)
    return df


def _check_own(path: Path, row: int, cells: pd.Series, known: pd.DataFrame) -> None:
    """Refuse a row of the study's own whose name, unit or range cannot be used."""
    name = str(cells["outcome"])
    if not _NAME.match(name):
        allowed = "letters, digits, _ . + -, a letter first"
        raise InputError(
            "no name for an outcome",
            file=path,
            row=row,
            column="outcome",
            value=name,
            allowed=allowed,
        )
    if (known["outcome"] == name).any():
        message = "is an outcome of periomics; give your own another name"
        raise InputError(message, file=path, row=row, column="outcome", value=name)
    if not cells["unit"]:
        raise InputError("needs its unit", file=path, row=row, column="unit", allowed="1 for none")
    ends = []
    for column in (*RANGE, "tolerance_abs", "tolerance_rel"):
        text = str(cells[column])
        try:
            ends.append(float(text) if text else float("nan"))
        except ValueError:
            raise InputError(
                "not a number", file=path, row=row, column=column, value=text
            ) from None
    if ends[0] >= ends[1]:
        message = "least is not below most"
        raise InputError(message, file=path, row=row, column="most", value=str(cells["most"]))


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
        generic = {
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
        row: dict[str, object] = {c: generic.get(c, "") for c in dictionary.columns}
        row |= dict.fromkeys(("tolerance_abs", "tolerance_rel"), float("nan"))
        return pd.Series(row, name=outcome)
    raise InputError(f"unknown outcome {outcome!r}{nearest(outcome, dictionary.index)}")


def direction_of(dictionary: pd.DataFrame, outcome: str, declared: Mapping[str, str]) -> float:
    """+1 where more is better, −1 where less is better, NaN where neither the dictionary nor the claims (`declared`) say."""
    benefit = str(entry(dictionary, outcome)["benefit"])
    if benefit not in ("+", "-"):
        benefit = declared.get(outcome, "")
    return {"+": 1.0, "-": -1.0}.get(benefit, float("nan"))
