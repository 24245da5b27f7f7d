"""The crest of a simulated specimen: a plate of dense bone, with a crater of uneven depth around the implant.

A crest cut out of spongiosa has no level of its own: its first bone is whatever tip lies highest, often thinner than the
blur. A jaw's crest is lined with dense bone, so that each sector has a level that is known beforehand.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from periomics.simulate.trabeculae import Implant
from periomics.study.settings.microct import Microct

Mask = NDArray[np.bool_]
# How much deeper than its mean the crater is at its deepest angle, and shallower at the angle opposite.
UNEVEN = 0.5


def crest_surface(
    shape: tuple[int, int, int], screw: Implant, top: float, depth: float, floor: float, turn: float
) -> NDArray[np.float64]:
    """Height of the crest's surface (z, voxels) over each (y, x).

    Parameters
    ----------
    shape
        (z, y, x) voxels of the scan.
    screw
        The implant; the crater's centre is where its axis passes the crest.
    top
        z of the crest away from the implant.
    depth
        Mean depth of the crater, voxels; it is `1 + UNEVEN` times as deep at one angle and `1 - UNEVEN` opposite.
    floor
        Width of the crater's level floor from the thread on, voxels; behind it the wall rises at 45 degrees.
    turn
        Angle of the deepest place, radians.
    """
    along = (top - screw.apex[0]) / screw.direction[0]
    y, x = np.ogrid[: shape[1], : shape[2]]
    v, u = (axis - (screw.apex[i] + along * screw.direction[i]) for i, axis in ((1, y), (2, x)))
    deep = depth * (1 + UNEVEN * np.cos(np.arctan2(v, u) - turn))
    return top + np.clip(
        deep - np.maximum(np.hypot(v, u) - screw.core - screw.depth - floor, 0), 0, None
    )


def true_levels(
    bone: Mask,
    distance_um: NDArray[np.float64],
    height_um: NDArray[np.float64],
    screw: Implant,
    voxel_um: float,
    definitions: Microct,
) -> tuple[NDArray[np.float64], float]:
    """Highest bone of each sector about the true axis and lowest of all, µm above the apex, by plain counting on the labels.

    Slices are a voxel thick with the shoulder at the middle of one. A slice counts where, with as many behind it as the level's
    shell is voxels wide, its bone fills `level_share` of the sector (of all sectors, for the lowest). 0 without any.
    """
    inner, n = definitions.voi.inner_um, definitions.sectors
    depth = max(1, round(definitions.level_width_um / voxel_um))
    ring = (distance_um > inner + 1e-3) & (distance_um <= inner + definitions.level_width_um + 1e-3)
    at = np.argwhere(ring) - screw.apex
    x = np.array([0.0, 0.0, 1.0]) - screw.direction[2] * screw.direction
    angle = np.arctan2(
        at @ np.cross(screw.direction, x / np.linalg.norm(x)), at @ (x / np.linalg.norm(x))
    )
    sector = np.minimum((angle % (2 * np.pi) / (2 * np.pi) * n).astype(int), n - 1)
    length = float(np.linalg.norm(screw.head - screw.apex))
    slices = np.floor(height_um[ring] / voxel_um - length + 0.5).astype(int)
    counts = np.zeros((2, n, np.ptp(slices) + 1), int)
    np.add.at(counts[0], (sector, slices - slices.min()), bone[ring])
    np.add.at(counts[1], (sector, slices - slices.min()), 1)
    found = [
        _ends(bones, total, depth, definitions.level_share)
        for bones, total in zip(*counts, strict=True)
    ]
    first = slices.min() + length
    high = np.array([first + high if high >= 0 else 0 for high, _ in found])
    bones, total = counts.sum(axis=1)
    _, low = _ends(bones, total, depth, definitions.level_share)
    return high * voxel_um, (first + low if low >= 0 else 0) * voxel_um


def _ends(
    bone: NDArray[np.int64], total: NDArray[np.int64], depth: int, share: float
) -> tuple[int, int]:
    """Highest and lowest slice with bone that fills its share together with the slices inwards; -1 and -1 without one."""

    def full(part: slice) -> bool:
        return bone[part].sum() >= share * total[part].sum()

    seen = [i for i in range(len(bone)) if bone[i]]
    below = [i for i in seen if full(slice(max(0, i - depth + 1), i + 1))]
    above = [i for i in seen if full(slice(i, i + depth))]
    return (max(below), min(above)) if below and above else (-1, -1)
