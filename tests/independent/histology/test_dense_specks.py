"""Brown precipitate among neutrophils: clumps of the size of a small cell, and nearly black
ones of a cell's size, hold the section back; cells cut thin do not."""

import numpy as np
import pytest
from sketched import Slide, measured, spread, whole

from periomics.histology import specks
from periomics.imaging.stains import load_stains

SIDE = 300
BLOCK = {
    "detector": "neutrophils",
    "vectors": "H-DAB",
    "roi": "r",
    "outcomes": {"density": "neu", "area": "none"},
}
SPECKS = "dense specks among cells"
DARK = ("dab", "haema"), (1.3, 0.4)  # nearly black: both stains' colours


def drawn(thin=0, clumps=0, dark=0):
    """40 cells with lobed nuclei, some cut thin (small and pale), and clumps."""
    slide = Slide(SIDE, SIDE, seed=6)
    slide.put(slide.grain(5, 0.25), "haema", 0.07)
    at = spread(slide.rng, 40 + thin + clumps + dark, SIDE, SIDE, apart=17, edge=9)
    for k, (x, y) in enumerate(at[: 40 + thin]):
        slide.oval(
            (x, y), (3.8, 3.6) if k < thin else (5.2, 4.6), 0, "dab", 0.42 if k < thin else 0.5
        )
        for turn in slide.rng.uniform(0, 6) + np.array([0, 2.1, 4.2]) * (k >= thin):
            spot = (x + 1.9 * np.cos(turn), y + 1.9 * np.sin(turn))
            slide.oval(spot, (1.5, 1.3), 0, "haema", 0.2 if k < thin else 0.6)
    for x, y in at[40 + thin : 40 + thin + clumps]:
        slide.oval((x, y), (3.0, 2.8), 0, "dab", 1.3)
    for x, y in at[40 + thin + clumps :]:
        for ink, strength in zip(*DARK, strict=True):
            slide.oval((x, y), (5.0, 4.4), 0, ink, strength)
    return slide


@pytest.mark.parametrize(
    ("given", "held"),
    [({}, False), ({"thin": 8}, False), ({"clumps": 8}, True), ({"dark": 8}, True)],
)
def test_clumps_are_told_from_cells_cut_thin(request, given, held):
    table = load_stains(request.config.rootpath / "resources" / "stains.yaml")
    slide = drawn(**given)
    rows, beyond = measured(slide.photograph(), [whole("r", slide)], table, **BLOCK)
    assert beyond == [SPECKS] * held
    number = 40 + given.get("thin", 0)
    if held:
        assert rows["neu"]["numerator"] > 1.1 * number  # why it has to
    else:
        assert rows["neu"]["numerator"] == pytest.approx(number, abs=1)


def test_cells_beside_clumps_thrice_as_strong_are_not_taken_for_a_tint(request):
    """Of two strengths either may be meant: no threshold of its own, and the section is held back
    (40 cells beside 12 clumps were read as 12)."""
    table = load_stains(request.config.rootpath / "resources" / "stains.yaml")
    slide = drawn()
    for x, y in slide.rng.uniform(8, SIDE - 8, (12, 2)):
        slide.oval((x, y), (6, 5), 0, "dab", 2.2)
    rows, beyond = measured(slide.photograph(), [whole("r", slide)], table, **BLOCK)
    assert "thresholds that the batch does not give" in beyond
    assert rows["neu"]["numerator"] > 40


def test_cells_that_are_left_out_for_their_size_are_told(request):
    """Of 40 cells a third narrower than the least that is taken for one most were left out without
    a word."""
    table = load_stains(request.config.rootpath / "resources" / "stains.yaml")
    slide = Slide(SIDE, SIDE, seed=6)
    slide.put(slide.grain(5, 0.25), "haema", 0.07)
    for x, y in spread(slide.rng, 40, SIDE, SIDE, apart=17, edge=9):
        long = slide.rng.uniform(2.4, 3.2)
        slide.oval((x, y), (long, 0.85 * long), slide.rng.uniform(0, 3), "dab", 0.9)
        slide.oval((x, y), (1.8, 1.4), slide.rng.uniform(0, 3), "haema", 0.35)
    rows, beyond = measured(slide.photograph(), [whole("r", slide)], table, **BLOCK)
    assert beyond == ["stain in no cell"]
    assert rows["neu"]["numerator"] < 0.5 * 40


CD31 = BLOCK | {"detector": "vessels", "outcomes": {"density": "mvd", "area": "none"}}
GRAINS = {  # light that passes red, green, blue; half width in µm; number
    "black-brown": ((0.10, 0.06, 0.045), (1.5, 3.0), 12),
    "dark brown, large": ((0.22, 0.10, 0.05), (3.0, 6.0), 12),
    "few and large": ((0.22, 0.10, 0.05), (3.0, 6.0), 5),
}


def rings(grains=0, half=(1.5, 3), passes=(1, 1, 1), capillaries=0):
    """24 vessels with lumens, grains that let little light through, capillaries over nuclei."""
    slide = Slide(SIDE, SIDE, seed=16)
    slide.put(slide.grain(5, 0.25), "haema", 0.07)
    at = spread(slide.rng, 24 + grains + capillaries, SIDE, SIDE, apart=32, edge=14)
    for k, (x, y) in enumerate(at):
        if k < 24:
            slide.oval((x, y), slide.rng.uniform(6, 11, 2), 0, "dab", 0.9, hollow=2.4)
        elif k < 24 + grains:
            r = slide.rng.uniform(*half)
            cover = slide.cover(np.hypot(slide.x - x, slide.y - y) - r)
            slide.ink += cover[..., None] * -np.log10(passes)
        else:
            slide.oval((x, y), (3.4, 2.6), slide.rng.uniform(0, 3), "dab", 0.9)
            slide.oval((x, y), (2.0, 1.6), 0, "haema", 0.35)
    return slide


@pytest.mark.parametrize("kind", GRAINS)
def test_dark_grains_among_vessels_hold_the_section_back(request, kind):
    table = load_stains(request.config.rootpath / "resources" / "stains.yaml")
    passes, half, n = GRAINS[kind]
    slide = rings(n, half, passes)
    rows, beyond = measured(slide.photograph(), [whole("r", slide)], table, **CD31)
    assert rows["mvd"]["numerator"] > 1.1 * 24  # why it has to
    assert "dense grains among vessels" in beyond


@pytest.mark.parametrize("jpeg", [90, 60])
def test_capillaries_are_no_grains(request, jpeg):
    table = load_stains(request.config.rootpath / "resources" / "stains.yaml")
    slide = rings(capillaries=14)
    rows, beyond = measured(slide.photograph(jpeg=jpeg), [whole("r", slide)], table, **CD31)
    assert rows["mvd"]["numerator"] == 38 and not beyond


@pytest.mark.parametrize(("brown", "told"), [(1, 0), (2, 0), (3, 3)])
def test_two_capillaries_cut_along_their_wall_are_no_grains(brown, told):
    hollow = np.arange(12) < 12 - brown
    area = np.full(12, 100.0)
    wall = np.where(hollow, 40.0, 95.0)
    walls_od = np.where(hollow, 0.5, 0.5 * 1.4)
    seen = specks.grains(area, wall, hollow, od=walls_od * wall / area, total=0.6 * wall / area)
    assert seen.sum() == told and not (seen & hollow).any()
