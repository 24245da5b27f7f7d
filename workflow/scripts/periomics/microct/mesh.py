"""Area of the surface at one half, its growth (for SMI) and its concave share, summed cell by cell without keeping a mesh.

A cell lies between eight voxels; which of them are at or above one half says which edges the surface cuts and how the cuts
make triangles (marching cubes). The table of triangles is drawn from scikit-image's mesher (Lewiner 2003, J Graph Tools
8:1 [from memory]), cell by cell of zeros and ones, so a mesh of a mask is the same. In a mesh of grey values the mesher
also looks at the values where four cuts on a face can be joined in two ways; here the table decides: such cells are few.

Sums are kept for each layer of cells and added in the order of layers, so they do not depend on slabs or threads.
"""

from __future__ import annotations

from functools import cache

import numba
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
# Pairs of corners (4 dz + 2 dy + dx) that an edge joins.
EDGES = np.array([(a, a | 1 << axis) for axis in range(3) for a in range(8) if not a >> axis & 1], np.int64)
INNER = len(EDGES)  # a vertex inside the cell: the mean of all cuts
MOST = 12


@cache
def triangle_table() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(256,) number of triangles by code of the cell (bit c set: corner c is in), (256, MOST, 3) the edges they join."""
    from skimage.measure import marching_cubes

    numbers, table = np.zeros(256, np.int64), np.zeros((256, MOST, 3), np.int64)
    corners = np.array([[c >> 2 & 1, c >> 1 & 1, c & 1] for c in range(8)], float)
    middles = corners[EDGES].mean(axis=1)
    for code in range(1, 255):
        cell = np.array([code >> c & 1 for c in range(8)], float).reshape(2, 2, 2)
        points, triangles, *_ = marching_cubes(cell, 0.5)
        apart = np.abs(points[:, None] - middles[None]).max(axis=2)
        edges = np.where(apart.min(axis=1) < 1e-4, apart.argmin(axis=1), INNER)
        numbers[code] = len(triangles)
        table[code, : len(triangles)] = edges[triangles]
    return numbers, table


def layer_sums(values: NDArray, voi: Mask, low: int, high: int, growth: bool = True) -> NDArray[np.float64]:
    """Sums over the triangles of each layer of cells whose middle lies in the VOI.

    Parameters
    ----------
    values
        (z, y, x) block: a mask as 0 and 1, or a smoothed one; any number type.
    voi
        (z, y, x) of the block.
    low, high
        Layers: layer i lies between planes i and i + 1 of the block.
    growth
        Also the last two columns, for which planes i - 1 and i + 2 are looked at.

    Returns
    -------
    (high - low, 3): area (voxels²), d area / d r when the surface moves outwards along its normals (voxels), area of
    the triangles that shrink then.
    """
    numbers, table = triangle_table()
    out = np.zeros((high - low, 3))
    _layers(values, voi, low, numbers, table, EDGES, growth, out)
    return out


@numba.njit(cache=True, parallel=True)
def _layers(values, voi, low, numbers, table, edges, growth, out):
    _, ny, nx = values.shape
    for i in numba.prange(out.shape[0]):
        z = low + i
        points, normals = np.zeros((INNER + 1, 3)), np.zeros((INNER + 1, 3))
        for y in range(ny - 1):
            column = _column(values, z, y, 0)
            for x in range(nx - 1):
                after = _column(values, z, y, x + 1)
                code = column | after << 1
                column = after
                if 0 < code < 255:
                    _cuts(values, z, y, x, code, edges, growth, points, normals)
                    for t in range(numbers[code]):
                        _triangle(points, normals, table[code, t], voi[z : z + 2, y : y + 2, x : x + 2], growth, out[i])


@numba.njit(cache=True)
def _column(values, z, y, x):
    """Bits 0, 2, 4, 6: which of the four voxels of a column of cells are in."""
    half = 0.5
    return (
        np.int64(values[z, y, x] >= half)
        | np.int64(values[z, y + 1, x] >= half) << 2
        | np.int64(values[z + 1, y, x] >= half) << 4
        | np.int64(values[z + 1, y + 1, x] >= half) << 6
    )


@numba.njit(cache=True)
def _cuts(values, z, y, x, code, edges, growth, points, normals):
    """Where the surface cuts the cell's edges (from the cell's first corner) and its outward normals there; their mean last."""
    points[INNER] = 0.0
    normals[INNER] = 0.0
    count = 0
    for e in range(INNER):
        a, b = edges[e, 0], edges[e, 1]
        if (code >> a & 1) == (code >> b & 1):
            continue
        az, ay, ax = z + (a >> 2 & 1), y + (a >> 1 & 1), x + (a & 1)
        bz, by, bx = z + (b >> 2 & 1), y + (b >> 1 & 1), x + (b & 1)
        va, vb = np.float64(values[az, ay, ax]), np.float64(values[bz, by, bx])
        t = (0.5 - va) / (vb - va)
        points[e, 0] = (a >> 2 & 1) + t * (bz - az)
        points[e, 1] = (a >> 1 & 1) + t * (by - ay)
        points[e, 2] = (a & 1) + t * (bx - ax)
        if growth:
            _gradient(values, az, ay, ax, 1.0 - t, bz, by, bx, t, normals[e])
            normals[INNER] += normals[e]
        points[INNER] += points[e]
        count += 1
    points[INNER] /= count
    length = np.sqrt((normals[INNER] ** 2).sum())
    if length > 0:
        normals[INNER] /= length


@numba.njit(cache=True)
def _gradient(values, az, ay, ax, share_a, bz, by, bx, share_b, normal):
    """Unit vector towards smaller values, from central differences at both ends of an edge (one-sided at the border)."""
    nz, ny, nx = values.shape
    for side in range(2):
        z, y, x, w = (az, ay, ax, share_a) if side == 0 else (bz, by, bx, share_b)
        if side == 0:
            normal[:] = 0.0
        z0, z1 = max(0, z - 1), min(nz - 1, z + 1)
        y0, y1 = max(0, y - 1), min(ny - 1, y + 1)
        x0, x1 = max(0, x - 1), min(nx - 1, x + 1)
        normal[0] -= w * (np.float64(values[z1, y, x]) - np.float64(values[z0, y, x])) / (z1 - z0)
        normal[1] -= w * (np.float64(values[z, y1, x]) - np.float64(values[z, y0, x])) / (y1 - y0)
        normal[2] -= w * (np.float64(values[z, y, x1]) - np.float64(values[z, y, x0])) / (x1 - x0)
    length = np.sqrt(normal[0] ** 2 + normal[1] ** 2 + normal[2] ** 2)
    if length > 0:
        normal /= length


@numba.njit(cache=True)
def _triangle(points, normals, corners, voi, growth, sums):
    """Add a triangle if the voxel nearest to its middle lies in the VOI (of the cell's eight voxels)."""
    a, b, c = points[corners[0]], points[corners[1]], points[corners[2]]
    if not voi[
        np.int64(a[0] + b[0] + c[0] > 1.5), np.int64(a[1] + b[1] + c[1] > 1.5), np.int64(a[2] + b[2] + c[2] > 1.5)
    ]:
        return
    uz, uy, ux, vz, vy, vx = b[0] - a[0], b[1] - a[1], b[2] - a[2], c[0] - a[0], c[1] - a[1], c[2] - a[2]
    nz, ny, nx = uy * vx - ux * vy, ux * vz - uz * vx, uz * vy - uy * vz
    double = np.sqrt(nz * nz + ny * ny + nx * nx)
    sums[0] += double / 2
    if not growth or double == 0:
        return
    na, nb, nc = normals[corners[0]], normals[corners[1]], normals[corners[2]]
    pz, py, px, qz, qy, qx = (
        nb[0] - na[0], nb[1] - na[1], nb[2] - na[2], nc[0] - na[0], nc[1] - na[1], nc[2] - na[2],
    )  # fmt: skip
    change = (
        nz * (py * vx - px * vy + uy * qx - ux * qy)
        + ny * (px * vz - pz * vx + ux * qz - uz * qx)
        + nx * (pz * vy - py * vz + uz * qy - uy * qz)
    ) / (2 * double)
    sums[1] += change
    if change < 0:
        sums[2] += double / 2
