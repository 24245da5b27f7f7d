"""Two time points of one animal: the earlier scan laid over the later one, and the bone that was formed and resorbed between them.

The motion is rigid: three turns and three shifts, found on block means of both scans (SimpleITK: correlation of grey values, metal cut to
its threshold, from coarse to fine), without any landmark. The earlier scan is smoothed on its own grid as the later one is, and read where
the voxels of the later region lay then (cubic splines: a linear reading, of grey values or of the mask, would thin the bone of the earlier
scan alone). Bone is what reaches the same threshold. Counted is what both scans show.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from periomics.core.errors import SpecimenError
from periomics.core.quality import Fact
from periomics.microct.boxes import Box, crop, everything
from periomics.microct.formats.header import isotropic_voxel, three
from periomics.microct.formats.lazy import SlabReader
from periomics.microct.morphometry import Fraction, share_row
from periomics.microct.opening import SAME_VOXEL
from periomics.microct.segment import smooth
from periomics.microct.slabs import TRUNCATE, Reader, bounds, slabs
from periomics.microct.survey import Survey
from periomics.study.settings.microct import Microct

Mask = NDArray[np.bool_]
Places = NDArray[np.float64]
Row = dict[str, object]
OUTCOMES = ("formed", "resorbed", "net_bone")
# Planes that are laid over each other at a time; voxels around them that splines look at; bytes for a voxel there, and for a place.
PLANES, MARGIN, VOXEL_BYTES, PLACE_BYTES = 16, 12, 20.0, 120.0
# Voxels of block means on which the motion is found, and coarser steps before.
MOST, COARSE, FINE = 600_000, (4,), (2, 1)
# Share of them that is looked at on the finest grid.
SAMPLED, SEED = 0.3, 1
# Codes of a slice: 1 and bone now and twice bone then; 0 what is not seen.
KINDS = ("not seen", "marrow", "formed", "resorbed", "bone at both times")


@dataclass(frozen=True)
class Motion:
    """Where a voxel of the later scan lay in the earlier one: `turn` @ place + `shift`, places in voxels (z, y, x). `correlation` of
    grey values once laid over."""

    turn: NDArray[np.float64]
    shift: NDArray[np.float64]
    correlation: float

    def then(self, places: NDArray) -> Places:
        """Places (n, 3) of the later scan as places of the earlier one."""
        return places @ self.turn.T + self.shift

    @property
    def degrees(self) -> float:
        """Angle of the turn."""
        return float(np.degrees(np.arccos(np.clip((np.trace(self.turn) - 1) / 2, -1, 1))))


@dataclass(frozen=True)
class Change:
    """Voxels of the later region that both scans show: bone at both times, only later, only earlier, all; those of the region; motion;
    a slice (z, x) through the region's middle in the codes of KINDS, and its y."""

    kept: int
    formed: int
    resorbed: int
    seen: int
    region: int
    motion: Motion
    slice: NDArray[np.uint8]
    y: int


def change_of(of: Survey, earlier: SlabReader) -> Change:
    """Lay the earlier scan over the later one and count.

    Raises
    ------
    SpecimenError
        If voxels differ in size, or the scans cannot be laid over each other.
    """
    settings, voxel_um = of.settings, of.ground.voxel_um
    then_um = isotropic_voxel(earlier.spacing_um)
    if abs(then_um / voxel_um - 1) > SAME_VOXEL:
        raise SpecimenError(
            f"the earlier scan has voxels of {then_um:.4g} um, this one of {voxel_um:.4g} um: both must have the same"
        )
    motion = motion_between(of.scan, of.near, earlier, settings)
    return _counted(of, earlier, motion)


def _counted(of: Survey, earlier: SlabReader, motion: Motion) -> Change:
    found = np.zeros(5, np.int64)
    planes = min(of.planes, PLANES)
    (first, at, left), (tall, deep, wide) = bounds(of.bits.voi)
    y, drawn = at + deep // 2, np.zeros((of.scan.shape[0], of.scan.shape[2]), np.uint8)
    for low, high in slabs(of.scan.shape[0], planes, "bone then and now"):
        region = of.bits.voi.read(low, high)
        if not region.any():
            continue
        bone = of.bits.bone.read(low, high)[region]
        then = motion.then(np.argwhere(region) + np.array([low, 0, 0]))
        before, seen = bone_then(earlier, then, of.settings, of.work_mb)
        kinds = (bone & before, bone & ~before, ~bone & before, np.ones_like(bone))
        found += np.array([*(np.count_nonzero(k & seen) for k in kinds), bone.size])
        told = np.zeros(region.shape, np.uint8)
        told[region] = np.where(seen, 1 + bone + 2 * before, 0)
        drawn[low:high] = told[:, y]
    kept, formed, resorbed, both, all_ = (int(n) for n in found)
    return Change(
        kept=kept,
        formed=formed,
        resorbed=resorbed,
        seen=both,
        region=all_,
        motion=motion,
        slice=drawn[first : first + tall, left : left + wide],
        y=y,
    )


def bone_then(
    earlier: SlabReader, places: Places, settings: Microct, memory_mb: float
) -> tuple[Mask, Mask]:
    """Whether places of the earlier scan lay in its bone, and whether they lie in the scan and outside its metal.

    Raises
    ------
    SpecimenError
        If the box around them does not fit into the memory.
    """
    shape = np.array(earlier.shape)
    seen: Mask = np.all((places >= 0) & (places <= shape - 1), axis=1)
    bone = np.zeros(len(places), bool)
    if not seen.any():
        return bone, seen
    some = places[seen]
    reach = MARGIN + int(TRUNCATE * settings.prefilter_sigma_voxels + 0.5)
    low = np.maximum(np.floor(some.min(axis=0)).astype(int) - reach, 0)
    high = np.minimum(np.ceil(some.max(axis=0)).astype(int) + reach + 1, shape)
    need = (VOXEL_BYTES * math.prod((high - low).tolist()) + PLACE_BYTES * len(places)) / 1e6
    if need > memory_mb:
        raise SpecimenError(
            f"microct/memory_mb is too little to lay the earlier scan over this one: {need:.0f} MB needed for what "
            f"{PLANES} planes meet there, {memory_mb:.0f} left"
        )
    box = three(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    grey = smooth(crop(earlier.slab, box), settings.prefilter_sigma_voxels)
    value = ndimage.map_coordinates(grey, (some - low).T, order=3, mode="nearest")
    bone[seen] = value >= settings.bone_cut
    if settings.implant == "required":
        seen[seen] = value < settings.implant_threshold
    return bone, seen


def motion_between(later: SlabReader, near: Box, earlier: SlabReader, settings: Microct) -> Motion:
    """Find the rigid motion on block means of the surroundings of the later region and of all of the earlier scan."""
    step = 1
    while max(_blocks(near, step), _blocks(everything(earlier.shape), step)) > MOST:
        step += 1
    top = settings.implant_threshold if settings.implant == "required" else math.inf
    fixed = _image(later.slab, near, step, top)
    moving = _image(earlier.slab, everything(earlier.shape), step, top)
    tried = _starts(fixed, moving)
    tried += [_registered(fixed, moving, start, COARSE) for start in tried]
    # A search ends where its steps are small, which may be worse than where it began.
    best = min(tried, key=lambda motion: _metric(fixed, moving, motion))
    ends = (best, _registered(fixed, moving, best, FINE))
    metric, found = min(((_metric(fixed, moving, end), end) for end in ends), key=lambda x: x[0])
    origin = np.array(found.TransformPoint((0.0, 0.0, 0.0)))
    columns = [np.array(found.TransformPoint(tuple(e))) - origin for e in np.eye(3)]
    turn = np.array(columns).T[::-1, ::-1]
    return Motion(turn, origin[::-1].copy(), -metric)


def _starts(fixed: sitk.Image, moving: sitk.Image) -> list[sitk.Transform]:
    """Where to begin: as the scans lie, and with the middles of their grey values on each other."""
    middle = fixed.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in fixed.GetSize()])
    lying = sitk.Euler3DTransform()
    lying.SetCenter(middle)
    moments = sitk.CenteredTransformInitializerFilter.MOMENTS
    return [
        lying,
        sitk.CenteredTransformInitializer(fixed, moving, sitk.Euler3DTransform(), moments),
    ]


def _registered(
    fixed: sitk.Image, moving: sitk.Image, start: sitk.Transform, shrink: tuple[int, ...]
) -> sitk.Transform:
    """The motion found from a start."""
    method = _method()
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=2.0, minStep=1e-3, numberOfIterations=200, relaxationFactor=0.6
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel(shrink)
    method.SetSmoothingSigmasPerLevel([s / 2 for s in shrink])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOff()
    method.SetMetricSamplingStrategy(method.REGULAR)
    # Voxels are taken at places that chance moves a little: by the clock, where no seed is given.
    sampled = [1.0 if s > 1 else SAMPLED for s in shrink]
    method.SetMetricSamplingPercentagePerLevel(sampled, SEED)
    method.SetInitialTransform(start, inPlace=False)
    try:
        return method.Execute(fixed, moving)
    except RuntimeError as error:
        text = " ".join(str(error).split())[-160:]
        raise SpecimenError(f"the earlier scan cannot be laid over this one: {text}") from error


def _method() -> sitk.ImageRegistrationMethod:
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsCorrelation()
    method.SetInterpolator(sitk.sitkLinear)
    method.SetNumberOfThreads(1)  # sums of several threads differ from run to run
    return method


def _metric(fixed: sitk.Image, moving: sitk.Image, motion: sitk.Transform) -> float:
    """The correlation with its sign turned, over all voxels; infinite where the scans do not
    meet."""
    method = _method()
    method.SetInitialTransform(motion)
    try:
        return float(method.MetricEvaluate(fixed, moving))
    except RuntimeError:
        return math.inf


def _blocks(box: Box, step: int) -> int:
    return math.prod(max(1, (s.stop - s.start) // step) for s in box)


def _image(read: Reader, box: Box, step: int, top: float) -> sitk.Image:
    """Block means of a box of a scan, at the places of their middles in voxels."""
    size = three(max(1, (s.stop - s.start) // step) for s in box)
    out = np.empty(size, np.float32)
    _, rows, columns = (slice(s.start, s.start + n * step) for s, n in zip(box, size, strict=True))
    for k in range(size[0]):
        z = box[0].start + k * step
        some = np.minimum(read(z, z + step)[:, rows, columns].astype(np.float32), top)
        out[k] = some.reshape(step, size[1], step, size[2], step).mean(axis=(0, 2, 4))
    image = sitk.GetImageFromArray(out)
    image.SetSpacing((float(step),) * 3)
    image.SetOrigin(tuple(s.start + (step - 1) / 2 for s in reversed(box)))
    return image


def facts(found: Change, settings: Microct) -> list[Fact]:
    """Whether the scans lie over each other, and how much of the region both show."""
    shown = 100 * found.seen / found.region if found.region else math.nan
    return [
        Fact(
            "correlation with the earlier scan",
            found.motion.correlation,
            "",
            settings.min_correlation,
            least=True,
        ),
        Fact(
            "region that the earlier scan shows",
            shown,
            "%",
            settings.min_shared_percent,
            least=True,
        ),
    ]


def rows(found: Change, voxel_mm: float) -> list[Row]:
    """Formed and resorbed bone and their difference, over the earlier bone and, as variants, over the region."""
    volume, before = voxel_mm**3, found.kept + found.resorbed
    motion = f"rigid, turned {found.motion.degrees:.2f} degrees, correlation {found.motion.correlation:.3f}"
    values = (found.formed, found.resorbed, found.formed - found.resorbed)
    out: list[Row] = []
    for variant, whole, of in (
        ("", before, "the earlier bone"),
        ("per=TV", found.seen, "the region"),
    ):
        for outcome, part in zip(OUTCOMES, values, strict=True):
            row = share_row(
                Fraction(part, whole),
                volume,
                outcome=outcome,
                variant=variant,
                method=f"over {of} in what both scans show; {motion}",
                lacking=f"there is none of {of} in what both scans show",
            )
            out.append(row)
    return out
