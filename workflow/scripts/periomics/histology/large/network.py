"""Nuclei of a large section by the network: in blocks that lie where they lie, whatever the tiles
are, each with what is around it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from periomics.histology.batch import BatchRow
from periomics.histology.detection import smoothed
from periomics.histology.large.pieces import Collected
from periomics.histology.large.section import Large
from periomics.histology.nuclei import Options
from periomics.histology.settings import StainSettings
from periomics.imaging import nuclei as network_nuclei
from periomics.imaging.boxes import Box
from periomics.imaging.convolution import MARGIN, Network, apply

# Of a block in the network's own pixels, of which a nucleus is some 24 wide: side, and what is
# looked at around it for bodies that reach into it. Multiples of 16, as the network halves its
# picture four times.
BLOCK, AROUND = 1536, 160
# The size of nuclei is that of a section of so many pixels, or of so many places along either side
# of a larger one.
SIZED_PIXELS, PLACES = 16_000_000, 3
# Picture pixels around a block for straight lines between pixels and smoothing.
EDGE = 16


def nuclei_of(
    large: Large, settings: StainSettings, batch: BatchRow, options: Options
) -> Collected:
    """All nuclei, as `nuclei.find` finds them in a section that is in memory."""
    if settings.network is None:
        raise ValueError("nuclei are to be found by the network, and none was given")
    out, pixel = Collected(large, True, options.core), large.pixel_um
    size = _size(large, settings.network, batch, options.nucleus_um / pixel)
    blocks = _Blocks(large, settings.network, batch, size)
    for block in blocks.all():
        labels, box = blocks.labels(block)
        area = np.bincount(labels.ravel()) * pixel**2
        keep = (area >= options.smallest_um2) & (area <= options.largest_um2)
        keep[0] = False
        dense = (np.cumsum(keep) * keep).astype(np.int32)[labels]
        if dense.any():
            window = box.grown(EDGE, large.part)
            found = smoothed(large.view(window), settings, batch)
            images = {
                "target": found[settings.target][box.inside(window)],
                "other": found[1 - settings.target][box.inside(window)],
            }
            out.add(dense, box, images)
    return out


def _size(large: Large, network: Network, batch: BatchRow, first_px: float) -> float:
    """Size (pixels) at which nuclei are looked for, found once for the section; see
    `imaging.nuclei.find`."""

    def areas(size: float) -> np.ndarray:
        blocks = _Blocks(large, network, batch, size)
        found = [np.bincount(blocks.labels(b)[0].ravel())[1:] for b in blocks.some()]
        return np.concatenate(found)

    return network_nuclei.settled(areas, first_px)


class _Blocks:
    """A section as the network sees it, nuclei being so many pixels wide."""

    def __init__(self, large: Large, network: Network, batch: BatchRow, size_px: float) -> None:
        self.large, self.network, self.batch = large, network, batch
        scale = network.diameter_px / size_px
        self.shape = tuple(max(1, round(n * scale)) for n in large.part.shape)
        self.whole = Box(0, 0, *self.shape)

    def all(self) -> Iterator[Box]:
        """Every block, in rows."""
        for y in range(0, self.shape[0], BLOCK):
            for x in range(0, self.shape[1], BLOCK):
                yield Box(y, x, y + BLOCK, x + BLOCK).common(self.whole)

    def some(self) -> Iterator[Box]:
        """Every block of a small section, a lattice of them of a larger one."""
        if self.large.part.area <= SIZED_PIXELS:
            yield from self.all()
            return
        rows, columns = (-(-n // BLOCK) for n in self.shape)
        at = [sorted({int((k + 0.5) * n / PLACES) for k in range(PLACES)}) for n in (rows, columns)]
        for i in at[0]:
            for j in at[1]:
                y, x = i * BLOCK, j * BLOCK
                yield Box(y, x, y + BLOCK, x + BLOCK).common(self.whole)

    def labels(self, block: Box) -> tuple[np.ndarray, Box]:
        """Nuclei whose first pixel lies in a block, in a window of the section's pixels."""
        looked = block.grown(AROUND, self.whole)
        seen = looked.grown(MARGIN, self.whole)
        found = apply(self.network, self._view(seen), max(seen.shape))
        labels = network_nuclei.bodies(found[looked.inside(seen)], self.network.diameter_px)
        where = np.flatnonzero(labels)
        first = np.zeros(int(labels.max()) + 1, np.int64)
        first[labels.ravel()[where[::-1]]] = where[::-1]
        y, x = np.divmod(first, looked.shape[1])
        top, left = y + looked.top, x + looked.left
        own = (
            (top >= block.top) & (top < block.bottom) & (left >= block.left) & (left < block.right)
        )
        own[0] = False
        return self._in_pixels(np.where(own[labels], labels, 0), looked)

    def _view(self, box: Box) -> np.ndarray:
        """What the network sees of a box, by straight lines between pixels, or means where it
        shrinks."""
        part = self.large.part
        lines = [
            (np.arange(box[k], box[k + 2]) + 0.5) * part.shape[k] / self.shape[k] - 0.5
            for k in (0, 1)
        ]
        shrinks = max(n / m for n, m in zip(part.shape, self.shape, strict=True))
        blur = max(0.0, (shrinks - 1) / 2)
        edge = EDGE + int(np.ceil(4 * blur))
        needed = Box(
            part.top + int(lines[0][0]),
            part.left + int(lines[1][0]),
            part.top + int(lines[0][-1]) + 2,
            part.left + int(lines[1][-1]) + 2,
        ).common(part)
        window = needed.grown(edge, part)
        opened = self.large.view(window)
        view = network_nuclei.absorbing(opened.rgb, self.batch.white)
        view[opened.implant] = 0
        if blur > 0:
            from scipy.ndimage import gaussian_filter

            view = gaussian_filter(view, (blur, blur, 0), mode="nearest")
        for k, line in enumerate(lines):
            at = np.clip(line, 0, part.shape[k] - 1)
            low = np.minimum(at.astype(int), part.shape[k] - 1)
            high = np.minimum(low + 1, part.shape[k] - 1)
            share = (at - low).astype(np.float32)
            share = share[:, None, None] if k == 0 else share[None, :, None]
            shift = part[k] - window[k]
            below, above = (np.take(view, n + shift, axis=k) for n in (low, high))
            view = below * (1 - share) + above * share
        return view

    def _in_pixels(self, labels: np.ndarray, looked: Box) -> tuple[np.ndarray, Box]:
        part, at, bounds = self.large.part, [], []
        for k in (0, 1):
            n, m = part.shape[k], self.shape[k]
            index = np.minimum(((np.arange(n) + 0.5) * m / n).astype(int), m - 1)
            here = np.flatnonzero((index >= looked[k]) & (index < looked[k + 2]))
            at.append(index[here] - looked[k])
            bounds.append((part[k] + int(here[0]), part[k] + int(here[-1]) + 1))
        box = Box(bounds[0][0], bounds[1][0], bounds[0][1], bounds[1][1])
        found = labels[at[0]][:, at[1]]
        found[self.large.view(box, colours=False).implant] = 0
        return found, box
