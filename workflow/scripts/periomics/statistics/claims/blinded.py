"""While groups are coded nothing is concluded: no contrast, no verdict."""

from __future__ import annotations

import pandas as pd

from periomics.statistics.claims.analysis import Analysis
from periomics.statistics.claims.judging import verdict_table


def visible(analysis: Analysis, withheld: str) -> Analysis:
    """The animals that contrasts of arms may use: none while something is withheld."""
    return analysis.of(analysis.animals.iloc[:0]) if withheld else analysis


def judged(
    analysis: Analysis, withheld: str, associations: pd.DataFrame | None = None
) -> pd.DataFrame:
    """`verdict_table`, or the same rows "not judged" with the reason; then no value of an animal reaches them."""
    table = verdict_table(visible(analysis, withheld), None if withheld else associations)
    return table.assign(reason=withheld) if withheld else table
