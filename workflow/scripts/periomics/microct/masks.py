"""A corrected label map from the sheet takes the place of the steps whose labels it holds.

Codes are those of `labels.nii.gz`, so a corrected copy of it can be named in the sheet as it is: 1 (implant) replaces the
metal; 2 (exclusion band) the band; 3 or 5 (bone) the bone; 4 (marrow in the VOI) the VOI, which is then 3 and 4. A step
whose codes do not occur is made as without the file.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from periomics.study.errors import InputError

Mask = NDArray[np.bool_]
# Codes of labels.nii.gz
LABELS = {"outside": 0, "implant": 1, "exclusion band": 2, "bone in VOI": 3, "marrow in VOI": 4, "bone outside VOI": 5}


@dataclass(frozen=True)
class Corrected:
    """Masks (z, y, x) given by hand; None where the step is made as usual."""

    implant: Mask | None
    band: Mask | None
    bone: Mask | None
    voi: Mask | None

    def describe(self) -> str:
        """What was replaced, for the `method` column."""
        names = [n for n in ("implant", "band", "bone", "voi") if getattr(self, n) is not None]
        return f"by hand: {', '.join(names)}"


def corrected(labels: NDArray, shape: tuple[int, ...], path: object = "mask") -> Corrected:
    """Read the codes of a corrected label map.

    Raises
    ------
    InputError
        If its shape is not the scan's, it holds other codes, or it holds none.
    """
    if labels.shape != tuple(shape):
        raise InputError("the mask has another shape than the scan", file=path, value=labels.shape, allowed=shape)
    codes = {int(c) for c in np.unique(labels)}
    unknown = codes - set(LABELS.values())
    if unknown or codes == {0} or (labels.dtype.kind == "f" and not np.array_equal(labels, np.rint(labels))):
        allowed = ", ".join(f"{c} {n}" for n, c in LABELS.items())
        raise InputError("the mask does not hold known codes", file=path, value=sorted(codes)[:8], allowed=allowed)

    def given(needed: set[int], of: tuple[int, ...]) -> Mask | None:
        return np.isin(labels, of) if codes & needed else None

    return Corrected(given({1}, (1,)), given({2}, (2,)), given({3, 5}, (3, 5)), given({4}, (3, 4)))
