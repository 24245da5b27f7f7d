"""Bone along the implant: contact by distance, height and octant, marginal bone level, insertion depth, sweep of the band.

Contact in micro-CT (`bic_ct`) is the share of bone in a layer of one voxel at an offset from the metal: the first voxels at
metal are unusable (Liu 2011, J Microsc 245:34), and contact falls as the offset grows, so it is given as a curve over
offsets, its value just outside the declared exclusion band is the default, and it never stands for histology.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from periomics.microct.periimplant import Axis, shell
from periomics.microct.settings import Settings, Voi

Mask = NDArray[np.bool_]
OCTANTS = 8
CURVE_COLUMNS = ("curve", "position", "upper", "position_unit", "value", "unit", "bone_voxels", "voxels")


@dataclass(frozen=True)
class Surroundings:
    """What is around an implant: bone (z, y, x) as segmented up to the metal, bone outside the exclusion band without
    specks, distance to the metal and height above the apex (µm), axis, edge of a voxel (µm)."""

    bone: Mask
    clean_bone: Mask
    distance: NDArray[np.float32]
    height: NDArray[np.float32]
    axis: Axis
    voxel_um: float

    @property
    def length_um(self) -> float:
        """Length of the implant along its axis, between the centres of its last voxels."""
        return self.axis.length * self.voxel_um


@dataclass(frozen=True)
class Level:
    """Highest and lowest bone (µm above the apex) by sector, NaN in a sector without bone, and the implant's length (µm)."""

    top_um: NDArray[np.float64]
    bottom_um: NDArray[np.float64]
    length_um: float

    @property
    def loss_um(self) -> NDArray[np.float64]:
        """From the shoulder down to the first bone, by sector; the whole length where there is no bone."""
        return np.where(np.isnan(self.top_um), self.length_um, self.length_um - self.top_um)

    @property
    def insertion_um(self) -> float:
        """Length of the axis between lowest and highest bone, mean over sectors; a sector without bone counts nothing."""
        top = np.clip(np.nan_to_num(self.top_um, nan=0.0), 0, self.length_um)
        bottom = np.clip(np.nan_to_num(self.bottom_um, nan=0.0), 0, self.length_um)
        return float(np.mean(top - bottom))


def layer(around: Surroundings, offset_um: float, voi: Voi) -> Mask:
    """The layer of one voxel that starts at an offset from the metal, within the VOI's range along the axis."""
    return shell(around.distance, offset_um, offset_um + around.voxel_um, around.height, voi)


def contact_offset(around: Surroundings, settings: Settings) -> float:
    """Offset (µm) of the default contact layer: the first whole voxel outside the exclusion band."""
    return float(np.ceil(settings.voi.inner_um / around.voxel_um - 1e-6)) * around.voxel_um


def sectors(around: Surroundings, where: Mask, n: int) -> NDArray[np.int64]:
    """Sector (0 to n - 1) of each voxel of a mask, by its angle about the axis from the scan's x (y if the axis is x)."""
    d = around.axis.direction
    start = np.array([0.0, 0.0, 1.0]) if abs(d[2]) < 0.9 else np.array([0.0, 1.0, 0.0])
    first = start - (start @ d) * d
    first /= np.linalg.norm(first)
    away = np.argwhere(where) - around.axis.apex
    angle = np.arctan2(away @ np.cross(d, first), away @ first) % (2 * np.pi)
    return np.minimum((angle / (2 * np.pi) * n).astype(np.int64), n - 1)


def speck_voxels(settings: Settings, voxel_um: float) -> float:
    """Voxels of a ball of diameter `speck_um`."""
    return np.pi / 6 * (settings.speck_um / voxel_um) ** 3


def bone_level(around: Surroundings, settings: Settings) -> Level:
    """Marginal bone level by sector: highest slice with bone in a shell behind the exclusion band.

    A slice (of a voxel, across the axis) has bone where at least `level_share` of the sector's voxels are bone, so that a
    tip that just reaches into the shell is no level. The whole height counts, not the VOI's range; parts smaller than a
    ball of `speck_um` are left out, so that noise above the crest is no bone. (The largest part alone would not do: the
    band cuts bone that is connected through it.)
    """
    inner, voxel = settings.voi.inner_um, around.voxel_um
    ring = shell(around.distance, inner, inner + settings.level_width_um, None, settings.voi)
    slices = np.floor(around.height[ring] / voxel + 0.5).astype(np.int64)
    first, n = (int(slices.min()), int(np.ptp(slices)) + 1) if slices.size else (0, 1)
    place = sectors(around, ring, settings.sectors) * n + slices - first
    totals = np.bincount(place, minlength=settings.sectors * n).reshape(-1, n)
    bone = np.bincount(place[around.clean_bone[ring]], minlength=settings.sectors * n).reshape(-1, n)
    reached = (bone > 0) & (bone >= settings.level_share * totals)
    empty = ~reached.any(axis=1)
    top = (first + n - 1 - reached[:, ::-1].argmax(axis=1)) * voxel
    bottom = (first + reached.argmax(axis=1)) * voxel
    return Level(np.where(empty, np.nan, top), np.where(empty, np.nan, bottom), around.length_um)


def curves(around: Surroundings, level: Level, settings: Settings) -> pd.DataFrame:
    """Table of all curves around the implant, columns CURVE_COLUMNS; a share without voxels is missing.

    `bic_by_offset` and `band_sweep_*` (the band's width changed, the rest as declared) run over whole voxels from 0;
    `bvtv_by_distance` over layers of a voxel to the end of the VOI; `bic_by_height` over slices of a voxel across the
    axis; `bic_by_octant` and `loss_by_sector` over angles about the axis.
    """
    voi, voxel = settings.voi, around.voxel_um
    found: list[tuple[object, ...]] = []

    def share(curve: str, low: float, high: float, unit: str, mask: Mask) -> None:
        total, bone = int(np.count_nonzero(mask)), int(np.count_nonzero(mask & around.bone))
        found.append((curve, low, high, unit, 100.0 * bone / total if total else np.nan, "%", bone, total))

    for k in range(settings.band_sweep_voxels + 1):
        at = k * voxel
        share("bic_by_offset", at, at + voxel, "um", layer(around, at, voi))
        share("band_sweep_bvtv", at, voi.outer_um, "um", shell(around.distance, at, voi.outer_um, around.height, voi))
        end = at + settings.ovtv_width_um
        share("band_sweep_ovtv", at, end, "um", shell(around.distance, at, end, around.height, voi))
    for k in range(int(voi.outer_um // voxel)):
        share("bvtv_by_distance", k * voxel, (k + 1) * voxel, "um", layer(around, k * voxel, voi))
    found += _along_and_around(around, layer(around, contact_offset(around, settings), voi), voxel)
    width = 360.0 / len(level.loss_um)
    for i, loss in enumerate(level.loss_um):
        found.append(("loss_by_sector", i * width, (i + 1) * width, "degree", loss / 1000, "mm", np.nan, np.nan))
    return pd.DataFrame(found, columns=list(CURVE_COLUMNS))


def _along_and_around(around: Surroundings, mask: Mask, voxel: float) -> list[tuple[object, ...]]:
    """Contact by slices of a voxel along the axis and by octant."""
    bone = around.bone[mask]
    slices = np.floor(around.height[mask] / voxel + 0.5).astype(np.int64)
    first = int(slices.min()) if slices.size else 0
    parts = (("bic_by_height", slices - first, first * voxel, voxel, "um"),
             ("bic_by_octant", sectors(around, mask, OCTANTS), 0.0, 360.0 / OCTANTS, "degree"))  # fmt: skip
    rows: list[tuple[object, ...]] = []
    for curve, group, start, width, unit in parts:
        totals = np.bincount(group, minlength=OCTANTS if unit == "degree" else 0)
        bones = np.bincount(group[bone], minlength=len(totals))
        for i, (b, n) in enumerate(zip(bones, totals, strict=True)):
            value = 100.0 * b / n if n else np.nan
            rows.append((curve, start + i * width, start + (i + 1) * width, unit, value, "%", int(b), int(n)))
    return rows
