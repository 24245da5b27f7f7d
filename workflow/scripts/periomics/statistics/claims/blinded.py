"""While groups are coded nothing is concluded: no contrast, no verdict."""

from __future__ import annotations

import pandas as pd

from periomics.statistics.claims.judging import verdict_table
from periomics.statistics.claims.plan import Plan


def visible(prepared: pd.DataFrame, withheld: str) -> pd.DataFrame:
    """Animals that contrasts of arms may use: none while something is withheld."""
    return prepared.iloc[:0] if withheld else prepared


def judged(
    plan: Plan,
    prepared: pd.DataFrame,
    dictionary: pd.DataFrame,
    withheld: str,
    associations: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """`verdict_table`, or the same rows "not judged" with the reason; then no value of an animal reaches them."""
    table = verdict_table(
        plan, visible(prepared, withheld), dictionary, None if withheld else associations
    )
    return table.assign(reason=withheld) if withheld else table
