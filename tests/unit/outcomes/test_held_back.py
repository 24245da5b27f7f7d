"""What a quality gate holds back: out of the animals until a sheet confirms it, and beside them with everything."""

import pandas as pd
import pytest

from periomics.core.errors import PeriomicsError
from periomics.outcomes.aggregate import aggregate
from periomics.outcomes.collect import join_design, release, specimen_table
from periomics.study.dictionary import load_dictionary
from periomics.study.measurements import tidy
from periomics.study.settings.outcomes import OutcomeRules
from periomics.study.sheets import SHEETS, confirmations

NOTHING = pd.DataFrame(columns=["level", "id", "modality", "reason"])


def sheets(tmp_path, confirmed=""):
    rows = {
        "animals": [{"animal_id": a, "unit": "animal", "group": "CTRL"} for a in ("A1", "A2")],
        "scans": [
            {"specimen_id": f"{a}-ct", "animal_id": a, "confirmed": c}
            for a, c in (("A1", confirmed), ("A2", ""))
        ],
    }
    return {
        name: pd.DataFrame(found).reindex(columns=list(SHEETS[name].names)).fillna("")
        for name, found in rows.items()
    }


def animals(sheets, dictionary, everything=False):
    rows = [
        {"specimen_id": "A1-ct", "animal_id": "A1", "value": 30.0, "qc": "hold", "qc_reason": "rings 3"},
        {"specimen_id": "A2-ct", "animal_id": "A2", "value": 40.0},
    ]  # fmt: skip
    table = tidy(rows, outcome="bvtv", modality="microct", level="specimen", unit="%")
    joined = join_design(table, sheets["animals"], specimen_table(sheets))
    released = release(joined, confirmations(sheets), everything)
    found = aggregate(released, dictionary, NOTHING, OutcomeRules())
    return found.set_index("animal_id"), released


@pytest.fixture(scope="module")
def dictionary(root):
    return load_dictionary(root / "resources/outcomes.tsv")


def test_it_is_out_of_its_animal_with_the_reason(tmp_path, dictionary):
    found, _ = animals(sheets(tmp_path), dictionary)
    assert found.loc["A1", "status"] == "excluded" and pd.isna(found.loc["A1", "value"])
    assert found.loc["A1", "reason"] == "held back by the quality gate: rings 3"
    assert found.loc["A2", "value"] == 40


def test_a_sheet_confirms_it_by_name_and_reason(tmp_path, dictionary):
    found, rows = animals(sheets(tmp_path, "EK: rings lie outside the shell"), dictionary)
    assert found.loc["A1", "status"] == "measured" and found.loc["A1", "value"] == 30
    row = rows.set_index("specimen_id").loc["A1-ct"]
    assert row["qc"] == "warn"
    assert row["qc_reason"] == "rings 3; confirmed: EK: rings lie outside the shell"


def test_everything_is_seen_beside(tmp_path, dictionary):
    found, _ = animals(sheets(tmp_path), dictionary, everything=True)
    assert found.loc["A1", "value"] == 30


def test_sections_are_confirmed_one_by_one():
    sections = pd.DataFrame(
        {"specimen_id": ["b", "b"], "section_id": ["s1", "s2"], "confirmed": [" ", "EK: fine"]}
    )
    assert confirmations({"sections": sections}) == {("section_id", "s2"): "EK: fine"}
    joined = pd.DataFrame(
        {"specimen_id": "b", "section_id": ["s1", "s2"], "qc": "hold", "qc_reason": "fold"}
    )
    assert list(release(joined, confirmations({"sections": sections}))["qc"]) == ["hold", "warn"]


def test_holding_back_needs_a_reason():
    with pytest.raises(PeriomicsError, match="hold or fail needs a qc_reason"):
        tidy([{"specimen_id": "x", "outcome": "bvtv", "modality": "microct", "qc": "hold",
               "level": "specimen"}])  # fmt: skip
