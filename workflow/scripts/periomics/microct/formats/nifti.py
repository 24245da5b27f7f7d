"""Writing NIfTI plane by plane, at its place in the scan: maps of any size, without holding them in memory."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from periomics.microct.formats.header import three

TYPES = {
    "uint8": 2,
    "int16": 4,
    "int32": 8,
    "float32": 16,
    "float64": 64,
    "int8": 256,
    "uint16": 512,
    "uint32": 768,
}
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0])
MILLIMETRE, SCANNER = 2, 1  # codes of the format
HEADER = 352
# zlib's levels above cost twice the time for label maps a tenth smaller.
LEVEL = 4


@dataclass(frozen=True)
class Frame:
    """Where voxels lie: edges of a voxel (z, y, x) in mm; place of the first voxel (x, y, z) in mm and directions of the axes
    (columns x, y, z) as ITK gives them (left, posterior, superior). A scan that does not say lies at 0 and straight."""

    spacing_mm: tuple[float, float, float]
    origin_mm: tuple[float, ...] = (0.0, 0.0, 0.0)
    direction: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)

    def affine(self, at: tuple[int, int, int] = (0, 0, 0)) -> NDArray[np.float64]:
        """(3, 4) from voxel (x, y, z) to mm (right, anterior, superior) for a volume whose first voxel is `at` (z, y, x)."""
        steps = np.reshape(self.direction, (3, 3)) @ np.diag(self.spacing_mm[::-1])
        return LPS_TO_RAS @ np.column_stack(
            [steps, np.asarray(self.origin_mm) + steps @ np.array(at[::-1])]
        )


def frame_of(facts: Mapping[str, Any], spacing_um: tuple[float, float, float]) -> Frame:
    """The frame of a scan from the facts of its reader; its origin in the unit of its spacing, whatever that is."""
    spacing_mm = three(s / 1000 for s in spacing_um)
    if "_origin" not in facts:
        return Frame(spacing_mm)
    unit = spacing_mm[2] / float(facts["_spacing_x"])
    origin = tuple(float(o) * unit for o in facts["_origin"])
    return Frame(spacing_mm, origin, tuple(facts["_direction"]))


def write_nifti(
    path: Path,
    shape: tuple[int, int, int],
    dtype: str,
    planes: Iterable[NDArray],
    frame: Frame,
    at: tuple[int, int, int] = (0, 0, 0),
) -> None:
    """Write a volume as `.nii` or `.nii.gz`; the same voxels give the same bytes.

    Parameters
    ----------
    shape
        (z, y, x).
    planes
        Slabs (n, y, x) from the first plane to the last.
    frame
        Of the scan.
    at
        The scan's voxel that is the first of this volume, so that a part lies where it belongs.
    """
    with path.open("wb") as raw:
        if not path.name.endswith(".gz"):
            _write(raw, shape, dtype, planes, frame.affine(at), frame)
            return
        with gzip.GzipFile("", "wb", LEVEL, raw, mtime=0) as packed:
            _write(packed, shape, dtype, planes, frame.affine(at), frame)


def _write(
    handle, shape, dtype: str, planes: Iterable[NDArray], affine: NDArray, frame: Frame
) -> None:
    kind = np.dtype(dtype)
    handle.write(_header(shape, kind, affine, frame))
    done = 0
    for slab in planes:
        handle.write(np.ascontiguousarray(slab, kind.newbyteorder("<")).tobytes())
        done += len(slab)
    if done != shape[0]:
        raise ValueError(f"{done} planes were given for a volume of {shape[0]}")


def _header(shape: tuple[int, int, int], kind: np.dtype, affine: NDArray, frame: Frame) -> bytes:
    """The 348 bytes of NIfTI-1 and the four that say that nothing follows, little endian."""
    out = bytearray(HEADER)
    struct.pack_into("<i", out, 0, 348)
    struct.pack_into("<8h", out, 40, *(3, *shape[::-1], 1, 1, 1, 1))
    struct.pack_into("<2h", out, 70, TYPES[kind.name], 8 * kind.itemsize)
    struct.pack_into("<8f", out, 76, *(1.0, *frame.spacing_mm[::-1], 0, 0, 0, 0))
    struct.pack_into("<3f", out, 108, HEADER, 1.0, 0.0)
    struct.pack_into("<B", out, 123, MILLIMETRE)
    struct.pack_into("<2h", out, 252, 0, SCANNER)
    struct.pack_into("<12f", out, 280, *affine.ravel())
    out[344:348] = b"n+1\0"
    return bytes(out)
