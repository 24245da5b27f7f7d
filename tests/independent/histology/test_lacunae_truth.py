"""Lacunae of a bone whose eosin is patchy: sketched ovals with and without nuclei, lamellae and
canals; each is found and none else. Pictures without glass have no white point."""

import numpy as np
import pytest
from sketched import Slide, measured, oval, spread, whole

SIDE, WHITE = 300, (238, 236, 240)
BLOCK = {"detector": "lacunae", "vectors": "H-E", "outcomes": {}, "roi": "bone"}


def bone(empty, *, n=48, patchy=0.2, canals=0, dose=1.0, seed=1):
    """n lacunae, so many of them empty, in eosin that falls to a third in patches of 35 µm."""
    slide = Slide(SIDE, SIDE, seed=seed)
    rng, x, y = slide.rng, slide.x, slide.y
    eosin = 0.45 * slide.grain(35, patchy).clip(0.35, 1.9)
    eosin *= 1 + 0.08 * np.sin((0.6 * x + 0.8 * y) / 4 + 3 * slide.grain(40, 0.5))
    hole, blue = np.zeros_like(x), np.zeros_like(x)
    rings = spread(rng, canals, SIDE, SIDE, apart=110, edge=50)

    def clear(*p):
        return all(np.hypot(*(np.array(p) - c)) > 38 for c in rings)

    for k, at in enumerate(spread(rng, n, SIDE, SIDE, apart=17, edge=9, keep=clear)):
        long, short, turn = rng.uniform(4.2, 6.2), rng.uniform(2.4, 3.3), rng.uniform(0, np.pi)
        hole = np.maximum(hole, slide.cover(oval(x, y, *at, long, short, turn)))
        if k >= empty:
            nucleus = oval(x, y, *at, 0.65 * long, 0.75 * short, turn)
            blue = np.maximum(blue, slide.cover(nucleus) * rng.uniform(0.55, 0.95))
    for at in rings:
        hole = np.maximum(hole, slide.cover(np.hypot(x - at[0], y - at[1]) - rng.uniform(14, 24)))
    slide.put(eosin * (1 - hole), "eosin", dose)
    slide.put(blue + 0.06 * (1 - hole), "haema", dose)
    return slide


def read(slide, table, lamp=WHITE, jpeg=90, **more):
    picture = slide.photograph(white=lamp, jpeg=jpeg)
    return measured(picture, [whole("bone", slide)], table, **BLOCK, **more)


@pytest.mark.parametrize(
    ("empty", "look", "white", "jpeg"),
    [
        (5, {"patchy": 0.45}, WHITE, 60),
        (24, {"patchy": 0.45, "dose": 0.8, "seed": 2}, (212, 208, 214), 90),
        (14, {"patchy": 0.3, "dose": 1.25, "canals": 2, "n": 36}, (253, 252, 255), 60),
    ],
)
def test_every_lacuna_is_found_in_patchy_eosin(table, empty, look, white, jpeg):
    """Before, in pale patches a quarter of the lacunae were lost, most of them occupied."""
    rows, _ = read(bone(empty, **look), table, white, jpeg, white=list(white))
    n = look.get("n", 48)
    assert rows["elac"]["denominator"] == pytest.approx(n, abs=1)
    assert rows["elac"]["value"] == pytest.approx(100 * empty / n, abs=2)
    assert rows["elac_area"]["value"] == pytest.approx(empty / (SIDE * 1e-3) ** 2, rel=0.05)


def test_a_white_point_that_is_tissue_holds_the_section_back(table):
    slide = bone(14)
    _, beyond = read(slide, table)
    assert any("colour of the white point" in fact for fact in beyond)
    _, stated = read(slide, table, white=list(WHITE))
    assert not any("white point" in fact for fact in stated)
