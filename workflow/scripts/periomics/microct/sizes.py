"""Local thickness of bone (Tb.Th) and marrow (Tb.Sp) in the VOI: map, means, means by shell, and their rows.

Exact closed balls after Hildebrand & Rüegsegger 1997 (J Microsc 185:67). Spheres see bone beyond the VOI and end at the
metal's band; only the averaging is restricted to the VOI.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from periomics.microct.boxes import box_around, crop, size_of, within
from periomics.microct.counting import shell_masks
from periomics.microct.formats.header import three
from periomics.microct.slabs import TOO_LITTLE, Mask
from periomics.microct.spill import Held, Spill
from periomics.microct.streamed_thickness import (
    Moments,
    NoBorder,
    SizeCounts,
    streamed_thickness,
)
from periomics.microct.survey import Survey
from periomics.study.settings.microct import Microct

# Planes of a map that are made at a time, and bytes for each of their voxels.
MAP_PLANES, MAP_BYTES = 8, 40.0
PHASES = {"tbth": "bone", "tbsp": "marrow"}
Row = dict[str, object]


@dataclass(frozen=True)
class Thickness:
    """Local thickness of a phase over the VOI (mm): mean and standard deviation, also as ImageJ's plugin gives them, and means
    in `shells_um` (NaN without a voxel).

    `clipped_share` is the share of voxels whose largest sphere meets the border of the scan or the metal zone: that sphere
    might be larger, or not be there, if more of the phase could be seen. `bonej_missing`: why ImageJ's form is not there.
    """

    mean: float
    sd: float
    clipped_share: float
    by_shell: tuple[float, ...] = ()
    bonej: tuple[float, float] | None = None
    bonej_missing: str = ""


@dataclass
class _Takers:
    """Take planes of a phase's map as they come: the map (mm, 0 outside the phase and the VOI), sums by shell, ImageJ's form."""

    of: Survey
    outcome: str
    kept: Held | Spill
    sums: NDArray[np.float64]
    moments: Moments = field(default_factory=Moments)

    def pieces(self, low: int, planes: NDArray) -> Iterator[tuple[int, NDArray, Mask]]:
        _, rows, columns = box_around(self.of.bits.voi, 0, self.of.scan.shape)
        for z in range(0, len(planes), MAP_PLANES):
            some, at = planes[z : z + MAP_PLANES], low + z
            box = (slice(at, at + len(some)), rows, columns)
            yield (
                at,
                some,
                crop(phase(self.of, self.outcome), box) & crop(self.of.bits.voi.read, box),
            )

    def take(self, low: int, squares: NDArray) -> None:
        start = box_around(self.of.bits.voi, 0, self.of.scan.shape)[0].start
        voxel_mm = np.float32(self.of.ground.voxel_um / 1000)
        for at, some, inside in self.pieces(low, squares):
            sizes = np.where(inside, 2 * np.sqrt(some.astype(np.float32)) * voxel_mm, np.float32(0))
            self.kept.write(at - start, sizes)
            if self.sums.size and inside.any():
                self.sums += _shell_sums(self.of, at, sizes)

    def take_bonej(self, low: int, sizes: NDArray[np.float32]) -> None:
        for at, some, inside in self.pieces(low, sizes):
            self.moments.take(at, some, inside)


def phase(of: Survey, outcome: str):
    """Planes of bone (`tbth`) or marrow."""
    return of.bits.bone.read if outcome == "tbth" else of.bits.marrow


def local_sizes(of: Survey, outcome: str, kept: Held | Spill) -> tuple[Thickness | None, str]:
    """Thickness of bone (`tbth`) or marrow (`tbsp`), its map into `kept` (the VOI's box), and why it could not be had."""
    why = ""
    shells = of.settings.shells_um if of.ground.axis is not None else ()
    # ImageJ's form looks further around the VOI, so the memory may be too little for it alone.
    for bonej in (True, False) if of.settings.thickness_variants else (False,):
        takers = _Takers(of, outcome, kept, np.zeros((2, len(shells))))
        try:
            found = _counts(takers, bonej)
        except NoBorder:
            return None, ""
        except ValueError as error:
            why = f"{TOO_LITTLE}: {error}"
            continue
        if not found.n_voxels:
            return None, ""
        voxel_mm = of.ground.voxel_um / 1000
        plugin = takers.moments.mean_and_sd() if bonej else None
        means = tuple(float(a / n) if n else float("nan") for a, n in takers.sums.T)
        return Thickness(
            mean=found.mean * voxel_mm,
            sd=found.sd * voxel_mm,
            clipped_share=(found.clipped or 0) / found.n_voxels,
            by_shell=means,
            bonej=None if plugin is None else (plugin[0] * voxel_mm, plugin[1] * voxel_mm),
            bonej_missing=why,
        ), ""
    return None, why


def _counts(takers: _Takers, bonej: bool) -> SizeCounts:
    of = takers.of
    _, ny, nx = size_of(box_around(of.bits.voi, 0, of.scan.shape))
    return streamed_thickness(
        phase(of, takers.outcome),
        of.scan.shape,
        of.bits.voi,
        memory_mb=of.work_mb - MAP_PLANES * MAP_BYTES * ny * nx / 1e6,
        threads=of.threads,
        clipped=True,
        metal_zone=of.bits.zone,
        write=takers.take,
        step=f"thickness of {PHASES[takers.outcome]}",
        write_bonej=takers.take_bonej if bonej else None,
    )


def _shell_sums(of: Survey, low: int, sizes: NDArray[np.float32]) -> NDArray[np.float64]:
    """Sum of thickness and voxels in each of `shells_um`, of some planes of the VOI's box."""
    _, rows, columns = box_around(of.bits.voi, 0, of.scan.shape)
    box = three((slice(low, low + len(sizes)), rows, columns))
    near = (box[0], *of.near[1:])  # distances need the implant across z
    masks = shell_masks(of.ground.regions(near, of.settings, of.threads), of.settings)
    inner = within(box, near)
    found = [
        sizes[m] for m in (m[inner] & (sizes > 0) for m in masks[-len(of.settings.shells_um) :])
    ]
    return np.array([[v.sum(dtype=np.float64) for v in found], [v.size for v in found]], float)


def thickness_rows(
    outcome: str, found: Thickness | None, missing: str, settings: Microct
) -> list[Row]:
    """Tb.Th or Tb.Sp: mean and standard deviation over voxels, as ImageJ's plugin gives them, and by shell."""
    method = "exact closed-ball local thickness"
    if found is None:
        reason = missing or "the phase has no border in the scan"
        row: Row = {"qc": "fail", "qc_reason": reason, "unit": "mm", "method": method}
        return [{"outcome": name, **row} for name in (outcome, f"{outcome}_sd")]
    # a share, told with the value: it says how far the VOI's surroundings limit the spheres
    clipped = f"{100 * found.clipped_share:.3g} % of voxels have a sphere that meets the scan's border or metal"
    qc = "warn" if found.clipped_share > settings.clipped_warn_share else "pass"
    row = {"unit": "mm", "qc": qc, "qc_reason": clipped, "method": method}
    rows: list[Row] = [
        {**row, "outcome": outcome, "value": found.mean},
        {**row, "outcome": f"{outcome}_sd", "value": found.sd},
    ]
    other: Row = {
        **row,
        "variant": "method=bonej",
        "method": f"{method}, cleaned up as ImageJ's plugin does",
    }
    names = (outcome, f"{outcome}_sd")
    if found.bonej_missing:
        other |= {"qc": "fail", "qc_reason": found.bonej_missing}
        rows += [{**other, "outcome": name} for name in names]
    elif found.bonej is not None:
        rows += [
            {**other, "outcome": name, "value": value}
            for name, value in zip(names, found.bonej, strict=True)
        ]
    for (low, high), mean in zip(settings.shells_um, found.by_shell, strict=False):
        if mean == mean:
            variant = f"shell={low:g}-{high:g}um"
            rows.append({**row, "outcome": outcome, "variant": variant, "value": mean})
    return rows
