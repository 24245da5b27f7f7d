"""Image series: a multi-page TIFF, a folder of images, or a single image, as frames (time, row, column)."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np

from periomics.core.errors import InputError, SpecimenError
from periomics.imaging.readers import SUFFIXES, ImageInfo, pixel_size, probe, read_grey


def _natural(path: Path) -> list[object]:
    return [int(t) if t.isdigit() else t.casefold() for t in re.split(r"(\d+)", path.name)]


def frame_files(folder: str | os.PathLike[str]) -> list[Path]:
    """Images of a folder in natural order (2 before 10).

    Raises
    ------
    InputError
        If the folder holds no image.
    """
    files = sorted(
        (p for p in Path(folder).iterdir() if p.suffix.lower() in SUFFIXES), key=_natural
    )
    if not files:
        raise InputError("folder holds no image", file=folder, allowed=", ".join(SUFFIXES))
    return files


def header(path: str | os.PathLike[str]) -> ImageInfo:
    """Header of an image, or of the first image of a folder."""
    return probe(frame_files(path)[0] if Path(path).is_dir() else path)


def read_frames(
    path: str | os.PathLike[str], sheet_pixel_um: float | None = None, needs_size: bool = True
) -> tuple[np.ndarray, float | None]:
    """Frames as float32 (time, row, column), grey 0 to 255, and the pixel size in µm.

    With `needs_size` false a series whose size neither file nor sheet states is read all the same, its size is None.

    Raises
    ------
    InputError
        If no pixel size is stated and it is needed, or frames differ in size.
    SpecimenError
        If a file cannot be decoded.
    """
    path = Path(path)
    if not needs_size and sheet_pixel_um is None and header(path).pixel_um is None:
        return read_frames(path, 1.0)[
            0
        ], None  # full resolution is read, so any size gives the same pixels
    if path.is_dir():
        frames, sizes = zip(
            *(read_grey(f, None, sheet_pixel_um) for f in frame_files(path)), strict=True
        )
        if len({f.shape for f in frames}) > 1:
            raise InputError(
                "frames differ in size", file=path, value=sorted({f.shape for f in frames})
            )
        return np.stack(frames), float(sizes[0])
    if path.suffix.lower() in (".tif", ".tiff"):
        pages = _pages(path)
        if pages is not None:
            return pages, pixel_size(probe(path), sheet_pixel_um)
    frame, pixel = read_grey(path, None, sheet_pixel_um)
    return frame[None], pixel


def _pages(path: Path) -> np.ndarray | None:
    """Pages of a grey multi-page TIFF; None where it holds a single page."""
    import tifffile

    try:
        with tifffile.TiffFile(path) as tif:
            if len(tif.pages) < 2:
                return None
            pages = np.stack([p.asarray() for p in tif.pages])
    except Exception as error:  # tifffile raises many kinds on broken files
        raise SpecimenError(f"{path.name}: frames cannot be read ({error})") from error
    if pages.ndim == 4:
        pages = pages[..., :3].mean(axis=-1)
    if pages.dtype == np.uint16:
        pages = pages / 257.0
    return pages.astype(np.float32)
