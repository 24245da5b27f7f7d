"""From measurements to animals: sums over sums, levels, exclusions, replacements, vehicles."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from periomics.core.errors import InputError
from periomics.outcomes.aggregate import COLUMNS, add_missing, aggregate
from periomics.outcomes.collect import collect, join_design, specimen_table
from periomics.outcomes.normalise import normalise_cultures
from periomics.outcomes.scores import score_outcomes
from periomics.study.dictionary import load_dictionary
from periomics.study.measurements import failed, tidy
from periomics.study.settings.outcomes import OutcomeRules
from periomics.study.sheets import read_sheet

DICTIONARY = load_dictionary(Path(__file__).resolve().parents[3] / "resources" / "outcomes.tsv")
NO_EXCLUSIONS = read_sheet("exclusions", None)


def animals_sheet(**groups):
    return pd.DataFrame(
        {
            "animal_id": list(groups),
            "group": list(groups.values()),
            "unit": "animal",
            "block": "day1",
        }
    )


def specimens(rows, modality="histology"):
    columns = [
        "specimen_id",
        "animal_id",
        "modality",
        "condition",
        "dose",
        "dose_unit",
        "time",
        "time_unit",
        "batch",
        "role",
        "replaces",
        "cue",
    ]
    base = dict.fromkeys(columns, "") | {
        "dose": np.nan,
        "time": 28.0,
        "time_unit": "d",
        "role": "sample",
        "modality": modality,
    }
    return pd.DataFrame([base | r for r in rows], columns=columns)


def field(specimen, animal, section, name, count, area, **more):
    return {
        "specimen_id": specimen,
        "animal_id": animal,
        "modality": "histology",
        "section_id": section,
        "field_id": name,
        "outcome": "mvd",
        "value": count / area,
        "unit": "1/mm2",
        "numerator": count,
        "denominator": area,
        "denominator_unit": "mm2",
        "level": "field",
    } | more


def run(rows, groups=None, spec=None, exclusions=NO_EXCLUSIONS, rules=None):
    df = rows if isinstance(rows, pd.DataFrame) else tidy(rows)
    groups = groups or dict.fromkeys(sorted(set(df["animal_id"])), "CTRL")
    spec = (
        spec
        if spec is not None
        else specimens(
            [
                {"specimen_id": s, "animal_id": a}
                for s, a in df[["specimen_id", "animal_id"]]
                .drop_duplicates()
                .itertuples(index=False)
            ]
        )
    )
    joined = join_design(df, animals_sheet(**groups), spec)
    return aggregate(joined, DICTIONARY, exclusions, rules or OutcomeRules())


def test_counts_are_summed_before_they_are_divided():
    table = run(
        [
            field("a-t", "a", "s1", "f1", 10, 0.1),
            field("a-t", "a", "s1", "f2", 0, 0.4),
            field("a-t", "a", "s2", "f1", 5, 0.5),
        ]
    )
    row = table.iloc[0]
    assert row["value"] == pytest.approx(15 / 1.0)  # the mean of ratios would be 36.7
    assert (row["n_sections"], row["n_fields"], row["status"], row["condition"], row["time"]) == (
        2,
        3,
        "measured",
        "CTRL",
        28.0,
    )


def test_percent_and_square_micrometres_keep_their_factor():
    rows = [
        field(
            "a",
            "a",
            "s1",
            "f1",
            3,
            12,
            outcome="elac",
            value=25.0,
            unit="%",
            denominator_unit="lacunae",
        ),
        field(
            "a",
            "a",
            "s2",
            "f1",
            0,
            8,
            outcome="elac",
            value=0.0,
            unit="%",
            denominator_unit="lacunae",
        ),
    ]
    assert run(rows).iloc[0]["value"] == pytest.approx(100 * 3 / 20)
    rows = [
        field("a", "a", "s1", "f1", 5, 2e5, value=25.0, denominator_unit="um2"),
        field("a", "a", "s1", "f2", 1, 1e5, value=10.0, denominator_unit="um2"),
    ]
    assert run(rows).iloc[0]["value"] == pytest.approx(6 / 0.3)


def test_numbers_that_disagree_with_their_parts_fall_back_to_means():
    rows = [
        field("a", "a", "s1", "f1", 5, 1, value=5.0),
        field("a", "a", "s1", "f2", 5, 1, value=7.7),
        field("a", "a", "s2", "f1", 1, 1, value=1.0),
    ]
    row = run(rows).iloc[0]
    assert row["value"] == pytest.approx(((5.0 + 7.7) / 2 + 1.0) / 2)
    assert np.isnan(row["numerator"])


def test_section_rows_and_field_rows_never_count_twice():
    rows = [
        field("a", "a", "s1", "f1", 10, 0.1),
        field("a", "a", "s1", "f2", 2, 0.1),
        field("a", "a", "s1", "", 99, 0.2, level="section"),
    ]
    assert run(rows).iloc[0]["value"] == pytest.approx(60)


def test_doubling_fields_changes_neither_value_nor_number_of_animals():
    rng = np.random.default_rng(1)
    rows = [
        field(f"{a}-t", a, "s1", f"f{i}", int(rng.poisson(20)), 0.2)
        for a in "abcdef"
        for i in range(5)
    ]
    again = [r | {"field_id": r["field_id"] + "b"} for r in rows]
    once, twice = run(rows), run(rows + again)
    assert len(once) == len(twice) == 6
    np.testing.assert_allclose(once["value"], twice["value"], rtol=1e-12)


def test_order_of_rows_does_not_matter():
    rng = np.random.default_rng(2)
    df = tidy(
        [
            field(f"{a}-t", a, f"s{s}", f"f{i}", int(rng.poisson(9)), 0.3)
            for a in "abc"
            for s in (1, 2)
            for i in range(3)
        ]
    )
    pd.testing.assert_frame_equal(run(df), run(df.sample(frac=1, random_state=3)))


def test_two_readers_are_averaged_not_added():
    rows = [
        field("a", "a", "s1", "f1", n, 1.0, source="reading", reader=r, modality="readings")
        for n, r in ((10, "x"), (14, "y"))
    ]
    row = run(rows).iloc[0]
    assert (row["value"], row["numerator"], row["n_fields"]) == (12.0, 12.0, 1)


def test_a_second_source_becomes_a_variant():
    rows = [
        field("a", "a", "s1", "f1", 10, 1.0),
        field("a", "a", "s1", "f1", 30, 1.0, source="imported"),
    ]
    table = run(rows).set_index("variant")
    assert table.at["", "value"] == 10 and table.at["source=imported", "value"] == 30


def test_regions_beside_the_whole_become_variants_and_alone_are_pooled():
    both = run(
        [field("a", "a", "s1", "f1", 10, 1.0), field("a", "a", "s1", "f1", 8, 0.5, roi="near")]
    )
    assert both.set_index("variant")["value"].to_dict() == {"": 10.0, "roi=near": 16.0}
    alone = run(
        [
            field("a", "a", "s1", "f1", 10, 1.0, roi="mesial"),
            field("a", "a", "s1", "f1", 8, 0.5, roi="distal"),
        ]
    )
    assert alone["value"].tolist() == [12.0] and alone["variant"].tolist() == [""]


def test_failed_specimen_has_status_and_reason_and_partial_failure_is_said():
    rows = pd.concat(
        [
            tidy([field("a", "a", "s1", "f1", 4, 1.0)]),
            failed(
                ["mvd"],
                "image is black",
                specimen_id="a",
                animal_id="a",
                section_id="s2",
                modality="histology",
                level="section",
            ),
            failed(
                ["mvd"],
                "no tissue",
                specimen_id="b",
                animal_id="b",
                section_id="s1",
                modality="histology",
                level="section",
            ),
        ]
    )
    table = run(rows).set_index("animal_id")
    assert table.at["a", "status"] == "measured" and "image is black" in table.at["a", "reason"]
    assert (
        table.at["b", "status"] == "failed"
        and table.at["b", "reason"] == "no tissue"
        and np.isnan(table.at["b", "value"])
    )


def test_exclusions_are_written_never_silent():
    rows = [
        field("a", "a", "s1", "f1", 4, 1.0),
        field("a", "a", "s2", "f1", 8, 1.0),
        field("b", "b", "s3", "f1", 5, 1.0),
    ]
    rule = {
        "level": "section",
        "id": "s2",
        "modality": "",
        "reason": "fold",
        "date": "2026-01-01",
        "by": "x",
        "blind": "yes",
    }
    gone = rule | {"level": "animal", "id": "b", "reason": "died", "modality": "histology"}
    table = run(rows, exclusions=pd.DataFrame([rule, gone])).set_index("animal_id")
    assert table.at["a", "value"] == 4 and "section s2: fold" in table.at["a", "reason"]
    assert table.at["b", "status"] == "excluded" and "died" in table.at["b", "reason"]
    elsewhere = run(rows, exclusions=pd.DataFrame([gone | {"modality": "microct"}])).set_index(
        "animal_id"
    )
    assert elsewhere.at["b", "status"] == "measured"


def test_a_replacement_supersedes_even_when_it_failed():
    spec = specimens(
        [
            {"specimen_id": "a1", "animal_id": "a"},
            {"specimen_id": "a2", "animal_id": "a", "replaces": "a1"},
        ]
    )
    rows = [field("a1", "a", "s1", "f1", 4, 1.0), field("a2", "a", "s9", "f1", 7, 1.0)]
    row = run(rows, spec=spec).iloc[0]
    assert row["value"] == 7 and "a1 replaced by a2" in row["reason"]
    bad = pd.concat(
        [
            tidy(rows[:1]),
            failed(
                ["mvd"],
                "torn",
                specimen_id="a2",
                animal_id="a",
                section_id="s9",
                modality="histology",
                level="section",
            ),
        ]
    )
    assert run(bad, spec=spec).iloc[0]["status"] == "failed"


def test_too_few_sections_is_missing():
    row = run([field("a", "a", "s1", "f1", 4, 1.0)], rules=OutcomeRules(min_sections=2)).iloc[0]
    assert row["status"] == "missing" and "at least 2" in row["reason"]


def test_declared_but_unmeasured_animals_are_missing_others_absent():
    spec = specimens([{"specimen_id": f"{a}-t", "animal_id": a} for a in "ab"])
    groups = {"a": "CTRL", "b": "DRUG", "c": "PRE"}
    table = run([field("a-t", "a", "s1", "f1", 4, 1.0)], groups=groups, spec=spec)
    table = add_missing(table, spec, animals_sheet(**groups)).set_index("animal_id")
    assert table.at["b", "status"] == "missing" and table.at["b", "condition"] == "DRUG"
    assert "c" not in table.index


def plate(isolation, condition, role, values, outcome="prol"):
    return [
        {
            "specimen_id": f"{isolation}-{condition}-{i}",
            "animal_id": isolation,
            "modality": "culture",
            "outcome": outcome,
            "value": v,
            "unit": "A450",
            "level": "well",
            "time": 48.0,
            "time_unit": "h",
        }
        for i, v in enumerate(values)
    ]


def culture(rows, roles):
    df = tidy(rows)
    conditions = [r["specimen_id"].split("-")[1] for r in rows]
    spec = specimens(
        [
            {
                "specimen_id": r["specimen_id"],
                "animal_id": r["animal_id"],
                "condition": c,
                "role": roles[c],
                "batch": r["animal_id"],
            }
            for r, c in zip(rows, conditions, strict=True)
        ],
        "culture",
    )
    sheet = pd.DataFrame(
        {"animal_id": sorted(set(df["animal_id"])), "group": "", "unit": "isolation", "block": ""}
    )
    joined, notes = normalise_cultures(join_design(df, sheet, spec), DICTIONARY)
    return aggregate(joined, DICTIONARY, NO_EXCLUSIONS, OutcomeRules()), notes


ROLES = {"vehicle": "vehicle", "medium": "sample", "blank": "blank"}


def test_blanks_are_subtracted_and_the_own_vehicle_is_100():
    rows = []
    for isolation, gain, blank in (("I1", 1.0, 0.1), ("I2", 3.0, 0.4)):
        rows += plate(isolation, "blank", "blank", [blank, blank])
        rows += plate(isolation, "vehicle", "vehicle", [blank + gain * 0.9, blank + gain * 1.1])
        rows += plate(isolation, "medium", "sample", [blank + gain * 1.2, blank + gain * 1.3])
    table, notes = culture(rows, ROLES)
    found = table.set_index(["animal_id", "condition"])["value"]
    for isolation in ("I1", "I2"):
        assert found[isolation, "vehicle"] == pytest.approx(100) and found[
            isolation, "medium"
        ] == pytest.approx(125)
    assert (
        set(table["unit"]) == {"% of vehicle"}
        and "8 plate readouts" in notes[0]
        and ", 0 without" in notes[0]
    )


def test_without_a_vehicle_of_its_own_a_culture_fails_with_a_reason():
    rows = plate("I1", "vehicle", "vehicle", [1.0, 1.2]) + plate("I2", "medium", "sample", [1.4])
    table = culture(rows, ROLES)[0].set_index("animal_id")
    assert table.at["I2", "status"] == "failed" and "no vehicle" in table.at["I2", "reason"]


def test_scratch_stays_as_it_is_and_gains_a_ratio():
    rows = plate("I1", "vehicle", "vehicle", [40.0], "scratch") + plate(
        "I1", "medium", "sample", [62.0], "scratch"
    )
    found = culture([r | {"unit": "%"} for r in rows], ROLES)[0].set_index(
        ["variant", "condition"]
    )["value"]
    assert found["", "medium"] == 62.0 and found["ratio_to_vehicle", "medium"] == pytest.approx(155)


def test_one_condition_with_and_without_cue_is_two_conditions():
    spec = specimens(
        [
            {"specimen_id": f"I-{c}", "animal_id": "I", "condition": "medium", "cue": c}
            for c in "01"
        ],
        "culture",
    )
    rows = tidy(
        [
            {
                "specimen_id": f"I-{c}",
                "animal_id": "I",
                "modality": "culture",
                "outcome": "scratch",
                "value": 1.0,
                "unit": "%",
                "level": "well",
            }
            for c in "01"
        ]
    )
    joined = join_design(
        rows,
        pd.DataFrame({"animal_id": ["I"], "group": "", "unit": "isolation", "block": ""}),
        spec,
    )
    assert sorted(joined["condition"]) == ["medium", "medium+cue"]


def test_collect_names_file_and_nearest_outcome_and_refuses_mixed_units():
    with pytest.raises(InputError, match=r"x\.tsv.*bvtvv.*did you mean 'bvtv'"):
        collect(
            [
                (
                    "x.tsv",
                    tidy(
                        [
                            {
                                "specimen_id": "s",
                                "modality": "microct",
                                "outcome": "bvtvv",
                                "value": 1.0,
                                "level": "specimen",
                            }
                        ]
                    ),
                )
            ],
            DICTIONARY,
        )
    mixed = [
        tidy(
            [
                {
                    "specimen_id": s,
                    "modality": "microct",
                    "outcome": "bmd",
                    "value": 1.0,
                    "unit": u,
                    "level": "specimen",
                }
            ]
        )
        for s, u in (("a", "a.u."), ("b", "mgHA/cm3"))
    ]
    with pytest.raises(InputError, match="more than one unit"):
        collect([("x", mixed[0]), ("y", mixed[1])], DICTIONARY)
    with pytest.raises(InputError, match="share a key"):
        collect([("x", mixed[0]), ("y", mixed[0])], DICTIONARY)


def test_join_refuses_unknown_and_contradicting_animals():
    df = tidy([field("a-t", "z", "s1", "f1", 1, 1.0)])
    with pytest.raises(InputError, match="not in the animals sheet"):
        join_design(df, animals_sheet(a="CTRL"), specimens([]))
    with pytest.raises(InputError, match="another animal"):
        join_design(
            df,
            animals_sheet(a="CTRL", z="CTRL"),
            specimens([{"specimen_id": "a-t", "animal_id": "a"}]),
        )


def test_specimen_rows_that_disagree_are_refused():
    sheet = read_sheet("sections", None)
    rows = pd.DataFrame(
        [{"specimen_id": "t", "animal_id": a, "section_id": s} for a, s in (("a", "1"), ("b", "2"))]
    )
    with pytest.raises(InputError, match="disagree"):
        specimen_table({"sections": pd.concat([sheet, rows]).fillna("")})


def test_scores_take_the_arm_of_the_animal():
    scores = pd.DataFrame(
        {
            "library_id": ["l1", "l2"],
            "animal_id": ["a", "a"],
            "cell_type": ["", "basal"],
            "score_id": "EPI",
            "kind": "set",
            "method": "rank",
            "value": [1.0, 2.0],
        }
    )
    spec = specimens([{"specimen_id": s, "animal_id": "a"} for s in ("l1", "l2")], "bulk")
    table = score_outcomes(scores, spec, animals_sheet(a="POST"), "bulk")
    assert table["outcome"].tolist() == ["score:set:EPI", "score:set:EPI@basal"]
    assert set(table["condition"]) == {"POST"} and list(table.columns) == list(COLUMNS)


def test_empty_study_gives_an_empty_table_with_its_header():
    table = run(tidy([]), groups={"a": "CTRL"}, spec=specimens([]))
    assert table.empty and list(table.columns) == list(COLUMNS)


def test_dictionary_never_gives_an_identifier_that_was_not_seen():
    memory = DICTIONARY[DICTIONARY["evidence"] == "memory"]["citation"]
    assert not memory.map(lambda c: bool(re.search(r"PMC\d|PMID|10\.\d{4}|doi", c))).any()
    seen = DICTIONARY[DICTIONARY["evidence"] == "seen"]
    assert (
        len(seen)
        and seen["citation"].map(lambda c: bool(re.search(r"PMC\d{6,}|doi 10\.\d{4}", c))).all()
    )
    assert set(DICTIONARY["validated"]) <= {"real", "simulated"}
    tolerance = DICTIONARY[["tolerance_abs", "tolerance_rel"]].notna().any(axis=1)
    assert tolerance.all(), DICTIONARY.index[~tolerance].tolist()
    for outcome in (
        "neu_area",
        "ln332_gaps",
        "va",
        "scratch_rate",
        "prol",
        "surv",
        "bs_bv",
        "bs_tv",
        "smi",
        "da",
        "mar",
        "bfr",
    ):
        assert outcome in DICTIONARY.index


def test_a_failed_neighbour_makes_nobody_missing():
    rows = pd.concat(
        [
            tidy([field("a-t", "a", "s1", "f1", 4, 1.0)]),
            failed(
                ["mvd"],
                "torn",
                specimen_id="b-t",
                animal_id="b",
                section_id="s",
                modality="histology",
                level="section",
            ),
        ]
    )
    spec = specimens([{"specimen_id": f"{a}-t", "animal_id": a} for a in "ab"])
    table = add_missing(run(rows, spec=spec), spec, animals_sheet(a="CTRL", b="CTRL"))
    assert table["status"].tolist() == ["measured", "failed"] and table["unit"].tolist() == [
        "1/mm2",
        "1/mm2",
    ]
