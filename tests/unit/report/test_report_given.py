"""What was given when: rows by arm, times of measurements beside them, entries that do not lie on
each other."""

from types import SimpleNamespace

import pandas as pd
from report_study import DICTIONARY

from periomics.report.given import given, given_figure, lanes_of
from periomics.report.modality import VALUE_COLUMNS
from periomics.study.dictionary import load_dictionary

GIVEN = [
    {"name": "drug", "arms": ["DRUG", "POST"], "start": -14, "end": 28},
    {"name": "implant", "arms": ["CTRL", "POST"], "start": 0},
    {"name": "cells", "arms": ["POST"], "start": 1},
    {"name": "label", "arms": ["POST"], "start": 20},
]


def sources(told, unit="d"):
    values = pd.DataFrame(
        {"animal_id": "R1", "outcome": "bvtv", "variant": "", "status": "measured"}
        | {"time": [28.0, 7.0, 28.0], "time_unit": unit},
        index=range(3),
    ).reindex(columns=list(VALUE_COLUMNS))
    return SimpleNamespace(
        config={"study": {"given": told}},
        arms=["CTRL", "DRUG", "POST"],
        dictionary=load_dictionary(DICTIONARY),
        table=lambda name, columns: values,
    )


def test_arms_and_modalities_stand_in_rows_with_their_times(tmp_path):
    table = given(sources(GIVEN))
    assert table["row"].tolist() == ["CTRL", "DRUG"] + ["POST"] * 4 + ["Micro-CT"] * 2
    assert table["start"].tolist() == [0, -14, -14, 0, 1, 20, 7, 28]
    # The drug has a line of its own; the implant and the cells a day later cannot share one.
    assert lanes_of(table).tolist() == [0, 0, 0, 1, 2, 1, 0, 0]
    drawn = given_figure(sources(GIVEN), tmp_path)
    assert drawn and (tmp_path / "given.svg").is_file() and "study: given" in drawn.caption


def test_without_a_declaration_there_is_no_picture(tmp_path):
    assert given(sources([])).empty and given_figure(sources([]), tmp_path) is None
    assert "measured" not in given(sources(GIVEN, unit="h"))["what"].tolist()
