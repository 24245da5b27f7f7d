"""Outcomes that a study declares for itself."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from periomics.core.errors import InputError
from periomics.study.dictionary import direction_of, entry, load_dictionary
from periomics.study.frozen import observed
from periomics.study.study import load_study

ROOT = Path(__file__).resolve().parents[3]
TEAM = ROOT / "resources/outcomes.tsv"
HEAD = "outcome\tunit\tscale\tbenefit"


def table(folder, *rows, head=HEAD, name="own.tsv"):
    path = folder / name
    path.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return path


def test_own_rows_stand_beside_the_teams_with_defaults(tmp_path):
    own = table(tmp_path, "torque\tNcm\tlog\t+", "pain\t1\tidentity\t-")
    found = load_dictionary([TEAM, own])
    assert len(found) == len(load_dictionary(TEAM)) + 2
    torque = entry(found, "torque")
    assert (torque["unit"], torque["scale"], torque["kind"]) == ("Ncm", "log", "continuous")
    assert (torque["domain"], torque["aggregation"]) == ("context", "A")
    assert direction_of(found, "torque", {}) == 1 and direction_of(found, "pain", {}) == -1
    assert np.isnan(torque["least"]) and np.isnan(entry(found, "bvtv")["most"])


def test_range_kind_and_domain_are_taken(tmp_path):
    head = HEAD + "\tkind\tdomain\tleast\tmost"
    own = table(tmp_path, "grade\t1\tidentity\t-\tordinal\tinflammation\t0\t4", head=head)
    grade = entry(load_dictionary([TEAM, own]), "grade")
    assert (grade["kind"], grade["domain"]) == ("ordinal", "inflammation")
    assert (grade["least"], grade["most"]) == (0, 4)


def test_semicolons_and_workbooks_are_read_as_sheets_are(tmp_path):
    own = table(tmp_path, "torque;Ncm;log;+", head=HEAD.replace("\t", ";"), name="own.csv")
    assert "torque" in load_dictionary([TEAM, own]).index
    path = tmp_path / "own.xlsx"
    frame = pd.DataFrame([["torque", "Ncm", "log", "+"]], columns=HEAD.split("\t"))
    frame.to_excel(path, index=False)
    assert "torque" in load_dictionary([TEAM, path]).index


@pytest.mark.parametrize(
    ("rows", "head", "said"),
    [
        (["torque\tNcm\tlogg\t+"], HEAD, "row 2, column scale: .*did you mean 'log'"),
        (["torque\tNcm\tlog\tup"], HEAD, "column benefit: .*allowed: \\+, -"),
        (["bvtv\t%\tlogit\t+"], HEAD, "is an outcome of periomics"),
        (["a\t1\tlog\t+", "a\t1\tlog\t+"], HEAD, "row 3, column outcome: outcome stands twice"),
        (["score:x:y\t1\tlog\t+"], HEAD, "no name for an outcome"),
        (["torque\t\tlog\t+"], HEAD, "column unit: needs its unit"),
        (["torque\tNcm\tlog"], "outcome\tunit\tscale", "lacks columns benefit"),
        (["torque\tNcm\tlog\t+\t1"], HEAD + "\tleats", "unknown column - did you mean 'least'"),
        (["torque\tNcm\tlog\t+\tx"], HEAD + "\tleast", "column least: not a number"),
        (["torque\tNcm\tlog\t+\t5\t5"], HEAD + "\tleast\tmost", "least is not below most"),
        (["#N/A\tNcm\tlog\t+"], HEAD, "error of the spreadsheet program"),
    ],
)
def test_slips_are_named_with_their_place(tmp_path, rows, head, said):
    with pytest.raises(InputError, match=said):
        load_dictionary([TEAM, table(tmp_path, *rows, head=head)])


def test_what_outcomes_mean_is_among_what_the_unblinding_records(tmp_path):
    own = table(tmp_path, "torque\tNcm\tlog\t+")
    (tmp_path / "animals.tsv").write_text("animal_id\tunit\nR1\tanimal\n", encoding="utf-8")
    config = {
        "study": {"name": "x"},
        "results_dir": str(tmp_path / "results"),
        "sheets": {"animals": "animals.tsv"},
        "resources": {"outcomes": str(own)},
    }
    before = observed(load_study(config, str(tmp_path)))
    own.write_text(own.read_text(encoding="utf-8").replace("+", "-"), encoding="utf-8")
    after = observed(load_study(config, str(tmp_path)))
    assert before["outcomes/own.tsv"] != after["outcomes/own.tsv"]
