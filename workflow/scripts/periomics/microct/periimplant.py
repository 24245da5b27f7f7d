"""Where around the implant is measured: distance shells behind a declared exclusion band, and a range along its axis.

The first voxels at metal are unusable (Liu 2011, J Microsc 245:34: 48 µm at 16 µm voxels); the band is declared and
never measured. What is read in a thin shell behind the band is OV/TV of that offset and width, not bone-implant contact.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from periomics.core.errors import SpecimenError
from periomics.study.settings.microct import Voi

Mask = NDArray[np.bool_]
Place = tuple[int, int, int]
DIGITS = 10
# A thread: its turns move the middles of slices in a circle, of so many turns at least and so many
# slices each; pitches that are tried; it must explain all but this share of what a straight line
# leaves.
TURNS, SLICES, PITCHES, LEFT = 1.5, 4, 400, 0.1
# A line that turns by more is fitted once more, across itself.
AGAIN = np.radians(0.1)


@dataclass(frozen=True)
class Axis:
    """The implant's long axis in voxel coordinates (z, y, x): `apex` and `head` lie on it, `direction` points to the head."""

    apex: NDArray[np.float64]
    head: NDArray[np.float64]
    direction: NDArray[np.float64]

    @property
    def length(self) -> float:
        """Length in voxels, between the centres of the last voxels."""
        return float(np.linalg.norm(self.head - self.apex))

    @property
    def tilt_degrees(self) -> float:
        """Angle to the z axis."""
        return float(np.degrees(np.arccos(min(1.0, abs(self.direction[0])))))


def implant_axis(implant: Mask, apex: str = "high_z", origin: Place = (0, 0, 0)) -> Axis:
    """Long axis: the line through the middles of slices across the implant's first principal
    component.

    Slices count by a Hann window over the length. Threads move the middles round the axis, and
    turns that are cut off at the ends turn the line: so weighted they hardly do, and the thread is
    fitted beside the line and taken off where it shows (principal components of a short implant
    with a deep thread: several degrees off; weights alone: up to 1.2 degrees).

    Parameters
    ----------
    implant
        (z, y, x) mask.
    apex
        Which end sits in the bone: `high_z` or `low_z`.
    origin
        Place of the mask's first voxel in the scan. Sums are whole numbers and each voxel is looked at by itself, so the
        axis of a crop is that of the scan to the last digit.

    Raises
    ------
    SpecimenError
        If the metal has no long axis (largest variance less than 1.5 times the next): a lump or a plate.
    """
    centre, covariance = _moments(implant, origin)
    variances, vectors = np.linalg.eigh(covariance)
    if variances[2] < 1.5 * variances[1]:
        raise SpecimenError(
            f"the metal has no long axis (variances {variances[1]:.3g} and {variances[2]:.3g} voxels²)"
        )
    centre, direction = _line_of_slices(implant, origin, centre, vectors[:, 2])
    if abs(direction @ vectors[:, 2]) < np.cos(AGAIN):
        centre, direction = _line_of_slices(implant, origin, centre, direction)
    upwards = direction[0] < 0 if apex == "high_z" else direction[0] > 0
    direction = direction if upwards else -direction
    low, high = _extent(implant, origin, centre, direction)
    return Axis(centre + low * direction, centre + high * direction, direction)


def _extent(
    implant: Mask, origin: Place, centre: NDArray[np.float64], direction: NDArray[np.float64]
) -> tuple[float, float]:
    """Places of the first and the last voxel along a line, from a point on it."""
    low, high = np.inf, -np.inf
    for at in _places(implant, origin):
        along = _dot(at - centre, direction)
        low, high = min(low, float(along.min())), max(high, float(along.max()))
    return low, high


def _line_of_slices(
    implant: Mask, origin: Place, centre: NDArray[np.float64], direction: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A point on, and direction of, the line through the middles of slices of a voxel across a
    given line."""
    low, high = _extent(implant, origin, centre, direction)
    n = int(high - low) + 1
    size, sums = np.zeros(n, np.int64), np.zeros((n, 3), np.int64)
    for at in _places(implant, origin):
        slices = np.minimum((_dot(at - centre, direction) - low).astype(np.int64), n - 1)
        size += np.bincount(slices, minlength=n)
        np.add.at(sums, slices, at)
    held = np.flatnonzero(size)
    middles = sums[held] / size[held, None]
    # a speck at an end counts less than a slice of the body
    weight = np.hanning(n + 2)[1:-1][held] * np.minimum(size, np.median(size[held]))[held]
    weight /= weight.sum()
    middles = middles - _thread(held.astype(float), middles, weight, direction)
    middle = weight @ middles
    slope = (weight * (held - weight @ held)) @ (middles - middle)
    # without the dust of sums: what stands along z stays so, and its ends at voxels
    unit = np.round(slope / np.linalg.norm(slope), DIGITS)
    return np.round(middle, DIGITS), unit / np.linalg.norm(unit)


def _thread(
    at: NDArray[np.float64],
    middles: NDArray[np.float64],
    weight: NDArray[np.float64],
    direction: NDArray[np.float64],
) -> NDArray[np.float64]:
    """What a thread moves the middles of slices (n, 3) at places `at` along the line by: a circle
    about it, left- or right-handed, fitted together with a straight line; nothing where it leaves
    more than LEFT of what the straight line alone leaves."""
    n = len(at)
    if n < TURNS * SLICES:
        return np.zeros_like(middles)
    _, first, second = np.linalg.svd(direction[None])[2]
    root = np.sqrt(weight)
    # what the straight line leaves; weights sum to 1, so its two columns are orthonormal
    line = np.stack([root, root * (at - weight @ at)], axis=1)
    line /= np.linalg.norm(line, axis=0)
    off = root * (middles @ first + 1j * (middles @ second))
    off = off - line @ (line.T @ off)
    best, circle = LEFT * float(np.vdot(off, off).real), np.zeros(n, complex)
    pitches = np.geomspace(SLICES, n / TURNS, PITCHES)
    turning = np.exp(2j * np.pi * at / pitches[:, None])
    bent = root * turning
    bent = bent - (bent @ line) @ line.T
    size = (bent.real**2 + bent.imag**2).sum(axis=1)
    # a left-handed thread is the mirror image of a right-handed one
    for width, way in ((bent.conj() @ off / size, 1), (bent @ off / size, -1)):
        rest = np.vdot(off, off).real - size * np.abs(width) ** 2
        k = int(np.argmin(rest))
        if rest[k] < best:
            turned = turning[k] if way == 1 else turning[k].conj()
            best, circle = float(rest[k]), width[k] * turned
    return circle.real[:, None] * first + circle.imag[:, None] * second


def along_axis(
    implant: Mask, axis: Axis, origin: Place
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Place along the axis from the apex, and distance to the axis (voxels), of a mask's voxels, plane by plane."""
    for at in _places(implant, origin):
        from_apex = at - axis.apex
        along = _dot(from_apex, axis.direction)
        away = from_apex - along[:, None] * axis.direction
        yield along, np.sqrt(_dot(away**2, np.ones(3)))


def _places(mask: Mask, origin: Place) -> Iterator[NDArray[np.int64]]:
    """Places (n, 3) of the mask's voxels in the scan, plane by plane."""
    for plane in np.flatnonzero(mask.any(axis=(1, 2))):
        at = np.argwhere(mask[plane : plane + 1])
        yield at + np.array([origin[0] + plane, origin[1], origin[2]])


def _moments(mask: Mask, origin: Place) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and covariance of the places of a mask's voxels, from sums of whole numbers."""
    n, first, second = 0, np.zeros(3, object), np.zeros((3, 3), object)
    for at in _places(mask, origin):
        n += len(at)
        first += at.sum(axis=0).astype(object)
        second += (at.T @ at).astype(object)
    return (first / n).astype(float), ((n * second - np.outer(first, first)) / n**2).astype(float)


def _dot(places: NDArray, direction: NDArray[np.float64]) -> NDArray[np.float64]:
    """Places (n, 3) along a direction, each by itself: a matrix product rounds by where a row stands."""
    return places[:, 0] * direction[0] + places[:, 1] * direction[1] + places[:, 2] * direction[2]


def height_um(
    shape: tuple[int, int, int], axis: Axis, voxel_um: float, origin: Place = (0, 0, 0)
) -> NDArray[np.float32]:
    """Position along the axis, µm, 0 at the apex, rising towards the head, of each voxel of a block that begins at `origin`."""
    z, y, x = (
        np.arange(start, start + n, dtype=np.float64)
        for start, n in zip(origin, shape, strict=True)
    )
    d, a = axis.direction, axis.apex
    flat = ((y - a[1]) * d[1])[:, None] + (x - a[2]) * d[2]
    found = np.empty(shape, np.float32)
    for i, along in enumerate((z - a[0]) * d[0]):
        found[i] = (along + flat) * voxel_um
    return found


def sector_of(places: NDArray[np.int64], axis: Axis, n: int) -> NDArray[np.int64]:
    """Sector (0 to n - 1) of places (n, 3) in the scan, by their angle about the axis from the scan's x (y if the axis is x)."""
    d = axis.direction
    start = np.array([0.0, 0.0, 1.0]) if abs(d[2]) < 0.9 else np.array([0.0, 1.0, 0.0])
    first = start - (start @ d) * d
    first /= np.linalg.norm(first)
    away = places - axis.apex
    angle = np.arctan2(_dot(away, np.cross(d, first)), _dot(away, first)) % (2 * np.pi)
    return np.minimum((angle / (2 * np.pi) * n).astype(np.int64), n - 1)


def shell(
    distance: NDArray[np.float32],
    low_um: float,
    high_um: float,
    height: NDArray[np.float32] | None,
    voi: Voi,
) -> Mask:
    """Voxels with `low < distance <= high`, within the VOI's range along the axis.

    A tolerance of a thousandth of a micrometre keeps voxels that lie on a shell's face on the inner side on every
    machine.
    """
    mask = (distance > low_um + 1e-3) & (distance <= high_um + 1e-3)
    if voi.axial_um is not None and height is not None:
        mask &= (height >= voi.axial_um[0]) & (height <= voi.axial_um[1])
    return mask
