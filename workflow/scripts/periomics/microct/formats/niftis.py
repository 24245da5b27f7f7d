"""Reading NIfTI-1 and NIfTI-2: the stored type, the slope and the intercept, planes by their place.

Source: https://nifti.nimh.nih.gov/nifti-1 (nifti1.h): value = scl_slope * stored + scl_inter
unless scl_slope is 0.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from periomics.core.errors import InputError
from periomics.microct.formats.header import refuse_shear

# Codes of the stored types that one grey volume can have.
STORED = {
    2: "u1",
    4: "i2",
    8: "i4",
    16: "f4",
    64: "f8",
    256: "i1",
    512: "u2",
    768: "u4",
    1024: "i8",
    1280: "u8",
}
ORDERS: tuple[Literal["<"], Literal[">"]] = ("<", ">")
CUT = "pixels are cut off: the file is shorter than its header says"


@dataclass(frozen=True, kw_only=True)
class Stored:
    """How the pixels of a file are stored: type with its byte order, first byte, scaling."""

    path: Path
    dtype: np.dtype
    offset: int
    slope: float
    intercept: float
    sform: NDArray | None

    @property
    def scaled(self) -> bool:
        """Whether stored numbers are not the values."""
        return (self.slope, self.intercept) != (1.0, 0.0)

    @property
    def value_type(self) -> np.dtype:
        """Type of the values: that of the stored numbers, or a float that holds them scaled."""
        if not self.scaled:
            return self.dtype.newbyteorder("=")
        small = self.dtype.itemsize <= 2 or self.dtype == np.float32
        return np.dtype("f4" if small else "f8")

    def limits(self) -> tuple[float, float] | None:
        """Smallest and largest value that stored whole numbers can stand for; None of floats."""
        if self.dtype.kind not in "ui":
            return None
        info = np.iinfo(self.dtype)
        ends = [self.slope * float(v) + self.intercept for v in (info.min, info.max)]
        return min(ends), max(ends)

    def planes(self, shape: tuple[int, int, int], low: int, high: int) -> NDArray:
        """Values of planes low to high (exclusive), (z, y, x); raises InputError if cut off."""
        plane = shape[1] * shape[2] * self.dtype.itemsize
        try:
            with _opened(self.path) as handle:
                handle.seek(self.offset + low * plane)
                raw = handle.read((high - low) * plane)
        except (EOFError, OSError, zlib.error) as error:
            raise _damaged(self.path, error) from error
        if len(raw) < (high - low) * plane:
            raise InputError(CUT, file=self.path)
        found = np.frombuffer(raw, self.dtype).reshape(high - low, *shape[1:])
        if self.scaled:
            return (found * np.float64(self.slope) + self.intercept).astype(self.value_type)
        return found.astype(self.value_type)

    def check_length(self, shape: tuple[int, int, int]) -> None:
        """Raise InputError if the file, unpacked, is shorter than its header says."""
        needed = self.offset + math.prod(shape) * self.dtype.itemsize
        if not self.path.name.lower().endswith(".gz"):
            length = self.path.stat().st_size
        else:
            length = 0
            try:
                with _opened(self.path) as handle:
                    while chunk := handle.read(1 << 22):
                        length += len(chunk)
            except (EOFError, OSError, zlib.error) as error:
                raise _damaged(self.path, error) from error
        if length < needed:
            raise InputError(CUT, file=self.path)


def stored(path: Path) -> Stored:
    """How the pixels of a NIfTI file are stored.

    Raises
    ------
    InputError
        If the header is cut off or none, the type is not of one grey volume, or axes are sheared.
    """
    try:
        with _opened(path) as handle:
            head = handle.read(540)
    except (EOFError, OSError, zlib.error) as error:
        raise _damaged(path, error) from error
    sizes = {struct.unpack(o + "i", head[:4])[0]: o for o in ORDERS} if len(head) >= 348 else {}
    if 348 in sizes:
        order = sizes[348]
        code = struct.unpack_from(order + "h", head, 70)[0]
        offset, slope, intercept = struct.unpack_from(order + "3f", head, 108)
        in_space = struct.unpack_from(order + "h", head, 254)[0] > 0
        rows = struct.unpack_from(order + "12f", head, 280)
    elif 540 in sizes and len(head) == 540:
        order = sizes[540]
        code = struct.unpack_from(order + "h", head, 12)[0]
        offset, slope, intercept = struct.unpack_from(order + "q2d", head, 168)
        in_space = struct.unpack_from(order + "i", head, 348)[0] > 0
        rows = struct.unpack_from(order + "12d", head, 400)
    else:
        raise InputError("cannot be read as nifti: the header is cut off or none", file=path)
    if code not in STORED:
        raise InputError(
            "NIfTI type is not one grey value a voxel",
            file=path,
            column="datatype",
            value=code,
            allowed=", ".join(map(str, STORED)),
        )
    sform = np.reshape(rows, (3, 4))[:, :3] if in_space else None
    if sform is not None:
        refuse_shear(sform.T, path, "sform")
    slope, intercept = _scaling(float(slope), float(intercept), path)
    return Stored(
        path=path,
        dtype=np.dtype(STORED[code]).newbyteorder(order),
        offset=max(int(offset), 352 if 348 in sizes else 544),
        slope=slope,
        intercept=intercept,
        sform=sform,
    )


def _scaling(slope: float, intercept: float, path: Path) -> tuple[float, float]:
    """Slope and intercept as they count: a slope of 0 or no number is none."""
    if slope == 0 or not math.isfinite(slope):
        return 1.0, 0.0
    if not math.isfinite(intercept):
        raise InputError(
            "scl_inter is not a number", file=path, column="scl_inter", value=intercept
        )
    return slope, intercept


def _opened(path: Path):
    return gzip.open(path, "rb") if path.name.lower().endswith(".gz") else path.open("rb")


def _damaged(path: Path, error: Exception) -> InputError:
    return InputError(f"pixels are cut off or damaged ({error})", file=path)
