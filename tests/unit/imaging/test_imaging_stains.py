"""Stain separation: analytic mixtures, units against scikit-image, estimation against planted vectors."""

import os
from pathlib import Path

import numpy as np
import pytest

from periomics.core.errors import InputError
from periomics.imaging import stains

ROOT = Path(__file__).resolve().parents[3]
DATA = Path(os.environ.get("PERIOMICS_DATA", ROOT.parent / "shared" / "data")) / "histology"
PAIRS = stains.load_stains(ROOT / "resources" / "stains.yaml")
HDAB = PAIRS["H-DAB"]
WHITE = (241.0, 238.0, 236.0)


def render(amounts, vectors, white=WHITE):
    """8-bit colours of stain amounts (n, 2) by Beer and Lambert."""
    return (
        np.round(np.asarray(white) * 10 ** -(np.asarray(amounts) @ vectors))
        .clip(0, 255)
        .astype(np.uint8)
    )


def test_amounts_come_back_within_rounding():
    amounts = np.stack(np.meshgrid(np.linspace(0, 0.9, 10), np.linspace(0, 0.9, 10)), axis=-1)
    first, second = stains.separate(render(amounts, HDAB.vectors), WHITE, HDAB)
    assert np.abs(first - amounts[..., 0]).max() < 0.03
    assert np.abs(second - amounts[..., 1]).max() < 0.03


def test_separate_is_unmix_of_the_optical_density():
    rgb = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    mixed = stains.unmix(stains.optical_density(rgb, WHITE), HDAB.vectors)
    first, second = stains.separate(rgb, WHITE, HDAB)
    np.testing.assert_allclose(first, mixed[..., 0], atol=1e-5)
    np.testing.assert_allclose(second, mixed[..., 1], atol=1e-5)


def test_zero_is_clipped_and_counted():
    rgb = np.array([[[0, 100, 100], [100, 100, 100]]], np.uint8)
    assert stains.optical_density(rgb, (255, 255, 255))[0, 0, 0] == pytest.approx(np.log10(255))
    assert stains.clipped_share(rgb) == 0.5
    assert stains.clipped_share(rgb, np.array([[False, True]])) == 0
    assert (
        stains.optical_density(np.full((1, 1, 3), 250, np.uint8), WHITE).max() == 0
    )  # brighter than white is white


def test_white_point_of_a_histogram():
    histogram = np.zeros((3, 256), int)
    histogram[:, 100] = 900
    for channel, value in enumerate((240, 235, 230)):
        histogram[channel, value] = 100
    np.testing.assert_array_equal(stains.white_from_histogram(histogram), [240, 235, 230])


@pytest.mark.parametrize("swap", [False, True])
def test_planted_vectors_are_found_and_named_by_the_reference(swap):
    rng = np.random.default_rng(3)
    true = stains.stain_pair(
        ("haematoxylin", "DAB"), [[0.60, 0.74, 0.30], [0.32, 0.55, 0.77]]
    ).vectors
    amounts = rng.gamma(1.0, 0.4, (40_000, 2))
    amounts[:20_000, 1] *= 0.02
    amounts[20_000:, 0] *= 0.02
    od = amounts @ true + rng.normal(0, 0.004, (40_000, 3))
    reference = stains.StainPair(HDAB.stains[::-1], HDAB.vectors[::-1]) if swap else HDAB
    pair, angle, reason = stains.estimate_vectors(od, reference)
    assert (pair.source, reason) == ("estimated", "")
    assert angle > 30
    expected = true[::-1] if swap else true
    assert (
        max(stains.angle_between(f, t) for f, t in zip(pair.vectors, expected, strict=True)) < 2.5
    )


def test_one_stain_alone_keeps_the_reference():
    rng = np.random.default_rng(4)
    od = rng.gamma(2.0, 0.3, (20_000, 1)) * HDAB.vectors[0] + rng.normal(0, 0.004, (20_000, 3))
    pair, angle, reason = stains.estimate_vectors(od, HDAB)
    assert pair is HDAB
    assert angle < 15
    assert "apart" in reason
    assert "tissue pixels" in stains.estimate_vectors(od[:10], HDAB)[2]


def test_vectors_survive_the_batch_table():
    np.testing.assert_allclose(
        stains.parse_vectors(stains.format_vectors(HDAB.vectors)), HDAB.vectors, atol=1e-6
    )


def test_bad_vectors_are_named(tmp_path):
    with pytest.raises(InputError, match=r"unknown stain vectors - did you mean 'H-DAB'"):
        stains.choose_pair(PAIRS, "H-DBA", where="stain CD31")
    with pytest.raises(InputError, match="three OD values"):
        stains.choose_pair(PAIRS, {"a": [1, 2], "b": [3, 4]})
    with pytest.raises(InputError, match="three OD values"):
        stains.choose_pair(PAIRS, {"stains": ["a", "b"], "vectors": [[1, 2], [3, 4]]})
    own = stains.choose_pair(PAIRS, {"eosin": [0.2, 0.8, 0.6], "haematoxylin": [0.65, 0.7, 0.29]})
    assert (own.stains, own.source) == (("eosin", "haematoxylin"), "config")
    assert np.linalg.norm(own.vectors, axis=1) == pytest.approx(1)
    with pytest.raises(InputError, match="less than 5"):
        stains.stain_pair(("a", "b"), [[1, 1, 1], [1, 1, 1.01]])
    with pytest.raises(InputError, match="white point"):
        stains.od_table((0, 255, 255))
    (tmp_path / "s.yaml").write_text(
        "X: {stains: [a, b], vectors: [[1,0,0],[0,1,0]]}\n", encoding="utf-8"
    )
    with pytest.raises(InputError, match="evidence"):
        stains.load_stains(tmp_path / "s.yaml")


@pytest.mark.data
def test_units_against_scikit_image_on_a_real_section():
    """rgb2hed is log10 OD / 6 with three fixed stains; thresholded at 0.2 it calls 0.8 % positive where OD calls 58 %."""
    path = DATA / "ihc_skimage" / "ihc.png"
    if not path.exists():
        pytest.skip(f"real data not found: {path} (set PERIOMICS_DATA)")
    from skimage.color import hed_from_rgb, rgb2hed
    from skimage.io import imread

    rgb = imread(path)[..., :3]
    dab = stains.separate(rgb, (255, 255, 255), HDAB)[1]
    assert 100 * (dab >= 0.2).mean() == pytest.approx(58.2, abs=0.3)
    assert 100 * (stains.separate(rgb, (210, 210, 210), HDAB)[1] >= 0.2).mean() == pytest.approx(
        53.7, abs=0.3
    )
    peer = rgb2hed(rgb)[..., 2]
    assert 100 * (peer >= 0.2).mean() == pytest.approx(0.8, abs=0.1)
    assert 100 * (6 * peer >= 0.2).mean() == pytest.approx(58.5, abs=0.3)
    # The same three vectors give the same numbers: only the unit differs.
    od = stains.optical_density(rgb, (255, 255, 255))
    ours = od.reshape(-1, 3) @ hed_from_rgb
    whole = (rgb.reshape(-1, 3) > 0).all(
        axis=1
    )  # scikit-image takes a zero as 1e-6, so its density jumps to 6
    np.testing.assert_allclose(ours[whole, 2].clip(0), 6 * peer.ravel()[whole], atol=1e-4)
    assert (~whole).any()


def test_few_pure_pixels_of_each_stain_are_enough():
    """Three pixels in a hundred hold one stain alone, the others both in like amounts."""
    rng = np.random.default_rng(5)
    true = HDAB.vectors
    amounts = rng.uniform(0.4, 0.6, (40_000, 2))
    amounts[:1200, 1] = amounts[1200:2400, 0] = 0
    od = amounts @ true + rng.normal(0, 0.002, (40_000, 3))
    pair, angle, reason = stains.estimate_vectors(od, HDAB)
    assert (pair.source, reason) == ("estimated", "") and angle > 20
    assert max(stains.angle_between(f, t) for f, t in zip(pair.vectors, true, strict=True)) < 2
