"""A large section: windows of its pixels with their masks, as if each were a section of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import lcm

import numpy as np

from periomics.core.errors import InputError
from periomics.histology.artefacts import FOLD_UM, PEN_UM
from periomics.histology.quality import BLACK_UM, COLOUR_UM
from periomics.histology.sections import (
    AROUND_UM,
    LARGE_PIXELS,
    TILED_PIXELS,
    Opened,
    areas,
    described,
    region_kind,
)
from periomics.histology.settings import StainSettings
from periomics.imaging import rois
from periomics.imaging.boxes import Box
from periomics.imaging.planes import Grid
from periomics.imaging.windows import Windows, windows

# Side of a tile in pixels, rounded so that the squares of all facts of quality fit into it, and
# what is read around it (µm).
TILE, HALO_UM = 2048, 32.0
# Windows along a side of a section, and pixels along a side of a window, that speak for all of it.
PLACES, PLACE = 4, 1024
# Results that detectors measure by tiles.
BY_TILES = {
    "area": {"share"},
    "vessels": {"density", "area", "diameter"},
    "neutrophils": {"density", "area"},
    "lacunae": {"share", "density", "necrosis", "excess"},
    "nuclei": {"positive", "density", "all", "h_score", "allred"},
}


@dataclass(frozen=True)
class Large:
    """A section on disk.

    Attributes
    ----------
    windows, part
        The picture at the pixel size of measuring, and the part of it around the region.
    region, left_out, implant
        Edges of polygons, in its pixels.
    region_um2
        Of the region's polygons, less what is left out.
    """

    windows: Windows
    part: Box
    annotations: list[rois.Annotation]
    region: list[np.ndarray]
    left_out: list[np.ndarray]
    implant: list[np.ndarray]
    region_um2: float

    @property
    def pixel_um(self) -> float:
        return self.windows.pixel_um

    @property
    def scale(self) -> float:
        return self.windows.scale

    @property
    def frame(self) -> tuple[bool, bool]:
        """Whether the right and lower edges of the part are the picture's own."""
        return self.part.right == self.windows.width, self.part.bottom == self.windows.height

    @property
    def step(self) -> int:
        """What the sides of tiles are a multiple of."""
        return step_of(self.pixel_um)

    def grid(self, tile: int = TILE, pad: int = 0) -> Grid:
        """Tiles of about that side."""
        step = self.step
        return Grid(self.part, max(step, tile // step * step), -(-pad // step) * step)

    def halo(self, around_um: float = 0.0) -> int:
        """Pixels read around a tile."""
        pixels = int(np.ceil(max(HALO_UM, around_um) / self.pixel_um))
        return -(-pixels // self.step) * self.step

    def places(self) -> list[Box]:
        """Windows on a lattice from which what holds for the whole section is told; of a smaller
        section all of it."""
        if self.part.area <= TILED_PIXELS:
            return [self.part]
        rows, columns = (
            np.linspace(low, max(low, high - PLACE), PLACES).astype(int).tolist()
            for low, high in zip(self.part[:2], self.part[2:], strict=True)
        )
        boxes = [Box(y, x, y + PLACE, x + PLACE) for y in rows for x in columns]
        return [b.common(self.part) for b in boxes]

    def view(self, box: Box, colours: bool = True) -> Opened:
        """A window as a section; without its pixels, only its masks."""
        shape = (*box.shape, 3)
        left_out, metal = (rois.box_mask(e, box) for e in (self.left_out, self.implant))
        return Opened(
            rgb=self.windows.read(box) if colours else np.broadcast_to(np.uint8(0), shape),
            pixel_um=self.pixel_um,
            scale=self.scale,
            annotations=self.annotations,
            region=rois.box_mask(self.region, box) & ~left_out,
            implant=metal,
            offset=(box.left * self.scale, box.top * self.scale),
            frame=self.frame,
            metal=bool(self.implant),
        )

    def overview(self, most_pixels: int) -> tuple[Opened, int]:
        """The part in larger pixels, without masks, and how many times larger they are."""
        times = max(1, int(np.ceil(np.sqrt(self.part.area / most_pixels))))
        rgb = self.windows.overview(self.part, times)
        larger = float(np.sqrt(self.part.area / (rgb.shape[0] * rgb.shape[1])))
        none = np.zeros(rgb.shape[:2], bool)
        return Opened(
            rgb=rgb,
            pixel_um=self.pixel_um * larger,
            scale=self.scale * larger,
            annotations=self.annotations,
            region=none,
            implant=none,
            offset=(self.part.left * self.scale, self.part.top * self.scale),
            frame=self.frame,
        ), times


def step_of(pixel_um: float) -> int:
    """Pixels by which the sides of the squares of all facts of quality can be divided."""
    colour, black, pen = (max(1, round(um / pixel_um)) for um in (COLOUR_UM, BLACK_UM, PEN_UM))
    fold = colour * max(1, round(FOLD_UM / (colour * pixel_um)))
    return lcm(colour, black, pen, fold)


def by_tiles(settings: StainSettings) -> bool:
    """Whether all that the config asks of a stain is measured by tiles."""
    asked = {k for k, v in settings.outcomes.items() if v not in ("", "none", None)}
    known = BY_TILES.get(settings.detector)
    told = bool(known and asked <= known and not settings.shines)
    return told and settings.model is None and not settings.options.get("profile_um")


def least_pixels(fact: Mapping[str, object]) -> int:
    """From how many pixels on a section is measured by tiles: edited detections are read back in
    memory only."""
    return LARGE_PIXELS if fact.get("mask") else TILED_PIXELS


def open_large(
    fact: Mapping[str, object], settings: StainSettings, least: int | None = None
) -> Large | None:
    """A section whose region is larger than so many pixels (`least_pixels`) and which is measured
    by tiles; None for others.

    Raises
    ------
    InputError, SpecimenError
        See `sections.open_section`.
    """
    least = least_pixels(fact) if least is None else least
    if not by_tiles(settings):
        return None
    info, source_um, annotations = described(fact, settings)
    if info.width * info.height * (source_um / max(settings.pixel_um, source_um)) ** 2 <= least:
        return None
    found = windows(info, source_um, settings.pixel_um)
    if found is None:
        return None
    where = str(fact.get("rois", ""))
    part = _part(found, annotations, settings, where)
    if part.area <= least:
        return None
    return _large(found, part, annotations, settings, where)


def _large(
    found: Windows,
    part: Box,
    annotations: list[rois.Annotation],
    settings: StainSettings,
    where: str,
) -> Large:
    from shapely import unary_union

    shapes, left_out = areas(annotations, settings, found.scale / found.pixel_um, where)
    area = unary_union(shapes).difference(unary_union(left_out)).area
    implants = rois.named(annotations, "implant")
    um2 = area * (found.pixel_um / found.scale) ** 2
    return Large(
        windows=found,
        part=part,
        annotations=annotations,
        region=rois.edges_of(shapes, found.scale),
        left_out=rois.edges_of(left_out, found.scale),
        implant=rois.edges_of(implants, found.scale),
        region_um2=um2,
    )


def _part(
    found: Windows, annotations: list[rois.Annotation], settings: StainSettings, where: str
) -> Box:
    """What lies around the stain's regions, from a place that the squares of quality divide."""
    kind = region_kind(settings.detector)
    bounds = [g.bounds for g in rois.need(annotations, settings.roi, kind, where)]
    around, step = AROUND_UM / found.pixel_um, step_of(found.pixel_um)
    low = [min(b[k] for b in bounds) / found.scale - around for k in (0, 1)]
    high = [max(b[k] for b in bounds) / found.scale + around for k in (2, 3)]
    left, top = (max(0, int(v) // step * step) for v in low)
    part = Box(top, left, min(found.height, int(high[1])), min(found.width, int(high[0])))
    if part.bottom <= part.top or part.right <= part.left:
        raise InputError(f"annotation {settings.roi!r} lies outside the image", file=where)
    return part
