"""Responses by time of the cells, and whether a treatment may act through a response: both steps must hold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from periomics.core.multiplicity import holm
from periomics.genes.axes import RESPONSE
from periomics.linkage.evidence import response_tests
from periomics.linkage.pairs import CONCORDANCE
from periomics.study.dictionary import score_parts
from periomics.study.interface.linkage import MEDIATION_COLUMNS, TIMING_COLUMNS


def timing(set_tests: pd.DataFrame, tests: Sequence[str], alpha: float) -> pd.DataFrame:
    """Every response in tests that ask alike, animals and cultures side by side.

    Parameters
    ----------
    set_tests
        bulk/set_tests.tsv.
    tests
        Tests <analysis>.<contrast>.
    alpha
        Level at which a response counts.

    Returns
    -------
    DataFrame
        TIMING_COLUMNS; `agree` is yes or no where the response counts in all tests, else open.
    """
    table = response_tests(set_tests, tests)
    table = table.assign(agree="open")
    for _, part in table.groupby("response"):
        if len(part) == len(tests) > 1 and (part["p_adj"] <= alpha).all():
            same = part["direction"].nunique() == 1
            table.loc[part.index, "agree"] = "yes" if same else "no"
    return table[list(TIMING_COLUMNS)].sort_values(["response", "test"]).reset_index(drop=True)


def mediation(
    associations: pd.DataFrame, contrasts: pd.DataFrame, wanted: Sequence[str]
) -> pd.DataFrame:
    """Joint significance: the treatment moves the response, and the response tracks the outcome beyond arms.

    Parameters
    ----------
    associations
        linkage/associations.tsv.
    contrasts
        statistics/contrasts.tsv.
    wanted
        Contrasts of animals.

    Returns
    -------
    DataFrame
        MEDIATION_COLUMNS. p is the larger of both: under any null at least one of the two is a valid p-value, so that p ≤ α in at most α
        of studies. p_adj by Holm. It does not rule out that something else moves both.
    """
    kinds = [score_parts(s)[0] for s in associations["score_id"]]
    pairs = associations[
        (np.array(kinds, object) == RESPONSE) & (associations["family"] != CONCORDANCE)
    ]
    # Earlier times and other scales are not adjusted: they stand beside the test that counts.
    tested = contrasts["p"].notna() & contrasts["p_adj"].notna()
    own = contrasts[(contrasts["variant"] == "") & tested]
    first: dict[tuple[str, str], float] = {}
    for outcome, contrast, p in zip(own["outcome"], own["contrast"], own["p"], strict=True):
        first.setdefault((outcome, contrast), float(p))
    rows = []
    of_animals = pairs["adjusted_for"].fillna("").astype(str).str.startswith("arm")
    for pair in pairs[of_animals].itertuples():
        for contrast in wanted:
            treated = first.get((pair.score_id, contrast), np.nan)
            p = max(treated, pair.p) if np.isfinite([treated, pair.p]).all() else np.nan
            reason = (
                "" if np.isfinite(p) else pair.reason or f"no test of the response in {contrast}"
            )
            rows.append(
                {
                    "response": pair.score_id,
                    "outcome": pair.outcome,
                    "contrast": contrast,
                    "p_treatment": treated,
                    "r": pair.r,
                    "p_association": pair.p,
                    "p": p,
                    "n": pair.n,
                    "reason": reason,
                }
            )
    out = pd.DataFrame(rows).reindex(columns=list(MEDIATION_COLUMNS))
    return out.assign(p_adj=holm(out["p"].to_numpy(float)))
