"""Brown precipitate among neutrophils: clumps of the size of a small cell hold the section back,
cells cut thin do not."""

import numpy as np
import pytest
from sketched import Slide, measured, spread, whole

from periomics.imaging.stains import load_stains

SIDE = 300
BLOCK = {
    "detector": "neutrophils",
    "vectors": "H-DAB",
    "roi": "r",
    "outcomes": {"density": "neu", "area": "none"},
}
SPECKS = "small dense specks among cells"


def drawn(thin=0, clumps=0):
    """40 cells with lobed nuclei, some cut thin (small and pale), and clumps."""
    slide = Slide(SIDE, SIDE, seed=6)
    slide.put(slide.grain(5, 0.25), "haema", 0.07)
    at = spread(slide.rng, 40 + thin + clumps, SIDE, SIDE, apart=17, edge=9)
    for k, (x, y) in enumerate(at[: 40 + thin]):
        slide.oval(
            (x, y), (3.8, 3.6) if k < thin else (5.2, 4.6), 0, "dab", 0.42 if k < thin else 0.5
        )
        for turn in slide.rng.uniform(0, 6) + np.array([0, 2.1, 4.2]) * (k >= thin):
            spot = (x + 1.9 * np.cos(turn), y + 1.9 * np.sin(turn))
            slide.oval(spot, (1.5, 1.3), 0, "haema", 0.2 if k < thin else 0.6)
    for x, y in at[40 + thin :]:
        slide.oval((x, y), (3.0, 2.8), 0, "dab", 1.3)
    return slide


@pytest.mark.parametrize(
    ("given", "held"), [({}, False), ({"thin": 8}, False), ({"clumps": 8}, True)]
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
