"""Coded groups: sheets that hold codes instead of arms until a key is opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from periomics.core.errors import nearest
from periomics.core.problems import Problem
from periomics.core.tables import read_table

WITHHELD = "groups are coded; the key has not been opened"
# Where a code may stand: the group of an animal, the condition of a specimen.
CODED_COLUMNS = ("group", "condition")


@dataclass(frozen=True)
class Coding:
    """Codes of a study and the arms they stand for.

    Parameters
    ----------
    codes
        Declared codes; none where the sheets name the arms.
    arms
        Code → arm; empty as long as the key is closed (or wrong, which the check says).
    """

    codes: tuple[str, ...] = ()
    arms: Mapping[str, str] = field(default_factory=dict)

    @property
    def closed(self) -> bool:
        return bool(self.codes) and not self.arms

    @property
    def opened(self) -> bool:
        return bool(self.arms)

    def decoded(self, sheet: pd.DataFrame) -> pd.DataFrame:
        """A sheet with arms in place of codes; as it is while the key is closed."""
        columns = [c for c in CODED_COLUMNS if c in sheet.columns]
        return (
            sheet.assign(**{c: sheet[c].map(lambda v: self.arms.get(v, v)) for c in columns})
            if self.arms
            else sheet
        )


def settings(config: Mapping[str, object]) -> Mapping[str, Any]:
    """The config's `blinding`, empty where it is none."""
    found = config.get("blinding")
    return found if isinstance(found, Mapping) else {}


def key_file(config: Mapping[str, object], folder: Path) -> Path | None:
    """The key as the config names it, or None; it need not exist yet."""
    name = settings(config).get("key")
    return folder / str(name) if name and settings(config).get("codes") else None


def read_coding(config: Mapping[str, object], folder: Path) -> tuple[Coding, list[Problem]]:
    """Codes of a study and, where the key exists, what they stand for; a key with a slip stays closed and the check says why."""
    codes = settings(config).get("codes")
    codes = tuple(str(c) for c in codes) if isinstance(codes, list | tuple) else ()
    path = key_file(config, folder)
    if path is None or not path.is_file():
        return Coding(codes), []
    table = read_table(path, path.name)
    problems = [
        *table.problems,
        *check_key(table.data, path.name, codes, bool(settings(config).get("shared_arms"))),
    ]
    if any(p.level == "error" for p in problems):
        return Coding(codes), problems
    return Coding(codes, dict(zip(table.data["code"], table.data["arm"], strict=True))), problems


def check_key(
    table: pd.DataFrame, file: str, codes: tuple[str, ...], shared: bool = False
) -> list[Problem]:
    """Every problem of a key: each code once, each with an arm of its own.

    Parameters
    ----------
    table
        Columns code and arm as text, indexed by the spreadsheet's row.
    file
        Name for problems.
    codes
        The codes that the config declares.
    shared
        Whether several codes may stand for one arm.
    """
    missing = [c for c in ("code", "arm") if c not in table.columns]
    if missing:
        known = nearest(missing[0], table.columns)
        return [
            Problem(file, 1, c, f"this column is needed{known}", allowed="code, arm")
            for c in missing
        ]
    problems, seen = [], set()
    arms: dict[str, str] = {}
    for row, code, arm in table[["code", "arm"]].itertuples():
        if code not in codes:
            problems.append(
                Problem(
                    file, row, "code", f"unknown code{nearest(code, codes)}", code, ", ".join(codes)
                )
            )
        elif code in seen:
            problems.append(Problem(file, row, "code", "this code stands here twice", code))
        seen.add(code)
        if not arm:
            problems.append(Problem(file, row, "arm", f"code {code} has no arm"))
        elif arm in codes:
            problems.append(Problem(file, row, "arm", "an arm cannot be called like a code", arm))
        elif arm in arms and not shared:
            message = f"two codes stand for one arm ({arms[arm]} and {code})"
            problems.append(
                Problem(
                    file, row, "arm", message, arm, "distinct arms, or blinding/shared_arms: true"
                )
            )
        arms.setdefault(arm, code)
    lost = [c for c in codes if c not in seen]
    if lost:
        problems.append(
            Problem(file, 0, "code", "every code needs a row; without one", ", ".join(lost))
        )
    return problems


def declared_arms(config: Mapping[str, object], claims: Mapping[str, object]) -> set[str]:
    """Arms that roles, contrasts and rescue claims speak of; while groups are coded nothing else tells what arms there are."""
    roles = config.get("roles")
    roles = roles if isinstance(roles, Mapping) else {}
    treated = roles.get("treated") or []
    names = {
        roles.get("healthy"),
        roles.get("disease"),
        *([treated] if isinstance(treated, str) else treated),
    }
    contrasts = claims.get("contrasts")
    for contrast in contrasts.values() if isinstance(contrasts, Mapping) else ():
        weights = contrast.get("weights") if isinstance(contrast, Mapping) else None
        names |= set(weights) - {"healthy", "disease"} if isinstance(weights, Mapping) else set()
    rows = claims.get("claims")
    names |= {
        c.get("arm") for c in (rows if isinstance(rows, list) else ()) if isinstance(c, Mapping)
    }
    return {str(n) for n in names if n}
