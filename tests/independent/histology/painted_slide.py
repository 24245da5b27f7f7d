"""A slide painted with objects on every seam of its tiles, written as a tiled pyramid; truths are
counted from the painting."""

import json

import numpy as np
import tifffile
from scipy import ndimage

WHITE = np.array([238.0, 237.0, 235.0])
BLUE, BROWN = np.array([0.57, 0.54, 0.26]), np.array([0.30, 0.585, 0.854])
PIXEL_UM = 0.5
HIGH, WIDE = 600, 760


def discs(shape, centres, radius):
    y, x = np.ogrid[: shape[0], : shape[1]]
    mask = np.zeros(shape, bool)
    for r, c in centres:
        mask |= (y - r) ** 2 + (x - c) ** 2 <= radius**2
    return mask


def painting(seed=3):
    """Rings on every multiple of 40 pixels that is a seam somewhere, a bar across the slide, a
    large ring, a crack of glass."""
    rng = np.random.default_rng(seed)
    at = [(r, c) for r in range(40, 480, 40) for c in range(40, WIDE - 20, 80)]
    at = [(r + int(rng.integers(-3, 4)), c + int(rng.integers(-3, 4))) for r, c in at]
    at = [(r, c) for r, c in at if np.hypot(r - 250, c - 540) > 130]
    ring = discs((HIGH, WIDE), at, 12) & ~discs((HIGH, WIDE), at, 7)
    y, x = np.mgrid[:HIGH, :WIDE]
    away = np.hypot(y - 250, x - 540)
    large = (away >= 88) & (away <= 100)
    bar = (np.abs(y - 540 - 14 * np.sin(x / 40)) < 7) & (x > 30) & (x < WIDE - 40)
    crack = (np.abs(x - 82 - y // 40) < 5) & (y > 560)
    return {"ring": ring, "large": large, "bar": bar, "crack": crack}


def light(parts, seed=4, size=(HIGH, WIDE)):
    """Camera's picture of a painting: nuclei and fibres in blue, what is painted in brown."""
    rng = np.random.default_rng(seed)
    ground = 0.12 + 0.03 * ndimage.gaussian_filter(rng.standard_normal(size), 4) * 14
    nuclei = ndimage.gaussian_filter(rng.random(size), 5)
    blue = ground + 0.5 * (nuclei > np.quantile(nuclei, 0.93))
    brown = 0.05 + 0.7 * (parts["ring"] | parts["large"] | parts["bar"])
    density = blue[..., None] * BLUE + brown[..., None] * BROWN
    density[parts["crack"]] = 0
    seen = ndimage.gaussian_filter(WHITE * 10**-density, (0.8, 0.8, 0))
    return np.clip(seen + rng.normal(0, 1.5, seen.shape), 0, 255).round().astype(np.uint8)


def write(folder, rgb, name="slide", region=None):
    """A fact of the sections sheet for a picture written by tiles of 64, with a level of half the
    size."""
    path, high, wide = folder / f"{name}.tif", *rgb.shape[:2]
    told = {"tile": (64, 64), "photometric": "rgb", "compression": "zlib"}
    with tifffile.TiffWriter(path) as file:
        file.write(rgb, subifds=1, **told)
        half = rgb[: high // 2 * 2, : wide // 2 * 2].reshape(high // 2, 2, wide // 2, 2, 3)
        file.write(half.mean(axis=(1, 3)).astype(np.uint8), subfiletype=1, **told)
    left, top, right, bottom = region or (3, 2, wide - 5, high - 4)
    ring = [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]
    feature = {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {"classification": {"name": "tissue"}},
    }
    rois = folder / f"{name}.geojson"
    rois.write_text(json.dumps([feature]), encoding="utf-8")
    fact = {"section_id": name, "stain": "S", "path": str(path), "rois": str(rois)}
    return fact | {"pixel_um": str(PIXEL_UM)}
