"""Masks of a picture too large for memory: held as packed bits, worked on by tiles, with results
that no tile's size changes."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from periomics.imaging.boxes import Box


@dataclass(frozen=True)
class Grid:
    """Tiles over a part of a picture.

    Attributes
    ----------
    part
        What is looked at, in pixels of the picture.
    tile
        Side of a tile.
    pad
        Pixels around the part that hold nothing, in which what is widened finds room.
    """

    part: Box
    tile: int
    pad: int = 0

    @property
    def domain(self) -> Box:
        """The part with what lies around it."""
        top, left, bottom, right = self.part
        return Box(top - self.pad, left - self.pad, bottom + self.pad, right + self.pad)

    @property
    def counts(self) -> tuple[int, int]:
        """Rows and columns of tiles."""
        high, wide = self.domain.shape
        return -(-high // self.tile), -(-wide // self.tile)

    def core(self, i: int, j: int) -> Box:
        """The tile in row i and column j."""
        top, left, bottom, right = self.domain
        y, x = top + i * self.tile, left + j * self.tile
        return Box(y, x, min(y + self.tile, bottom), min(x + self.tile, right))

    def cores(self) -> Iterator[tuple[int, int, Box]]:
        """All tiles, in rows."""
        rows, columns = self.counts
        for i in range(rows):
            for j in range(columns):
                yield i, j, self.core(i, j)

    def at(self, box: Box) -> Iterator[tuple[int, int, Box]]:
        """The tiles that a box reaches into."""
        top, left, _, _ = self.domain
        rows, columns = self.counts
        for i in range(max(0, (box.top - top) // self.tile), rows):
            if self.core(i, 0).top >= box.bottom:
                break
            for j in range(max(0, (box.left - left) // self.tile), columns):
                core = self.core(i, j)
                if core.left >= box.right:
                    break
                yield i, j, core


@dataclass
class Plane:
    """A mask over a grid's domain, False where nothing was put."""

    grid: Grid
    blocks: dict[tuple[int, int], bytes] = field(default_factory=dict)

    def put(self, box: Box, mask: np.ndarray) -> None:
        """Take the pixels of one tile from the mask of a box that holds it."""
        for i, j, core in self.grid.at(box):
            if core.common(box) == core:
                self._put(i, j, mask[core.inside(box)])

    def _put(self, i: int, j: int, mask: np.ndarray) -> None:
        if mask.any():
            self.blocks[i, j] = zlib.compress(np.packbits(mask).tobytes(), 1)
        else:
            self.blocks.pop((i, j), None)

    def core(self, i: int, j: int) -> np.ndarray:
        """The mask of a tile."""
        shape = self.grid.core(i, j).shape
        if (i, j) not in self.blocks:
            return np.zeros(shape, bool)
        bits = np.frombuffer(zlib.decompress(self.blocks[i, j]), np.uint8)
        return np.unpackbits(bits, count=shape[0] * shape[1]).view(bool).reshape(shape)

    def read(self, box: Box) -> np.ndarray:
        """The mask of a window, bool."""
        out = np.zeros(box.shape, bool)
        for i, j, core in self.grid.at(box):
            if (i, j) in self.blocks:
                both = core.common(box)
                out[both.inside(box)] = self.core(i, j)[both.inside(core)]
        return out

    def total(self) -> int:
        """How many pixels it holds."""
        return sum(int(np.count_nonzero(self.core(i, j))) for i, j in self.blocks)


def local(
    work: Callable[..., np.ndarray], reach: int, *planes: Plane, padded: bool = False
) -> Plane:
    """A plane of which every pixel follows from what lies within `reach` of it.

    Parameters
    ----------
    work
        Masks of a window of each plane → mask of that window.
    padded
        Whether windows reach beyond the part; else they end at its edges, as a picture does.
    """
    grid = planes[0].grid
    within, out = grid.domain if padded else grid.part, Plane(grid)
    for i, j, core in grid.cores():
        own = core.common(within)
        if not own.area:
            continue
        window = own.grown(reach, within)
        found = np.zeros(core.shape, bool)
        masks = [p.read(window) for p in planes]
        found[own.inside(core)] = work(*masks)[own.inside(window)]
        out._put(i, j, found)
    return out
