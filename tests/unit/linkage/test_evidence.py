"""Evidence of axes on drawn tables: every rung needs those below it, and no sentence says more than its rung."""

import numpy as np
import pandas as pd
import pytest

from periomics.genes.axes import SetTables
from periomics.linkage.evidence import Known, evidence, response_tests
from periomics.linkage.expression import expressed, read_secretome
from periomics.linkage.mediation import mediation, timing
from periomics.linkage.rungs import rungs
from periomics.study.interface.genes import SET_TEST_COLUMNS
from periomics.study.interface.linkage import ASSOCIATION_COLUMNS
from periomics.study.settings.linkage import Linkage

AXIS = "LR_VEGFA_KDR"
QUESTION = {"name": "vessels", "outcomes": ["mvd"], "receivers": ["mucosa"]}
ASKED = {"questions": [QUESTION], "responses": ["mucosa.C2"]}


@pytest.fixture(scope="module")
def axes(root):
    return SetTables.read(
        root / "resources/signatures.tsv", root / "resources/responses.tsv"
    ).axes()


def set_tests(p=0.001, direction="up", test="mucosa.C2", response="vegf", own=None):
    sign = 1 if direction == "up" else -1
    shared = {"test": test, "set_id": response, "source": "response", "direction": direction}
    rows = [
        {**shared, "method": "rotation", "stat": 5.0 * sign, "p": p},
        {**shared, "method": "groupwise", "stat": 4.0 * sign, "p": p if own is None else own},
    ]
    return pd.DataFrame(rows).reindex(columns=list(SET_TEST_COLUMNS))


def associations(r=0.8, p=0.002, response="vegf", outcome="mvd", **more):
    row = {
        "outcome": outcome,
        "score_id": f"score:response:{response}",
        "r": r,
        "p": p / 12,
        "p_adj": p,
        "n": 24,
        "family": "declared pairs (animals)",
        "adjusted_for": "arm, block",
        "covariates": "",
        "reason": "",
    }
    return pd.DataFrame([row | more]).reindex(columns=list(ASSOCIATION_COLUMNS))


CONTRASTS = pd.DataFrame(
    {
        "outcome": ["mvd", "score:response:vegf"],
        "variant": "",
        "contrast": ["CM-block", "C2"],
        "estimate": [-1.0, 2.0],
        "p": [0.001, 0.004],
        "p_adj": [0.01, 0.02],
        "n_animals": 12,
        "scale": "log",
    }
)


def expression(*rows):
    columns = ["place", "species", "symbol", "cpm", "n", "table"]
    return pd.DataFrame([(*r, 6, "bulk/counts.tsv") for r in rows], columns=columns)


FULL = expression(("msc", "human", "VEGFA", 40.0), ("mucosa", "rat", "Kdr", 25.0))


def known(axes, **changed):
    given = {
        "axes": axes,
        "expression": FULL,
        "secretome": None,
        "set_tests": set_tests(),
        "associations": associations(),
        "contrasts": CONTRASTS,
    }
    return Known(**(given | changed))


def found(axes, settings=ASKED, **changed):
    table = rungs(evidence(known(axes, **changed), Linkage.of(settings, "linkage")))
    return table[table["axis"] == AXIS].iloc[0]


def test_sender_receiver_response_and_outcome_make_four_rungs(axes):
    row = found(axes)
    assert (row["rung"], row["held"]) == ("L4", "L1 L2 L3 L4")
    assert "consistent with" in row["sentence"] and "rises with the outcome" in row["sentence"]
    assert row["missing"] == "L5: no condition blocks or adds the ligand"


def test_a_perturbation_in_the_declared_direction_is_the_fifth(axes):
    blocked = {"axis": AXIS, "contrast": "CM-block", "outcome": "mvd", "expected": -1}
    assert found(axes, ASKED | {"perturbations": [blocked]})["rung"] == "L5"
    wrong = found(axes, ASKED | {"perturbations": [blocked | {"expected": 1}]})
    assert wrong["rung"] == "L4" and "the other way than declared" in wrong["missing"]


def test_without_a_sender_there_is_no_rung_whatever_else_holds(axes):
    only = expression(("mucosa", "rat", "Kdr", 25.0), ("mucosa", "rat", "Vegfa", 900.0))
    row = found(axes, expression=only)
    assert (row["rung"], row["held"]) == ("none", "L2 L3 L4")
    assert "no library of msc or medium" in row["missing"]
    assert "consistent with" not in row["sentence"] and "L1 missing" in row["sentence"]


def test_symbols_are_those_of_the_species_of_each_library(axes):
    swapped = expression(("msc", "human", "Vegfa", 40.0), ("mucosa", "rat", "KDR", 25.0))
    row = found(axes, expression=swapped)
    assert "L1" not in row["held"] and "not in the counts: VEGFA" in row["missing"]


def test_a_ligand_below_the_level_is_not_shown_and_a_protein_can_show_it(axes):
    faint = expression(("msc", "human", "VEGFA", 0.4), ("mucosa", "rat", "Kdr", 25.0))
    assert "VEGFA in msc (human) 0.4 CPM" in found(axes, expression=faint)["missing"]
    protein = pd.DataFrame({"ligand": ["VEGFA"], "detected": [True]})
    assert found(axes, expression=faint, secretome=protein)["rung"] == "L4"


def test_counts_that_may_float_from_another_type_show_no_sender(axes):
    cells = "singlecell/pseudobulk/counts.tsv"
    rows = [("msc", "rat", "Vegfa", 30.0, 6, cells), ("basal", "rat", "Vegfa", 900.0, 6, cells)]
    drawn = pd.DataFrame(rows, columns=FULL.columns)
    row = found(axes, expression=pd.concat([FULL[FULL["place"] == "mucosa"], drawn]))
    assert "L1" not in row["held"] and "basal cells have 900 CPM: it may float" in row["missing"]
    own = drawn.assign(cpm=[300.0, 900.0])
    assert "L1" in found(axes, expression=pd.concat([FULL[FULL["place"] == "mucosa"], own]))["held"]


def test_a_response_the_other_way_is_no_response(axes):
    row = found(axes, set_tests=set_tests(direction="down"))
    assert "L3" not in row["held"] and "the other way: up is expected" in row["missing"]


def test_an_antagonist_is_expected_to_lower_its_response(axes):
    tables = known(
        axes,
        set_tests=set_tests(direction="down", response="nfkb"),
        associations=associations(response="nfkb"),
    )
    table = rungs(evidence(tables, Linkage.of(ASKED, "linkage"))).set_index("axis")
    assert "L3" in table.at["LR_IL1RA_IL1R1", "held"]
    assert "L3" not in table.at["LR_TNF_TNFR", "held"]
    assert "IL1RA_IL1R1" in table.at["LR_TNF_TNFR", "sentence"]


def test_one_test_alone_makes_no_response(axes):
    """A variance for all arms calls too often where arms vary unequally: both must say so."""
    assert "L3" not in found(axes, set_tests=set_tests(p=1e-6, own=0.2))["held"]


def test_responses_are_one_family_over_all_declared_tests():
    both = pd.concat([set_tests(p=0.04), set_tests(p=0.9, test="isolation.CM")])
    table = response_tests(both, ["mucosa.C2", "isolation.CM"]).set_index("test")
    assert table.at["mucosa.C2", "p_adj"] == pytest.approx(0.08)


def test_an_association_without_a_test_says_why(axes):
    untested = associations(p=np.nan, reason="no test below 12 animals that share both")
    row = found(axes, associations=untested)
    assert row["held"] == "L1 L2 L3" and "no test below 12 animals" in row["missing"]


def test_a_link_that_a_covariate_explains_does_not_hold(axes):
    beside = {"covariates": "weight_g", "r_covariates": 0.05, "p_covariates": 0.8}
    row = found(axes, associations=associations(**beside))
    assert row["held"] == "L1 L2 L3" and "r 0.05, p 0.8 beyond weight_g" in row["missing"]
    beside |= {"r_covariates": 0.7, "p_covariates": 0.003}
    assert found(axes, associations=associations(**beside))["rung"] == "L4"
    unknown = {"covariates": "weight_g: not known of 2 animals (R01, R02)"}
    row = found(axes, associations=associations(**unknown))
    assert row["rung"] == "L3" and "not known of 2 animals" in row["missing"]


def test_nothing_measured_is_said(axes):
    empty = FULL.iloc[:0], set_tests().iloc[:0], associations().iloc[:0]
    row = found(axes, expression=empty[0], set_tests=empty[1], associations=empty[2])
    assert row["rung"] == "none" and row["sentence"].endswith("nothing was measured.")


def test_every_axis_has_a_row_and_those_without_a_response_say_so(axes):
    table = rungs(evidence(known(axes), Linkage.of(ASKED, "linkage"))).set_index("axis")
    assert set(table.index) == set(axes["human"])
    assert "no genes are known" in table.at["LR_SPP1_integrin", "missing"]
    assert table.index[0] == AXIS


def test_expression_is_the_median_of_a_place_and_a_species():
    counts = pd.DataFrame(
        {"a": [1, 999_999], "b": [3, 999_997], "c": [50, 999_950]}, index=["g1", "g2"]
    )
    places = {"a": {"msc"}, "b": {"msc", "medium"}, "c": {"mucosa"}}
    species = {"a": "human", "b": "human", "c": "rat"}
    symbols = pd.Series({"g1": "VEGFA", "g2": "ACTB"})
    table = expressed(counts, symbols, places, species, ["VEGFA"], table="x").set_index("place")
    assert table["cpm"].to_dict() == pytest.approx({"medium": 3.0, "msc": 2.0, "mucosa": 50.0})
    assert table["n"].to_dict() == {"medium": 1, "msc": 2, "mucosa": 1}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ligand\tpresent\nVEGFA\tyes", "detected"),
        ("ligand\tdetected\nVEGFA\t1", "yes, no"),
        ("ligand\tdetected\nVEGFA\tyes\nVEGFA\tno", "detected and not"),
        ("ligand\tdetected\nVegfa\tyes", "human symbols"),
    ],
)
def test_a_table_of_the_medium_is_read_strictly(tmp_path, text, said):
    from periomics.core.errors import InputError

    path = tmp_path / "secretome.tsv"
    path.write_text(text + "\n", encoding="utf-8")
    with pytest.raises(InputError, match=said):
        read_secretome(path, ["VEGFA", "HGF"])


def test_both_steps_must_hold_for_mediation():
    table = mediation(associations(), CONTRASTS, ["C2"])
    assert table["p"].tolist() == [0.004] and table["p_adj"].tolist() == [0.004]
    weak = mediation(associations(p=0.6), CONTRASTS, ["C2"])
    assert weak["p"].tolist() == [pytest.approx(0.05)]
    none = mediation(associations(), CONTRASTS, ["C9"])
    assert none["p"].isna().all() and none["reason"].str.contains("C9").all()


def test_timing_agrees_only_where_all_tests_respond():
    up, down = set_tests(), set_tests(direction="down", test="isolation.CMxcue")
    tests = ["mucosa.C2", "isolation.CMxcue"]
    assert set(timing(pd.concat([up, down]), tests, 0.05)["agree"]) == {"no"}
    same = set_tests(test="isolation.CMxcue")
    assert set(timing(pd.concat([up, same]), tests, 0.05)["agree"]) == {"yes"}
    weak = set_tests(test="isolation.CMxcue", p=0.5)
    assert set(timing(pd.concat([up, weak]), tests, 0.05)["agree"]) == {"open"}
