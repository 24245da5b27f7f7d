"""The nucleus network's arithmetic by definition, its bodies from drawn fields, and painted H-DAB nuclei."""

from pathlib import Path

import numpy as np
import pytest
from painted import PIXEL_UM, outline, seen, strands, through
from scipy.signal import correlate
from skimage.draw import polygon

from periomics.core.errors import InputError
from periomics.imaging import blocks, convolution, nuclei
from periomics.imaging.boxes import Box

RESOURCES = Path(__file__).parents[3] / "resources"
WIDTHS = {"e0a": (8, 4), "e0b": (4, 4), "e1a": (4, 5), "e1b": (5, 5), "e2a": (5, 6), "e2b": (6, 6)}
WIDTHS |= {"e3a": (6, 7), "e3b": (7, 7), "d2": (13, 6), "d1": (11, 5), "d0a": (9, 4)}
WIDTHS |= {"d0b": (4, 4), "head": (4, 16)}


@pytest.fixture(scope="module")
def small():
    """A network of chance weights."""
    rng = np.random.default_rng(3)
    sides = {n: 1 if n == "head" else 3 for n in WIDTHS}
    weights = {n: rng.normal(0, 0.3, (sides[n],) * 2 + w) for n, w in WIDTHS.items()}
    offsets = {n: rng.normal(0, 0.1, w[1]) for n, w in WIDTHS.items()}
    held = ({k: v.astype(np.float32) for k, v in d.items()} for d in (weights, offsets))
    return convolution.Network(*held, 24.0)


def by_definition(network, picture):
    """The same network, one correlation a pair of channels, channels first, in double precision."""

    def layer(name, x):
        w, b = network.weights[name].astype(float), network.offsets[name].astype(float)
        out = [
            b[o] + sum(correlate(x[i], w[..., i, o], "same", "direct") for i in range(len(x)))
            for o in range(w.shape[3])
        ]
        return np.array(out) if name == "head" else np.maximum(out, 0)

    def larger(x):
        return np.kron(x, np.ones((1, 2, 2)))

    x = picture.astype(float)
    x = np.array([x[i::2, j::2, c] for i in (0, 1) for j in (0, 1) for c in range(x.shape[2])])
    kept = []
    for depth in range(4):
        if depth:
            x = np.max([x[:, i::2, j::2] for i in (0, 1) for j in (0, 1)], axis=0)
        x = layer(f"e{depth}b", layer(f"e{depth}a", x))
        kept.append(x)
    for name, k in (("d2", 2), ("d1", 1), ("d0a", 0)):
        x = layer(name, np.concatenate([larger(x), kept[k]]))
    x = layer("head", layer("d0b", x))
    out = np.empty((*picture.shape[:2], 4))
    for k in range(16):
        out[k // 8 :: 2, k // 4 % 2 :: 2, k % 4] = x[k]
    return out


def test_the_layers_are_what_they_are_called(small):
    picture = np.random.default_rng(5).random((32, 48, 2))
    expected = by_definition(small, picture)
    assert np.std(expected) > 0.05
    assert convolution.apply(small, picture) == pytest.approx(expected, abs=1e-4)


def test_any_tile_gives_the_same(small):
    picture = np.random.default_rng(6).random((250, 205, 2))
    whole = convolution.apply(small, picture, 4096)
    for tile in (64, 100):
        assert np.abs(convolution.apply(small, picture, tile) - whole).max() < 1e-4


def test_files_that_are_no_weights_are_refused(tmp_path):
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    with pytest.raises(InputError, match="no weights of the nucleus network"):
        convolution.load(tmp_path / "other.npz")
    np.savez(tmp_path / "objects.npz", **{"e0a.w": np.array([{}], object)})
    with pytest.raises(InputError, match="no weights of the nucleus network"):
        convolution.load(tmp_path / "objects.npz")


def test_bodies_of_exact_fields_are_the_drawn_ones():
    """Touching ellipses, a ring's worth of specks, one at the border: the field says where each pixel's middle lies."""
    rows, columns = np.indices((160, 200))
    truth = np.zeros(rows.shape, int)
    drawn = [(40, 40, 14, 9), (40, 59, 13, 9), (80, 120, 24, 6), (120, 60, 8, 8), (158, 150, 9, 9)]
    for k, (y, x, a, b) in enumerate(drawn, 1):
        truth[((rows - y) / a) ** 2 + ((columns - x) / b) ** 2 < 1] = k
    found = np.full((*truth.shape, 4), -9.0, np.float32)
    found[truth > 0, 0] = 9
    for k in range(1, len(drawn) + 1):
        y, x = np.nonzero(truth == k)
        found[y, x, 2], found[y, x, 3] = (y.mean() - y) / 12, (x.mean() - x) / 12
    found[5:9, 100:104, 0] = 9  # a speck
    labels = nuclei.bodies(found, 24)
    assert labels.max() == len(drawn)
    for k in range(1, len(drawn) + 1):
        here = labels[truth == k]
        assert len(set(here)) == 1 and here[0] > 0
    assert np.array_equal(labels > 0, truth > 0)


def found_in(network, view, size):
    whole = Box(0, 0, *view.shape[:2])
    return blocks.find(network, whole, lambda box: view[box.inside(whole)], size)


@pytest.mark.parametrize(("size", "side", "block"), [(12.3, 150, 256), (33.0, 230, 128)])
def test_blocks_find_what_one_run_over_the_whole_picture_finds(
    brightfield, monkeypatch, size, side, block
):
    """View, labels and their numbers, with bodies on every seam; where the picture grows and where
    it shrinks."""
    monkeypatch.setattr(blocks, "BLOCK", block)
    light, _ = painted_nuclei(3, (238, 236, 240))
    view = nuclei.absorbing(seen(light)[:side, : side + 9], (238, 236, 240))
    whole = Box(0, 0, *view.shape[:2])
    by_blocks = blocks.Blocks(brightfield, whole, lambda box: view[box.inside(whole)], size)
    once = nuclei.resampled(view, by_blocks.shape)
    part = by_blocks.view(Box(16, 32, *by_blocks.shape))
    assert np.abs(part - once[16:, 32:]).max() < 1e-7
    bodies = nuclei.bodies(convolution.apply(brightfield, once), 24)
    truth = nuclei.at_size(bodies, view.shape[:2])
    assert truth.max() > 15
    assert np.array_equal(blocks.numbers(by_blocks), truth)


@pytest.fixture(scope="module")
def brightfield():
    return convolution.load(RESOURCES / "nuclei_brightfield.npz")


def painted_nuclei(seed, white, share=0.25, strength=1.0):
    """Lopsided blue nuclei some 7 µm wide, a share of them brown, none of which touch; light and labels."""
    rng = np.random.default_rng(seed)
    blue, brown = 0.12 * strands(rng), 0.03 * strands(rng)
    labels = np.zeros(blue.shape, int)
    pitch, n = 600 / 22, 0
    for k in range(22 * 22):
        r, c = ((v + 0.5 + rng.uniform(-0.15, 0.15)) * pitch for v in divmod(k, 22))
        if rng.random() < 0.35:
            continue
        n += 1
        at = polygon(*outline(rng, r, c, rng.uniform(5, 7)), blue.shape)
        labels[at] = n
        grain = rng.normal(1, 0.12, len(at[0]))
        blue[at] += strength * rng.uniform(0.4, 0.9) * grain
        if n % round(1 / share) == 0:
            brown[at] += strength * rng.uniform(0.5, 1.1) * grain
    return through(white, blue=blue, brown=brown), labels


@pytest.mark.parametrize(
    "look",
    [{}, {"strength": 0.8}, {"strength": 1.25, "white": (250, 250, 250)}, {"quality": 60}],
    ids=str,
)
def test_painted_nuclei_are_found_each_once(brightfield, look):
    look = dict(look)
    quality, white = look.pop("quality", 0), look.pop("white", (238, 237, 235))
    light, truth = painted_nuclei(8, white, **look)
    rgb = seen(light, quality=quality)[:400, :400]
    truth = truth[:400, :400]
    view = nuclei.absorbing(rgb, np.array(white))
    labels, _ = found_in(brightfield, view, 6.5 / PIXEL_UM)
    wide = truth.max() + 1
    both = np.bincount(
        (labels.astype(int) * wide + truth).ravel(), minlength=wide * (labels.max() + 1)
    )
    both = both.reshape(-1, wide)
    union = both.sum(1, keepdims=True) + both.sum(0, keepdims=True) - both
    hits = (both[1:, 1:] > 0.5 * union[1:, 1:]).sum()
    n = len(np.unique(truth)) - 1
    assert labels.max() == pytest.approx(n, rel=0.05)
    assert 2 * hits / (labels.max() + n) >= 0.9
