"""Animals to arms by an integer programme: equal numbers in every block, sexes balanced, mean weights alike, and still at random.

How chance enters. Labels of arms are dealt at random to the groups that the programme forms, so that every animal is as likely to
come into each arm as into any other. The groups themselves are drawn too: among all that are balanced enough (`tolerance`) the
programme takes the cheapest by random costs, so that weights alone do not say who is together. With tolerance 0 the best
balance leaves little choice of groups, and only the labels are random.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pulp

from periomics.core.errors import InputError, PeriomicsError
from periomics.core.solver import choose_solver, solve

NODES = 2000
SEXES = ("F", "M")


@dataclass(frozen=True)
class Allocation:
    """Arm of every animal, the largest difference of mean weight between arms (g), and what the solver says of it.

    `status` is `optimal` where no allocation is better balanced, or none needs to be (within the tolerance), `unproven` where the
    search ended by its node count; `weighed` is False where the sheet has no weights.
    """

    arm: tuple[str, ...]
    difference: float
    status: str
    weighed: bool


def check_animals(animals: pd.DataFrame, arms: Sequence[str], file: str = "animals sheet") -> None:
    """Refuse what cannot be allocated.

    Raises
    ------
    InputError
        Naming file, row, column and value: fewer than two arms, an arm named twice, an animal listed twice, fewer animals than
        arms, or a weight missing where others are given.
    """
    if len(arms) < 2:
        raise InputError(
            "an allocation needs two arms or more",
            file="config",
            column="planning/arms",
            value=list(arms),
        )
    if len(set(arms)) < len(arms):
        raise InputError(
            "an arm is named twice", file="config", column="planning/arms", value=list(arms)
        )
    twice = animals.index[animals["animal_id"].duplicated()]
    if len(twice):
        row = int(twice[0])
        raise InputError(
            "stands twice",
            file=file,
            row=row,
            column="animal_id",
            value=animals.at[row, "animal_id"],
        )
    if len(animals) < len(arms):
        raise InputError(
            f"{len(animals)} animals cannot fill {len(arms)} arms",
            file=file,
            column="animal_id",
            allowed=f"{len(arms)} or more",
        )
    missing = animals.index[animals["weight_g"].isna()]
    if 0 < len(missing) < len(animals):
        row = int(missing[0])
        raise InputError(
            f"{len(missing)} animals have no weight and the others have one: {', '.join(animals.loc[missing, 'animal_id'])}",
            file=file,
            row=row,
            column="weight_g",
            allowed="a weight for every animal, or for none",
        )


def allocate(
    animals: pd.DataFrame,
    arms: Sequence[str],
    rng: np.random.Generator,
    tolerance: float = 0.1,
    *,
    solver: str = "HiGHS",
    nodes: int = NODES,
    file: str = "animals sheet",
) -> Allocation:
    """Allocate animals to arms.

    Parameters
    ----------
    animals
        animal_id, block, sex, weight_g; one row per animal.
    arms
        Names of the arms, in the order in which they are printed.
    rng
        Decides labels, costs and order.
    tolerance
        In SD of the weights: mean weights that differ by no more count as balanced.
    solver, nodes
        HiGHS or CBC; most nodes of each search.
    file
        For errors.

    Notes
    -----
    In every block, in each sex and over all, numbers of animals in two arms differ by at most one. Such an allocation always exists:
    animals are edges between their block and their sex, arms are colours, and a bipartite multigraph has an equitable
    edge colouring for any number of colours.
    """
    check_animals(animals, arms, file)
    n, k = len(animals), len(arms)
    order = rng.permutation(n)
    shuffled = animals.iloc[order]
    weight = shuffled["weight_g"].to_numpy(float)
    weighed = bool(np.isfinite(weight).all())
    spread = float(weight.std(ddof=1)) if weighed else 0.0
    standard = (weight - weight.mean()) / spread if spread > 0 else np.zeros(n)
    size = np.full(k, n // k) + (np.arange(k) < n % k)
    problem, x = _balanced(shuffled, size)
    difference = problem.add_variable("difference", lowBound=tolerance)
    low, high = problem.add_variable("low"), problem.add_variable("high")
    for a in range(k):
        mean = pulp.lpSum(float(standard[i] / size[a]) * x[i][a] for i in range(n))
        problem += mean >= low
        problem += mean <= high
    problem += high - low <= difference
    problem.setObjective(difference + 0)
    try:
        status = solve(problem, choose_solver(solver, gap=1e-6, nodes=nodes))
    except PeriomicsError as error:
        raise PeriomicsError(
            f"no allocation of {n} animals to {k} arms was found: {error}"
        ) from None
    problem += difference <= max(float(difference.value() or 0.0), tolerance) + 1e-6
    cost = rng.random((n, k))
    problem.setObjective(
        pulp.lpSum(float(cost[i, a]) * x[i][a] for i in range(n) for a in range(k))
    )
    kept = _groups(x)
    try:
        solve(problem, choose_solver(solver, gap=0.02 * n, nodes=nodes))
        kept = _groups(x)
    except PeriomicsError:
        pass  # no second allocation within the node count: the first stands
    labels = rng.permutation(k)
    arm = np.empty(n, dtype=object)
    arm[order] = [arms[labels[a]] for a in kept]
    means = pd.Series(animals["weight_g"].to_numpy(float)).groupby(arm).mean()
    found = float(means.max() - means.min()) if weighed else float("nan")
    return Allocation(tuple(arm), found, status, weighed)


def _groups(x: list[list[pulp.LpVariable]]) -> list[int]:
    return [int(np.argmax([v.value() or 0.0 for v in row])) for row in x]


def _balanced(
    animals: pd.DataFrame, size: np.ndarray
) -> tuple[pulp.LpProblem, list[list[pulp.LpVariable]]]:
    """Programme without objective: every animal in one group, groups of the given sizes, blocks and sexes balanced."""
    n, k = len(animals), len(size)
    problem = pulp.LpProblem("allocation", pulp.LpMinimize)
    x = [[problem.add_variable(f"x{i}_{a}", cat="Binary") for a in range(k)] for i in range(n)]
    for row in x:
        problem += pulp.lpSum(row) == 1
    for a in range(k):
        problem += pulp.lpSum(x[i][a] for i in range(n)) == int(size[a])
    strata = [animals["block"] == b for b in sorted(set(animals["block"]))]
    strata += [animals["sex"] == s for s in SEXES]
    for members in strata:
        index = np.flatnonzero(members.to_numpy())
        if 0 < index.size < n:
            evenly(problem, [[x[i][a] for i in index] for a in range(k)], index.size)
    return problem, x


def evenly(problem: pulp.LpProblem, cells: Sequence[Sequence[pulp.LpVariable]], total: int) -> None:
    """Constrain numbers in cells that share `total` to differ by at most one."""
    for cell in cells:
        problem += pulp.lpSum(cell) >= total // len(cells)
        problem += pulp.lpSum(cell) <= -(-total // len(cells))
