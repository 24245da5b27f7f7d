"""Bone against a round implant and between square threads, in magenta on blue: arcs and areas by
hand."""

import numpy as np
import pytest
from ground import MIDDLE, PIXEL, SIDE, circle, disc, light, measured, polar, sector, square
from scipy import ndimage
from shapely.geometry import Polygon

from periomics.imaging.rois import Annotation

BLUE, MAGENTA = (0.80, 0.55, 0.22), (0.24, 0.86, 0.44)
VECTORS = {"Stevenel": [0.80, 0.55, 0.22], "picrofuchsin": [0.24, 0.86, 0.44]}
RADIUS = 75.0
# Of the camera, in pixels: metal's edge is grey over some 2 µm.
BLUR = 1.5
BLOCK = {"detector": "contact", "vectors": VECTORS, "roi": "region"}


def picture(bone, metal, seed=2, lacunae=60):
    """Magenta bone with blue lacunae in pale blue tissue around black metal."""
    rng = np.random.default_rng(seed)
    blue = 0.22 * (1 + 0.2 * rng.random(bone.shape)) * ~bone
    magenta = 0.6 * bone
    for at in rng.uniform(10, SIDE * PIXEL - 10, (lacunae, 2)):
        rows, columns = disc(at, 2.5)
        in_bone = bone[rows, columns]
        blue[rows, columns], magenta[rows, columns] = 0.5, 0.2 * in_bone
    drawn = light([blue, magenta], [BLUE, MAGENTA], seed)
    drawn[metal] = 9
    seen = ndimage.gaussian_filter(drawn.astype(float), (BLUR, BLUR, 0))
    return np.round(seen + rng.normal(0, 1, seen.shape)).clip(0, 255).astype(np.uint8)


def around(arcs, gap=0.0):
    """Bone from the metal (or a gap off it) outwards over some arcs."""
    bone = np.zeros((SIDE, SIDE), bool)
    for first, last in arcs:
        bone |= sector(first, last, RADIUS + gap, RADIUS + 60)
    return bone, polar()[0] < RADIUS


@pytest.mark.parametrize("arcs", [[(0, 30)], [(10, 200), (215, 340)]])
def test_contact_is_the_share_of_the_arc(table, arcs):
    truth = sum(b - a for a, b in arcs) / 3.6
    drawn = picture(*around(arcs))
    outcomes = {"threads": "none", "ring": "bata"}
    rows, _ = measured(
        drawn,
        [circle("implant", RADIUS), square("region")],
        table,
        **BLOCK,
        outcomes=outcomes,
        options={"ring_um": 50},
    )
    row = rows["bic", ""]
    assert row.get("qc", "pass") == "pass", row
    assert row["value"] == pytest.approx(truth, abs=0.05 * truth)
    assert row["denominator"] == pytest.approx(2 * np.pi * RADIUS / 1000, rel=0.005)
    assert rows["bata", ""]["value"] == pytest.approx(truth, abs=0.05 * truth)


def test_bone_off_the_metal_is_no_contact_but_within_a_wider_band(table):
    drawn = picture(*around([(0, 120)], gap=7.5))
    regions = [circle("implant", RADIUS), square("region")]
    rows, _ = measured(drawn, regions, table, **BLOCK, outcomes={"threads": "none"})
    assert rows["bic", ""]["value"] == pytest.approx(0, abs=0.5)
    assert rows["bic", "contact=10um"]["value"] == pytest.approx(100 / 3, rel=0.05)


def test_one_blue_alone_parts_bone_from_pale_marrow_by_half_of_what_is_typical(table):
    """Toluidine blue: bone of middling strength, cells in it and in the marrow darker, all of one
    hue. Two levels would part cells from bone, which is told."""
    bone, metal = around([(30, 190)])
    rng = np.random.default_rng(6)
    amount = np.where(bone, 0.4, 0.07) * (1 + 0.15 * rng.random(bone.shape))
    for at in rng.uniform(8, 312, (150, 2)):
        amount[disc(at, 3.2)] = 0.9
    drawn = light([amount], [(0.72, 0.62, 0.31)], seed=6)
    drawn[metal] = 9
    drawn = ndimage.gaussian_filter(drawn, (1, 1, 0))
    block = BLOCK | {"vectors": {"other": [0.15, 0.75, 0.64], "blue": [0.72, 0.62, 0.31]}}
    block |= {"outcomes": {"threads": "none", "ring": "bata"}, "options": {"ring_um": 50}}
    regions = [circle("implant", RADIUS), square("region")]
    rows, _ = measured(drawn, regions, table, **block, threshold="half_maximum")
    assert {r.get("qc", "pass") for r in rows.values()} == {"pass"}, rows
    for name in ("bic", "bata"):
        assert rows[name, ""]["value"] == pytest.approx(160 / 3.6, rel=0.05)
    rows, _ = measured(drawn, regions, table, **block)
    assert "stain in parts too small for bone" in rows["bic", ""]["qc_reason"]


def test_only_the_outline_in_the_region_counts(table):
    drawn = picture(*around([(180, 270)]))
    regions = [circle("implant", RADIUS), square("region", bottom=MIDDLE)]
    rows, _ = measured(drawn, regions, table, **BLOCK, outcomes={"threads": "none"})
    assert rows["bic", ""]["value"] == pytest.approx(50, rel=0.05)
    assert rows["bic", ""]["denominator"] == pytest.approx(np.pi * RADIUS / 1000, rel=0.01)


@pytest.mark.parametrize(("off", "gap"), [(-6.0, 0.0), (3.0, 7.5)])
def test_an_outline_a_little_off_is_moved_to_where_metal_ends(table, off, gap):
    drawn = picture(*around([(0, 150)], gap=gap))
    regions = [circle("implant", RADIUS + off), square("region")]
    rows, _ = measured(drawn, regions, table, **BLOCK, outcomes={"threads": "none"})
    truth = 0 if gap else 150 / 3.6
    assert rows["bic", ""]["value"] == pytest.approx(truth, rel=0.05, abs=0.5)
    assert rows["bic", ""].get("qc", "pass") == "pass"


@pytest.mark.parametrize("off", [-14.0, 8.0])
def test_an_outline_far_off_is_held_back(table, off):
    drawn = picture(*around([(0, 180)]))
    rows, _ = measured(drawn, [circle("implant", RADIUS + off), square("region")], table, **BLOCK)
    assert rows["bic", ""]["qc"] == "hold"
    assert "the metal's edge is not seen" in rows["bic", ""]["qc_reason"]


def test_without_metal_there_is_no_contact(table):
    drawn = picture(*around([(0, 180)]))
    rows, _ = measured(drawn, [square("region")], table, **BLOCK)
    for name in ("bic", "baf"):
        assert rows[name, ""]["qc"] == "fail" and "'implant'" in rows[name, ""]["qc_reason"]


def test_between_threads_the_area_is_what_the_screw_leaves_of_its_hull(table):
    """Three grooves of 40 by 30 µm in a bar; bone fills the upper half of each, and all that lies
    outside them."""
    y, x = (np.indices((SIDE, SIDE)) + 0.5) * PIXEL
    grooves = [(60 + 70 * k, 100 + 70 * k) for k in range(3)]
    groove = np.zeros((SIDE, SIDE), bool)
    corners = [(100, 20), (100, 300), (230, 300)]
    for top, bottom in reversed(grooves):
        corners += [(230, bottom), (200, bottom), (200, top), (230, top)]
        groove |= (y >= top) & (y < bottom) & (x >= 200) & (x < 230)
    corners += [(230, 20)]
    metal = (x >= 100) & (x < 230) & (y >= 20) & (y < 300) & ~groove
    upper = np.zeros((SIDE, SIDE), bool)
    for top, _ in grooves:
        upper |= groove & (y >= top) & (y < top + 20)
    bone = upper | (x >= 230)
    screw = Annotation("implant", Polygon([(a / PIXEL, b / PIXEL) for a, b in corners]))
    rows, found = measured(
        picture(bone & ~metal, metal, lacunae=0),
        [screw, square("region", left=150, top=30, bottom=290)],
        table,
        **BLOCK,
    )
    # The metal's margin of 5 µm belongs to no area: 30 by 30 of a groove are left (25 long), 15 of
    # 30 with bone.
    assert rows["baf", ""]["value"] == pytest.approx(50, rel=0.05)
    assert rows["baf", ""]["denominator"] == pytest.approx(3 * 30 * 25e-6, rel=0.03)
    # Outline of the threads: crests 260 - 120, of each groove two flanks of 30 and a floor of 40;
    # bone before the crests, the upper flank and half of floor. The lower flank has none.
    lined = 140 + 3 * (30 + 20)
    assert rows["bic", ""]["value"] == pytest.approx(100 * lined / (140 + 3 * 100), rel=0.05)
    assert found.objects["area_um2"].max() > 10_000
