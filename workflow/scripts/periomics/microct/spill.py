"""Volumes that are made plane by plane: kept in a temporary file where they do not fit into memory.

The file has no name from the start, so it vanishes with its object, and also where a program is stopped.
"""

from __future__ import annotations

import math
import tempfile
from typing import Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

Shape = tuple[int, int, int]


class Held:
    """A volume (z, y, x) in memory, with the functions of `Spill`; what is read may be changed without changing the volume."""

    def __init__(self, shape: Shape, dtype: DTypeLike) -> None:
        self.shape = shape
        self._values: NDArray = np.zeros(shape, dtype)

    @property
    def mb(self) -> float:
        """Memory that it takes."""
        return self._values.nbytes / 1e6

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._values = np.zeros((0, 0, 0), self._values.dtype)

    def write(self, low: int, planes: NDArray) -> None:
        """Planes from `low` on."""
        self._values[low : low + len(planes)] = planes

    def read(self, low: int, high: int) -> NDArray:
        """Planes low to high (exclusive)."""
        return self._values[low:high].copy()

    def write_rows(self, low: int, rows: NDArray) -> None:
        """Rows (z, n, x) from y = `low` on."""
        self._values[:, low : low + rows.shape[1]] = rows

    def read_rows(self, low: int, high: int) -> NDArray:
        """Rows low to high (exclusive) along y, of all planes."""
        return self._values[:, low:high].copy()


class Spill:
    """A volume (z, y, x) in a temporary file; planes may be written in any order, those never written are 0."""

    mb = 0.0  # memory that it takes

    def __init__(self, shape: Shape, dtype: DTypeLike) -> None:
        self.shape, self.dtype = shape, np.dtype(dtype)
        self._row = shape[2] * self.dtype.itemsize
        self._plane = shape[1] * self._row
        self._file = tempfile.TemporaryFile()  # noqa: SIM115
        self._file.truncate(shape[0] * self._plane)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, low: int, planes: NDArray) -> None:
        """Planes from `low` on."""
        self._file.seek(low * self._plane)
        self._file.write(np.ascontiguousarray(planes, self.dtype).data)

    def read(self, low: int, high: int) -> NDArray:
        """Planes low to high (exclusive)."""
        found = np.empty((high - low, *self.shape[1:]), self.dtype)
        self._into(found, low * self._plane)
        return found

    def write_rows(self, low: int, rows: NDArray) -> None:
        """Rows (z, n, x) from y = `low` on."""
        for z, some in enumerate(rows):
            self._file.seek(z * self._plane + low * self._row)
            self._file.write(np.ascontiguousarray(some, self.dtype).data)

    def read_rows(self, low: int, high: int) -> NDArray:
        """Rows low to high (exclusive) along y, of all planes."""
        found = np.empty((self.shape[0], high - low, self.shape[2]), self.dtype)
        for z in range(self.shape[0]):
            self._into(found[z], z * self._plane + low * self._row)
        return found

    def _into(self, out: NDArray, at: int) -> None:
        self._file.seek(at)
        if self._file.readinto(out.view(np.uint8).data) != out.nbytes:
            raise OSError("a temporary file ended early")


def kept(shape: Shape, dtype: DTypeLike, memory_mb: float) -> Held | Spill:
    """A volume in memory if it takes no more than that (MB), else in a temporary file."""
    size_mb = np.dtype(dtype).itemsize * math.prod(shape) / 1e6
    return (Held if size_mb <= memory_mb else Spill)(shape, dtype)
