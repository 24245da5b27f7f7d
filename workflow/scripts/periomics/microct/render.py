"""A 3-D picture of bone and implant without a display: surface voxels, sorted by depth, shaded by their normals."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from periomics.microct.masks import LABELS

Mask = NDArray[np.bool_]
# Longest edge (voxels) that is drawn; larger scans are thinned out.
LARGEST = 220
COLOURS = {"bone": (0.93, 0.85, 0.68), "implant": (0.30, 0.48, 0.68)}
AZIMUTH, ELEVATION = np.radians(35.0), np.radians(20.0)
LIGHT = np.array([0.45, 0.35, 0.82])


def render(labels: NDArray[np.uint8], up: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """Picture (rows, columns, 3; 0 to 1) of the bone around the implant, its front half cut away where there is an implant.

    Parameters
    ----------
    labels
        (z, y, x), codes of `masks.LABELS`.
    up
        Direction (z, y, x) that points up in the picture; towards z = 0 if not given.
    """
    step = max(1, -(-max(labels.shape) // LARGEST))
    labels = labels[::step, ::step, ::step]
    view = _view(np.array([-1.0, 0.0, 0.0]) if up is None else np.asarray(up, float))
    implant = labels == LABELS["implant"]
    bone = (labels == LABELS["bone in VOI"]) | (labels == LABELS["bone outside VOI"])
    if implant.any():
        bone &= ~_in_front(labels.shape, np.argwhere(implant).mean(axis=0), view[2])
    points, colours = [], []
    for mask, name in ((bone, "bone"), (implant, "implant")):
        at, shade = _shaded(mask, view)
        points.append(at)
        colours.append(shade[:, None] * np.array(COLOURS[name]))
    return _splat(np.concatenate(points), np.concatenate(colours), view, labels.shape)


def _view(up: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows: right, up and towards the eye, as vectors (z, y, x)."""
    up = up / np.linalg.norm(up)
    side = np.array([0.0, 1.0, 0.0]) if abs(up[1]) < 0.9 else np.array([0.0, 0.0, 1.0])
    first = np.cross(up, side)
    first /= np.linalg.norm(first)
    second = np.cross(up, first)
    flat = np.cos(AZIMUTH) * first + np.sin(AZIMUTH) * second
    eye = np.cos(ELEVATION) * flat + np.sin(ELEVATION) * up
    right = np.cross(up, eye)
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(eye, right), eye])


def _in_front(
    shape: tuple[int, ...], centre: NDArray[np.float64], eye: NDArray[np.float64]
) -> Mask:
    z, y, x = (np.arange(n) - c for n, c in zip(shape, centre, strict=True))
    return (z[:, None, None] * eye[0] + y[:, None] * eye[1] + x * eye[2]) > 0


def _shaded(mask: Mask, view: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Surface voxels (n, 3) of a mask and how light each is."""
    if not mask.any():
        return np.zeros((0, 3), np.int64), np.zeros(0)
    at = np.argwhere(mask & ~ndimage.binary_erosion(mask, border_value=0))
    smooth = ndimage.gaussian_filter(np.pad(mask, 1).astype(np.float32), 1.2)
    z, y, x = (at + 1).T
    normal = np.stack(
        [
            smooth[z - 1, y, x] - smooth[z + 1, y, x],
            smooth[z, y - 1, x] - smooth[z, y + 1, x],
            smooth[z, y, x - 1] - smooth[z, y, x + 1],
        ],
        axis=1,
    ).astype(float)
    normal /= np.maximum(np.linalg.norm(normal, axis=1), 1e-9)[:, None]
    return at, 0.30 + 0.70 * np.maximum(0, normal @ view.T @ LIGHT)


def _splat(
    points: NDArray[np.int64],
    colours: NDArray[np.float64],
    view: NDArray[np.float64],
    shape: tuple[int, ...],
) -> NDArray[np.float64]:
    """Points on the picture plane, near ones over far ones, each two pixels wide; white behind."""
    half = np.sqrt(sum(n * n for n in shape)) / 2
    size = int(2 * half) + 3
    picture = np.ones((size, size, 3))
    placed = (points - (np.array(shape) - 1) / 2) @ view.T
    order = np.argsort(placed[:, 2], kind="stable")
    column = np.floor(placed[order, 0] + half).astype(int) + 1
    row = np.floor(half - placed[order, 1]).astype(int) + 1
    # A buffer of ranks: the last point in the order of depth wins a pixel.
    nearest = np.full((size, size), -1, np.int64)
    rank = np.arange(len(order))
    for dr in (0, 1):
        for dc in (0, 1):
            np.maximum.at(
                nearest, (np.minimum(row + dr, size - 1), np.minimum(column + dc, size - 1)), rank
            )
    seen = nearest >= 0
    picture[seen] = np.clip(colours[order[nearest[seen]]], 0, 1)
    used = np.argwhere(seen)
    if len(used):
        (top, left), (bottom, right) = used.min(axis=0), used.max(axis=0) + 1
        picture = picture[top:bottom, left:right]
    return picture
