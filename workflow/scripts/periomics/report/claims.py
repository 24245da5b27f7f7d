"""The first screen: which claims hold, how sure, on how many animals."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from periomics.report.moved import COLUMNS as MOVED
from periomics.report.moved import decides, reason_left
from periomics.report.own import NOTHING, Key, Own
from periomics.report.words import (
    EXACT_UNITS,
    area_name,
    bayes_words,
    contrast_words,
    decimals,
    estimate_words,
    fixed,
    interval,
    known,
    number,
    p_value,
    said,
    symbol,
    tone,
    unvalidated,
)
from periomics.study.claims import ALL_OF

VERDICT_COLUMNS = (
    "claim_id",
    "outcome",
    "contrast",
    "estimate",
    "lower",
    "upper",
    "p_adj",
    "verdict",
    "reason",
    "confounded_with",
    "n_animals",
    "table",
    "rule",
    "text",
    "kind",
    "scale",
    "unit",
    "level",
    "margin",
    "margin_lower",
    "margin_upper",
    *MOVED,
    "R",
    "R_lower",
    "R_upper",
    "variant",
    "time",
    "time_unit",
    "domain",
    "tost_p",
    "bf01",
    "bf01_ceiling",
)
ASSOCIATIONS_FILE = "linkage/associations.tsv"
QUESTIONS = {
    "gate": "is there a deficit?",
    "superiority": "better?",
    "timing": "better at that time?",
    "dose_trend": "better with more?",
    "interaction": "stronger response?",
    "non_superiority": "no relevant improvement?",
    "equivalence": "equivalent?",
    "rescue": "rescue beyond the threshold?",
    "association": "do they go together within arms?",
}
# With more claims than this on one outcome a claim is a row, with fewer a column.
MOST_ACROSS = 6


@dataclass(frozen=True)
class Verdict:
    """One claim and outcome as the page shows it."""

    claim_id: str
    outcome: str
    symbol: str
    name: str
    verdict: str
    tone: str
    mark: str
    estimate: str
    interval: str
    counted_in: str
    level: str
    p: str
    n: str
    n_per_arm: str
    own: Own
    natural: str
    margin: str
    beyond: str
    decides: str
    bayes: str
    tost: str
    confounded_with: str
    unvalidated: str
    reason: str
    anchor: str
    evidence: str
    evidence_anchor: str
    rule: str
    area: str
    change: str


@dataclass
class Claim:
    """A claim with its verdicts by outcome; `whole` is the verdict of a claim over all outcomes."""

    claim_id: str
    text: str
    kind: str
    question: str
    contrast: str
    meaning: str
    confounded_with: str
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    whole: Verdict | None = None


@dataclass(frozen=True)
class Group:
    """Claims that share outcomes: one matrix on the first screen. `columns` are outcome, symbol, name, unvalidated."""

    columns: Sequence[tuple[str, str, str, str]]
    claims: Sequence[Claim]

    @property
    def across(self) -> bool:
        """Whether claims stand side by side, since all speak of one outcome."""
        return (
            len(self.columns) == 1
            and 1 < len(self.claims) <= MOST_ACROSS
            and not any(c.whole for c in self.claims)
        )


def claim_groups(
    verdicts: pd.DataFrame,
    contrasts: pd.DataFrame,
    rescue: pd.DataFrame,
    declared: Mapping[str, Any],
    dictionary: pd.DataFrame,
    associations: pd.DataFrame | None = None,
    own: Mapping[Key, Own] | None = None,
    change: Mapping[Key, str] | None = None,
) -> list[Group]:
    """Claims in their declared order, grouped by the outcomes they speak of; one that speaks of some of a group's joins it."""
    claims: dict[str, Claim] = {}
    thresholds = {str(c.get("id")): c.get("threshold", 0.5) for c in declared.get("claims") or []}
    for row in verdicts.to_dict("records"):
        claim = claims.setdefault(str(row["claim_id"]), _claim(row, declared))
        evidence = _evidence(row, contrasts, rescue, associations)
        named = (str(row["claim_id"]), str(row["outcome"]))
        found = _verdict(
            row,
            evidence,
            contrasts,
            dictionary,
            thresholds.get(named[0], 0.5),
            own=(own or {}).get(named, NOTHING),
            change=(change or {}).get(named, ""),
        )
        if str(row["outcome"]).startswith(ALL_OF):
            claim.whole = found
        else:
            claim.verdicts[str(row["outcome"])] = found
    groups: dict[tuple[str, ...], list[Claim]] = {}
    for claim in claims.values():
        key = tuple(claim.verdicts)
        if claim.whole and not key:
            key = tuple(claim.whole.outcome.removeprefix(ALL_OF).split(", "))
        groups.setdefault(next((k for k in groups if set(key) <= set(k)), key), []).append(claim)
    return [
        Group(
            [
                (
                    o,
                    symbol(dictionary, o),
                    str(known(dictionary, o)["name"]),
                    unvalidated(dictionary, o),
                )
                for o in key
            ],
            members,
        )
        for key, members in groups.items()
    ]


def _claim(row: Mapping[str, Any], declared: Mapping[str, Any]) -> Claim:
    contrasts = declared.get("contrasts") or {}
    contrast = contrasts.get(row["contrast"]) or {}
    kind = str(row["kind"])
    return Claim(
        claim_id=str(row["claim_id"]),
        text=said(row["text"]),
        kind=kind,
        question=QUESTIONS.get(kind, kind),
        contrast=str(row["contrast"]),
        meaning=str(contrast.get("text") or ""),
        confounded_with=said(row["confounded_with"]),
    )


def _evidence(
    row: Mapping[str, object],
    contrasts: pd.DataFrame,
    rescue: pd.DataFrame,
    associations: pd.DataFrame | None,
) -> tuple[str, int | None]:
    """File and line (header = 1) of the table row that a verdict rests on."""
    if row["kind"] == "association":
        pairs = (
            associations
            if associations is not None
            else pd.DataFrame(columns=["score_id", "outcome"])
        )
        hit = pairs.index[
            (pairs["score_id"] == row["contrast"]) & (pairs["outcome"] == row["outcome"])
        ]
        return ASSOCIATIONS_FILE, int(hit[0]) + 2 if len(hit) else None
    if row["kind"] == "rescue" and len(rescue):
        arm = str(row["contrast"]).removeprefix("rescue ")
        hit = rescue.index[
            (rescue["outcome"] == row["outcome"])
            & (rescue["arm"] == arm)
            & (rescue["variant"] == row["variant"])
            & (rescue["kind"] == "natural scale")
        ]
        if len(hit):
            return "statistics/rescue.tsv", int(hit[0]) + 2
    found = _rows(contrasts, row)
    found = found[~found["kind"].isin(["natural scale", "time course"])] if len(found) else found
    return "statistics/contrasts.tsv", int(found.index[0]) + 2 if len(found) else None


def _rows(contrasts: pd.DataFrame, row: Mapping[str, object]) -> pd.DataFrame:
    if contrasts.empty:
        return contrasts
    same = (contrasts["outcome"] == row["outcome"]) & (contrasts["contrast"] == row["contrast"])
    return contrasts[same & (contrasts["variant"] == row["variant"])]


def _natural(found: pd.DataFrame) -> str:
    """The difference of arithmetic means with its unadjusted interval."""
    for row in found.to_dict("records"):
        if row["scale"] == "identity" and row["kind"] != "time course":
            unit = contrast_words("identity", said(row["unit"]), said(row.get("method", "")))
            unit = unit.replace("1/", "per ", 1)
            best = fixed(row["estimate"], decimals(row["lower"], row["upper"]))
            return " ".join(t for t in (best, interval(row["lower"], row["upper"]), unit) if t)
    return ""


def _verdict(
    row: Mapping[str, Any],
    evidence: tuple[str, int | None],
    contrasts: pd.DataFrame,
    dictionary: pd.DataFrame,
    threshold: object,
    *,
    own: Own,
    change: str,
) -> Verdict:
    outcome, verdict = str(row["outcome"]), str(row["verdict"])
    colour, mark = tone(verdict)
    found = _rows(contrasts, row)
    file, line = evidence
    entry = known(dictionary, outcome)
    best = (
        fixed(row["estimate"], decimals(row["lower"], row["upper"]))
        if pd.notna(row["lower"])
        else ""
    )
    whole = outcome.startswith(ALL_OF)
    return Verdict(
        claim_id=str(row["claim_id"]),
        outcome=outcome,
        symbol=_all_of(outcome, dictionary) if whole else symbol(dictionary, outcome),
        name="" if whole else str(entry["name"]),
        verdict=verdict,
        tone=colour,
        mark=mark,
        estimate=best,
        interval=interval(row["lower"], row["upper"]),
        counted_in=estimate_words(
            said(row["scale"]),
            EXACT_UNITS.get(str(entry.get("kind")), said(row["unit"])),
            str(row["kind"]),
            threshold,
        ),
        level=_level(row["level"]),
        p=p_value(row["p_adj"]),
        n=number(row["n_animals"]),
        n_per_arm=str(found["n_per_arm"].iloc[0]) if len(found) else own.per_arm,
        own=own,
        natural="" if said(row["scale"]) == "identity" else _natural(found),
        margin=said(row["margin"]),
        beyond=_beyond(row),
        decides=decides(row),
        bayes=bayes_words(row["bf01"], row["bf01_ceiling"]),
        tost=p_value(pd.to_numeric(row["tost_p"])),
        confounded_with=said(row["confounded_with"]),
        unvalidated="" if whole else unvalidated(dictionary, outcome),
        reason=reason_left(_reason(row, dictionary)) if change else _reason(row, dictionary),
        anchor=anchor("claim", row["claim_id"], outcome),
        evidence=f"{file}, line {line}" if line else file,
        evidence_anchor=anchor(file, line) if line else "",
        rule=said(row["rule"]),
        area="" if whole else area_name(str(entry["modality"])),
        change=change,
    )


def _beyond(row: Mapping[str, Any]) -> str:
    """The interval of the effect less its margin, where the verdict rests on it: within the margin is below 0."""
    ends = [pd.to_numeric(row[c], errors="coerce") for c in ("margin_lower", "margin_upper")]
    return "" if pd.isna(ends).any() else interval(*ends)


def _all_of(outcome: str, dictionary: pd.DataFrame) -> str:
    return ALL_OF + ", ".join(
        symbol(dictionary, o) for o in outcome.removeprefix(ALL_OF).split(", ")
    )


def _reason(row: Mapping[str, object], dictionary: pd.DataFrame) -> str:
    """The reason as the table gives it; a verdict over all outcomes calls each by its symbol."""
    text, outcome = said(row["reason"]), str(row["outcome"])
    for name in outcome.removeprefix(ALL_OF).split(", ") if outcome.startswith(ALL_OF) else ():
        shown = symbol(dictionary, name).replace("\\", "\\\\")
        text = re.sub(rf"(?<![^ ]){re.escape(name)}: ", f"{shown}: ", text)
    return text


def _level(level: Any) -> str:
    return f"{100 * float(level):.3g} %" if said(level) else ""


def anchor(*parts: object) -> str:
    """An id for an element of the page: letters, digits and dashes; other characters by their code, so that ids stay apart."""
    text = "--".join(str(p) for p in parts)
    return "".join(c if c.isascii() and (c.isalnum() or c == "-") else f"_{ord(c):x}" for c in text)
