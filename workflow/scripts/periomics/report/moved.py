"""What would change a verdict: more animals, those left out or without a value, other tests, other definitions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from periomics.report.words import fixed, number, p_value, said
from periomics.study.claims import MOST_UNITS

COLUMNS = ("n_to_decide", "verdict_all", "n_missing", "tipping_sd")
UNREACHED = ("no deficit", "not tested", "not judged")
# Parts of a reason that say the same as a column.
SAID_BY_COLUMNS = ("would make the interval as narrow as", " no value: it stands ")
BESIDE = ("natural scale", "time course")


def reason_left(reason: str) -> str:
    """A reason without what `changes` says from columns."""
    parts = reason.split("; ")
    return "; ".join(p for p in parts if not any(words in p for words in SAID_BY_COLUMNS))


def changes_of(
    verdicts: pd.DataFrame, contrasts: pd.DataFrame, *, left_out: bool
) -> dict[tuple[str, str], str]:
    """(claim, outcome) → what would change its verdict; parameters as `changes` takes them, for all."""
    of = dict(iter(contrasts.groupby(["outcome", "contrast"], sort=False)))
    none = contrasts.iloc[:0]
    return {
        (str(row["claim_id"]), str(row["outcome"])): changes(
            row, of.get((row["outcome"], row["contrast"]), none), left_out=left_out
        )
        for row in verdicts.to_dict("records")
    }


def changes(row: Mapping[str, Any], contrasts: pd.DataFrame, *, left_out: bool) -> str:
    """What would change one verdict, '' where it was not reached.

    Parameters
    ----------
    row
        Of statistics/verdicts.tsv.
    contrasts
        Rows of statistics/contrasts.tsv of its outcome and contrast, all variants.
    left_out
        Whether anything was excluded or held back, and verdicts with nothing left out were made.
    """
    if row["verdict"] in UNREACHED:
        return ""
    found = [decides(row), _threshold(row), _missing(row)]
    if left_out and row["kind"] != "association":
        other = said(row["verdict_all"])
        same = not other or other == row["verdict"]
        found.append(
            "what was left out would not (same verdict with it)"
            if same
            else f"what was left out would: with it, {other}"
        )
    if len(contrasts) and row["kind"] != "rescue":
        found += [_other_tests(contrasts, said(row["variant"])), _definitions(contrasts)]
    return "; ".join(t for t in found if t)


def decides(row: Mapping[str, Any]) -> str:
    """Units per arm that would decide an inconclusive claim."""
    n = pd.to_numeric(row["n_to_decide"], errors="coerce")
    if pd.isna(n):
        return ""
    many = n > MOST_UNITS
    units = number(MOST_UNITS if many else float(n))
    return f"{'over' if many else 'about'} {units} per arm would decide"


def _threshold(row: Mapping[str, Any]) -> str:
    """Of a rescue, the threshold up to (down to) which the verdict stands: an end of the set of R."""
    end = {"supported": "R_lower", "refuted": "R_upper"}.get(str(row["verdict"]), "")
    if row["kind"] != "rescue" or not end:
        return ""
    at = pd.to_numeric(row[end], errors="coerce")
    way = "above" if end == "R_lower" else "below"
    return "" if pd.isna(at) else f"a threshold {way} R = {fixed(float(at), 2)} would"


def _missing(row: Mapping[str, Any]) -> str:
    n, sd = (pd.to_numeric(row[c], errors="coerce") for c in ("n_missing", "tipping_sd"))
    if pd.isna(n):
        return ""
    who = "1 animal has no value" if n == 1 else f"{number(float(n))} animals have no value"
    if pd.isna(sd):
        return f"{who}: values far against it would not"
    return f"{who}: values {float(sd):.1f} SD or more against it would"


def _other_tests(contrasts: pd.DataFrame, variant: str) -> str:
    """Ranks and permutations beside the t test, with the least p that the latter can have."""
    own = contrasts[(contrasts["variant"] == variant) & (contrasts["kind"] != "natural scale")]
    if own.empty:
        return ""
    ranks, perm, floor = (
        pd.to_numeric(own[c], errors="coerce").iloc[0] for c in ("rank_p", "perm_p", "perm_floor")
    )
    parts = [f"ranks {p_value(ranks)}"] if pd.notna(ranks) else []
    if pd.notna(perm):
        least = f" (never below {number(float(floor), 2)})" if pd.notna(floor) else ""
        parts.append(f"permutation {p_value(perm)}{least}")
    return f"a difference by other tests: {', '.join(parts)}" if parts else ""


def _definitions(contrasts: pd.DataFrame) -> str:
    """Whether other thresholds and definitions of the outcome lie on the same side of no effect."""
    own = contrasts[(contrasts["variant"] == "") & ~contrasts["kind"].isin(BESIDE)]
    others = contrasts[contrasts["kind"] == "sensitivity"].drop_duplicates("variant")
    if own.empty or others.empty:
        return ""
    side = _side(own.iloc[0])
    same = sum(_side(row) == side for _, row in others.iterrows())
    return f"{same} of {len(others)} other definitions say the same of a difference"


def _side(row: pd.Series) -> int:
    lower, upper = (pd.to_numeric(row[c], errors="coerce") for c in ("lower", "upper"))
    return int(np.sign(lower) + np.sign(upper)) if pd.notna(lower) and pd.notna(upper) else 9
