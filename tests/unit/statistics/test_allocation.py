"""Allocation and layout: hand-checked optima, balance always, chance near uniform over seeds, clear refusals, blind sheets."""

import numpy as np
import pandas as pd
import pulp
import pytest
from scipy import stats

from periomics.core.errors import InputError, PeriomicsError
from periomics.core.solver import OPTIMAL, UNPROVEN, choose_solver, solve
from periomics.statistics.planning import allocation_tables as tables
from periomics.statistics.planning.allocation import allocate
from periomics.statistics.planning.layout import KEY_COLUMNS, lay_out, operator_sheet
from periomics.study.settings.planning import BatchLayout, Planning

SOLVERS = [
    s
    for s in ("HiGHS", "CBC")
    if (s if s == "HiGHS" else "PULP_CBC_CMD") in pulp.listSolvers(onlyAvailable=True)
]


def sheet(weights, block=None, sex=None, **more):
    n = len(weights)
    return pd.DataFrame(
        {
            "animal_id": [f"R{i}" for i in range(n)],
            "unit": "animal",
            "group": "",
            "block": block or [""] * n,
            "sex": sex or [""] * n,
            "weight_g": np.array(weights, float),
        }
        | more,
        index=range(2, n + 2),
    )


def spread(a, b):
    counts = pd.crosstab(np.asarray(a), np.asarray(b))
    return int((counts.max(axis=1) - counts.min(axis=1)).max())


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_only_perfect_split_is_found(solver):
    """1 + 6 + 8 = 2 + 3 + 10 = 15 is the only split of these six into equal sums of three (checked by hand)."""
    found = allocate(
        sheet([1, 2, 3, 6, 8, 10]), ["A", "B"], np.random.default_rng(1), 0.0, solver=solver
    )
    groups = {frozenset(np.flatnonzero(np.array(found.arm) == a)) for a in "AB"}
    assert groups == {frozenset({0, 3, 4}), frozenset({1, 2, 5})}
    assert found.difference == pytest.approx(0) and found.status == OPTIMAL


@pytest.mark.parametrize("solver", SOLVERS)
def test_blocks_come_before_weights(solver):
    """Two blocks of (100, 120) and (100, 130): 100 + 130 against 120 + 100, a difference of means of 5 g, is the best there is."""
    found = allocate(
        sheet([100, 120, 100, 130], ["x", "x", "y", "y"]),
        ["A", "B"],
        np.random.default_rng(3),
        0.0,
        solver=solver,
    )
    assert (
        found.arm[0] != found.arm[1]
        and found.arm[2] != found.arm[3]
        and found.arm[0] == found.arm[3]
    )
    assert found.difference == pytest.approx(5)


@pytest.mark.parametrize(
    ("n", "arms", "blocks"), [(24, 4, 3), (25, 4, 3), (17, 3, 4), (40, 4, 4), (10, 5, 2)]
)
def test_every_block_and_sex_is_as_even_as_can_be(n, arms, blocks):
    rng = np.random.default_rng(n)
    df = sheet(
        rng.normal(180, 12, n),
        [f"d{b}" for b in rng.integers(0, blocks, n)],
        list(rng.choice(["F", "M"], n)),
    )
    names = [f"G{k}" for k in range(arms)]
    found = allocate(df, names, np.random.default_rng(1))
    assert (
        spread(np.zeros(n), found.arm) <= 1
        and spread(df["block"], found.arm) <= 1
        and spread(df["sex"], found.arm) <= 1
    )
    if n >= 17:
        assert found.difference <= 0.1 * df["weight_g"].std() + 1e-3 and found.status == OPTIMAL


def test_weights_come_out_closer_than_by_chance():
    rng = np.random.default_rng(5)
    df = sheet(rng.normal(180, 12, 24), [f"d{i % 3}" for i in range(24)])
    found = allocate(df, list("ABCD"), np.random.default_rng(1))
    plain = []
    for _ in range(500):
        arm = rng.permutation(np.repeat(list("ABCD"), 6))
        plain.append(np.ptp(df["weight_g"].groupby(arm).mean()))
    assert found.difference < np.quantile(plain, 0.02)


def test_allocation_is_random_over_seeds_and_the_same_for_a_seed():
    rng = np.random.default_rng(6)
    df = sheet(
        rng.normal(180, 12, 12), [f"d{i % 2}" for i in range(12)], list(rng.choice(["F", "M"], 12))
    )
    arms, seeds = list("ABC"), 150
    runs = [allocate(df, arms, np.random.default_rng(s), 0.3).arm for s in range(seeds)]
    assert runs[7] == allocate(df, arms, np.random.default_rng(7), 0.3).arm
    counts = np.array([[sum(r[i] == a for r in runs) for a in arms] for i in range(12)])
    statistic = ((counts - seeds / 3) ** 2 / (seeds / 3)).sum()
    # 12 animals with 2 degrees of freedom each, the four constraints on totals make it smaller, never larger.
    assert statistic < stats.chi2.ppf(0.999, 24)
    # Who is together with whom: as in a plain lottery among all balanced allocations, drawn here by rejection.
    together = np.array(
        [[np.mean([r[i] == r[j] for r in runs]) for j in range(12)] for i in range(12)]
    )
    lottery = np.array(
        [
            drawn[:, i] == drawn[:, j]
            for drawn in [balanced_lottery(df, 0.3, 600)]
            for i in range(12)
            for j in range(12)
        ]
    )
    lottery = lottery.mean(axis=1).reshape(12, 12)
    off = ~np.eye(12, dtype=bool)
    assert together[off].mean() == pytest.approx(3 / 11, abs=1e-9)
    assert (
        np.abs(together - lottery)[off].mean() < 0.05
        and np.corrcoef(together[off], lottery[off])[0, 1] > 0.95
    )


def balanced_lottery(df, tolerance, size):
    """Arms 0, 1, 2 of twelve animals in two blocks of six, kept if sexes and mean weights are balanced; shape (size, 12)."""
    rng = np.random.default_rng(1)
    female, weight = (df["sex"] == "F").to_numpy(), df["weight_g"].to_numpy()
    kept = []
    while len(kept) < size:
        arm = np.empty((5000, 12), int)
        for block in ("d0", "d1"):
            arm[:, (df["block"] == block).to_numpy()] = rng.permuted(
                np.tile([0, 0, 1, 1, 2, 2], (5000, 1)), axis=1
            )
        hot = arm[..., None] == np.arange(3)
        women, mean = (
            np.ptp(hot[:, female].sum(axis=1), axis=1),
            np.ptp((hot * weight[:, None]).sum(axis=1) / 4, axis=1),
        )
        kept += list(arm[(women <= 1) & (mean <= tolerance * weight.std(ddof=1))])
    return np.array(kept[:size])


def test_what_cannot_be_allocated_is_named():
    df = sheet([1, 2, 3])
    with pytest.raises(InputError, match="3 animals cannot fill 4 arms"):
        allocate(df, list("ABCD"), np.random.default_rng(1))
    with pytest.raises(InputError, match="two arms or more"):
        allocate(df, ["A"], np.random.default_rng(1))
    with pytest.raises(InputError, match="named twice"):
        allocate(df, ["A", "A"], np.random.default_rng(1))
    with pytest.raises(
        InputError,
        match="row 3, column weight_g: 1 animals have no weight and the others have one: R1",
    ):
        allocate(sheet([1, np.nan, 3]), ["A", "B"], np.random.default_rng(1))
    with pytest.raises(InputError, match="row 3, column animal_id: stands twice"):
        allocate(df.assign(animal_id="R0"), ["A", "B"], np.random.default_rng(1))


def test_without_weights_numbers_are_still_balanced():
    found = allocate(sheet([np.nan] * 8, ["x", "y"] * 4), ["A", "B"], np.random.default_rng(1))
    assert (
        not found.weighed and np.isnan(found.difference) and spread(["x", "y"] * 4, found.arm) == 0
    )
    same = allocate(sheet([200.0] * 6), ["A", "B"], np.random.default_rng(1))
    assert same.difference == 0 and spread(np.zeros(6), same.arm) == 0


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_search_that_ends_by_its_nodes_is_unproven_and_an_infeasible_one_an_error(solver):
    rng = np.random.default_rng(8)
    df = sheet(rng.normal(180, 12, 40), [f"d{i % 4}" for i in range(40)])
    found = allocate(df, list("ABCD"), np.random.default_rng(1), 0.0, solver=solver, nodes=30)
    assert found.status == UNPROVEN and spread(df["block"], found.arm) <= 1
    problem = pulp.LpProblem("none", pulp.LpMinimize)
    x = problem.add_variable("x", cat="Binary")
    problem += x >= 0.2
    problem += x <= 0.8
    problem.setObjective(x + 0)
    with pytest.raises(PeriomicsError, match="without a solution"):
        solve(problem, choose_solver(solver))


def specimens(n=24, arms=4, blocks=3):
    return pd.DataFrame(
        {
            "specimen_id": [f"s{i}" for i in range(n)],
            "animal_id": [f"R{i}" for i in range(n)],
            "arm": [f"G{i % arms}" for i in range(n)],
            "block": [f"d{i // arms % blocks}" for i in range(n)],
        }
    )


@pytest.mark.parametrize(("n", "capacity"), [(24, 8), (24, 12), (23, 8), (10, 4), (5, 20)])
@pytest.mark.parametrize("solver", SOLVERS)
def test_batches_hold_all_arms_and_blocks_evenly(n, capacity, solver):
    key = lay_out(specimens(n), capacity, "run", np.random.default_rng(2), solver=solver)
    assert list(key.columns) == list(KEY_COLUMNS) and sorted(key["specimen_id"]) == sorted(
        specimens(n)["specimen_id"]
    )
    assert key.groupby("batch").size().max() <= capacity and key["batch"].nunique() == -(
        -n // capacity
    )
    assert spread(key["arm"], key["batch"]) <= 1 and spread(key["block"], key["batch"]) <= 1
    assert (key["status"] == OPTIMAL).all() and key["label"].is_unique
    for _, part in key.groupby("batch"):
        assert sorted(part["position"]) == list(range(1, len(part) + 1))


def test_layouts_differ_over_seeds_and_order_within_a_batch_is_random():
    runs = [lay_out(specimens(), 8, "run", np.random.default_rng(s)) for s in range(60)]
    pd.testing.assert_frame_equal(runs[3], lay_out(specimens(), 8, "run", np.random.default_rng(3)))
    first = pd.concat(r[r["position"] == 1] for r in runs)["arm"].value_counts()
    assert stats.chisquare(first).pvalue > 1e-3
    batch = pd.concat(runs).groupby("specimen_id")["batch"].value_counts().unstack(fill_value=0)
    assert ((batch - 20) ** 2 / 20).to_numpy().sum() < stats.chi2.ppf(0.999, 48)


def test_the_operator_sees_no_arm():
    key = lay_out(
        specimens().assign(specimen_id=[f"{a}-{i}" for i, a in enumerate(["G1", *["x"] * 23])]),
        8,
        "run",
        np.random.default_rng(1),
    )
    seen = operator_sheet(key, ["G0", "G1", "G2", "G3"])
    assert not {"arm", "block", "animal_id"} & set(seen.columns)
    assert not seen.astype(str).apply(lambda c: c.str.contains("G1")).any(axis=None)
    assert (seen["specimen_id"] == "").sum() == 1 and seen["note"].str.contains(
        "relabelled"
    ).sum() == 1
    assert (seen["label"] == key["label"]).all()
    other = operator_sheet(
        key.assign(specimen_id=[f"rat{i}" for i in range(22)] + ["A7", "x-a-2"]), ["A", "B"]
    )
    assert (other["specimen_id"] == "").sum() == 2
    with pytest.raises(InputError, match="has no arm"):
        lay_out(specimens().assign(arm=""), 8, "run", np.random.default_rng(1))
    assert lay_out(specimens(0), 8, "run", np.random.default_rng(1)).empty


def test_tables_of_a_study():
    rng = np.random.default_rng(9)
    animals = pd.concat(
        [
            sheet(rng.normal(180, 9, 12), ["x", "y"] * 6, ["F", "M"] * 6),
            sheet([np.nan], unit="isolation", animal_id=["I1"]),
        ]
    ).set_axis(range(2, 15))
    roles = {"healthy": "CTRL", "disease": "DRUG", "treated": ["POST"]}
    arms = tables.planned_arms(Planning(), roles, animals)
    assert arms == ["CTRL", "DRUG", "POST"] and tables.planned_arms(
        Planning(arms=("a", "b")), roles, animals
    ) == ["a", "b"]
    table, found = tables.allocation_table(animals, arms, Planning(), 1)
    assert len(table) == 12 and set(table["method"]) == {"allocated"} and found is not None
    scans = pd.DataFrame({"specimen_id": ["c0", "c1"], "animal_id": ["R0", "R1"], "role": "sample"})
    batches = [
        BatchLayout(name="stain", capacity=8, per_animal=2),
        BatchLayout(name="ct", capacity=8, sheet="scans"),
    ]
    key = tables.layout_key(table, batches, {"scans": scans}, 1)
    assert key["layout"].value_counts().to_dict() == {"stain": 24, "ct": 2} and "R0-stain-2" in set(
        key["specimen_id"]
    )
    stain = key[key["layout"] == "stain"]
    assert (
        spread(stain["arm"], stain["batch"]) <= 1
        and spread(stain["animal_id"], stain["batch"]) <= 1
    )
    balance = tables.balance_table(table, found, key, arms)
    numbers = balance[balance["what"] == "animals"].set_index("arm")["value"]
    assert numbers.to_dict() == {"CTRL": 4, "DRUG": 4, "POST": 4}
    whole = balance[balance["what"] == "largest difference of mean weights"].iloc[0]
    assert (
        whole["value"] == pytest.approx(np.ptp(table.groupby("arm")["weight_g"].mean()))
        and "no better balance" in whole["reason"]
    )


def test_groups_in_the_sheet_are_kept_ignored_or_refused():
    animals = sheet([1, 2, 3, 4], group=["A", "A", "B", "B"])
    table, found = tables.allocation_table(animals, ["A", "B"], Planning(), 1)
    assert (
        found is None
        and table["arm"].tolist() == ["A", "A", "B", "B"]
        and set(table["method"]) == {"as in the sheet"}
    )
    _, found = tables.allocation_table(animals, ["A", "B"], Planning(reallocate=True), 1)
    assert found is not None
    with pytest.raises(
        InputError, match=r"row 3, column group: 1 animals have no group.*reallocate"
    ):
        tables.allocation_table(
            animals.assign(group=["A", "", "B", "B"]), ["A", "B"], Planning(), 1
        )
    table, found = tables.allocation_table(animals.iloc[:0], ["A", "B"], Planning(), 1)
    key = tables.layout_key(table, [BatchLayout(name="ct", capacity=3)], {}, 1)
    balance = tables.balance_table(table, found, key, ["A", "B"])
    assert (
        table.empty and key.empty and balance["reason"].str.contains("no rows of unit animal").all()
    )
