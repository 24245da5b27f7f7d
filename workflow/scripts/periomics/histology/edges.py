"""Outlines of annotated bone and metal as points with a direction out of them: what lies against
them is looked for at right angles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from shapely import unary_union
from shapely.geometry.polygon import orient

from periomics.histology.detection import Prepared
from periomics.histology.sections import Opened
from periomics.imaging.rois import named, polygon_mask
from periomics.imaging.unroll import resample

BONE, IMPLANT = "bone", "implant"
STEP_UM = 0.5
# An outline that lies this close to where the region ends is its cut, not a surface.
CUT_UM = 2.0


@dataclass(frozen=True)
class Edge:
    """Points along outlines.

    Attributes
    ----------
    points, outward
        (n, 2) x, y in pixels of the opened image, and the direction out of the shape, of length 1.
    length
        (n,) µm of outline that each point stands for.
    """

    points: np.ndarray
    outward: np.ndarray
    length: np.ndarray

    def of(self, keep: np.ndarray) -> Edge:
        """The points that are kept."""
        return Edge(self.points[keep], self.outward[keep], self.length[keep])

    def away(self, image: np.ndarray, distances: np.ndarray) -> np.ndarray:
        """Pixels (n, m) of an image at distances (m, in pixels) along the outward direction, 0
        beyond the image."""
        at = self.points[:, None] + self.outward[:, None] * distances[:, None]
        column, row = (np.floor(at[..., k]).astype(int) for k in (0, 1))
        height, width = image.shape
        there = (row >= 0) & (column >= 0) & (row < height) & (column < width)
        found = image[row.clip(0, height - 1), column.clip(0, width - 1)]
        return np.where(there, found, np.zeros(1, image.dtype))


def none(name: str) -> str:
    """Why there is no value where the region holds no outline of a class."""
    return f"no outline of an annotation {name!r} in the region"


def polygons(opened: Opened, name: str) -> list[Any]:
    """Polygons of a class, those that touch or overlap as one."""
    parts = [p for g in named(opened.annotations, name) for p in getattr(g, "geoms", [g])]
    union = unary_union([p for p in parts if p.geom_type == "Polygon"])
    return [p for p in getattr(union, "geoms", [union]) if p.geom_type == "Polygon" and p.area > 0]


def edge(opened: Opened, shapes: Sequence[Any]) -> Edge:
    """All rings of polygons (finest-level pixels), with a point about every half µm."""
    found = []
    for shape in shapes:
        whole = orient(shape, 1.0)
        for ring in (whole.exterior, *whole.interiors):
            line = (np.asarray(ring.coords)[:, :2] - opened.offset) / opened.scale
            keep = np.concatenate([[True], np.any(np.diff(line, axis=0) != 0, axis=1)])
            points, normals, _, length = resample(line[keep], STEP_UM / opened.pixel_um)
            each = np.full(len(points), length / len(points) * opened.pixel_um)
            # Turned so, the shape lies on the side of the normals.
            found.append((points, -normals, each))
    if not found:
        return Edge(np.empty((0, 2)), np.empty((0, 2)), np.empty(0))
    return Edge(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def within(found: Edge, prepared: Prepared, beyond_um: float) -> Edge:
    """The points beside which, `beyond_um` outwards, the stain's region goes on: neither where the
    region or the picture cuts the shape, nor beside what is to be ignored."""
    return found.of(inside(found, prepared, beyond_um))


def inside(found: Edge, prepared: Prepared, beyond_um: float) -> np.ndarray:
    """Which points `within` keeps, bool (n,)."""
    opened, name = prepared.opened, prepared.settings.roi
    region = polygon_mask(
        named(opened.annotations, name), opened.rgb.shape[:2], opened.scale, opened.offset
    )
    # The region without the metal's margin is what is left of it: the margin belongs to no area,
    # but to the outline.
    taken = region & ~opened.region & ~_near_metal(prepared)
    ahead = np.array([beyond_um / opened.pixel_um])
    return np.asarray(found.away(region & ~taken, ahead)[:, 0], dtype=bool)


def _near_metal(prepared: Prepared) -> np.ndarray:
    return to_metal(prepared) <= prepared.settings.implant_margin_um + 2 * prepared.pixel_um


def to_metal(prepared: Prepared) -> np.ndarray:
    """Distance (µm) of every pixel to the implant, infinite without one."""
    from edt import edt

    metal, pixel = prepared.opened.implant, prepared.pixel_um
    if not metal.any():
        return np.full(metal.shape, np.inf, np.float32)
    return edt(~metal, anisotropy=(pixel, pixel), black_border=False)
