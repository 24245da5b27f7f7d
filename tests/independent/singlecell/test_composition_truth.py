"""Shares of cell types with truths from the definition: exact ratios, and studies drawn from Poisson counts."""

import numpy as np
import pandas as pd
import pytest

from periomics.singlecell.composition import composition_table
from periomics.study.settings.singlecell import PseudobulkTests

CONTRAST = {"treated - control": {"T": 1.0, "C": -1.0}}


def run(cells, arms, animals=None, paired=False, blocks=None, **settings):
    """Rows of the contrast, by type, for a list of dicts type → cells."""
    ids = [f"lib{i}" for i in range(len(arms))]
    rows = [(i, t, n) for i, c in zip(ids, cells, strict=True) for t, n in c.items()]
    groups = pd.DataFrame(rows, columns=["specimen_id", "cell_type", "n_cells"])
    samples = pd.DataFrame(
        {"specimen_id": ids, "animal_id": animals or ids, "arm": arms, "unit": "animal"}
    )
    if blocks:
        samples["block_0"] = blocks
    table = composition_table(groups, samples, CONTRAST, paired, PseudobulkTests(**settings))
    return table[table["row"] == "contrast"].set_index("cell_type")


BASE = {"fibroblast": 40_000, "basal": 20_000, "T": 8_000, "B": 4_000, "mast": 2_000}
NOISE = (1.0, 1.1, 0.9, 1.05)


def exact(factor, changed="T", depth=1.0):
    """Four animals an arm: animals differ by depth and by a small factor of one type; one type changes by a known factor."""
    out = []
    for arm in range(2):
        for i, noise in enumerate(NOISE):
            cells = {t: n * (i + 1) * (depth if arm else 1) for t, n in BASE.items()}
            cells[list(BASE)[i]] *= noise
            if arm:
                cells[changed] *= factor
            out.append({t: round(n) for t, n in cells.items()})
    return out, ["C"] * 4 + ["T"] * 4


@pytest.mark.parametrize("changed", list(BASE))
@pytest.mark.parametrize("depth", [0.2, 1, 7])
def test_one_type_changes_by_its_factor_and_the_others_by_none(changed, depth):
    cells, arms = exact(np.exp(1.5), changed, depth)
    out = run(cells, arms)
    assert out.at[changed, "estimate"] == pytest.approx(1.5, abs=0.01)
    assert np.allclose(out.drop(changed)["estimate"], 0, atol=0.01)
    assert out.at[changed, "padj"] < 0.001
    assert (out.drop(changed)["padj"] > 0.5).all()


def test_within_animals_the_factor_is_the_same():
    cells, arms = exact(np.exp(-0.8), "basal")
    animals = [f"rat{i}" for i in range(4)] * 2
    jitter = [1.0, 1.02, 0.98, 1.01]
    for i in range(4):
        cells[4 + i]["B"] = round(cells[4 + i]["B"] * jitter[i])
    out = run(cells, arms, animals, paired=True)
    assert out.at["basal", "estimate"] == pytest.approx(-0.8, abs=0.01)
    assert np.allclose(out.drop("basal")["estimate"], 0, atol=0.02)


@pytest.mark.parametrize(
    ("blocks", "tested"), [("xxyyxxyy", True), ("xxyyxyyy", False), ("xxxxyyyy", False)]
)
def test_blocks_that_differ_between_arms_leave_an_estimate_only(blocks, tested):
    """No block effect is estimated, so that a difference of days is no difference of arms."""
    cells, arms = exact(np.exp(1.5))
    out = run(cells, arms, blocks=list(blocks))
    assert out.at["T", "estimate"] == pytest.approx(1.5, abs=0.01)
    assert out["p"].notna().all() if tested else out["p"].isna().all()
    assert tested or out["reason"].str.contains("blocks").all()


def test_days_that_are_the_same_within_every_animal_leave_paired_differences_as_they_are():
    cells, arms = exact(np.exp(-0.8), "basal")
    cells[4]["B"] = round(cells[4]["B"] * 1.02)
    animals = [f"rat{i}" for i in range(4)] * 2
    out = run(cells, arms, animals, paired=True, blocks=list("xxxyxxxy"))
    assert out.at["basal", "status"] == "tested"


def test_libraries_that_are_the_same_have_no_interval_and_say_so():
    out = run([BASE] * 8, ["C"] * 4 + ["T"] * 4)
    assert (out["estimate"] == 0).all()
    assert out["p"].isna().all()
    assert (out["status"] == "descriptive").all()
    assert out["reason"].str.contains("do not differ").all()


def study(seed, n_control, n_treated, change):
    """Poisson cells of seven types; animals vary by a gamma factor of CV .3 per type, and in depth."""
    rng = np.random.default_rng([914, seed])
    mean = np.array([420, 300, 190, 120, 90, 60, 30])
    arms = ["C"] * n_control + ["T"] * n_treated
    cells = []
    for arm in arms:
        rate = mean * rng.gamma(1 / 0.09, 0.09, 7) * rng.uniform(0.5, 2)
        if arm == "T":
            rate[3] *= np.exp(change)
        cells.append({f"type{k}": int(c) for k, c in enumerate(rng.poisson(rate))})
    return run(cells, arms)


@pytest.mark.slow
@pytest.mark.parametrize("sizes", [(3, 3), (5, 5), (8, 8), (3, 7)])
@pytest.mark.parametrize("change", [0.0, 1.5])
def test_types_that_did_not_change_are_called_in_one_study_of_twenty_at_most(sizes, change):
    """By the 99.9 % limit of a binomial of .05 in 150 studies: 17."""
    unchanged = [f"type{k}" for k in range(7) if not (change and k == 3)]
    found = [study(seed, *sizes, change) for seed in range(150)]
    assert sum((out.loc[unchanged, "padj"] < 0.05).any() for out in found) <= 17
    if change and min(sizes) >= 5:
        assert np.mean([out.at["type3", "padj"] < 0.05 for out in found]) > 0.9
