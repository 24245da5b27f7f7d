"""Connected parts of masks that are read by slabs: labels within slabs, joined over their borders by union-find.

Labels are never kept: the second pass labels each slab again. Which of two parts of the same size counts as the largest
does not depend on the slabs: the one with the first voxel in the order of the array.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cc3d
import numba
import numpy as np
from numpy.typing import NDArray

from periomics.microct.slabs import BitVolume, Mask, Reader, Shape, empty_bits, slabs

Neighbours = Literal[6, 26]
# Rows and columns by which voxels that touch may be apart.
REACH = {6: 0, 26: 1}
# Planes of a slab whose labels stay in the cache: more of them take a third longer a voxel.
THIN = 64


def purify(bone: BitVolume, outside: BitVolume | None = None, planes: int = 64) -> BitVolume:
    """Keep the largest 26-connected part of the bone and fill its cavities (all of its background but the largest 6-part).

    Parameters
    ----------
    bone
        (z, y, x).
    outside
        Voxels that are never filled: metal and its band.
    planes
        Planes of a slab; the result does not depend on it.
    """
    kept = largest_part(bone.read, bone.shape, 26, planes)
    background = largest_part(lambda low, high: ~kept.read(low, high), bone.shape, 6, planes)
    filled = empty_bits(bone.shape)
    for low, high in slabs(bone.shape[0], planes, "fill cavities"):
        mask = ~background.read(low, high)
        filled.write(low, mask if outside is None else mask & ~outside.read(low, high))
    return filled


def largest_part(read: Reader, shape: Shape, neighbours: Neighbours, planes: int = 64) -> BitVolume:
    """The largest connected part (6 or 26 neighbours) of a mask; nothing of nothing."""
    found = parts(read, shape, neighbours, planes)
    return keep(read, shape, found, largest(found), "keep the largest part")


def despeckled(mask: BitVolume, least: float, planes: int = 64) -> BitVolume:
    """A mask without its 26-connected parts of fewer voxels, and with its holes (6-connected) of fewer voxels filled."""
    found = parts(mask.read, mask.shape, 26, planes)
    kept = keep(mask.read, mask.shape, found, found.sizes >= least, "leave specks out")

    def background(low: int, high: int) -> Mask:
        return ~kept.read(low, high)

    holes = parts(background, mask.shape, 6, planes)
    small = (holes.sizes > 0) & (holes.sizes < least)
    filled = keep(background, mask.shape, holes, small, "fill specks")
    for low, high in slabs(mask.shape[0], planes, ""):
        filled.write(low, filled.read(low, high) | kept.read(low, high))
    return filled


@dataclass(frozen=True)
class Parts:
    """Connected parts of a mask: for every label of every slab its root; by root voxels (0 for other labels) and first voxel;
    where the labels of the slab that begins at a plane start; how it was labelled."""

    roots: NDArray[np.int64]
    sizes: NDArray[np.int64]
    firsts: NDArray[np.int64]
    starts: dict[int, int]
    neighbours: Neighbours
    planes: int


def largest(found: Parts) -> Mask:
    """Which part, by root, is the largest; of equal ones that with the first voxel."""
    wanted = np.zeros(len(found.roots), bool)
    if len(found.roots):
        wanted[np.lexsort((found.firsts, -found.sizes))[0]] = True
    return wanted


def keep(read: Reader, shape: Shape, found: Parts, wanted: Mask, step: str) -> BitVolume:
    """The voxels of the mask whose part is wanted, by root; the mask must be the one that was labelled."""
    out = empty_bits(shape)
    for low, high in slabs(shape[0], found.planes, step):
        labels, n = _labels(read(low, high), found.neighbours)
        kept = np.zeros(n + 1, bool)
        kept[1:] = wanted[found.roots[found.starts[low] : found.starts[low] + n]]
        out.write(low, kept[labels])
    return out


def touching(read: Reader, other: Reader, shape: Shape, found: Parts) -> Mask:
    """Which parts, by root, hold a voxel of another mask."""
    marked = np.zeros(len(found.roots), bool)
    for low, high in slabs(shape[0], found.planes, "parts that are reached"):
        labels, _ = _labels(read(low, high), found.neighbours)
        met = np.unique(labels[other(low, high) & (labels > 0)]).astype(np.int64)
        marked[found.roots[found.starts[low] + met - 1]] = True
    return marked


def _labels(mask: Mask, neighbours: Neighbours) -> tuple[NDArray, int]:
    labels, n = cc3d.connected_components(
        np.ascontiguousarray(mask), connectivity=neighbours, return_N=True
    )
    return labels, int(n)


def parts(read: Reader, shape: Shape, neighbours: Neighbours, planes: int = 64) -> Parts:
    """Connected parts (6 or 26 neighbours) of a mask that is read by slabs of so many planes, or of THIN if that is fewer."""
    planes = min(planes, THIN)
    parents, sizes, firsts = [np.zeros(0, np.int64) for _ in range(3)]
    starts: dict[int, int] = {}
    last: NDArray | None = None
    for low, high in slabs(shape[0], planes, f"label {neighbours}-connected parts"):
        labels, n = _labels(read(low, high), neighbours)
        offset = starts[low] = len(parents)
        count, first = _sizes(labels, n)
        parents = np.concatenate([parents, np.arange(offset, offset + n)])
        sizes = np.concatenate([sizes, count[1:]])
        firsts = np.concatenate([firsts, first[1:] + low * shape[1] * shape[2]])
        if last is not None:
            _unite(parents, last, labels[0], starts[low - planes], offset, REACH[neighbours])
        last = labels[-1].copy()
    _flatten(parents, sizes, firsts)
    return Parts(parents, sizes, firsts, starts, neighbours, planes)


@numba.njit(cache=True)
def _root(parents, i):
    while parents[i] != i:
        parents[i] = parents[parents[i]]
        i = parents[i]
    return i


@numba.njit(cache=True)
def _unite(parents, before, after, start, offset, reach):
    """Join labels that meet across a border of slabs, shifted by up to `reach` rows and columns; the lower root stays."""
    ny, nx = before.shape
    for y in range(ny):
        for x in range(nx):
            if after[y, x] == 0:
                continue
            b = _root(parents, np.int64(after[y, x]) - 1 + offset)
            for j in range(max(0, y - reach), min(ny, y + reach + 1)):
                for i in range(max(0, x - reach), min(nx, x + reach + 1)):
                    if before[j, i] != 0:
                        a = _root(parents, np.int64(before[j, i]) - 1 + start)
                        parents[max(a, b)] = min(a, b)
                        b = min(a, b)


@numba.njit(cache=True)
def _flatten(parents, sizes, firsts):
    """Every label points at its root, which takes the sizes and the first voxel of all; other sizes become 0."""
    for i in range(len(parents)):
        root = _root(parents, i)
        parents[i] = root
        if root != i:
            sizes[root] += sizes[i]
            firsts[root] = min(firsts[root], firsts[i])
            sizes[i] = 0


@numba.njit(cache=True)
def _sizes(labels, n):
    """Voxels of each label, and its first in the order of the array."""
    sizes, first = np.zeros(n + 1, np.int64), np.full(n + 1, -1, np.int64)
    nz, ny, nx = labels.shape
    for z in range(nz):
        for y in range(ny):
            for x in range(nx):
                label = labels[z, y, x]
                if label != 0:
                    if first[label] < 0:
                        first[label] = (z * ny + y) * nx + x
                    sizes[label] += 1
    return sizes, first
