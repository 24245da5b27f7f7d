"""What the stored numbers of a TIFF mean as grey: black or white at zero, or a palette."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray

from periomics.core.errors import InputError

WHITE_IS_ZERO, BLACK_IS_ZERO, PALETTE = 0, 1, 3


@dataclass(frozen=True)
class Grey:
    """The way from stored numbers to grey: a table, a largest value to invert, or neither."""

    dtype: str
    table: NDArray | None = None
    largest: int | None = None

    def values(self, stored: NDArray) -> NDArray:
        """Grey of stored numbers in the byte order of this machine, larger is brighter."""
        if self.table is not None:
            return self.table[stored]
        native = stored.astype(self.dtype, copy=False)
        if self.largest is not None:
            return (self.largest - native.astype(np.int64)).astype(self.dtype)
        return native


def grey_of(tif: tifffile.TiffFile, path: Path) -> Grey:
    """How grey is stored in the pages of a TIFF.

    White-is-zero whole numbers are inverted and grey palettes are mapped: to 8 bits where all
    entries are 8-bit greys (times 256 or 257, as writers do), else to 16.

    Raises
    ------
    InputError
        If the palette holds colours, pages differ in their meaning, or it cannot be inverted.
    """
    page = tif.pages.first
    pages = [p.keyframe or page for p in tif.pages]
    meanings = {int(p.photometric) for p in pages}
    tables = [np.asarray(p.colormap) for p in pages] if PALETTE in meanings else []
    if len(meanings) > 1 or any(not np.array_equal(t, tables[0]) for t in tables):
        raise InputError("pages differ in what their numbers mean as grey", file=path)
    dtype = np.dtype(page.dtype).newbyteorder("=")
    if meanings == {PALETTE}:
        table = _grey_table(np.asarray(page.colormap), path)
        return Grey(str(table.dtype), table)
    if meanings == {WHITE_IS_ZERO}:
        if dtype.kind != "u":
            raise InputError(
                "white-is-zero TIFF of a type that cannot be inverted",
                file=path,
                value=str(dtype),
                allowed="unsigned whole numbers, or black-is-zero",
            )
        return Grey(str(dtype), largest=2 ** int(page.bitspersample) - 1)
    return Grey(str(dtype))


def _grey_table(colours: NDArray, path: Path) -> NDArray:
    """Grey by index from (3, n) 16-bit colours."""
    if not (colours == colours[:1]).all():
        raise InputError(
            "TIFF is not grey: its palette holds colours", file=path, allowed="a palette of greys"
        )
    grey = colours[0].astype(np.uint16)
    high, low = grey >> 8, grey & 255
    if (low == 0).all() or (low == high).all():
        return high.astype(np.uint8)
    return grey
