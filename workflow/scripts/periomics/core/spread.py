"""Spread of numbers that a few odd ones do not change."""

from __future__ import annotations

import numpy as np

# The standard deviation of normal numbers over their median absolute deviation.
NORMAL = 1.4826


def robust_spread(deviations: np.ndarray) -> float:
    """Standard deviation as the median of absolute deviations from a middle tells it; NaN of
    none."""
    return NORMAL * float(np.median(np.abs(deviations)))
