"""Opening a section: pixels at the declared size, regions as masks, the row of its stain batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from shapely import box, contains_xy, unary_union

from periomics.core.errors import InputError
from periomics.histology.settings import StainSettings
from periomics.imaging import readers, rois
from periomics.imaging.stains import encode, format_vectors

# A line stands for a region of this half-width where a batch pools pixels around it.
LINE_REGION_UM = 8.0
# A larger image is read only around the stain's region: memory follows the region, not the slide.
LARGE_PIXELS = 64_000_000
# One with more pixels is measured by tiles, where all that is asked of it can be.
TILED_PIXELS = 16_000_000
AROUND_UM = 60.0
# Pixels that are read into memory at most, and the bytes that measuring takes of each.
MOST_PIXELS, PIXEL_BYTES = 256_000_000, 64
NO_REGIONS = "the section has no annotation file"
# A region of this name is the whole picture; annotations whose class begins so are left out of every region.
WHOLE, IGNORED = "whole_picture", "ignore"


@dataclass(frozen=True)
class Opened:
    """A section in memory.

    rgb : uint8 (height, width, 3) at `pixel_um`; `scale` : finest-level pixels per pixel; `region` : bool, the stain's region
    without the implant, its margin and what is to be ignored; `implant` : bool; `annotations` in finest-level pixels; `offset` :
    finest-level x, y of its corner; `frame` : whether its right and lower edges are the image's
    own; `metal` : of a window of a larger section, whether that has an implant.
    """

    rgb: np.ndarray
    pixel_um: float
    scale: float
    annotations: list[rois.Annotation]
    region: np.ndarray
    implant: np.ndarray
    offset: tuple[float, float] = (0.0, 0.0)
    frame: tuple[bool, bool] = (True, True)
    metal: bool | None = None

    @property
    def in_part(self) -> bool:
        return self.offset != (0.0, 0.0) or self.frame != (True, True)


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
    info, source_um, annotations = described(fact, settings)
    sheet_um, overrule = sheet_pixel(fact), overrules(fact)
    part = part_in_memory(info, source_um, annotations, settings, str(fact.get("rois", "")))
    if settings.shines:
        planes, pixel_um, full = readers.read_planes(
            info.path,
            settings.channels,
            settings.bits,
            pixel_um_target=settings.pixel_um,
            sheet_pixel_um=sheet_um,
            region=part,
            overrule=overrule,
        )
        rgb = encode(planes, full)
    else:
        rgb, pixel_um = readers.read_rgb(info.path, settings.pixel_um, sheet_um, part, overrule)
    x, y, width, height = part or (0, 0, info.width, info.height)
    return with_masks(
        rgb,
        pixel_um,
        pixel_um / source_um,
        annotations=annotations,
        settings=settings,
        where=str(fact.get("rois", "")),
        offset=(float(x), float(y)),
        frame=(x + width == info.width, y + height == info.height),
    )


def part_in_memory(
    info: readers.ImageInfo,
    source_um: float,
    annotations: list[rois.Annotation],
    settings: StainSettings,
    where: str,
) -> tuple[int, int, int, int] | None:
    """Finest-level x, y, width, height of the part of a large image that is read, None for all of
    it.

    Raises
    ------
    InputError
        If it would not fit into memory.
    """
    shrink = (source_um / max(settings.pixel_um, source_um)) ** 2
    if info.width * info.height * shrink <= LARGE_PIXELS:
        return None
    part = _part(info, annotations, settings, source_um, where)
    if (pixels := part[2] * part[3] * shrink) > MOST_PIXELS:
        memory, most = (n * PIXEL_BYTES / 1e9 for n in (pixels, MOST_PIXELS))
        raise InputError(
            f"what detector {settings.detector} reads of it, {pixels / 1e6:.0f} megapixels, would take some {memory:.0f} GB of memory:"
            f" what stain {settings.stain} asks for is not measured by tiles",
            file=info.path,
            allowed=f"up to {MOST_PIXELS / 1e6:.0f} megapixels ({most:.0f} GB): smaller regions, or a coarser pixel_um",
        )
    return part


def described(
    fact: Mapping[str, object], settings: StainSettings
) -> tuple[readers.ImageInfo, float, list[rois.Annotation]]:
    """What a section's header says, its pixel size in µm, and its annotations.

    Raises
    ------
    InputError, SpecimenError
        If the image, its pixel size or the annotation file is missing or broken.
    """
    proposing = settings.regions == "proposed" and not fact.get("rois")
    if not fact.get("rois") and settings.roi != WHOLE and not proposing:
        raise InputError(NO_REGIONS, file=fact.get("path", ""), column="rois")
    annotations = rois.read_geojson(str(fact["rois"])) if fact.get("rois") else []
    info = readers.probe(str(fact["path"]))
    source_um = readers.pixel_size(info, sheet_pixel(fact), overrules(fact))
    if proposing:
        annotations = _proposed(fact, settings)
    if settings.roi == WHOLE:
        annotations = [*annotations, rois.Annotation(WHOLE, box(0, 0, info.width, info.height))]
    return info, source_um, annotations


def _proposed(fact: Mapping[str, object], settings: StainSettings) -> list[rois.Annotation]:
    """Regions that are proposed of a section without an annotation file."""
    # Proposals know pens, and those what sections are.
    from periomics.histology.proposals import need_proposed, proposed_of

    pair = settings.pair.stains, format_vectors(settings.pair.vectors)
    found = proposed_of(str(fact["path"]), sheet_pixel(fact), overrules(fact), *pair)
    if settings.roi != WHOLE:
        need_proposed(found, settings.roi, fact["path"])
    return list(found)


def overrules(fact: Mapping[str, object]) -> bool:
    """Whether the sheet says why its pixel size stands against the file's."""
    return bool(fact.get("pixel_reason"))


def region_kind(detector: str) -> str:
    """Kind of annotation that a detector is measured in: laminin along a line, everything else in an area."""
    return "LineString" if detector == "laminin" else "Polygon"


def section_name(fact: Mapping[str, object]) -> str:
    """File name of a section or of one of its fields."""
    return "_".join(
        str(fact[k]) for k in ("section_id", "field_id") if fact.get(k) not in (None, "")
    )


def sheet_pixel(fact: Mapping[str, object]) -> float | None:
    """The sheet's pixel size of a section in µm, None where it states none."""
    return (
        float(str(fact["pixel_um"]).replace(",", "."))
        if fact.get("pixel_um") not in (None, "")
        else None
    )


def _part(
    info, annotations, settings: StainSettings, source_um: float, where: str
) -> tuple[int, int, int, int]:
    """Finest-level x, y, width, height around the stain's regions, starting on the grid of the wanted pixel size."""
    kind = region_kind(settings.detector)
    found = [g.bounds for g in rois.need(annotations, settings.roi, kind, where)]
    around, step = AROUND_UM / source_um, max(1, round(settings.pixel_um / source_um))
    left, top = (max(0, int(min(b[i] for b in found) - around) // step * step) for i in (0, 1))
    right = min(info.width, int(max(b[2] for b in found) + around))
    bottom = min(info.height, int(max(b[3] for b in found) + around))
    if right <= left or bottom <= top:
        raise InputError(f"annotation {settings.roi!r} lies outside the image", file=where)
    return left, top, right - left, bottom - top


def with_masks(
    rgb: np.ndarray,
    pixel_um: float,
    scale: float,
    annotations: list[rois.Annotation],
    settings: StainSettings,
    where: object = "",
    offset: tuple[float, float] = (0.0, 0.0),
    frame: tuple[bool, bool] = (True, True),
) -> Opened:
    """Make masks of the annotations: the region of the stain and the implant; see `Opened`.

    Raises
    ------
    InputError
        If the stain's region is not annotated or lies outside the image.
    """
    shape = rgb.shape[:2]
    shapes, left_out = areas(annotations, settings, scale / pixel_um, where)
    region = rois.polygon_mask(shapes, shape, scale, offset)
    if not region.any():
        raise InputError(f"annotation {settings.roi!r} lies outside the image", file=where)
    region &= ~rois.polygon_mask(left_out, shape, scale, offset)
    implants = rois.named(annotations, "implant")
    implant = rois.polygon_mask(implants, shape, scale, offset)
    return Opened(
        rgb=rgb,
        pixel_um=pixel_um,
        scale=scale,
        annotations=annotations,
        region=region,
        implant=implant,
        offset=offset,
        frame=frame,
    )


def areas(
    annotations: list[rois.Annotation], settings: StainSettings, per_um: float, where: object = ""
) -> tuple[list[Any], list[Any]]:
    """Polygons of the stain's region, and of what is left out of it: the implant with its margin
    and what is to be ignored.

    Parameters
    ----------
    per_um
        Finest-level pixels per µm.

    Raises
    ------
    InputError
        If the region is not annotated.
    """
    implants = rois.named(annotations, "implant")
    kind = region_kind(settings.detector)
    shapes, margin = rois.need(annotations, settings.roi, kind, where), settings.implant_margin_um
    if kind == "LineString":
        shapes = [line.buffer(LINE_REGION_UM * per_um) for line in shapes]
        margin = 0.0  # the line lies on the implant
    grown = [g.buffer(margin * per_um) if margin else g for g in implants]
    return shapes, [*grown, *ignored(annotations)]


def ignored(annotations: list[rois.Annotation]) -> list[Any]:
    """Geometries of the annotations that say what to leave out: QuPath's class Ignore*, and others that begin so."""
    return [a.geometry for a in annotations if a.name.lower().startswith(IGNORED)]


def lines(opened: Opened, name: str) -> list[Any]:
    """Lines of a class as they were drawn, x, y (n, 2) in pixels of the opened image."""
    found = rois.need(opened.annotations, name, "LineString")
    return [(np.asarray(line.coords)[:, :2] - opened.offset) / opened.scale for line in found]


def in_view(opened: Opened, points: np.ndarray) -> np.ndarray:
    """Which points (n, 2), in pixels of the opened image, lie in the picture and not in what is to
    be ignored."""
    high, wide = opened.rgb.shape[:2]
    inside = ((points >= 0) & (points <= (wide, high))).all(axis=1)
    if left_out := ignored(opened.annotations):
        x, y = (points * opened.scale + opened.offset).T
        inside &= ~contains_xy(unary_union(left_out), x, y)
    return np.asarray(inside)
