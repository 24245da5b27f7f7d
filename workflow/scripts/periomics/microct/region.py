"""What the volume of interest is cut to besides its shell: a box, a cylinder, tissue without air, one part around the implant."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from periomics.microct.boxes import Box, crop, everything, grown, size_of, start_of
from periomics.microct.components import keep, parts
from periomics.microct.formats.header import three
from periomics.microct.formats.lazy import SlabReader
from periomics.microct.parts import Frame, belongs
from periomics.microct.slabs import BitVolume, Shape, empty_bits, smoothed_slabs
from periomics.study.settings.microct import Microct, Voi

Mask = NDArray[np.bool_]
MARGIN = 8  # voxels around a declared box that the picture shows


def cut(
    box: Box,
    around: Mask | None,
    voi: Voi,
    voxel_um: float,
    *,
    shape: Shape,
    frame: Frame | None = None,
    air: BitVolume | None = None,
) -> Mask | None:
    """Voxels of a box of the scan to which the region is cut; None where it is not cut.

    Parameters
    ----------
    around
        (z, y, x) of the box: where anything may be counted; everywhere if not given.
    shape
        Of the scan.
    frame
        The implant's.
    air
        Of the whole scan.
    """
    if voi.box_um is None and voi.radius_um is None and air is None and not voi.only:
        return None
    kept = np.ones(size_of(box), bool) if around is None else around.copy()
    if voi.box_um is not None:
        for i, (side, (low, high)) in enumerate(zip(box, voi.box_um, strict=True)):
            middle = (np.arange(side.start, side.stop) + 0.5) * voxel_um
            inside = (middle >= low) & (middle < high)
            kept &= inside.reshape([-1 if j == i else 1 for j in range(3)])
    if air is not None:
        kept &= ~crop(air.read, box)
    if voi.radius_um is not None and frame is None:
        kept &= disc(box, voi, voxel_um, shape)
    if frame is not None and (voi.radius_um is not None or voi.only):
        for k in np.flatnonzero(kept.any(axis=(1, 2))):
            y, x = np.nonzero(kept[k])
            places = np.stack([np.full(y.size, k), y, x], axis=1) + np.array(start_of(box))
            stays = np.ones(y.size, bool)
            if voi.radius_um is not None:
                stays &= _from_axis(places, frame) * voxel_um <= voi.radius_um
            if voi.only:
                stays &= belongs(voi.only, places, frame)
            kept[k, y, x] = stays
    return kept


def disc(box: Box, voi: Voi, voxel_um: float, shape: Shape) -> Mask:
    """The cylinder along z in the slices of a box (y, x): voxels whose middle lies within its radius."""
    assert voi.radius_um is not None
    middle = voi.centre_um or (shape[1] * voxel_um / 2, shape[2] * voxel_um / 2)
    y, x = (
        (np.arange(side.start, side.stop) + 0.5) * voxel_um - at
        for side, at in zip(box[1:], middle, strict=True)
    )
    return y[:, None] ** 2 + x**2 <= voi.radius_um**2


def _from_axis(places: NDArray[np.int64], frame: Frame) -> NDArray[np.float64]:
    """Distance of places (n, 3) to the implant's axis (voxels)."""
    away, d = places - frame.axis.apex, frame.axis.direction
    along = away[:, 0] * d[0] + away[:, 1] * d[1] + away[:, 2] * d[2]
    return np.linalg.norm(away - along[:, None] * d, axis=1)


def air_of(
    scan: SlabReader, settings: Microct, speck_voxels: float, planes: int
) -> BitVolume | None:
    """Air of a scan: smoothed grey below `air_below`, in 6-connected parts of at least so many voxels; None where it is not left out."""
    if not settings.voi.without_air or settings.air_below is None:
        return None
    dark = empty_bits(scan.shape)
    sigma = settings.prefilter_sigma_voxels
    for low, grey in smoothed_slabs(scan.slab, scan.shape, sigma, planes, "air"):
        dark.write(low, grey < settings.air_below)
    found = parts(dark.read, scan.shape, 6, planes)
    return keep(dark.read, scan.shape, found, found.sizes >= speck_voxels, "leave specks in")


def near_box(voi: Voi, voxel_um: float, shape: Shape) -> Box:
    """Where anything is counted in a scan without an implant: the declared box with a margin, else everything."""
    if voi.box_um is None:
        return everything(shape)
    low = three(int(a // voxel_um) for a, _ in voi.box_um)
    size = three(int(-(-b // voxel_um)) - i for i, (_, b) in zip(low, voi.box_um, strict=True))
    return grown(low, size, MARGIN, shape)
