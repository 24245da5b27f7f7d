"""Plates: grids and lists, wells, rims, and what is refused."""

import numpy as np
import pandas as pd
import pytest

from periomics.core.errors import InputError
from periomics.culture.measure import measure_culture
from periomics.culture.plates import edge_well, read_plate, well_name, z_prime
from periomics.simulate.culture import BLANK, SPAN, simulate_plate
from periomics.study.settings.culture import Culture


def test_grid_and_list_read_the_same(tmp_path):
    (tmp_path / "g.tsv").write_text("row\t1\t2\nA\t0.1\t0.2\nB\t\t0.4\n", encoding="utf-8")
    (tmp_path / "l.csv").write_text("well,value\nA01,0.1\na2,0.2\nB2,0.4\n", encoding="utf-8")
    grid = read_plate(tmp_path / "g.tsv")
    assert (
        grid.to_dict()
        == read_plate(tmp_path / "l.csv").to_dict()
        == {"A1": 0.1, "A2": 0.2, "B2": 0.4}
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("row\t1\nA\tOVRFLW\n", "saturated"),
        ("row\t1\nA\t1,2x\n", "not a number"),
        ("row\t1\nZ\t0.2\n", "not a well"),
        ("a\tb\n1\t2\n", "neither a grid"),
    ],
)
def test_bad_plates_are_refused(tmp_path, text, words):
    (tmp_path / "g.tsv").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=words):
        read_plate(tmp_path / "g.tsv")


def test_wells():
    assert well_name("h12") == "H12" and well_name("A01") == "A1"
    with pytest.raises(ValueError, match="not a well"):
        well_name("Q1")
    wells = pd.Index(["A1", "B2", "H12"])
    assert edge_well("A5", wells) and edge_well("B12", wells) and not edge_well("B2", wells)
    assert not edge_well("H12", pd.Index(["A1", "P24"]))
    assert z_prime(np.array([1.0, 1.1, 0.9]), np.array([0.1, 0.1, 0.1])) == pytest.approx(
        1 - 3 * 0.1 / 0.9
    )


def test_wells_of_a_plate_come_back_as_they_were_drawn(tmp_path):
    facts = [
        {
            "specimen_id": f"s{i}",
            "animal_id": "I1",
            "well": f"B{i + 2}",
            "assay": "plate",
            "readout": "prol",
            "path": str(tmp_path / "p.tsv"),
            "role": "blank" if i == 3 else "sample",
            "time": 48.0,
            "time_unit": "h",
        }
        for i in range(4)
    ]
    targets = {f"s{i}": {"prol": 100.0 + 20 * i} for i in range(3)}
    plate, truth = simulate_plate(facts, targets, "prol", np.random.default_rng(0))
    plate.to_csv(tmp_path / "p.tsv", sep="\t", index=False)
    found = measure_culture(facts, Culture())
    table, plates = found.table, found.plates
    assert list(plates) == [(str(tmp_path / "p.tsv"), "1")]
    measured = table.set_index("specimen_id")["value"]
    for row in truth:
        assert measured[row["specimen_id"]] == pytest.approx(
            BLANK + SPAN * row["truth"] / 100, abs=0.015
        )
    assert table.set_index("specimen_id").loc["s3", "role"] == "blank"


def test_a_well_claimed_twice_or_absent_is_refused(tmp_path):
    (tmp_path / "g.tsv").write_text("row\t1\t2\nA\t0.1\t0.2\n", encoding="utf-8")
    fact = {
        "specimen_id": "s1",
        "animal_id": "I1",
        "well": "A1",
        "assay": "plate",
        "readout": "prol",
        "path": str(tmp_path / "g.tsv"),
    }
    twice, *_ = measure_culture([fact, {**fact, "specimen_id": "s2"}], Culture())
    assert set(twice["qc"]) == {"fail"} and "claimed by s1 and s2" in twice["qc_reason"].iloc[0]
    absent, *_ = measure_culture([{**fact, "well": "C1"}], Culture())
    assert "no such well" in absent["qc_reason"].iloc[0]
