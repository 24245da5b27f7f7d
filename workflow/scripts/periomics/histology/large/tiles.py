"""One walk over the tiles of a large section: masks of every tile by the batch's thresholds, and
what its quality is told from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from periomics.core.quality import Fact
from periomics.histology.batch import BatchRow
from periomics.histology.detection import Prepared, glass_fact, pale, prepare, smoothed
from periomics.histology.large.quality import Seen
from periomics.histology.large.section import Large
from periomics.histology.settings import StainSettings
from periomics.imaging.boxes import Box
from periomics.imaging.parts import parts_of
from periomics.imaging.planes import Grid, Plane

# Pixels around a tile that smoothing reaches into.
SMOOTHED_UM = 4.0


@dataclass(frozen=True)
class Walked:
    """A section after the walk: planes by name, and what was seen of its quality."""

    large: Large
    settings: StainSettings
    batch: BatchRow
    grid: Grid
    planes: dict[str, Plane]
    seen: Seen

    def __getitem__(self, name: str) -> Plane:
        return self.planes[name]

    def um2(self, pixels: float) -> float:
        return float(pixels * self.large.pixel_um**2)

    def amounts(self, box: Box) -> dict[str, np.ndarray]:
        """Smoothed amounts of the stain looked for and of the other in a window."""
        found = smoothed(self.large.view(box), self.settings, self.batch)
        return {"target": found[self.settings.target], "other": found[1 - self.settings.target]}

    @property
    def reach(self) -> int:
        """Pixels that amounts reach beyond a tile."""
        return int(np.ceil(SMOOTHED_UM / self.large.pixel_um))


def walk(
    large: Large,
    settings: StainSettings,
    batch: BatchRow,
    masks: Callable[[Prepared], Mapping[str, np.ndarray]],
    *,
    tile: int,
    pad: int,
    around_um: float = 0.0,
) -> Walked:
    """Read every tile once; `masks` names the masks of a window that are kept, beside its region
    and what is pale there; `around_um` is how far they reach beyond a tile."""
    grid, seen = large.grid(tile, pad), Seen(large, settings, batch, tile)
    planes: dict[str, Plane] = {}
    halo = large.halo(around_um)
    for *_, core in grid.cores():
        own = core.common(grid.part)
        if not own.area:
            continue
        window = own.grown(halo, grid.part)
        view = large.view(window)
        prepared = prepare(view, settings, batch)
        found = {"region": view.region, "pale": pale(prepared), **masks(prepared)}
        for name, mask in found.items():
            whole = np.zeros(core.shape, bool)
            whole[own.inside(core)] = mask[own.inside(window)]
            planes.setdefault(name, Plane(grid)).put(core, whole)
        seen.add(view, window, own)
    return Walked(large, settings, batch, grid, planes, seen)


def tissue(walked: Walked, smallest_um2: float) -> Plane:
    """The region without glass; see `detection.tissue_mask`."""
    glass = parts_of(walked["pale"], 4)
    large = walked.um2(1) * glass.area >= smallest_um2
    out = Plane(walked.grid)
    large[0] = False
    for i, j, core in walked.grid.cores():
        out.put(core, walked["region"].core(i, j) & ~large[glass.core(i, j)])
    return out


def bright(walked: Walked, tissue_um2: float, settings: StainSettings) -> Fact:
    """How much of the region counts as glass; see `detection.glass_fact`."""
    return glass_fact(walked.um2(walked["region"].total()), tissue_um2, settings)
