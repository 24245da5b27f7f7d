"""Vessels of two strengths, beside dark nuclei or with thick walls, are sound; dark grains are
not."""

import numpy as np
import pytest
from sketched import Slide, measured, spread, whole

SIDE, N = 320, 20
BLOCK = {"detector": "vessels", "vectors": "H-DAB", "roi": "r", "outcomes": {"density": "mvd"}}


def tissue(strengths, wall=2.5, clumps=0, grains=0):
    """Twenty rings of brown with the strengths in turn, nuclei, clumps of dark nuclei, black
    grains."""
    slide = Slide(SIDE, SIDE, seed=4)
    rng = slide.rng
    slide.put(slide.grain(6, 0.25), "haema", 0.1)
    for at in rng.uniform(0, SIDE, (190, 2)):
        axes = np.array([1, 0.75]) * rng.uniform(2.6, 3.8)
        slide.oval(at, axes, rng.uniform(0, 3), "haema", rng.uniform(0.3, 0.6))
    for k, at in enumerate(spread(rng, N, SIDE, SIDE, apart=34, edge=16)):
        r, od = rng.uniform(5, 10), strengths[k % len(strengths)]
        slide.oval(at, (r, 0.8 * r), 0, "dab", od, hollow=wall)
    for at in spread(rng, clumps, SIDE, SIDE, apart=70, edge=30):
        for step in rng.normal(0, 12, (45, 2)):
            slide.oval(at + step, (2.8, 2.6), 0, "haema", 1.0)
    for at in rng.uniform(5, SIDE - 5, (grains, 2)):
        slide.oval(at, (2, 2), 0, "dab", 1.1)
        slide.oval(at, (2, 2), 0, "haema", 1.0)
    return slide


def found(table, slide):
    rows, beyond = measured(slide.photograph(), [whole("r", slide)], table, **BLOCK)
    return rows["mvd"]["numerator"], beyond


@pytest.mark.parametrize(
    "drawn",
    [
        {"strengths": (0.25, 1.0)},
        {"strengths": (0.35, 1.0)},
        {"strengths": (0.8,), "wall": 4},
        {"strengths": (0.8,), "clumps": 4},
        {"strengths": (1.6,)},
    ],
    ids=str,
)
def test_sound_vessels_are_counted(table, drawn):
    """Before, the strong half of pale and strong vessels were dense grains."""
    assert found(table, tissue(**drawn)) == (N, [])


def test_dark_grains_are_held_back(table):
    n, beyond = found(table, tissue((0.8,), grains=40))
    assert n > 1.5 * N and "dense grains among vessels" in beyond
