"""Pictures read by windows at a declared pixel size: the same pixels whichever window they are read
in, memory of the window only, or of a picture's colours where its format gives no less."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from periomics.core.errors import SpecimenError
from periomics.imaging.boxes import Box
from periomics.imaging.readers import (
    AGREE,
    ImageInfo,
    eight_bit,
    opaque,
    open_slide,
    pixels_of,
)

# Decoded tiles of a file that are kept, bytes: two rows of tiles of a slide 32,768 pixels wide.
KEPT = 96_000_000
# Side of the parts in which an overview is read.
STRIP = 256


class Level(Protocol):
    """One level of a file, read by windows in its own pixels."""

    def read(self, box: Box) -> np.ndarray: ...


@dataclass
class Windows:
    """A picture at one pixel size.

    Attributes
    ----------
    height, width
        Of the whole picture at that size.
    pixel_um, scale
        What a pixel measures; finest-level pixels a pixel.
    """

    height: int
    width: int
    pixel_um: float
    scale: float
    level: Level
    level_shape: tuple[int, int]
    info: ImageInfo
    source_um: float

    @property
    def whole(self) -> Box:
        return Box(0, 0, self.height, self.width)

    def overview(self, box: Box, times: int) -> np.ndarray:
        """A window in pixels that are so many times larger, from the level of the file that is just
        finer."""
        coarse = windows(self.info, self.source_um, self.pixel_um * times)
        assert coarse is not None, "another level of the same file"
        if isinstance(self.level, Decoded):
            coarse.level = self.level
        factor = self.scale / coarse.scale
        top, left = (int(v * factor) for v in box[:2])
        bottom = min(coarse.height, max(top + 1, round(box.bottom * factor)))
        right = min(coarse.width, max(left + 1, round(box.right * factor)))
        out = np.empty((bottom - top, right - left, 3), np.uint8)
        for y in range(top, bottom, STRIP):
            for x in range(left, right, STRIP):
                part = Box(y, x, min(y + STRIP, bottom), min(x + STRIP, right))
                out[part.inside(Box(top, left, bottom, right))] = coarse.read(part)
        return out

    def read(self, box: Box) -> np.ndarray:
        """Pixels of a window, uint8 (height, width, 3): means of the level's pixels by area, each
        by its place in the whole picture."""
        high, wide = self.level_shape
        if (high, wide) == (self.height, self.width):
            return self.level.read(box)
        down, across = high / self.height, wide / self.width
        source = Box(
            int(box.top * down),
            int(box.left * across),
            min(high, int(np.ceil(box.bottom * down))),
            min(wide, int(np.ceil(box.right * across))),
        )
        array = self.level.read(source)
        array = array.swapaxes(0, 1)
        columns = _averaged(array, (box.left, box.right), across, source.left, wide).swapaxes(0, 1)
        return _averaged(columns, (box.top, box.bottom), down, source.top, high)


def _averaged(
    array: np.ndarray, rows: tuple[int, int], step: float, first: int, end: int
) -> np.ndarray:
    """Means over `step` rows each, for rows of the whole picture, of which the array begins with
    row `first` and the last is before `end`: as Pillow's box filter takes them in memory, which of
    pictures more than twice as high as wide may differ by one grey value."""
    middle = (np.arange(*rows) + 0.5) * step
    low = np.maximum((middle - step / 2 + 0.5).astype(int), 0)
    high = np.minimum((middle + step / 2 + 0.5).astype(int), end)
    total, count = np.zeros((len(low), *array.shape[1:]), np.int64), np.zeros(len(low), int)
    for k in range(int(np.ceil(step)) + 1):
        away = (low + k - middle + 0.5) * (1 / step)
        within = (low + k < high) & (away > -0.5) & (away <= 0.5)
        count += within
        near = np.minimum(low + k - first, len(array) - 1)
        total += array[near] * within.astype(np.int64)[:, None, None]
    share = (0.5 + (1 / np.maximum(count, 1)) * (1 << 22)).astype(np.int64)
    return ((total * share[:, None, None] + (1 << 21)) >> 22).clip(0, 255).astype(np.uint8)


def windows(info: ImageInfo, source_um: float, target_um: float) -> Windows | None:
    """A picture at about the wanted pixel size, as `readers.read_rgb` would read it; None where the
    file cannot be read by windows (planes one after the other)."""
    ratio = max(1.0, target_um / source_um)
    ratio = 1.0 if ratio < 1 + AGREE else ratio
    number = max(
        (i for i, (down, _, _) in enumerate(info.levels) if down <= ratio * (1 + AGREE)), default=0
    )
    if info.kind == "openslide":
        # OpenSlide would mix pixels of a level that is not a whole number of times coarser.
        number = max(i for i in range(number + 1) if i == 0 or info.levels[i][0].is_integer())
    level = _level(info, number)
    if level is None:
        return None
    wide, high = max(1, round(info.width / ratio)), max(1, round(info.height / ratio))
    scale = float(np.sqrt(info.width * info.height / (wide * high)))
    _, level_wide, level_high = info.levels[number]
    return Windows(
        height=high,
        width=wide,
        pixel_um=source_um * scale,
        scale=scale,
        level=level,
        level_shape=(level_high, level_wide),
        info=info,
        source_um=source_um,
    )


def _level(info: ImageInfo, number: int) -> Level | None:
    if info.kind == "picture":
        return Decoded(info)
    import tifffile

    try:
        file = tifffile.TiffFile(info.path)
        level = file.series[0].levels[number]
        page = level.keyframe
        shape = (info.levels[number][2], info.levels[number][1])
        told = (page.imagelength, page.imagewidth) == shape and len(level.pages) == 1
        if told and (page.planarconfig == 1 or page.samplesperpixel == 1):
            return Segments(file, page, info)
    except (tifffile.TiffFileError, IndexError, AttributeError):
        pass
    if info.kind == "tiff" or not info.levels[number][0].is_integer():
        return None
    return Regions(info, number)


@dataclass
class Segments:
    """A level of a TIFF by its own tiles or strips, the last of which are kept decoded."""

    file: Any
    page: Any
    info: ImageInfo
    kept: OrderedDict[int, np.ndarray] = field(default_factory=OrderedDict)
    bytes: int = 0

    def read(self, box: Box) -> np.ndarray:
        page = self.page
        high = page.tilelength if page.is_tiled else page.rowsperstrip
        wide = page.tilewidth if page.is_tiled else page.imagewidth
        high, across = min(high, page.imagelength), -(-page.imagewidth // wide)
        out = np.empty((*box.shape, 3), np.uint8)
        for i in range(box.top // high, -(-box.bottom // high)):
            for j in range(box.left // wide, -(-box.right // wide)):
                part = self._segment(i * across + j)
                at = Box(i * high, j * wide, i * high + part.shape[0], j * wide + part.shape[1])
                both = at.common(box)
                out[both.inside(box)] = part[both.inside(at)]
        return out

    def _segment(self, index: int) -> np.ndarray:
        if index in self.kept:
            self.kept.move_to_end(index)
            return self.kept[index]
        page, handle = self.page, self.file.filehandle
        handle.seek(page.dataoffsets[index])
        data = handle.read(page.databytecounts[index])
        try:
            found = page.decode(data, index, jpegtables=page.jpegtables, jpegheader=page.jpegheader)
        except Exception as error:  # every decoder has its own exceptions
            message = f"{handle.name}: pixels cannot be read ({error})"
            raise SpecimenError(message) from error
        array, _, shape = found
        if array is None:
            raise SpecimenError(f"{handle.name}: tile {index} holds no pixels")
        array = eight_bit(array[0, : shape[1], : shape[2]], Path(handle.name))
        array = np.repeat(array, 3, axis=2) if array.shape[2] < 3 else opaque(array, self.info)
        self.kept[index] = array
        self.bytes += array.nbytes
        while self.bytes > KEPT and len(self.kept) > 1:
            self.bytes -= self.kept.popitem(last=False)[1].nbytes
        return array


@dataclass
class Decoded:
    """A picture (PNG, JPEG, BMP), which is decoded as a whole: once, and kept as it is."""

    info: ImageInfo

    @cached_property
    def pixels(self) -> np.ndarray:
        """(height, width), or with colours (height, width, 3), uint8."""
        info = self.info
        try:
            found = pixels_of(info, 0, (0, 0, info.width, info.height))
        except Exception as error:  # every decoder has its own exceptions
            message = f"{info.path.name}: pixels cannot be read ({error})"
            raise SpecimenError(message) from error
        return opaque(eight_bit(found, info.path), info)

    def read(self, box: Box) -> np.ndarray:
        part = self.pixels[box.top : box.bottom, box.left : box.right]
        part = np.repeat(part[:, :, None], 3, axis=2) if part.ndim == 2 else part
        return np.ascontiguousarray(part)


@dataclass
class Regions:
    """A level of a slide, read by the library that knows its format."""

    info: ImageInfo
    number: int

    def __post_init__(self) -> None:
        self.slide = open_slide(self.info.path, self.info.kind)

    def read(self, box: Box) -> np.ndarray:
        down = self.info.levels[self.number][0]
        corner = (round(box.left * down), round(box.top * down))
        try:
            found = self.slide.read_region(corner, self.number, box.shape[::-1])
        except Exception as error:  # every decoder has its own exceptions
            message = f"{self.info.path.name}: pixels cannot be read ({error})"
            raise SpecimenError(message) from error
        return np.ascontiguousarray(opaque(np.asarray(found), self.info))
