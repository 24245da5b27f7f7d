"""Diameters and areas of vessels, and the stained area of neutrophils, are those that were drawn."""

import numpy as np
import pytest
from sketched import Slide, measured, spread, whole

SIDE = 320


def ground(seed):
    slide = Slide(SIDE, SIDE, seed=seed)
    slide.put(slide.grain(6, 0.25), "haema", 0.1)
    return slide


def read(slide, table, detector, outcomes):
    """Rows by outcome, and facts beyond their limits, of all of a slide."""
    block = {"detector": detector, "vectors": "H-DAB", "roi": "r", "outcomes": outcomes}
    return measured(slide.photograph(), [whole("r", slide)], table, **block)


@pytest.mark.parametrize("mean_um", [6, 9, 14])
def test_vessels_are_as_wide_and_cover_as_much_as_drawn(table, mean_um):
    slide, axes = ground(3), []
    rng = slide.rng
    for at in rng.uniform(0, SIDE, (150, 2)):
        slide.oval(at, (rng.uniform(2.6, 3.8), 2.4), rng.uniform(0, 3), "haema", 0.45)
    for at in spread(rng, 16, SIDE, SIDE, apart=52, edge=24):
        a = mean_um * rng.uniform(0.75, 1.25)
        axes.append((a, a * rng.uniform(0.7, 1)))
        slide.oval(at, axes[-1], rng.uniform(0, 3), "dab", rng.uniform(0.7, 1), hollow=2.5)
    outcomes = {"density": "mvd", "area": "va", "diameter": "vd"}
    rows, beyond = read(slide, table, "vessels", outcomes)
    assert beyond == [] and rows["mvd"]["numerator"] == 16
    areas = np.pi * np.prod(axes, axis=1)
    assert rows["vd"]["value"] == pytest.approx(np.mean(2 * np.sqrt(areas / np.pi)), rel=0.05)
    assert rows["va"]["value"] == pytest.approx(100 * areas.sum() / SIDE**2, rel=0.1)


@pytest.mark.parametrize("number", [20, 60])
def test_the_stained_area_of_neutrophils_is_that_of_their_bodies(table, number):
    slide, areas = ground(5), []
    rng = slide.rng
    for at in spread(rng, number, SIDE, SIDE, apart=18, edge=10):
        a = rng.uniform(4, 5.5)
        areas.append(np.pi * a * 0.9 * a)
        slide.oval(at, (a, 0.9 * a), 0, "dab", rng.uniform(0.6, 0.9))
        for step in ((-1.6, 0.4), (1.4, -0.8)):
            slide.oval(at + step, (1.7, 1.5), 0, "haema", 0.9)
    rows, beyond = read(slide, table, "neutrophils", {"density": "neu", "area": "neu_area"})
    assert beyond == [] and rows["neu"]["numerator"] == number
    assert rows["neu_area"]["value"] == pytest.approx(100 * sum(areas) / SIDE**2, rel=0.1)
