"""Nuclei by a network of our own: every pixel says whether it is nucleus and where its nucleus has its middle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy import ndimage as ndi

from periomics.imaging.boxes import Box
from periomics.imaging.convolution import WITH_CHROMOGEN, Reading

# In the network's own pixels, of which a nucleus is some 24 wide.
_LEAST = 40.0  # pixels of the smallest body
_ROUNDS = 3  # at most, to find the size of nuclei in a picture


def absorbing(rgb: np.ndarray, white: Sequence[float]) -> np.ndarray:
    """The network's view of a bright field: roots of the optical density of red, green and blue over the white point, since
    the blue of H-DAB is pale beside the brown."""
    grey = np.arange(1, 257, dtype=np.float32)[:, None]
    light = grey / (np.asarray(white, np.float32) + 1)
    # By a table, as a logarithm's last bit may depend on where in a window a pixel lies.
    table = np.sqrt(np.clip(-np.log10(light), 0, 2)).astype(np.float32)
    return np.stack([table[rgb[..., k], k] for k in range(table.shape[1])], axis=-1)


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


def at_size(labels: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Labels at another number of rows and columns, those that remain numbered anew."""
    rows, columns = (
        np.minimum(((np.arange(n) + 0.5) * m / n).astype(int), m - 1)
        for n, m in zip(shape, labels.shape, strict=True)
    )
    return numbered(labels[rows][:, columns])


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


class Found(NamedTuple):
    """Pixels of nuclei (rows, columns) and where they say the middle of their nucleus is."""

    y: np.ndarray
    x: np.ndarray
    to_y: np.ndarray
    to_x: np.ndarray

    def within(self, own: Box, box: Box) -> Found:
        """Those in a box, counted from its corner, instead of from their own box's."""
        y, x = self.y + (own.top - box.top), self.x + (own.left - box.left)
        some = (y >= 0) & (y < box.shape[0]) & (x >= 0) & (x < box.shape[1])
        to = self.to_y + (own.top - box.top), self.to_x + (own.left - box.left)
        return Found(y[some], x[some], to[0][some], to[1][some])


def votes(found: np.ndarray, diameter_px: float, reading: Reading = WITH_CHROMOGEN) -> Found:
    """What the network says, of pixels that are nucleus.

    Parameters
    ----------
    found
        Rows, columns, 4: likelihood of a nucleus (logit), depth in it, rows and columns to its middle in radii.
    """
    y, x = np.nonzero(found[..., 0] > np.log(reading.likely / (1 - reading.likely)))
    to = found[y, x, 2:4] * (diameter_px / 2)
    at = np.rint(np.stack([y, x], axis=1) + to).astype(np.int32)
    return Found(y.astype(np.int32), x.astype(np.int32), at[:, 0], at[:, 1])


def bodies(found: np.ndarray, diameter_px: float) -> np.ndarray:
    """Labels from what the network says (see `votes`): pixels vote for the middle of their nucleus,
    maxima of votes are nuclei."""
    return bodies_of(votes(found, diameter_px), found.shape[:2])[0]


def bodies_of(
    found: Found, shape: tuple[int, ...], reading: Reading = WITH_CHROMOGEN
) -> tuple[np.ndarray, np.ndarray]:
    """Labels of nuclei, and where in the picture (in rows) the seed of each number lies."""
    (rows, columns), none = shape, (np.zeros(shape, np.int32), np.zeros(1, np.int64))
    if not len(found.y):
        return none
    to_y, to_x = np.clip(found.to_y, 0, rows - 1), np.clip(found.to_x, 0, columns - 1)
    cast = np.bincount(to_y.astype(np.int64) * columns + to_x, minlength=rows * columns)
    cast = ndi.gaussian_filter(cast.reshape(rows, columns).astype(np.float32), reading.blur)
    peak = (cast == ndi.maximum_filter(cast, 2 * reading.apart + 1)) & (cast > 0.3)
    seeds, n = ndi.label(peak, np.ones((3, 3)))
    if not n:
        return none
    near = ndi.distance_transform_edt(seeds == 0, return_distances=False, return_indices=True)
    labels = np.zeros(shape, np.int32)
    labels[found.y, found.x] = seeds[near[0][to_y, to_x], near[1][to_y, to_x]]
    whole = _whole(labels)
    where = np.flatnonzero(seeds)
    first = np.zeros(n + 1, np.int64)
    first[seeds.ravel()[where[::-1]]] = where[::-1]
    used = np.bincount(whole.ravel(), minlength=n + 1) > 0
    used[0] = True
    return numbered(whole), first[used]


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
    return out


def numbered(labels: np.ndarray) -> np.ndarray:
    """Numbers without gaps, in the order of the old ones."""
    used = np.bincount(labels.ravel()) > 0
    used[0] = False
    return (np.cumsum(used) * used).astype(np.int32)[labels]
