"""Scans that do not fit into the memory of a job: the whole is looked at by slabs, numbers are found in the part they rest on.

Around an implant that part is a box: shells, contact and levels lie within a known reach of the metal; for thickness it grows
until no sphere that reaches the VOI could look different in the whole scan (`margin`). What hangs together far away
(purification, specks, two-level thresholds) is found on the whole scan, one bit a voxel. The numbers are those of the scan in
memory. A VOI whose box does not fit either (the whole scan, without an implant) is measured by slabs throughout; what the
memory is too little for is given as missing, with the reason.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

import edt
import numpy as np
from numpy.typing import NDArray

from periomics.microct import contact, cortical, margin, structure
from periomics.microct.anisotropy import Anisotropy
from periomics.microct.budget import fits, slab_planes
from periomics.microct.components import keep, parts, purify_by_slabs
from periomics.microct.counting import Counts, Part, Regions, count, count_rows, shell_masks
from periomics.microct.density import Calibration, in_grey, inner_bone
from periomics.microct.formats.header import isotropic_voxel, three
from periomics.microct.formats.lazy import SlabReader
from periomics.microct.masks import LABELS, Corrected
from periomics.microct.measure import (
    Measured,
    Sized,
    border_warnings,
    check_bone,
    describe,
    label_map,
    measure_part,
    table_of,
    thickness_rows,
)
from periomics.microct.morphometry import Fraction, Thickness
from periomics.microct.periimplant import Axis, Place, implant_axis
from periomics.microct.segment import grey_warnings, saturated
from periomics.microct.slabs import TOO_LITTLE, BitVolume, Shape, bounds, slabs
from periomics.microct.spill import Spill
from periomics.microct.streamed_thickness import Moments, SizeCounts, streamed_thickness
from periomics.microct.streaming import (
    streamed_anisotropy,
    streamed_connectivity,
    streamed_fraction,
    streamed_noise_floors,
    streamed_spacing,
    streamed_surface,
)
from periomics.microct.survey import (
    Bits,
    Box,
    Greys,
    Ground,
    crop,
    find_implant,
    greys,
    grown,
    joined,
    pasted,
    region_bits,
    segmented,
)
from periomics.study.settings.microct import Microct

Mask = NDArray[np.bool_]
Planes = Callable[[int, int], NDArray]
# A volume at its place in a scan: first voxel, shape, planes.
Placed = tuple[Place, Shape, Planes]
# Masks that are kept at a time.
MASKS = 10
COUNT_BYTES = 120.0  # of a slab at work around an implant, shells and places included
# Planes of a map that are made at a time, and bytes for each of their voxels.
MAP_PLANES, MAP_BYTES = 8, 40.0
PHASES = {"tbth": "bone", "tbsp": "marrow"}
NO_MAP = np.zeros((0, 0, 0), np.float32)
FIRST_MARGIN = 16  # voxels around the VOI; half as much again where spheres reach further
DRAWN = 220  # longest edge (voxels) of the picture of a scan that is measured by slabs
NO_FIELD = (
    "not measured: microct/memory_mb is too little for the transforms of its isotropic fields"
)


@dataclass(frozen=True)
class Large:
    """A scan measured by parts.

    `measured` and `grey` are on the grid of the box, or thinned out for the picture where everything went by slabs.
    `labels` gives planes of the scan's label map; `maps` thickness and separation (mm); `how` says what was done.
    """

    measured: Measured
    grey: NDArray
    greys: Greys
    labels: Planes
    maps: tuple[Placed, Placed]
    how: str


def held(at: Place, shape: Shape, volume: NDArray) -> Placed:
    """A volume in memory at its place in a scan."""
    return at, shape, lambda low, high: volume[low:high]


def measure_large(
    scan: SlabReader,
    settings: Microct,
    common: Mapping[str, object],
    threads: int = 1,
    calibration: Calibration | None = None,
    by_hand: Corrected[BitVolume] | None = None,
) -> Large:
    """Measure a scan that is read by slabs, within `settings.memory_mb`.

    Parameters
    ----------
    by_hand
        Masks that replace steps, as bits.
    scan, settings, common, threads, calibration
        As `measure.measure`.

    Raises
    ------
    SpecimenError
        As `measure.measure`, and if the memory is too little.
    """
    voxel_um = isotropic_voxel(scan.spacing_um)
    settings = in_grey(settings, calibration)
    masks = MASKS + (cortical.MASKS if settings.compartments != "none" else 0)
    work_mb = settings.memory_mb - masks * math.prod(scan.shape) / 8e6
    planes = slab_planes(work_mb, scan.shape)
    found = greys(scan, settings, planes)
    ground, near = _ground(found, settings, voxel_um, planes, by_hand)
    bits = _bits(scan, ground, near, settings, planes, threads)
    note = describe(settings, by_hand)
    job = _Job(
        scan=scan,
        ground=ground,
        near=near,
        bits=bits,
        greys=found,
        settings=settings,
        common=common,
        calibration=calibration,
        note=note,
        threads=threads,
        work_mb=work_mb,
        planes=planes,
    )
    part = None if ground.axis is None else _part_for(job)
    return _by_slabs(job) if part is None else _by_part(job, *part)


@dataclass(frozen=True)
class _Job:
    scan: SlabReader
    ground: Ground
    near: Box
    bits: Bits
    greys: Greys
    settings: Microct
    common: Mapping[str, object]
    calibration: Calibration | None
    note: str
    threads: int
    work_mb: float
    planes: int

    def labels(self, low: int, high: int) -> NDArray[np.uint8]:
        """Planes of the label map."""
        _, rows, columns = (slice(0, n) for n in self.scan.shape)
        box = (slice(low, high), rows, columns)
        implant = np.zeros((high - low, *self.scan.shape[1:]), bool)
        if self.ground.implant is not None:
            implant = pasted(self.ground.implant, self.ground.at, box)
        zone, voi = self.bits.zone.read(low, high), self.bits.voi.read(low, high)
        return label_map(
            self.bits.bone.read(low, high), Regions(implant, zone, voi, None, None, None)
        )

    def part(self, box: Box) -> Part:
        """Everything in a box of the scan."""
        b, peel = self.bits, self.settings.tmd_peel_voxels
        wide = grown(
            tuple(s.start for s in box),
            tuple(s.stop - s.start for s in box),
            peel + 1,
            self.scan.shape,
        )
        inner = inner_bone(crop(b.bone.read, wide), peel, self.threads)
        back = tuple(
            slice(s.start - w.start, s.stop - w.start) for s, w in zip(box, wide, strict=True)
        )
        return Part(
            crop(self.scan.slab, box),
            crop(b.seen.read, box),
            [crop(s.read, box) for s in b.swept],
            crop(b.clean.read, box),
            inner[back],
            self.ground.regions(box, self.settings, self.threads),
        )

    def saturated(self, in_zone: int) -> Fraction:
        """Saturated voxels outside metal and band, from those of the scan and those within."""
        return Fraction(
            self.greys.full - in_zone, math.prod(self.scan.shape) - self.bits.zone.count()
        )


def _ground(
    found: Greys,
    settings: Microct,
    voxel_um: float,
    planes: int,
    by_hand: Corrected[BitVolume] | None,
) -> tuple[Ground, Box]:
    """The implant and its axis, and the box within whose bounds anything is counted."""
    shape, drawn = found.metal.shape, by_hand or Corrected()
    everything = three(slice(0, n) for n in shape)
    if settings.implant == "none":
        return Ground(shape, voxel_um, drawn=drawn), everything
    implant, at = find_implant(found, settings, planes, drawn.implant)
    axis = implant_axis(implant, settings.voi.apex, at)
    reach = math.ceil(contact.farthest_um(settings, voxel_um) / voxel_um) + 1
    near = grown(at, implant.shape, reach + 1, shape)
    for mask in (drawn.band, drawn.voi):
        if mask is not None:
            near = joined(near, grown(*bounds(mask), 0, shape))
    return Ground(
        shape=shape, voxel_um=voxel_um, implant=implant, at=at, axis=axis, reach=reach, drawn=drawn
    ), near


def _bits(
    scan: SlabReader, ground: Ground, near: Box, settings: Microct, planes: int, threads: int
) -> Bits:
    zone, voi = region_bits(ground, near, settings, planes, threads)
    seen, *swept = segmented(scan, settings, ground.voxel_um, zone, planes)
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
        pure=purify_by_slabs(bone, zone, planes),
        clean=clean,
        zone=zone,
        voi=voi,
    )


def _part_for(job: _Job) -> tuple[Box, dict[str, bool]] | None:
    """The smallest box that holds as many kinds of spheres as fit, and which; None where not even the surroundings fit."""
    low, size = bounds(job.bits.voi)
    best: tuple[Box, dict[str, bool]] | None = None
    reach = max(FIRST_MARGIN, job.settings.tmd_peel_voxels + 2)
    while True:
        box = joined(job.near, grown(low, size, reach, job.scan.shape))
        if not fits(tuple(s.stop - s.start for s in box), job.work_mb):
            return best
        known = _known(job, box)
        if best is None or sum(known.values()) > sum(best[1].values()):
            best = box, known
        if all(known.values()):
            return best
        reach += reach // 2


def _known(job: _Job, box: Box) -> dict[str, bool]:
    """Whether a box holds all that thickness of bone, of marrow, and the spacing of mid-axes rest on."""
    bone, zone, voi = (crop(b.read, box) for b in (job.bits.bone, job.bits.zone, job.bits.voi))
    cut = tuple((s.start > 0, s.stop < n) for s, n in zip(box, job.scan.shape, strict=True))
    edge = margin.to_edge(bone.shape, cut)
    to_voi = edt.edt(np.ascontiguousarray(~voi), black_border=False, parallel=job.threads)
    known = {
        "tbth": margin.spheres_known(bone, to_voi, edge, job.threads),
        "tbsp": margin.spheres_known(~bone & ~zone, to_voi, edge, job.threads),
    }
    if job.settings.thickness_variants:
        known["mid-axis"] = margin.mid_axes_known(bone, to_voi, edge, job.threads)
    return known


def _by_part(job: _Job, box: Box, known: dict[str, bool]) -> Large:
    """Measure in a box, as a scan in memory; what rests on spheres that reach beyond it by slabs of the whole scan."""
    compartments = _compartments(job)
    elsewhere = {}
    for name in PHASES:
        if not known[name]:
            sizes = np.zeros(tuple(s.stop - s.start for s in box), np.float32)
            elsewhere[name] = replace(_sized(job, name, partial(_into, sizes, box)), map_mm=sizes)
    mid_axes = None if known.get("mid-axis", True) else _mid_axes(job)
    part = job.part(box)
    found = measure_part(
        part,
        crop(job.bits.pure.read, box),
        job.scan.shape,
        voxel_um=job.ground.voxel_um,
        settings=job.settings,
        common=job.common,
        calibration=job.calibration,
        note=job.note,
        threads=job.threads,
        full=job.saturated(_full_in_zone(part)),
        elsewhere=elsewhere,
        compartments=compartments,
        mid_axes=mid_axes,
    )
    at, size = three(s.start for s in box), three(part.seen.shape)
    maps = held(at, size, found.thickness_mm), held(at, size, found.separation_mm)
    where = " x ".join(f"{s.start}-{s.stop - 1}" for s in box)
    return Large(
        found, part.grey, job.greys, job.labels, maps, f"in the box {where} of voxels (z x y x x)"
    )


def _compartments(job: _Job) -> list[dict[str, object]]:
    """Rows of the cortical and trabecular compartment of the whole bone, by slabs; none where they are not asked for."""
    bits, settings = job.bits, job.settings
    if settings.compartments == "none":
        return []
    check_bone(
        streamed_fraction(bits.bone, bits.voi, job.planes), settings
    )  # said before what the bone lacks
    return cortical.measure(
        bits.bone, settings, job.ground.voxel_um, job.work_mb, job.planes, job.threads
    )


def _full_in_zone(part: Part) -> int:
    """Saturated voxels within metal and band."""
    outside = saturated(part.grey, part.regions.zone).bone
    return saturated(part.grey, np.zeros_like(part.regions.zone)).bone - outside


def _into(sizes: NDArray[np.float32], box: Box, low: int, planes: NDArray[np.float32]) -> None:
    """Planes of the scan into a map of a box."""
    first, last = max(low, box[0].start), min(low + len(planes), box[0].stop)
    if first < last:
        sizes[first - box[0].start : last - box[0].start] = planes[
            first - low : last - low, box[1], box[2]
        ]


def _sized(job: _Job, outcome: str, write: Callable[[int, NDArray[np.float32]], None]) -> Sized:
    """Thickness of bone (`tbth`) or marrow in the VOI by slabs of the whole scan; `write` takes planes of its map (mm)."""
    why = ""
    # ImageJ's form looks further around the VOI, so the memory may be too little for it alone.
    for bonej in (True, False) if job.settings.thickness_variants else (False,):
        sums = np.zeros((2, len(_shells(job))))
        moments = Moments() if bonej else None
        try:
            found = _thickness(job, outcome, write, sums, moments)
        except ValueError as error:
            why = f"{TOO_LITTLE}: {error}"
            continue
        if not found.n_voxels:
            return Sized(None, (), NO_MAP)
        return Sized(
            _in_mm(found, moments, job.ground.voxel_um / 1000),
            tuple(float(a / n) if n else float("nan") for a, n in sums.T),
            NO_MAP,
            why,
        )
    return Sized(None, (), NO_MAP, why)


def _shells(job: _Job) -> tuple[tuple[float, float], ...]:
    return job.settings.shells_um if job.ground.axis is not None else ()


def _thickness(
    job: _Job,
    outcome: str,
    write: Callable[[int, NDArray[np.float32]], None],
    sums: NDArray[np.float64],
    moments: Moments | None,
) -> SizeCounts:
    """As `_sized`, in voxels; adds to the sums of shells, and to the moments of ImageJ's form if they are given."""
    read = job.bits.bone.read if outcome == "tbth" else job.bits.marrow
    voxel_mm = job.ground.voxel_um / 1000

    def pieces(low: int, planes: NDArray) -> Iterator[tuple[int, NDArray, Mask]]:
        for z in range(0, len(planes), MAP_PLANES):
            some, at = planes[z : z + MAP_PLANES], low + z
            yield at, some, read(at, at + len(some)) & job.bits.voi.read(at, at + len(some))

    def take(low: int, squares: NDArray) -> None:
        for at, some, inside in pieces(low, squares):
            if inside.any():
                sizes = np.where(
                    inside,
                    2 * np.sqrt(some.astype(np.float32)) * np.float32(voxel_mm),
                    np.float32(0),
                )
                write(at, sizes)
                sums[:] += _shell_sums(job, at, sizes) if sums.size else 0

    def take_bonej(low: int, sizes: NDArray[np.float32]) -> None:
        for at, some, inside in pieces(low, sizes):
            assert moments is not None
            moments.take(at, some, inside)

    map_mb = MAP_PLANES * MAP_BYTES * job.scan.shape[1] * job.scan.shape[2] / 1e6
    return streamed_thickness(
        read,
        job.scan.shape,
        job.bits.voi,
        memory_mb=job.work_mb - map_mb,
        threads=job.threads,
        clipped=True,
        metal_zone=job.bits.zone,
        write=take,
        step=f"thickness of {PHASES[outcome]}",
        write_bonej=None if moments is None else take_bonej,
    )


def _in_mm(found: SizeCounts, bonej: Moments | None, voxel_mm: float) -> Thickness:
    mean, sd = (None, None) if bonej is None else (m * voxel_mm for m in bonej.mean_and_sd())
    return Thickness(
        mean=found.mean * voxel_mm,
        sd=found.sd * voxel_mm,
        maximum=found.maximum * voxel_mm,
        n_voxels=found.n_voxels,
        clipped_share=(found.clipped or 0) / found.n_voxels,
        map_voxels=NO_MAP,
        bonej_mean=mean,
        bonej_sd=sd,
    )


def _shell_sums(job: _Job, low: int, sizes: NDArray[np.float32]) -> NDArray[np.float64]:
    """Sum of thickness and voxels in each of `shells_um`, of some planes."""
    first, last = max(low, job.near[0].start), min(low + len(sizes), job.near[0].stop)
    if first >= last:
        return np.zeros((2, len(job.settings.shells_um)))
    box = (slice(first, last), *job.near[1:])
    masks = shell_masks(job.ground.regions(box, job.settings, job.threads), job.settings)
    some = sizes[first - low : last - low, box[1], box[2]]
    found = [some[m & (some > 0)] for m in masks[-len(job.settings.shells_um) :]]
    return np.array([[v.sum(dtype=np.float64) for v in found], [v.size for v in found]], float)


def _by_slabs(job: _Job) -> Large:
    """Measure by slabs throughout."""
    settings, bits, voxel_um = job.settings, job.bits, job.ground.voxel_um
    counts, in_zone = _counts(job)
    check_bone(counts.bone, settings)
    implant = job.ground.implant if job.ground.implant is not None else np.zeros((1, 1, 1), bool)
    boxes = (
        {"implant": (job.ground.at, implant.shape), "VOI": bounds(bits.voi)}
        if job.ground.axis is not None
        else {}
    )
    meets = {n: _at_border(*box, job.scan.shape) for n, box in boxes.items()}
    warnings = grey_warnings(job.saturated(in_zone), job.greys.dtype, settings) + border_warnings(
        meets
    )
    rows, curves = count_rows(counts, job.ground.axis, settings, job.calibration, voxel_um)
    maps = [Spill(job.scan.shape, np.float32) for _ in range(2)]
    tbth = None
    for outcome, spill in zip(("tbth", "tbsp"), maps, strict=True):
        found = _sized(job, outcome, spill.write)
        rows += thickness_rows(outcome, found, settings)
        tbth = found.thickness.mean if outcome == "tbth" and found.thickness else tbth
    rows += structure.rows_of(_structure(job, counts), voxel_um / 1000, tbth, settings)
    rows += _compartments(job)
    view = _view(job, maps)
    measured = Measured(
        table=table_of(rows, warnings, job.note, job.common),
        curves=curves,
        labels=view.labels,
        thickness_mm=view.thickness_mm,
        separation_mm=view.separation_mm,
        regions=view.regions,
        voxel_um=view.voxel_um,
        warnings=tuple(warnings),
        step=view.step,
    )
    thickness, separation = (((0, 0, 0), job.scan.shape, m.read) for m in maps)
    whole = thickness, separation
    return Large(measured, view.grey, job.greys, job.labels, whole, "by slabs")


def _counts(job: _Job) -> tuple[Counts, int]:
    """All sums over the surroundings of the implant (or the whole scan), and saturated voxels in metal and band."""
    z, y, x = job.near
    size = three(s.stop - s.start for s in job.near)
    slices = (
        (0, 0) if job.ground.axis is None else contact.slices_of(job.scan.shape, job.ground.axis)
    )
    found: Counts | None = None
    in_zone = 0
    for low, high in slabs(
        size[0], slab_planes(job.work_mb, size, voxel_bytes=COUNT_BYTES), "count"
    ):
        part = job.part((slice(z.start + low, z.start + high), y, x))
        more = count(part, job.settings, job.ground.voxel_um, slices)
        found = more if found is None else found + more
        in_zone += _full_in_zone(part)
    assert found is not None
    return found, in_zone


def _at_border(low: Place, size: Shape, shape: Shape) -> bool:
    return any(a == 0 or a + s == n for a, s, n in zip(low, size, shape, strict=True))


def _structure(job: _Job, counts: Counts) -> structure.Structure:
    """Surface, connectivity, mid-axes and anisotropy by slabs."""
    b, planes, threads = job.bits, job.planes, job.threads
    axis = streamed_anisotropy(b.bone, b.voi, threads) if job.settings.anisotropy else None
    fields, missing = _fields(job) if axis else ((), {})
    return structure.Structure(
        surface=streamed_surface(b.seen, job.ground.voxel_um / 1000, b.voi, planes, threads),
        seen=counts.shares[0],
        bone=counts.bone,
        pure=streamed_connectivity(b.pure, b.voi, planes, threads),
        all_parts=streamed_connectivity(b.bone, b.voi, planes, threads),
        mid_axes=_mid_axes(job) if job.settings.thickness_variants else None,
        anisotropy=axis,
        fields=fields,
        missing=missing,
    )


def _fields(job: _Job) -> tuple[tuple[Anisotropy, ...], dict[str, str]]:
    """Anisotropy of isotropic fields, or why there are none."""
    b, n = job.bits, job.settings.da_noise_fields
    try:
        return streamed_noise_floors(b.bone, b.voi, n, job.work_mb, job.threads), {}
    except ValueError as error:
        return (), {"noise-floor": f"{NO_FIELD}: {error}"}


def _mid_axes(job: _Job) -> structure.MidAxes:
    """Spacing of mid-axes by slabs of the whole scan."""
    try:
        found = streamed_spacing(job.bits.bone, job.bits.voi, None, job.work_mb, job.threads)
    except ValueError as error:
        return structure.MidAxes(None, f"{TOO_LITTLE}: {error}")
    return structure.MidAxes(None if found is None else found.mean * job.ground.voxel_um / 1000)


@dataclass(frozen=True)
class _View:
    """A scan thinned out for its picture."""

    grey: NDArray
    labels: NDArray[np.uint8]
    thickness_mm: NDArray[np.float32]
    separation_mm: NDArray[np.float32]
    regions: Regions
    voxel_um: float
    step: int


def _view(job: _Job, maps: list[Spill]) -> _View:
    """Every so many voxels of a scan, the axis to scale."""
    step = max(1, -(-max(job.scan.shape) // DRAWN))

    def thin(read: Planes) -> NDArray:
        return np.stack(
            [read(z, z + 1)[0, ::step, ::step] for z in range(0, job.scan.shape[0], step)]
        )

    labels = thin(job.labels)
    axis = job.ground.axis
    if axis is not None:
        axis = Axis(axis.apex / step, axis.head / step, axis.direction)
    regions = Regions(
        labels == LABELS["implant"],
        thin(job.bits.zone.read),
        thin(job.bits.voi.read),
        None,
        None,
        axis,
    )
    thickness, separation = (thin(m.read) for m in maps)
    return _View(
        grey=thin(job.scan.slab),
        labels=labels,
        thickness_mm=thickness,
        separation_mm=separation,
        regions=regions,
        voxel_um=job.ground.voxel_um * step,
        step=step,
    )
