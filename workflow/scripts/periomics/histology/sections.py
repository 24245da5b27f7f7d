"""Opening a section: pixels at the declared size, regions as masks, the row of its stain batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from periomics.histology.settings import StainSettings
from periomics.imaging import readers, rois
from periomics.study.errors import InputError

# A line stands for a region of this half-width where a batch pools pixels around it.
LINE_REGION_UM = 8.0


@dataclass(frozen=True)
class Opened:
    """A section in memory.

    rgb : uint8 (height, width, 3) at `pixel_um`; `scale` : finest-level pixels per pixel; `region` : bool, the stain's
    region without the implant and its margin; `implant` : bool; `annotations` in finest-level pixels.
    """

    rgb: np.ndarray
    pixel_um: float
    scale: float
    annotations: list[rois.Annotation]
    region: np.ndarray
    implant: np.ndarray


def open_section(fact: Mapping[str, object], settings: StainSettings) -> Opened:
    """Read a section's image and annotations.

    Parameters
    ----------
    fact
        Row of the sections sheet: path, rois, and pixel_um where stated.

    Raises
    ------
    InputError, SpecimenError
        If the image, its pixel size or a region is missing or broken.
    """
    if not fact.get("rois"):
        raise InputError("the section has no annotation file", file=fact.get("path", ""), column="rois")
    sheet_um = float(str(fact["pixel_um"]).replace(",", ".")) if fact.get("pixel_um") not in (None, "") else None
    annotations = rois.read_geojson(str(fact["rois"]))
    rgb, pixel_um = readers.read_rgb(str(fact["path"]), settings.pixel_um, sheet_um)
    scale = pixel_um / readers.pixel_size(readers.probe(str(fact["path"])), sheet_um)
    return with_masks(rgb, pixel_um, scale, annotations, settings, where=str(fact["rois"]))


def with_masks(
    rgb: np.ndarray,
    pixel_um: float,
    scale: float,
    annotations: list[rois.Annotation],
    settings: StainSettings,
    where: object = "",
) -> Opened:
    """Make masks of the annotations: the region of the stain and the implant; see `Opened`.

    Raises
    ------
    InputError
        If the stain's region is not annotated or lies outside the image.
    """
    shape = rgb.shape[:2]
    implants = rois.named(annotations, "implant")
    if settings.detector == "laminin":
        lines = rois.need(annotations, settings.roi, "LineString", where)
        shapes = [line.buffer(LINE_REGION_UM / pixel_um * scale) for line in lines]
        margin = 0.0  # the line lies on the implant
    else:
        shapes = rois.need(annotations, settings.roi, "Polygon", where)
        margin = settings.implant_margin_um
    grown = [g.buffer(margin / pixel_um * scale) if margin else g for g in implants]
    region = rois.polygon_mask(shapes, shape, scale)
    if not region.any():
        raise InputError(f"annotation {settings.roi!r} lies outside the image", file=where)
    region &= ~rois.polygon_mask(grown, shape, scale)
    return Opened(rgb, pixel_um, scale, annotations, region, rois.polygon_mask(implants, shape, scale))


def lines(opened: Opened, name: str) -> list[Any]:
    """LineStrings of a class, in pixels of the opened image."""
    found = rois.need(opened.annotations, name, "LineString")
    return [np.asarray(line.coords)[:, :2] / opened.scale for line in found]
