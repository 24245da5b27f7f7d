"""Colours that spoil a section are said in its rows, and no sound section is flagged."""

import numpy as np
import pytest
from painted import (
    eosin_section,
    section,
    seen,
    with_bar,
    with_brown,
    with_bubble,
    with_coverslip,
    with_fold,
    with_gaps,
    with_grains,
    with_pen,
    with_red_cells,
    with_slope,
    with_vignette,
)
from painted_batch import measured

SOUND = {
    "clean": lambda: seen(section()),
    "another": lambda: seen(section(seed=8, n=12)),
    "JPEG at 60": lambda: seen(section(), quality=60),
    "JPEG at 60 of a dark scanner": lambda: seen(section(white=(212, 214, 208)), quality=60),
    "edge of the tissue": lambda: seen(section(glass=200)),
    "a little blurred": lambda: seen(section(), blur=2),
    "pale": lambda: seen(section(strength=0.5)),
    "strong": lambda: seen(section(strength=1.4)),
    "noisy": lambda: seen(section(), noise=5),
    "corners darker by 8 %": lambda: seen(with_vignette(section(), 0.08)),
    "haze": lambda: seen(section(haze=0.25)),
    "64 vessels": lambda: seen(section(seed=5, n=64)),
    "a tinted lamp": lambda: seen(section(white=(240, 232, 218))),
}
SPOILT = {
    "red cells": (lambda: seen(with_red_cells(section())), "cannot mix"),
    "pale red cells": (
        lambda: seen(with_red_cells(section(), colour=(205, 110, 90))),
        "cannot mix",
    ),
    "red cells, JPEG": (lambda: seen(with_red_cells(section()), quality=60), "cannot mix"),
    "black grains": (lambda: seen(with_grains(section())), "black"),
    "black grains, JPEG": (lambda: seen(with_grains(section()), quality=60), "black"),
    "blue pen": (lambda: seen(with_pen(section())), "cannot mix"),
    "green pen": (lambda: seen(with_pen(section(), (30, 150, 70))), "cannot mix"),
    "red pen": (lambda: seen(with_pen(section(), (210, 40, 50))), "cannot mix"),
    "black pen": (lambda: seen(with_pen(section(), (25, 25, 25))), "black"),
    "corners darker by 45 %": (lambda: seen(with_vignette(section(), 0.45)), "uneven light"),
    "corners darker by 25 %": (lambda: seen(with_vignette(section(), 0.25)), "uneven light"),
    "a side darker by 30 %": (lambda: seen(with_slope(section(), 0.30)), "uneven light"),
    "a side darker by 20 %, JPEG": (
        lambda: seen(with_slope(section(), 0.20), quality=60),
        "uneven light",
    ),
    "vignette beside glass": (
        lambda: seen(with_vignette(section(glass=200), 0.45)),
        "uneven light",
    ),
    "black bar": (lambda: with_bar(seen(section())), "bars"),
    "thin black bar, JPEG": (lambda: with_bar(seen(section()), thick=4, quality=75), "bars"),
    "white bar": (lambda: with_bar(seen(section()), (255, 255, 255)), "bars"),
    "out of focus": (lambda: seen(section(), blur=6), "sharpest edges"),
    "far out of focus": (lambda: seen(section(), blur=10, noise=4), "sharpest edges"),
    "a fold": (lambda: seen(with_fold(section())), "lies double"),
    "a bubble": (lambda: seen(with_bubble(section(seed=4))), "bubble"),
    "a bubble over glass, JPEG": (
        lambda: seen(with_bubble(section(seed=4, glass=250)), quality=60),
        "bubble",
    ),
    "the coverslip's edge": (lambda: seen(with_coverslip(section(seed=4))), "coverslip"),
    "brown precipitate": (
        lambda: seen(with_brown(section(), 106, (3, 6), 1.5)),
        "without a lumen",
    ),
    "pale macrophages": (
        lambda: seen(with_brown(section(), 46, (8, 12), 0.5)),
        "without a lumen",
    ),
    "gaps of 9 µm in walls": (lambda: seen(with_gaps()), "without a lumen"),
    "gaps of 6 µm in walls": (lambda: seen(with_gaps(gap_um=6)), "vessels that join"),
    "eosin declared as DAB": (lambda: seen(eosin_section()), "cannot mix"),
}


@pytest.mark.parametrize("kind", SOUND)
def test_a_sound_section_is_not_flagged(kind):
    rows, quality = measured(SOUND[kind]())
    assert not quality["beyond"].any(), quality
    assert (rows["qc"] == "pass").all()


@pytest.mark.parametrize("kind", SPOILT)
def test_what_spoils_a_section_is_said_in_every_row(kind):
    draw, word = SPOILT[kind]
    rows, quality = measured(draw())
    beyond = quality[quality["beyond"]]
    assert beyond["fact"].str.contains(word).any(), quality
    assert (rows["qc"] == "hold").all()
    assert rows["qc_reason"].str.contains(word).all()
    assert rows["qc_reason"].str.contains("(limit ", regex=False).all()


def test_the_share_of_red_cells_is_the_painted_one():
    """41 discs of 6.5 µm in radius pixels are 1.5 % of the picture; squares at their rims are mixed."""
    light = section()
    painted = (with_red_cells(light) != light).any(axis=-1).mean()
    _, quality = measured(seen(with_red_cells(light)))
    share = quality.set_index("fact")["value"].filter(like="cannot mix").iloc[0]
    assert share == pytest.approx(100 * painted, rel=0.35)


@pytest.mark.parametrize("share", [0.3, 0.45])
def test_a_vignette_is_as_strong_as_it_was_painted(share):
    """Middles of tiles do not reach the corner, and the white point is taken under the same light."""
    _, quality = measured(seen(with_vignette(section(), share)))
    found = quality.set_index("fact")["value"]["uneven light"]
    assert 0.5 * 100 * share < found < 1.1 * 100 * share


def test_facts_stand_whether_or_not_they_are_beyond():
    _, quality = measured(seen(section()))
    assert len(quality) == 17
    assert set(quality["picture"]) == {"sections/S.png"}
    assert np.isfinite(quality[["value", "limit"]].to_numpy(float)).all()
