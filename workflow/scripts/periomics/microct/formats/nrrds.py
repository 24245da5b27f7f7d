"""Raw pixels of NRRD files by planes: ITK reads the whole file for each slab of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from periomics.core.errors import InputError
from periomics.microct.formats.header import Header
from periomics.microct.formats.readers import text_header


def raw_planes(path: Path, header: Header) -> Callable[[int, int], NDArray] | None:
    """What gives planes z0 to z1 (exclusive) of an NRRD; None if its pixels are packed, written as text or in several files.

    Raises
    ------
    InputError
        If the file of the pixels ends early.
    """
    fields = text_header(path, ":")
    detached = fields.get("data file", fields.get("datafile"))
    several = detached is not None and (
        detached.split()[0] == "LIST" or "%" in detached or " " in detached
    )
    lines = int(fields.get("line skip", fields.get("lineskip", 0)))
    if fields.get("encoding", "").lower() != "raw" or several or lines:
        return None
    file = path if detached is None else path.parent / detached
    dtype = np.dtype(header.dtype).newbyteorder(
        ">" if fields.get("endian", "").lower() == "big" else "<"
    )
    needed, held = math.prod(header.shape) * dtype.itemsize, file.stat().st_size
    skip = int(fields.get("byte skip", fields.get("byteskip", 0)))
    first = held - needed if skip == -1 else skip + (end_of_header(path) if detached is None else 0)
    if first < 0 or first + needed > held:
        raise InputError(
            "file ends early",
            file=file,
            value=f"{held} bytes",
            allowed=f"{max(first, 0) + needed} bytes",
        )
    plane = needed // header.shape[0]

    def planes(z0: int, z1: int) -> NDArray:
        found = np.fromfile(
            file, dtype, (z1 - z0) * plane // dtype.itemsize, offset=first + z0 * plane
        )
        return found.reshape(-1, *header.shape[1:]).astype(dtype.newbyteorder("="), copy=False)

    return planes


def end_of_header(path: Path) -> int:
    """Bytes before the pixels: the header ends with an empty line."""
    with path.open("rb") as handle:
        while line := handle.readline():
            if not line.strip():
                break
        return handle.tell()
