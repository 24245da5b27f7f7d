"""Folders of BMP, PNG or JPG slices, as SkyScan's NRecon writes them. JPG has lost grey values, which is recorded."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from periomics.core.errors import InputError
from periomics.microct.formats.header import Spacing
from periomics.microct.formats.nrecon import read_logs
from periomics.microct.formats.tiffs import numbered_files

SUFFIXES = (".bmp", ".png", ".jpg", ".jpeg")
TYPES = {
    "L": "uint8",
    "P": "uint8",
    "1": "uint8",
    "I;16": "uint16",
    "I;16B": "uint16",
    "I": "int32",
    "F": "float32",
}


def slices(folder: Path) -> list[Path]:
    """Slice files in natural order; NRecon's preview (`…_spr.bmp`) is no slice. Raises InputError as `numbered_files`."""
    found = [p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and p.name[0] != "."]
    return numbered_files(folder, [p for p in found if not p.stem.lower().endswith("_spr")])


def probe_folder(
    folder: Path,
) -> tuple[tuple[int, int, int], Spacing | None, str, dict[str, object]]:
    """Shape (z, y, x), spacing in µm or None, type and facts, from headers and the log beside the slices.

    Raises
    ------
    InputError
        Naming the slice that cannot be read, is cut off, not grey, or of another size or type than the first.
    """
    files = slices(folder)
    if not files:
        raise InputError("folder holds no slices", file=folder, allowed=", ".join(SUFFIXES))
    first = _header(files[0])
    for file in files[1:]:
        found = _header(file)
        if found != first:
            raise InputError(
                f"slice differs from {files[0].name}",
                file=file,
                value=f"{found[0]} {found[1]}",
                allowed=f"{first[0]} {first[1]}",
            )
    size, facts = read_logs(folder)
    facts = {"slices": len(files), **facts}
    if files[0].suffix.lower() in (".jpg", ".jpeg"):
        facts["lossy"] = "JPG: grey values are not those of the reconstruction"
    return (len(files), *first[0]), None if size is None else (size,) * 3, first[1], facts


def read_planes(files: list[Path], shape: tuple[int, int], dtype: str) -> NDArray:
    """Pixels (z, y, x) of some slices; raises InputError naming the slice that cannot be read."""
    from PIL import Image, ImageFile

    array = np.empty((len(files), *shape), dtype)
    whole, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, False
    try:
        for z, file in enumerate(files):
            try:
                with Image.open(file) as image:
                    plain = image.convert("L") if image.mode in ("P", "1") else image
                    array[z] = np.asarray(plain)
            except Exception as error:  # codecs raise errors of their own kinds
                raise InputError(f"slice cannot be read ({error})", file=file) from error
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = whole
    return array


def _header(file: Path) -> tuple[tuple[int, int], str]:
    from PIL import Image

    try:
        with Image.open(file) as image:
            mode, (columns, rows) = image.mode, image.size
            grey = mode in TYPES and not (mode == "P" and not _grey_palette(image))
    except Exception as error:  # as above
        raise InputError(f"slice cannot be read ({error})", file=file) from error
    if not grey:
        raise InputError(
            "slice is not a grey image",
            file=file,
            value="a palette of colours" if mode == "P" else mode,
            allowed="8 or 16 bit grey",
        )
    if file.suffix.lower() == ".bmp":
        _check_bmp(file)
    return (rows, columns), TYPES[mode]


def _grey_palette(image) -> bool:
    """Whether all entries of a palette are grey: then indices are mapped when pixels are read."""
    colours = np.array(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
    return bool(len(colours)) and bool((colours == colours[:, :1]).all())


def _check_bmp(file: Path) -> None:
    """A BMP states where its pixels begin and how they lie, so a cut one shows without reading it."""
    with file.open("rb") as handle:
        head = handle.read(54)
    if len(head) < 54:
        raise InputError("slice is cut off: the file is shorter than its header", file=file)
    start, _, width, height, _, bits, compression = struct.unpack("<IIiiHHI", head[10:34])
    if (
        compression == 0
        and start + (abs(width) * bits + 31) // 32 * 4 * abs(height) > file.stat().st_size
    ):
        raise InputError("slice is cut off: the file is shorter than its header says", file=file)
