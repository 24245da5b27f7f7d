"""What the check says of plates and tables of Cq or bands before a job reads them."""

import pytest

from periomics.culture.opening import look_at_plate, look_at_ratios
from periomics.study.check.opened import Named
from periomics.study.dictionary import load_dictionary

PLATE = {"assay": "plate", "specimen_id": "s", "readout": "prol", "well": "A1"}
CQ = {"assay": "qpcr", "specimen_id": "s", "readout": "own", "target": "T", "over": "R"}


@pytest.fixture(scope="module")
def dictionary(pytestconfig):
    return load_dictionary(pytestconfig.rootpath / "resources/outcomes.tsv")


def lines(look, path, dictionary, *rows):
    named = Named(path, path.name, "cultures.tsv", "path", dict(enumerate(rows, 2)), {}, dictionary)
    return [f"{p.column}: {p.message} ({p.value})" for p in look(named).problems]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, []),
        ({"readout": "mvd"}, ["readout: is no outcome of this assay (mvd)"]),
        ({"readout": "detach"}, ["readout: is no outcome of this assay (detach)"]),
        ({"readout": "teer"}, ["area_cm2: teer needs it ()"]),
        ({"readout": "teer", "role": "blank"}, []),
        ({"plate": "c"}, ["plate: no such plate, or several (c)"]),
    ],
)
def test_rows_of_a_plate(tmp_path, dictionary, change, words):
    path = tmp_path / "p.csv"
    path.write_text("a;\n;1\nA;0,1\n\nb;\n;1\nA;0,2\n", encoding="utf-8")
    assert lines(look_at_plate, path, dictionary, PLATE | {"plate": "a"} | change) == words


def test_a_well_is_taken_once_a_plate(tmp_path, dictionary):
    path = tmp_path / "p.csv"
    path.write_text("a;\n;1\nA;0,1\n\nb;\n;1\nA;0,2\n", encoding="utf-8")
    rows = [PLATE | {"plate": p} for p in ("a", "b", "a")]
    assert lines(look_at_plate, path, dictionary, *rows) == [
        "well: the well is taken already in row 2 (A1)"
    ]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, []),
        ({"sample": "S"}, ["sample: the table has no sample 'S' - did you mean 's'? (S)"]),
        ({"target": "U"}, ["target: sample 's' has no target 'U' (U)"]),
        ({"over": "R|Q"}, ["over: sample 's' has no target 'Q' (R|Q)"]),
        ({"over": ""}, ["over: needs what it is divided by ()"]),
        ({"readout": "prol"}, ["readout: is no outcome of this assay (prol)"]),
        ({"readout": ""}, ["readout: needs its outcome ()"]),
    ],
)
def test_rows_of_a_table_of_cq(tmp_path, dictionary, change, words):
    path = tmp_path / "cq.csv"
    path.write_text("sample,target,cq\ns,T,20\ns,R,18\n", encoding="utf-8")
    assert lines(look_at_ratios, path, dictionary, CQ | change) == words
