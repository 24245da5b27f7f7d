"""What the check says of plates and tables of Cq or bands before a job reads them."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from periomics.culture.opening import look_at_picture, look_at_plate, look_at_ratios
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


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, []),
        ({"channel": "3"}, ["channel: the picture has no such channel (3)"]),
        ({"channel": ""}, ["channel: which channel? ()"]),
        ({"marker": "dapi"}, ["marker: the picture has no such channel (dapi)"]),
        ({"readout": ""}, ["readout: needs its outcome ()"]),
        ({"readout": "prol"}, ["readout: is no outcome of this assay (prol)"]),
        ({"readout": "", "marker": ""}, []),
    ],
)
def test_rows_of_a_picture_of_two_channels(tmp_path, dictionary, change, words):
    path = tmp_path / "two.tif"
    planes = np.zeros((2, 8, 9), np.uint16)
    tifffile.imwrite(path, planes, metadata={"axes": "CYX"}, ome=False, photometric="minisblack")
    row = {"assay": "nuclei", "specimen_id": "s", "readout": "edu", "channel": "1", "marker": "2"}
    assert lines(look_at_picture, path, dictionary, row | change) == words


def test_a_colour_picture_needs_its_channel_by_its_pixels_only(tmp_path, dictionary):
    path = tmp_path / "c.png"
    Image.new("RGB", (8, 9)).save(path)
    row = {"assay": "tubes", "specimen_id": "s"}
    assert lines(look_at_picture, path, dictionary, row) == []
    assert lines(look_at_picture, path, dictionary, row | {"channel": "far red"}) == [
        "channel: the picture has no such channel - did you mean 'red'? (far red)"
    ]
