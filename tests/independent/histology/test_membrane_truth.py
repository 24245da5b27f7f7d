"""A sheet of cells by their Voronoi borders, of which some are lined: ratio of edge to cytoplasm
and lined share, in light by chance."""

import numpy as np
import pytest
from ground import MIDDLE, PIXEL, SIDE, light, measured, square
from scipy import ndimage
from scipy.spatial import cKDTree

from periomics.core.errors import InputError
from periomics.histology.settings import stain_settings
from periomics.imaging.stains import encode, load_stains

CYTOPLASM, EDGE, OFFSET = 250.0, 1000.0, 150.0
BLOCK = {"image": "fluorescence", "channels": ["DAPI", "E-cadherin"], "bits": 12}
BLOCK |= {"detector": "membrane", "roi": "region"}


def sheet(lined, seed=5):
    """Masks of nuclei and of lined edges, and the share (%) of borders that is lined; about `lined`
    of ten borders are."""
    rng = np.random.default_rng(seed)
    middle = np.arange(8, 2 * MIDDLE, 17.0)
    seeds = np.stack(np.meshgrid(middle, middle), -1).reshape(-1, 2)
    seeds = seeds + rng.uniform(-3, 3, seeds.shape)
    x, y = np.meshgrid(*2 * [(np.arange(SIDE) + 0.5) * PIXEL])
    far, which = cKDTree(seeds).query(np.stack([x, y], -1), k=3)
    # Distance to the line half-way between the two nearest nuclei.
    apart = np.hypot(*(seeds[which[..., 0]] - seeds[which[..., 1]]).transpose(2, 0, 1))
    off = (far[..., 1] ** 2 - far[..., 0] ** 2) / (2 * apart)
    first, second = np.sort(which[..., :2], axis=-1).transpose(2, 0, 1)
    chosen = ((first * 73856093) ^ (second * 19349663)) % 97 % 10 < lined
    # Where a third nucleus is as near, borders end in one another.
    truth = 100 * chosen[(off < 0.5) & (far[..., 2] - far[..., 1] > 1.75)].mean()
    return far[..., 0] < 3.5, (off < 1.25) & chosen, truth


def shining(lined, edge=EDGE):
    """Both channels by chance, with an offset."""
    nuclei, edges, truth = sheet(lined)
    rng = np.random.default_rng(8)
    marker = np.where(nuclei, 60.0, np.where(edges, edge, CYTOPLASM))
    expected = [np.where(nuclei, 1200.0, 40.0), marker]
    planes = [rng.poisson(ndimage.gaussian_filter(p, 0.8)) + OFFSET for p in expected]
    return encode(np.stack(planes, axis=-1), 4095), truth


@pytest.mark.parametrize("lined", [3, 10])
def test_share_of_borders_and_ratio(lined):
    drawn, truth = shining(lined)
    options = {"background": 100 * OFFSET / 4095}
    rows, _ = measured(drawn, [square("region")], {}, **BLOCK, options=options)
    assert {r.get("qc", "pass") for r in rows.values()} == {"pass"}, rows
    assert rows["junc_pos", ""]["value"] == pytest.approx(truth, abs=2)
    ratio = 1 + truth / 100 * (EDGE / CYTOPLASM - 1)
    assert rows["junc", ""]["value"] == pytest.approx(ratio, rel=0.05)
    assert rows["junc", ""]["n_sub"] == pytest.approx(19**2, abs=3)


def test_without_a_marker_at_the_borders_the_ratio_is_one_and_the_share_none():
    drawn, _ = shining(10, edge=CYTOPLASM)
    options = {"background": 100 * OFFSET / 4095}
    rows, _ = measured(drawn, [square("region")], {}, **BLOCK, options=options)
    assert rows["junc", ""]["value"] == pytest.approx(1, abs=0.05)
    assert rows["junc_pos", ""]["value"] == pytest.approx(0, abs=1)


def test_brown_membranes_of_a_bright_field(request):
    nuclei, edges, truth = sheet(6)
    amounts = [0.06 + 0.5 * nuclei, np.where(nuclei, 0.05, np.where(edges, 0.6, 0.15))]
    drawn = light(amounts, [(0.63, 0.71, 0.31), (0.28, 0.56, 0.78)])
    drawn[:30] = (238, 237, 235)
    table = load_stains(request.config.rootpath / "resources" / "stains.yaml")
    rows, _ = measured(drawn, [square("region", top=20)], table, detector="membrane", roi="region")
    assert {r.get("qc", "pass") for r in rows.values()} == {"pass"}, rows
    assert rows["junc_pos", ""]["value"] == pytest.approx(truth, abs=3)
    assert rows["junc", ""]["value"] == pytest.approx(1 + truth / 100 * 3, rel=0.08)


def test_the_background_of_fluorescence_must_be_stated():
    with pytest.raises(InputError, match="background of the control"):
        stain_settings({"stains": {"X": {k: v for k, v in BLOCK.items() if k != "roi"}}}, {})
