"""What was declared before data and what changed since: freezing, unblinding, the key of coded groups, deviations with their effect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from periomics.report.grids import Grid, grid
from periomics.report.sources import Sources
from periomics.study.blinding import settings
from periomics.study.claims_lock import Entry, canonical, digest, read_lock
from periomics.study.frozen import STATE, frozen_items, unblinded

NOT_FROZEN = "claims were not frozen before data"
DEVIATIONS = {
    "when": "Frozen so at",
    "kind": "Kind",
    "item": "Item",
    "change": "Change",
    "claim_id": "Claim",
    "outcome": "Outcome",
    "verdict_now": "Verdict now",
    "verdict_frozen": "Verdict as frozen",
    "effect": "Effect",
}


@dataclass(frozen=True)
class Declared:
    """The section: one line for the head of the page, sentences with whether each is a warning, and tables.

    `history` is None where nothing was ever recorded.
    """

    line: str
    sentences: Sequence[tuple[str, bool]]
    deviations: Grid
    history: Grid | None


def declared(sources: Sources) -> Declared:
    """The section of a study; a study that froze nothing says so."""
    entries = read_lock(sources.path("lock"))
    found = [_frozen(entries), *_amended(entries), *_key(sources, entries), _unblinded(entries)]
    line = "; ".join(s for s, _ in [found[0], *_key(sources, entries)])
    reason = (
        "Nothing changed since."
        if entries
        else "Nothing was frozen that later claims could be compared with."
    )
    table = sources.table("deviations", list(DEVIATIONS))
    deviations = grid(
        table.assign(when=[moment(str(w)) for w in table["when"]]),
        DEVIATIONS,
        title="Changes and their effect on verdicts",
        file="statistics/deviations.tsv" if sources.path("deviations") else "",
        reason=reason,
    )
    return Declared(
        _sentence(line), [(f"{_sentence(s)}.", w) for s, w in found], deviations, _history(entries)
    )


def methods_sentence(sources: Sources) -> str:
    """One sentence for the methods text."""
    entries = read_lock(sources.path("lock"))
    parts = [_frozen(entries)[0], *(s for s, _ in _key(sources, entries)), _unblinded(entries)[0]]
    changed = len(set(sources.table("deviations", ["item"])["item"]) - {"all together"})
    after = (
        [f"{changed} later change{'s' * (changed != 1)} listed with the effect on verdicts"]
        if entries
        else []
    )
    return f"{_sentence('; '.join([*parts, *after]))}."


def moment(when: str) -> str:
    """A time of the record as it is read: date, hours and minutes."""
    return f"{when[:10]} {when[11:16]} UTC" if "T" in when else ""


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _frozen(entries: Sequence[Entry]) -> tuple[str, bool]:
    first = [e for e in entries if e.event == "frozen"]
    if not first:
        return NOT_FROZEN, True
    state: Any = next((e.value for e in first if e.item == STATE), {})
    sha = digest(canonical(frozen_items(entries, first=True)))[:12]
    known = state.get("verdicts") == "existed"
    seen = (
        "when verdicts already existed"
        if known
        else "before there was any verdict in the results folder"
    )
    key = {"opened": ", after the key was opened", "not opened": ", before the key was opened"}.get(
        str(state.get("key")),
        "",
    )
    return (
        f"claims frozen {moment(first[0].when)} (digest {sha}), {seen}{key}",
        known or "after" in key,
    )


def _amended(entries: Sequence[Entry]) -> list[tuple[str, bool]]:
    times = list(dict.fromkeys(e.when for e in entries if e.event == "changed"))
    if not times:
        return []
    items = sorted({e.item for e in entries if e.event == "changed" and e.item != STATE})
    return [(f"amended {', '.join(moment(t) for t in times)}: {', '.join(items)}", True)]


def _key(sources: Sources, entries: Sequence[Entry]) -> list[tuple[str, bool]]:
    """What is known of the key; nothing where groups are not coded."""
    codes = settings(sources.config).get("codes")
    if not codes:
        return []
    if sources.path("key") is None:
        return [
            (
                f"key not opened: groups are coded ({', '.join(map(str, codes))}) and no claim is judged",
                True,
            )
        ]
    when = next((e.when for e in entries if e.event == "unblinded" and e.item == "key"), "")
    return [
        (f"key opened {moment(when)}", False)
        if when
        else ("key opened, at a time that was not recorded", True)
    ]


def _unblinded(entries: Sequence[Entry]) -> tuple[str, bool]:
    when = unblinded(entries)
    if not when:
        return "sheets, configuration, masks and imports were not recorded at an unblinding", False
    n = sum(e.event == "unblinded" and not e.item.startswith("verdicts/") for e in entries)
    return (
        f"unblinded {moment(when)}: digests of {n} sheets, settings and files were recorded, and the verdicts",
        False,
    )


def _history(entries: Sequence[Entry]) -> Grid | None:
    rows = pd.DataFrame(
        [
            (moment(e.when), e.event, e.item, e.change, e.sha256[:12])
            for e in entries
            if e.item != STATE
        ],
        columns=["when", "event", "item", "change", "sha256"],
    )
    columns = {
        "when": "When",
        "event": "Event",
        "item": "Item",
        "change": "Change",
        "sha256": "SHA-256",
    }
    return grid(rows, columns, title="The record (claims.lock.tsv)", limit=200) if entries else None
