"""Sections of which a known share is stained: the parts of a rippled surface that lie above a level, one dye in them, another beside."""

import numpy as np
from painted import DYES, spindles, strands
from scipy import ndimage

INKS = DYES | {"collagen": (0.16, 0.36, 0.60), "muscle": (0.80, 0.25, 0.30)}
SIZE = 320
WHITE = (238, 237, 235)


def through(layers, white=WHITE):
    light = np.ones((SIZE, SIZE, 3)) * np.asarray(white, float)
    for ink, cover in layers.items():
        light *= np.power(np.asarray(INKS[ink]), cover[..., None])
    return light


def ridges(rng, share):
    """Where a surface rippled one way lies highest: exactly that share of all pixels."""
    surface = ndimage.gaussian_filter(rng.standard_normal((SIZE, SIZE)), (4, 16), mode="wrap")
    return surface >= np.quantile(surface, 1 - share)


def trichrome(share, seed=1, glass=32, strength=1.0):
    """Light of blue collagen in red muscle, and the share (%) of the tissue that is collagen; `glass` pixels at the right are bare."""
    rng = np.random.default_rng(seed)
    on, ground = ridges(rng, share), strands(rng, SIZE)
    bare = np.arange(SIZE) >= SIZE - glass
    blue = strength * np.where(on, 0.9, 0.03) * ground * ~bare
    red = 0.6 * np.where(on, 0.05, 0.9) * ground * ~bare
    return through({"collagen": blue, "muscle": red}), 100 * on[:, ~bare].mean()


def brown_on_blue(share, seed=1, glass=32, strength=1.0, haze=0.0):
    """As `trichrome`, of a brown stain over blue nuclei."""
    rng = np.random.default_rng(seed)
    on, ground, nuclei = ridges(rng, share), strands(rng, SIZE), spindles(rng, 120, SIZE)
    bare = np.arange(SIZE) >= SIZE - glass
    brown = (strength * np.where(on, 0.8, 0.05) + haze) * ground * ~bare
    blue = (0.16 * ground + 0.55 * nuclei) * ~bare
    return through({"blue": blue, "brown": brown}), 100 * on[:, ~bare].mean()
