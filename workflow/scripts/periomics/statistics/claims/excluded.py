"""Every verdict with and without what was left out, side by side."""

from __future__ import annotations

import numpy as np
import pandas as pd

from periomics.study.claims import ALL_OF

# Columns beside those of `judging`: empty where exclusions change nothing of a row.
COLUMNS = ("verdict_all", "estimate_all", "lower_all", "upper_all", "n_animals_all")
COMPARED = ("verdict", "estimate", "lower", "upper", "n_animals")


def beside_all(verdicts: pd.DataFrame, everyone: pd.DataFrame | None) -> pd.DataFrame:
    """Verdicts with those of all animals beside them.

    Parameters
    ----------
    verdicts
        `judging.verdict_table` of the animals that were kept.
    everyone
        The same claims judged with nothing excluded or held back; nothing where nothing was.

    Returns
    -------
    DataFrame
        With `COLUMNS`, filled where a number or the verdict differs; then the reason says it too.
    """
    out = verdicts.copy()
    out["verdict_all"] = ""
    for column in COLUMNS[1:]:
        out[column] = np.nan
    if everyone is None:
        return out
    others = {_key(row): row for _, row in everyone.iterrows()}
    for i, row in out.iterrows():
        other = others[_key(row)]
        if all(_same(row[c], other[c]) for c in COMPARED):
            continue
        for column, source in zip(COLUMNS, COMPARED, strict=True):
            out.at[i, column] = other[source]
        words = f"with nothing left out (n {int(other['n_animals']):d}): {_words(other)}"
        out.at[i, "reason"] = "; ".join(x for x in (str(row["reason"]), words) if x)
    return out


def _key(row: pd.Series) -> tuple[str, str]:
    """Claim and outcome; a claim over all outcomes names those that are left, which exclusions change."""
    outcome = str(row["outcome"])
    return str(row["claim_id"]), ALL_OF if outcome.startswith(ALL_OF) else outcome


def _same(a: object, b: object) -> bool:
    return a == b or (pd.isna(a) and pd.isna(b))


def _words(row: pd.Series) -> str:
    if pd.isna(row["lower"]):
        return str(row["verdict"])
    ends = f"{row['lower']:.3g} to {row['upper']:.3g}"
    return f"{row['verdict']}, {row['estimate']:.3g} ({ends})"
