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


def share_row(
    counts: Fraction,
    each: float,
    *,
    outcome: str,
    variant: str = "",
    unit: str = "mm3",
    method: str = "",
    lacking: str,
) -> dict[str, object]:
    """A measurement of a share in percent; `each` is what one of the counted is in `unit`, `lacking` the reason where none is there."""
    row: dict[str, object] = {
        "outcome": outcome,
        "variant": variant,
        "value": counts.percent,
        "unit": "%",
        "numerator": counts.bone * each,
        "denominator": counts.total * each,
        "denominator_unit": unit,
        "method": method,
    }
    if not counts.total:
        row |= {"qc": "fail", "qc_reason": lacking}
    return row


def fraction(bone: Mask, voi: Mask) -> Fraction:
    """Count bone and all voxels of the VOI."""
    return Fraction(int(np.count_nonzero(bone & voi)), int(np.count_nonzero(voi)))
