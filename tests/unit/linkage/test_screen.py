"""The screen of all scores: what it finds, what stays outside, and how often it finds what is not there."""

import numpy as np
import pandas as pd
import pytest

from periomics.linkage.pairs import associate
from periomics.linkage.screen import screen
from periomics.study.dictionary import load_dictionary

SETS = [f"score:signature:S{i:02d}" for i in range(20)]
PAIRS = [{"score": SETS[0], "outcome": "conn", "units": "animal"}]


@pytest.fixture(scope="module")
def dictionary(root):
    return load_dictionary(root / "resources/outcomes.tsv")


def study(rng, linked=0.0, n=24, more=()):
    """Arms move all scores and the outcome; the first score is linked beyond them."""
    ids = [f"A{i:02d}" for i in range(n)]
    arm = np.arange(n) % 4
    shared = 2.0 * rng.normal(size=4)[arm]
    own = rng.normal(size=n)
    values = {"conn": shared + own}
    for i, name in enumerate([*SETS, *more]):
        link = linked * own if i == 0 else 0.0
        values[name] = shared + link + rng.normal(size=n)
    rows = [
        {
            "animal_id": a, "condition": "", "outcome": name, "value": v, "unit": "1",
            "variant": "", "time": np.nan, "dose": np.nan, "status": "measured",
        }
        for name, column in values.items()
        for a, v in zip(ids, column, strict=True)
    ]  # fmt: skip
    animals = pd.DataFrame({"group": [f"g{k}" for k in arm], "block": ""}, index=ids)
    return pd.DataFrame(rows), animals


def run(measured, animals, dictionary, function=screen, assay=None, sets=None):
    return function(
        measured,
        animals,
        PAIRS,
        dictionary=dictionary,
        assay_genes=assay or {},
        set_genes=sets or {},
        seed=1,
        n_permutations=999,
    )


def test_a_linked_set_comes_first_and_checks_are_left_out(dictionary):
    measured, animals = study(np.random.default_rng(1), linked=2.5, more=["score:qc:QC_tissue"])
    found = run(measured, animals, dictionary)
    assert len(found) == len(SETS)
    assert found.loc[0, "score_id"] == SETS[0] and found.loc[0, "direction"] == "up"
    assert found.loc[0, "p_adj"] < 0.05
    # The declared pair has the same r and the same rule.
    pair = run(measured, animals, dictionary, associate).iloc[0]
    assert found.loc[0, "r"] == pytest.approx(pair["r"])
    assert found.loc[0, "p"] == pytest.approx(pair["p"], abs=0.01)


def test_a_set_with_the_assays_own_gene_stays_outside(dictionary):
    measured, animals = study(np.random.default_rng(2), linked=1.5)
    found = run(measured, animals, dictionary, assay={"conn": {"G"}}, sets={"S00": {"G", "H"}})
    own = found.set_index("score_id").loc[SETS[0]]
    assert own["family"] == "assay concordance" and np.isnan(own["p_adj"])
    assert "own gene: G" in own["reason"]


def test_without_a_link_a_screen_finds_something_in_few_studies(dictionary):
    some = 0
    for seed in range(40):
        measured, animals = study(np.random.default_rng(100 + seed))
        some += (run(measured, animals, dictionary)["p_adj"] < 0.05).any()
    assert some <= 6  # .05 of 40: at most 6 with 99.5 %


def test_nothing_to_screen(dictionary):
    measured, animals = study(np.random.default_rng(3))
    found = run(measured[measured["outcome"] == "conn"], animals, dictionary)
    assert found.empty and "p_adj" in found.columns


def test_factors_are_a_family_of_their_own_and_those_of_cell_types_are_not_screened(dictionary):
    more = ["score:tf:STAT3", "score:tf:STAT3@basal", "score:footprint:WNT", f"{SETS[0]}@basal"]
    measured, animals = study(np.random.default_rng(4), more=more)
    found = run(measured, animals, dictionary, assay={"conn": {"G"}}, sets={"tf:STAT3": {"G"}})
    family = found.set_index("score_id")["family"]
    assert more[1] not in family.index
    assert family[more[0]] == "assay concordance" and family[SETS[0]] == "screen of conn (animal)"
    assert family[more[2]] == "screen of conn (animal, footprints)"
    assert family[more[3]] == "screen of conn (animal, cell types)"
