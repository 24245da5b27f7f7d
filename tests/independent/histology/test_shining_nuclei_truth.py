"""Nuclei of a channel, some of them positive in another: numbers, shares and scores, in light by
chance."""

import numpy as np
import pytest
from ground import SIDE, disc, measured, square
from scipy import ndimage

from periomics.imaging.stains import encode

OUTCOMES = {"all": "own_all", "density": "foxp3", "positive": "ki67", "allred": "allred"}
BLOCK = {"image": "fluorescence", "channels": ["DAPI", "Ki67"], "bits": 12, "detector": "nuclei"}
AREA = 0.32**2


def draw(share, bright=600.0, blur=1.2, seed=1):
    """169 nuclei of 6.5 µm and 30 twins that touch them; every so many shine in the marker too."""
    rng = np.random.default_rng(seed)
    lattice = [(16 + 24 * i, 16 + 24 * j) for i in range(13) for j in range(13)]
    at = [np.add(a, rng.uniform(-2, 2, 2)) for a in lattice]
    at += [np.add(a, (6.6, 0)) for a in at[:150:5]]
    blue, marker = np.full((SIDE, SIDE), 60.0), np.full((SIDE, SIDE), 80.0)
    positive = 0
    for k, spot in enumerate(at):
        rows, columns = disc(spot, 3.25)
        blue[rows, columns] = rng.uniform(350, 1100)
        if (k * 37 % 100) < share:
            marker[rows, columns] += bright * rng.uniform(0.7, 1.3)
            positive += 1
    planes = [rng.poisson(ndimage.gaussian_filter(p, blur)) + 100.0 for p in (blue, marker)]
    return encode(np.stack(planes, axis=-1), 4095), len(at), positive


@pytest.mark.parametrize(("share", "bright"), [(10, 2000), (80, 200)])
def test_nuclei_and_those_that_are_positive(share, bright):
    drawn, n, positive = draw(share, bright)
    rows, found = measured(drawn, [square("pie")], {}, **BLOCK, outcomes=OUTCOMES)
    assert {r.get("qc", "pass") for r in rows.values()} == {"pass"}, rows
    assert rows["own_all", ""]["value"] == pytest.approx(n / AREA, rel=0.05)
    assert rows["foxp3", ""]["numerator"] == pytest.approx(positive, abs=max(1, 0.05 * positive))
    assert rows["ki67", ""]["value"] == pytest.approx(100 * positive / n, abs=3)
    assert set(found.objects["class"]) <= {"positive", "negative", "excluded"}


def test_few_positive_nuclei_are_counted_at_a_level_that_is_stated():
    """One in a hundred stains too little of the picture for two levels: held back, unless the
    config says what is positive."""
    drawn, _, positive = draw(2)
    held, _ = measured(drawn, [square("pie")], {}, **BLOCK, outcomes=OUTCOMES)
    assert held["foxp3", ""]["qc"] == "hold"
    stated = {"threshold": "fixed", "threshold_value": 2 * 400 / 4095}
    rows, _ = measured(drawn, [square("pie")], {}, **BLOCK, **stated, outcomes=OUTCOMES)
    assert rows["foxp3", ""]["numerator"] == positive
    assert rows["foxp3", ""].get("qc", "pass") == "pass"


def test_without_a_marker_the_section_is_held_back():
    drawn, n, _ = draw(0)
    rows, _ = measured(drawn, [square("pie")], {}, **BLOCK, outcomes=OUTCOMES)
    assert (
        rows["ki67", ""]["qc"] == "hold"
        and "Ki67: all of it is alike" in rows["ki67", ""]["qc_reason"]
    )
    assert rows["own_all", ""]["value"] == pytest.approx(n / AREA, rel=0.05)
