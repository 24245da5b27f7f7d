"""What must be known of a whole scan before anything is measured: found by slabs, kept as one bit a voxel."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from periomics.core.errors import SpecimenError
from periomics.microct import contact, cortical, ctan, edges, quality, region
from periomics.microct.boxes import (
    Box,
    crop,
    everything,
    grown,
    joined,
    pasted,
    size_of,
    start_of,
    within,
)
from periomics.microct.budget import slab_planes
from periomics.microct.components import despeckled, keep, parts, purify, touching
from periomics.microct.counting import Part, Regions, factors
from periomics.microct.density import inner_bone
from periomics.microct.distance import squared_distance
from periomics.microct.fixture import fixture_of
from periomics.microct.formats.header import three
from periomics.microct.formats.lazy import SlabReader
from periomics.microct.masks import LABELS, Corrected
from periomics.microct.morphometry import Fraction
from periomics.microct.parts import Frame, frame_of
from periomics.microct.periimplant import Axis, Place, height_um, implant_axis, shell
from periomics.microct.segment import bone_mask, close, segment_bone
from periomics.microct.several import chosen
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
from periomics.microct.told import NOTHING, Told
from periomics.study.settings.microct import Microct

Mask = NDArray[np.bool_]
# Masks that are kept at a time.
MASKS = 10
NOT_FINITE = "the scan holds grey values that are not finite"


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

    `reach` (voxels): nothing around the implant is counted beyond it. `above`: the metal above the implant's shoulder, and its length
    (µm): it has a band as well, but nothing is counted by its distance. So it is with
    `others`, the metal of other implants. `warnings` about the metal.
    """

    shape: Shape
    voxel_um: float
    implant: Mask | None = None
    at: Place = (0, 0, 0)
    axis: Axis | None = None
    reach: int = 0
    drawn: Corrected = field(default_factory=Corrected)
    above: Mask | None = None
    above_um: float = 0.0
    warnings: tuple[str, ...] = ()
    frame: Frame | None = None
    air: BitVolume | None = None
    others: BitVolume | None = None

    def regions(self, box: Box, settings: Microct, threads: int = 1) -> Regions:
        """Regions in a box of the scan that holds the implant across z; distances beyond the reach are infinite."""
        band, voi = (
            None if b is None else crop(b.read, box) for b in (self.drawn.band, self.drawn.voi)
        )
        origin, size = start_of(box), size_of(box)
        if self.axis is None or self.implant is None:
            nothing = np.zeros(size, bool)
            if voi is None:
                voi = self._cut(box, None, settings)
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
        inner = slice(box[0].start - first, box[0].stop - first)

        def distance_to(metal: Mask) -> NDArray[np.float32]:
            square = squared_distance(~metal, threads, self.reach, inner)
            distance = np.sqrt(square.astype(np.float32)) * np.float32(self.voxel_um)
            distance[square > self.reach**2] = np.inf
            return distance

        own = self.implant if self.above is None else self.implant & ~self.above
        distance = distance_to(pasted(own, self.at, wide))
        height = height_um(size, self.axis, self.voxel_um, origin)
        inner_um, outer_um = settings.voi.inner_um, settings.voi.outer_um
        metal = pasted(self.implant, self.at, box)
        zone = distance <= inner_um + 1e-3
        foreign = [] if self.above is None else [pasted(self.above, self.at, wide)]
        foreign += [] if self.others is None else [crop(self.others.read, wide)]
        for other_metal in foreign:
            other = distance_to(other_metal) <= inner_um + 1e-3
            distance[other & ~pasted(own, self.at, box)] = np.inf
            zone |= other
        if band is not None:
            zone = metal | band
        kept = self._cut(box, np.isfinite(distance), settings)
        if voi is None:
            voi = shell(distance, inner_um, outer_um, height, settings.voi)
            voi = voi if kept is None else voi & kept
        return Regions(
            implant=metal,
            zone=zone,
            voi=voi & ~zone,
            distance=distance,
            height=height,
            axis=self.axis,
            origin=origin,
            within=kept,
            frame=self.frame,
        )

    def _cut(self, box: Box, around: Mask | None, settings: Microct) -> Mask | None:
        return region.cut(
            box,
            around,
            settings.voi,
            self.voxel_um,
            shape=self.shape,
            frame=self.frame,
            air=self.air,
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


@dataclass(frozen=True)
class Survey:
    """A scan with its masks; `near`: where anything is counted; `work_mb`: memory for each step; `planes` of a slab at work."""

    scan: SlabReader
    settings: Microct
    ground: Ground
    near: Box
    bits: Bits
    greys: Greys
    threads: int
    work_mb: float
    planes: int

    def labels(self, low: int, high: int) -> NDArray[np.uint8]:
        """Planes of the label map, codes of LABELS."""
        _, rows, columns = everything(self.scan.shape)
        bone, voi = self.bits.bone.read(low, high), self.bits.voi.read(low, high)
        labels = np.zeros(bone.shape, np.uint8)
        labels[bone] = LABELS["bone outside VOI"]
        labels[voi] = LABELS["marrow in VOI"]
        labels[voi & bone] = LABELS["bone in VOI"]
        labels[self.bits.zone.read(low, high)] = LABELS["exclusion band"]
        if self.ground.implant is not None:
            box = (slice(low, high), rows, columns)
            labels[pasted(self.ground.implant, self.ground.at, box)] = LABELS["implant"]
        return labels

    def part(self, box: Box) -> Part:
        """Everything in a box of the scan."""
        b, peel = self.bits, self.settings.tmd_peel_voxels
        wide = grown(start_of(box), size_of(box), peel + 1, self.scan.shape)
        inner = inner_bone(crop(b.bone.read, wide), peel, self.threads)
        return Part(
            crop(self.scan.slab, box),
            crop(b.seen.read, box),
            [crop(s.read, box) for s in b.swept],
            crop(b.clean.read, box),
            inner[within(box, wide)],
            self.ground.regions(box, self.settings, self.threads),
        )

    def cores(self, box: Box) -> tuple[Mask, Mask]:
        """Bone and marrow in the VOI of a box, away from any surface (`quality.PEEL`)."""
        wide = grown(start_of(box), size_of(box), quality.PEEL + 1, self.scan.shape)
        voi = crop(self.bits.voi.read, box)
        found = []
        for read in (self.bits.bone.read, self.bits.marrow):
            square = squared_distance(crop(read, wide), self.threads, quality.PEEL + 1)
            found.append((square[within(box, wide)] > quality.PEEL**2) & voi)
        return found[0], found[1]

    def edges(self, box: Box, grey: NDArray) -> NDArray[np.float64]:
        """Sums over the surface of bone in the VOI of a box with its grey values
        (`edges.edge_sums`)."""
        planes, rows, columns = box
        first, last = max(0, planes.start - 1), min(self.scan.shape[0], planes.stop + 1)
        tall = (slice(first, last), rows, columns)
        wide = grown(start_of(tall), size_of(tall), edges.HALO, self.scan.shape)
        smooth = edges.smoothed(crop(self.bits.seen.read, wide))[within(tall, wide)]
        voi = np.zeros(size_of(tall), bool)
        voi[within(box, tall)] = crop(self.bits.voi.read, box)
        beside = [
            crop(self.scan.slab, (slice(z, z + 1), rows, columns))
            for z in (first, last - 1)
            if z not in range(planes.start, planes.stop)
        ]
        beside.insert(int(first < planes.start), grey)
        return edges.edge_sums(np.concatenate(beside), smooth, voi)

    def saturated(self, in_zone: int) -> Fraction:
        """Saturated voxels outside metal and band, from those of the scan and those within."""
        outside = math.prod(self.scan.shape) - self.bits.zone.count()
        return Fraction(self.greys.full - in_zone, outside)


def survey(
    scan: SlabReader,
    voxel_um: float,
    settings: Microct,
    threads: int = 1,
    by_hand: Corrected | None = None,
    told: Told = NOTHING,
) -> Survey:
    """Look at a scan as a whole: metal, bone, regions, what hangs together.

    Raises
    ------
    SpecimenError
        As `measure.measure`.
    """
    masks = MASKS + (cortical.MASKS if settings.compartments != "none" else 0)
    masks += told.implants if told.implants > 1 else 0
    masks += settings.voi.without_air + (ctan.MASKS if settings.ctan else 0)
    work_mb = settings.memory_mb - masks * math.prod(scan.shape) / 8e6 - scan.held_mb
    planes = slab_planes(work_mb, scan.shape)
    found = greys(scan, settings, planes)
    ground, near = _ground(found, settings, voxel_um, planes, by_hand or Corrected(), told=told)
    air = region.air_of(scan, settings, contact.speck_voxels(settings, voxel_um), planes)
    ground = replace(ground, air=air)
    if settings.implant_length_um is not None and ground.axis is not None:
        settings = _up_to_the_shoulder(settings, ground.axis, voxel_um)
    return Survey(
        scan=scan,
        settings=settings,
        ground=ground,
        near=near,
        bits=_bits(scan, ground, near, settings, planes=planes, threads=threads),
        greys=found,
        threads=threads,
        work_mb=work_mb,
        planes=planes,
    )


def _ground(
    found: Greys,
    settings: Microct,
    voxel_um: float,
    planes: int,
    drawn: Corrected,
    *,
    told: Told,
) -> tuple[Ground, Box]:
    """The implant and its axis, and the box within whose bounds anything is counted."""
    shape = found.metal.shape
    if settings.implant == "none":
        near = region.near_box(settings.voi, voxel_um, shape)
        if drawn.voi is not None:
            near = joined(near, grown(*bounds(drawn.voi), 0, shape))
        return Ground(shape, voxel_um, drawn=drawn), near
    implant, at, others = find_implant(found, settings, planes, drawn.implant, told=told)
    axis = implant_axis(implant, settings.voi.apex, at)
    found_fixture = fixture_of(implant, axis, at, settings, voxel_um)
    end_um = (found_fixture.axis.length + 0.5) * voxel_um
    above = implant & (height_um(implant.shape, found_fixture.axis, voxel_um, at) > end_um)
    reach = math.ceil(contact.farthest_um(settings, voxel_um) / voxel_um) + 1
    near = grown(at, implant.shape, reach + 1, shape)
    for mask in (drawn.band, drawn.voi):
        if mask is not None:
            near = joined(near, grown(*bounds(mask), 0, shape))
    return Ground(
        shape=shape,
        voxel_um=voxel_um,
        implant=implant,
        at=at,
        axis=found_fixture.axis,
        reach=reach,
        drawn=drawn,
        above=above if above.any() else None,
        above_um=found_fixture.above_um,
        warnings=found_fixture.warnings,
        others=others,
        frame=frame_of(found_fixture.axis, implant & ~above, at, settings.voi, told.sides),
    ), near


def _up_to_the_shoulder(settings: Microct, axis: Axis, voxel_um: float) -> Microct:
    """Settings whose volume of interest ends at the shoulder: no bone around what sits on the implant counts."""
    end = (axis.length + 0.5) * voxel_um
    low, high = settings.voi.axial_um or (-np.inf, np.inf)
    return settings.but(voi=settings.voi.but(axial_um=(min(low, end), min(high, end))))


def _bits(
    scan: SlabReader, ground: Ground, near: Box, settings: Microct, *, planes: int, threads: int
) -> Bits:
    zone, voi = region_bits(ground, near, settings, planes, threads)
    masks = segmented(scan, settings, ground.voxel_um, zone, planes)
    if settings.despeckle_um:
        least = contact.ball_voxels(settings.despeckle_um, ground.voxel_um)
        masks = [despeckled(one, least, planes) for one in masks]
    seen, *swept = masks
    seen = ground.drawn.bone or seen
    bone = BitVolume(seen.bits & ~zone.bits, scan.shape)
    clean = bone
    if ground.axis is not None:
        pieces = parts(bone.read, scan.shape, 26, planes)
        whole = pieces.sizes >= contact.speck_voxels(settings, ground.voxel_um)
        clean = keep(bone.read, scan.shape, pieces, whole, "leave specks out")
    return Bits(
        seen=seen,
        swept=swept,
        bone=bone,
        pure=purify(bone, zone, planes),
        clean=clean,
        zone=zone,
        voi=voi,
    )


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
    found: Greys,
    settings: Microct,
    planes: int,
    drawn: BitVolume | None,
    *,
    told: Told = NOTHING,
) -> tuple[Mask, Place, BitVolume | None]:
    """The implant in its box, the box's first voxel, and the metal of other implants.

    Raw grey at or above the implant threshold (smoothing would widen the metal into the bone), the largest 26-connected part,
    closed by a ball; or as drawn by hand, closed by none.

    Raises
    ------
    SpecimenError
        If there is no metal, or more or fewer parts of a declared share of the first than the sheet says.
    """
    implant, radius, others = drawn, 0, None
    if implant is None:
        metal, radius = found.metal, settings.closing_voxels
        pieces = parts(metal.read, metal.shape, 26, planes)
        implant, others = chosen(metal, pieces, told, settings, found.high)
    box = grown(*bounds(implant), 2 * radius + 1, implant.shape)
    return close(crop(implant.read, box), radius), three(s.start for s in box), others


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
    _, rows, columns = everything(ground.shape)
    any_voi = False
    for low, high in slabs(box[0].stop - box[0].start, planes, "band and region"):
        part = (slice(box[0].start + low, box[0].start + high), *box[1:])
        regions = ground.regions(part, settings, threads)
        for bits, mask in ((zone, regions.zone), (voi, regions.voi)):
            bits.write(part[0].start, pasted(mask, regions.origin, (part[0], rows, columns)))
        any_voi = any_voi or bool(regions.voi.any())
    if ground.others is not None:  # also those that lie farther away
        zone.bits[:] |= ground.others.bits
    if not any_voi:
        raise SpecimenError(
            "the VOI is empty: no voxel of the scan lies in the declared region "
            f"(voxels of {ground.voxel_um:.4g} um)"
        )
    return zone, voi


def segmented(
    scan: SlabReader, settings: Microct, voxel_um: float, zone: BitVolume, planes: int
) -> list[BitVolume]:
    """Bone by the declared segmentation, up to the metal: at the declared thresholds, then those of the sweep."""
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
