"""Freezing and unblinding: which items are recorded, what changed since, and the declared claims made again from the record."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from periomics.core.errors import PeriomicsError
from periomics.core.files import sha256
from periomics.study.blinding import key_file
from periomics.study.claims_lock import Entry, canonical, digest
from periomics.study.plan import own_outcomes
from periomics.study.sheets import SPECIMEN_SHEETS
from periomics.study.study import RESULTS_TOKEN, Study

# Mappings that are one statement; every other mapping of claims.yaml is split by its entries.
WHOLE = ("margin", "design", "composite", "secondary")
# Items that are none of the claims file: the config's roles, the order of claims, how things stood at a freeze.
ROLES, ORDER, STATE = "roles", "order/claims", "state"
# Settings that say where things are, or that stand for themselves in the record.
NOT_COMPARED = ("results_dir", "study_dir", "blinding", "roles", "claims")
NOT_THERE = "not there"
VERDICT_FACTS = ("claim_id", "outcome", "verdict", "estimate", "lower", "upper")


@dataclass(frozen=True)
class Change:
    """One item that differs; `value` is the new one, None where it was removed."""

    item: str
    words: str
    value: object


def items(claims: Mapping[str, object], roles: Mapping[str, object] | None) -> dict[str, object]:
    """Everything that is declared, item by item: entries of claims.yaml and the roles, in their order.

    Empty entries are left out: `directions: {}` says no more than no directions.
    """
    out: dict[str, object] = {}
    for key, value in claims.items():
        if value is None or value == {} or value == []:
            continue
        if key == "claims" and isinstance(value, list):
            out |= {f"claims/{claim['id']}": claim for claim in value}
        elif isinstance(value, Mapping) and key not in WHOLE:
            out |= {f"{key}/{name}": entry for name, entry in value.items() if entry is not None}
        else:
            out[str(key)] = value
    filled = {k: v for k, v in (roles or {}).items() if v}
    return out | ({ROLES: filled} if filled else {})


def rebuilt(declared: Mapping[str, object]) -> tuple[dict, dict]:
    """The claims mapping and the roles that a set of items stands for."""
    claims: dict = {}
    for item, value in declared.items():
        key, _, name = item.partition("/")
        if item in (ROLES, ORDER, STATE):
            continue
        if not name:
            claims[key] = value
        elif key == "claims":
            claims.setdefault(key, []).append(value)
        else:
            claims.setdefault(key, {})[name] = value
    order = declared.get(ORDER)
    if isinstance(order, list) and "claims" in claims:
        claims["claims"].sort(
            key=lambda c: order.index(c["id"]) if c["id"] in order else len(order)
        )
    roles = declared.get(ROLES)
    return claims, dict(roles) if isinstance(roles, Mapping) else {}


def changes(old: Mapping[str, object], new: Mapping[str, object]) -> list[Change]:
    """What differs between two sets of items, in plain words; with the order of claims where only that tells them apart."""
    out = [
        Change(item, difference(old[item], value) if item in old else "added", value)
        for item, value in new.items()
        if item != ORDER and (item not in old or canonical(old[item]) != canonical(value))
    ]
    gone = [i for i in old if i not in new and i != ORDER]
    out += [Change(i, f"removed, was {canonical(old[i])}", None) for i in gone]
    after = {i: v for i, v in old.items() if i not in gone} | dict(new)
    before, wanted = (_order(rebuilt(x)[0]) for x in (after | {ORDER: old.get(ORDER)}, new))
    if before != wanted:
        out.append(
            Change(ORDER, f"changed from {canonical(before)} to {canonical(wanted)}", wanted)
        )
    return out


def _order(claims: Mapping[str, object]) -> list[str]:
    rows = claims.get("claims")
    return [str(c["id"]) for c in rows] if isinstance(rows, list) else []


def difference(old: object, new: object) -> str:
    """How a value changed, key by key where it has keys."""
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        return f"changed from {canonical(old)} to {canonical(new)}"
    parts = []
    for key in dict.fromkeys([*old, *new]):
        if key not in new:
            parts.append(f"{key} removed, was {canonical(old[key])}")
        elif key not in old:
            parts.append(f"{key} added, {canonical(new[key])}")
        elif canonical(old[key]) != canonical(new[key]):
            parts.append(f"{key} changed from {canonical(old[key])} to {canonical(new[key])}")
    return "; ".join(parts)


def frozen_items(entries: Sequence[Entry], first: bool = False) -> dict[str, object]:
    """The declared items as last frozen, or as they were at the first freeze."""
    out: dict[str, object] = {}
    for entry in entries:
        if (
            entry.event not in ("frozen", "changed")
            or entry.item == STATE
            or (first and entry.event == "changed")
        ):
            continue
        if entry.content:
            out[entry.item] = entry.value
        else:
            out.pop(entry.item, None)
    return out


def freeze_entries(
    entries: Sequence[Entry], declared: Mapping[str, object], state: Mapping[str, object], when: str
) -> list[Entry]:
    """Rows that a freeze adds: all items the first time, what changed afterwards, nothing where nothing did.

    Parameters
    ----------
    entries
        The rows so far.
    declared
        `items` of the study.
    state
        How things stand (`state_of`); recorded with every freeze.
    when
        The time.
    """
    event = "changed" if any(e.event == "frozen" for e in entries) else "frozen"
    found = changes(frozen_items(entries), declared)
    if not found:
        return []
    rows = [
        _entry(when, event, c.item, c.words, None if c.value is None else canonical(c.value))
        for c in found
    ]
    return [*rows, _entry(when, event, STATE, "as it stood", canonical(state))]


def _entry(
    when: str, event: str, item: str, words: str, content: str | None, sha: str | None = None
) -> Entry:
    return Entry(
        when, event, item, sha or (digest(content) if content else ""), words, content or ""
    )


def state_of(study: Study) -> dict[str, str]:
    """What could already be known: whether verdicts existed in the results folder, and whether coded groups were opened."""
    verdicts = Path(study.results) / "statistics" / "verdicts.tsv"
    key = (
        "opened"
        if study.coding.opened
        else "not opened"
        if study.coding.codes
        else "groups are not coded"
    )
    return {"verdicts": "existed" if verdicts.is_file() else "none", "key": key}


def declared_items(study: Study) -> dict[str, object]:
    """`items` of a study."""
    roles = study.config.get("roles")
    return items(study.claims, roles if isinstance(roles, Mapping) else None)


def observed(study: Study) -> dict[str, tuple[str, object]]:
    """Digest and content of all that verdicts rest on besides the raw data.

    Returns
    -------
    dict
        Item → (sha256, content): every sheet (exclusions among them), the claims, sections of the config, the key, and every mask,
        annotation and import that the sheets name. The content of a file is its name. What the simulation writes is left out: it
        follows from the config.
    """
    files = {
        item: (sha256(p) if p.exists() else NOT_THERE, p.name) for item, p in _files(study).items()
    }
    sections = {
        f"config/{name}": (digest(canonical(value)), value)
        for name, value in study.config.items()
        if name not in NOT_COMPARED
    }
    claims = (digest(canonical(declared_items(study))), Path(study.claims_file() or "").name)
    return files | sections | {"claims": claims}


def recorded_files(study: Study) -> list[str]:
    """Files whose digests are recorded, those that exist."""
    return sorted({str(p) for p in _files(study).values() if p.exists()})


def _files(study: Study) -> dict[str, Path]:
    named: dict[str, object] = {f"sheets/{n}": study.sheet_file(n) for n in study.sheets}
    named["key"] = key_file(study.config, study.folder)
    named |= {f"outcomes/{Path(p).name}": p for p in own_outcomes(study)}
    for sheet in SPECIMEN_SHEETS:
        for column, kind in (("mask", "masks"), ("rois", "annotations"), ("path", "imports")):
            if column not in study.sheets[sheet].columns or (
                kind == "imports" and sheet != "imports"
            ):
                continue
            for cell in sorted(set(study.sheets[sheet][column]) - {""}):
                if not cell.startswith(RESULTS_TOKEN):
                    named[f"{kind}/{cell}"] = study.resolve(sheet, cell)
    return {item: Path(str(path)) for item, path in named.items() if path}


def unblind_entries(
    entries: Sequence[Entry], study: Study, verdicts: pd.DataFrame, when: str
) -> list[Entry]:
    """Rows that the unblinding adds: digests of what verdicts rest on, and the verdicts.

    Nothing where the study was unblinded before: the first time counts.

    Raises
    ------
    PeriomicsError
        If the claims were never frozen, groups are still coded, or there is no verdict.
    """
    if not any(e.event == "frozen" for e in entries):
        raise PeriomicsError(
            "the claims were never frozen: `snakemake freeze` comes first, before results are looked at"
        )
    if study.withheld:
        raise PeriomicsError(f"{study.withheld}: name it in the config under blinding/key first")
    if unblinded(entries):
        return []
    if verdicts.empty:
        raise PeriomicsError("there is no verdict yet: nothing to be unblinded")
    rows = [
        _entry(when, "unblinded", i, "recorded", canonical(v), sha)
        for i, (sha, v) in observed(study).items()
    ]
    for row in verdicts.to_dict("records"):
        content = canonical({k: row[k] for k in VERDICT_FACTS})
        rows.append(
            _entry(
                when,
                "unblinded",
                f"verdicts/{row['claim_id']}/{row['outcome']}",
                "recorded",
                content,
            )
        )
    return rows


def unblinded(entries: Sequence[Entry]) -> str:
    """When the study was unblinded, '' where it was not."""
    return next((e.when for e in entries if e.event == "unblinded"), "")


def inputs_changed(entries: Sequence[Entry], study: Study) -> list[Change]:
    """Inputs that differ from what they were at the unblinding; none where there was none."""
    then = {
        e.item: e for e in entries if e.event == "unblinded" and not e.item.startswith("verdicts/")
    }
    if not then:
        return []
    found, out = observed(study), []
    for item in dict.fromkeys([*then, *found]):
        old = then[item].sha256 if item in then else NOT_THERE
        new = found[item][0] if item in found else NOT_THERE
        if old == new:
            continue
        if NOT_THERE in (old, new):
            out.append(Change(item, "added" if old == NOT_THERE else "removed", None))
        elif item.startswith("config/"):
            out.append(
                Change(
                    item, difference(then[item].value, json.loads(canonical(found[item][1]))), None
                )
            )
        else:
            out.append(Change(item, f"the content changed ({old[:12]} to {new[:12]})", None))
    return out


def verdicts_then(entries: Sequence[Entry]) -> pd.DataFrame:
    """The verdicts at the unblinding."""
    rows = [e.value for e in entries if e.event == "unblinded" and e.item.startswith("verdicts/")]
    return pd.DataFrame(rows, columns=list(VERDICT_FACTS))
