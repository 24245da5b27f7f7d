"""Nuclei of four strengths of brown: H-score as drawn, whose outline's pale rim is no part of
it."""

import numpy as np
import pytest
from sketched import Slide, measured, spread, whole

SIDE = 220
OUTCOMES = {"positive": "ki67", "h_score": "ki67_h"}
BLOCK = {"detector": "nuclei", "vectors": "H-DAB", "roi": "r", "nuclei": "classical"}


@pytest.mark.parametrize("look", [{}, {"blur": 0.7}, {"jpeg": 60}], ids=str)
def test_grades_are_of_what_nuclei_hold(table, look):
    """22 each of none, weak (.3 OD), moderate (.5) and strong (.8): before, 100 for 150."""
    slide = Slide(SIDE, SIDE, seed=3)
    slide.put(slide.grain(5, 0.2), "haema", 0.06)
    for k, at in enumerate(spread(slide.rng, 88, SIDE, SIDE, apart=16, edge=8)):
        axes, turn = np.array([1, 0.8]) * slide.rng.uniform(3, 4.2), slide.rng.uniform(0, 3)
        slide.oval(at, axes, turn, "haema", 0.45)
        slide.oval(at, axes, turn, "dab", (0.03, 0.3, 0.5, 0.8)[k % 4])
    picture = slide.photograph(**look)
    rows, beyond = measured(picture, [whole("r", slide)], table, **BLOCK, outcomes=OUTCOMES)
    assert not beyond
    assert rows["ki67"]["value"] == pytest.approx(75, abs=1)
    assert rows["ki67_h"]["value"] == pytest.approx(150, abs=7)
