"""The table of animals, and beside it the one with nothing excluded or held back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from periomics.outcomes.aggregate import add_missing, aggregate
from periomics.outcomes.collect import release
from periomics.study.settings.outcomes import OutcomeRules


def animal_tables(
    rows: pd.DataFrame,
    sheets: Mapping[str, pd.DataFrame],
    specimens: pd.DataFrame,
    scores: Sequence[pd.DataFrame],
    *,
    dictionary: pd.DataFrame,
    rules: OutcomeRules,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """outcomes/animals.tsv and outcomes/animals_all.tsv.

    Parameters
    ----------
    rows
        Measurements with design columns, those that a sheet confirms released.
    sheets
        `animals` and `exclusions`.
    specimens
        Of `specimen_table`.
    scores
        Rows of scores, as `score_outcomes` gives them.
    dictionary
        The outcome dictionary.
    rules
        Thresholds.

    Returns
    -------
    animals, everyone
        The second has no rows where nothing was left out.
    """

    def made(measured: pd.DataFrame, exclusions: pd.DataFrame) -> pd.DataFrame:
        table = aggregate(measured, dictionary, exclusions, rules)
        table = add_missing(table, specimens, sheets["animals"])
        kinds = table.dtypes.to_dict()
        return pd.concat([table, *(s.astype(kinds) for s in scores)], ignore_index=True)

    excluded = sheets["exclusions"]
    table = made(rows, excluded)
    if not len(excluded) and not (rows["qc"] == "hold").any():
        return table, table.iloc[:0]
    return table, made(release(rows, {}, everything=True), excluded.iloc[:0])
