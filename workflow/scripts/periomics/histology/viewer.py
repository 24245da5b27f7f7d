"""A section at its full size in a page of its own: moved and magnified, regions and detections shown or hidden, nothing loaded."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from periomics.histology.pictures import PROPOSED, REGION, thinned
from periomics.histology.sections import Opened
from periomics.imaging.rois import Annotation

TEMPLATE = Path(__file__).parent / "templates" / "viewer.html"
TILE = 512
QUALITY = 82
# A larger section is shown smaller, so that its page opens at once and can be mailed: about 7 MB.
MOST_PIXELS = 16_000_000
# Half the arms of the cross that stands for a detection without an outline, in pixels of the page.
CROSS = 4.0


def viewer(
    name: str,
    opened: Opened,
    features: Sequence[Mapping],
    quality: pd.DataFrame,
    notes: Sequence[str] = (),
    times: int = 1,
    most_pixels: int = MOST_PIXELS,
) -> str:
    """The page of a section, as text.

    Parameters
    ----------
    name
        What the section is called; nothing that tells the arm.
    opened
        The section as it was measured.
    features
        Detections as GeoJSON, in finest-level pixels.
    quality
        fact, value, unit, limit, beyond: what was found of the section's quality.
    notes
        Lines that stand above the facts: values, reasons.
    times
        How many times larger the pixels of `opened` are than those that were measured.
    most_pixels
        Pixels of the page at most.
    """
    height, width = opened.rgb.shape[:2]
    shrink = max(1, int(np.ceil(np.sqrt(height * width / most_pixels))))
    image = Image.fromarray(opened.rgb)
    if shrink > 1:
        image = image.reduce(shrink)
    if shrink * times > 1:
        notes = [*notes, f"Shown at 1/{shrink * times} of the size at which it was measured."]
    drawn, every = thinned(features)
    if every > 1:
        told = f"Outlined: 1 in {every} of {len(features)} detections; all are in the GeoJSON file."
        notes = [*notes, told]
    place = _Place(opened.offset, opened.scale * shrink)
    data = {
        "name": name,
        "width": image.width,
        "height": image.height,
        "pixel_um": opened.pixel_um * shrink,
        "tiles": list(_tiles(image)),
        "layers": [*_regions(opened, place), *_detections(drawn, place)],
        "notes": list(notes),
        "facts": [_fact(row) for row in quality.to_dict("records")],
    }
    # No text of a sheet or a region file can end the element that holds it.
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return TEMPLATE.read_text(encoding="utf-8").replace("@data@", text, 1)


def _tiles(image: Image.Image) -> Iterator[dict[str, object]]:
    for y in range(0, image.height, TILE):
        for x in range(0, image.width, TILE):
            box = (x, y, min(x + TILE, image.width), min(y + TILE, image.height))
            packed = io.BytesIO()
            # No subsampled colours: thin stain stays where it is.
            image.crop(box).save(packed, "JPEG", quality=QUALITY, subsampling=0)
            yield {
                "x": x,
                "y": y,
                "width": box[2] - x,
                "height": box[3] - y,
                "jpeg": base64.b64encode(packed.getvalue()).decode(),
            }


class _Place:
    """Finest-level pixels to pixels of the page."""

    def __init__(self, offset: tuple[float, float], scale: float) -> None:
        self.offset, self.scale = np.asarray(offset), scale

    def __call__(self, points: Any) -> list[float]:
        moved = (np.asarray(points, dtype=float)[:, :2] - self.offset) / self.scale
        return [round(float(v), 1) for v in moved.ravel()]


def _regions(opened: Opened, place: _Place) -> list[dict[str, object]]:
    """One layer of what was drawn, and one of what is proposed where there is any."""
    drawn = [a for a in opened.annotations if not a.proposed]
    proposed = [a for a in opened.annotations if a.proposed]
    told = [("regions", REGION, drawn), ("proposed regions", PROPOSED, proposed)]
    return [_layer(*layer, place) for layer in told if layer[2] or layer[0] == "regions"]


def _layer(
    name: str, colour: Sequence[int], annotations: Sequence[Annotation], place: _Place
) -> dict[str, object]:
    shapes = []
    for annotation in annotations:
        for part in getattr(annotation.geometry, "geoms", [annotation.geometry]):
            if part.geom_type == "Polygon":
                rings = [place(r.coords) for r in (part.exterior, *part.interiors)]
                shapes.append({"closed": True, "rings": rings, "text": annotation.name})
            elif part.geom_type == "LineString":
                rings = [place(part.coords)]
                shapes.append({"closed": False, "rings": rings, "text": annotation.name})
    return {"name": name, "colour": _css(colour), "width": 1.5, "shapes": shapes}


def _detections(features: Sequence[Mapping], place: _Place) -> list[dict[str, object]]:
    """One layer per class of detections, by name."""
    found: dict[str, dict[str, Any]] = {}
    for feature in features:
        of = feature["properties"]["classification"]
        layer = {"name": of["name"], "colour": _css(of["color"]), "width": 2, "shapes": []}
        found.setdefault(of["name"], layer)["shapes"].append(_shape(feature, place))
    return [found[name] for name in sorted(found)]


def _shape(feature: Mapping, place: _Place) -> dict[str, object]:
    kind, points = feature["geometry"]["type"], feature["geometry"]["coordinates"]
    told = [f"{m['name']}: {m['value']:.4g}" for m in feature["properties"]["measurements"]]
    if kind == "Point":
        x, y = place([points])
        rings = [[x - CROSS, y, x + CROSS, y], [x, y - CROSS, x, y + CROSS]]
    else:
        rings = [place(r) for r in points] if kind == "Polygon" else [place(points)]
    return {"closed": kind == "Polygon", "rings": rings, "text": "\n".join(told)}


def _fact(row: Mapping[str, Any]) -> tuple[str, str, str, bool]:
    unit = str(row["unit"])
    value, limit = (f"{row[k]:.4g} {unit}".rstrip() for k in ("value", "limit"))
    return str(row["fact"]), value, f"limit {limit}", bool(row["beyond"])


def _css(colour: Sequence[int]) -> str:
    red, green, blue = (int(c) for c in colour)
    return f"rgb({red},{green},{blue})"
