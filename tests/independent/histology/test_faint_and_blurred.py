"""Nuclei, cells and vessels that are blurred, few, faint, all stained or spotted: as drawn, or held
back."""

import numpy as np
import pytest
from sketched import Slide, measured, spread, whole

SIDE = 220
AREA = (SIDE / 1000) ** 2
NUCLEI = {"detector": "nuclei", "vectors": "H-DAB", "nuclei": "classical"}
NUCLEI |= {"outcomes": {"positive": "ki67", "h_score": "ki67_h", "all": "own_all"}}
VESSELS = {"detector": "vessels", "vectors": "H-DAB", "outcomes": {"density": "mvd"}}
CELLS = {"detector": "neutrophils", "vectors": "H-DAB"}
CELLS |= {"outcomes": {"density": "neu", "area": "none"}}
SHINING = {"image": "fluorescence", "channels": ["DAPI", "X"], "bits": 12, "detector": "nuclei"}
SHINING |= {"outcomes": {"positive": "ki67", "all": "own_all"}}
BLUR, FAINT, DOUBT = "blur takes off", "too faint to be counted", "near the threshold"


def read(slide, picture, table, block):
    rows, beyond = measured(picture, [whole("r", slide)], table, **block, roi="r")
    return {k: r["value"] for k, r in rows.items()}, beyond


def brown(strengths, n=88, size=(3, 4.2), apart=16):
    """Nuclei of these strengths in turn."""
    slide = Slide(SIDE, SIDE, seed=3)
    slide.put(slide.grain(5, 0.2), "haema", 0.06)
    for k, at in enumerate(spread(slide.rng, n, SIDE, SIDE, apart=apart, edge=8)):
        axes, turn = np.array([1, 0.8]) * slide.rng.uniform(*size), slide.rng.uniform(0, 3)
        slide.oval(at, axes, turn, "haema", 0.45)
        slide.oval(at, axes, turn, "dab", strengths[k % len(strengths)])
    return slide


@pytest.mark.parametrize(("blur", "held"), [(0.9, False), (1.4, True)])
def test_the_h_score_of_blurred_nuclei(table, blur, held):
    """Before, 111 and 60 for 150, both passed."""
    slide = brown((0.03, 0.3, 0.5, 0.8))
    found, beyond = read(slide, slide.photograph(blur=blur), table, NUCLEI)
    assert [BLUR in f for f in beyond] == [True] * held
    assert (found["ki67_h"] == pytest.approx(150, rel=0.05)) == (not held)


@pytest.mark.parametrize("strength", [0.5, 0.9])
def test_nuclei_that_are_all_stained_are_all_counted_as_such(table, strength):
    """Nothing is left for the counterstain's threshold but grain: before, 88 %."""
    slide = brown((strength,))
    found, beyond = read(slide, slide.photograph(), table, NUCLEI)
    assert not beyond
    assert found["ki67"] == 100 and found["own_all"] == pytest.approx(88 / AREA)


def test_a_few_nuclei_tell_how_sharp_a_section_is(table):
    slide = brown((0.03, 0.5), n=14)
    assert not read(slide, slide.photograph(), table, NUCLEI)[1]
    assert read(slide, slide.photograph(blur=3.0), table, NUCLEI)[1]


def stained(n, weak, block):
    """Walls or cells, of which some have a quarter of the others' stain."""
    slide = Slide(SIDE, SIDE, seed=5)
    slide.put(slide.grain(6, 0.25), "haema", 0.1)
    walls = block is VESSELS
    for k, at in enumerate(spread(slide.rng, n, SIDE, SIDE, apart=25 if walls else 14, edge=14)):
        axes = (7, 5.5) if walls else (4.8, 4.2)
        strength = 0.25 if k < weak else 1.0
        slide.oval(at, axes, slide.rng.uniform(0, 3), "dab", strength, hollow=2.5 * walls)
        slide.oval(at + 1, (2.3, 1.8), 0, "haema", 0.35)
    return slide


@pytest.mark.parametrize(
    ("block", "n", "weak", "held"),
    [
        (CELLS, 5, 0, False),
        (CELLS, 60, 0, False),
        (CELLS, 60, 11, True),
        (VESSELS, 30, 0, False),
        (VESSELS, 30, 6, True),
    ],
)
def test_what_is_stained_weakly_beside_others_holds_the_section_back(table, block, n, weak, held):
    """Before, a fifth was lost and passed; five cells were held back for want of pixels."""
    slide = stained(n, weak, block)
    found, beyond = read(slide, slide.photograph(), table, block)
    assert [FAINT in f for f in beyond] == [True] * held
    assert next(iter(found.values())) == pytest.approx((n - weak) / AREA)


def test_brown_grains_denser_than_walls_hold_the_section_back(table):
    slide = stained(30, 0, VESSELS)
    for at in slide.rng.uniform(5, SIDE - 5, (15, 2)):
        slide.oval(at, (3, 2.6), 0, "dab", 1.7)
    found, beyond = read(slide, slide.photograph(), table, VESSELS)
    assert beyond == ["dense grains among vessels"] and found["mvd"] > 1.2 * 30 / AREA


def shining(share, marker=(0.3, 0.6), bright=(0.25, 0.6), foci=False):
    """Nuclei, a share of which has a marker: in all of them, or in three foci."""
    slide = Slide(SIDE, SIDE, seed=7)
    for channel in "dm":
        slide.shine(channel, slide.grain(6, 0.2), 0.02)
    for k, at in enumerate(spread(slide.rng, 100, SIDE, SIDE, apart=14, edge=7)):
        axes, turn = np.array([1, 0.8]) * slide.rng.uniform(2.8, 3.8), slide.rng.uniform(0, 3)
        slide.oval(at, axes, turn, "d", slide.rng.uniform(*bright), shines=True)
        if k < 100 * share and not foci:
            slide.oval(at, axes, turn, "m", slide.rng.uniform(*marker), shines=True)
        for off in slide.rng.normal(0, 1.2, (3 * foci * (k < 100 * share), 2)):
            slide.oval(at + off, (0.7, 0.7), 0, "m", 0.6, shines=True)
    return slide


@pytest.mark.parametrize(
    ("look", "held"),
    [
        ({"share": 0.6}, False),
        ({"share": 0.3, "bright": (0.06, 0.8)}, False),
        ({"share": 0.97, "marker": (0.1, 0.8)}, True),
        ({"share": 0.3, "foci": True}, True),
    ],
    ids=str,
)
def test_markers_and_nuclei_of_differing_brightness(look, held):
    """Before, dim nuclei were lost (a fifth), 97 % positive read as 75 and foci as 9 for 30 %."""
    slide = shining(**look)
    found, beyond = read(slide, slide.camera("d", "m"), {}, SHINING)
    assert any(DOUBT in f for f in beyond) == held and bool(beyond) == held
    assert found["own_all"] == pytest.approx(100 / AREA, rel=0.02)
    assert (found["ki67"] == pytest.approx(100 * look["share"], abs=2)) == (not held)
