"""Objects of a large section: what is summed over the pixels of each part, and their outlines,
which are kept on disk."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from periomics.histology.large.section import Large
from periomics.imaging.boxes import Box
from periomics.imaging.parts import Parts
from periomics.imaging.planes import Plane
from periomics.imaging.rois import outlines

# Amounts are summed as whole numbers of this share, so that no order of summing changes them.
UNIT = 2.0**24
# Pixels around a tile in which outlines of its objects are looked for together; larger objects are
# read on their own, and of those in a box of more pixels than the last the outline is drawn
# coarser.
BESIDE, COARSE = 256, 16_000_000


@dataclass(frozen=True)
class Tally:
    """Sums over each part, (N,) each: pixels, rows and columns, and the middle of the lowest row;
    `box` (N, 4) rows and columns from and to; `counts` pixels that also lie in other planes."""

    area: np.ndarray
    rows: np.ndarray
    columns: np.ndarray
    middle: np.ndarray
    box: np.ndarray
    counts: dict[str, np.ndarray]

    def only(self, keep: np.ndarray) -> Tally:
        """Of those parts (N,) that are kept."""
        return Tally(
            self.area[keep],
            self.rows[keep],
            self.columns[keep],
            self.middle[keep],
            self.box[keep],
            {k: v[keep] for k, v in self.counts.items()},
        )


class _Sums:
    """Arrays by part, to which those by a tile's own labels are added."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.total: dict[str, np.ndarray] = {}

    def add(self, name: str, numbers: np.ndarray, values: np.ndarray) -> None:
        held = self.total.setdefault(name, np.zeros(self.n + 1, np.int64))
        np.add.at(held, numbers[1:], np.rint(values[1:]).astype(np.int64))


def tally(parts: Parts, planes: Mapping[str, Plane]) -> Tally:
    """Sums over the parts of a mask; see `Tally`."""
    n = len(parts)
    sums, box = _Sums(n), np.zeros((n + 1, 4), np.int64)
    box[:, :2] = np.iinfo(np.int64).max
    box[:, 2:] = np.iinfo(np.int64).min
    low: list[np.ndarray] = []
    for i, j, core in parts.grid.cores():
        numbers, labels = parts.numbers[i][j], parts.own(i, j)
        count = len(numbers)
        where = np.flatnonzero(labels)
        if not len(where):
            continue
        which = labels.ravel()[where]
        y, x = np.divmod(where, labels.shape[1])
        sums.add("area", numbers, np.bincount(which, minlength=count))
        sums.add("rows", numbers, np.bincount(which, y + core.top, count))
        sums.add("columns", numbers, np.bincount(which, x + core.left, count))
        for name, plane in planes.items():
            sums.add(name, numbers, np.bincount(which, plane.core(i, j).ravel()[where], count))
        ends = ends_of(which, y, x, count) + np.array([core.top, core.left] * 2)[:, None]
        for k, keep in enumerate((np.minimum, np.minimum, np.maximum, np.maximum)):
            keep.at(box[:, k], numbers[1:], ends[k, 1:] + (k > 1))
        base = y + core.top == ends[2][which]
        of, at = which[base], x[base] + core.left
        told = np.bincount(of, minlength=count), np.bincount(of, at, count)
        low.append(np.stack([numbers, ends[2], *told])[:, 1:].astype(np.int64))
    held = np.concatenate([np.zeros((4, 0), np.int64), *low], axis=1)
    lowest = held[:, held[1] + 1 == box[held[0], 2]]
    size, place = (np.bincount(lowest[0], lowest[k], n + 1)[1:] for k in (2, 3))
    middle = place / np.maximum(size, 1)
    area, rows, columns = (
        sums.total.get(k, np.zeros(n + 1, np.int64))[1:] for k in ("area", "rows", "columns")
    )
    counts = {k: sums.total.get(k, np.zeros(n + 1, np.int64))[1:] for k in planes}
    return Tally(area, rows, columns, middle, box[1:], counts)


def ends_of(which: np.ndarray, y: np.ndarray, x: np.ndarray, count: int) -> np.ndarray:
    """First row and column, last row and column (4, count) of each label; rows come in order."""
    ends = np.zeros((4, count), np.int64)
    ends[1] = np.iinfo(np.int64).max // 2
    ends[0][which[::-1]], ends[2][which] = y[::-1], y
    np.minimum.at(ends[1], which, x)
    np.maximum.at(ends[3], which, x)
    return ends


def means(
    parts: Parts, reach: int, images: Callable[[Box], Mapping[str, np.ndarray]]
) -> dict[str, np.ndarray]:
    """Mean over each part (N,) of images that are made for a window, with what lies within `reach`
    around it."""
    sums, grid = _Sums(len(parts)), parts.grid
    for i, j, core in grid.cores():
        numbers, labels = parts.numbers[i][j], parts.own(i, j)
        own = core.common(grid.part)
        if len(numbers) < 2 or not own.area:
            continue
        window = own.grown(reach, grid.part)
        labels = labels[own.inside(core)]
        where = labels > 0
        for name, image in images(window).items():
            of = np.rint(image[own.inside(window)][where] * UNIT)
            sums.add(name, numbers, np.bincount(labels[where], of, len(numbers)))
    area = np.maximum(parts.area[1:], 1)
    return {k: v[1:] / UNIT / area for k, v in sums.total.items()}


class Outlines(Sequence[np.ndarray]):
    """Outlines (n, 2) of objects in a file of their own that goes with this object."""

    def __init__(self) -> None:
        self.file = tempfile.TemporaryFile()  # noqa: SIM115 - closed and gone with this object
        self.places: list[tuple[int, int]] = []
        self.order: np.ndarray | None = None

    def put(self, outline: np.ndarray) -> None:
        """The next one."""
        data = np.ascontiguousarray(outline, np.float64).tobytes()
        self.places.append((self.file.seek(0, 2), len(data)))
        self.file.write(data)

    def ordered(self, order: np.ndarray) -> Outlines:
        """These, of which the k-th is the one that was put as order[k]."""
        self.order = order
        return self

    def __len__(self) -> int:
        return len(self.places) if self.order is None else len(self.order)

    def __getitem__(self, k):
        if isinstance(k, slice):
            return [self[i] for i in range(*k.indices(len(self)))]
        at, size = self.places[k if self.order is None else int(self.order[k])]
        self.file.seek(at)
        return np.frombuffer(self.file.read(size), np.float64).reshape(-1, 2)


def outlines_of(parts: Parts, keep: np.ndarray, box: np.ndarray, large: Large) -> Outlines:
    """Outlines of the parts that are kept (N,), in their order; `box` (N, 4) of `tally`."""
    found = Outlines()
    order = np.zeros(int(np.count_nonzero(keep)), np.int64)
    for which, labels, corner, times in shapes_of(parts, keep, box):
        for k, outline in zip(which, outlines(labels), strict=True):
            order[k] = len(found)
            found.put((outline * times + corner) * large.scale)
    return found.ordered(order)


def shapes_of(
    parts: Parts, keep: np.ndarray, box: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray, tuple[int, int], int]]:
    """Parts that are kept by windows: which of them, their labels 1..n, column and row of the
    window's corner, and how many pixels a pixel of it is wide (1 but for parts in a very large
    box)."""
    grid = parts.grid
    numbers, places = np.flatnonzero(keep) + 1, parts.place()
    dense = np.zeros(len(parts) + 1, np.int32)
    for at, core in by_tile(places[numbers - 1], parts):
        window = core.grown(BESIDE, grid.domain)
        boxes = box[numbers[at] - 1]
        near = (boxes[:, :2] >= window[:2]).all(axis=1) & (boxes[:, 2:] <= window[2:]).all(axis=1)
        here = at[near]
        if len(here):
            dense[numbers[here]] = np.arange(1, len(here) + 1)
            yield here, dense[parts.read(window)], (window.left, window.top), 1
            dense[numbers[here]] = 0
        for k in at[~near]:
            alone = Box(*box[numbers[k] - 1].tolist())
            mask, times = _alone(parts, int(numbers[k]), alone)
            yield np.array([k]), mask.astype(np.int32), (alone.left, alone.top), times


def by_tile(places: np.ndarray, parts: Parts) -> Iterator[tuple[np.ndarray, Box]]:
    """Indices of the places in each tile, and the tile."""
    grid = parts.grid
    i, j = ((places[:, k] - grid.domain[k]) // grid.tile for k in (0, 1))
    for at in _grouped(i * grid.counts[1] + j):
        yield at, grid.core(int(i[at[0]]), int(j[at[0]]))


def _alone(parts: Parts, number: int, box: Box) -> tuple[np.ndarray, int]:
    """A part that reaches far: in squares of pixels that hold some of it where its box is very
    large, and their side."""
    side = int(np.ceil(np.sqrt(max(1, box.area / COARSE))))
    high, wide = (-(-n // side) for n in box.shape)
    mask = np.zeros((high, wide), bool)
    for i, j, core in parts.grid.at(box):
        both = core.common(box)
        y, x = np.nonzero(parts.core(i, j)[both.inside(core)] == number)
        mask[(y + both.top - box.top) // side, (x + both.left - box.left) // side] = True
    return mask, side


def at_points(plane: Plane, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """A plane at places (n,), bool; False beyond its domain."""
    grid, out = plane.grid, np.zeros(len(rows), bool)
    i, j = ((v - grid.domain[k]) // grid.tile for k, v in ((0, rows), (1, columns)))
    within = (i >= 0) & (j >= 0) & (i < grid.counts[0]) & (j < grid.counts[1])
    for at in _grouped(np.where(within, i * grid.counts[1] + j, -1)):
        if within[at[0]]:
            key = int(i[at[0]]), int(j[at[0]])
            core = grid.core(*key)
            out[at] = plane.core(*key)[rows[at] - core.top, columns[at] - core.left]
    return out


def _grouped(keys: np.ndarray) -> list[np.ndarray]:
    """Indices of equal keys, in the order of the keys."""
    order = np.argsort(keys, kind="stable")
    starts = np.flatnonzero(np.diff(keys[order])) + 1
    return np.split(order, starts) if len(order) else []


def counted(sums: Tally, inside: Plane, large: Large) -> np.ndarray:
    """Which objects a counting frame counts, bool (N,), by the rule of `detection.counted`."""
    columns = np.floor(sums.middle + 0.5).astype(np.int64)
    keep = at_points(inside, sums.box[:, 2] - 1, columns)
    keep &= ~((sums.box[:, 3] == large.part.right) & large.frame[0])
    keep &= ~((sums.box[:, 2] == large.part.bottom) & large.frame[1])
    return keep


def places_um(sums: Tally, large: Large) -> dict[str, np.ndarray]:
    """Columns of a table of objects: number, middle in µm from the corner of the picture, area in
    µm²."""
    n, pixel = np.maximum(sums.area, 1), large.pixel_um
    return {
        "object_id": np.arange(1, len(n) + 1),
        "x_um": (sums.columns / n + 0.5) * pixel,
        "y_um": (sums.rows / n + 0.5) * pixel,
        "area_um2": sums.area * pixel**2,
    }
