"""Nuclei in a fluorescence channel: bright bodies of about one size, touching ones told apart."""

from __future__ import annotations

import numpy as np
from scipy import ndimage as ndi

from periomics.core.spread import robust_spread

LEAST_CONTRAST = 6.0  # spreads of the background that nuclei stand out by
_FAINT = 0.2  # of the brightness of nuclei, where what is around spots begins
# Spots, what a disc of this share of a nucleus does not fit into, shine at most so many times what
# is around them: brighter ones are taken for maxima that part nuclei. A disc is so many pixels at
# most.
_SPOT, _SPOTTED, _DISC = 0.2, 1.3, 4
_SPLIT = 0.06  # of a radius: how deep a notch between two maxima must be


def background(picture: np.ndarray, size_px: float) -> np.ndarray:
    """What lies between bodies: a low quantile in squares of some sizes, smoothed."""
    step = max(1, round(size_px / 3))
    low = ndi.percentile_filter(picture[::step, ::step], 20, size=13, mode="nearest")
    low = ndi.gaussian_filter(low, 3, mode="nearest")
    zoom = (picture.shape[0] / low.shape[0], picture.shape[1] / low.shape[1])
    return ndi.zoom(low, zoom, order=1, mode="nearest", grid_mode=True)


def find_nuclei(picture: np.ndarray, size_px: float) -> tuple[np.ndarray, float, float]:
    """Labels of nuclei, what they stand out by in spreads of the background, and their usual diameter in pixels.

    Parameters
    ----------
    picture
        One channel in any unit (row, column), nuclei bright.
    size_px
        Usual diameter of a nucleus in pixels; the picture's own, within a factor of two, takes its place.
    """
    fine = ndi.gaussian_filter(picture.astype(np.float32), max(0.7, 0.05 * size_px))
    raised = _without_spots(fine - background(fine, size_px), size_px)
    mask, contrast = _bright(raised, size_px)
    if contrast < LEAST_CONTRAST or not mask.any():
        return np.zeros(picture.shape, np.int32), contrast, size_px
    depth = ndi.distance_transform_edt(mask)
    usual = _usual(depth)
    size = float(np.clip(usual, size_px / 2, size_px * 2))
    return _apart(raised, mask, depth, size), contrast, usual


def widened(picture: np.ndarray, labels: np.ndarray, size_px: float) -> float:
    """How many times more of a picture than the nuclei that were found shines about them by a fifth
    of their brightness: of spots within nuclei, such as chromocentres, the threshold is that of the
    spots; 1 without any nuclei."""
    if not labels.any():
        return 1.0
    fine = ndi.gaussian_filter(picture.astype(np.float32), max(0.7, 0.05 * size_px))
    raised = fine - background(fine, size_px)
    found = labels > 0
    ground = raised[~found]
    dark = float(np.median(ground)) if ground.size else 0.0
    spread = robust_spread(ground - dark) if ground.size else 0.0
    faint = max(_FAINT * float(np.median(raised[found])), dark + 5 * spread)
    parts, _ = ndi.label((raised > faint) | found)
    touched = np.zeros(int(parts.max()) + 1, bool)
    touched[parts[found]] = True
    return float(touched[parts].sum() / found.sum())


def _without_spots(raised: np.ndarray, size_px: float) -> np.ndarray:
    """With chromocentres and other foci hardly brighter than the nucleus around them."""
    step = max(1, int(_SPOT * size_px / _DISC))
    radius = max(1, round(_SPOT * size_px / step))
    y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    disc = x * x + y * y <= radius * radius + 0.5
    body = ndi.grey_opening(raised[::step, ::step], footprint=disc)
    zoom = (raised.shape[0] / body.shape[0], raised.shape[1] / body.shape[1])
    body = ndi.zoom(body, zoom, order=1, mode="nearest", grid_mode=True) if step > 1 else body
    return np.asarray(np.minimum(raised, _SPOTTED * np.maximum(body, 0)))


def _bright(raised: np.ndarray, size_px: float) -> tuple[np.ndarray, float]:
    """Above Otsu's threshold of the picture, or above 40 % of the brightest around where that is dim, but clear of the background."""
    from skimage.filters import threshold_otsu
    from skimage.morphology import remove_small_holes, remove_small_objects

    cut = float(threshold_otsu(raised))
    below, above = raised[raised < cut], raised[raised >= cut]
    if not (below.size and above.size):
        return np.zeros(raised.shape, bool), 0.0
    middle = float(np.median(below))
    spread = robust_spread(below - middle)
    contrast = (float(np.median(above)) - middle) / max(spread, 1e-6)
    step = max(1, round(size_px / 6))
    peak = ndi.maximum_filter(raised[::step, ::step], size=13)
    zoom = (raised.shape[0] / peak.shape[0], raised.shape[1] / peak.shape[1])
    peak = ndi.zoom(peak, zoom, order=0, mode="nearest", grid_mode=True)
    floor = max(middle + 5 * spread, 0.25 * cut)
    mask = raised > np.clip(0.4 * peak, floor, cut)
    area = size_px**2
    mask = remove_small_objects(mask, max_size=int(0.08 * area))
    return np.asarray(remove_small_holes(mask, max_size=int(0.3 * area))), contrast


def _usual(depth: np.ndarray) -> float:
    """Usual diameter: twice the median depth of the deepest places of bodies."""
    from skimage.feature import peak_local_max

    smooth = ndi.gaussian_filter(depth, 1)
    peaks = peak_local_max(smooth, min_distance=4, threshold_abs=2, exclude_border=False)
    if not len(peaks):
        return 2 * float(depth.max())
    found = depth[tuple(peaks.T)]
    return 2 * float(np.median(found[found >= 0.5 * np.median(found)]))


def _apart(raised: np.ndarray, mask: np.ndarray, depth: np.ndarray, size: float) -> np.ndarray:
    """Watershed of depth and brightness from maxima that a notch parts."""
    from skimage.morphology import h_maxima
    from skimage.segmentation import watershed

    radius = size / 2
    bright = ndi.gaussian_filter(raised, 0.25 * radius)
    around = ndi.maximum_filter(bright, size=int(2 * size) | 1)
    score = ndi.gaussian_filter(np.minimum(depth / radius, 1.2), 0.12 * radius)
    score = score + 0.6 * bright / np.maximum(around, 1e-6)
    score = np.where(mask, score, 0).astype(np.float32)
    seeds, _ = ndi.label(h_maxima(score, _SPLIT), np.ones((3, 3)))
    labels = watershed(-score, seeds * mask, mask=mask)
    sizes = np.bincount(labels.ravel())
    keep = sizes >= 0.1 * np.pi * radius**2
    keep[0] = False
    renumbered = np.cumsum(keep) * keep
    return renumbered[labels].astype(np.int32)
