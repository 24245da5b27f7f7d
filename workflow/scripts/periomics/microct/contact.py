"""Bone along the implant: contact by distance, height and octant, marginal bone level, insertion depth, sweep of the band.

Contact in micro-CT (`bic_ct`) is the share of bone in a layer of some voxels behind the declared exclusion band: the first
voxels at metal are unusable (Liu 2011, J Microsc 245:34), and a layer of one voxel is a pattern of the grid, which aliases with
the bone's. It falls as the offset grows, so it is given as a curve over offsets, too, and it never stands for histology.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from periomics.microct.periimplant import Axis, Place, sector_of, shell
from periomics.study.settings.microct import Microct

Mask = NDArray[np.bool_]
OCTANTS = 8
CURVE_COLUMNS = (
    "curve",
    "position",
    "upper",
    "position_unit",
    "value",
    "unit",
    "bone_voxels",
    "voxels",
)


@dataclass(frozen=True)
class Surroundings:
    """What is around an implant: bone (z, y, x) as segmented up to the metal, bone outside the exclusion band without
    specks, distance to the metal and height above the apex (µm), axis, edge of a voxel (µm), place of the first voxel in the
    scan; what shells and contact are cut to."""

    bone: Mask
    clean_bone: Mask
    distance: NDArray[np.float32]
    height: NDArray[np.float32]
    axis: Axis
    voxel_um: float
    origin: Place = (0, 0, 0)
    within: Mask | None = None


@dataclass(frozen=True)
class Level:
    """Highest bone by sector (NaN in one without bone), lowest of all sectors together, µm above the apex; implant's length, µm:
    between the middles of slices of `slice_um`.

    `unsure`: sectors whose highest bone moves by more than a voxel between half and twice the share that it must fill.
    """

    top_um: NDArray[np.float64]
    bottom_um: float
    length_um: float
    slice_um: float
    unsure: NDArray[np.bool_]

    @property
    def loss_um(self) -> NDArray[np.float64]:
        """From the shoulder down to the first bone, by sector; the whole length where there is no bone."""
        return np.where(np.isnan(self.top_um), self.length_um, self.length_um - self.top_um)

    @property
    def insertion_um(self) -> float:
        """Length of the axis from the lowest bone to each sector's highest, both slices included, mean over sectors; without bone
        there is none."""
        low = max(0.0, self.bottom_um)
        high = np.minimum(self.top_um, self.length_um)
        deep = np.where(np.isnan(high) | (high < low), 0.0, high - low + self.slice_um)
        return float(np.mean(deep))


def contact_range(settings: Microct, voxel_um: float) -> tuple[float, float]:
    """Start and end (µm from the metal) of the contact layer: whole voxels, the first outside the exclusion band."""
    start = float(np.ceil(settings.voi.inner_um / voxel_um - 1e-6)) * voxel_um
    return start, start + settings.contact_voxels * voxel_um


def ball_voxels(diameter_um: float, voxel_um: float) -> float:
    """Voxels of a ball."""
    return np.pi / 6 * (diameter_um / voxel_um) ** 3


def speck_voxels(settings: Microct, voxel_um: float) -> float:
    """Voxels of a ball of diameter `speck_um`."""
    return ball_voxels(settings.speck_um, voxel_um)


@dataclass(frozen=True)
class Tally:
    """Voxels of bone and all voxels around an implant, (2, ...) each; those of parts of a scan add up.

    `shells` as `curve_shells` lists them; `heights` and `octants` of the contact layer; `levels` (sector, height) of
    the shell in which the marginal level is read. Heights are slices of a voxel from slice `first` on.
    """

    shells: NDArray[np.int64]
    heights: NDArray[np.int64]
    octants: NDArray[np.int64]
    levels: NDArray[np.int64]
    first: int

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.shells + other.shells,
            self.heights + other.heights,
            self.octants + other.octants,
            self.levels + other.levels,
            self.first,
        )


def curve_shells(settings: Microct, voxel_um: float) -> list[tuple[str, float, float]]:
    """(curve, from, to) of all curves over distance, µm: whole voxels from 0."""
    outer, found = settings.voi.outer_um, []
    for k in range(settings.band_sweep_voxels + 1):
        at = k * voxel_um
        found += [
            ("bic_by_offset", at, at + voxel_um),
            ("band_sweep_bvtv", at, outer),
            ("band_sweep_ovtv", at, at + settings.ovtv_width_um),
        ]
    return found + [
        ("bvtv_by_distance", k * voxel_um, (k + 1) * voxel_um)
        for k in range(int(outer // voxel_um))
    ]


def farthest_um(settings: Microct, voxel_um: float) -> float:
    """Distance from the metal beyond which nothing is counted."""
    ends = [high for _, _, high in curve_shells(settings, voxel_um)] + [
        high for _, high in settings.shells_um
    ]
    ends += [
        at + settings.ovtv_width_um for at in (settings.ovtv_offset_um, *settings.ovtv_curve_um)
    ]
    ends += [settings.voi.outer_um, settings.voi.inner_um + settings.level_width_um]
    return max(*ends, contact_range(settings, voxel_um)[1])


def slices_of(shape: tuple[int, int, int], axis: Axis) -> tuple[int, int]:
    """First slice across the axis (a voxel thick, 0 at the apex) and number of slices that a scan may reach."""
    corners = np.array(list(itertools.product(*((0, n - 1) for n in shape)))) - axis.apex
    along = corners @ axis.direction
    first = int(np.floor(along.min())) - 1
    return first, int(np.ceil(along.max())) + 2 - first


def tally(around: Surroundings, settings: Microct, slices: tuple[int, int]) -> Tally:
    """Count bone and all voxels of a scan, or of some of its planes, by distance, height, octant and sector.

    The shell of the level is not cut to the VOI's range along the axis: the whole height counts.
    """
    voi, voxel = settings.voi, around.voxel_um
    near = around.distance <= farthest_um(settings, voxel) + 1e-3
    distance, height, bone = around.distance[near], around.height[near], around.bone[near]
    cut = [
        shell(distance, low, high, height, voi) for _, low, high in curve_shells(settings, voxel)
    ]
    at_metal = shell(distance, *contact_range(settings, voxel), height, voi)
    if around.within is not None:
        cut, at_metal = (
            [m & around.within[near] for m in cut],
            at_metal & around.within[near],
        )
    ring = shell(distance, voi.inner_um, voi.inner_um + settings.level_width_um, None, voi)
    places = np.argwhere(near) + np.array(around.origin)
    first, n = slices
    slice_ = np.floor(height / voxel + 0.5).astype(np.int64) - first

    def by(group: NDArray[np.int64], bones: Mask, size: int) -> NDArray[np.int64]:
        return np.stack(
            [np.bincount(group[bones], minlength=size), np.bincount(group, minlength=size)]
        )

    sector = sector_of(places[ring], around.axis, settings.sectors)
    shouldered = np.floor(height / voxel - shoulder(around.axis) + 0.5).astype(np.int64) - first
    return Tally(
        np.array([[np.count_nonzero(m & bone), np.count_nonzero(m)] for m in cut], np.int64).T,
        by(slice_[at_metal], bone[at_metal], n),
        by(sector_of(places[at_metal], around.axis, OCTANTS), bone[at_metal], OCTANTS),
        by(
            sector * n + shouldered[ring], around.clean_bone[near][ring], settings.sectors * n
        ).reshape(2, -1, n),
        first,
    )


def shoulder(axis: Axis) -> float:
    """What is added to whole voxels above the apex so that a slice lies at the implant's shoulder (-1 to 0)."""
    return axis.length - np.ceil(axis.length)


def level(found: Tally, axis: Axis, voxel_um: float, settings: Microct) -> Level:
    """Marginal bone level by sector: highest slice with bone in a shell behind the exclusion band.

    Slices are a voxel thick, across the axis, the shoulder at the middle of one: how well the apex is found has no say in
    the loss. A slice has bone where it holds some and, with the slices behind it to a depth of the
    shell's width, at least `level_share` of the sector's voxels: a tip that just reaches into the shell is no level. Parts
    smaller than a ball of `speck_um` are left out, so that noise above the crest is no bone. (The largest part alone
    would not do: the band cuts bone that is connected through it.)
    """
    depth = max(1, round(settings.level_width_um / voxel_um))
    top = _highest(found.levels, depth, settings.level_share)
    around = found.levels.sum(axis=1, keepdims=True)[..., ::-1]
    low = float(_highest(around, depth, settings.level_share)[0])
    half, twice = (
        _highest(found.levels, depth, min(1.0, f * settings.level_share)) for f in (0.5, 2.0)
    )
    first = found.first + shoulder(axis)
    return Level(
        (first + top) * voxel_um,
        (first + found.levels.shape[2] - 1 - low) * voxel_um,
        axis.length * voxel_um,
        voxel_um,
        ~(np.abs(half - twice) <= 1) & ~np.isnan(top),
    )


def _highest(levels: NDArray[np.int64], depth: int, share: float) -> NDArray[np.float64]:
    """Last slice of each sector with bone that fills the share of it and the `depth - 1` slices before it; NaN without one."""
    bone, total = (
        np.stack([np.convolve(row, np.ones(depth, np.int64))[: levels.shape[2]] for row in part])
        for part in levels
    )
    reached = (levels[0] > 0) & (bone >= share * total)
    last = reached.shape[1] - 1.0 - reached[:, ::-1].argmax(axis=1)
    return np.where(reached.any(axis=1), last, np.nan)


def curves(found: Tally, at: Level, voxel_um: float, settings: Microct) -> pd.DataFrame:
    """Table of all curves around the implant, columns CURVE_COLUMNS; a share without voxels is missing.

    `bic_by_offset` and `band_sweep_*` (the band's width changed, the rest as declared) run over whole voxels from 0;
    `bvtv_by_distance` over layers of a voxel to the end of the VOI; `bic_by_height` over slices of a voxel across the
    axis; `bic_by_octant` and `loss_by_sector` over angles about the axis.
    """
    rows: list[tuple[object, ...]] = []

    def share(curve: str, low: float, high: float, unit: str, bone: int, total: int) -> None:
        rows.append(
            (
                curve,
                low,
                high,
                unit,
                100.0 * bone / total if total else np.nan,
                "%",
                int(bone),
                int(total),
            )
        )

    for (curve, low, high), (bone, total) in zip(
        curve_shells(settings, voxel_um), found.shells.T, strict=True
    ):
        share(curve, low, high, "um", bone, total)
    seen = np.flatnonzero(found.heights[1])
    for i in range(seen[0], seen[-1] + 1) if seen.size else ():
        low = (found.first + i) * voxel_um
        share("bic_by_height", low, low + voxel_um, "um", *found.heights[:, i])
    for i, (bone, total) in enumerate(found.octants.T):
        share(
            "bic_by_octant", i * 360.0 / OCTANTS, (i + 1) * 360.0 / OCTANTS, "degree", bone, total
        )
    width = 360.0 / len(at.loss_um)
    for i, loss in enumerate(at.loss_um):
        rows.append(
            (
                "loss_by_sector",
                i * width,
                (i + 1) * width,
                "degree",
                loss / 1000,
                "mm",
                np.nan,
                np.nan,
            )
        )
    return pd.DataFrame(rows, columns=list(CURVE_COLUMNS))
