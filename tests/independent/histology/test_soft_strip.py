"""A strip of a section that lies out of focus, or a bar drawn into it: held back, whatever the rest
looks like; sound ones pass."""

import numpy as np
import pytest
from scipy import ndimage
from sketched import Slide, measured, spread, whole

WIDE, HIGH = 460, 320
AREA = {
    "detector": "area",
    "vectors": "H-DAB",
    "roi": "r",
    "outcomes": {"share": "stain_share"},
}
SOFT = "parts out of focus"


@pytest.fixture(scope="module")
def section():
    """Stained discs and nuclei; the right third without either."""
    slide = Slide(WIDE, HIGH, seed=8)
    slide.put(slide.grain(5, 0.2), "haema", 0.08)
    for at in spread(slide.rng, 60, 300, HIGH, apart=28, edge=12):
        slide.oval(at, (9, 8), 0.3, "dab", 0.55)
    for at in spread(slide.rng, 110, 300, HIGH, apart=11, edge=5):
        slide.oval(at, (3.6, 2.2), slide.rng.uniform(0, 3), "haema", 0.6)
    return slide, slide.photograph()


def soft(picture, at):
    """The picture with what a mask tells blurred by 4 µm."""
    return np.where(at[..., None], ndimage.gaussian_filter(picture, (8, 8, 0)), picture)


def test_a_section_of_which_a_third_is_bare_is_in_focus(section, table):
    slide, picture = section
    rows, beyond = measured(picture, [whole("r", slide)], table, **AREA)
    assert not beyond
    assert rows["stain_share"]["value"] == pytest.approx(
        100 * 60 * np.pi * 72 / WIDE / HIGH, rel=0.05
    )


@pytest.mark.parametrize(("left", "right"), [(0, 150), (140, 300)])
def test_a_strip_out_of_focus_holds_the_section_back(section, table, left, right):
    slide, picture = section
    strip = (slide.x > left) & (slide.x < right)
    rows, beyond = measured(soft(picture, strip), [whole("r", slide)], table, **AREA)
    assert beyond == [SOFT]
    assert rows["stain_share"]["qc"] == "hold"
    assert "parts out of focus" in rows["stain_share"]["qc_reason"]


@pytest.mark.parametrize("grey", [0, 60, 90])
def test_a_bar_of_black_or_dark_grey_holds_the_section_back(section, table, grey):
    slide, picture = section
    bar = (abs(slide.x - 400) < 25) & (abs(slide.y - 290) < 3)
    _, beyond = measured(
        np.where(bar[..., None], np.uint8(grey), picture), [whole("r", slide)], table, **AREA
    )
    assert "bars drawn into the picture" in beyond
