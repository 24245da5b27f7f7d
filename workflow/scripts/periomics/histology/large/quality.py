"""Facts of a large section's quality, gathered tile by tile; see `histology.quality` and
`histology.artefacts` for what they are."""

from __future__ import annotations

import numpy as np

from periomics.core.quality import Fact
from periomics.histology import artefacts, quality
from periomics.histology.batch import BatchRow
from periomics.histology.detection import dilate
from periomics.histology.large.objects import tally
from periomics.histology.large.section import Large
from periomics.histology.sections import Opened
from periomics.histology.settings import StainSettings
from periomics.imaging import stains
from periomics.imaging.boxes import Box
from periomics.imaging.parts import parts_of
from periomics.imaging.planes import Grid, Plane, local

# Squares from which uneven light is told, at most: every second, third … of larger sections.
LIGHT_SQUARES = 4_200_000


class Seen:
    """What is seen of a section while its tiles are read. Squares lie on one lattice of the
    section, whatever the tiles are."""

    def __init__(self, large: Large, settings: StainSettings, batch: BatchRow, tile: int) -> None:
        self.large, self.settings, self.batch = large, settings, batch
        pixel, part = large.pixel_um, large.part
        self.colour, self.black, self.pen = (
            max(1, round(um / pixel))
            for um in (quality.COLOUR_UM, quality.BLACK_UM, artefacts.PEN_UM)
        )
        self.fold = max(1, round(artefacts.FOLD_UM / quality.side_um(pixel, quality.COLOUR_UM)))
        self.foreign, self.dark, self.lost = (np.zeros(2, np.int64) for _ in range(3))
        rows, columns = (-(-n // self.colour) for n in part.shape)
        self.every = int(np.ceil(np.sqrt(rows * columns / LIGHT_SQUARES)))
        shape = -(-rows // self.every), -(-columns // self.every)
        self.od = np.zeros((*shape, 3), np.float32)
        self.inside, self.tissue = np.zeros(shape, bool), np.zeros(shape, bool)
        folds = rows // self.fold, columns // self.fold
        self.palest, self.some = np.full((*folds, 3), np.nan), np.zeros(folds, bool)
        coarse = part.shape[0] // self.pen, part.shape[1] // self.pen
        self.rgb, self.region = np.zeros((*coarse, 3), np.uint8), np.zeros(coarse, bool)
        self.pixels = large.grid(tile)
        squares = Box(0, 0, *(-(-n // self.black) for n in part.shape))
        self.grey = Plane(Grid(squares, self.pixels.tile // self.black))
        self.marks: list[Plane] = []
        self.shown = Plane(self.pixels)
        self.places: list[np.ndarray] = []
        self.widths: list[np.ndarray] = []
        self.rises: list[np.ndarray] = []
        self.line = large.region_um2 < quality.SHARP_UM2

    def add(self, view: Opened, window: Box, own: Box) -> None:
        """Look at a tile, `own`, with what lies around it, `window`."""
        self._colours(view, window, own)
        self._blacks(view, window, own)
        inner = own.inside(window)
        self._bars(view, window, own)
        where = view.region
        if self.line:
            where = ~dilate(view.implant, artefacts.WINDOW_UM, view.pixel_um)
        places, width, rise = quality.edge_places(view, self.batch, where)
        places += (window.top, window.left)
        mine = ((places >= (own.top, own.left)) & (places < (own.bottom, own.right))).all(axis=1)
        corner = (self.large.part.top, self.large.part.left)
        self.places.append(places[mine] - corner)
        self.widths.append(width[mine])
        self.rises.append(rise[mine])
        lost, region = stains.clipped(view.rgb[inner]), view.region[inner]
        self.lost += np.array([np.count_nonzero(lost & region), np.count_nonzero(region)])
        self._pen(view, inner, own)

    def _colours(self, view: Opened, window: Box, own: Box) -> None:
        inner, first = _squares(own, window, self.colour), _first(own, self.large.part, self.colour)
        od, inside, tissue = (
            a[inner] for a in quality.grid(view, self.batch.white, quality.COLOUR_UM)
        )
        self.foreign += quality.foreign_of(od[tissue], self.settings, self.batch)
        skip = [-n % self.every for n in first]
        some = np.s_[skip[0] :: self.every, skip[1] :: self.every]
        at = [(n + s) // self.every for n, s in zip(first, skip, strict=True)]
        for held, found in ((self.od, od), (self.inside, inside), (self.tissue, tissue)):
            part = found[some]
            held[at[0] : at[0] + part.shape[0], at[1] : at[1] + part.shape[1]] = part
        palest, whole = artefacts.fold_tiles(od, tissue, self.fold)
        y, x = (n // self.fold for n in first)
        self.palest[y : y + whole.shape[0], x : x + whole.shape[1]] = palest
        self.some[y : y + whole.shape[0], x : x + whole.shape[1]] = whole

    def _blacks(self, view: Opened, window: Box, own: Box) -> None:
        side = self.black
        inner, first = _squares(own, window, side), _first(own, self.large.part, side)
        od, _, tissue = quality.grid(view, self.batch.white, quality.BLACK_UM)
        self.dark += quality.black_of(od[inner][tissue[inner]])
        metal = dilate(view.implant, artefacts.LINE_WIDE_UM, view.pixel_um)[::side, ::side]
        grey = (artefacts.grey_squares(od) & ~metal)[inner]
        _put(self.grey, Box(*first, first[0] + grey.shape[0], first[1] + grey.shape[1]), grey)

    def _bars(self, view: Opened, window: Box, own: Box) -> None:
        inner = own.inside(window)
        found = quality.inks(view, self.batch.white)
        self.marks = self.marks or [Plane(self.pixels) for _ in found]
        for plane, mark in zip((*self.marks, self.shown), (*found, view.region), strict=True):
            _put(plane, own, mark[inner])

    def _pen(self, view: Opened, inner: tuple[slice, slice], own: Box) -> None:
        from PIL import Image

        step, (y, x) = self.pen, _first(own, self.large.part, self.pen)
        high, wide = (n // step for n in own.shape)
        if not high or not wide:
            return
        rgb, region = view.rgb[inner], view.region[inner]
        image = Image.fromarray(np.ascontiguousarray(rgb[: high * step, : wide * step]))
        here = np.s_[y : y + high, x : x + wide]
        self.rgb[here] = np.asarray(image.resize((wide, high), Image.Resampling.BOX))
        self.region[here] = region[step // 2 :: step, step // 2 :: step][:high, :wide]

    def facts(self) -> list[Fact]:
        """When all tiles were added."""
        pixel, square = self.large.pixel_um, quality.side_um(self.large.pixel_um, quality.COLOUR_UM)
        width, rise = np.concatenate(self.widths), np.concatenate(self.rises)
        look = quality.Look(
            foreign=quality.percent(*self.foreign.tolist()),
            black=quality.percent(*self.dark.tolist()),
            bars=sum(_bars(mark, self.shown) for mark in self.marks),
            light=quality.uneven_light(self.od, self.inside, self.tissue),
            pen=quality.under_pen(self.rgb, self.region, self.pen * pixel, self.batch),
            lines=_lines(self.grey, quality.side_um(pixel, quality.BLACK_UM)),
            double=artefacts.double_share(self.palest, self.some, self.fold * square),
            edge=quality.edge_of(artefacts.sharpest(width, rise), self.large.region_um2),
            soft=artefacts.soft_share(
                np.concatenate(self.places), width, pixel, self.settings.max_edge_um
            ),
            clipped=100 * self.lost[0] / max(1, self.lost[1]),
        )
        return quality.told(look, self.settings, self.batch)


def _put(plane: Plane, own: Box, mask: np.ndarray) -> None:
    """Tiles of the walk may begin beyond the part; those of this plane do not, and take what is
    theirs."""
    for i, j, core in plane.grid.at(own):
        both = core.common(own)
        held = plane.core(i, j)
        held[both.inside(core)] = mask[both.inside(own)]
        plane.put(core, held)


def _first(own: Box, part: Box, side: int) -> tuple[int, int]:
    """Row and column of a tile's first square."""
    return (own.top - part.top) // side, (own.left - part.left) // side


def _squares(own: Box, window: Box, side: int) -> tuple[slice, slice]:
    """A tile's squares among those of its window."""
    y, x = _first(own, window, side)
    high, wide = (-(-n // side) for n in own.shape)
    return slice(y, y + high), slice(x, x + wide)


def _bars(mark: Plane, region: Plane) -> int:
    sums = tally(parts_of(mark), {"region": region})
    n = 0
    for box, pixels, inside in zip(sums.box, sums.area, sums.counts["region"], strict=True):
        shape = int(box[2] - box[0]), int(box[3] - box[1])
        n += bool(inside and quality.is_bar(shape, int(pixels)))
    return n


def _lines(grey: Plane, square_um: float) -> int:
    def joined(mask: np.ndarray) -> np.ndarray:
        return dilate(mask, artefacts.JOIN * square_um, square_um)

    parts = parts_of(local(joined, artefacts.JOIN + 1, grey))
    sums, n = tally(parts, {"grey": grey}), 0
    for k, bounds in enumerate(sums.box.tolist(), start=1):
        box = Box(*bounds)
        if artefacts.long_enough(box.shape, float(sums.counts["grey"][k - 1]), square_um):
            n += artefacts.is_line((parts.read(box) == k) & grey.read(box), square_um)
    return n
