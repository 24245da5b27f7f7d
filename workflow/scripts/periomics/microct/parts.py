"""Parts of the region around an implant: thirds of its length, sides, octants, what lies between the threads.

Thirds are those of the implant from apex to shoulder, whatever the region is. Sides are quarters about the axis whose middles point
to the buccal, mesial, lingual and distal side; octants are eighths, the middle of the first points to the buccal side and they are
counted towards the mesial one. Between the threads is what no longer belongs to the metal and its band, but lies within the hull of
the implant: the outline of its widest radii along the axis, drawn out as a convex line.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from periomics.core.errors import SpecimenError
from periomics.microct.periimplant import Axis, Place, along_axis
from periomics.study.settings.microct import SIDES, Voi

Mask = NDArray[np.bool_]
Places = NDArray[np.int64]
THIRDS = ("apical", "middle", "coronal")
OCTANTS = tuple(f"octant {i + 1}" for i in range(8))
NAMES = {"thirds": THIRDS, "sides": SIDES, "octants": OCTANTS, "threads": ("threads",)}
# A side's direction must keep so much of its length when seen along the implant's axis.
UPRIGHT = 0.5


@dataclass(frozen=True)
class Frame:
    """An implant's axis; directions across it to the buccal and the mesial side; its hull (voxels from the axis by slices from the
    apex on). None where not asked for."""

    axis: Axis
    buccal: NDArray[np.float64] | None = None
    mesial: NDArray[np.float64] | None = None
    hull: NDArray[np.float64] | None = None


def names(voi: Voi) -> tuple[str, ...]:
    """All parts that are asked for, group by group."""
    return tuple(name for group in voi.parts for name in NAMES[group])


def frame_of(
    axis: Axis, implant: Mask, at: Place, voi: Voi, sides: tuple[float, float] | None
) -> Frame:
    """What is needed to tell the parts apart.

    Parameters
    ----------
    axis, implant, at
        The implant, and the place of its first voxel in the scan.
    sides
        Degrees of the buccal and the mesial direction in the slices.

    Raises
    ------
    SpecimenError
        If sides are asked for and not said, or the implant lies too flat in the slices for them.
    """
    hull = hull_of(implant, axis, at) if voi.needs_threads else None
    if sides is None and not voi.needs_sides:
        return Frame(axis, hull=hull)
    if sides is None:
        raise SpecimenError("the sheet does not say buccal_degrees and mesial_degrees of the scan")
    buccal = across(axis, sides[0])
    mesial = np.cross(axis.direction, buccal)
    if mesial @ across(axis, sides[1]) < 0:
        mesial = -mesial
    return Frame(axis, buccal, mesial, hull)


def across(axis: Axis, degrees: float) -> NDArray[np.float64]:
    """A direction in the slices (degrees from x towards y) as seen across the axis."""
    at = np.radians(degrees)
    way = np.array([0.0, np.sin(at), np.cos(at)])
    way -= (way @ axis.direction) * axis.direction
    length = float(np.linalg.norm(way))
    if length < UPRIGHT:
        raise SpecimenError(
            f"the implant lies too flat in the slices (tilt {axis.tilt_degrees:.0f} degrees) for a side at {degrees:g} degrees"
        )
    return way / length


def hull_of(implant: Mask, axis: Axis, at: Place) -> NDArray[np.float64]:
    """Radius (voxels) of the implant's hull by slice from the apex to the shoulder: the upper convex line over its widest radii."""
    n = int(np.ceil(axis.length)) + 1
    widest = np.zeros(n)
    for along, away in along_axis(implant, axis, at):
        slices = np.floor(along + 0.5).astype(np.int64)
        inside = (slices >= 0) & (slices < n)
        np.maximum.at(widest, slices[inside], away[inside])
    corners: list[int] = []
    for i in range(n):
        while len(corners) > 1 and _is_below(widest, corners[-2], corners[-1], i):
            corners.pop()
        corners.append(i)
    return np.interp(np.arange(n), corners, widest[corners])


def _is_below(radius: NDArray[np.float64], a: int, b: int, c: int) -> bool:
    """Whether the point at b lies on or below the line from a to c."""
    return bool((radius[b] - radius[a]) * (c - a) <= (radius[c] - radius[a]) * (b - a))


def number_in(group: str, places: Places, frame: Frame) -> NDArray[np.int64]:
    """Which part of a group (its place in NAMES) holds each place (n, 3) of the scan; -1 for none."""
    axis = frame.axis
    from_apex = places - axis.apex
    along = _dot(from_apex, axis.direction)
    if group == "thirds":
        third = np.floor(3 * (along + 0.5) / (axis.length + 1)).astype(np.int64)
        return np.where((third >= 0) & (third < 3), third, -1)
    away = from_apex - along[:, None] * axis.direction
    if group == "threads":
        assert frame.hull is not None
        radius = np.sqrt(_dot(away**2, np.ones(3)))
        hull = np.interp(along, np.arange(len(frame.hull)), frame.hull, left=-1.0, right=-1.0)
        return np.where(radius <= hull, 0, -1)
    assert frame.buccal is not None and frame.mesial is not None
    n = len(NAMES[group])
    angle = np.arctan2(_dot(away, frame.mesial), _dot(away, frame.buccal)) / (2 * np.pi)
    return np.floor(angle * n + 0.5).astype(np.int64) % n


def belongs(name: str, places: Places, frame: Frame) -> Mask:
    """Whether places (n, 3) of the scan lie in a part."""
    group = next(g for g, members in NAMES.items() if name in members)
    return number_in(group, places, frame) == NAMES[group].index(name)


def counted(places: Places, bone: Mask, frame: Frame, voi: Voi) -> NDArray[np.int64]:
    """Voxels of bone and all voxels among the places by part, (2, parts), in the order of `names`."""
    found = [np.zeros((2, 0), np.int64)]
    for group in voi.parts:
        at, n = number_in(group, places, frame), len(NAMES[group])
        found.append(
            np.stack([np.bincount(at[(at >= 0) & m], minlength=n) for m in (bone, bone | True)])
        )
    return np.concatenate(found, axis=1)


def _dot(places: NDArray, direction: NDArray[np.float64]) -> NDArray[np.float64]:
    """Places along a direction, each by itself (a matrix product rounds by where a row stands)."""
    return places[:, 0] * direction[0] + places[:, 1] * direction[1] + places[:, 2] * direction[2]
