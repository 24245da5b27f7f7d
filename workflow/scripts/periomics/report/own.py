"""A claim's answer in the outcome's own unit: arms, and their difference or ratio with its interval.

On log scales the interval taken back is that of the ratio of geometric means, on the logit that of the ratio of odds of
typical animals: both exact. No interval of a difference of shares is made of one on the logit: the arms stand beside each
other instead, each with its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from periomics.report.words import (
    MOST_PLACES,
    decimals,
    fixed,
    interval,
    known,
    number,
    said,
    symbol,
    unit_words,
)
from periomics.study.claims import ALL_OF
from periomics.study.dictionary import RANGE, direction_of
from periomics.study.interface.arms import GEOMETRIC, MEAN, MEDIAN, SHARE, TYPICAL
from periomics.study.scale import limits

LOGS = ("log", "count")
# What the value of an arm is called where it stands, by its estimand in statistics/arms.tsv.
ESTIMANDS = {
    GEOMETRIC: "geometric means, typical animals",
    TYPICAL: "typical animals: means of logits taken back",
    MEAN: "arithmetic means",
    MEDIAN: "medians; compared by ranks",
    SHARE: "shares of animals, from counts",
}
AT_ITS_LIMIT = "the interval ends where two means cannot lie farther apart"
Key = tuple[str, str]


@dataclass(frozen=True)
class Own:
    """One verdict in the outcome's own unit.

    Attributes
    ----------
    what, effect, kind
        What is compared how (`POST / DRUG`), its size with the interval at the verdict's level, and what it is
        where arms stand before it (`ratio`).
    against
        The two arms (`POST against DRUG`), '' where there are others.
    arms
        Every arm with its own interval.
    brief
        The arms without intervals, for a line that lists outcomes.
    estimand
        What the values of arms are.
    caution
        Where arms of unequal spread could have equal arithmetic means although the ratio excludes 1.
    per_arm
        Units of every arm.
    """

    what: str = ""
    effect: str = ""
    kind: str = ""
    against: str = ""
    arms: str = ""
    brief: str = ""
    estimand: str = ""
    caution: str = ""
    per_arm: str = ""


NOTHING = Own()


def own_units(
    verdicts: pd.DataFrame,
    arms: pd.DataFrame,
    declared: Mapping[str, Any],
    dictionary: pd.DataFrame,
) -> dict[Key, Own]:
    """(claim, outcome) → the verdict in the outcome's own unit.

    Parameters
    ----------
    verdicts
        statistics/verdicts.tsv; its estimates are positive where better.
    arms
        statistics/arms.tsv.
    declared
        claims.yaml: directions, and which contrasts are trends.
    dictionary
        The outcome dictionary.
    """
    contrasts = declared.get("contrasts") or {}
    of = dict(iter(arms.groupby(["contrast", "outcome", "variant"], sort=False)))
    out = {}
    for row in verdicts.to_dict("records"):
        outcome = str(row["outcome"])
        if outcome.startswith(ALL_OF) or row["kind"] == "association":
            continue
        found = of.get((row["contrast"], outcome, said(row["variant"])), arms.iloc[:0])
        found = found[_same(found["time"], row["time"])]
        trend = (contrasts.get(row["contrast"]) or {}).get("trend") == "dose"
        sign = direction_of(dictionary, outcome, declared.get("directions") or {})
        entry = known(dictionary, outcome)
        out[str(row["claim_id"]), outcome] = _own(row, found, sign, entry, trend=trend)
    return out


def _largest_difference(entry: Mapping[str, Any], unit: str) -> float:
    """How far two means of an outcome can lie apart; infinite where it has no two limits."""
    least, most = limits(str(entry.get("scale")), unit)
    own = [float(pd.to_numeric(entry.get(k), errors="coerce")) for k in RANGE]
    return float(np.fmin(most, own[1]) - np.fmax(least, own[0]))


def _same(times: pd.Series, time: Any) -> np.ndarray:
    own, wanted = pd.to_numeric(times, errors="coerce"), pd.to_numeric(time, errors="coerce")
    return (own.isna() if pd.isna(wanted) else own.eq(wanted)).to_numpy(bool)


def _own(
    row: Mapping[str, Any],
    arms: pd.DataFrame,
    sign: float,
    entry: Mapping[str, Any],
    *,
    trend: bool,
) -> Own:
    kind, cut = str(entry.get("kind")), ""
    ends = np.array([pd.to_numeric(row[c]) for c in ("estimate", "lower", "upper")], float)
    names, caution = list(arms["arm"]), ""
    what = how = effect = ""
    if row["kind"] == "rescue":
        what, effect = _recovered(row)
    elif not np.isnan(ends).any() and sign in (1, -1):
        ends = ends if sign > 0 else -ends[[0, 2, 1]]
        compared = [] if trend else names  # a slope over doses is of no two of them
        what, how, ends, unit = _taken_back(ends, row, compared, kind, trend=trend)
        reach = _largest_difference(entry, said(row["unit"]))
        if set(arms["estimand"]) == {MEAN} and len(compared) == 2 and (abs(ends) > reach).any():
            ends, cut = np.clip(ends, -reach, reach), AT_ITS_LIMIT
        size = _size(ends, 1.0 if how.startswith(("ratio", "odds")) else 0.0)
        effect = " ".join(t for t in (size, unit) if t)
        caution = _unequal_spread(arms, ends) if not trend else ""
    estimands = list(dict.fromkeys(ESTIMANDS.get(str(e), str(e)) for e in arms["estimand"]))
    reason = next((said(r) for r in arms["reason"] if said(r)), "")
    return Own(
        what=what,
        effect=effect,
        kind=how or what,
        against=" against ".join(names) if len(names) == 2 and not trend else "",
        arms=", ".join(_arm(a) for a in arms.to_dict("records")) + _unit(arms),
        brief=_brief(arms),
        estimand="; ".join(t for t in (*estimands, cut, reason) if t),
        caution=caution,
        per_arm=", ".join(f"{a} {n}" for a, n in zip(names, arms["n"], strict=True)),
    )


def _size(ends: np.ndarray, none: float) -> str:
    """An estimate with its interval, with as many places as show on which side of no effect an end lies."""
    places = decimals(*ends[1:])
    while places is not None and places < MOST_PLACES:
        if all(end == none or round(float(end), places) != none for end in ends[1:]):
            break
        places += 1
    best, lower, upper = (fixed(x, places) for x in ends)
    return f"{best} [{lower}, {upper}]"


def _taken_back(
    ends: np.ndarray, row: Mapping[str, Any], names: list[str], kind: str, *, trend: bool
) -> tuple[str, str, np.ndarray, str]:
    """What is compared, by name and in a word, its size and ends in the outcome's own direction, their unit."""
    scale, pair, unit = said(row["scale"]), len(names) == 2, unit_words(said(row["unit"]))
    per = " per doubling of dose + 1:" if trend else ""
    how, words = "difference", " − ".join(names)
    if scale in LOGS:
        how, words, ends = (
            "ratio" if pair or trend else "ratio of ratios",
            " / ".join(names),
            np.exp(ends),
        )
    elif scale == "logit":
        how, words, ends = "odds ratio", "odds of " + " / ".join(names), np.exp(ends)
    elif kind == "ordinal":
        how, words, ends = "P(first higher)", f"P({'/'.join(names[:1])} higher)", ends + 0.5
    elif kind == "binary":
        ends, unit = 100 * ends, "percentage points"
    unit = "" if scale in (*LOGS, "logit") or kind == "ordinal" else unit
    how = words if kind == "ordinal" and pair else how
    return (words if pair else how) + per, how + per, ends, unit


def _recovered(row: Mapping[str, Any]) -> tuple[str, str]:
    """R with its set at the level of the verdict."""
    best, *ends = (pd.to_numeric(row.get(c), errors="coerce") for c in ("R", "R_lower", "R_upper"))
    if pd.isna(best):
        return "", ""
    if pd.isna(ends).any():
        level = pd.to_numeric(row["level"], errors="coerce")
        at = "" if pd.isna(level) else f" at {100 * level:.3g} %"
        return "R", f"{fixed(best, 2)}, no bounds{at}"
    return "R", f"{fixed(best, decimals(*ends))} {interval(*ends)}"


def _factor(row: Mapping[str, Any]) -> float:
    return 100.0 if row["estimand"] == SHARE else 1.0


def _numbers(row: Mapping[str, Any]) -> list[float]:
    """Value and ends of an arm; shares of animals in percent."""
    ends = [pd.to_numeric(row[c], errors="coerce") for c in ("value", "lower", "upper")]
    return [_factor(row) * float(x) for x in ends]


def _arm(row: Mapping[str, Any]) -> str:
    """`POST 44.0 [37.7, 50.6]`; a share of animals with what it was counted from."""
    value, lower, upper = _numbers(row)
    text = fixed(value, decimals(lower, upper))
    if row["estimand"] == MEDIAN:
        ends = "" if np.isnan(lower) else f"[{number(lower)}, {number(upper)}]"
        return f"{row['arm']} {number(value)} {ends}".rstrip()
    if row["estimand"] == SHARE:
        n = int(row["n"])
        ends = f"[{fixed(lower, 0)}, {fixed(upper, 0)}]"
        return f"{row['arm']} {round(value / 100 * n)} of {n}, {fixed(value, 0)} {ends}"
    return f"{row['arm']} {text} {interval(lower, upper)}".rstrip()


def _unit(arms: pd.DataFrame) -> str:
    """The unit after the last arm."""
    if arms.empty:
        return ""
    first = arms.iloc[0]
    unit = "%" if first["estimand"] == SHARE else unit_words(str(first["unit"]))
    return f" {unit.replace('1/', 'per ', 1)}" if unit else ""


def _brief(arms: pd.DataFrame) -> str:
    """`44.0 against 33.4 %`: two arms; else each by name; all with as many places, two digits of the least among them."""
    numbers = [_numbers(row) for row in arms.to_dict("records")]
    known = [p for p in (decimals(*n[1:]) for n in numbers) if p is not None]
    sizes = [abs(n[0]) for n in numbers if n[0] and np.isfinite(n[0])]
    if not numbers:
        return ""
    places = None
    if known and sizes:
        digits = max(0, 1 - math.floor(math.log10(min(sizes))))
        places = min(max(known), max(min(known), digits))
    medians = arms["estimand"].iloc[0] == MEDIAN
    texts = [number(n[0]) if medians else fixed(n[0], places) for n in numbers]
    named = [f"{arm} {t}" for arm, t in zip(arms["arm"], texts, strict=True)]
    return (" against ".join(texts) if len(texts) == 2 else ", ".join(named)) + _unit(arms)


def _unequal_spread(arms: pd.DataFrame, ends: np.ndarray) -> str:
    """What must be said where geometric means differ and arithmetic ones need not.

    Log-normal arms have equal arithmetic means where the ratio of their geometric means is exp((s2² − s1²) / 2).
    """
    if len(arms) != 2 or set(arms["estimand"]) != {GEOMETRIC} or ends[1] <= 1 <= ends[2]:
        return ""
    first, second = pd.to_numeric(arms["sd"], errors="coerce")
    equal = np.exp((second**2 - first**2) / 2)
    if not ends[1] <= equal <= ends[2]:
        return ""
    return (
        f"geometric means differ, arithmetic means need not: with the spread seen (SD of logs {first:.2g} and "
        f"{second:.2g}) they would be equal at a ratio of {equal:.2f}, which the interval holds"
    )


def listed(
    claim_id: str,
    outcomes: Sequence[str],
    own: Mapping[Key, Own],
    dictionary: pd.DataFrame,
    *,
    named: bool,
) -> list[str]:
    """A claim in lines: the two arms, then a line for each outcome, by its symbol where it is `named`."""
    found = {o: own.get((claim_id, o), NOTHING) for o in outcomes}
    found = {o: f for o, f in found.items() if f.effect}
    against = {f.against for f in found.values()} - {""}
    lines = [against.pop()] if len(against) == 1 else []
    for outcome, f in found.items():
        arms = f"{f.brief}," if f.brief and (f.against or f.kind == "R") else ""
        name = symbol(dictionary, outcome) if named else ""
        lines.append(" ".join(t for t in (name, arms, f.kind, f.effect) if t))
    return lines if named or len(lines) < 2 else [": ".join(lines)]
