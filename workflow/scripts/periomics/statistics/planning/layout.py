"""Specimens to batches (stain runs, scan sessions, library plates): arms and blocks as even as can be in each, order at random."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pulp

from periomics.core.errors import InputError
from periomics.core.solver import choose_solver, solve
from periomics.statistics.planning.allocation import NODES, evenly

LAYOUT_COLUMNS = ("layout", "batch", "position", "label", "specimen_id", "note")
KEY_COLUMNS = (
    "layout",
    "label",
    "specimen_id",
    "animal_id",
    "arm",
    "block",
    "batch",
    "position",
    "status",
)


def lay_out(
    specimens: pd.DataFrame,
    capacity: int,
    name: str,
    rng: np.random.Generator,
    *,
    solver: str = "HiGHS",
    nodes: int = NODES,
) -> pd.DataFrame:
    """Assign specimens to batches.

    Parameters
    ----------
    specimens
        specimen_id, animal_id, arm, block; one row per specimen.
    capacity
        Specimens that a batch holds; there are as few batches as that allows, of sizes that differ by at most one.
    name
        Of the layout; labels are <name>-<batch>-<position>.
    rng
        Decides which of the balanced layouts is taken, the numbering of batches and the order within each.

    Returns
    -------
    DataFrame
        Columns `KEY_COLUMNS`, sorted by batch and position. In every batch the numbers of an arm differ by at most one from those of
        any other batch (such a layout always exists); those of blocks, and of animals with several specimens, by as little as
        that leaves. `status` is that of the solver.

    Raises
    ------
    InputError
        For a specimen without an arm, or one that is listed twice.
    """
    if specimens.empty:
        return pd.DataFrame(columns=list(KEY_COLUMNS))
    for bad, words in (
        (specimens["specimen_id"].duplicated(), "stands twice"),
        (specimens["arm"] == "", "has no arm"),
    ):
        if bad.any():
            row = specimens[bad].iloc[0]
            raise InputError(
                f"{words} in layout {name}", column="specimen_id", value=row["specimen_id"]
            )
    n = len(specimens)
    batches = -(-n // capacity)
    df = specimens.iloc[rng.permutation(n)].reset_index(drop=True)
    problem = pulp.LpProblem("layout", pulp.LpMinimize)
    x = [
        [problem.add_variable(f"x{i}_{b}", cat="Binary") for b in range(batches)] for i in range(n)
    ]
    for row in x:
        problem += pulp.lpSum(row) == 1
    evenly(problem, [[x[i][b] for i in range(n)] for b in range(batches)], n)
    for arm in sorted(set(df["arm"])):
        index = np.flatnonzero(df["arm"] == arm)
        evenly(problem, [[x[i][b] for i in index] for b in range(batches)], index.size)
    uneven = [
        v for column in ("block", "animal_id") for v in _uneven(problem, df[column], x, column)
    ]
    chance = rng.random((n, batches)) / n
    problem.setObjective(
        pulp.lpSum(uneven)
        + 0.4 * pulp.lpSum(float(chance[i, b]) * x[i][b] for i in range(n) for b in range(batches))
    )
    # Counts are whole numbers and the random part stays below one: this gap proves the balance, not the random part.
    status = solve(problem, choose_solver(solver, gap=0.55, nodes=nodes))
    of = np.array([int(np.argmax([v.value() or 0.0 for v in row])) for row in x])
    df["batch"] = rng.permutation(batches)[of] + 1
    df["position"] = 0
    for b in range(1, batches + 1):
        members = np.flatnonzero(df["batch"] == b)
        df.loc[members, "position"] = rng.permutation(members.size) + 1
    width = len(str(max(capacity, 10) - 1))
    df["label"] = [
        f"{name}-{b}-{p:0{width}d}" for b, p in zip(df["batch"], df["position"], strict=True)
    ]
    df["layout"], df["status"] = name, status
    return df.sort_values(["batch", "position"]).reset_index(drop=True)[list(KEY_COLUMNS)]


def _uneven(
    problem: pulp.LpProblem, labels: pd.Series, x: Sequence[Sequence[pulp.LpVariable]], name: str
) -> list[pulp.LpVariable]:
    """Variables that count how far numbers of a label in a batch lie outside an even split."""
    out = []
    batches = len(x[0])
    for j, label in enumerate(sorted(set(labels))):
        index = np.flatnonzero(labels == label).tolist()
        if len(index) < 2 or len(index) == len(labels):
            continue
        for b in range(batches):
            count = pulp.lpSum(x[i][b] for i in index)
            excess = problem.add_variable(f"{name}{j}_{b}", lowBound=0)
            problem += excess >= count - (-(-len(index) // batches))
            problem += excess >= len(index) // batches - count
            out.append(excess)
    return out


def operator_sheet(key: pd.DataFrame, arms: Sequence[str]) -> pd.DataFrame:
    """What the operator is given: batch, position, label and specimen, without arm, block or animal.

    A specimen whose own id names an arm goes by its label only, and `note` says so: whoever keeps the key relabels it.
    """
    names = "|".join(re.escape(a) for a in arms if a)
    pattern = re.compile(rf"(?<![A-Za-z])(?:{names})(?![A-Za-z])", re.IGNORECASE)
    tells = key["specimen_id"].map(lambda s: bool(names) and bool(pattern.search(str(s))))
    out = key.assign(
        specimen_id=key["specimen_id"].where(~tells, ""),
        note=np.where(tells, "its id names an arm: relabelled by whoever keeps the key", ""),
    )
    return (
        out.sort_values(["layout", "batch", "position"])
        .reindex(columns=list(LAYOUT_COLUMNS))
        .reset_index(drop=True)
    )
