"""Whether an image file is whole, without decoding it: a copy that broke off lacks its end."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

from periomics.core.errors import InputError
from periomics.core.tiffs import tiff_cut
from periomics.imaging.readers import TIFFS

# Slides of the TIFF family, whose tiles say where they end.
TILED = (*TIFFS, ".svs", ".scn", ".bif")
TAIL = 1 << 20  # bytes; cameras append previews after the picture


def refuse_cut(path: Path) -> None:
    """Raise InputError if a TIFF, PNG, JPEG or BMP ends before its pixels do; other formats are not looked at."""
    suffix = path.suffix.lower()
    if suffix in TILED:
        cut = tiff_cut(path) or _tiff_end(path) > path.stat().st_size
    elif suffix == ".png":
        cut = not _png_ends(path)
    elif suffix in (".jpg", ".jpeg"):
        cut = b"\xff\xd9" not in _tail(path)
    elif suffix == ".bmp":
        with path.open("rb") as handle:
            stated = int.from_bytes(handle.read(6)[2:], "little")
        cut = path.stat().st_size < stated
    else:
        return
    if cut:
        raise InputError("image is cut off: the file ends before its pixels do", file=path)


def _tiff_end(path: Path) -> int:
    """Byte at which the last strip or tile of any page ends."""
    import tifffile

    with tifffile.TiffFile(path) as tif:
        levels = [level.keyframe for level in tif.series[0].levels]
        ends = (
            offset + count
            for page in chain(tif.pages, levels)
            for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False)
        )
        return max(ends, default=0)


def _png_ends(path: Path) -> bool:
    """Whether the chunks of a PNG follow each other up to the last, IEND."""
    size = path.stat().st_size
    with path.open("rb") as handle:
        handle.seek(8)
        while len(head := handle.read(8)) == 8:
            if head[4:] == b"IEND":
                return True
            handle.seek(int.from_bytes(head[:4], "big") + 4, 1)
            if handle.tell() > size:
                return False
    return False


def _tail(path: Path) -> bytes:
    with path.open("rb") as handle:
        handle.seek(max(0, path.stat().st_size - TAIL))
        return handle.read()
