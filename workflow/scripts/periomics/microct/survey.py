"""What must be known of a whole scan before a part of it can be measured, found by slabs and kept as one bit a voxel."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from periomics.core.errors import SpecimenError
from periomics.microct.components import keep, largest, parts, touching
from periomics.microct.counting import Regions, factors
from periomics.microct.distance import squared_distance
from periomics.microct.formats.header import three
from periomics.microct.formats.lazy import SlabReader
from periomics.microct.masks import Corrected
from periomics.microct.measure import NOT_FINITE, empty_voi, regions_around
from periomics.microct.periimplant import Axis, Place, height_um
from periomics.microct.segment import bone_mask, check_parts, close, segment_bone
from periomics.microct.slabs import (
    TRUNCATE,
    BitVolume,
    Reader,
    Shape,
    bounds,
    empty_bits,
    slabs,
    smoothed_slabs,
)
from periomics.study.settings.microct import Microct

Mask = NDArray[np.bool_]
Box = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Greys:
    """Smallest and largest grey value, type, voxels at the type's largest value, and metal (raw grey at or above its threshold)."""

    low: float
    high: float
    dtype: np.dtype
    full: int
    metal: BitVolume


@dataclass(frozen=True)
class Ground:
    """The implant in its bounding box, which begins at voxel `at`; its axis in the scan's voxels; None without an implant.

    `reach` (voxels): nothing around the implant is counted beyond it.
    """

    shape: Shape
    voxel_um: float
    implant: Mask | None = None
    at: Place = (0, 0, 0)
    axis: Axis | None = None
    reach: int = 0
    drawn: Corrected[BitVolume] = field(default_factory=Corrected)

    def regions(self, box: Box, settings: Microct, threads: int = 1) -> Regions:
        """Regions in a box of the scan that holds the implant across z; distances beyond the reach are infinite."""
        band, voi = (
            None if b is None else crop(b.read, box) for b in (self.drawn.band, self.drawn.voi)
        )
        origin = tuple(s.start for s in box)
        size = tuple(s.stop - s.start for s in box)
        if self.axis is None or self.implant is None:
            nothing = np.zeros(size, bool)
            return Regions(
                implant=nothing,
                zone=nothing,
                voi=np.ones(size, bool) if voi is None else voi,
                distance=None,
                height=None,
                axis=None,
                origin=origin,
            )
        first, last = (
            max(0, box[0].start - self.reach),
            min(self.shape[0], box[0].stop + self.reach),
        )
        wide = (slice(first, last), *box[1:])
        implant = pasted(self.implant, self.at, wide)
        inner = slice(box[0].start - first, box[0].stop - first)
        square = squared_distance(~implant, threads, self.reach, inner)
        distance = np.sqrt(square.astype(np.float32)) * np.float32(self.voxel_um)
        distance[square > self.reach**2] = np.inf
        height = height_um(size, self.axis, self.voxel_um, origin)
        return regions_around(
            implant[inner],
            distance,
            height,
            axis=self.axis,
            settings=settings,
            band=band,
            voi=voi,
            origin=origin,
        )


@dataclass(frozen=True)
class Bits:
    """Masks of a whole scan: bone as segmented up to the metal, the same with other thresholds, bone outside the band, purified,
    without specks; metal and band; VOI."""

    seen: BitVolume
    swept: list[BitVolume]
    bone: BitVolume
    pure: BitVolume
    clean: BitVolume
    zone: BitVolume
    voi: BitVolume

    def marrow(self, low: int, high: int) -> Mask:
        """Planes of what is neither bone nor metal nor band."""
        return ~self.bone.read(low, high) & ~self.zone.read(low, high)


def crop(read: Reader, box: Box, planes: int = 16) -> NDArray:
    """A box of what is read by planes."""
    first, last = box[0].start, box[0].stop
    pieces = (read(z, min(last, z + planes))[:, box[1], box[2]] for z in range(first, last, planes))
    head = next(pieces)
    out = np.empty((last - first, *head.shape[1:]), head.dtype)
    at = len(head)
    out[:at] = head
    for head in pieces:
        out[at : at + len(head)] = head
        at += len(head)
    return out


def grown(low: Place, size: Shape, margin: int, shape: Shape) -> Box:
    """The box of a part with a margin, as far as the scan reaches."""
    return three(
        slice(max(0, a - margin), min(n, a + s + margin))
        for a, s, n in zip(low, size, shape, strict=True)
    )


def joined(a: Box, b: Box) -> Box:
    """The box that holds two boxes."""
    return three(
        slice(min(x.start, y.start), max(x.stop, y.stop)) for x, y in zip(a, b, strict=True)
    )


def pasted(mask: Mask, at: Place, box: Box) -> Mask:
    """A mask that begins at voxel `at` of the scan, as seen in a box."""
    out = np.zeros(tuple(s.stop - s.start for s in box), bool)
    into, of = [], []
    for a, n, s in zip(at, mask.shape, box, strict=True):
        low, high = max(a, s.start), min(a + n, s.stop)
        into.append(slice(low - s.start, max(low, high) - s.start))
        of.append(slice(low - a, max(low, high) - a))
    out[tuple(into)] = mask[tuple(of)]
    return out


def greys(scan: SlabReader, settings: Microct, planes: int) -> Greys:
    """First look at all grey values.

    Raises
    ------
    SpecimenError
        If some are not finite.
    """
    metal, low, high, full, kind = empty_bits(scan.shape), np.inf, -np.inf, 0, np.dtype(np.uint8)
    for first, last in slabs(scan.shape[0], planes, "grey values and metal"):
        grey = scan.slab(first, last)
        kind = grey.dtype
        if kind.kind == "f" and not np.isfinite(grey).all():
            raise SpecimenError(NOT_FINITE)
        low, high = min(low, float(grey.min())), max(high, float(grey.max()))
        full += int(np.count_nonzero(grey == np.iinfo(kind).max)) if kind.kind in "iu" else 0
        metal.write(first, grey >= settings.implant_threshold)
    return Greys(low, high, kind, full, metal)


def find_implant(
    found: Greys, settings: Microct, planes: int, drawn: BitVolume | None
) -> tuple[Mask, Place]:
    """The implant in its box and the box's first voxel: `segment.segment_implant`, by slabs, or as drawn by hand."""
    implant, radius = drawn, 0
    if implant is None:
        metal, radius = found.metal, settings.closing_voxels
        pieces = parts(metal.read, metal.shape, 26, planes)
        check_parts(pieces.sizes[pieces.sizes > 0], settings, found.high)
        implant = keep(metal.read, metal.shape, pieces, largest(pieces), "keep the implant")
    box = grown(*bounds(implant), 2 * radius + 1, implant.shape)
    return close(crop(implant.read, box), radius), three(s.start for s in box)


def region_bits(
    ground: Ground, box: Box, settings: Microct, planes: int, threads: int
) -> tuple[BitVolume, BitVolume]:
    """Metal with its band, and VOI, of the whole scan.

    Parameters
    ----------
    box
        Where they may be.

    Raises
    ------
    SpecimenError
        If the VOI is empty.
    """
    zone, voi = empty_bits(ground.shape), empty_bits(ground.shape)
    _, rows, columns = (slice(0, n) for n in ground.shape)
    any_voi = False
    for low, high in slabs(box[0].stop - box[0].start, planes, "band and region"):
        part = (slice(box[0].start + low, box[0].start + high), *box[1:])
        regions = ground.regions(part, settings, threads)
        for bits, mask in ((zone, regions.zone), (voi, regions.voi)):
            bits.write(part[0].start, pasted(mask, regions.origin, (part[0], rows, columns)))
        any_voi = any_voi or bool(regions.voi.any())
    if not any_voi:
        raise empty_voi(ground.voxel_um)
    return zone, voi


def segmented(
    scan: SlabReader, settings: Microct, voxel_um: float, zone: BitVolume, planes: int
) -> list[BitVolume]:
    """Bone by the declared segmentation, `segment.bone_mask` by slabs: at the declared thresholds, then those of the sweep."""
    all_ = (1.0, *factors(settings))
    found, low_found = (
        [empty_bits(scan.shape) for _ in all_],
        [empty_bits(scan.shape) for _ in all_],
    )
    second = settings.bone_threshold_low if settings.segmentation == "two_level" else None
    adaptive = settings.segmentation == "adaptive"
    more = int(TRUNCATE * settings.adaptive_sigma_um / voxel_um + 0.5) if adaptive else 0
    sigma = settings.prefilter_sigma_voxels
    for low, grey in smoothed_slabs(scan.slab, scan.shape, sigma, planes, "bone", more):
        below, grey = max(0, low - more), grey.astype(np.float32)
        cut = slice(low - below, low - below + min(planes, scan.shape[0] - low))
        metal = zone.read(below, below + len(grey))
        for bits, low_bits, factor in zip(found, low_found, all_, strict=True):
            if second is not None:
                bits.write(low, segment_bone(grey[cut], settings.bone_cut * factor))
                low_bits.write(low, segment_bone(grey[cut], second * factor))
            else:
                bits.write(low, bone_mask(grey, settings, voxel_um, metal, factor)[cut])
    return (
        [_reached(a, b, zone, planes) for a, b in zip(found, low_found, strict=True)]
        if second is not None
        else found
    )


def _reached(high: BitVolume, low: BitVolume, zone: BitVolume, planes: int) -> BitVolume:
    """Voxels above the higher threshold, and those above the lower one that are connected to them outside the band."""

    def free(bits: BitVolume) -> Reader:
        return lambda a, b: bits.read(a, b) & ~zone.read(a, b)

    found = parts(free(low), low.shape, 26, planes)
    kept = keep(
        free(low),
        low.shape,
        found,
        touching(free(low), free(high), low.shape, found),
        "keep what is reached",
    )
    kept.bits[:] |= high.bits
    return kept
