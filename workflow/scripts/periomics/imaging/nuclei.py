"""Nuclei by a network of our own: every pixel says whether it is nucleus and where its nucleus has its middle."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy import ndimage as ndi

from periomics.imaging.convolution import Network, apply

# In the network's own pixels, of which a nucleus is some 24 wide.
_BLUR = 3.0  # of the votes for middles
_APART = 9  # middles are at least as far apart
_LEAST = 40.0  # pixels of the smallest body
_LIKELY = 0.4
_ROUNDS = 3  # at most, to find the size of nuclei in a picture


def absorbing(rgb: np.ndarray, white: Sequence[float]) -> np.ndarray:
    """The network's view of a bright field: roots of the optical density of red, green and blue over the white point, since
    the blue of H-DAB is pale beside the brown."""
    light = (rgb.astype(np.float32) + 1) / (np.asarray(white, np.float32) + 1)
    return np.sqrt(np.clip(-np.log10(light), 0, 2)).astype(np.float32)


def find(
    network: Network, view: np.ndarray, size_px: float, *, tile: int = 1024
) -> tuple[np.ndarray, float]:
    """Labels of nuclei, 1..N, and the size (diameter in pixels of the picture) that they were looked for at.

    Parameters
    ----------
    view
        Of `absorbing`.
    size_px
        Usual diameter of a nucleus; the picture's own takes its place, in at most three rounds.
    """
    held: dict[float, np.ndarray] = {}

    def areas(size: float) -> np.ndarray:
        held.clear()
        held[size] = _at(network, view, size, tile)
        return np.bincount(held[size].ravel())[1:]

    size = settled(areas, size_px)
    return (held[size] if size in held else _at(network, view, size, tile)), size


def settled(areas: Callable[[float], np.ndarray], size_px: float) -> float:
    """The size at which nuclei are looked for: that of those that are found with it, in at most
    three rounds; `areas` gives those of the nuclei (pixels) that are found with a size."""
    size = size_px
    for left in range(_ROUNDS - 1, -1, -1):
        if not left:
            break
        usual = usual_diameter(areas(size))
        if not usual or 0.75 < usual / size < 1.33:
            break
        size = float(np.clip(usual, size / 2, size * 2))
    return size


def usual_diameter(areas: np.ndarray) -> float:
    """Median over area of the diameters of circles of these areas, 0 without any."""
    area = np.sort(areas)
    if not area.sum():
        return 0.0
    middle = np.searchsorted(np.cumsum(area), area.sum() / 2)
    return float(2 * np.sqrt(area[middle] / np.pi))


def _at(network: Network, view: np.ndarray, size_px: float, tile: int) -> np.ndarray:
    scale = network.diameter_px / size_px
    shape = tuple(max(1, round(n * scale)) for n in view.shape[:2])
    found = apply(network, resampled(view, shape), tile)
    return at_size(bodies(found, network.diameter_px), view.shape[:2])


def at_size(labels: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Labels at another number of rows and columns, those that remain numbered anew."""
    rows, columns = (
        np.minimum(((np.arange(n) + 0.5) * m / n).astype(int), m - 1)
        for n, m in zip(shape, labels.shape, strict=True)
    )
    return _numbered(labels[rows][:, columns])


def resampled(view: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """At another number of rows and columns: means where it shrinks, straight lines between pixels where it grows."""
    out = np.empty((*shape, view.shape[2]), np.float32)
    factors = [m / n for m, n in zip(shape, view.shape[:2], strict=True)]
    blur = [max(0.0, (1 / f - 1) / 2) for f in factors]
    for k in range(view.shape[2]):
        one = view[..., k]
        one = ndi.gaussian_filter(one, blur, mode="nearest") if max(blur) > 0 else one
        out[..., k] = ndi.zoom(one, factors, order=1, mode="nearest", grid_mode=True)
    return out


def bodies(found: np.ndarray, diameter_px: float) -> np.ndarray:
    """Labels from what the network says: pixels vote for the middle of their nucleus, maxima of votes are nuclei.

    Parameters
    ----------
    found
        Rows, columns, 4: likelihood of a nucleus (logit), depth in it, rows and columns to its middle in radii.
    """
    rows, columns = found.shape[:2]
    inside = found[..., 0] > np.log(_LIKELY / (1 - _LIKELY))
    y, x = np.nonzero(inside)
    if not len(y):
        return np.zeros((rows, columns), np.int32)
    to = found[y, x, 2:4] * (diameter_px / 2)
    at = np.rint(np.stack([y, x], axis=1) + to).astype(int)
    at = np.clip(at, 0, (rows - 1, columns - 1))
    votes = np.bincount(at[:, 0] * columns + at[:, 1], minlength=rows * columns)
    votes = ndi.gaussian_filter(votes.reshape(rows, columns).astype(np.float32), _BLUR)
    peak = (votes == ndi.maximum_filter(votes, 2 * _APART + 1)) & (votes > 0.3)
    seeds, n = ndi.label(peak, np.ones((3, 3)))
    if not n:
        return np.zeros((rows, columns), np.int32)
    near = ndi.distance_transform_edt(seeds == 0, return_distances=False, return_indices=True)
    nearest = seeds[near[0][at[:, 0], at[:, 1]], near[1][at[:, 0], at[:, 1]]]
    labels = np.zeros((rows, columns), np.int32)
    labels[y, x] = nearest
    return _whole(labels)


def _whole(labels: np.ndarray) -> np.ndarray:
    """Of every label its largest connected part, without holes, if large enough."""
    from skimage.measure import label

    parts = np.asarray(label(labels, connectivity=1))
    size = np.bincount(parts.ravel())
    owner = np.zeros(len(size), np.int32)
    owner[parts.ravel()] = labels.ravel()
    largest = np.zeros(int(labels.max()) + 1, np.int64)
    np.maximum.at(largest, owner, size)
    keep = (size == largest[owner]) & (size >= _LEAST) & (owner > 0)
    out = np.where(keep[parts], labels, 0)
    holes, n = ndi.label(out == 0)
    if n:
        area = np.bincount(holes.ravel())
        small = (area <= _LEAST) & (np.arange(n + 1) > 0)
        fill = small[holes]
        out = np.where(fill, ndi.maximum_filter(out, 3), out) if fill.any() else out
    return _numbered(out)


def _numbered(labels: np.ndarray) -> np.ndarray:
    """Numbers without gaps, in the order of the old ones."""
    used = np.bincount(labels.ravel()) > 0
    used[0] = False
    return (np.cumsum(used) * used).astype(np.int32)[labels]
