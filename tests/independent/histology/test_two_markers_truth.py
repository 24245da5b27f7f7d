"""Cells of one marker, of the other and of both, and vessels that a second marker covers in part:
light that adds up, by chance."""

import numpy as np
import pytest
from ground import MIDDLE, SIDE, disc, light, measured, square
from scipy import ndimage

from periomics.core.errors import InputError
from periomics.histology.settings import stain_settings
from periomics.imaging.stains import encode

ANGLE = np.arange(0, 360, 0.5)


def places(pitch, edge, seed=3):
    """A jittered lattice (µm)."""
    rng = np.random.default_rng(seed)
    middle = np.arange(edge, 2 * MIDDLE - edge + 1, pitch)
    return [
        tuple(p + rng.uniform(-3, 3, 2))
        for p in np.stack(np.meshgrid(middle, middle), -1).reshape(-1, 2)
    ]


def camera(first, second):
    """Two channels of counts: blurred, by chance, with an offset, of 4095."""
    rng = np.random.default_rng(7)
    planes = [
        rng.poisson(80 + ndimage.gaussian_filter(p, 1.2)) + 100.0
        for p in (900 * first, 500 * second)
    ]
    return encode(np.stack(planes, axis=-1), 4095)


def kinds():
    """Kind of each cell: 0 first, 1 second, 2 both."""
    at = places(26, 20)
    return at, [(0, 1, 1, 2, 0)[k % 5] for k in range(len(at))]


def draw_cells():
    """Round cells with an empty nucleus; every sixth of the first marker touches a twin of the same
    kind."""
    masks = np.zeros((2, SIDE, SIDE))
    at, of = kinds()
    twins = 0
    for k, ((x, y), kind) in enumerate(zip(at, of, strict=True)):
        spots = [(x, y)]
        if kind == 0 and k % 3 == 0:
            spots.append((x + 10.5, y))
            twins += 1
        for spot in spots:
            for channel in (0, 1) if kind == 2 else (kind,):
                masks[channel][disc(spot, 6)] = 1
                masks[channel][disc(spot, 1.5)] = 0
    return masks, {kind: of.count(kind) for kind in (0, 1, 2)}, twins


@pytest.mark.parametrize("image", ["fluorescence", "brightfield"])
def test_cells_of_either_and_of_both(image):
    masks, count, twins = draw_cells()
    outcomes = {"first": "mac_inos", "second": "mac_cd206", "both": "double_pos"}
    outcomes |= {"share": "double_share", "ratio": "mac_ratio"}
    block = {"detector": "double", "roi": "region", "outcomes": outcomes, "image": image}
    if image == "fluorescence":
        drawn = camera(*masks)
        block |= {"channels": ["iNOS", "CD206"], "bits": 12}
    else:
        vectors = {"blue": [0.75, 0.6, 0.2], "brown": [0.27, 0.57, 0.78]}
        ground = 0.06 + 0.02 * np.random.default_rng(1).random((2, SIDE, SIDE))
        drawn = light(ground + 0.6 * masks, list(vectors.values()))
        block |= {"vectors": vectors}
    rows, _ = measured(drawn, [square("region")], {}, **block)
    first, second, both = count[0] + twins + count[2], count[1] + count[2], count[2]
    area = 0.32**2
    assert {r.get("qc", "pass") for r in rows.values()} == {"pass"}, rows
    assert rows["mac_inos", ""]["value"] == pytest.approx(first / area, rel=0.05)
    assert rows["mac_cd206", ""]["value"] == pytest.approx(second / area, rel=0.05)
    assert rows["double_pos", ""]["value"] == pytest.approx(both / area, rel=0.05)
    assert rows["double_share", ""]["value"] == pytest.approx(100 * both / first, rel=0.05)
    assert rows["mac_ratio", ""]["value"] == pytest.approx(second / first, rel=0.05)


def test_vessels_covered_by_a_second_marker():
    """Rings of CD31; SMA outside of them over 0, 90, 240 and 360 degrees."""
    y, x = (np.indices((SIDE, SIDE)) + 0.5) / 2
    masks = np.zeros((2, SIDE, SIDE))
    at = places(48, 40)
    turns = [(0, 90, 240, 360)[k % 4] for k in range(len(at))]
    for (a, b), turn in zip(at, turns, strict=True):
        far, angle = np.hypot(x - a, y - b), np.degrees(np.arctan2(y - b, x - a)) % 360
        masks[1][(far < 12) & (far >= 9)] = 1
        masks[0][(far < 14.5) & (far >= 12) & (angle < turn)] = 1
    block = {"image": "fluorescence", "channels": ["SMA", "CD31"], "bits": 12, "roi": "region"}
    rows, found = measured(camera(*masks), [square("region")], {}, detector="coverage", **block)
    assert rows["pericyte", ""]["denominator"] == len(at)
    share = 100 * np.mean([t >= 180 for t in turns])
    assert rows["pericyte", ""]["value"] == pytest.approx(share, abs=0.1)
    assert rows["pericyte_len", ""]["value"] == pytest.approx(np.mean(turns) / 3.6, rel=0.05)
    assert set(found.objects["class"]) == {"positive", "negative"}


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"detector": "labels", "image": "fluorescence", "channels": [1, 2]}, "days between"),
        ({"detector": "labels", "options": {"days": 7}}, "labels of mineral shine"),
        ({"detector": "coverage"}, "two markers, whose colours are needed"),
        ({"detector": "double", "image": "fluorescence", "channels": [1]}, "double reads two"),
    ],
)
def test_what_cannot_be_read_so_is_refused(block, message):
    with pytest.raises(InputError, match=message):
        stain_settings({"stains": {"X": block}}, {})
