"""Detectors on drawings whose answer is known by hand, and the rules of the study (scale, tiles, mirrors, bad input)."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from histology_study import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import LineString, Point, box

from periomics.core.errors import InputError
from periomics.histology import (
    artefacts,
    detection,
    lacunae,
    laminin,
    neutrophils,
    quality,
    thresholds,
)
from periomics.histology.batch import BatchRow, batch_rows, pool, sample_section
from periomics.histology.detection import counted, label, prepare
from periomics.histology.measure import measure_section, measured_outcomes
from periomics.histology.sections import with_masks
from periomics.histology.settings import options_from, stain_settings
from periomics.imaging.rois import Annotation
from periomics.imaging.stains import load_stains

PAIRS = load_stains(ROOT / "resources" / "stains.yaml")
WHITE = (240.0, 240.0, 240.0)


def block(**more):
    return stain_settings({"sweep_percent": 0, "smooth_um": 0.01, "stains": {"X": more}}, PAIRS)[
        "X"
    ]


def colours(amounts_first, amounts_second, pair):
    od = amounts_first[..., None] * pair.vectors[0] + amounts_second[..., None] * pair.vectors[1]
    return np.round(np.array(WHITE) * 10**-od).clip(0, 255).astype(np.uint8)


def draw(brown, pair=PAIRS["H-DAB"], blue=0.1):
    return colours(np.full(brown.shape, blue), brown, pair)


def run(rgb, pixel, annotations, settings, threshold=0.3, second=0.4, fact=None):
    opened = with_masks(rgb, pixel, 1.0, annotations, settings)
    row = BatchRow(WHITE, settings.pair.vectors, threshold, second, 0.06)
    measured = measure_section(
        opened, settings, row, fact or {"section_id": "S", "specimen_id": "s", "animal_id": "a"}
    )
    return pd.DataFrame(measured.rows), measured


def rings(shape, pixel, centres, outer=10.0, wall=2.0, gap=0.0):
    y, x = (np.mgrid[: shape[0], : shape[1]] + 0.5) * pixel
    brown = np.zeros(shape)
    for cx, cy in centres:
        r = np.hypot(x - cx, y - cy)
        ring = (r < outer) & (r >= outer - wall)
        ring &= ~((np.abs(y - cy) < gap / 2) & (x > cx))
        brown[ring] = 0.8
    return brown


CT = "peri_implant_ct"


@pytest.mark.parametrize(("gap", "area"), [(0.0, np.pi * 100), (4.0, np.pi * 100)])
def test_a_ring_is_one_vessel_with_its_lumen(gap, area):
    brown = rings((200, 200), 0.5, [(50, 50)], gap=gap)
    rows, measured = run(
        draw(brown), 0.5, [Annotation(CT, box(0, 0, 200, 200))], block(detector="vessels")
    )
    table = rows.set_index(["outcome", "variant"])
    assert table.at[("mvd", ""), "numerator"] == 1
    assert table.at[("mvd", ""), "denominator"] == pytest.approx(0.01)
    assert table.at[("va", ""), "numerator"] * 1e6 == pytest.approx(area, rel=0.03)
    ring = (brown > 0).sum() * 0.25
    assert table.at[("va", "stained"), "numerator"] * 1e6 == pytest.approx(ring, rel=0.01)
    assert measured.objects.at[0, "lumen_um2"] == pytest.approx(np.pi * 64, rel=0.08)
    assert table.at[("vd", ""), "value"] == pytest.approx(20, rel=0.02)


def test_a_wide_opening_leaves_a_lumen_open():
    brown = rings((200, 200), 0.5, [(50, 50)], gap=9.0)
    rows, _ = run(
        draw(brown), 0.5, [Annotation(CT, box(0, 0, 200, 200))], block(detector="vessels")
    )
    assert (
        rows.set_index(["outcome", "variant"]).at[("va", ""), "numerator"] * 1e6 < 0.7 * np.pi * 100
    )


def test_specks_are_dropped_and_close_profiles_are_one():
    brown = rings((200, 200), 0.5, [(30, 30), (53, 30)])  # 3 µm between them
    brown[150:154, 150:154] = 0.8  # 4 µm²
    annotation = [Annotation(CT, box(0, 0, 200, 200))]
    rows, _ = run(draw(brown), 0.5, annotation, block(detector="vessels"))
    assert rows.at[0, "numerator"] == 1
    rows, _ = run(
        draw(brown),
        0.5,
        annotation,
        block(detector="vessels", options={"gap_um": 2, "smallest_um2": 1}),
    )
    assert rows.at[0, "numerator"] == 3


def test_pixel_size_scales_densities_by_its_square():
    brown = rings((200, 200), 0.5, [(30, 30), (70, 60)])
    annotation = [Annotation(CT, box(0, 0, 200, 200))]
    options = {"gap_um": 0, "smallest_um2": 1}
    one, _ = run(draw(brown), 0.5, annotation, block(detector="vessels", options=options))
    two, _ = run(draw(brown), 1.0, annotation, block(detector="vessels", options=options))
    assert one.at[0, "value"] == pytest.approx(4 * two.at[0, "value"])


def test_implant_and_its_margin_are_no_tissue():
    brown = rings((200, 200), 0.5, [(70, 50)])
    annotations = [Annotation(CT, box(0, 0, 200, 200)), Annotation("implant", box(0, 0, 80, 200))]
    rgb = draw(brown)
    rgb[:, :80] = 3
    rows, _ = run(rgb, 0.5, annotations, block(detector="vessels"))
    assert rows.at[0, "denominator"] == pytest.approx((100 - 45) * 100 * 1e-6, rel=0.01)
    assert rows.at[0, "numerator"] == 1


@given(st.integers(0, 2**31))
@settings(max_examples=25)
def test_tiles_count_every_profile_once(seed):
    """Cut at any place: the counts of both parts add up to the whole (profiles at the outer right and lower frame apart)."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((120, 160), bool)
    y, x = np.mgrid[:120, :160]
    for cx, cy in rng.uniform((8, 8), (150, 110), (12, 2)):
        mask |= np.hypot(x - cx, y - cy) < 5
    labels = label(mask)
    cut = int(rng.integers(30, 130))
    whole = counted(labels, np.ones(mask.shape, bool))
    left, right = np.zeros(mask.shape, bool), np.zeros(mask.shape, bool)
    left[:, :cut], right[:, cut:] = True, True
    assert (counted(labels, left).astype(int) + counted(labels, right) == whole).all()


def test_the_frame_counts_upper_left_and_leaves_lower_right():
    mask = np.zeros((50, 50), bool)
    for rows, columns in (
        (slice(0, 4), slice(20, 24)),
        (slice(46, 50), slice(20, 24)),
        (slice(20, 24), slice(0, 4)),
        (slice(20, 24), slice(46, 50)),
        (slice(20, 24), slice(20, 24)),
    ):
        mask[rows, columns] = True
    labels = label(mask)
    keep = counted(labels, np.ones(mask.shape, bool))
    names = {(0, 20): True, (46, 20): False, (20, 0): True, (20, 46): False, (20, 20): True}
    for (row, column), expected in names.items():
        assert keep[labels[row, column] - 1] == expected


def test_the_frame_does_not_hold_on_to_what_comes_near_it():
    mask = np.zeros((60, 60), bool)
    mask[45:58, 20:30] = True  # 1 µm off the lower frame
    for closed in (
        detection.close_gaps(mask, 5.0, 0.5),
        detection.close_and_fill(mask, 5.0, 1000, 0.5),
    ):
        np.testing.assert_array_equal(closed, mask)


def test_morphology_in_micrometres():
    mask = np.zeros((80, 80), bool)
    mask[40, 40] = True
    assert detection.dilate(mask, 5.0, 0.5).sum() * 0.25 == pytest.approx(np.pi * 25, rel=0.05)
    square = np.zeros((80, 80), bool)
    square[20:60, 20:60] = True
    assert detection.erode(square, 2.0, 0.5)[24:56, 24:56].all()
    assert detection.erode(square, 2.0, 0.5).sum() == 32 * 32
    two = square.copy()
    two[:, 39:41] = False
    assert label(detection.close_gaps(two, 2.0, 0.5)).max() == 1
    assert label(detection.close_gaps(two, 0.4, 0.5)).max() == 2
    frame = np.zeros((30, 30), bool)
    frame[5:15, 5:15] = True
    frame[8:12, 8:12] = False
    assert detection.fill_holes(frame, 1000, 1.0).sum() == 100
    assert detection.fill_holes(frame, 10, 1.0).sum() == 84


def test_lobes_of_one_neutrophil_are_one_cell_and_touching_cells_are_two():
    shape, pixel = (240, 240), 0.5
    y, x = (np.mgrid[: shape[0], : shape[1]] + 0.5) * pixel
    brown, blue = np.zeros(shape), np.full(shape, 0.1)
    for cx, cy in ((30, 30), (80, 80), (89, 80)):
        brown[np.hypot(x - cx, y - cy) < 4.8] = 0.6
        for a in (0, 2.1, 4.2):
            lobe = np.hypot(x - cx - 2.2 * np.cos(a), y - cy - 2.2 * np.sin(a)) < 1.5
            brown[lobe], blue[lobe] = 0.1, 0.8  # the nucleus hides the brown
    blue[np.hypot(x - 30, y - 90) < 4] = 0.8  # a negative nucleus
    rgb = colours(blue, brown, PAIRS["H-DAB"])
    rows, _ = run(rgb, pixel, [Annotation(CT, box(0, 0, 240, 240))], block(detector="neutrophils"))
    assert rows.at[0, "numerator"] == 3


def test_a_hole_in_the_section_is_no_tissue():
    shape, pixel = (200, 200), 0.5
    y, x = (np.mgrid[: shape[0], : shape[1]] + 0.5) * pixel
    rgb = draw(np.full(shape, 0.05))
    rgb[np.hypot(x - 50, y - 50) < 20] = 240
    rows, _ = run(rgb, pixel, [Annotation(CT, box(0, 0, 200, 200))], block(detector="neutrophils"))
    assert rows.at[0, "denominator"] * 1e6 == pytest.approx(10_000 - np.pi * 400, rel=0.02)
    assert rows.at[0, "value"] == 0


def bone_section(nuclei):
    """Six lacunae; `nuclei`: radius of each one's nucleus in µm, 0 for none."""
    shape, pixel, pair = (200, 300), 0.5, PAIRS["H-E"]
    y, x = (np.mgrid[: shape[0], : shape[1]] + 0.5) * pixel
    eosin, blue = np.full(shape, 0.6), np.full(shape, 0.02)
    for k, r in enumerate(nuclei):
        cx, cy = 25 + 22 * k, 50
        eosin[((x - cx) / 7) ** 2 + ((y - cy) / 4) ** 2 < 1] = 0.02
        blue[np.hypot(x - cx, y - cy) < r] = 0.7
    eosin[(np.abs(x - 70) < 14) & (np.abs(y - 85) < 9)] = 0.0  # a canal: too large for a lacuna
    eosin[np.hypot(x - 2, y - 50) < 5] = 0.0  # cut by the bone's edge: not wholly inside
    return colours(blue, eosin, pair), pixel, [Annotation("bone", box(4, 4, 296, 196))]


def test_lacunae_are_empty_without_a_nucleus_of_two_square_micrometres():
    rgb, pixel, annotations = bone_section([0, 2.5, 0, 0.5, 1.2, 3])
    rows, measured = run(
        rgb, pixel, annotations, block(detector="lacunae"), threshold=0.3, second=0.3
    )
    row = rows[(rows["outcome"] == "elac")].iloc[0]
    assert (row["numerator"], row["denominator"]) == (3, 6)
    assert sorted(measured.objects["class"]) == ["empty"] * 3 + ["occupied"] * 3
    assert measured.objects.loc[0, "area_um2"] == pytest.approx(np.pi * 28, rel=0.1)


def test_necrotic_area_is_the_hull_of_a_cluster():
    square = np.array([(x, y) for x in (0, 50, 100) for y in (0, 50, 100)], float)
    bone = box(-500, -500, 500, 500)
    assert lacunae.necrotic_area(square, bone, 5, 60) == pytest.approx(100 * 100, rel=0.26)
    assert lacunae.necrotic_area(square, bone, 10, 60) == 0
    assert lacunae.necrotic_area(square, bone, 5, 40) == 0
    half = lacunae.necrotic_area(square, box(-500, -500, 50, 500), 5, 60)
    assert half == pytest.approx(lacunae.necrotic_area(square, bone, 5, 60) / 2, rel=0.2)
    assert lacunae.necrotic_area(np.empty((0, 2)), bone, 5, 60) == 0


@pytest.mark.parametrize("reverse", [False, True])
def test_stained_length_along_a_curved_interface(reverse):
    shape, pixel = (400, 400), 0.5
    y, x = (np.mgrid[: shape[0], : shape[1]] + 0.5) * pixel
    radius, angle = np.hypot(x, y - 100), np.arctan2(y - 100, x)
    on = (np.abs(radius - 60) < 1.2) & (np.abs(angle) < 0.5)  # 60 µm of 60 * pi / 2
    turns = np.linspace(-np.pi / 4, np.pi / 4, 60)
    points = np.column_stack([60 * np.cos(turns), 100 + 60 * np.sin(turns)]) / pixel
    line = LineString(points[::-1] if reverse else points)
    annotations = [Annotation("interface", line), Annotation("margin", Point(points[0]))]
    rows, _ = run(draw(np.where(on, 0.7, 0.0)), pixel, annotations, block(detector="laminin"))
    table = rows.set_index(["outcome", "variant"])
    assert table.at[("ln332", ""), "numerator"] == pytest.approx(60, abs=1)
    assert table.at[("ln332", ""), "denominator"] == pytest.approx(60 * np.pi / 2, rel=0.01)
    assert table.at[("ln332_gaps", ""), "numerator"] == 2
    assert table.at[("ln332", "longest run"), "numerator"] == pytest.approx(60, abs=1)
    assert table.at[("ln332", "third=middle"), "value"] == 100
    assert table.at[("ln332", "third=coronal"), "value"] == pytest.approx(
        table.at[("ln332", "third=apical"), "value"], abs=3
    )


@pytest.mark.parametrize(
    ("flags", "least", "expected"),
    [
        ("0001000", 2, "0000000"),
        ("1101100", 2, "1111100"),
        ("1100110", 2, "1100111"),
        ("000", 4, "000"),
        ("111", 4, "000"),
    ],
)
def test_runs_shorter_than_noise_do_not_count(flags, least, expected):
    given_flags = np.array([c == "1" for c in flags])
    assert "".join("01"[v] for v in laminin.long_runs(given_flags, least).astype(int)) == expected


def test_half_maximum_ignores_leaks_of_the_counterstain():
    """Few stained cells among many blue nuclei, whose blue leaks into the brown channel: the level is that of the cells."""
    rng = np.random.default_rng(4)
    glass = rng.normal(0.02, 0.01, 60_000)
    leak, cells = rng.normal(0.14, 0.02, 6_000), rng.normal(0.34, 0.04, 800)
    brown = np.concatenate([glass, leak, cells])
    blue = np.concatenate(
        [rng.normal(0.05, 0.02, 60_000), rng.normal(0.60, 0.1, 6_000), rng.normal(0.2, 0.05, 800)]
    )
    found, _ = thresholds.half_maximum(brown, other=blue)
    assert abs(found - 0.18) < 0.03
    assert thresholds.half_maximum(brown)[0] < 0.12


def test_half_maximum_lies_half_way_and_scales_with_the_stain():
    rng = np.random.default_rng(0)
    for strength in (0.4, 0.8):
        values = np.concatenate([rng.normal(0.05, 0.02, 20_000), rng.normal(strength, 0.04, 600)])
        found, reason = thresholds.half_maximum(values)
        assert reason == ""
        assert found == pytest.approx((0.05 + strength) / 2, abs=0.02)
    found, reason = thresholds.half_maximum(rng.normal(0.05, 0.02, 20_000))
    assert np.isnan(found)
    assert "clearly stained" in reason


def test_otsu_leaves_the_other_stain_out():
    rng = np.random.default_rng(0)
    blue = np.concatenate(
        [rng.normal(0.1, 0.03, 8000), rng.normal(0.5, 0.05, 4000), rng.normal(2.0, 0.1, 1500)]
    )
    brown = np.concatenate([np.zeros(12_000), np.full(1500, 1.0)])
    assert 0.15 < thresholds.otsu(blue, brown)[0] < 0.4  # anywhere between the two populations
    from skimage.filters import threshold_otsu

    assert thresholds.otsu(blue, np.zeros(13_500))[0] == pytest.approx(
        threshold_otsu(blue), abs=0.02
    )
    assert np.isnan(thresholds.otsu(blue, np.ones(13_500))[0])


def test_a_batch_without_stain_falls_back_to_the_config_and_says_so():
    settings_x = block(detector="vessels", threshold_value=0.25)
    rgb = draw(np.random.default_rng(0).normal(0.04, 0.005, (200, 200)))
    rgb[:30] = 240
    opened = with_masks(rgb, 0.5, 1.0, [Annotation(CT, box(0, 40, 200, 200))], settings_x)
    row = pool([sample_section(opened)], settings_x)
    assert (row["threshold"], row["rule"]) == (0.25, "fixed")
    assert row["fallback"].startswith("DAB: only 0 of ")
    assert [row[f"white_{c}"] for c in "rgb"] == [240, 240, 240]
    assert batch_rows(pd.DataFrame([row]))["X"].threshold == 0.25
    fact = {"section_id": "S", "specimen_id": "s", "animal_id": "a"}
    rows = measure_section(opened, settings_x, batch_rows(pd.DataFrame([row]))["X"], fact).rows
    assert {r["qc"] for r in rows} == {"hold"}
    assert "config's value stands for a threshold: DAB: only 0 of" in rows[0]["qc_reason"]
    control = block(detector="vessels", threshold="negative_control")
    row = pool([sample_section(opened), sample_section(opened, control=True)], control)
    assert row["rule"] == "negative_control"
    assert 0.04 < row["threshold"] < 0.08
    with pytest.raises(InputError, match="no section"):
        pool([sample_section(opened, control=True)], control)


def test_a_new_stain_is_config_only():
    pair = {"haematoxylin": [0.65, 0.70, 0.29], "red": [0.2, 0.9, 0.4]}
    settings_x = block(detector="area", vectors=pair, outcomes={"share": "colf"}, roi="pie")
    assert measured_outcomes(settings_x) == ["colf"]
    brown = np.zeros((100, 100))
    brown[:40] = 0.7
    rows, _ = run(
        draw(brown, settings_x.pair), 0.5, [Annotation("pie", box(0, 0, 100, 100))], settings_x
    )
    assert rows.at[0, "outcome"] == "colf"
    assert rows.at[0, "value"] == pytest.approx(40)


def test_positive_nuclei_and_h_score():
    shape, pixel = (240, 240), 0.5
    y, x = (np.mgrid[: shape[0], : shape[1]] + 0.5) * pixel
    brown, blue = np.zeros(shape), np.full(shape, 0.05)
    for k, (cx, cy) in enumerate([(a, b) for a in (20, 45, 70, 95) for b in (20, 45, 70, 95)]):
        inside = np.hypot(x - cx, y - cy) < 3.3
        blue[inside] = 0.6
        brown[inside] = (0.0, 0.0, 0.3, 0.5)[k % 4]
    outcomes = {"positive": "ki67", "h_score": "ki67_h", "density": "foxp3", "all": "own"}
    settings_x = block(detector="nuclei", outcomes=outcomes, nuclei="classical")
    rgb = colours(blue, brown, PAIRS["H-DAB"])
    rows, _ = run(rgb, pixel, [Annotation("pie", box(0, 0, 240, 240))], settings_x, threshold=0.2)
    assert (rows.at[0, "outcome"], rows.at[0, "numerator"], rows.at[0, "denominator"]) == (
        "ki67",
        8,
        16,
    )
    rows = rows.set_index("outcome")
    assert rows.at["ki67_h", "value"] == pytest.approx(100 * (4 * 1 + 4 * 2) / 16)
    assert (rows.at["foxp3", "numerator"], rows.at["own", "numerator"]) == (8, 16)
    assert rows.at["own", "value"] == pytest.approx(16 / (120 * 120 * 1e-6))


def test_missing_and_misplaced_regions_are_named():
    rgb = draw(np.zeros((50, 50)))
    with pytest.raises(InputError, match="did you mean 'peri_implant_ct'"):
        with_masks(
            rgb,
            0.5,
            1.0,
            [Annotation("peri_implant_ct", box(0, 0, 9, 9))],
            block(detector="vessels", roi="peri_implant"),
        )
    with pytest.raises(InputError, match="outside the image"):
        with_masks(rgb, 0.5, 1.0, [Annotation(CT, box(90, 90, 99, 99))], block(detector="vessels"))


def test_a_region_without_tissue_has_no_value_but_a_reason():
    annotations = [Annotation(CT, box(0, 0, 100, 100)), Annotation("implant", box(0, 0, 100, 100))]
    rgb = draw(np.zeros((100, 100)))
    rows, _ = run(rgb, 0.5, annotations, block(detector="vessels"))
    assert rows["value"].isna().all()
    assert set(rows["qc"]) == {"fail"}
    assert "no mm2" in rows.at[0, "qc_reason"]


@pytest.mark.parametrize(
    ("given_block", "message"),
    [
        ({"detector": "vessel"}, "unknown detector - did you mean 'vessels'"),
        (
            {"detector": "vessels", "vector": "H-DAB"},
            "unknown key - did you mean 'vectors'",
        ),
        ({"detector": "vessels", "threshold": "otso"}, "unknown threshold - did you mean 'otsu'"),
        ({"detector": "vessels", "pixel_um": "0"}, "pixel_um: input should be greater than 0"),
        (
            {"detector": "vessels", "vectors": "HDAB"},
            "unknown stain vectors - did you mean 'H-DAB'",
        ),
        (
            {"detector": "nuclei", "vectors": "H-E", "outcomes": {"all": "x", "positive": "ki67"}},
            "H&E, which has no chromogen, only all are counted",
        ),
    ],
)
def test_mistakes_in_the_config_name_the_stain(given_block, message):
    with pytest.raises(InputError, match=message) as caught:
        stain_settings({"stains": {"CD31": given_block}}, PAIRS)
    assert "histology/stains/CD31" in str(caught.value)


def test_options_of_a_detector_are_checked():
    from periomics.histology.vessels import Options

    assert options_from(Options, {"gap_um": 3}, "x").gap_um == 3.0
    with pytest.raises(InputError, match="unknown key - did you mean 'gap_um'"):
        options_from(Options, {"gap": 3}, "x")
    with pytest.raises(InputError, match="not a number"):
        options_from(Options, {"gap_um": "wide"}, "x")


def test_amounts_next_to_metal_are_not_darkened():
    left_out = np.zeros((20, 20), bool)
    left_out[:, :10] = True
    image = np.where(left_out, 2.0, 0.3).astype(np.float32)
    (smooth,) = detection.smooth_beside([image], left_out, 1.5)
    np.testing.assert_allclose(smooth[:, 10:], 0.3, atol=1e-6)
    assert (smooth[:, :10] == 0).all()


def test_prepare_gives_the_looked_for_stain_first():
    he = block(detector="lacunae")
    rgb, pixel, annotations = bone_section([2, 2, 2, 2, 2, 2])
    opened = with_masks(rgb, pixel, 1.0, annotations, he)
    prepared = prepare(opened, he, BatchRow(WHITE, he.pair.vectors, 0.3, 0.3, 0.2))
    assert np.median(prepared.other) == pytest.approx(0.6, abs=0.02)  # eosin fills the matrix
    assert np.median(prepared.target) == pytest.approx(0.02, abs=0.02)


def test_gaps_are_counted_per_millimetre():
    brown = np.zeros((80, 240))
    brown[38:42] = 0.7
    for first in (60, 120, 180):
        brown[:, first : first + 20] = 0  # 10 µm each
    points = np.column_stack([np.arange(0, 241, 4), np.full(61, 40.0)])
    annotations = [Annotation("interface", LineString(points)), Annotation("margin", Point(0, 40))]
    rows, _ = run(draw(brown), 0.5, annotations, block(detector="laminin"))
    gaps = rows.set_index(["outcome", "variant"]).loc[("ln332_gaps", "")]
    assert (gaps["numerator"], gaps["unit"]) == (3, "1/mm")
    assert gaps["denominator"] == pytest.approx(0.120, rel=0.02)
    assert gaps["value"] == pytest.approx(3 / 0.120, rel=0.02)


@pytest.mark.parametrize(
    ("columns", "holds"), [((20, 21), 20), ((20, 22), 21), ((20, 23), 21), ((20, 24), 22)]
)
def test_a_profile_is_where_the_middle_of_its_lowest_row_lies(columns, holds):
    """The middle of columns 20 to 22 (exclusive) is the border of pixels 20 and 21, which belongs to the right one."""
    mask = np.zeros((40, 40), bool)
    mask[18, 10:30] = mask[18:21, slice(*columns)] = True
    for column in range(18, 26):
        inside = np.zeros(mask.shape, bool)
        inside[20, column] = True
        assert counted(label(mask), inside).tolist() == [column == holds], column


def test_objects_lie_at_the_middle_of_their_pixels():
    section = block(detector="vessels")
    brown = rings((200, 200), 0.5, [(50, 30)])
    _, measured = run(draw(brown), 0.5, [Annotation(CT, box(0, 0, 200, 200))], section)
    place = measured.objects.loc[0, ["x_um", "y_um"]].to_numpy(float)
    np.testing.assert_allclose(place, (50, 30), atol=0.02)


@pytest.mark.parametrize(("share", "cell"), [(0.5, False), (0.7, True)])
def test_a_nucleus_is_a_neutrophils_where_most_of_its_ring_is_brown(share, cell):
    y, x = np.mgrid[:81, :81] - 40
    nuclei = label(np.hypot(x, y) < 12)
    brown = (np.hypot(x, y) >= 12) & (np.abs(np.arctan2(y, x)) < share * np.pi)
    found = neutrophils._with_brown_ring(nuclei, brown, 2.0, 0.5)
    assert found.any() == cell
    np.testing.assert_array_equal(found, (nuclei > 0) & cell)


def test_a_profile_needs_stain_and_not_only_what_closing_adds():
    """Four specks of 1 µm² within a gap's reach enclose more than the smallest profile, and hold less than half of it."""
    brown = np.zeros((200, 200))
    for row, column in ((100, 100), (100, 107), (107, 100), (107, 107)):
        brown[row : row + 2, column : column + 2] = 0.8
    annotation = [Annotation(CT, box(0, 0, 200, 200))]
    rows, _ = run(draw(brown), 0.5, annotation, block(detector="vessels"))
    assert rows.at[0, "numerator"] == 0
    closed = detection.close_and_fill(brown > 0, 5.0, 20000, 0.5)
    assert label(closed).max() == 1 and closed.sum() * 0.25 > 10
    brown[101:109, 100:109:7] = 0.8
    rows, _ = run(draw(brown), 0.5, annotation, block(detector="vessels"))
    assert rows.at[0, "numerator"] == 1


@pytest.mark.parametrize(("share", "tissue"), [(0.35, False), (0.45, True), (0.55, True)])
def test_glass_is_what_is_below_two_fifths_of_the_batchs_density(share, tissue):
    settings = block(detector="vessels")
    opened = with_masks(
        draw(np.zeros((200, 200))), 0.5, 1.0, [Annotation(CT, box(0, 0, 200, 200))], settings
    )
    prepared = prepare(opened, settings, BatchRow(WHITE, settings.pair.vectors, 0.3, 0.4, 0.06))
    density = np.full((200, 200), 0.06, np.float32)
    density[50:150, 50:150] = share * 0.06
    found = detection.tissue_mask(replace(prepared, mean_od=density, tissue_od=0.06), 500.0)
    assert found[100, 100] == tissue and found[10, 10]


def test_a_counterstain_of_one_level_has_no_threshold():
    value, why = thresholds.otsu(np.full(5000, 0.3), np.zeros(5000))
    assert np.isnan(value) and why == "all pixels have one level"


def test_edges_are_those_of_one_look_at_the_whole_picture(monkeypatch):
    """Looked for in strips that cut rings, and all at once."""
    rgb = draw(rings((230, 120), 0.5, [(20, 20), (40, 50), (15, 77), (45, 95)]))
    monkeypatch.setattr(quality, "STRIP", 40)
    opened = with_masks(
        rgb,
        0.5,
        1.0,
        [Annotation("tissue", box(0, 0, 120, 230))],
        block(detector="vessels", roi="tissue"),
    )
    row = BatchRow(WHITE, PAIRS["H-DAB"].vectors, 0.3, 0.4, 0.06)
    at, width, rise = artefacts.edges(
        rgb, WHITE, opened.region, 0.5, least_rise=artefacts.FAINT_RISE
    )
    places, widths, rises = quality.edge_places(opened, row, opened.region)
    assert len(places) > 20
    assert np.array_equal(places, np.argwhere(at))
    assert np.array_equal(widths, width[at]) and np.array_equal(rises, rise[at])
