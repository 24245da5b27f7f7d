"""Which part of a picture is measured: the whole, without what is to be ignored; sizes that the sheet overrules."""

import json

import numpy as np
import pytest
from histology_study import ROOT
from PIL import Image
from shapely.geometry import LineString, box

from periomics.core.errors import InputError
from periomics.histology.sections import in_view, lines, open_section, with_masks
from periomics.histology.settings import stain_settings
from periomics.imaging.readers import pixel_size, probe
from periomics.imaging.rois import Annotation, read_geojson
from periomics.imaging.stains import load_stains


def settings(**block):
    table = load_stains(ROOT / "resources" / "stains.yaml")
    return stain_settings({"stains": {"X": {"detector": "vessels", **block}}}, table)["X"]


@pytest.fixture
def picture(tmp_path):
    """A PNG of 60 × 40 pixels whose header says 0.5 µm."""
    Image.fromarray(np.full((40, 60, 3), 200, np.uint8)).save(
        tmp_path / "a.png", dpi=(50800, 50800)
    )
    return tmp_path / "a.png"


def test_the_whole_picture_needs_no_annotations(picture):
    opened = open_section({"path": str(picture)}, settings(roi="whole_picture"))
    assert opened.region.all()
    with pytest.raises(InputError, match="no annotation file"):
        open_section({"path": str(picture)}, settings())


def test_what_is_to_be_ignored_is_left_out_of_areas_and_lines():
    rgb = np.full((40, 60, 3), 200, np.uint8)
    regions = [
        Annotation("peri_implant_ct", box(0, 0, 60, 40)),
        Annotation("Ignore*", box(0, 0, 20, 40)),
    ]
    opened = with_masks(rgb, 0.5, 1.0, regions, settings())
    assert opened.region.sum() == 40 * 40
    assert not opened.region[:, :20].any()
    line = [Annotation("interface", LineString([(0, 10), (60, 10)])), regions[1]]
    opened = with_masks(rgb, 0.5, 1.0, line, settings(detector="laminin"))
    (drawn,) = lines(opened, "interface")
    np.testing.assert_allclose(drawn, [(0, 10), (60, 10)])
    places = np.array([(5, 10), (19, 10), (21, 10), (59, 10), (61, 10)])
    assert in_view(opened, places).tolist() == [False, False, True, True, False]


def test_a_size_of_the_sheet_stands_against_the_files_with_a_reason_only(picture):
    info = probe(picture)
    assert info.pixel_um == pytest.approx(0.5)
    with pytest.raises(InputError, match="a pixel_reason why"):
        pixel_size(info, 0.25)
    assert pixel_size(info, 0.25, overrule=True) == 0.25
    fact = {"path": str(picture), "pixel_um": "0.25", "pixel_reason": "the export halved it"}
    assert open_section(fact, settings(roi="whole_picture", pixel_um=0.25)).pixel_um == 0.25


@pytest.mark.parametrize("dots", [72, 300, 600, 1200, 2400])
def test_resolutions_of_print_are_no_pixel_sizes(tmp_path, dots):
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / "a.jpg", dpi=(dots, dots))
    assert probe(tmp_path / "a.jpg").pixel_um is None


def test_an_unclassified_annotation_does_not_refuse_the_file(tmp_path):
    square = {"type": "Polygon", "coordinates": [[[0, 0], [4, 0], [4, 4], [0, 4], [0, 0]]]}
    features = [
        {"geometry": square, "properties": {}},
        {"geometry": square, "properties": {"name": "bone"}},
    ]
    (tmp_path / "a.geojson").write_text(json.dumps(features), encoding="utf-8")
    assert [a.name for a in read_geojson(tmp_path / "a.geojson")] == ["Unclassified", "bone"]
