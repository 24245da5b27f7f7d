"""One scan in, all its micro-CT measurements and maps out.

The scan is gone through by slabs of as many planes as `microct/memory_mb` allows: one slab where it fits, more where it does not.
No number depends on how many. What hangs together far away (parts of metal, specks, purification, two-level thresholds) is
found on the whole scan, one bit a voxel; everything else is looked at where the volume of interest (VOI) is, and as far around it
as its numbers rest on. What the memory is too little for is given as missing, with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from periomics.core.errors import SpecimenError
from periomics.core.quality import Fact
from periomics.microct import contact, cortical, ctan, quality, structure, times
from periomics.microct.anisotropy import Anisotropy, anisotropy, noise_floors
from periomics.microct.boxes import box_around, size_of, start_of
from periomics.microct.budget import slab_planes
from periomics.microct.connectivity import connectivity
from periomics.microct.counting import Counts, count, count_rows
from periomics.microct.density import Calibration, in_grey
from periomics.microct.fixture import orientation_warnings
from periomics.microct.formats.header import isotropic_voxel
from periomics.microct.formats.lazy import SlabReader
from periomics.microct.masks import Corrected
from periomics.microct.mid_axes import mid_axis_spacing
from periomics.microct.morphometry import Fraction
from periomics.microct.periimplant import Axis, Place
from periomics.microct.sections import OUTCOMES as SECTIONS
from periomics.microct.sections import Plane, planes_of
from periomics.microct.sections import rows as section_rows
from periomics.microct.segment import grey_warnings, saturated
from periomics.microct.sizes import local_sizes, thickness_rows
from periomics.microct.slabs import TOO_LITTLE, Shape, bits_of, bounds, slabs
from periomics.microct.spill import kept
from periomics.microct.surface import Surface, surface
from periomics.microct.survey import Greys, Survey, survey
from periomics.microct.told import NOTHING, Told
from periomics.microct.view import View, view_of
from periomics.study.measurements import tidy
from periomics.study.settings.microct import Microct

Planes = Callable[[int, int], NDArray]
# A volume at its place in a scan: first voxel, shape, planes.
Placed = tuple[Place, Shape, Planes]
THICKNESS = ("tbth", "tbth_sd", "tbsp", "tbsp_sd")
AT_IMPLANT = ("ovtv", "bic_ct", "ridge", "insertion")
COUNT_BYTES = 120.0  # of a voxel of a slab at work around an implant, shells and places included
MAPS_SHARE = (
    1 / 16
)  # of the memory for each of the two maps; they go to a temporary file where they take more
NO_FIELD = (
    "not measured: microct/memory_mb is too little for the transforms of its isotropic fields"
)


@dataclass(frozen=True)
class Measured:
    """All that a scan gives: measurements table, curves around the implant (none without one), warnings, facts of its
    quality, range of grey values, grey values of marrow and bone away from any surface (none where
    there is no such place), axis of the implant, length of metal above its shoulder (µm), edge of a
    voxel.

    `labels` gives planes of the scan's label map (codes in LABELS); `maps` bone thickness and marrow separation (mm) in the VOI's
    box; `view` is what the picture is drawn from, `planes` the virtual sections,
    `change` what came and went since an earlier scan.
    """

    table: pd.DataFrame
    curves: pd.DataFrame
    warnings: tuple[str, ...]
    quality: tuple[Fact, ...]
    greys: Greys
    levels: tuple[float, float] | None
    axis: Axis | None
    above_um: float
    voxel_um: float
    labels: Planes
    maps: tuple[Placed, Placed]
    view: View
    planes: tuple[Plane, ...] = ()
    change: times.Change | None = None


def outcomes(settings: Microct, earlier: bool = False) -> tuple[str, ...]:
    """Outcomes that a scan gives; those at the implant need one, those of change an earlier scan."""
    found = ["bvtv", "bv", "tv", *THICKNESS, *structure.OUTCOMES]
    if not settings.anisotropy:
        found.remove("da")
    found += ["grey_bone", "grey_voi"] if settings.calibration == "none" else ["tmd", "bmd"]
    found += ["low_density_share"] if settings.low_density_cut is not None else []
    found += ctan.OUTCOMES if settings.ctan else ()
    found += cortical.OUTCOMES if settings.compartments != "none" else ()
    found += times.OUTCOMES if earlier else ()
    found += SECTIONS if settings.section_degrees else ()
    return tuple(found) + (AT_IMPLANT if settings.implant == "required" else ())


def measure(
    scan: SlabReader,
    settings: Microct,
    common: Mapping[str, object],
    threads: int = 1,
    calibration: Calibration | None = None,
    by_hand: Corrected | None = None,
    told: Told = NOTHING,
    earlier: SlabReader | None = None,
) -> Measured:
    """Measure a scan within `settings.memory_mb`.

    Parameters
    ----------
    scan
        Grey values; voxels must be cubes.
    settings
        What decides the measurement, the same for all scans of a study.
    common
        Columns that hold for all rows: specimen_id, animal_id, time and so on; nothing about arms is needed.
    threads
        Threads; results do not depend on it.
    calibration
        From grey to mg HA/cm³, where the study has one.
    by_hand
        Masks that replace steps.
    told
        What the sheet says of the scan.
    earlier
        A scan of the same bone at an earlier time.

    Raises
    ------
    SpecimenError
        If the scan cannot be measured: no implant, several, no long axis, empty VOI, no bone or only bone in the VOI,
        grey values that are not finite, voxels that are not cubes, or too little memory.
    """
    voxel_um = isotropic_voxel(scan.spacing_um)
    settings = in_grey(settings, calibration)
    found = survey(scan, voxel_um, settings, threads, by_hand, told)
    if earlier is not None:
        found = replace(found, work_mb=found.work_mb - earlier.held_mb)
    counts, in_zone, looks = _counts(found)
    _check_bone(counts.bone, settings)
    warnings = grey_warnings(found.saturated(in_zone), found.greys.dtype, settings)
    doubts = [*found.ground.warnings, *_border_doubts(found)]
    if counts.around is not None and found.ground.axis is not None:
        doubts += orientation_warnings(counts.around, found.ground.axis, found.settings, voxel_um)
    rows, curves = count_rows(counts, found.ground.axis, settings, calibration, voxel_um)

    at = box_around(found.bits.voi, 0, scan.shape)
    start, size = start_of(at), size_of(at)
    maps = [kept(size, np.float32, found.work_mb * MAPS_SHARE) for _ in range(2)]
    found = replace(found, work_mb=found.work_mb - sum(m.mb for m in maps))
    sizes = {}
    for outcome, one in zip(("tbth", "tbsp"), maps, strict=True):
        sizes[outcome], missing = local_sizes(found, outcome, one)
        rows += thickness_rows(outcome, sizes[outcome], missing, settings)
    tbth = sizes["tbth"].mean if sizes["tbth"] else None
    thick = None if tbth is None else tbth * 1000 / voxel_um
    checks = quality.facts(looks, _range(found), thick, settings)
    of_bone = _structure(found, counts)
    rows += structure.structure_rows(of_bone, voxel_um / 1000, tbth, settings)
    if settings.ctan:
        rows += _ctan_rows(found, of_bone.surface)
    change = None
    if earlier is not None:
        change = times.change_of(found, earlier)
        checks += times.facts(change, settings)
        rows += times.rows(change, voxel_um / 1000)
    doubts += [check.describe() for check in checks if check.beyond]
    planes = planes_of(found)
    if found.ground.axis is not None and planes:
        end_um = (found.ground.axis.length + 0.5) * voxel_um
        rows += section_rows(planes, found.settings, voxel_um, end_um)
    if settings.compartments != "none":
        rows += cortical.measure(
            found.bits.bone, settings, voxel_um, found.work_mb, found.planes, threads
        )
    note = (
        settings.describe() if by_hand is None else f"{settings.describe()}; {by_hand.describe()}"
    )
    return Measured(
        table=_table_of(rows, warnings, doubts, described=note, common=common),
        curves=curves,
        warnings=(*warnings, *doubts),
        quality=tuple(checks),
        greys=found.greys,
        levels=quality.levels(looks),
        axis=found.ground.axis,
        above_um=found.ground.above_um,
        voxel_um=voxel_um,
        labels=found.labels,
        maps=((start, size, maps[0].read), (start, size, maps[1].read)),
        view=view_of(found, (maps[0].read, maps[1].read)),
        planes=planes,
        change=change,
    )


def _counts(of: Survey) -> tuple[Counts, int, quality.Looks]:
    """All sums over the surroundings of the implant (or the whole scan), saturated voxels in metal and band, and what quality
    is told from."""
    z, y, x = of.near
    size = size_of(of.near)
    axis = of.ground.axis
    slices = (0, 0) if axis is None else contact.slices_of(of.scan.shape, axis)
    found: Counts | None = None
    looks: quality.Looks | None = None
    in_zone = 0
    planes = slab_planes(of.work_mb, size, voxel_bytes=COUNT_BYTES)
    for low, high in slabs(size[0], planes, "count"):
        box = (slice(z.start + low, z.start + high), y, x)
        part = of.part(box)
        away, band = part.regions.distance, of.settings.voi.inner_um
        behind = None if away is None else (away - band) / of.ground.voxel_um
        bone, marrow = of.cores(box)
        seen = quality.look(
            part.grey,
            part.regions.voi,
            bone,
            marrow,
            settings=of.settings,
            of=_range(of),
            origin=start_of(box),
            behind=behind,
            steps=of.edges(box, part.grey),
            all_bone=part.seen,
            axis=axis,
        )
        looks = seen if looks is None else looks + seen
        more = count(part, of.settings, of.ground.voxel_um, slices)
        found = more if found is None else found + more
        outside = saturated(part.grey, part.regions.zone).bone
        in_zone += saturated(part.grey, np.zeros_like(part.regions.zone)).bone - outside
    assert found is not None and looks is not None
    return found, in_zone, looks


def _range(of: Survey) -> quality.Range:
    nz, ny, nx = of.scan.shape
    return quality.Range(of.greys.low, of.greys.high, ((ny - 1) / 2, (nx - 1) / 2), nz)


def _check_bone(bone: Fraction, settings: Microct) -> None:
    """Raises SpecimenError where the VOI holds no bone, or nothing else."""
    if bone.bone in (0, bone.total):
        what = "no bone" if bone.bone == 0 else "nothing but bone"
        raise SpecimenError(
            f"{what} in the VOI at threshold {settings.bone_cut:g}: threshold and scan do not fit"
        )


def _border_doubts(of: Survey) -> list[str]:
    """Metal that meets the border of the scan, or a shell that leaves it; what stands on a shoulder
    that is declared may."""
    implant, above = of.ground.implant, of.ground.above
    if of.ground.axis is None or implant is None:
        return []
    low, size = bounds(bits_of(implant if above is None else implant & ~above))
    metal = [a + b for a, b in zip(of.ground.at, low, strict=True)], size
    named = {"implant": metal, "VOI": bounds(of.bits.voi)}
    return [
        f"the {name} meets the border of the scan"
        for name, (starts, sizes) in named.items()
        if any(a == 0 or a + s == n for a, s, n in zip(starts, sizes, of.scan.shape, strict=True))
    ]


def _structure(of: Survey, counts: Counts) -> structure.Structure:
    """Surface, connectivity, mid-axes and anisotropy."""
    b, planes, threads = of.bits, of.planes, of.threads
    axis = anisotropy(b.bone, b.voi, threads) if of.settings.anisotropy else None
    fields, missing = _fields(of) if axis else ((), {})
    return structure.Structure(
        surface=surface(b.seen, of.ground.voxel_um / 1000, b.voi, planes, threads),
        seen=counts.shares[0],
        bone=counts.bone,
        pure=connectivity(b.pure, b.voi, planes, threads),
        all_parts=connectivity(b.bone, b.voi, planes, threads),
        mid_axes=_mid_axes(of) if of.settings.thickness_variants else None,
        anisotropy=axis,
        fields=fields,
        missing=missing,
    )


def _ctan_rows(of: Survey, plain: Surface) -> list[dict[str, object]]:
    """What CTAn reports besides."""
    voxel_mm, speck = (
        of.ground.voxel_um / 1000,
        contact.speck_voxels(of.settings, of.ground.voxel_um),
    )
    found = ctan.measure(
        of.bits.seen,
        of.bits.bone,
        of.bits.voi,
        voxel_mm,
        plain=plain,
        speck_voxels=speck,
        planes=of.planes,
        threads=of.threads,
    )
    return ctan.rows(found, plain, voxel_mm, of.settings.speck_um)


def _fields(of: Survey) -> tuple[tuple[Anisotropy, ...], dict[str, str]]:
    """Anisotropy of isotropic fields, or why there are none."""
    b, n = of.bits, of.settings.da_noise_fields
    try:
        return noise_floors(b.bone, b.voi, n, of.work_mb, of.threads), {}
    except ValueError as error:
        return (), {"noise-floor": f"{NO_FIELD}: {error}"}


def _mid_axes(of: Survey) -> structure.MidAxes:
    """Spacing of mid-axes, or why there is none."""
    try:
        found = mid_axis_spacing(of.bits.bone, of.bits.voi, None, of.work_mb, of.threads)
    except ValueError as error:
        return structure.MidAxes(None, f"{TOO_LITTLE}: {error}")
    return structure.MidAxes(None if found is None else found.mean * of.ground.voxel_um / 1000)


def _table_of(
    rows: list[dict[str, object]],
    warnings: list[str],
    doubts: list[str],
    *,
    described: str,
    common: Mapping[str, object],
) -> pd.DataFrame:
    """The measurements table; warnings about the scan reach every row, doubts hold every row back."""
    for row in rows:
        row["method"] = "; ".join(t for t in (str(row.get("method", "")), described) if t)
        if (said := [*doubts, *warnings]) and row.get("qc") != "fail":
            row["qc"] = "hold" if doubts else "warn"
            row["qc_reason"] = "; ".join(t for t in (*said, str(row.get("qc_reason", ""))) if t)
    return tidy(rows, modality="microct", level="specimen", **common)
