"""Share of bone in a volume of interest (VOI). Names and units after Bouxsein 2010 (J Bone Miner Res 25:1468, 10.1002/jbmr.141)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Fraction:
    """Counts of voxels: bone in the VOI, the VOI."""

    bone: int
    total: int

    @property
    def percent(self) -> float:
        """BV/TV, %; NaN in an empty VOI."""
        return 100.0 * self.bone / self.total if self.total else float("nan")


def fraction(bone: Mask, voi: Mask) -> Fraction:
    """Count bone and all voxels of the VOI."""
    return Fraction(int(np.count_nonzero(bone & voi)), int(np.count_nonzero(voi)))
