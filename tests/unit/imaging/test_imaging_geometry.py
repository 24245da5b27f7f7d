"""Unrolling and regions: shapes whose answer is known."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import LineString, Point, Polygon, box

from periomics.core.errors import InputError
from periomics.imaging import rois
from periomics.imaging.unroll import unroll


def plane(height, width, fx, fy):
    y, x = np.mgrid[:height, :width] + 0.5
    return fx * x + fy * y


@given(st.floats(0, 6.28), st.floats(-1, 1), st.floats(-1, 1))
@settings(max_examples=40)
def test_a_plane_stays_a_plane_along_any_straight_line(angle, fx, fy):
    image = plane(120, 120, fx, fy)
    direction = np.array([np.cos(angle), np.sin(angle)])
    start, end = np.array([60, 60]) - 40 * direction, np.array([60, 60]) + 40 * direction
    band = unroll(image, np.array([start, end]), width=10, step=1.0)
    assert band.length == pytest.approx(80)
    assert band.values.shape == (80, 11)
    normal = np.array([-direction[1], direction[0]])
    points = start + band.arc[:, None, None] * direction + band.depth[None, :, None] * normal
    np.testing.assert_allclose(band.values, points @ np.array([fx, fy]), atol=1e-3)


def test_a_ring_becomes_straight():
    y, x = np.mgrid[:200, :200] + 0.5
    radius = np.hypot(x - 100, y - 100)
    angle = np.linspace(0, np.pi, 91)
    arc = np.column_stack([100 + 60 * np.cos(angle), 100 + 60 * np.sin(angle)])
    band = unroll(radius, arc, width=20, step=0.5)
    assert band.length == pytest.approx(60 * np.pi, rel=1e-3)
    # Clockwise on the screen: the right hand points to the centre.
    np.testing.assert_allclose(
        band.values, np.broadcast_to(60 - band.depth, band.values.shape), atol=0.1
    )


def test_sides_and_the_outside():
    image = plane(50, 50, 0, 1)
    line = np.array([[5.0, 10.0], [45.0, 10.0]])
    right = unroll(image, line, width=0, step=1, depths=(0, 6))
    np.testing.assert_allclose(right.values[0], 10 + right.depth, atol=1e-5)
    np.testing.assert_allclose(
        unroll(image, line[::-1], width=0, step=1, depths=(0, 6)).values[0],
        10 - right.depth,
        atol=1e-5,
    )
    assert np.isnan(unroll(image, line, width=30, step=1).values[:, 0]).all()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ([[1, 1]], "two different points"),
        ([[1, 1], [1, 1]], "two different points"),
        ([1, 2, 3], "a list of x, y"),
    ],
)
def test_a_line_without_length_is_refused(line, reason):
    with pytest.raises(InputError, match=reason):
        unroll(np.zeros((5, 5)), np.array(line, float), 3, 1)


@given(st.integers(0, 2**31))
@settings(max_examples=40)
def test_masks_hold_the_pixels_whose_centres_lie_inside(seed):
    rng = np.random.default_rng(seed)
    polygon = Polygon(rng.uniform(-10, 50, (6, 2))).convex_hull.difference(Point(20, 20).buffer(6))
    mask = rois.polygon_mask([polygon], (40, 40), scale=1.0)
    import shapely

    y, x = np.mgrid[:40, :40] + 0.5
    np.testing.assert_array_equal(mask, shapely.contains_xy(polygon, x, y))


def test_scale_and_offset_of_masks():
    mask = rois.polygon_mask([box(100, 200, 140, 260)], (60, 50), scale=2.0, offset=(80, 180))
    rows, columns = np.nonzero(mask)
    assert (columns.min(), columns.max(), rows.min(), rows.max()) == (10, 29, 10, 39)
    assert mask.sum() == 20 * 30


def test_outlines_enclose_their_object():
    labels = np.zeros((60, 60), int)
    y, x = np.mgrid[:60, :60] + 0.5
    labels[np.hypot(x - 20, y - 22) < 8] = 1
    labels[np.hypot(x - 45, y - 40) < 6] = 2
    for number, outline in enumerate(rois.outlines(labels, scale=2.0, offset=(10, 20)), start=1):
        polygon = Polygon(outline)
        centre = ((20, 22), (45, 40))[number - 1]
        assert polygon.centroid.x == pytest.approx(2 * centre[0] + 10, abs=0.3)
        assert polygon.centroid.y == pytest.approx(2 * centre[1] + 20, abs=0.3)
        assert polygon.area / 4 == pytest.approx((labels == number).sum(), rel=0.04)


def test_geojson_round_trip_and_its_kinds(tmp_path):
    features = [
        rois.annotation_feature(box(0, 0, 10, 10), "bone", "a"),
        rois.annotation_feature(LineString([(0, 0), (5, 5)]), "interface", "b"),
        rois.annotation_feature(Point(1, 2), "margin", "c"),
        rois.detection(
            np.array([[0, 0], [2, 0], [2, 2], [0, 0]]),
            "positive",
            {"Area µm^2": 2.0, "bad": np.nan},
            "d",
        ),
    ]
    rois.write_geojson(features, tmp_path / "a.geojson", section="S1")
    found = rois.read_geojson(tmp_path / "a.geojson")
    assert [a.name for a in found] == ["bone", "interface", "margin"]  # detections are not regions
    assert rois.need(found, "bone", "Polygon")[0].area == 100
    data = json.loads((tmp_path / "a.geojson").read_text(encoding="utf-8"))
    assert data["features"][3]["properties"]["measurements"] == [
        {"name": "Area µm^2", "value": 2.0}
    ]
    assert data["features"][3]["geometry"]["type"] == "Polygon"
    assert data["features"][3]["id"] == rois.detection(np.zeros((1, 2)), "x", {}, "d")["id"]


def test_other_exports_of_annotations(tmp_path):
    square = {"type": "Polygon", "coordinates": [[[0, 0], [4, 0], [4, 4], [0, 4], [0, 0]]]}
    feature = {"type": "Feature", "geometry": square, "properties": {"name": "bone"}}
    for data in ([feature], feature, {"type": "FeatureCollection", "features": [feature]}):
        (tmp_path / "a.geojson").write_text(json.dumps(data), encoding="utf-8")
        assert rois.read_geojson(tmp_path / "a.geojson")[0].name == "bone"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{nope", "not JSON"),
        ('[{"geometry": null, "properties": {"name": "bone"}}]', "no usable geometry"),
        ('"text"', "no features"),
    ],
)
def test_bad_annotations_are_named(tmp_path, text, message):
    (tmp_path / "a.geojson").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        rois.read_geojson(tmp_path / "a.geojson")


def test_a_missing_region_names_the_nearest():
    with pytest.raises(InputError, match="did you mean 'bone'"):
        rois.need([rois.Annotation("bone", box(0, 0, 1, 1))], "bones", "Polygon")
    with pytest.raises(InputError, match="no LineString"):
        rois.need([rois.Annotation("interface", box(0, 0, 1, 1))], "interface", "LineString")
