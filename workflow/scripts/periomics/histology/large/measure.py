"""Which detector measures a large section, and what its quality is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from periomics.core.quality import Fact
from periomics.histology import channels
from periomics.histology.batch import BatchRow
from periomics.histology.detection import Readout, prepare
from periomics.histology.large import cells, lacunae, stained
from periomics.histology.large.section import TILE, Large
from periomics.histology.large.tiles import Walked
from periomics.histology.settings import StainSettings

DETECTORS: dict[str, Callable[..., tuple[Readout, Walked]]] = {
    "area": stained.measure_area,
    "vessels": stained.measure_vessels,
    "neutrophils": cells.measure_neutrophils,
    "nuclei": cells.measure_nuclei,
    "lacunae": lacunae.measure_lacunae,
}


def measure_large(
    large: Large, settings: StainSettings, batch: BatchRow, options: Any, tile: int = TILE
) -> tuple[Readout, list[Fact]]:
    """What the detector finds, with the rows of all thresholds, and facts of the section's quality;
    no tile's size changes them."""
    readout, walked = DETECTORS[settings.detector](large, settings, batch, options, tile)
    return readout, walked.seen.facts() + _nucleus_size(large, settings, batch)


def _nucleus_size(large: Large, settings: StainSettings, batch: BatchRow) -> list[Fact]:
    """Whether nuclei are of the usual size, from some places of the section."""
    if not channels.has_sized_nuclei(settings):
        return []
    seen = []
    for box in large.places():
        window = box.grown(large.halo(), large.part)
        prepared, own = prepare(large.view(window), settings, batch), box.inside(window)
        free = prepared.opened.region & ~prepared.opened.implant
        seen.append((prepared.other[own].copy(), free[own]))
    return channels.nucleus_size(seen, settings, batch.second, large.pixel_um)
