"""Masks larger than memory: one bit a voxel, read and written by slabs of planes, in memory or in a file.

A volume of 1500³ voxels takes 0.42 GB as bits, so most masks fit into memory whole while nothing of one byte a voxel needs
to; larger ones are kept in a file. All that is measured by slabs reads masks through `BitVolume.read`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Mask = NDArray[np.bool_]
Shape = tuple[int, int, int]
Reader = Callable[[int, int], NDArray]
LOG = logging.getLogger("periomics.microct")
# The Gaussian of scipy ends here (standard deviations).
TRUNCATE = 4.0
# Why a measurement is missing for which `planes_for` finds no slab.
TOO_LITTLE = "not measured: microct/memory_mb is too little for its spheres"


@dataclass(frozen=True)
class BitVolume:
    """A mask (z, y, x) with eight voxels a byte along x, lowest bit first; voxels beyond nx are 0."""

    bits: NDArray[np.uint8]
    shape: Shape

    def read(self, low: int, high: int) -> Mask:
        """Planes low to high (exclusive) as a mask."""
        return np.unpackbits(
            self.bits[low:high], axis=2, count=self.shape[2], bitorder="little"
        ).view(bool)

    def write(self, low: int, planes: Mask) -> None:
        """Replace planes from `low` on."""
        self.bits[low : low + len(planes)] = np.packbits(planes, axis=2, bitorder="little")

    def count(self) -> int:
        """Voxels of the mask."""
        return sum(int(np.bitwise_count(plane).sum()) for plane in self.bits)


def empty_bits(shape: Shape, file: Path | None = None) -> BitVolume:
    """A mask without a voxel, in memory, or in a file of raw bytes that is made (and kept) if one is named."""
    packed = (shape[0], shape[1], -(-shape[2] // 8))
    bits = (
        np.zeros(packed, np.uint8)
        if file is None
        else np.memmap(file, np.uint8, "w+", shape=packed)
    )
    return BitVolume(bits, shape)


def bits_of(mask: Mask) -> BitVolume:
    """A mask that is at hand as bits."""
    volume = empty_bits(mask.shape)
    volume.write(0, mask)
    return volume


def smoothed_slabs(
    read: Reader, shape: Shape, sigma: float, planes: int, step: str, more: int = 0
) -> Iterator[tuple[int, NDArray]]:
    """(first plane, grey values after a Gaussian filter) slab by slab, voxel for voxel as in the whole.

    Parameters
    ----------
    read
        Gives planes low to high (exclusive) of grey values, (high - low, y, x): a slice of a memory map, of a zarr
        array, or pages of a TIFF.
    shape
        (z, y, x) of the whole.
    sigma
        Gaussian (voxels), 0 for none (grey values as read); cut at four sigma, border voxels repeated.
    planes
        Planes of a slab.
    step
        Name in the log.
    more
        Planes that are given below and above the slab, as far as there are any.
    """
    halo = int(TRUNCATE * sigma + 0.5)
    for low, high in slabs(shape[0], planes, step):
        below, above = max(0, low - more), min(shape[0], high + more)
        first, last = max(0, below - halo), min(shape[0], above + halo)
        grey = read(first, last)
        if sigma > 0:
            grey = ndimage.gaussian_filter(
                grey.astype(np.float32), sigma, mode="nearest", truncate=TRUNCATE
            )
        yield low, grey[below - first : above - first]


def bounds(volume: BitVolume, planes: int = 64) -> tuple[Shape, Shape]:
    """First voxel and shape of the bounding box of a mask; zeros where it is empty."""
    along = [np.zeros(n, bool) for n in volume.shape]
    for low in range(0, volume.shape[0], planes):
        mask = volume.read(low, min(volume.shape[0], low + planes))
        along[0][low : low + len(mask)] = mask.any(axis=(1, 2))
        along[1] |= mask.any(axis=(0, 2))
        along[2] |= mask.any(axis=(0, 1))
    at = [np.flatnonzero(a) for a in along]
    if any(a.size == 0 for a in at):
        return (0, 0, 0), (0, 0, 0)
    z, y, x = ((int(a[0]), int(a[-1] - a[0] + 1)) for a in at)
    return (z[0], y[0], x[0]), (z[1], y[1], x[1])


def slabs(n: int, planes: int, step: str) -> Iterator[tuple[int, int]]:
    """(low, high) of successive slabs, with a line in the log for each: the step's name, planes done, seconds since it began.

    No lines for a step without a name.
    """
    if planes < 1:
        raise ValueError(f"a slab needs at least one plane, not {planes}")
    begun = time.monotonic()
    for low in range(0, n, planes):
        high = min(n, low + planes)
        yield low, high
        if step:
            LOG.info("%s: %d of %d planes, %.0f s", step, high, n, time.monotonic() - begun)


def planes_for(
    memory_mb: float, shape: Shape, bytes_a_voxel: float, halo: int = 0, halo_bytes: float = 0.0
) -> int:
    """Planes of a slab that a step may have within the memory.

    Parameters
    ----------
    memory_mb
        Memory for the step (MB), the masks as bits not counted.
    shape
        (z, y, x) of the whole.
    bytes_a_voxel
        What the step keeps for each voxel of the slab.
    halo, halo_bytes
        Planes that are needed besides, in all, and bytes for each of their voxels.

    Raises
    ------
    ValueError
        If not even eight planes (or the whole volume) fit.
    """
    plane = shape[1] * shape[2] / 1e6
    planes = (
        int((memory_mb - halo * halo_bytes * plane) / (bytes_a_voxel * plane))
        if plane
        else shape[0]
    )
    least = min(8, shape[0])
    if planes < least:
        need = (least * bytes_a_voxel + halo * halo_bytes) * plane
        raise ValueError(
            f"{memory_mb:g} MB are too few for planes of {shape[1]} x {shape[2]} voxels: {need:.0f} needed"
        )
    return min(planes, shape[0])
