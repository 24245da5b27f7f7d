"""Bodies of a large section that are split into cells: each body is split in a window that holds
all of it and all that it follows from, and belongs to the tile of its first pixel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from periomics.core.errors import SpecimenError
from periomics.histology.large.objects import UNIT, Outlines, Tally, by_tile, ends_of, tally
from periomics.histology.large.section import Large
from periomics.histology.nuclei import Core, core_means
from periomics.imaging.boxes import Box
from periomics.imaging.parts import Parts
from periomics.imaging.rois import outlines

# Pixels around a tile in which bodies are looked for together, and of the largest window in which
# one is split alone: some 2 GB.
BESIDE, MOST = 192, 32_000_000

Images = Mapping[str, np.ndarray]


@dataclass
class Collected:
    """Objects as windows give them.

    Attributes
    ----------
    drawn
        Whether outlines and means are wanted.
    core
        Of nuclei, what the mean `core` of the stain looked for is taken of; None for no such mean.
    """

    large: Large
    drawn: bool
    core: Core | None = None
    found: list[Tally] = field(default_factory=list)
    firsts: list[np.ndarray] = field(default_factory=list)
    images: list[dict[str, np.ndarray]] = field(default_factory=list)
    shapes: Outlines = field(default_factory=Outlines)

    def add(self, labels: np.ndarray, box: Box, images: Images) -> None:
        """Objects 1..N of a window."""
        n = int(labels.max(initial=0))
        if not n:
            return
        where = np.flatnonzero(labels)
        which = labels.ravel()[where]
        y, x = np.divmod(where, labels.shape[1])
        area = np.bincount(which, minlength=n + 1)[1:]
        ends = ends_of(which, y, x, n + 1)
        base = y == ends[2][which]
        size, place = (np.bincount(which[base], w, n + 1)[1:] for w in (None, x[base] + box.left))
        ends = ends[:, 1:] + np.array([box.top, box.left, box.top + 1, box.left + 1])[:, None]
        rows, columns = (np.bincount(which, v, n + 1)[1:] for v in (y + box.top, x + box.left))
        self.found.append(Tally(area, rows, columns, place / size, ends.T, {}))
        first = np.zeros(n + 1, np.int64)
        first[which[::-1]] = x[::-1]
        self.firsts.append(np.stack([ends[0], first[1:] + box.left], axis=1))
        if self.drawn:
            sums = {k: np.rint(v.ravel()[where] * UNIT) for k, v in images.items()}
            means = {k: np.bincount(which, v, n + 1)[1:] / UNIT / area for k, v in sums.items()}
            if self.core is not None:
                pixel = self.large.pixel_um
                means["core"] = core_means(labels, images["target"], self.core, pixel)
            self.images.append(means)
            for outline in outlines(labels, self.large.scale, (0, 0), (box.left, box.top)):
                self.shapes.put(outline)

    def done(self) -> tuple[Tally, dict[str, np.ndarray], Outlines]:
        """Sums, means of images and outlines, in the order of the objects' first pixels."""
        zero = np.zeros(0, np.int64)
        none = Tally(zero, zero, zero, zero, np.zeros((0, 4), np.int64), {})
        all_sums = [none, *self.found]
        firsts = np.concatenate([np.zeros((0, 2), np.int64), *self.firsts])
        order = np.lexsort((firsts[:, 1], firsts[:, 0]))
        sums = Tally(
            area=np.concatenate([s.area for s in all_sums])[order],
            rows=np.concatenate([s.rows for s in all_sums])[order],
            columns=np.concatenate([s.columns for s in all_sums])[order],
            middle=np.concatenate([s.middle for s in all_sums])[order],
            box=np.concatenate([s.box for s in all_sums])[order],
            counts={},
        )
        names = list(self.images[0]) if self.images else []
        means = {k: np.concatenate([i[k] for i in self.images])[order] for k in names}
        return sums, means, self.shapes.ordered(order)


@dataclass(frozen=True)
class Splitting:
    """How bodies are split.

    Attributes
    ----------
    split
        Mask and images of a window → labels of its cells.
    images
        Of a window.
    reach
        Pixels around a body that its cells follow from.
    blur
        Pixels by which the depth of one body reaches into another.
    least, most
        Area of a cell, µm².
    """

    split: Callable[[np.ndarray, Images], np.ndarray]
    images: Callable[[Box], Images]
    reach: int
    blur: int
    least: float
    most: float = np.inf


def pieces(
    large: Large, bodies: Parts, how: Splitting, drawn: bool, core: Core | None = None
) -> Collected:
    """Cells of all bodies.

    Raises
    ------
    SpecimenError
        If bodies that touch cover more than can be split at once.
    """
    out, box, part = Collected(large, drawn, core), tally(bodies, {}).box, bodies.grid.part
    alone: list[int] = []
    for of, tile in by_tile(bodies.place(), bodies):
        safe = _take(out, bodies, of + 1, tile.common(part).grown(BESIDE, part), how, box)
        alone += (of + 1)[~safe].tolist()
    for number in alone:
        body, around = Box(*box[number - 1].tolist()), BESIDE
        while True:
            window = body.grown(around, part)
            if window.area > MOST:
                high, wide = (n * large.pixel_um / 1000 for n in body.shape)
                raise SpecimenError(
                    f"cells that touch cover {wide:.1f} by {high:.1f} mm: they are not split, as that would take more"
                    f" than 2 GB of memory; is the threshold right?"
                )
            if _take(out, bodies, np.array([number]), window, how, box)[0] or window == part:
                break
            around *= 2
    return out


def _take(
    out: Collected, bodies: Parts, of: np.ndarray, window: Box, how: Splitting, box: np.ndarray
) -> np.ndarray:
    """Add the cells of those bodies that the window tells all of; which of them these are."""
    part = bodies.grid.part
    numbers = bodies.read(window)
    inner = Box(
        *(w if w == p else w + s * how.reach for w, p, s in zip(window, part, SIGNS, strict=True))
    )
    of_box = box[of - 1]
    safe = (of_box[:, :2] >= inner[:2]).all(axis=1) & (of_box[:, 2:] <= inner[2:]).all(axis=1)
    if not safe.any():
        return safe
    images = how.images(window)
    mask = numbers > 0
    labels = how.split(mask, images)
    blurred = _untold(mask, labels, window, part, how)
    safe &= ~np.isin(of, np.unique(numbers[blurred]))
    wanted = np.zeros(len(bodies) + 1, bool)
    wanted[of[safe]] = True
    which = np.flatnonzero(labels)
    owner = np.zeros(int(labels.max(initial=0)) + 1, np.int32)
    np.maximum.at(owner, labels.ravel()[which], numbers.ravel()[which])
    size = np.bincount(labels.ravel(), minlength=len(owner))
    um2 = size * out.large.pixel_um**2
    keep = wanted[owner] & (um2 >= how.least) & (um2 <= how.most)
    keep[0] = False
    dense = np.zeros(len(owner), np.int32)
    dense[keep] = np.arange(1, keep.sum() + 1)
    out.add(dense[labels], window, images)
    return safe


SIGNS = (1, 1, -1, -1)


def _untold(
    mask: np.ndarray, labels: np.ndarray, window: Box, part: Box, how: Splitting
) -> np.ndarray:
    """Near which pixels the depth in a body, or whether it has a cell at all, is not known: what
    bounds it may lie outside."""
    from edt import edt
    from scipy.ndimage import maximum_filter

    away = np.full(window.shape, np.iinfo(np.int32).max, np.int32)
    rows, columns = np.arange(window.shape[0])[:, None], np.arange(window.shape[1])[None]
    for cut, distance in zip(
        (w != p for w, p in zip(window, part, strict=True)),
        (rows, columns, rows[::-1], columns[:, ::-1]),
        strict=True,
    ):
        if cut:
            np.minimum(away, distance + 1, out=away)
    near = away < np.iinfo(np.int32).max
    if not near.any():
        return np.zeros(window.shape, bool)
    depth = edt(mask, black_border=False)
    untold = mask & near & ((depth >= away) | ((labels == 0) & (away <= BESIDE)))
    return maximum_filter(untold, 2 * how.blur + 1) if untold.any() else untold
