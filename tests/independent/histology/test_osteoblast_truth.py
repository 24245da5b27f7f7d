"""A row of touching cells on bone, brown around one nucleus each: counted one by one over the
outline."""

import numpy as np
import pytest
from ground import circle, disc, light, measured, place, polar, sector, square

from periomics.imaging.stains import load_stains

RADIUS, HIGH = 90.0, 11.0
BLOCK = {"detector": "osteoclasts", "vectors": "H-DAB"}
OSTEOBLASTS = {"perimeter": "nob", "surface": "obs", "detached": "none"}


def draw(seed=3):
    """Rows over 20 to 92 and 200 to 272 degrees, a cell every 8 degrees (12.6 µm), waists between
    them; brown cells in the marrow."""
    rng = np.random.default_rng(seed)
    far, angle = polar()
    blue = np.where(far < RADIUS, 0.10, 0.06) * (1 + 0.2 * rng.random(far.shape))
    brown, n = np.zeros(far.shape), 0
    for first in (20, 200):
        # Higher in the middle of each cell than where two meet.
        tall = HIGH * (0.62 + 0.38 * np.sin(np.radians((angle - first) % 8 * 180 / 8)))
        row = sector(first, first + 72, RADIUS, RADIUS + HIGH + 1)
        brown[row & (far < RADIUS + tall)] = 0.6
        for k in range(9):
            blue[disc(place(first + 8 * k + 4, RADIUS + HIGH / 2), 2.6)] = 0.5
            n += 1
    for turn in (120, 150, 330):
        brown[disc(place(turn, RADIUS + 40), 6)] = 0.6
        blue[disc(place(turn, RADIUS + 40), 2.6)] = 0.5
    for at in rng.uniform(8, 312, (160, 2)):
        if np.hypot(*(at - 160)) > RADIUS + 55:
            blue[disc(at, 2.8)] = 0.5
    return light([blue, brown], [(0.63, 0.71, 0.31), (0.28, 0.56, 0.78)], seed), n


def test_osteoblasts_are_counted_one_by_one(request):
    table = load_stains(request.config.rootpath / "resources" / "stains.yaml")
    drawn, n = draw()
    options = {"nuclei_on_bone": 1, "cell_um": 12}
    regions = [square("tissue"), circle("bone", RADIUS)]
    rows, _ = measured(drawn, regions, table, **BLOCK, outcomes=OSTEOBLASTS, options=options)
    assert {r.get("qc", "pass") for r in rows.values()} == {"pass"}, rows
    assert rows["nob", ""]["numerator"] == pytest.approx(n, abs=1)
    assert rows["nob", ""]["denominator"] == pytest.approx(2 * np.pi * RADIUS / 1000, rel=0.005)
    assert rows["obs", ""]["value"] == pytest.approx(2 * 72 / 3.6, rel=0.05)
    assert ("noc_det", "") not in rows
