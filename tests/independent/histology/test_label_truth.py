"""Two labels in a round bone, as arcs of known radius: their distance, what of the surface they
line, and when there is no rate."""

import numpy as np
import pytest
from ground import SIDE, circle, measured, polar, sector, square
from scipy import ndimage

from periomics.core.errors import InputError
from periomics.imaging.stains import encode

RADIUS, FIRST, SECOND = 120.0, 96.0, 113.0
BOTH = [(0, 120)]


def photons(arcs, radius, seed, bright, width=3.0):
    """Counts of a channel: arcs that shine on a dim and uneven ground, blurred, by chance, of
    4095."""
    rng = np.random.default_rng(seed)
    expected = np.full((SIDE, SIDE), 60.0) + 40 * (polar()[0] < RADIUS)
    for first, last in arcs:
        expected[sector(first, last, radius - width / 2, radius + width / 2)] += bright
    return rng.poisson(ndimage.gaussian_filter(expected, 1.2)) + 100.0


def picture(first, second, radius=SECOND):
    planes = [photons(first, FIRST, 1, 1500), photons(second, radius, 2, 700)]
    return encode(np.stack(planes, axis=-1), 4095)


def rows_of(drawn, bone=True, **options):
    regions = [square("bone_region"), *([circle("bone", RADIUS)] if bone else [])]
    block = {"image": "fluorescence", "channels": ["calcein", "alizarin"], "bits": 12}
    block |= {"detector": "labels", "options": {"days": 7, **options}}
    return measured(drawn, regions, {}, **block)


@pytest.fixture(scope="module")
def drawn():
    """Calcein over 200 degrees; alizarin over 120 of these, and over 30 of its own."""
    return picture([(0, 200)], [(0, 120), (300, 330)])


def test_rate_surface_and_formation(drawn):
    rows, found = rows_of(drawn)
    assert {r.get("qc", "pass") for r in rows.values()} == {"pass"}, rows
    rate, share = (SECOND - FIRST) / 7, (120 + (80 + 30) / 2) / 360
    assert rows["mar", ""]["value"] == pytest.approx(rate, rel=0.05)
    assert rows["ms_bs", ""]["value"] == pytest.approx(100 * share, rel=0.05)
    assert rows["bfr", ""]["value"] == pytest.approx(rate * share, rel=0.05)
    assert rows["ms_bs", ""]["denominator"] == pytest.approx(2 * np.pi * RADIUS / 1000, rel=0.005)
    assert found.objects["class"].value_counts().to_dict() == {"alizarin": 2, "calcein": 1}


@pytest.mark.parametrize("turn", [90, 230])
def test_a_label_that_goes_on_beyond_the_other_is_not_measured_to_its_end(turn):
    drawn = picture([(turn, turn + 200)], [(turn, turn + 60)])
    rows, _ = rows_of(drawn)
    assert rows["mar", ""]["value"] == pytest.approx((SECOND - FIRST) / 7, rel=0.05)
    assert rows["ms_bs", ""]["value"] == pytest.approx((60 + 70) / 3.6, rel=0.05)


def test_obliquity_is_a_factor_and_without_bone_there_is_a_rate_alone(drawn):
    rows, _ = rows_of(drawn, bone=False, obliquity=np.pi / 4)
    assert rows["mar", ""]["value"] == pytest.approx((SECOND - FIRST) / 7 * 0.7854, rel=0.05)
    for name in ("ms_bs", "bfr"):
        assert rows[name, ""]["qc"] == "fail" and "'bone'" in rows[name, ""]["qc_reason"]


def test_single_labels_give_a_surface_but_no_rate():
    rows, _ = rows_of(picture([(0, 90)], [(180, 270)]))
    assert rows["ms_bs", ""]["value"] == pytest.approx(25, rel=0.05)
    for name in ("mar", "bfr"):
        assert rows[name, ""]["qc"] == "fail" and np.isnan(rows[name, ""]["value"])
        assert "both labels along" in rows[name, ""]["qc_reason"]


def test_a_channel_that_shines_in_the_other_holds_the_section_back():
    first, second = photons([(0, 200)], FIRST, 1, 1500), photons([(0, 120)], SECOND, 2, 700)
    spilt = encode(np.stack([first, second + 0.6 * (first - 100)], axis=-1), 4095)
    rows, _ = rows_of(spilt)
    assert rows["mar", ""]["qc"] == "hold"
    assert "first label that lies in the second" in rows["mar", ""]["qc_reason"]


def test_the_days_are_needed(drawn):
    with pytest.raises(InputError, match="days between the labels"):
        rows_of(drawn, days=0)
