"""Volumes that are made plane by plane and do not fit into memory: kept in a temporary file that vanishes with its object."""

from __future__ import annotations

import tempfile

import numpy as np
from numpy.typing import NDArray


class Spill:
    """A volume (z, y, x) in a temporary file; planes may be written in any order, those never written are 0."""

    def __init__(self, shape: tuple[int, int, int], dtype: type) -> None:
        self.shape, self.dtype = shape, np.dtype(dtype)
        self._plane = shape[1] * shape[2] * self.dtype.itemsize
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 (closed and removed with this object)
        self._file.truncate(shape[0] * self._plane)

    def write(self, low: int, planes: NDArray) -> None:
        """Planes from `low` on."""
        self._file.seek(low * self._plane)
        self._file.write(np.ascontiguousarray(planes, self.dtype).data)

    def read(self, low: int, high: int) -> NDArray:
        """Planes low to high (exclusive)."""
        self._file.seek(low * self._plane)
        found = np.frombuffer(self._file.read((high - low) * self._plane), self.dtype)
        return found.reshape(high - low, *self.shape[1:])
