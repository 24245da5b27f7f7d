"""What changed since the claims were frozen and since the study was unblinded, each with its effect on verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from periomics.core.errors import PeriomicsError
from periomics.statistics.claims.analysis import Analysis
from periomics.statistics.claims.blinded import judged
from periomics.statistics.claims.plan import read_plan
from periomics.study.claims_lock import Entry, canonical
from periomics.study.frozen import Change, changes, frozen_items, rebuilt, unblinded, verdicts_then

COLUMNS = (
    "when",
    "kind",
    "item",
    "change",
    "claim_id",
    "outcome",
    "verdict_now",
    "verdict_frozen",
    "effect",
)
NOT_FROZEN, AMENDED, LATE = "changed, not frozen", "amended", "amended after unblinding"
INPUT = "input changed after unblinding"
NO_EFFECT = "no verdict changes"
DIFFERS, NEW, GONE = "the verdict differs", "judged now only", "judged then only"
TOGETHER, UNEXPLAINED = "all together", "verdicts"
Items = Mapping[str, object]


def declaration_deviations(
    entries: Sequence[Entry],
    declared: Items,
    analysis: Analysis,
    withheld: str = "",
) -> pd.DataFrame:
    """Every difference between what is declared now and what was first frozen, with its effect on the verdicts of today's animals.

    Parameters
    ----------
    entries
        Rows of the lock.
    declared
        `frozen.items` of the study now.
    analysis
        Today's animals and dictionary; its plan is not read, that of `declared` is.
    withheld
        Why nothing may be judged yet; then changes are listed without effects.

    Returns
    -------
    DataFrame
        Columns `COLUMNS`, one row per item and verdict that differs, or one row per item with `NO_EFFECT`.
        The effect of one item is found by undoing it alone; where there are several, their effect together
        follows.

    Notes
    -----
    The first freeze counts, not the last: claims that were changed and frozen again after results were seen would otherwise
    look as if they had been declared so.
    """
    first = frozen_items(entries, first=True)
    found = changes(first, declared)
    if not first or not found:
        return pd.DataFrame(columns=list(COLUMNS))
    last, opened = frozen_items(entries), unblinded(entries)
    heads = [_head(entries, last, opened, change) for change in found]
    if withheld:
        return _table([h | {"effect": withheld} for h in heads])
    now = _judge(declared, analysis)
    rows: list[dict[str, object]] = []
    for head, change in zip(heads, found, strict=True):
        rows += _effects(head, now, _without(declared, first, change, analysis))
    if len(found) > 1:
        head = {
            "kind": "",
            "item": TOGETHER,
            "change": f"{len(found)} changes since the first freeze",
        }
        rows += _effects(head, now, _judge(first, analysis))
    return _table(rows)


def input_deviations(
    entries: Sequence[Entry], changed: Sequence[Change], verdicts: pd.DataFrame
) -> pd.DataFrame:
    """Inputs that changed since the unblinding, with the verdicts now beside those of then.

    Parameters
    ----------
    entries
        Rows of the lock.
    changed
        `frozen.inputs_changed`.
    verdicts
        statistics/verdicts.tsv.

    Returns
    -------
    DataFrame
        As `declaration_deviations`. What one of several changed inputs did cannot be told without measuring again; verdicts that
        differ stand under the one that changed, or under all together. Verdicts that differ though no input does (another
        release of the software) are listed as well.
    """
    then = verdicts_then(entries)
    if then.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    heads = [{"kind": INPUT, "item": c.item, "change": c.words} for c in changed]
    if len(heads) == 1:
        return _table(_effects(heads[0], verdicts, then))
    together = _effects(
        {"kind": INPUT, "item": TOGETHER, "change": f"{len(heads)} inputs changed"}, verdicts, then
    )
    if heads:
        return _table([*(h | {"effect": "see all together"} for h in heads), *together])
    if together[0]["effect"] == NO_EFFECT:
        return pd.DataFrame(columns=list(COLUMNS))
    words = {
        "item": UNEXPLAINED,
        "change": "no recorded input changed: look at claims and software",
    }
    return _table([row | words for row in together])


def _head(entries: Sequence[Entry], last: Items, opened: str, change: Change) -> dict[str, object]:
    """When and how a change was recorded: by a later freeze, or not at all."""
    frozen_so = change.item in last if change.value is not None else change.item not in last
    if frozen_so and change.value is not None:
        frozen_so = canonical(last[change.item]) == canonical(change.value)
    when = (
        [e.when for e in entries if e.event == "changed" and e.item == change.item]
        if frozen_so
        else []
    )
    kind = NOT_FROZEN if not when else LATE if opened and when[-1] >= opened else AMENDED
    return {
        "when": when[-1] if when else "",
        "kind": kind,
        "item": change.item,
        "change": change.words,
    }


def _judge(declared: Items, analysis: Analysis) -> pd.DataFrame:
    claims, roles = rebuilt(declared)
    return judged(analysis.under(read_plan(claims, roles, "claims.lock.tsv")), "")


def _without(
    declared: Items, first: Items, change: Change, analysis: Analysis
) -> pd.DataFrame | None:
    """Verdicts of the present claims with one change undone; None where the rest cannot stand without it."""
    undone = {i: v for i, v in declared.items() if i != change.item}
    if change.item in first:
        undone = {i: first[i] if i == change.item else v for i, v in declared.items()}
        undone[change.item] = first[change.item]
    elif change.value is not None and change.item.startswith("order/"):
        undone[change.item] = [i.partition("/")[2] for i in first if i.startswith("claims/")]
    try:
        return _judge(undone, analysis)
    except PeriomicsError:
        return None


def _effects(
    head: Mapping[str, object], now: pd.DataFrame, then: pd.DataFrame | None
) -> list[dict[str, object]]:
    """A row for every verdict that differs, or one that says none does."""
    if then is None:
        return [{**head, "effect": "cannot be undone alone: see all together"}]
    a, b = (
        dict(zip(zip(t["claim_id"], t["outcome"], strict=True), t["verdict"], strict=True))
        for t in (now, then)
    )
    rows: list[dict[str, object]] = []
    for key in dict.fromkeys([*a, *b]):
        if a.get(key) == b.get(key):
            continue
        effect = NEW if key not in b else GONE if key not in a else DIFFERS
        rows.append(
            {
                **head,
                "claim_id": key[0],
                "outcome": key[1],
                "verdict_now": a.get(key, ""),
                "verdict_frozen": b.get(key, ""),
                "effect": effect,
            }
        )
    return rows or [{**head, "effect": NO_EFFECT}]


def _table(rows: Sequence[Mapping[str, object]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(COLUMNS)).fillna("")
