"""Small convolution networks on plain numpy: weights from an npz file, pictures by tiles, the same at any tile size."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from periomics.core.errors import InputError

# Sides of a tile must divide by this (one halving of the picture and three of its features).
STEP = 16
# Pixels beyond a tile that its results may depend on, rounded up: two steps down at every depth, one or two up.
MARGIN = 96
# Places of a layer that are multiplied at once: their neighbourhoods stay in the cache of a core
# (of 2 MB).
_AT_ONCE = 1 << 10
LAYERS = ("e0a", "e0b", "e1a", "e1b", "e2a", "e2b", "e3a", "e3b", "d2", "d1", "d0a", "d0b", "head")


class Reading(NamedTuple):
    """How votes become bodies: least likelihood of a pixel, blur of the votes, and how far apart
    middles are at least (pixels of the network)."""

    likely: float
    blur: float
    apart: int


# Chosen on images of no report, with a chromogen and in purple stain alone (docs/nuclei_model.md).
WITH_CHROMOGEN, PURPLE = Reading(0.4, 3.0, 9), Reading(0.6, 2.0, 7)


@dataclass(frozen=True)
class Network:
    """Weights (float32; rows, columns, channels in, channels out) and offsets by layer, and what the file says of itself.

    Attributes
    ----------
    diameter_px
        Diameter of the bodies that it was trained on; pictures are scaled to it.
    reading
        How its votes become bodies.
    """

    weights: dict[str, np.ndarray]
    offsets: dict[str, np.ndarray]
    diameter_px: float
    reading: Reading = WITH_CHROMOGEN

    @property
    def channels(self) -> int:
        """Of the picture."""
        return self.weights["e0a"].shape[2] // 4


def load(path: str | Path) -> Network:
    """Read weights; nothing in the file is run (no pickled objects).

    Raises
    ------
    InputError
        A layer is missing, or the file is none of numpy's.
    """
    try:
        with np.load(path, allow_pickle=False) as held:
            weights = {n: held[f"{n}.w"].astype(np.float32) for n in LAYERS}
            offsets = {n: held[f"{n}.b"].astype(np.float32) for n in LAYERS}
            return Network(weights, offsets, float(held["diameter_px"]))
    except (KeyError, ValueError, OSError) as error:
        raise InputError(
            f"holds no weights of the nucleus network: {error}", file=str(path)
        ) from error


def apply(network: Network, picture: np.ndarray, tile: int = 1024) -> np.ndarray:
    """Results for every pixel, float32 (rows, columns, 4).

    Parameters
    ----------
    picture
        Float32 (rows, columns, channels).
    tile
        Side of the tiles; each is run with what lies around it, so that results differ by rounding only.
    """
    rows, columns = picture.shape[:2]
    pad = [(0, -rows % STEP), (0, -columns % STEP), (0, 0)]
    whole = np.pad(picture.astype(np.float32, copy=False), pad, mode="symmetric")
    out = np.empty((*whole.shape[:2], 4), np.float32)
    tile = max(STEP, tile // STEP * STEP)
    for top in range(0, whole.shape[0], tile):
        for left in range(0, whole.shape[1], tile):
            y, x = max(0, top - MARGIN), max(0, left - MARGIN)
            part = _forward(network, whole[y : top + tile + MARGIN, x : left + tile + MARGIN])
            here = part[top - y : top - y + tile, left - x : left - x + tile]
            out[top : top + tile, left : left + tile] = here
    return out[:rows, :columns]


def _forward(network: Network, x: np.ndarray) -> np.ndarray:
    def layer(name: str, x: np.ndarray) -> np.ndarray:
        return _convolved(x, network.weights[name], network.offsets[name])

    kept = []
    x = _folded(x)
    for depth in range(4):
        if depth:
            x = _halved(x)
        x = layer(f"e{depth}b", layer(f"e{depth}a", x))
        kept.append(x)
    x = layer("d2", np.concatenate([_doubled(x), kept[2]], axis=-1))
    x = layer("d1", np.concatenate([_doubled(x), kept[1]], axis=-1))
    x = layer("d0a", np.concatenate([_doubled(x), kept[0]], axis=-1))
    x = layer("d0b", x)
    return _unfolded(x @ network.weights["head"][0, 0] + network.offsets["head"])


def _convolved(x: np.ndarray, weights: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """3 × 3 neighbourhoods laid side by side, times the weights, some rows at a time, without what
    is negative."""
    rows, columns, channels = x.shape
    padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
    matrix = weights.reshape(9 * channels, -1)
    out = np.empty((rows, columns, matrix.shape[1]), np.float32)
    step = max(1, _AT_ONCE // columns)
    held = np.empty((step, columns, 9, channels), np.float32)
    for top in range(0, rows, step):
        n = min(step, rows - top)
        near = held[:n]
        for k in range(9):
            i, j = divmod(k, 3)
            near[:, :, k] = padded[top + i : top + i + n, j : j + columns]
        part = out[top : top + n].reshape(n * columns, -1)
        np.matmul(near.reshape(n * columns, -1), matrix, out=part)
        part += offsets
        np.maximum(part, 0, out=part)
    return out


def _folded(x: np.ndarray) -> np.ndarray:
    """Squares of 2 × 2 pixels become the channels of one place."""
    rows, columns, channels = x.shape
    squares = x.reshape(rows // 2, 2, columns // 2, 2, channels).transpose(0, 2, 1, 3, 4)
    return squares.reshape(rows // 2, columns // 2, 4 * channels)


def _unfolded(x: np.ndarray) -> np.ndarray:
    rows, columns, channels = x.shape
    squares = x.reshape(rows, columns, 2, 2, channels // 4).transpose(0, 2, 1, 3, 4)
    return squares.reshape(2 * rows, 2 * columns, channels // 4)


def _halved(x: np.ndarray) -> np.ndarray:
    """The largest of each 2 × 2."""
    rows, columns, channels = x.shape
    return x.reshape(rows // 2, 2, columns // 2, 2, channels).max(axis=(1, 3))


def _doubled(x: np.ndarray) -> np.ndarray:
    return x.repeat(2, axis=0).repeat(2, axis=1)
