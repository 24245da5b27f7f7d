"""Compiled loops of exact local thickness: which spheres are needed, and painting them.

A centre is dropped when the sphere of one of its 26 neighbours holds every voxel of its own; a holder is strictly larger, so
chains end and nothing is lost. The others are painted by rows: in a plane a sphere is a disc, in one row per span, and a span
raises up to 32 voxels that lie side by side to the sphere's rank with one vector maximum. A maximum does not mind the
order, so planes are shared among threads, and spheres are grouped by strip of rows (for the cache) and size (so that
what depends on the size is found once).

Tried without gain: skipping tiles that are done, with spheres from the largest to the smallest (the last voxels of a tile
come late, so it is rarely skipped); one bit a waiting voxel; plain loops for the span (ten times slower than the
vector form: the compiler cannot know that the two arrays are apart).
"""

from __future__ import annotations

import numba
import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

LANES = 32


@intrinsic
def _raise_lanes(context, line, start, value, masks, row):
    """line[start : start + LANES] = maximum of itself and (value and masks[LANES * row : LANES * (row + 1)]).

    One-dimensional arrays of the same unsigned type, values of that type, whole numbers without bounds check.
    """

    def generate(cgctx, builder, signature, given):
        at, begin, number, table, which = given
        vector = ir.VectorType(cgctx.get_data_type(line.dtype), LANES)
        spread = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        unset = ir.Constant(vector, ir.Undefined)
        size = line.dtype.bitwidth // 8

        def address(kind, array, index):
            data = cgctx.make_array(kind)(cgctx, builder, array).data
            return builder.bitcast(builder.gep(data, [index]), ir.PointerType(vector))

        target = address(line, at, begin)
        old, mask = (
            builder.load(target),
            builder.load(address(masks, table, builder.mul(which, which.type(LANES)))),
        )
        old.align = mask.align = size
        first = builder.insert_element(unset, number, ir.Constant(ir.IntType(32), 0))
        new = builder.and_(builder.shuffle_vector(first, unset, spread), mask)
        builder.store(
            builder.select(builder.icmp_unsigned(">", new, old), new, old), target
        ).align = size
        return cgctx.get_dummy_value()

    return types.void(line, types.uint64, line.dtype, masks, types.uint64), generate


def span_masks(dtype: type) -> np.ndarray:
    """Row n has its first n of LANES values set, the others 0; flat."""
    return (
        np.where(np.arange(LANES) < np.arange(LANES + 1)[:, None], np.iinfo(dtype).max, 0)
        .astype(dtype)
        .ravel()
    )


@numba.njit(cache=True, nogil=True)
def fill_cover(tables, root):
    """Largest |v + shift|² over whole-number v with |v|² = n, for the three shifts of `thickness.cover_tables`."""
    top = tables.shape[1] - 1
    for x in range(root + 1):
        for y in range(x + 1):
            if x * x + y * y > top:
                break
            for z in range(y + 1):
                n = x * x + y * y + z * z
                if n > top:
                    break
                tables[0, n] = max(tables[0, n], n + 2 * x + 1)
                tables[1, n] = max(tables[1, n], n + 2 * (x + y) + 2)
                tables[2, n] = max(tables[2, n], n + 2 * (x + y + z) + 3)


@numba.njit(cache=True, nogil=True)
def mark_sizes(square, seen, low, high):
    """seen[value] = True for each value that occurs in planes low to high."""
    for z in range(low, high):
        for y in range(square.shape[1]):
            for x in range(square.shape[2]):
                seen[square[z, y, x]] = True


# Loops over rows stand in for assignments of slices, whose checks of shape take seconds to compile.


@numba.njit(cache=True, nogil=True)
def needed_centres(square, tables, ranks, strip, places, centres, write, first, last):
    """Needed centres of planes first to last by (plane, strip of rows, rank): `places` is raised by one for each.

    With `write`, (y, x) of a centre goes to where `places` stands before; `centres` is not looked at without.
    """
    nz, ny, nx = square.shape
    own, faces, edges = (
        np.zeros(nx + 2, square.dtype),
        np.zeros(nx + 2, square.dtype),
        np.zeros(nx + 2, square.dtype),
    )
    zero = np.zeros(nx, square.dtype)
    for z in range(first, last):
        for y in range(ny):
            below, above, before, after = z > 0, z + 1 < nz, y > 0, y + 1 < ny
            _largest_of_four(
                square[z, y], square[z, y], square[z, y], square[z, y], own[1 : nx + 1]
            )
            _largest_of_four(
                square[z, y - 1] if before else zero,
                square[z, y + 1] if after else zero,
                square[z - 1, y] if below else zero,
                square[z + 1, y] if above else zero,
                faces[1 : nx + 1],
            )
            _largest_of_four(
                square[z - 1, y - 1] if below and before else zero,
                square[z - 1, y + 1] if below and after else zero,
                square[z + 1, y - 1] if above and before else zero,
                square[z + 1, y + 1] if above and after else zero,
                edges[1 : nx + 1],
            )
            _row_centres(
                own,
                faces,
                edges,
                tables=tables,
                ranks=ranks,
                places=places[z, y // strip],
                y=y,
                centres=centres,
                write=write,
            )


@numba.njit(cache=True, nogil=True)
def _largest_of_four(a, b, c, d, out):
    for x in range(out.shape[0]):
        out[x] = max(max(a[x], b[x]), max(c[x], d[x]))


@numba.njit(cache=True, nogil=True)
def _row_centres(own, faces, edges, tables, ranks, places, y, centres, write):
    """Neighbours one step away are in `own` and `faces`, two steps in `faces` and `edges`, three steps in `edges`."""
    for x in range(1, own.shape[0] - 1):
        value = own[x]
        if (
            value != 0
            and max(max(own[x - 1], own[x + 1]), faces[x]) < tables[0, value]
            and max(max(faces[x - 1], faces[x + 1]), edges[x]) < tables[1, value]
            and max(edges[x - 1], edges[x + 1]) < tables[2, value]
        ):
            rank = ranks[value]
            if write:
                centres[places[rank], 0] = y
                centres[places[rank], 1] = x - 1
            places[rank] += 1


@numba.njit(cache=True, nogil=True)
def paint(
    phase, low, strip, starts, centres, sizes, roots, masks, levels, values, out, first, last
):
    """out[i] = values[level of the largest sphere that holds the voxel] for planes low + i, i from first to last.

    A phase of one plane holds for all. `values[0]` is given where no sphere is; `levels[k]` = k + 1 as the type of
    `masks`; the type's largest value marks what is not phase and gives values[-1].
    """
    _, ny, nx = phase.shape
    wall = masks[-1]
    width = nx + 2 * LANES
    plane = np.empty(ny * width, masks.dtype)
    for i in range(plane.shape[0]):
        plane[i] = wall
    for i in range(first, last):
        for y in range(ny):
            _open(
                phase[min(low + i, phase.shape[0] - 1), y],
                wall,
                plane[y * width + LANES : y * width + LANES + nx],
            )
        for part in range(starts.shape[1]):
            _paint_strip(
                plane,
                ny,
                nx,
                z=low + i,
                part=part,
                starts=starts,
                centres=centres,
                sizes=sizes,
                roots=roots,
                masks=masks,
                levels=levels,
            )
        for y in range(ny):
            _close(plane[y * width + LANES : y * width + LANES + nx], values, out[i, y])


@numba.njit(cache=True, nogil=True)
def _open(phase, wall, row):
    for x in range(phase.shape[0]):
        row[x] = 0 if phase[x] else wall


@numba.njit(cache=True, nogil=True)
def _close(row, values, out):
    last = values.shape[0] - 1
    for x in range(out.shape[0]):
        out[x] = values[min(np.int64(row[x]), last)]


@numba.njit(cache=True, nogil=True)
def _paint_strip(plane, ny, nx, z, part, starts, centres, sizes, roots, masks, levels):
    """Discs in plane z of all spheres whose centre lies in one strip of rows of any plane."""
    reach = np.int64(roots[sizes[-1]])
    for at in range(max(0, z - reach), min(starts.shape[0] - 1, z + reach) + 1):
        away = (at - z) * (at - z)
        for rank in range(sizes.shape[0] - 1, -1, -1):
            flat = sizes[rank] - away
            if flat < 0:
                break
            for i in range(starts[at, part, rank], starts[at, part, rank + 1]):
                _disc(
                    plane,
                    ny,
                    nx,
                    cy=np.int64(centres[i, 0]),
                    cx=np.int64(centres[i, 1]),
                    flat=flat,
                    roots=roots,
                    masks=masks,
                    level=levels[rank],
                )


@numba.njit(cache=True, nogil=True)
def _disc(plane, ny, nx, cy, cx, flat, roots, masks, level):
    width = nx + 2 * LANES
    for dy in range(np.int64(roots[flat]) + 1):
        half = np.int64(roots[flat - dy * dy])
        low, n = cx - half, 2 * half + 1
        if n > LANES:  # short spans may reach into the margin, long ones are cut
            low, n = max(0, low), min(nx - 1, cx + half) - max(0, low) + 1
        if cy >= dy:
            _span(plane, (cy - dy) * width + LANES + low, n, level, masks)
        if dy > 0 and cy + dy < ny:
            _span(plane, (cy + dy) * width + LANES + low, n, level, masks)


@numba.njit(cache=True, nogil=True)
def _span(plane, start, n, level, masks):
    if n <= LANES:
        _raise_lanes(plane, np.uint64(start), level, masks, np.uint64(n))
        return
    end = start + n - LANES
    while start < end:
        _raise_lanes(plane, np.uint64(start), level, masks, np.uint64(LANES))
        start += LANES
    _raise_lanes(plane, np.uint64(end), level, masks, np.uint64(LANES))
