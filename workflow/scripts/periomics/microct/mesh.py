"""Area of the surface at one half, its growth (for SMI) and its concave share, summed cell by cell without keeping a mesh.

A cell lies between eight voxels; which of them are at or above one half says which edges the surface cuts and how the cuts
make triangles (marching cubes). The table of triangles is drawn from scikit-image's mesher (Lewiner's, as its
documentation says), cell by cell of zeros and ones, so a mesh of a mask is the same. In a mesh of grey values the mesher
also looks at the values where four cuts on a face can be joined in two ways; here the table decides: such cells are few.

Sums are kept for each layer of cells and added in the order of layers, so they do not depend on slabs or threads.
"""

from __future__ import annotations

from functools import cache

import numba
import numpy as np
from numpy.typing import NDArray

from periomics.microct.threads import in_parts

Mask = NDArray[np.bool_]
# Pairs of corners (4 dz + 2 dy + dx) that an edge joins.
EDGES = np.array(
    [(a, a | 1 << axis) for axis in range(3) for a in range(8) if not a >> axis & 1], np.int64
)
INNER = len(EDGES)  # a vertex inside the cell: the mean of all cuts
MOST = 12


@cache
def triangle_table() -> tuple[
    NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]
]:
    """What the surface does in a cell, by the code of the cell (bit c set: corner c is in).

    Returns
    -------
    (256,) number of triangles; (256, MOST, 3) the edges they join; and for a cell of zeros and ones (256, MOST) the
    triangles' areas and the corners nearest to their middles.
    """
    from skimage.measure import marching_cubes

    numbers, table = np.zeros(256, np.int64), np.zeros((256, MOST, 3), np.int64)
    areas, nearest = np.zeros((256, MOST)), np.zeros((256, MOST), np.int64)
    corners = np.array([[c >> 2 & 1, c >> 1 & 1, c & 1] for c in range(8)], float)
    middles = corners[EDGES].mean(axis=1)
    for code in range(1, 255):
        cell = np.array([code >> c & 1 for c in range(8)], float).reshape(2, 2, 2)
        found, triangles, *_ = marching_cubes(cell, 0.5)
        points, n = found.astype(np.float64), len(triangles)
        apart = np.abs(points[:, None] - middles[None]).max(axis=2)
        edges = np.where(apart.min(axis=1) < 1e-4, apart.argmin(axis=1), INNER)
        numbers[code], table[code, :n] = n, edges[triangles]
        a, b, c = (points[triangles[:, i]] for i in range(3))
        areas[code, :n] = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2
        nearest[code, :n] = (points[triangles].sum(axis=1) > 1.5) @ (4, 2, 1)
    return numbers, table, areas, nearest


def layer_sums(
    values: NDArray[np.float32], voi: Mask, low: int, high: int, threads: int = 1
) -> NDArray[np.float64]:
    """Sums over the triangles of each layer of cells whose middle lies in the VOI.

    Parameters
    ----------
    values
        (z, y, x) block of a smoothed mask; planes low - 1 to high + 1 are looked at.
    voi
        (z, y, x) of the block.
    low, high
        Layers: layer i lies between planes i and i + 1 of the block.
    threads
        Threads; the result does not depend on it.

    Returns
    -------
    (high - low, 3): area (voxels²), d area / d r when the surface moves outwards along its normals (voxels), area of
    the triangles that shrink then.
    """
    numbers, table, _, _ = triangle_table()
    out = np.zeros((high - low, 3))
    given = {"values": values, "voi": voi, "low": low, "numbers": numbers, "table": table}
    in_parts(
        lambda a, b: _layers(**given, edges=EDGES, out=out, first=a, last=b), len(out), threads
    )
    return out


def mask_layer_areas(
    mask: Mask, voi: Mask, low: int, high: int, threads: int = 1
) -> NDArray[np.float64]:
    """Area (voxels²) of the mesh of a mask, not smoothed, for each layer of cells; arguments as of `layer_sums`."""
    numbers, _, areas, nearest = triangle_table()
    out = np.zeros(high - low)
    given = {"mask": mask, "voi": voi, "low": low, "numbers": numbers, "areas": areas}
    in_parts(
        lambda a, b: _mask_layers(**given, nearest=nearest, out=out, first=a, last=b),
        len(out),
        threads,
    )
    return out


@numba.njit(cache=True, nogil=True)
def _mask_layers(mask, voi, low, numbers, areas, nearest, out, first, last):
    _, ny, nx = mask.shape
    columns, codes = np.zeros(nx, np.uint8), np.zeros(nx - 1, np.uint8)
    for i in range(first, last):
        z = low + i
        total = 0.0
        for y in range(ny - 1):
            _codes(mask[z, y], mask[z, y + 1], mask[z + 1, y], mask[z + 1, y + 1], columns, codes)
            for x in range(nx - 1):
                code = codes[x]
                if code != 0 and code != 255:
                    for t in range(numbers[code]):
                        at = nearest[code, t]
                        if voi[z + (at >> 2), y + (at >> 1 & 1), x + (at & 1)]:
                            total += areas[code, t]
        out[i] = total


@numba.njit(cache=True, nogil=True)
def _layers(values, voi, low, numbers, table, edges, out, first, last):
    _, ny, nx = values.shape
    points, normals = np.zeros((INNER + 1, 3)), np.zeros((INNER + 1, 3))
    inside = np.zeros((4, nx), np.bool_)
    columns, codes = np.zeros(nx, np.uint8), np.zeros(nx - 1, np.uint8)
    for i in range(first, last):
        z = low + i
        for y in range(ny - 1):
            _inside(values[z, y], inside[0])
            _inside(values[z, y + 1], inside[1])
            _inside(values[z + 1, y], inside[2])
            _inside(values[z + 1, y + 1], inside[3])
            _codes(inside[0], inside[1], inside[2], inside[3], columns, codes)
            for x in range(nx - 1):
                code = np.int64(codes[x])
                if code != 0 and code != 255:
                    _cuts(values, z, y, x=x, code=code, edges=edges, points=points, normals=normals)
                    for t in range(numbers[code]):
                        corners = table[code, t]
                        at = _nearest_corner(points, corners)
                        if voi[z + (at >> 2), y + (at >> 1 & 1), x + (at & 1)]:
                            _triangle(points, normals, corners, out[i])


@numba.njit(cache=True, nogil=True)
def _codes(a, b, c, d, columns, codes):
    """Code (bit 4 dz + 2 dy + dx) of the eight voxels between neighbouring columns, from the rows (z, y), (z, y + 1), (z + 1, y)
    and (z + 1, y + 1) of a mask."""
    for x in range(columns.shape[0]):
        columns[x] = (
            np.uint8(a[x]) | np.uint8(b[x]) << 2 | np.uint8(c[x]) << 4 | np.uint8(d[x]) << 6
        )
    for x in range(codes.shape[0]):
        codes[x] = columns[x] | columns[x + 1] << 1


@numba.njit(cache=True, nogil=True)
def _inside(values, out):
    for x in range(out.shape[0]):
        out[x] = values[x] >= np.float32(0.5)


@numba.njit(cache=True, nogil=True)
def _cuts(values, z, y, x, code, edges, points, normals):
    """Where the surface cuts the cell's edges (from the cell's first corner) and its outward normals there; their mean last."""
    for axis in range(3):
        points[INNER, axis] = normals[INNER, axis] = 0.0
    count = 0
    for e in range(INNER):
        a, b = edges[e, 0], edges[e, 1]
        if (code >> a & 1) == (code >> b & 1):
            continue
        az, ay, ax = a >> 2 & 1, a >> 1 & 1, a & 1
        bz, by, bx = b >> 2 & 1, b >> 1 & 1, b & 1
        va, vb = (
            np.float64(values[z + az, y + ay, x + ax]),
            np.float64(values[z + bz, y + by, x + bx]),
        )
        t = (0.5 - va) / (vb - va)
        points[e, 0], points[e, 1], points[e, 2] = (
            az + t * (bz - az),
            ay + t * (by - ay),
            ax + t * (bx - ax),
        )
        _normal(
            values,
            z + az,
            y + ay,
            ax=x + ax,
            share_a=1.0 - t,
            bz=z + bz,
            by=y + by,
            bx=x + bx,
            share_b=t,
            normals=normals,
            e=e,
        )
        for axis in range(3):
            points[INNER, axis] += points[e, axis]
            normals[INNER, axis] += normals[e, axis]
        count += 1
    for axis in range(3):
        points[INNER, axis] /= count
    _to_unit(normals, INNER)


@numba.njit(cache=True, nogil=True)
def _nearest_corner(points, corners):
    a, b, c = corners[0], corners[1], corners[2]
    return (
        np.int64(points[a, 0] + points[b, 0] + points[c, 0] > 1.5) << 2
        | np.int64(points[a, 1] + points[b, 1] + points[c, 1] > 1.5) << 1
        | np.int64(points[a, 2] + points[b, 2] + points[c, 2] > 1.5)
    )


@numba.njit(cache=True, nogil=True)
def _normal(values, az, ay, ax, share_a, bz, by, bx, share_b, normals, e):
    """Unit vector towards smaller values, from the gradients at both ends of an edge."""
    az1, ay1, ax1 = _gradient(values, az, ay, ax)
    bz1, by1, bx1 = _gradient(values, bz, by, bx)
    normals[e, 0] = -(share_a * az1 + share_b * bz1)
    normals[e, 1] = -(share_a * ay1 + share_b * by1)
    normals[e, 2] = -(share_a * ax1 + share_b * bx1)
    _to_unit(normals, e)


@numba.njit(cache=True, nogil=True)
def _to_unit(vectors, i):
    length = np.sqrt(vectors[i, 0] ** 2 + vectors[i, 1] ** 2 + vectors[i, 2] ** 2)
    if length > 0:
        for axis in range(3):
            vectors[i, axis] /= length


@numba.njit(cache=True, nogil=True)
def _gradient(values, z, y, x):
    """Central differences (one-sided at the border)."""
    nz, ny, nx = values.shape
    z0, z1 = max(0, z - 1), min(nz - 1, z + 1)
    y0, y1 = max(0, y - 1), min(ny - 1, y + 1)
    x0, x1 = max(0, x - 1), min(nx - 1, x + 1)
    return (
        (np.float64(values[z1, y, x]) - np.float64(values[z0, y, x])) / (z1 - z0),
        (np.float64(values[z, y1, x]) - np.float64(values[z, y0, x])) / (y1 - y0),
        (np.float64(values[z, y, x1]) - np.float64(values[z, y, x0])) / (x1 - x0),
    )


@numba.njit(cache=True, nogil=True)
def _triangle(points, normals, corners, sums):
    """Add a triangle's area, how it changes along the normals, and the area again if it shrinks."""
    a, b, c = corners[0], corners[1], corners[2]
    uz, uy, ux = (
        points[b, 0] - points[a, 0],
        points[b, 1] - points[a, 1],
        points[b, 2] - points[a, 2],
    )
    vz, vy, vx = (
        points[c, 0] - points[a, 0],
        points[c, 1] - points[a, 1],
        points[c, 2] - points[a, 2],
    )
    nz, ny, nx = uy * vx - ux * vy, ux * vz - uz * vx, uz * vy - uy * vz
    double = np.sqrt(nz * nz + ny * ny + nx * nx)
    if double == 0:
        return
    pz, py, px = (
        normals[b, 0] - normals[a, 0],
        normals[b, 1] - normals[a, 1],
        normals[b, 2] - normals[a, 2],
    )
    qz, qy, qx = (
        normals[c, 0] - normals[a, 0],
        normals[c, 1] - normals[a, 1],
        normals[c, 2] - normals[a, 2],
    )
    change = (
        nz * (py * vx - px * vy + uy * qx - ux * qy)
        + ny * (px * vz - pz * vx + ux * qz - uz * qx)
        + nx * (pz * vy - py * vz + uz * qy - uy * qz)
    ) / (2 * double)
    sums[0] += double / 2
    sums[1] += change
    if change < 0:
        sums[2] += double / 2
