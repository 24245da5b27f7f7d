"""Nuclei by the network in blocks: memory is that of some blocks, whatever the picture's size."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from scipy import ndimage as ndi

from periomics.imaging.boxes import Box
from periomics.imaging.convolution import MARGIN, Network, apply
from periomics.imaging.nuclei import Found, bodies_of, numbered, settled, votes

# Of a block in the network's own pixels, of which a nucleus is some 24 wide: side, and what is
# looked at around it for bodies that reach into it. Multiples of 16, as the network halves its
# picture four times.
BLOCK, AROUND = 1024, 160
# Picture pixels around a block for straight lines between pixels.
EDGE = 2

# A window of the network's view; see `nuclei.absorbing`.
Read = Callable[[Box], np.ndarray]


class Blocks:
    """A picture as the network sees it, nuclei being so many pixels wide; `read` gives windows of
    the part of it that is looked at."""

    def __init__(self, network: Network, part: Box, read: Read, size_px: float) -> None:
        self.network, self.part, self.read = network, part, read
        scale = network.diameter_px / size_px
        self.shape = tuple(max(1, round(n * scale)) for n in part.shape)
        self.whole = Box(0, 0, *self.shape)
        self._held: dict[Box, Found] = {}

    def all(self) -> Iterator[Box]:
        """Every block, in rows."""
        for y in range(0, self.shape[0], BLOCK):
            for x in range(0, self.shape[1], BLOCK):
                yield self._block(y, x)

    def some(self, places: int) -> Iterator[Box]:
        """A lattice of so many blocks along either side."""
        rows, columns = (-(-n // BLOCK) for n in self.shape)
        at = [sorted({int((k + 0.5) * n / places) for k in range(places)}) for n in (rows, columns)]
        for i in at[0]:
            for j in at[1]:
                yield self._block(i * BLOCK, j * BLOCK)

    def labels(self, block: Box, alone: bool = False) -> tuple[np.ndarray, Box, np.ndarray]:
        """Nuclei whose first pixel lies in a block, in a window of the picture's pixels; where the
        seed of each number lies in the whole (in rows).

        Parameters
        ----------
        alone
            Do not keep what was seen for the blocks beside it.
        """
        looked = block.grown(AROUND, self.whole)
        found = self._seen(looked) if alone else self._around(block, looked)
        labels, seeds = bodies_of(found, looked.shape, self.network.reading)
        where = np.flatnonzero(labels)
        first = np.zeros(int(labels.max()) + 1, np.int64)
        first[labels.ravel()[where[::-1]]] = where[::-1]
        y, x = np.divmod(first, looked.shape[1])
        top, left = y + looked.top, x + looked.left
        own = (
            (top >= block.top) & (top < block.bottom) & (left >= block.left) & (left < block.right)
        )
        own[0] = False
        y, x = np.divmod(seeds, looked.shape[1])
        seeds = (y + looked.top) * self.shape[1] + x + looked.left
        return *self._in_pixels(np.where(own[labels], labels, 0), looked), seeds

    def _block(self, y: int, x: int) -> Box:
        return Box(y, x, y + BLOCK, x + BLOCK).common(self.whole)

    def _around(self, block: Box, looked: Box) -> Found:
        """What the network says of a block and around it, each block seen once: those of two rows
        above are let go."""
        for old in [b for b in self._held if b.bottom < block.top]:
            del self._held[old]
        parts = []
        for y in range(looked.top // BLOCK * BLOCK, looked.bottom, BLOCK):
            for x in range(looked.left // BLOCK * BLOCK, looked.right, BLOCK):
                one = self._block(y, x)
                if one not in self._held:
                    self._held[one] = self._seen(one)
                parts.append(self._held[one].within(one, looked))
        return Found(*(np.concatenate(p) for p in zip(*parts, strict=True)))

    def _seen(self, box: Box) -> Found:
        seen = box.grown(MARGIN, self.whole)
        found = apply(self.network, self.view(seen), max(seen.shape) + MARGIN)
        return votes(found[box.inside(seen)], self.network.diameter_px, self.network.reading)

    def view(self, box: Box) -> np.ndarray:
        """What the network sees of a box, as `nuclei.resampled` gives it of a whole picture:
        straight lines between pixels, or means where it shrinks."""
        part = self.part
        steps = [n / m for n, m in zip(part.shape, self.shape, strict=True)]
        blur = [max(0.0, (n - 1) / 2) for n in steps]
        lines = [(np.arange(box[k], box[k + 2]) + 0.5) * steps[k] - 0.5 for k in (0, 1)]
        needed = Box(
            part.top + int(lines[0][0]),
            part.left + int(lines[1][0]),
            part.top + int(lines[0][-1]) + 2,
            part.left + int(lines[1][-1]) + 2,
        ).common(part)
        window = needed.grown(EDGE + int(np.ceil(4 * max(blur))), part)
        view = self.read(window)
        if max(blur) > 0:
            view = ndi.gaussian_filter(view, (*blur, 0), mode="nearest")
        return _between(view, [self._line(k, lines[k], window[k]) for k in (0, 1)])

    def _line(self, k: int, line: np.ndarray, first: int) -> tuple[np.ndarray, ...]:
        """Of places in a line of the part the pixels before and after, in a window, and the
        latter's share."""
        n, shift = self.part.shape[k], self.part[k] - first
        at = np.clip(line, 0, n - 1)
        low = at.astype(int)
        return low + shift, np.minimum(low + 1, n - 1) + shift, at - low

    def _in_pixels(self, labels: np.ndarray, looked: Box) -> tuple[np.ndarray, Box]:
        at, bounds = [], []
        for k in (0, 1):
            n, m = self.part.shape[k], self.shape[k]
            index = np.minimum(((np.arange(n) + 0.5) * m / n).astype(int), m - 1)
            here = np.flatnonzero((index >= looked[k]) & (index < looked[k + 2]))
            at.append(index[here] - looked[k])
            bounds.append((self.part[k] + int(here[0]), self.part[k] + int(here[-1]) + 1))
        box = Box(bounds[0][0], bounds[1][0], bounds[0][1], bounds[1][1])
        return labels[at[0]][:, at[1]], box


def _between(view: np.ndarray, lines: list[tuple[np.ndarray, ...]]) -> np.ndarray:
    """Straight lines between pixels, added in the order in which `scipy.ndimage.zoom` adds."""
    (top, bottom, down), (left, right, across) = lines
    out = np.empty((len(top), len(left), view.shape[2]), np.float32)
    for k in range(view.shape[2]):
        one = view[..., k].astype(np.float64)
        above, below = one[top] * (1 - down)[:, None], one[bottom] * down[:, None]
        total = above[:, left] * (1 - across)
        total += above[:, right] * across
        total += below[:, left] * (1 - across)
        total += below[:, right] * across
        out[..., k] = total
    return out


def find(network: Network, part: Box, read: Read, size_px: float) -> tuple[np.ndarray, float]:
    """Labels of nuclei of a picture in memory, 1..N, and the size (diameter in pixels of the
    picture) that they were looked for at: `size_px`, or in at most three rounds the picture's own.
    """
    held: dict[float, np.ndarray] = {}

    def areas(size: float) -> np.ndarray:
        held.clear()
        held[size] = numbers(Blocks(network, part, read, size))
        return np.bincount(held[size].ravel())[1:]

    size = settled(areas, size_px)
    return held[size] if size in held else numbers(Blocks(network, part, read, size)), size


def numbers(blocks: Blocks) -> np.ndarray:
    """Labels of the whole picture, numbered in the order of their seeds."""
    out, seeds, n = np.zeros(blocks.part.shape, np.int32), [np.zeros(1, np.int64)], 0
    for block in blocks.all():
        labels, box, of = blocks.labels(block)
        here = out[box.inside(blocks.part)]
        np.copyto(here, labels + n, where=labels > 0)
        seeds.append(of[1:])
        n += len(of) - 1
    order = np.empty(n + 1, np.int32)
    order[0] = 0
    order[np.argsort(np.concatenate(seeds)[1:], kind="stable") + 1] = np.arange(1, n + 1)
    return numbered(order[out])
