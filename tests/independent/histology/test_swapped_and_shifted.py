"""Channels and stains that are called by each other's names, channels that do not lie on each
other, and pixels of another size than stated: held back; as they should be, not."""

import numpy as np
import pytest
import test_osteoclast_truth as bone
from ground import circle, square
from ground import measured as measured_there
from scipy import ndimage
from sketched import Slide, measured, spread, whole

SIDE = 240
BLOCK = {"image": "fluorescence", "channels": ["DAPI", "X"], "bits": 12, "roi": "r"}
NUCLEI = BLOCK | {"detector": "nuclei", "outcomes": {"positive": "ki67", "all": "own_all"}}
CELLS = BLOCK | {"detector": "neutrophils", "outcomes": {"density": "neu", "area": "none"}}
AREA = BLOCK | {"detector": "area", "outcomes": {"share": "colf"}}
SWAPPED, SHIFTED = ": swapped?", "shift of "


def nuclei(around=False):
    """130 nuclei, of which 4 of 13 have the marker too: within, or in a ring around them."""
    slide = Slide(SIDE, SIDE, seed=31)
    for channel in "dm":
        slide.shine(channel, slide.grain(6, 0.2), 0.02)
    for k, at in enumerate(spread(slide.rng, 130, SIDE, SIDE, apart=15, edge=7)):
        axes, turn = np.array([1, 0.8]) * slide.rng.uniform(2.8, 3.8), slide.rng.uniform(0, 3)
        slide.oval(at, axes, turn, "d", slide.rng.uniform(0.25, 0.6), shines=True)
        if k % 13 < 4:
            wide = axes + 2.4 if around else axes
            hollow = 2.4 if around else 0.0
            slide.oval(at, wide, turn, "m", slide.rng.uniform(0.3, 0.6), hollow=hollow, shines=True)
            if around:
                slide.oval(at, axes, turn, "m", 0.15, shines=True)
    return slide


def patches():
    """Nuclei, and a marker in patches on 30 % of the tissue."""
    slide = nuclei()
    surface = ndimage.gaussian_filter(slide.rng.normal(size=slide.x.shape), (12, 30))
    slide.light["m"] = 0.02 + 0.4 * (surface > np.quantile(surface, 0.7))
    return slide


def found(slide, block, order="dm", shift=(0.0, 0.0)):
    name = order[1]
    slide.light[name] = ndimage.shift(
        slide.light[name], np.divide(shift, 0.5), order=1, mode="wrap"
    )
    return measured(slide.camera(*order), [whole("r", slide)], {}, **block)


@pytest.mark.parametrize(("draw", "block"), [(lambda: nuclei(True), CELLS), (patches, AREA)])
def test_channels_called_by_each_others_names_hold_the_section_back(draw, block):
    right, beyond = found(draw(), block)
    assert not beyond
    wrong, beyond = found(draw(), block, "md")
    assert any(SWAPPED in f for f in beyond)
    name = next(iter(right))
    assert abs(wrong[name]["value"] / right[name]["value"] - 1) > 0.3  # why it has to


@pytest.mark.parametrize(
    ("around", "shift", "held"),
    [
        (True, (0.6, -0.8), False),
        (False, (0, 0), False),
        (False, (0, 2.5), True),
        (True, (-4, 3), True),
        (False, (9, 0), True),
    ],
)
def test_channels_off_each_other_hold_the_section_back(around, shift, held):
    rows, beyond = found(nuclei(around), NUCLEI, shift=shift)
    assert [f for f in beyond if SHIFTED in f] == [f"{SHIFTED}X against DAPI"] * held
    if not held:
        assert not beyond
        assert rows["ki67"]["value"] == pytest.approx(400 / 13, abs=3)


def test_a_marker_on_the_same_side_of_all_cells_is_no_shift():
    slide = nuclei()
    for at in spread(np.random.default_rng(1), 45, SIDE, SIDE, apart=20, edge=8):
        slide.oval(at, (3.2, 3), 0, "d", 0.4, shines=True)
        slide.oval(at, (3.2, 3), 0, "m", 0.3, shines=True)
        slide.oval(np.add(at, (0, 4)), (2.5, 1.5), 0, "m", 0.5, shines=True)
    assert not any(SHIFTED in f for f in found(slide, NUCLEI)[1])


@pytest.mark.parametrize("order", ["dm", "md"])
def test_round_cells_tell_swapped_channels_by_which_of_them_all_have(order):
    """Nuclei as large as what cells of the marker fill: each of these has a nucleus."""
    slide = Slide(SIDE, SIDE, seed=35)
    for channel in "dm":
        slide.shine(channel, slide.grain(6, 0.2), 0.02)
    for k, at in enumerate(spread(slide.rng, 120, SIDE, SIDE, apart=15, edge=7)):
        slide.oval(at, (3.4, 3.2), 0, "d", slide.rng.uniform(0.25, 0.6), shines=True)
        if k % 4 == 0:
            slide.oval(at, (4.4, 4.2), 0, "m", 0.5, shines=True)
    beyond = found(slide, AREA, order)[1]
    assert [f for f in beyond if SWAPPED in f] == [
        "round bodies of X without DAPI, more than the other way: swapped?"
    ] * (order == "md")


@pytest.mark.parametrize("turned", [False, True])
def test_stains_of_cells_on_bone_the_wrong_way_round_hold_the_section_back(table, turned):
    pair = {"blue": list(bone.BLUE), "red": list(bone.RED)}
    pair = dict(reversed(pair.items())) if turned else pair
    regions = [square("tissue"), circle("bone", bone.RADIUS)]
    rows, _ = measured_there(bone.draw(), regions, table, detector="osteoclasts", vectors=pair)
    number = rows["noc", ""]
    assert number["numerator"] == (0 if turned else len(bone.ON))
    assert number.get("qc", "pass") == ("hold" if turned else "pass")
    if turned:
        assert (
            "nearer to haematoxylin's colour than red: counterstain first?" in number["qc_reason"]
        )
        assert SWAPPED in number["qc_reason"]


@pytest.fixture(scope="module")
def vessels():
    """A picture of 200 nuclei and 24 vessels."""
    slide = Slide(SIDE, SIDE, seed=33)
    slide.put(slide.grain(5, 0.25), "haema", 0.07)
    for k, spot in enumerate(spread(slide.rng, 200, SIDE, SIDE, apart=13, edge=6)):
        axes = np.array([1.2, 0.9]) * slide.rng.uniform(2.7, 3.7)
        slide.oval(spot, axes, slide.rng.uniform(0, 3), "haema", 0.5)
        if k < 24:
            slide.oval(spot, (6.5, 5.5), 0, "dab", 0.8, hollow=2.4)
    return slide, slide.photograph()


@pytest.mark.parametrize(("times", "held"), [(0.5, True), (0.8, False), (1.25, False), (2, True)])
def test_nuclei_tell_a_pixel_of_another_size(table, vessels, times, held):
    slide, picture = vessels
    block = {"detector": "vessels", "vectors": "H-DAB", "roi": "r", "pixel_um": 0.5 * times}
    _, beyond = measured(picture, [whole("r", slide)], table, 0.5 * times, **block)
    assert any("is the pixel size right?" in f for f in beyond) == held
