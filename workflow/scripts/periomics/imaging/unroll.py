"""Straightening a band along a line: one function for laminin, tracer and any readout along an interface."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from periomics.core.errors import InputError


@dataclass(frozen=True)
class Band:
    """A straightened band.

    values : float32 (n_arc, n_depth), NaN outside the image
    arc : (n_arc,) distance along the line of each row's centre; depth : (n_depth,) signed distance from the line,
    positive on the right hand when walking along it (image axes: x right, y down); length : of the whole line.
    """

    values: np.ndarray
    arc: np.ndarray
    depth: np.ndarray
    length: float


def unroll(
    image: np.ndarray,
    polyline: np.ndarray,
    width: float,
    step: float,
    depths: tuple[float, float] | None = None,
) -> Band:
    """Sample an image in a band normal to a polyline (arc length by depth), by linear interpolation.

    All lengths are in pixels of the image; pixel (0, 0) covers 0 to 1, so its centre lies at .5.

    Parameters
    ----------
    image
        (height, width), any number type.
    polyline
        (n, 2) x, y of its vertices in walking order.
    width
        Of the band, centred on the line, if `depths` is not given.
    step
        Between samples, along and across.
    depths
        From, to; signed as in `Band`.

    Raises
    ------
    InputError
        If the line has no length or the step is not positive.
    """
    line = _without_repeats(np.asarray(polyline, dtype=float))
    if step <= 0:
        raise InputError("step must be above 0", value=step)
    if len(line) < 2:
        raise InputError("a line needs two different points", value=np.asarray(polyline).tolist())
    low, high = depths or (-width / 2, width / 2)
    n_depth = max(1, round((high - low) / step) + 1)
    depth = np.linspace(low, high, n_depth) if n_depth > 1 else np.array([(low + high) / 2])
    points, normals, arc, length = resample(line, step)
    x = points[:, 0, None] + normals[:, 0, None] * depth
    y = points[:, 1, None] + normals[:, 1, None] * depth
    return Band(_bilinear(image, x - 0.5, y - 0.5), arc, depth, length)


def resample(line: np.ndarray, step: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Points (n, 2) every ~`step` along a line, each the centre of an equal piece; their normals, arcs; total length.

    Normals turn linearly between the middles of segments, so that the band does not tear at a vertex.
    """
    line = _without_repeats(line)
    parts = np.hypot(*np.diff(line, axis=0).T)
    knots = np.concatenate([[0.0], np.cumsum(parts)])
    length = float(knots[-1])
    n = max(1, round(length / step))
    arc = (np.arange(n) + 0.5) * (length / n)
    points = np.column_stack([np.interp(arc, knots, line[:, k]) for k in range(2)])
    tangents = np.diff(line, axis=0) / parts[:, None]
    middles = knots[:-1] + parts / 2
    turned = np.column_stack([np.interp(arc, middles, tangents[:, k]) for k in range(2)])
    size = np.hypot(turned[:, 0], turned[:, 1])
    # Where a line folds back on itself the mean direction vanishes: take the segment's own.
    own = tangents[np.clip(np.searchsorted(knots, arc, side="right") - 1, 0, len(tangents) - 1)]
    turned = np.where(size[:, None] > 1e-9, turned / np.maximum(size, 1e-9)[:, None], own)
    return points, np.column_stack([-turned[:, 1], turned[:, 0]]), arc, length


def _without_repeats(line: np.ndarray) -> np.ndarray:
    if line.ndim != 2 or line.shape[1] != 2 or len(line) == 0:
        raise InputError("a line is a list of x, y", value=line.tolist())
    keep = np.concatenate([[True], np.any(np.diff(line, axis=0) != 0, axis=1)])
    return line[keep]


def _bilinear(image: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Linear interpolation at pixel-centre coordinates; NaN beyond half a pixel outside."""
    height, width = image.shape
    outside = (x < -0.5) | (y < -0.5) | (x > width - 0.5) | (y > height - 0.5)
    x, y = np.clip(x, 0, width - 1), np.clip(y, 0, height - 1)
    left, top = (
        np.minimum(x.astype(int), max(width - 2, 0)),
        np.minimum(y.astype(int), max(height - 2, 0)),
    )
    fx, fy = x - left, y - top
    right, below = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    upper = image[top, left] * (1 - fx) + image[top, right] * fx
    lower = image[below, left] * (1 - fx) + image[below, right] * fx
    out = (upper * (1 - fy) + lower * fy).astype(np.float32)
    out[outside] = np.nan
    return out
