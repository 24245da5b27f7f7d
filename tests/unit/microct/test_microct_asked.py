"""What the check says of regions that a scan cannot hold, and of sides that a row does not say."""

import numpy as np
import pytest

from periomics.microct.formats.writers import write_volume
from periomics.microct.opening import look_at_scan
from periomics.study.check.opened import Named

SECTION = {"bone_threshold": 100, "implant_threshold": 200}


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    """20 x 30 x 40 voxels of 10 µm."""
    path = tmp_path_factory.mktemp("scan") / "a.nrrd"
    write_volume(np.zeros((20, 30, 40), np.uint8), (10.0,) * 3, str(path))
    return path


def said(scan, facts=None, implant="required", more=(), **voi):
    section = {**SECTION, "implant": implant, "voi": voi}
    rows = {2: facts or {}, 3: {"role": "phantom"}, **dict(enumerate(more, start=4))}
    named = Named(scan, "a.nrrd", "scans.tsv", "path", rows, {"microct": section})
    return [(p.row, p.column, p.message, p.value, p.allowed) for p in look_at_scan(named).problems]


def test_a_region_within_the_scan_is_no_problem(scan):
    assert not said(scan, implant="none", box_um=[[0, 200], [0, 300], [0, 400]], radius_um=150)
    assert not said(scan, {"buccal_degrees": 10, "mesial_degrees": 280}, parts=["sides"])


def test_a_region_that_leaves_the_scan(scan):
    (found,) = said(scan, implant="none", box_um=[[0, 200], [0, 310], [0, 400]])
    message = "microct/voi/box_um leaves the scan along y"
    assert found == (2, "path", message, "310 µm", "up to 300 µm")
    (found,) = said(scan, implant="none", radius_um=60, centre_um=[50, 200])
    assert found[2:] == (
        "microct/voi/radius_um leaves the slices of the scan",
        "60 µm",
        "up to 50 µm",
    )


def test_sides_that_a_row_does_not_say(scan):
    found = said(scan, {"buccal_degrees": 10}, only="mesial")
    assert [f[:2] for f in found] == [(2, "mesial_degrees")]
    assert len(said(scan, parts=["octants"])) == 2
    (found,) = said(scan, {"buccal_degrees": 10, "mesial_degrees": 120})
    assert found[1] == "mesial_degrees" and found[4] == "100 or 280"


def test_rows_of_one_scan_are_its_implants(scan):
    two = [{"implants": 2, "implant": i} for i in (1, 2)]
    assert not said(scan, two[0], more=two[1:])
    for first, other, column, text in (
        (two[0], two[0], "implant", "another row is the same implant"),
        ({}, {}, "implant", "another row is the same implant"),
        (two[0], {"implants": 2, "implant": 3}, "implant", "holds no such implant"),
        (two[0], {"implants": 3, "implant": 2}, "implants", "another number of implants"),
        (two[0], {"implants": 2, "implant": 1.5}, "implant", "no whole number"),
        (two[1], {"implants": 2}, "implant", "is needed where a scan holds several"),
    ):
        found = said(scan, first, more=[other])
        assert any(f[1] == column and text in f[2] for f in found), (other, found)
    assert said(scan, two[0], implant="none")[0][1] == "implants"


def test_an_earlier_scan_that_cannot_be_compared(scan, tmp_path):
    other = tmp_path / "b.nrrd"
    write_volume(np.zeros((8, 8, 8), np.uint8), (12.0,) * 3, str(other))

    def told(path, **changed):
        rows = {2: {"path": str(scan), "earlier": str(path)}}
        config = {"microct": {**SECTION, **changed}}
        named = Named(path, path.name, "scans.tsv", "earlier", rows, config)
        return [(p.column, p.message, p.value, p.allowed) for p in look_at_scan(named).problems]

    assert not told(scan)
    (found,) = told(other)
    assert found == ("earlier", "the earlier scan has voxels of another size", "12 µm", "10 µm")
    (found,) = told(scan, segmentation="adaptive", bone_threshold_low=50)
    assert "microct/segmentation" in found[1] and found[3] == "fixed"
    (found,) = told(scan, threshold_rule="otsu", bone_threshold=None)
    assert "microct/threshold_rule" in found[1]
