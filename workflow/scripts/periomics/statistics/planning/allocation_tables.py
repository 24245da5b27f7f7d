"""Tables of an allocation: arm of every animal, batches of its specimens, and how balanced both came out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from periomics.core.errors import InputError
from periomics.core.seeds import generator
from periomics.statistics.planning.allocation import Allocation, allocate
from periomics.statistics.planning.layout import KEY_COLUMNS, lay_out
from periomics.study.settings.planning import BatchLayout, Planning

ALLOCATION_COLUMNS = ("animal_id", "arm", "block", "sex", "weight_g", "method")
BALANCE_COLUMNS = ("part", "what", "group", "arm", "value", "unit", "reason")
KEPT, DRAWN = "as in the sheet", "allocated"
RULE = "allocate_animals"


def planned_arms(settings: Planning, roles: Mapping[str, Any], sheet: pd.DataFrame) -> list[str]:
    """Arms of the next study: as declared, else those of the roles, else the groups of the sheet."""
    declared = list(settings.arms)
    of_roles = [roles.get("healthy"), roles.get("disease"), *(roles.get("treated") or [])]
    named = [str(a) for a in declared or of_roles if a]
    return named or sorted(set(sheet["group"]) - {""})


def allocation_table(
    sheet: pd.DataFrame,
    arms: Sequence[str],
    settings: Planning,
    seed: int,
    file: str = "animals sheet",
) -> tuple[pd.DataFrame, Allocation | None]:
    """Arm of every animal of the sheet, drawn or as it stands.

    Parameters
    ----------
    sheet
        The animals sheet; rows whose unit is not animal take no part.
    arms
        `planned_arms`.
    settings
        The planning section: `reallocate`, `weight_tolerance`.
    seed
        Of the config.
    file
        For errors.

    Returns
    -------
    table
        Columns `ALLOCATION_COLUMNS`, in the order of the sheet.
    allocation
        None where animals keep the arms of the sheet, or there are none.

    Raises
    ------
    InputError
        If some animals have a group and others do not, or the sheet cannot be allocated (`allocation.check_animals`).
    """
    animals = sheet[sheet["unit"] == "animal"]
    if animals.empty:
        return pd.DataFrame(columns=list(ALLOCATION_COLUMNS)), None
    has = animals["group"] != ""
    if not settings.reallocate and has.any():
        if not has.all():
            row = int(animals.index[~has][0])
            raise InputError(
                f"{int((~has).sum())} animals have no group and the others have one",
                file=file,
                row=row,
                column="group",
                allowed="groups for all animals or for none, or planning/reallocate: true, which ignores them",
            )
        return _table(animals, animals["group"].tolist(), KEPT), None
    rng = generator(seed, RULE, "animals")
    found = allocate(animals, arms, rng, settings.weight_tolerance, file=file)
    return _table(animals, list(found.arm), DRAWN), found


def _table(animals: pd.DataFrame, arm: Sequence[str], method: str) -> pd.DataFrame:
    return animals.assign(arm=arm, method=method)[list(ALLOCATION_COLUMNS)].reset_index(drop=True)


def layout_key(
    table: pd.DataFrame,
    batches: Sequence[BatchLayout],
    sheets: Mapping[str, pd.DataFrame],
    seed: int,
) -> pd.DataFrame:
    """Batch and position of every specimen of every declared layout, with arms: columns `layout.KEY_COLUMNS`.

    Parameters
    ----------
    table
        `allocation_table`.
    batches
        `planning/batches` of the config: name, capacity, sheet, per_animal.
    sheets
        Sheets by name. Specimens of a named sheet are laid out where it has rows of these animals; else every animal gives
        `per_animal` specimens, named <animal>-<layout>-<number>.
    """
    parts = []
    for batch in batches:
        specimens = _specimens(table, batch, sheets)
        rng = generator(seed, RULE, f"layout {batch.name}")
        parts.append(lay_out(specimens, batch.capacity, batch.name, rng))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(KEY_COLUMNS))


def _specimens(
    table: pd.DataFrame, batch: BatchLayout, sheets: Mapping[str, pd.DataFrame]
) -> pd.DataFrame:
    known = table[["animal_id", "arm", "block"]]
    if batch.sheet:
        rows = sheets[batch.sheet]
        rows = rows[rows["role"].isin(["sample", "vehicle"])].drop_duplicates("specimen_id")
        return rows[["specimen_id", "animal_id"]].merge(known, on="animal_id", how="inner")
    many = batch.per_animal
    parts = [
        known.assign(
            specimen_id=known["animal_id"] + f"-{batch.name}" + (f"-{i + 1}" if many > 1 else "")
        )
        for i in range(many)
    ]
    return pd.concat(parts, ignore_index=True)


def balance_table(
    table: pd.DataFrame, allocation: Allocation | None, key: pd.DataFrame, arms: Sequence[str]
) -> pd.DataFrame:
    """How balanced it is: animals and mean weight by arm, arm × block, arm × sex, and arms and blocks in each batch."""
    rows: list[dict[str, object]] = []

    def add(
        part: str, what: str, group: object, arm: str, value: float, unit: str, reason: str = ""
    ) -> None:
        rows.append(
            dict(zip(BALANCE_COLUMNS, (part, what, group, arm, value, unit, reason), strict=True))
        )

    if table.empty:
        add(
            "allocation",
            "animals",
            "",
            arm="",
            value=0,
            unit="animals",
            reason="the animals sheet has no rows of unit animal",
        )
    for arm in [a for a in arms if (table["arm"] == a).any()] + sorted(
        set(table["arm"]) - set(arms)
    ):
        mine = table[table["arm"] == arm]
        add("allocation", "animals", "", arm, len(mine), "animals")
        if mine["weight_g"].notna().any():
            add("allocation", "mean weight", "", arm, mine["weight_g"].mean(), "g")
        for column in ("block", "sex"):
            for label, n in table.groupby(column).size().items():
                if label and n:
                    add(
                        "allocation",
                        f"animals by {column}",
                        label,
                        arm,
                        int((mine[column] == label).sum()),
                        "animals",
                    )
    if allocation is not None:
        words = {
            "optimal": "no better balance exists, or none is needed (planning/weight_tolerance)",
            "unproven": "the search ended by its node count: a better balance may exist",
        }[allocation.status]
        value, reason = (
            (allocation.difference, words)
            if allocation.weighed
            else (np.nan, "the sheet has no weights")
        )
        add(
            "allocation",
            "largest difference of mean weights",
            "",
            arm="",
            value=value,
            unit="g",
            reason=reason,
        )
    for (layout, batch), part in key.groupby(["layout", "batch"], sort=True):
        for what, column in (("specimens by arm", "arm"), ("specimens by block", "block")):
            for label in sorted(set(key.loc[key["layout"] == layout, column])):
                n = int((part[column] == label).sum())
                add(
                    str(layout),
                    what,
                    f"batch {batch}" + (f", {label}" if column == "block" else ""),
                    str(label) if column == "arm" else "",
                    n,
                    "specimens",
                )
    return pd.DataFrame(rows, columns=list(BALANCE_COLUMNS))
