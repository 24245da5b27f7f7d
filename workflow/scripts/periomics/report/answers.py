"""The short answers on top of the first screen: one line per claim, in plain words, with how sure and on how many animals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from periomics.report.claims import anchor
from periomics.report.own import Key, Own, listed
from periomics.report.words import (
    bayes_words,
    counted,
    known,
    number,
    p_value,
    said,
    symbol,
    tone,
    unvalidated,
)
from periomics.study.claims import ALL_OF
from periomics.study.dictionary import is_score

# Words of verdicts in the order in which an answer names them; words that are not listed follow.
ORDER = (
    "supported",
    "supported, small",
    "refuted",
    "improved but below the margin",
    "improved, size unclear",
    "inconclusive",
    "no deficit",
    "not tested",
    "not judged",
)
UNREACHED = ("no deficit", "not tested", "not judged")
NAMED = 3
LONGEST_REASON = 90
# Tone and mark of a claim that holds for some outcomes only.
MIXED = ("part", "◐")
# Verdicts whose p-value says how strong the evidence for them is; the others are read from the interval.
SHOWN_BY_P = ("supported", "supported, small")


@dataclass(frozen=True)
class Phrase:
    """What holds for some of a claim's outcomes: words, the tone they are printed in, the verdict."""

    words: str
    tone: str
    verdict: str = ""


@dataclass(frozen=True)
class Answer:
    """One line: the claim, what became of it, how sure that is, on how many units.

    `own` is the answer in the outcomes' own units, `anchor` the claim's first verdict.
    """

    claim_id: str
    text: str
    tone: str
    mark: str
    phrases: Sequence[Phrase]
    sure: str
    units: str
    confounded: bool
    unvalidated: str
    anchor: str
    own: Sequence[str]


def answers(
    verdicts: pd.DataFrame,
    declared: Mapping[str, Any],
    dictionary: pd.DataFrame,
    units: Sequence[str] = (),
    own: Mapping[Key, Own] | None = None,
) -> list[Answer]:
    """One line per claim in the declared order.

    Parameters
    ----------
    verdicts
        statistics/verdicts.tsv.
    declared
        claims.yaml; its contrasts say which units they compare.
    dictionary
        resources/outcomes.tsv.
    units
        Kinds of units of the animals sheet: where there is one kind, contrasts compare it.
    own
        `own.own_units`; verdicts that were not reached are not listed.
    """
    contrasts = declared.get("contrasts") or {}
    out = []
    for claim_id, rows in verdicts.groupby("claim_id", sort=False):
        first = rows.iloc[0]
        unit = str(
            (contrasts.get(first["contrast"]) or {}).get("unit")
            or (units[0] if len(units) == 1 else "animal")
        )
        labels = _labels(rows, dictionary)
        phrases = _phrases(rows, labels)
        colour, mark = (
            MIXED if len(phrases) > 1 and phrases[0].tone == "good" else tone(_words(rows)[0])
        )
        marks = {
            unvalidated(dictionary, o) for o in rows["outcome"] if not str(o).startswith(ALL_OF)
        } - {""}
        out.append(
            Answer(
                claim_id=str(claim_id),
                text=said(first["text"])
                or said((contrasts.get(first["contrast"]) or {}).get("text")),
                tone=colour,
                mark=mark,
                phrases=phrases,
                sure=_sure(rows),
                units=_units(rows, unit),
                confounded=bool((rows["confounded_with"].map(said) != "").any()),
                unvalidated=", ".join(sorted(marks)),
                anchor=anchor("claim", claim_id, first["outcome"]),
                own=listed(
                    str(claim_id), _judged(rows), own or {}, dictionary, named=len(rows) > 1
                ),
            )
        )
    return out


def _judged(rows: pd.DataFrame) -> list[str]:
    """Outcomes on which the claim was reached and judged."""
    return [str(o) for o in rows.loc[~rows["verdict"].isin(UNREACHED), "outcome"]]


def _words(rows: pd.DataFrame) -> list[str]:
    """The verdicts of a claim, each once, in the order of an answer."""
    found = [str(w) for w in dict.fromkeys(rows["verdict"])]
    return [*(w for w in ORDER if w in found), *(w for w in found if w not in ORDER)]


def _labels(rows: pd.DataFrame, dictionary: pd.DataFrame) -> dict[str, str]:
    """What an outcome is called in an answer: its domain where no other outcome of the claim has it, else its name."""
    outcomes = [str(o) for o in rows["outcome"]]
    domains = [said(d) for d in rows["domain"]]
    if len(set(domains)) == len(domains) and all(domains):
        return dict(zip(outcomes, domains, strict=True))
    return {
        o: symbol(dictionary, o) if is_score(o) else str(known(dictionary, o)["name"])
        for o in outcomes
    }


def _phrases(rows: pd.DataFrame, labels: Mapping[str, str]) -> list[Phrase]:
    out: list[Phrase] = []
    total = len(rows)
    for word in _words(rows):
        hit = [str(o) for o in rows.loc[rows["verdict"] == word, "outcome"]]
        colour = tone(word)[0]
        if total == 1:
            where = " over all outcomes" if hit[0].startswith(ALL_OF) else ""
        elif len(hit) == total:
            where = f" for {'both' if total == 2 else f'all {total}'} outcomes"
        elif len(hit) <= NAMED and out:
            where = f" for {_listed([labels[o] for o in hit])}"
        else:
            where = f" for {len(hit)} of {total} outcomes"
            where += f" ({_listed([labels[o] for o in hit])})" if len(hit) <= NAMED else ""
        out.append(Phrase(word + where, colour, word))
    return out


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _sure(rows: pd.DataFrame) -> str:
    """Largest adjusted p of the verdicts that hold, else the smallest of all, and Bayes factors; else why there is none."""
    p = pd.to_numeric(rows["p_adj"], errors="coerce")
    holds = rows["verdict"].isin(SHOWN_BY_P)
    parts = []
    if (holds & p.notna()).any():
        parts.append(_bound(p[holds].dropna(), largest=True))
    elif p.notna().any():
        parts.append(_bound(p.dropna(), largest=False))
    bf, most = (pd.to_numeric(rows[c], errors="coerce").dropna() for c in ("bf01", "bf01_ceiling"))
    if len(bf):
        parts.append(bayes_words(bf.min(), most.max(), bf.max()))
    return "; ".join(parts) or _reason(rows)


def _reason(rows: pd.DataFrame) -> str:
    """Why a claim has no p-value, where all its outcomes share one short reason."""
    reasons = {said(r) for r in rows["reason"]}
    text = reasons.pop() if len(reasons) == 1 else ""
    return text if len(text) <= LONGEST_REASON else ""


def _bound(p: pd.Series, *, largest: bool) -> str:
    text = p_value(float(p.max() if largest else p.min()))
    several = p.nunique() > 1
    return f"adjusted {text.replace('=', '≤' if largest else '≥') if several else text}"


def _units(rows: pd.DataFrame, unit: str) -> str:
    """`11 to 12 animals`: units that enter the comparison, all arms together; claims that could not be formed do not count."""
    n = pd.to_numeric(rows["n_animals"], errors="coerce").fillna(0).astype(int)
    n = n[n > 0]
    if n.empty:
        return "none"
    low, high = int(n.min()), int(n.max())
    return counted(high, unit) if low == high else f"{number(low)} to {counted(high, unit)}"
