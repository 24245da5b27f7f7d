"""Slope of log fold changes and label agreement notice what they should."""

import numpy as np
import pandas as pd

from periomics.simulate.recovery_omics import arm_shifts, bulk_rows, label_row, parse_weights


def de_table(true, factor, rng):
    estimate = factor * true + 0.1 * rng.standard_normal(len(true))
    return pd.DataFrame({"gene_id": true.index, "log2FC": estimate, "lfcSE": 0.1})


def test_slopes_of_tests():
    rng = np.random.default_rng(0)
    genes = [f"g{i}" for i in range(60)]
    shifts = pd.DataFrame({"A": rng.normal(0, 1, 60), "B": 0.0}, index=genes)
    tests = pd.DataFrame(
        {
            "test": ["x.good", "x.shrunk", "x.absent"],
            "weights": ["A +1; B -1", "A +1; B -1", "C +1; B -1"],
        }
    )
    true = shifts["A"]
    rows = bulk_rows(
        {"x.good": de_table(true, 1.0, rng), "x.shrunk": de_table(true, 0.8, rng)}, tests, shifts
    )
    verdict = {r["variant"]: r["pass"] for r in rows}
    assert verdict == {"x.good": "yes", "x.shrunk": "no"}
    assert parse_weights("medium_cue +1; vehicle -0.5") == {"medium_cue": 1.0, "vehicle": -0.5}


def test_labels():
    truth = pd.DataFrame(
        {"cell": list("abcdefgh"), "type": list("xxxxyyyy"), "doublet": ["no"] * 7 + ["yes"]}
    )
    right = pd.DataFrame({"cell": list("abcdefgh"), "label": list("ppppqqqp")})
    assert label_row(right, truth)["pass"] == "yes"
    assert label_row(right.assign(label=list("pqpqpqpq")), truth)["pass"] == "no"


def test_libraries_without_targets_belong_to_no_arm():
    planted = pd.DataFrame({"gene_id": ["g"], "component": ["h_bone"], "lfc": [2.0]})
    targets = pd.DataFrame({"specimen_id": ["a"], "target": ["h_bone"], "value": [0.5]})
    libraries = pd.DataFrame(
        {"specimen_id": ["a", "MSC1"], "animal_id": ["R1", "MSC1"], "condition": ""}
    )
    shifts = arm_shifts(planted, targets, libraries, pd.Series({"R1": "POST"}))
    assert shifts.columns.tolist() == ["POST"] and shifts.loc["g", "POST"] == 1.0
