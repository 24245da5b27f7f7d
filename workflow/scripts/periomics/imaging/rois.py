"""QuPath's GeoJSON: annotations by class name in, detections with measurements out; polygons to masks and back."""

from __future__ import annotations

import json
import os
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from periomics.core.errors import InputError, nearest
from periomics.core.files import atomic
from periomics.imaging.boxes import Box

_NAMESPACE = uuid.UUID("6f0f3c5e-0d5b-5b0e-9c53-52a4c8b1c6a1")
UNCLASSIFIED = "Unclassified"
DETECTIONS = ("detection", "cell", "tile")
COLOURS = {
    "positive": (200, 40, 30),
    "negative": (50, 90, 200),
    "occupied": (50, 90, 200),
    "empty": (230, 150, 0),
    "uncertain": (150, 60, 180),
    "excluded": (130, 130, 130),
}


@dataclass(frozen=True)
class Annotation:
    """One object: class name and a shapely geometry in pixels of the image's finest level; of
    `read_objects` also whether it is a detection, and its id; `proposed`: nobody drew it."""

    name: str
    geometry: Any
    measurements: Mapping[str, float] = field(default_factory=dict)
    detected: bool = False
    identity: str = ""
    proposed: bool = False


def read_geojson(path: str | os.PathLike[str]) -> list[Annotation]:
    """Annotations of a GeoJSON file as QuPath exports it (a FeatureCollection, a list of features, or one feature).

    Detections in the file are left out. The name is that of the classification, else the object's own name; what has neither is
    unclassified, as QuPath calls it.

    Raises
    ------
    InputError
        If the file is missing, not JSON, or a feature has no usable geometry.
    """
    return [
        _annotation(feature, properties, number, Path(path))
        for number, feature, properties in _features(path)
        if _object_type(feature, properties) not in DETECTIONS
    ]


def read_objects(path: str | os.PathLike[str]) -> list[Annotation]:
    """All objects of a GeoJSON file, detections too, with their ids and measurements.

    Raises
    ------
    InputError
        As `read_geojson`.
    """
    found = []
    for number, feature, properties in _features(path):
        one = _annotation(feature, properties, number, Path(path))
        kind = _object_type(feature, properties)
        detected, identity = kind in DETECTIONS, str(feature.get("id", ""))
        told = _measurements(properties.get("measurements"))
        found.append(replace(one, measurements=told, detected=detected, identity=identity))
    return found


def _measurements(given: object) -> dict[str, float]:
    """Numbers by name: QuPath writes an object, before 0.4 a list of name and value."""
    pairs: Iterable[Any] = ()
    if isinstance(given, Mapping):
        pairs = given.items()
    elif isinstance(given, list):
        pairs = [(m.get("name"), m.get("value")) for m in given if isinstance(m, Mapping)]
    return {str(k): float(v) for k, v in pairs if isinstance(v, int | float)}


def _features(path: str | os.PathLike[str]) -> Iterator[tuple[int, Mapping, Mapping]]:
    """Number from 1, feature and its properties."""
    path = Path(path)
    if not path.exists():
        raise InputError("annotation file does not exist", file=path)
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(f"is not JSON: {error}", file=path) from error
    features = (
        data
        if isinstance(data, list)
        else data.get("features", [data])
        if isinstance(data, dict)
        else None
    )
    if features is None:
        raise InputError("holds no features", file=path, value=type(data).__name__)
    for number, feature in enumerate(features, start=1):
        if not isinstance(feature, Mapping):
            raise InputError(f"feature {number} is no feature", file=path, value=str(feature)[:40])
        yield number, feature, feature.get("properties") or {}


def _object_type(feature: Mapping, properties: Mapping) -> str:
    """Kind of object: `objectType`, or in exports of QuPath before 0.3 the `id`, as PathDetectionObject."""
    stated = str(properties.get("objectType", "")).lower()
    old = re.fullmatch(r"Path(\w+)Object", str(feature.get("id", "")))
    return stated or (old[1].lower() if old else "annotation")


def _annotation(feature: Mapping, properties: Mapping, number: int, path: Path) -> Annotation:
    from shapely import make_valid
    from shapely.geometry import shape

    label = properties.get("classification") or {}
    name = (
        label.get("name") or ": ".join(label.get("names", []))
        if isinstance(label, Mapping)
        else str(label)
    )
    name = name or properties.get("name")
    name = name or UNCLASSIFIED
    try:
        geometry = shape(feature["geometry"])
    except Exception as error:  # shapely raises many kinds for a malformed geometry
        raise InputError(
            f"feature {number} ({name}) has no usable geometry", file=path, value=str(error)
        ) from error
    if geometry.is_empty:
        raise InputError(f"feature {number} ({name}) is empty", file=path)
    return Annotation(str(name), geometry if geometry.is_valid else make_valid(geometry))


def named(annotations: Sequence[Annotation], name: str) -> list[Any]:
    """Geometries of all annotations of a class name."""
    return [a.geometry for a in annotations if a.name == name]


def need(annotations: Sequence[Annotation], name: str, kind: str, where: object = "") -> list[Any]:
    """As `named`, but an error when there is none of the right kind (Polygon, LineString or Point).

    Raises
    ------
    InputError
        Naming the class that is missing and the nearest that is there.
    """
    found = [
        p for g in named(annotations, name) for p in getattr(g, "geoms", [g]) if p.geom_type == kind
    ]
    if not found:
        known = sorted({a.name for a in annotations})
        raise InputError(
            f"no {kind} annotation {name!r}{nearest(name, known)}",
            file=where,
            allowed=f"found: {', '.join(known)}",
        )
    return found


def polygon_mask(
    geometries: Iterable[Any],
    shape: tuple[int, int],
    scale: float = 1.0,
    offset: tuple[float, float] = (0.0, 0.0),
) -> np.ndarray:
    """Pixels whose centres lie inside polygons (their union), bool (height, width).

    Parameters
    ----------
    geometries
        Shapely polygons or multipolygons in finest-level pixels; other kinds are left out.
    shape
        Of the mask.
    scale
        Finest-level pixels per mask pixel.
    offset
        Finest-level x, y of the mask's corner.
    """
    return box_mask(edges_of(geometries, scale, offset), Box(0, 0, *shape))


def edges_of(
    geometries: Iterable[Any], scale: float = 1.0, offset: tuple[float, float] = (0.0, 0.0)
) -> list[np.ndarray]:
    """Of each polygon its edges (n, 4): x, y from and to, in pixels of a mask; see
    `polygon_mask`."""
    found = []
    for geometry in geometries:
        for part in getattr(geometry, "geoms", [geometry]):
            if part.geom_type == "Polygon":
                rings = [np.asarray(r.coords)[:, :2] for r in (part.exterior, *part.interiors)]
                rings = [(ring - offset) / scale for ring in rings]
                found.append(np.concatenate([np.hstack([r[:-1], r[1:]]) for r in rings]))
    return found


def box_mask(polygons: Sequence[np.ndarray], box: Box) -> np.ndarray:
    """Pixels of a box whose centres lie inside the union of polygons (of `edges_of`); the same
    whatever box they are asked in."""
    mask = np.zeros(box.shape, dtype=bool)
    for edges in polygons:
        low, high = np.sort(edges[:, 1::2], axis=1).T
        near = (low < box.bottom) & (high > box.top) & (low < high)
        if near.any():
            mask |= _fill(edges[near], box)
    return mask


def _fill(edges: np.ndarray, box: Box) -> np.ndarray:
    """Even-odd filling: each edge flips the pixels right of where it crosses a row's centre line."""
    height, width = box.shape
    flips = np.zeros((height, width + 1), dtype=np.uint8)
    for x0, y0, x1, y1 in edges.tolist():
        first, last = sorted((y0, y1))
        rows = np.arange(
            max(box.top, int(np.ceil(first - 0.5))), min(box.bottom, int(np.ceil(last - 0.5)))
        )
        x = x0 + (rows + 0.5 - y0) * ((x1 - x0) / (y1 - y0))
        columns = np.clip(np.ceil(x - 0.5) - box.left, 0, width).astype(int)
        flips[rows - box.top, columns] ^= 1
    return np.logical_xor.accumulate(flips[:, :width].astype(bool), axis=1)


def outlines(
    labels: np.ndarray,
    scale: float = 1.0,
    offset: tuple[float, float] = (0.0, 0.0),
    corner: tuple[int, int] = (0, 0),
) -> list[np.ndarray]:
    """The longest outline of each label 1..N as closed (n, 2) x, y in finest-level pixels; `corner`
    is the column and row of the labels' first pixel.

    Labels must be dense; an object's outline is the half-way contour of its pixels, so its area is slightly below the
    pixel count.
    """
    from scipy.ndimage import find_objects
    from skimage.measure import find_contours

    found = []
    for number, box in enumerate(find_objects(labels), start=1):
        crop = np.pad(labels[box] == number, 1)
        contour = max(find_contours(crop.astype(np.float32), 0.5), key=len)
        # The pad is 1, a pixel's centre lies at .5.
        first = np.array([box[1].start + corner[0], box[0].start + corner[1]]) - 0.5
        found.append((contour[:, ::-1] + first) * scale + offset)
    return found


def identity_of(name: str) -> str:
    """Id of what is called so, the same in every run."""
    return str(uuid.uuid5(_NAMESPACE, name))


def detection(
    outline: np.ndarray,
    label: str,
    measurements: Mapping[str, float],
    identity: str,
    kind: str = "detection",
) -> dict:
    """A GeoJSON feature that QuPath opens; `identity` makes its id, the same in every run."""
    points = np.round(np.asarray(outline, dtype=float), 2).tolist()
    if len(points) == 1:
        geometry = {"type": "Point", "coordinates": points[0]}
    elif points[0] == points[-1] and len(points) >= 4:
        geometry = {"type": "Polygon", "coordinates": [points]}
    else:
        geometry = {"type": "LineString", "coordinates": points}
    return {
        "type": "Feature",
        "id": identity_of(identity),
        "geometry": geometry,
        "properties": {
            "objectType": kind,
            "classification": {"name": label, "color": list(COLOURS.get(label, (0, 158, 115)))},
            # A list of name and value is read by QuPath before and after 0.4, which itself writes an object.
            "measurements": [
                {"name": k, "value": round(float(v), 6)}
                for k, v in measurements.items()
                if np.isfinite(v)
            ],
        },
    }


def annotation_feature(geometry: Any, name: str, identity: str) -> dict:
    """A GeoJSON annotation of a shapely geometry."""
    from shapely.geometry import mapping

    return {
        "type": "Feature",
        "id": identity_of(identity),
        "geometry": mapping(geometry),
        "properties": {
            "objectType": "annotation",
            "classification": {"name": name, "color": [0, 158, 115]},
        },
    }


def write_geojson(
    features: Iterable[Mapping], path: str | os.PathLike[str], **metadata: object
) -> None:
    """Write a FeatureCollection, whole or not at all; coordinates are absolute pixels of the finest
    level.

    Features are written one by one: those of a whole slide need not be in memory.
    """

    def text(value: object) -> str:
        return json.dumps(value, separators=(",", ":"))

    told = f'"metadata":{text(metadata)},' if metadata else ""
    with atomic(path) as part, part.open("w", encoding="utf-8", newline="\n") as handle:
        handle.write(f'{{"type":"FeatureCollection",{told}"features":[')
        for number, feature in enumerate(features):
            handle.write("," * (number > 0) + text(feature))
        handle.write("]}\n")
