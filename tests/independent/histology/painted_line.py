"""A wavy seam between black metal and epithelium, part of it lined in brown; fringe, cytoplasm and strength by choice."""

import numpy as np
from painted import DYES
from scipy import ndimage
from shapely.geometry import LineString, Polygon

PIXEL_UM = 0.5
HEIGHT, WIDTH = 700, 240
WHITE = (238, 237, 235)


def pieces(rng, share, long_um=(6, 45)):
    """Whether each half micrometre of the seam is lined: on and off in turn, in pieces of a random length; the share is met."""
    on = np.zeros(HEIGHT, bool)
    lengths = rng.uniform(*long_um, 200) / PIXEL_UM
    cuts = np.cumsum(lengths)
    cuts = cuts[cuts < HEIGHT].astype(int)
    weight = ndimage.gaussian_filter1d(rng.standard_normal(HEIGHT), 12, mode="wrap")
    order = sorted(np.split(np.arange(HEIGHT), cuts), key=lambda p: -weight[p].mean())
    for piece in order:
        left = round(share * HEIGHT) - on.sum()
        on[piece[: max(0, left)] if len(piece) > left else piece] = True
        if on.sum() >= round(share * HEIGHT):
            break
    return on


def seam(share=0.5, seed=1, strength=1.0, fringe=0.0, cytoplasm=0.0, wide_um=1.5):
    """Light, outline of the metal, the line, and the lined share (%).

    `fringe` is how brown the first 2.5 µm beside the metal look all along; `cytoplasm` how brown the epithelium is.
    """
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    edge = 70 + 9 * np.sin(np.arange(HEIGHT) / 83 + seed) + 4 * np.sin(np.arange(HEIGHT) / 37)
    depth = (x - edge[:, None]) * PIXEL_UM
    on = pieces(rng, share)
    grain = 1 + 0.2 * ndimage.gaussian_filter1d(rng.standard_normal(HEIGHT), 3) * 3
    tissue = depth > 0
    patchy = ndimage.gaussian_filter(rng.standard_normal((HEIGHT, WIDTH)), 5)
    patchy = 1 + 0.3 * patchy / patchy.std()
    nuclei = np.zeros((HEIGHT, WIDTH))
    for r, c in zip(rng.uniform(0, HEIGHT, 260), rng.uniform(95, WIDTH, 260), strict=True):
        near = slice(max(0, int(r) - 8), int(r) + 9), slice(max(0, int(c) - 6), int(c) + 7)
        at = np.hypot((y[near] - r) / 7, (x[near] - c) / 5) < 1
        nuclei[near][at] = rng.uniform(0.7, 1)
    lined = (depth > 0.3) & (depth < 0.3 + wide_um) & on[:, None]
    brown = 0.8 * strength * grain[:, None] * lined + tissue * (0.04 + cytoplasm * patchy)
    brown += fringe * np.clip(1 - depth / 2.5, 0, 1) * tissue
    light = np.ones((HEIGHT, WIDTH, 3)) * WHITE
    light *= np.asarray(DYES["brown"]) ** brown[..., None]
    light *= np.asarray(DYES["blue"]) ** ((0.15 * patchy + 0.55 * nuclei) * tissue)[..., None]
    light[~tissue] = (16, 15, 17)
    line = np.column_stack([edge, np.arange(HEIGHT) + 0.5])
    metal = Polygon([*line, (0, HEIGHT), (0, 0)])
    return light, metal, LineString(line), 100 * on.mean()
