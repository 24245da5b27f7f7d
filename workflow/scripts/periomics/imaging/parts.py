"""Connected parts of masks held by tiles: labelled tile by tile and joined at the seams, so that no
tile's size changes them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from periomics.imaging.boxes import Box
from periomics.imaging.planes import Grid, Plane

# Labelled tiles that are kept, in pixels of all of them.
KEPT = 40_000_000
FAR = np.iinfo(np.int64).max


@dataclass
class Parts:
    """Connected parts of a mask, numbered 1..N in the order of their first pixels in rows of the
    picture.

    Attributes
    ----------
    area, first
        (N + 1,) pixels, and the place of the first one (row × `row_length` + column, both from the
        domain's corner).
    outer
        (N + 1,) whether it touches the edge of the domain.
    """

    mask: Callable[[int, int], np.ndarray]
    grid: Grid
    connectivity: Literal[4, 8]
    numbers: list[list[np.ndarray]] = field(default_factory=list)
    area: np.ndarray = field(default_factory=lambda: np.zeros(1, np.int64))
    first: np.ndarray = field(default_factory=lambda: np.full(1, FAR))
    outer: np.ndarray = field(default_factory=lambda: np.zeros(1, bool))
    kept: OrderedDict[tuple[int, int], np.ndarray] = field(default_factory=OrderedDict)

    def __len__(self) -> int:
        return len(self.area) - 1

    def place(self, numbers: np.ndarray | slice = np.s_[1:]) -> np.ndarray:
        """Row and column (n, 2) of the first pixels."""
        top, left, _, right = self.grid.domain
        row, column = np.divmod(self.first[numbers], right - left)
        return np.stack([row + top, column + left], axis=1)

    def own(self, i: int, j: int) -> np.ndarray:
        """Labels of a tile alone, of which `numbers` tells the parts, int32, 0 where there is
        none."""
        key = (i, j)
        if key in self.kept:
            self.kept.move_to_end(key)
        else:
            self.kept[key] = label(self.mask(i, j), self.connectivity)
            while len(self.kept) > max(1, KEPT // self.grid.tile**2):
                self.kept.popitem(last=False)
        return self.kept[key]

    def core(self, i: int, j: int) -> np.ndarray:
        """Numbers of the parts in a tile, int32, 0 where there is none."""
        return self.numbers[i][j][self.own(i, j)]

    def read(self, box: Box) -> np.ndarray:
        """Numbers of the parts in a window."""
        out = np.zeros(box.shape, np.int32)
        for i, j, core in self.grid.at(box):
            both = core.common(box)
            out[both.inside(box)] = self.core(i, j)[both.inside(core)]
        return out

    def plane(self, keep: np.ndarray) -> Plane:
        """The pixels of those parts of which `keep` (N + 1,) is True."""
        out, keep = Plane(self.grid), keep.copy()
        keep[0] = False
        for i, j, core in self.grid.cores():
            out.put(core, keep[self.core(i, j)])
        return out


def label(mask: np.ndarray, connectivity: Literal[4, 8] = 8) -> np.ndarray:
    """Connected parts, numbered 1..N in raster order, int32."""
    import cc3d

    # Of a mask of bool with 8 neighbours cc3d 4.1.1 labels pixels beside the mask and tears parts;
    # of whole numbers it does not.
    found = cc3d.connected_components(
        np.ascontiguousarray(mask, np.uint8), connectivity=connectivity
    )
    return found.astype(np.int32)


def parts_of(plane: Plane, connectivity: Literal[4, 8] = 8, free: bool = False) -> Parts:
    """Parts of a plane, or with `free` of what it leaves free."""

    def mask(i: int, j: int) -> np.ndarray:
        held = plane.core(i, j)
        return ~held if free else held

    return _Joined(Parts(mask, plane.grid, connectivity)).run()


class _Joined:
    """Labels of tiles on their way to parts."""

    def __init__(self, parts: Parts) -> None:
        self.parts, self.count = parts, 0
        self.area: list[np.ndarray] = [np.zeros(1, np.int64)]
        self.first: list[np.ndarray] = [np.full(1, FAR)]
        self.outer: list[np.ndarray] = [np.zeros(1, bool)]
        self.pairs: list[np.ndarray] = []

    def run(self) -> Parts:
        grid = self.parts.grid
        rows, columns = grid.counts
        wide = grid.domain.shape[1]
        above = np.zeros(wide, np.int64)
        for i in range(rows):
            here, last = (np.zeros(wide, np.int64) for _ in range(2))
            beside, row = np.zeros(0, np.int64), []
            for j in range(columns):
                labels = self._tile(i, j)
                row.append(labels.offset)
                at = np.s_[j * grid.tile : j * grid.tile + labels.found.shape[1]]
                here[at], last[at] = labels.of(labels.found[0]), labels.of(labels.found[-1])
                if j:
                    self._seam(beside, labels.of(labels.found[:, 0]))
                beside = labels.of(labels.found[:, -1])
            if i:
                self._seam(above, here)
            above = last
            self.parts.numbers.append(row)
        return self._numbered()

    def _tile(self, i: int, j: int) -> _Tile:
        grid, core = self.parts.grid, self.parts.grid.core(i, j)
        found = label(self.parts.mask(i, j), self.parts.connectivity)
        n = int(found.max())
        tile = _Tile(found, np.array([self.count, n]), self.count)
        self.count += n
        flat = found.ravel()
        where = np.flatnonzero(flat)
        self.area.append(np.bincount(flat[where], minlength=n + 1)[1:])
        first = np.zeros(n + 1, np.int64)
        first[flat[where[::-1]]] = where[::-1]  # the last to be written is the first pixel
        y, x = np.divmod(first[1:], found.shape[1])
        top, left, bottom, right = grid.domain
        self.first.append((y + core.top - top) * (right - left) + x + core.left - left)
        outer, edges = np.zeros(n + 1, bool), [found[:0].ravel()]
        edges += [found[0]] * (core.top == top) + [found[-1]] * (core.bottom == bottom)
        edges += [found[:, 0]] * (core.left == left) + [found[:, -1]] * (core.right == right)
        outer[np.concatenate(edges)] = True
        self.outer.append(outer[1:])
        return tile

    def _seam(self, one: np.ndarray, other: np.ndarray) -> None:
        """Labels that meet across a seam."""
        shifts = (0, -1, 1) if self.parts.connectivity == 8 else (0,)
        for shift in shifts:
            a = one[max(0, shift) : len(one) + min(0, shift)]
            b = other[max(0, -shift) : len(other) + min(0, -shift)]
            both = (a > 0) & (b > 0)
            if both.any():
                self.pairs.append(np.unique(np.stack([a[both], b[both]], axis=1), axis=0))

    def _numbered(self) -> Parts:
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        parts, n = self.parts, self.count + 1
        pairs = np.concatenate([np.zeros((0, 2), np.int64), *self.pairs])
        links = coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
        _, group = connected_components(links, directed=False)
        first, area = np.concatenate(self.first), np.concatenate(self.area)
        least = np.full(group.max() + 1, FAR)
        np.minimum.at(least, group[1:], first[1:])
        order = np.argsort(
            least, kind="stable"
        )  # the group of label 0 holds nothing else and comes last
        number = np.empty(len(order), np.int64)
        number[order] = np.arange(1, len(order) + 1)
        number[group[0]] = 0
        owner = number[group].astype(np.int32)
        parts.first = np.concatenate([[FAR], least[order][:-1]])
        parts.area = np.zeros(len(order), np.int64)
        np.add.at(parts.area, owner, area)
        parts.outer = np.zeros(len(order), bool)
        np.logical_or.at(parts.outer, owner, np.concatenate(self.outer))
        for row in parts.numbers:
            for j, held in enumerate(row):
                offset, count = held
                own = owner[offset + 1 : offset + count + 1]
                row[j] = np.concatenate([np.zeros(1, np.int32), own])
        return parts


@dataclass
class _Tile:
    found: np.ndarray
    offset: np.ndarray
    before: int

    def of(self, line: np.ndarray) -> np.ndarray:
        """Labels of all tiles for those of this one."""
        return np.where(line > 0, line.astype(np.int64) + self.before, 0)


def fill_holes(plane: Plane, most: float, pixel: float = 1.0) -> Plane:
    """With what the mask encloses, up to an area; what touches the edge of the domain is not
    enclosed. `pixel`: area of one."""
    holes = parts_of(plane, 4, free=True)
    fill = (holes.area * pixel <= most) & ~holes.outer
    fill[0] = False
    out = Plane(plane.grid)
    for i, j, core in plane.grid.cores():
        out.put(core, plane.core(i, j) | fill[holes.core(i, j)])
    return out
