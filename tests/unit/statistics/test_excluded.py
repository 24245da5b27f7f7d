"""Exclusions side by side, animals under two ids: what turns a verdict without a word must be said."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
from studies import analysed, row, simulated, study

from periomics.outcomes.aggregate import COLUMNS
from periomics.report.excluded import left_out
from periomics.statistics.claims.excluded import beside_all
from periomics.statistics.claims.judging import verdict_table
from periomics.statistics.claims.plan import read_plan
from periomics.statistics.claims.tipping import with_tipping
from periomics.statistics.claims.twins import same_values

CLAIMS = {
    "margin": {"kind": "sd", "value": 0.8},
    "domains": {"bone": "bvtv"},
    "directions": {"bvtv": "+"},
    "contrasts": {"C2": {"weights": {"TREATED": 1, "DRUG": -1}}},
    "claims": [{"id": "C2", "kind": "superiority", "contrast": "C2", "outcomes": "primary"}],
}
ARMS = {"DRUG": [30.0, 35, 41, 28, 38, 33], "TREATED": [36.0, 35, 46, 32, 45, 40]}
LEFT = ["TREATED3", "DRUG2", "TREATED1"]
EXCLUSIONS = pd.DataFrame(
    {"level": "animal", "id": LEFT, "reason": "looked odd", "blind": ["no", "no", "no"]}
)


def animals(without=()):
    """The study without some animals' values, and its sheet."""
    table, sheet = study({"bvtv": ARMS})
    table = table[~table["animal_id"].isin(without)]
    plan = read_plan(CLAIMS, {"disease": "DRUG", "treated": ["TREATED"]})
    return analysed(table, sheet, plan), sheet


def judged(without=()):
    return verdict_table(animals(without)[0])


def sources(verdicts, exclusions=EXCLUSIONS, held=(), confirmed=()):
    """Results of a study with scans of these ids held back, some of them confirmed in the sheet."""
    measured = pd.DataFrame({"specimen_id": list(held), "section_id": "", "qc": "hold"})
    scans = pd.DataFrame({"specimen_id": list(confirmed), "confirmed": "EK: looked, is sound"})
    tables = {"verdicts": verdicts, "measurements": measured}
    return SimpleNamespace(
        sheets={"exclusions": exclusions, "scans": scans},
        table=lambda name, columns: tables[name].reindex(columns=columns),
    )


def test_three_exclusions_that_turn_a_verdict_stand_beside_it():
    kept, everyone = judged(LEFT), judged()
    assert kept["verdict"].tolist() == ["supported"] and everyone["verdict"].tolist() == [
        "inconclusive"
    ]
    both = beside_all(kept, everyone).iloc[0]
    assert (both["n_animals"], both["n_animals_all"]) == (9, 12)
    assert both["verdict"] == "supported" and both["verdict_all"] == "inconclusive"
    assert both["estimate_all"] == everyone.iloc[0]["estimate"]
    assert "with nothing left out (n 12): inconclusive" in both["reason"]


def test_an_animal_that_was_left_out_is_not_missing():
    kept, sheet = animals(LEFT)
    everyone, _ = animals(LEFT[:1])  # one has no value at all
    rows = [with_tipping(verdict_table(kept), kept, sheet, e).iloc[0] for e in (None, everyone)]
    assert [r["n_missing"] for r in rows] == [3, 1]
    assert "1 animal has no value: it stands" in rows[1]["reason"]
    none = with_tipping(verdict_table(kept), kept, sheet, animals()[0]).iloc[0]
    assert np.isnan(none["n_missing"]) and "no value" not in none["reason"]


def test_without_exclusions_nothing_stands_beside():
    table = beside_all(judged(), None)
    assert table["verdict_all"].tolist() == [""] and table["n_animals_all"].isna().all()
    same = beside_all(judged(), judged())
    assert (
        same["verdict_all"].tolist() == [""] and same["reason"].tolist() == table["reason"].tolist()
    )


def test_the_first_screen_warns_of_exclusions_that_were_not_blind():
    both = beside_all(judged(LEFT), judged())
    found = left_out(sources(both))
    assert found.warning.startswith("3 exclusions not decided blind to the arm: animal TREATED3")
    assert found.line == "3 exclusions; with nothing left out other verdicts stand: C2 bvtv."
    assert found.table is not None and len(found.table.rows) == 1
    blind = left_out(sources(both, EXCLUSIONS.assign(blind="yes")))
    assert blind.warning == "" and blind.table is not None
    calm = left_out(sources(beside_all(judged(), judged())))
    assert calm.line == "3 exclusions; no verdict differs with nothing left out." and not calm.table
    none = left_out(sources(both, EXCLUSIONS.iloc[:0]))
    assert none.line == "Nothing was excluded or held back."
    assert none.warning == none.held == "" and none.table is None


def test_the_first_screen_names_what_is_held_back_until_it_is_confirmed():
    both, none = beside_all(judged(LEFT), judged()), EXCLUSIONS.iloc[:0]
    found = left_out(sources(both, none, held=["R2-ct", "R1-ct"]))
    assert found.held.startswith("2 held back by quality gates: R1-ct, R2-ct. Look at them")
    assert found.line == "2 held back; with nothing left out other verdicts stand: C2 bvtv."
    assert found.warning == "" and found.table is not None
    one = left_out(sources(both, held=["R2-ct", "R1-ct"], confirmed=["R1-ct"]))
    assert one.held.startswith("1 held back by quality gates: R2-ct.")
    assert one.line.startswith("3 exclusions, 1 held back; ")
    assert left_out(sources(both, none, ["R1-ct"], ["R1-ct"])).held == ""


def test_the_same_animal_under_two_ids_is_named():
    table, sheet = simulated(seed=2)
    twin = table[table["animal_id"] == "DRUG0"].copy()
    for source, condition in (("DRUG0", "DRUG"), ("POST1", "POST")):
        twin = table[table["animal_id"] == source].assign(animal_id="X9", condition=condition)
        more = sheet[sheet["animal_id"] == source].assign(animal_id="X9")
        known = analysed(
            pd.concat([table, twin], ignore_index=True), pd.concat([sheet, more], ignore_index=True)
        )
        assert same_values(known.animals) == [(source, "X9")]
        found = verdict_table(known)
        assert found["reason"].str.contains(f"{source} and X9 have the same values").any()
    assert same_values(analysed(table, sheet).animals) == []


def test_round_numbers_and_zeros_are_no_evidence():
    rows = [row(f"A{i}", "bone_exp_area", "DRUG", y) for i, y in enumerate((0.0, 0.0, 12.0, 12.0))]
    assert same_values(pd.DataFrame(rows, columns=list(COLUMNS))) == []
    exact = [row(f"A{i}", "bone_exp_area", "DRUG", 12.03718) for i in range(2)]
    assert same_values(pd.DataFrame(exact, columns=list(COLUMNS))) == [("A0", "A1")]
    other = pd.DataFrame(exact, columns=list(COLUMNS))
    other["value"] = [12.03718, np.nan]
    assert same_values(other) == []


def test_associations_are_not_said_to_stand_with_nothing_excluded():
    table = beside_all(judged(), judged())
    linked = pd.concat([table, table.assign(kind="association")], ignore_index=True)
    assert left_out(sources(linked)).line.endswith(
        "Associations are judged once, of the animals that were kept."
    )
