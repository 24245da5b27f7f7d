"""The simulated sections themselves: truth that is realised, nothing clipped, the same everywhere."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import Point, box

from periomics.core.errors import InputError, PeriomicsError
from periomics.core.seeds import generator
from periomics.imaging.readers import probe, read_rgb
from periomics.simulate import histology as simulated
from periomics.simulate.histology_optics import draw_optics, render, write_image
from periomics.simulate.histology_tissue import Canvas, round_at_random, scatter
from periomics.simulate.layers import TRUTH_COLUMNS

SMALL = {"histology": {"shape": [400, 400], "pixel_um": 0.5}}


def fact(stain, section="S1", **more):
    return {
        "section_id": section,
        "specimen_id": "s",
        "animal_id": "a",
        "stain": stain,
        "batch": "A",
        **more,
    }


@given(st.floats(0.0, 1.0), st.integers(0, 2**31))
@settings(max_examples=100)
def test_a_broken_line_covers_exactly_its_share(share, seed):
    pieces = simulated.broken_line(440.0, share, np.random.default_rng(seed))
    covered = sum(b - a for a, b in pieces)
    assert covered == pytest.approx(440 * share, abs=1e-6)
    flat = [v for p in pieces for v in p]
    assert all(a <= b + 1e-9 for a, b in pairwise(flat))
    assert not flat or (flat[0] >= 0 and flat[-1] <= 440 + 1e-6)


@given(st.floats(0.02, 0.98), st.floats(0.05, 0.5), st.integers(0, 1000))
@settings(max_examples=50)
def test_section_noise_stays_inside_its_range_without_clipping(share, cv, seed):
    value = simulated._section_value("LN332", 100 * share, cv, np.random.default_rng(seed))
    assert 0 < value < 100
    assert simulated._section_value("MPO", 100 * share, cv, np.random.default_rng(seed)) > 0


def test_expected_counts_are_kept():
    rng = np.random.default_rng(0)
    assert np.mean([round_at_random(3.3, rng) for _ in range(20_000)]) == pytest.approx(
        3.3, abs=0.02
    )


def test_objects_keep_their_distance_or_the_simulation_says_so():
    rng = np.random.default_rng(1)
    radii = rng.uniform(4, 8, 60)
    points = scatter(box(0, 0, 300, 300), 60, radii, 5.0, rng, clustered=0.5)
    for i in range(60):
        d = np.hypot(*(points - points[i]).T)
        d[i] = np.inf
        assert (d >= radii + radii[i] + 5 - 1e-9).all()
    with pytest.raises(PeriomicsError, match="do not fit"):
        scatter(box(0, 0, 50, 50), 60, radii, 5.0, rng)


def test_painted_ellipses_have_their_area():
    canvas = Canvas((200, 200), 0.5)
    canvas.ellipse(50.3, 49.6, 12.0, 7.0, 0.7, DAB=1.0)
    assert canvas.amounts["DAB"].sum() * 0.25 == pytest.approx(np.pi * 12 * 7, rel=0.01)


def test_light_follows_beer_and_lambert():
    optics = draw_optics(generator(1, "test"))
    amounts = {"DAB": np.full((60, 60), 0.5, np.float32)}
    rgb = render(amounts, optics, 0.5, np.random.default_rng(0)).reshape(-1, 3).mean(axis=0)
    expected = optics.white * 10 ** (-0.5 * optics.strength["DAB"] * optics.vectors["DAB"])
    np.testing.assert_allclose(rgb, expected, atol=0.3)


@pytest.mark.parametrize("stain", simulated.STAINS)
def test_a_section_depends_on_seed_and_name_only(stain):
    one, two = (simulated.draw_section(fact(stain), 40.0, SMALL, 3) for _ in range(2))
    np.testing.assert_array_equal(one.rgb, two.rgb)
    assert one.truth == two.truth
    other = simulated.draw_section(fact(stain, "S2"), 40.0, SMALL, 3)
    assert not np.array_equal(one.rgb, other.rgb)


def test_realised_values_follow_the_target_on_average():
    for stain, target, rel in (
        ("CD31", 100.0, 0.08),
        ("MPO", 200.0, 0.06),
        ("LN332", 40.0, 0.06),
        ("HE", 30.0, 0.12),
    ):
        values = [
            simulated.draw_section(fact(stain, f"S{k}"), target, SMALL, 3).truth[0][2]
            for k in range(16)
        ]
        assert np.mean(values) == pytest.approx(target, rel=rel), stain


def test_truth_joins_the_sheet_and_a_negative_control_has_none():
    section = simulated.draw_section(fact("CD31", time="28"), 80, SMALL, 3)
    rows = simulated.truth_rows(fact("CD31", time="28"), section)
    assert {r["outcome"] for r in rows} == {"mvd", "va"}
    assert all(r["time"] == 28 and r["section_id"] == "S1" and r["field_id"] == "" for r in rows)
    assert list(simulated.truth_table(rows).columns) == list(TRUTH_COLUMNS)
    blank = simulated.draw_section(fact("CD31"), 80, SMALL, 3, blank=True)
    assert blank.truth == []


def test_batches_differ_and_are_shared_by_their_sections():
    a, again, b = (simulated.batch_optics(3, "CD31", name) for name in ("A", "A", "B"))
    np.testing.assert_array_equal(a.white, again.white)
    assert np.abs(a.white - b.white).max() > 0.1
    assert a.strength["DAB"] != b.strength["DAB"]


def test_files_state_their_pixel_size_or_leave_it_to_the_sheet(tmp_path):
    rgb = np.full((40, 60, 3), 200, np.uint8)
    for name in ("a.ome.tif", "b.ome.tif", "c.png"):
        write_image(rgb, tmp_path / name, 0.5, 90)
    assert probe(tmp_path / "a.ome.tif").pixel_um == 0.5
    assert probe(tmp_path / "c.png").pixel_um is None
    assert np.abs(read_rgb(tmp_path / "a.ome.tif")[0].astype(int) - 200).max() <= 2
    assert (tmp_path / "a.ome.tif").read_bytes() == (tmp_path / "b.ome.tif").read_bytes()
    with pytest.raises(InputError, match=r"OME-TIFF or PNG"):
        write_image(rgb, tmp_path / "d.jpg", 0.5, 90)


def test_what_cannot_be_simulated_is_named():
    with pytest.raises(InputError, match="did you mean 'CD31'"):
        simulated.draw_section(fact("CD-31"), 40, SMALL, 3)
    with pytest.raises(InputError, match=r"simulate/histology/pixel.*: unknown key"):
        simulated.section_settings({"histology": {"pixel": 3}})


def test_counting_rule_of_the_truth():
    roi = box(0, 0, 100, 100)
    assert simulated._counted(Point(50, 50).buffer(5), roi, 200, 200)
    assert simulated._counted(
        Point(50, 2).buffer(5), roi, 200, 200
    )  # cut above: its lowest point lies inside
    assert not simulated._counted(Point(50, 98).buffer(5), roi, 200, 200)
    assert not simulated._counted(Point(50, 98).buffer(5), box(0, 0, 200, 200), 100, 200)
