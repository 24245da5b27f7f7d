"""Labels that cells came with, as check and job read them."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from periomics.core.errors import InputError, nearest

NO_LABEL = ("", "nan", "NaN", "NA", "None", "<NA>")
"""Words in a column of labels that are no label."""
UNNAMED = (*NO_LABEL, "unknown", "Unknown", "unassigned", "Unassigned")
"""The same in a reference, where a cell that nobody could name teaches nothing."""
LEAST_CELLS = 20
"""Cells of a type in the reference below which nothing is learned of it."""


def types_in(labels: pd.Series, column: str, path: object = "") -> list[str]:
    """Types with cells enough to learn from; raises InputError where there are fewer than two."""
    numbers = labels[~labels.isin(UNNAMED)].value_counts()
    kept = [str(t) for t in numbers.index[numbers >= LEAST_CELLS]]
    if len(kept) < 2:
        raise InputError(
            f"{len(kept)} types of the reference have {LEAST_CELLS} cells or more",
            file=path,
            column=column,
            value=", ".join(f"{k} ({n})" for k, n in numbers.head(6).items()),
            allowed="two types or more",
        )
    return kept


def refuse_column(column: str, columns: Sequence[str], path: object = "") -> None:
    """Raise InputError where cells of a reference have no such column."""
    if column not in columns:
        message = f"cells of the reference have no such column{nearest(column, columns)}"
        allowed = ", ".join(columns[:12])
        raise InputError(
            message, file=path, column="reference_column", value=column, allowed=allowed
        )
