"""Pictures a person can judge a section by: regions and detections outlined, a scale bar, one sheet an animal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from periomics.histology.sections import Opened
from periomics.imaging.rois import COLOURS
from periomics.study.interface.pictures import UM_PER_PIXEL

if TYPE_CHECKING:
    from pathlib import Path

REGION, PROPOSED = (0, 158, 115), (230, 120, 0)
TILE = 380
# More detections than a picture or page can show.
MOST_OUTLINES = 20_000


def overlay(opened: Opened, features: Sequence[Mapping], largest: int = 900) -> Image.Image:
    """The section with its regions and detections outlined and a scale bar, at most `largest` pixels wide or high."""
    height, width = opened.rgb.shape[:2]
    shrink = min(1.0, largest / max(height, width))
    size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
    image = Image.fromarray(opened.rgb)
    if shrink < 1:
        image = image.resize(size, Image.Resampling.BOX)
    draw = ImageDraw.Draw(image)
    factor = shrink / opened.scale
    left, top = opened.offset
    for annotation in opened.annotations:
        for part in getattr(annotation.geometry, "geoms", [annotation.geometry]):
            line = part.exterior if part.geom_type == "Polygon" else part
            if line.geom_type in ("LinearRing", "LineString"):
                draw.line(
                    [((x - left) * factor, (y - top) * factor) for x, y, *_ in line.coords],
                    fill=PROPOSED if annotation.proposed else REGION,
                    width=2 if annotation.proposed else 1,
                )
    for feature in thinned(features)[0]:
        _outline(draw, feature, factor, opened.offset)
    _scale_bar(draw, size, opened.pixel_um / shrink)
    image.info[UM_PER_PIXEL] = f"{opened.pixel_um / shrink:.6g}"
    return image


def thinned(features: Sequence[Mapping], most: int = MOST_OUTLINES) -> tuple[list[Mapping], int]:
    """Every n-th of the detections, so that there are at most so many, and n."""
    every = max(1, -(-len(features) // most))
    return (
        list(features) if every == 1 else [features[k] for k in range(0, len(features), every)]
    ), every


def _outline(
    draw: ImageDraw.ImageDraw, feature: Mapping, factor: float, offset: tuple[float, float]
) -> None:
    geometry = feature["geometry"]
    points = (
        geometry["coordinates"][0] if geometry["type"] == "Polygon" else geometry["coordinates"]
    )
    if geometry["type"] == "Point":
        return
    colour = COLOURS.get(feature["properties"]["classification"]["name"], (240, 200, 0))
    draw.line(
        [((x - offset[0]) * factor, (y - offset[1]) * factor) for x, y in points],
        fill=tuple(colour),
        width=2,
    )


def _scale_bar(draw: ImageDraw.ImageDraw, size: tuple[int, int], pixel_um: float) -> None:
    length = max(
        v for v in (10, 20, 50, 100, 200, 500, 1000, 5) if v <= max(5, size[0] * pixel_um / 4)
    )
    x, y, long = 10, size[1] - 14, length / pixel_um
    draw.rectangle((x - 4, y - 16, x + max(long, 50) + 4, y + 8), fill=(255, 255, 255))
    draw.rectangle((x, y, x + long, y + 3), fill=(0, 0, 0))
    draw.text((x, y - 14), f"{length} um", fill=(0, 0, 0))


def contact_sheet(tiles: Sequence[tuple[str, Image.Image | None]], columns: int = 4) -> Image.Image:
    """One picture of labelled tiles; a section without a picture is a grey tile with its label (which says why)."""
    count = max(1, len(tiles))
    columns = min(columns, count)
    sheet = Image.new("RGB", (columns * TILE, -(-count // columns) * (TILE + 18)), (255, 255, 255))
    draw = ImageDraw.Draw(sheet)
    for k, (label, image) in enumerate(tiles):
        x, y = (k % columns) * TILE, (k // columns) * (TILE + 18)
        if image is None:
            draw.rectangle((x + 2, y + 18, x + TILE - 2, y + TILE + 14), fill=(225, 225, 225))
            text = "\n".join(label[i : i + 55] for i in range(0, len(label), 55))
            draw.multiline_text((x + 8, y + 40), text, fill=(120, 0, 0))
            continue
        small = image.copy()
        small.thumbnail((TILE - 6, TILE - 6), Image.Resampling.BOX)
        sheet.paste(small, (x + 3, y + 16))
        draw.text((x + 4, y + 2), label[:60], fill=(0, 0, 0))
    return sheet


def save(image: Image.Image, path: str | Path) -> None:
    """Write a PNG, whole or not at all, with colours reduced to what fits into a report."""
    from PIL.PngImagePlugin import PngInfo

    from periomics.core.files import atomic

    told = PngInfo()
    if scale := image.info.get(UM_PER_PIXEL):
        told.add_text(UM_PER_PIXEL, scale)
    with atomic(path) as part:
        image.save(part, format="PNG", compress_level=3, pnginfo=told)


def blank(text: str) -> Image.Image:
    """A picture that says why there is none."""
    return contact_sheet([(text, None)], 1)


def as_array(image: Image.Image) -> np.ndarray:
    """Pixels (height, width, 3) of a picture."""
    return np.asarray(image.convert("RGB"))
