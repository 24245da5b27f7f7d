"""The comparison with truth must notice a missing row, an error beyond tolerance, a wrong slope and errors that follow arms."""

import numpy as np
import pandas as pd
import pytest

from periomics.simulate.recovery import join_truth, recovery_table, vehicle_truth
from periomics.study import measurements
from periomics.study.dictionary import load_dictionary


@pytest.fixture
def dictionary(root):
    return load_dictionary(root / "resources/outcomes.tsv")


def table_of(measured, truth, dictionary, arms=None):
    n = len(truth)
    joined = pd.DataFrame(
        {
            "specimen_id": [f"s{i}" for i in range(n)],
            "animal_id": [f"a{i}" for i in range(n)],
            "section_id": "",
            "variant": "",
            "time": np.nan,
            "outcome": "bvtv",
            "truth": truth,
            "value": measured,
        }
    )
    arm = pd.Series(arms or [""] * n, index=joined["animal_id"])
    return recovery_table(joined, dictionary, arm).set_index("specimen_id")["pass"]


def test_tolerance_slope_and_arms(dictionary):
    truth = np.linspace(20, 60, 12)
    assert (table_of(truth + 1.4, truth, dictionary) == "yes").all()
    beyond = truth + 0.1
    beyond[3] += 2
    assert table_of(beyond, truth, dictionary)["s3"] == "no"
    compressed = 40 + 0.93 * (truth - 40)
    result = table_of(compressed, truth, dictionary)
    assert result["(slope)"] == "no" and result.drop("(slope)").eq("yes").all()
    biased = truth + np.repeat([1.2, -1.2], 6)
    assert table_of(biased, truth, dictionary, ["A"] * 6 + ["B"] * 6)["(arms)"] == "no"
    missing = truth.copy()
    missing[0] = np.nan
    assert table_of(missing, truth, dictionary)["s0"] == "no"


def test_rows_match_by_key_and_by_time_only_where_stated():
    rows = [
        {
            "specimen_id": "s",
            "animal_id": "a",
            "modality": "culture",
            "outcome": "scratch",
            "variant": "frame",
            "time": t,
            "value": v,
            "level": "well",
        }
        for t, v in ((0.0, 0.0), (3.0, 10.0))
    ]
    rows.append(
        {
            "specimen_id": "s",
            "animal_id": "a",
            "modality": "culture",
            "outcome": "scratch_rate",
            "value": 4.0,
            "level": "well",
            "time": 24.0,
        }
    )
    truth = pd.DataFrame(
        {
            "specimen_id": "s",
            "animal_id": "a",
            "section_id": "",
            "field_id": "",
            "roi": "",
            "outcome": ["scratch", "scratch_rate", "scratch"],
            "variant": ["frame", "", "frame"],
            "time": [3.0, np.nan, 6.0],
            "truth": [11.0, 4.1, 20.0],
        }
    )
    joined = join_truth(measurements.tidy(rows), truth).sort_values("truth")
    assert joined["value"].tolist()[:2] == [4.0, 10.0]
    assert np.isnan(joined["value"].iloc[2])


def test_truth_of_plates_is_relative_to_the_vehicle_of_the_same_cue():
    truth = pd.DataFrame(
        {
            "specimen_id": list("wxyz"),
            "animal_id": "I",
            "outcome": "prol",
            "truth": [50.0, 60.0, 100.0, 150.0],
        }
    )
    specimens = pd.DataFrame(
        {
            "specimen_id": list("wxyz"),
            "animal_id": "I",
            "condition": ["v", "m", "vc", "mc"],
            "role": ["vehicle", "sample", "vehicle", "sample"],
            "cue": ["0", "0", "1", "1"],
        }
    )
    units = pd.DataFrame(
        {
            "animal_id": "I",
            "outcome": "prol",
            "condition": ["m", "mc"],
            "variant": "",
            "value": [121.0, 149.0],
        }
    )
    got = vehicle_truth(truth, specimens, units).set_index("specimen_id")
    assert got["truth"].to_dict() == {"I:v": 100.0, "I:m": 120.0, "I:vc": 100.0, "I:mc": 150.0}
    assert got["value"].dropna().to_dict() == {"I:m": 121.0, "I:mc": 149.0}
