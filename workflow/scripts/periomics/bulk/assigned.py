"""How a library's reads fell on genes and elsewhere, by the counter's own rows that are no genes, in words."""

from __future__ import annotations

import pandas as pd

ELSEWHERE = {
    "not aligned": ("N_unmapped", "__not_aligned", "not_aligned"),
    "at several places of the genome": (
        "N_multimapping",
        "__alignment_not_unique",
        "alignment_not_unique",
    ),
    "outside genes": ("N_noFeature", "__no_feature", "no_feature"),
    "on several genes at once": ("N_ambiguous", "__ambiguous", "ambiguous"),
    "poorly aligned": ("__too_low_aQual", "too_low_aQual"),
}


def shares_elsewhere(on_genes: pd.Series, rows: pd.DataFrame) -> dict[str, tuple[float, str]]:
    """Column → share of the reads that fell on genes, and where all of them fell.

    Parameters
    ----------
    on_genes
        Reads on genes by column.
    rows
        Rows of the counter that are no genes × columns; without any nothing is told.

    Notes
    -----
    Of the reads that the counter tells about: HTSeq counts a read that is aligned several times more than once among those,
    and leaves out what its input did not hold.
    """
    numbers = rows.apply(pd.to_numeric, errors="coerce")
    out: dict[str, tuple[float, str]] = {}
    for column in numbers.columns if len(rows) else ():
        parts = {
            words: float(numbers.loc[numbers.index.isin(names), column].sum())
            for words, names in ELSEWHERE.items()
        }
        total = float(on_genes[column]) + sum(parts.values())
        if total <= 0 or not any(parts.values()):
            continue
        share = float(on_genes[column]) / total
        said = [f"{_percent(n / total)} {words}" for words, n in parts.items() if n]
        out[str(column)] = (
            share,
            f"of its reads {100 * share:.0f} % fell on genes, {', '.join(said)}",
        )
    return out


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 else "under 1 %"
