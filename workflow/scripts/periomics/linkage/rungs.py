"""From the steps of an axis to its rung, what is missing, and one sentence that says no more than the rung."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from periomics.linkage.evidence import L1, L2, L3, L4, L5, NO, UNKNOWN, YES
from periomics.study.interface.linkage import AXIS_COLUMNS, RUNGS

NONE = "none"
Row = dict[str, Any]


def rungs(evidence: pd.DataFrame) -> pd.DataFrame:
    """One row per axis and question.

    Parameters
    ----------
    evidence
        Of `evidence`.

    Returns
    -------
    DataFrame
        AXIS_COLUMNS, the highest rungs first, of equal ones those whose response tracks the outcome best.
        `rung` is the last one up to which every step holds; `held` lists all that hold.
    """
    sharing = (
        evidence.drop_duplicates(["axis", "response"])
        .groupby("response")["axis"]
        .apply(lambda a: sorted(a))
    )
    rows = []
    for (question, axis), part in evidence.groupby(["question", "axis"], sort=True):
        listed = part.to_dict("records")
        steps = {rung: [row for row in listed if row["rung"] == rung] for rung in RUNGS}
        held = [r for r, step in steps.items() if any(row["holds"] == YES for row in step)]
        rung = NONE
        for r in RUNGS:
            if r not in held:
                break
            rung = r
        response = str(listed[0]["response"])
        missing = [f"{r}: {_missing(steps[r])}" for r in RUNGS if r not in held]
        others = [a for a in sharing.get(response, []) if a != axis] if response else []
        rows.append(
            {
                "axis": axis,
                "response": response,
                "question": question,
                "rung": rung,
                "held": " ".join(held),
                "missing": "; ".join(missing),
                "sentence": sentence(str(axis), str(question), rung, held, steps, others),
            }
        )
    table = pd.DataFrame(rows).reindex(columns=list(AXIS_COLUMNS))
    order = table["rung"].map({r: i for i, r in enumerate((NONE, *RUNGS))})
    count = table["held"].str.split().str.len()
    tracking = evidence[evidence["rung"] == L4].groupby(["question", "axis"])["p"].min()
    p = tracking.reindex(pd.MultiIndex.from_frame(table[["question", "axis"]])).to_numpy(float)
    table = table.assign(order=-order, count=-count, p=p)
    keys = ["question", "order", "count", "p", "axis"]
    return table.sort_values(keys, kind="stable")[list(AXIS_COLUMNS)].reset_index(drop=True)


def _missing(step: Sequence[Row]) -> str:
    no = [row for row in step if row["holds"] == NO]
    if no:
        row = no[0]
        said = f"{row['subject']} {_number(row)}".strip()
        return f"not shown ({said}{'; ' + row['reason'] if row['reason'] else ''})"
    return str(step[0]["reason"])


def _number(row: Row) -> str:
    digits = ".0f" if abs(row["value"]) >= WHOLE else ".3g"
    value = f"{row['value']:{digits}} {row['unit']}".strip() if pd.notna(row["value"]) else ""
    p = f"adjusted p {row['p']:.2g}" if pd.notna(row["p"]) else ""
    n = f"n {row['n']:g}" if pd.notna(row["n"]) else ""
    return ", ".join(x for x in (value, n, p) if x)


def _best(step: Sequence[Row]) -> Row:
    """The row that holds with the smallest p, of those without p the first."""
    held = [row for row in step if row["holds"] == YES]
    return min(held, key=lambda row: row["p"] if pd.notna(row["p"]) else math.inf)


# Numbers from here on are told without decimals.
WHOLE = 1000
# What a step that holds says: before its subject and number.
_SAYS = {
    L1: "the ligand is there ({subject}, {number})",
    L2: "so is the receptor ({subject}, {number})",
    L3: "the response moves as expected ({subject}, {number})",
    L4: "and {moves} within arms ({subject}, {number})",
    L5: "and perturbing the ligand moves the outcome ({subject}, {number})",
}
# The same of the receptor where no ligand was told before.
_ALONE = "the receptor is there ({subject}, {number})"


def sentence(
    axis: str,
    question: str,
    rung: str,
    held: list[str],
    steps: Mapping[str, Sequence[Row]],
    others: list[str],
) -> str:
    """One sentence on an axis, never above its rung.

    Parameters
    ----------
    axis, question
        Names.
    rung
        Up to which every step holds.
    held
        Every step that holds.
    steps
        Rung → its rows.
    others
        Axes that share the response and cannot be told apart by it.
    """
    name = axis.removeprefix("LR_").replace("_", "–")
    if not held:
        asked = any(row["holds"] != UNKNOWN for step in steps.values() for row in step)
        return f"{name}: {'no step of the evidence holds' if asked else 'nothing was measured'}."
    said = []
    for r in held:
        row = _best(steps[r])
        moves = (
            "rises with the outcome"
            if pd.notna(row["value"]) and row["value"] > 0
            else "falls as the outcome rises"
        )
        says = _ALONE if r == L2 and L1 not in held else _SAYS[r]
        text = says.format(subject=row["subject"], number=_number(row), moves=moves)
        said.append(text.replace(", )", ")"))
    lacking = [r for r in RUNGS if r not in held and r < max(held)]
    text = f"{name} and {question}: {'; '.join(said)}."
    if lacking:
        named = "; ".join(f"{r} missing ({RUNGS[r]})" for r in lacking)
        text += f" {named}: no link from the cells is shown."
    elif rung in (L4, L5):
        text += " This is consistent with a paracrine link" + (
            "." if rung == L5 else "; no perturbation was tried or none held."
        )
    if (L3 in held or L4 in held) and others:
        text += f" The response does not tell it from {', '.join(o.removeprefix('LR_') for o in others)}."
    return text
