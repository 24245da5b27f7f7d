"""What files of cells there are and what they must hold, in the words of the check and of the job."""

import numpy as np
from numpy.typing import NDArray

from periomics.core.errors import InputError

ALLOWED = "h5ad, 10x folder or h5"
NO_CELLS_FILE = "is no file of cells"
NOT_WHOLE = "cells do not hold whole counts: raw counts are needed, in X, layers['counts'] or raw/X"
LARGEST = 2**24
"""Counts from which the numbers of the atlas (float32) are no longer exact."""

AT_ONCE = 10_000_000


def whole(values: NDArray, path: object = "") -> None:
    """Raise InputError at the first number that is no count."""
    values = np.asarray(values).ravel()
    for start in range(0, len(values), AT_ONCE):
        some = values[start : start + AT_ONCE]
        bad = some[~((some >= 0) & (some == np.rint(some)) & (some <= LARGEST))]
        if bad.size:
            allowed = "whole numbers from 0"
            raise InputError(NOT_WHOLE, file=str(path), value=f"{bad[0]:g}", allowed=allowed)
