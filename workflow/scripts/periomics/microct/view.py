"""A scan, or the surroundings of its implant, on the grid of its picture: every so many voxels."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from periomics.microct.boxes import Box, box_around, size_of, start_of
from periomics.microct.formats.header import three
from periomics.microct.periimplant import Axis, Place
from periomics.microct.slabs import Reader
from periomics.microct.survey import Survey

# Longest edge of a picture's grid (voxels), and bytes for each of its voxels.
LONGEST, BYTES = 300, 16.0


@dataclass(frozen=True)
class View:
    """Grey values, label map and maps of thickness and separation (mm) of every `step`-th voxel from `origin` on; the axis is in
    the view's voxels."""

    grey: NDArray
    labels: NDArray[np.uint8]
    thickness_mm: NDArray[np.float32]
    separation_mm: NDArray[np.float32]
    axis: Axis | None
    voxel_um: float
    origin: Place
    step: int


def view_of(of: Survey, maps: tuple[Reader, Reader]) -> View:
    """What is drawn of a scan; `maps` give planes of the VOI's box."""
    box, axis = of.near, of.ground.axis
    step = _step(size_of(box), of.work_mb)
    if axis is not None:
        start = np.array(start_of(box))
        axis = Axis((axis.apex - start) / step, (axis.head - start) / step, axis.direction)
    thin = three(slice(s.start, s.stop, step) for s in box)
    drawn = [_thinned(read, thin) for read in (of.scan.slab, of.labels)]
    voi = box_around(of.bits.voi, 0, of.scan.shape)
    sizes = [_thinned(_placed(read, voi, of.scan.shape[1:]), thin) for read in maps]
    return View(
        grey=drawn[0],
        labels=drawn[1],
        thickness_mm=sizes[0],
        separation_mm=sizes[1],
        axis=axis,
        voxel_um=of.ground.voxel_um * step,
        origin=start_of(box),
        step=step,
    )


def _step(size: tuple[int, int, int], memory_mb: float) -> int:
    """Every how many voxels are drawn."""
    step = max(1, -(-max(size) // LONGEST))
    while BYTES * math.prod(-(-n // step) for n in size) > memory_mb * 1e6 and step < max(size):
        step += 1
    return step


def _thinned(read: Callable[[int, int], NDArray], thin: Box) -> NDArray:
    planes = range(thin[0].start, thin[0].stop, thin[0].step)
    return np.stack([read(z, z + 1)[0, thin[1], thin[2]] for z in planes])


def _placed(read: Reader, box: Box, plane: tuple[int, ...]) -> Reader:
    """Planes of the scan from those of a box of it, 0 around it."""

    def one(low: int, high: int) -> NDArray:
        out = np.zeros((high - low, *plane), np.float32)
        first, last = max(low, box[0].start), min(high, box[0].stop)
        if first < last:
            some = read(first - box[0].start, last - box[0].start)
            out[first - low : last - low, box[1], box[2]] = some
        return out

    return one
