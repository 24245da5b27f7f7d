"""Whether the grey values of a scan can be trusted: facts with their limits, from the volume of interest (VOI) alone.

What is bone and what marrow is read two voxels away from any surface (their cores), so that no blur takes part. Contrast is the
difference of their means. A core is found with the threshold that is itself in doubt, so a fact says little of how wrong a number is;
it says that the scan is not one on which the numbers were shown to be right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from periomics.core.quality import Fact
from periomics.microct.edges import edge_width
from periomics.microct.periimplant import Axis, sector_of
from periomics.study.settings.microct import Microct

Mask = NDArray[np.bool_]
PEEL = 2  # voxels between a core and the surface
BINS = 1024  # of grey values
NEAR = 6  # voxels behind the metal's band, of which the first two are no core
# Shading: groups of cubes of so many voxels, from whose differences its error is known, and how many errors count.
GROUPS, CUBE, ERRORS = 8, 24, 3.0
# Rings: radii whose mean rests on fewer voxels are left out, and the others are compared with so many around them.
LEAST, AROUND = 400, 9
# Streaks: sectors about the implant's axis; blocks of so many slices, from whose differences the error of a sector's mean is known; a
# sector counts with so many voxels in a block and so many blocks, and with what exceeds so many errors.
SECTORS, BLOCK, BLOCKS = 24, 6, 16
LEAST_BLOCK, LEAST_BLOCKS, CERTAIN = 40, 4, 2.0
# The threshold: classes of grey values that hold less than this share are none; thresholds whose
# classes differ by so little less are as good.
LEAST_CLASS, FLAT = 0.05, 1e-3
# Slices: one counts with so many voxels of a core.
LEAST_SLICE = 400
# Air: darker than marrow by this share of the contrast, and by so many times the noise.
DARKER, SIGMAS = 0.35, 4.0


@dataclass(frozen=True)
class Range:
    """Grey values of a scan, smallest and largest, the middle of its slices (y, x), about which
    rings and shading lie, and how many slices there are."""

    low: float
    high: float
    middle: tuple[float, float]
    slices: int = 1

    @property
    def radii(self) -> int:
        """Bins of a voxel that reach every corner of a slice."""
        return int(np.ceil(np.hypot(*self.middle))) + 2

    def greys(self) -> NDArray[np.float64]:
        """Middles of the bins of grey values."""
        return self.low + (np.arange(BINS) + 0.5) * (self.high - self.low) / BINS


@dataclass(frozen=True)
class Looks:
    """Sums over a scan or a part of it.

    Voxels and grey values of both cores, and squares of those of bone; voxels and grey values of
    cores by slice; squares of differences between neighbours along x in cores; steps at the surface
    (`edges.edge_sums`); voxels of bone in the VOI, and those at the scan's largest value; grey
    values of the marrow's core near the metal, and by radius; by group of cubes, products of what
    marrow is explained by with each other and with its grey value (`_products`); voxels and grey
    values of marrow by sector and block of slices; voxels of the VOI by grey value; metal in the
    VOI.
    """

    bone: NDArray[np.float64]
    marrow: NDArray[np.float64]
    by_slice: NDArray[np.float64]
    noise: NDArray[np.float64]
    steps: NDArray[np.float64]
    full: NDArray[np.int64]
    near: NDArray[np.float64]
    radial: NDArray[np.float64]
    shaded: NDArray[np.float64]
    angular: NDArray[np.float64]
    histogram: NDArray[np.int64]
    metal: int

    def __add__(self, other: Looks) -> Looks:
        return Looks(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Looks)))


def look(
    grey: NDArray,
    voi: Mask,
    bone_core: Mask,
    marrow_core: Mask,
    settings: Microct,
    of: Range,
    origin: Sequence[int],
    behind: NDArray[np.floating] | None,
    steps: NDArray[np.float64],
    all_bone: Mask,
    axis: Axis | None = None,
) -> Looks:
    """Sums of a part (z, y, x) of some planes that begins at voxel `origin` of the scan; those of parts add up.

    `behind`: voxels behind the metal's band; None without metal. `steps`: of the part
    (`edges.edge_sums`). `all_bone`: not its core alone.
    """
    values = grey[voi].astype(np.float64)
    scale = BINS / (of.high - of.low) if of.high > of.low else 0.0
    at = np.minimum(((values - of.low) * scale).astype(np.int64), BINS - 1)
    if settings.implant == "required":
        bone_core = bone_core & (grey < settings.implant_threshold)
    bone, marrow = _sums(grey, bone_core), _sums(grey, marrow_core)
    bone = np.append(bone, (grey[bone_core].astype(np.float64) ** 2).sum())
    inside = all_bone & voi
    full = np.count_nonzero(inside), np.count_nonzero(inside & (grey >= of.high))
    noise = np.zeros(2)
    for core in (bone_core, marrow_core):
        pairs = core[..., :-1] & core[..., 1:]
        step = grey[..., 1:][pairs].astype(np.float64) - grey[..., :-1][pairs]
        noise += step.size, (step**2).sum()
    y, x = (np.arange(n) + o for n, o in zip(grey.shape[1:], origin[1:], strict=True))
    radius = np.hypot((y - of.middle[0])[:, None], x - of.middle[1]).astype(np.int64)
    near = None if behind is None else behind <= NEAR
    places = np.broadcast_to(radius, grey.shape)[marrow_core]
    radial = np.stack(
        [
            np.bincount(places, minlength=of.radii),
            np.bincount(places, grey[marrow_core].astype(np.float64), of.radii),
        ]
    ).astype(np.float64)
    return Looks(
        bone=bone,
        marrow=marrow,
        by_slice=_by_slice(grey, (bone_core, marrow_core), of, origin),
        noise=noise,
        steps=steps,
        full=np.array(full),
        near=np.zeros(2) if near is None else _sums(grey, marrow_core & near),
        radial=radial,
        angular=_angular(grey, marrow_core, axis, origin),
        shaded=_products(grey, marrow_core, behind, of, origin),
        histogram=np.bincount(at, minlength=BINS),
        metal=int(np.count_nonzero(values >= settings.implant_threshold)),
    )


def _sums(grey: NDArray, mask: Mask) -> NDArray[np.float64]:
    """Voxels of a mask, and the sum of their grey values."""
    return np.array([np.count_nonzero(mask), grey[mask].sum(dtype=np.float64)])


def _by_slice(
    grey: NDArray, cores: Sequence[Mask], of: Range, origin: Sequence[int]
) -> NDArray[np.float64]:
    """Voxels of each core and their grey values by slice of the scan, (cores, 2, slices)."""
    found = np.zeros((len(cores), 2, of.slices))
    at = slice(origin[0], origin[0] + len(grey))
    for one, core in zip(found, cores, strict=True):
        one[0, at] = np.count_nonzero(core, axis=(1, 2))
        one[1, at] = [
            plane[mask].sum(dtype=np.float64) for plane, mask in zip(grey, core, strict=True)
        ]
    return found


def _angular(
    grey: NDArray, core: Mask, axis: Axis | None, origin: Sequence[int]
) -> NDArray[np.float64]:
    """Voxels of marrow and their grey values by sector about the axis and block of slices, (2, SECTORS, BLOCKS); 0 without an axis."""
    found = np.zeros((2, SECTORS * BLOCKS))
    if axis is not None:
        places = np.argwhere(core) + np.array(origin)
        block = (places[:, 0] // BLOCK) % BLOCKS
        at = sector_of(places, axis, SECTORS) * BLOCKS + block
        size = SECTORS * BLOCKS
        found[0] = np.bincount(at, minlength=size)
        found[1] = np.bincount(at, grey[core].astype(np.float64), size)
    return found.reshape(2, SECTORS, BLOCKS)


def _products(
    grey: NDArray, core: Mask, behind: NDArray | None, of: Range, origin: Sequence[int]
) -> NDArray[np.float64]:
    """Sums over marrow of products of 1, u, s and grey value with each other, (GROUPS, 4, 4).

    u falls with the distance from the metal (1 at the band, 0 far away or without metal); s is the squared radius about the middle
    of the slices, 1 at their rim.
    """
    found = np.zeros((GROUPS, 4, 4))
    rim = max(min(of.middle), 1.0)
    for k in range(len(grey)):
        y, x = np.nonzero(core[k])
        place = y + origin[1], x + origin[2]
        u = np.zeros(y.size) if behind is None else 1 / (1 + np.maximum(behind[k, y, x], 0) / NEAR)
        square = (place[0] - of.middle[0]) ** 2 + (place[1] - of.middle[1]) ** 2
        value = grey[k, y, x].astype(np.float64)
        columns = np.stack([np.ones(y.size), u, square / rim**2, value])
        at = (k + origin[0]) // CUBE + 3 * (place[0] // CUBE) + 5 * (place[1] // CUBE)
        for group in range(GROUPS):
            some = columns[:, at % GROUPS == group]
            found[group] += some @ some.T
    return found


class _Facts(list[Fact]):
    """Facts as they are found."""

    def say(self, name: str, value: float, limit: float, unit: str = "%") -> None:
        self.append(Fact(name, float(value), unit, limit))

    def say_least(self, name: str, value: float, limit: float) -> None:
        self.append(Fact(name, float(value), "", limit, least=True))


def facts(found: Looks, of: Range, tbth_voxels: float | None, settings: Microct) -> list[Fact]:
    """Every fact of a scan with its limit; what cannot be had is left out."""
    rows = _Facts()
    total = int(found.histogram.sum())
    if settings.implant == "required" and total:
        rows.say("metal in the VOI", 100 * found.metal / total, settings.max_metal_percent)
    if found.full[0]:
        full = 100 * found.full[1] / found.full[0]
        rows.say("saturated bone", full, settings.max_saturated_percent)
    if tbth_voxels is not None:
        rows.say_least("Tb.Th in voxels", tbth_voxels, settings.min_thickness_voxels)
    parted = _parted(found.histogram, of, settings)
    if parted is not None:
        rows.say("threshold beside the grey values", parted, settings.max_threshold_percent)
    if not (found.bone[0] and found.marrow[0] and found.noise[0]):
        return rows
    contrast, noise = _contrast(found), _noise(found)
    if noise > 0:
        rows.say_least("contrast to noise", contrast / noise, settings.min_contrast)
    if contrast <= 0:
        return rows
    air = _air(found, of)
    if air is not None:
        rows.say("air in the VOI", 100 * air, settings.max_air_percent)
    width = edge_width(found.steps, contrast)
    if width is not None and tbth_voxels:
        rows.say("edges beside Tb.Th", 100 * width / tbth_voxels, settings.max_edge_percent)
    _levels(rows, found, settings)
    _patterns(rows, found, settings)
    return rows


def _levels(rows: _Facts, found: Looks, settings: Microct) -> None:
    """Grey values that differ within marrow, within bone, from slice to slice, and beside the
    metal."""
    percent, noise = 100 / _contrast(found), _noise(found)
    in_bone = found.bone[2] / found.bone[0] - (found.bone[1] / found.bone[0]) ** 2
    for phase, variance, limit in (
        ("marrow", _spread(found.shaded), settings.max_marrow_percent),
        ("bone", in_bone, settings.max_bone_percent),
    ):
        other = float(np.sqrt(max(0.0, variance - noise**2)))
        rows.say(f"grey values that differ in {phase}", percent * other, limit)
    jump = _jump(found.by_slice)
    if jump is not None:
        rows.say("jumps between slices", percent * jump, settings.max_jump_percent)
    rest = found.marrow - found.near
    if min(found.near[0], rest[0]) >= LEAST:
        halo = abs(found.near[1] / found.near[0] - rest[1] / rest[0])
        rows.say("halo of the metal", percent * halo, settings.max_halo_percent)


def _patterns(rows: _Facts, found: Looks, settings: Microct) -> None:
    """Shading, streaks and rings."""
    percent = 100 / _contrast(found)
    shading = percent * _shading(found.shaded)
    if _is_told(shading, settings.max_shading_percent):
        rows.say("shading", abs(shading[0, 0]), settings.max_shading_percent)
    streaks = _streaks(found.angular)
    if streaks is not None:
        rows.say("streaks", percent * streaks, settings.max_streaks_percent)
    rows.say("rings", percent * _rings(found.radial), settings.max_rings_percent)


def _contrast(found: Looks) -> float:
    """Bone's mean grey value above that of marrow."""
    return float(found.bone[1] / found.bone[0] - found.marrow[1] / found.marrow[0])


def _noise(found: Looks) -> float:
    """Standard deviation of a voxel's grey value, from its neighbour."""
    return float(np.sqrt(found.noise[1] / found.noise[0] / 2))


def _air(found: Looks, of: Range) -> float | None:
    """Share of the VOI that is darker than marrow; None where a bin may hold marrow and air."""
    contrast = _contrast(found)
    if of.high - of.low > BINS * DARKER * contrast:
        return None
    marrow = found.marrow[1] / found.marrow[0]
    dark = of.greys() < marrow - max(DARKER * contrast, SIGMAS * _noise(found))
    return float(found.histogram[dark].sum() / found.histogram.sum())


def levels(found: Looks) -> tuple[float, float] | None:
    """Mean grey values of marrow and of bone away from any surface; None where there is no such
    place."""
    if not (found.bone[0] and found.marrow[0]):
        return None
    return float(found.marrow[1] / found.marrow[0]), float(found.bone[1] / found.bone[0])


def _parted(histogram: NDArray[np.int64], of: Range, settings: Microct) -> float | None:
    """How far (%) the threshold of bone lies from those that part the grey values of the VOI in two
    classes about as well as any (Otsu), in differences of these classes' means; None where one
    class holds too little, or bone is told by more than one threshold.

    A scan that is darker or brighter than those for which a threshold was chosen keeps its contrast
    to noise, and loses bone.
    """
    greys, metal = of.greys(), settings.implant == "required"
    n = np.where(greys < settings.implant_threshold, histogram, 0) if metal else histogram
    total = n.sum()
    if settings.segmentation != "fixed" or not total:
        return None
    below = np.cumsum(n) / total
    dark = np.cumsum(n * greys) / total
    with np.errstate(invalid="ignore", divide="ignore"):
        between = np.nan_to_num((dark[-1] * below - dark) ** 2 / (below * (1 - below)))
    # Between classes that lie apart any threshold is as good, and none of these lies beside.
    best = np.flatnonzero(between >= between.max() * (1 - FLAT))
    part = below[best[0]]
    if min(part, 1 - part) < LEAST_CLASS:
        return None
    low, high = dark[best[0]] / part, (dark[-1] - dark[best[0]]) / (1 - part)
    beside = max(0.0, greys[best[0]] - settings.bone_cut, settings.bone_cut - greys[best[-1]])
    return float(100 * beside / (high - low))


def _spread(shaded: NDArray[np.float64]) -> float:
    """Variance of marrow's grey values, from the sums of `_products`."""
    total = shaded.sum(axis=0)
    return float(total[3, 3] / total[0, 0] - (total[0, 3] / total[0, 0]) ** 2)


def _shading(shaded: NDArray[np.float64]) -> NDArray[np.float64]:
    """Marrow's mean grey value at the rim of the slices over that in their middle, by a parabola through what is seen of it, and
    the error that counts (jackknife over groups); first by radius alone, then at equal distance from the metal, (2, 2)."""
    total, rows = shaded.sum(axis=0), []
    groups = shaded[shaded[:, 0, 0] > 0]
    for others in ([0], [0, 1]):
        slopes = np.array([_slope(total - one, others) for one in groups])
        error = ERRORS * np.sqrt((len(slopes) - 1) * np.var(slopes)) if len(slopes) > 1 else np.inf
        rows.append((_slope(total, others), error))
    return np.array(rows)


def _slope(products: NDArray[np.float64], others: list[int]) -> float:
    """Grey value by squared radius with `others` of the terms equal; 0 where the radius does not vary."""
    halo, both, rest = (
        products[np.ix_(a, b)] for a, b in ((others,) * 2, (others, [2, 3]), ([2, 3],) * 2)
    )
    left = rest - both.T @ np.linalg.pinv(halo, rcond=1e-12, hermitian=True) @ both
    return float(left[0, 1] / left[0, 0]) if left[0, 0] > 1e-9 * rest[0, 0] else 0.0


def _is_told(shading: NDArray[np.float64], limit: float) -> bool:
    """Whether the slope by radius alone is shading: it is known well enough, and the distance from the metal does not explain it.

    Around an implant in the middle of a slice a weak halo has a slope as well, which would be drawn out to the rim.
    """
    (slope, error), (beside, its_error) = shading
    if abs(slope - beside) > its_error:
        return False
    if abs(slope) <= limit:
        return bool(error <= limit)
    return bool(abs(slope) > error and 2 * slope * beside >= slope**2)


def _streaks(angular: NDArray[np.float64]) -> float | None:
    """Largest difference of the marrow's mean grey value in a sector from the median of all, less its error; None where too few are seen.

    A sector's mean is that of its blocks of slices, so a single dense spot weighs little, and its error is that of their mean.
    """
    means, errors = [], []
    for count, total in zip(*angular, strict=True):
        enough = count >= LEAST_BLOCK
        if np.count_nonzero(enough) >= LEAST_BLOCKS:
            some = total[enough] / count[enough]
            means.append(some.mean())
            errors.append(some.std(ddof=1) / np.sqrt(some.size))
    if len(means) < SECTORS // 2:
        return None
    away = np.abs(np.array(means) - np.median(means)) - CERTAIN * np.array(errors)
    return float(max(0.0, away.max()))


def _jump(by_slice: NDArray[np.float64]) -> float | None:
    """Largest difference of the mean grey value of a core between a slice and the next; None where
    no two are seen."""
    found = []
    for count, total in by_slice:
        means = np.where(count >= LEAST_SLICE, total / np.maximum(count, 1), np.nan)
        away = np.abs(np.diff(means))
        found += list(away[np.isfinite(away)])
    return max(found, default=None)


def _rings(radial: NDArray[np.float64]) -> float:
    """Largest step of the marrow's mean grey value at a radius away from the median of radii around it."""
    enough = radial[0] >= LEAST
    if np.count_nonzero(enough) < AROUND:
        return 0.0
    means = radial[1, enough] / radial[0, enough]
    away = np.abs(means - ndimage.median_filter(means, AROUND, mode="nearest"))
    return float(np.quantile(away, 0.95))
