"""A corrected label map from the sheet takes the place of the steps whose labels it holds.

Codes are those of `labels.nii.gz`, so a corrected copy of it can be named in the sheet as it is: 1 (implant) replaces the
metal; 2 (exclusion band) the band; 3 or 5 (bone) the bone; 4 (marrow in the VOI) the VOI, which is then 3 and 4. A step
whose codes do not occur is made as without the file.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from periomics.core.errors import InputError
from periomics.microct.formats.lazy import SlabReader
from periomics.microct.slabs import BitVolume, empty_bits, slabs

# Codes of labels.nii.gz
LABELS = {
    "outside": 0,
    "implant": 1,
    "exclusion band": 2,
    "bone in VOI": 3,
    "marrow in VOI": 4,
    "bone outside VOI": 5,
}


# Codes of which one is needed, and codes that are the mask: implant, band, bone, VOI.
STEPS = (({1}, (1,)), ({2}, (2,)), ({3, 5}, (3, 5)), ({4}, (3, 4)))


@dataclass(frozen=True)
class Corrected:
    """Masks (z, y, x) given by hand; None where the step is made as usual."""

    implant: BitVolume | None = None
    band: BitVolume | None = None
    bone: BitVolume | None = None
    voi: BitVolume | None = None

    def describe(self) -> str:
        """What was replaced, for the `method` column."""
        names = [n for n in ("implant", "band", "bone", "voi") if getattr(self, n) is not None]
        return f"by hand: {', '.join(names)}"


def corrected(
    scan: SlabReader, shape: tuple[int, ...], path: object = "mask", planes: int = 16
) -> Corrected:
    """Read the codes of a corrected label map.

    Raises
    ------
    InputError
        If its shape is not the scan's, it holds other codes, or it holds none.
    """
    if scan.shape != tuple(shape):
        raise InputError(
            "the mask has another shape than the scan",
            file=path,
            value=scan.shape,
            allowed=str(shape),
        )
    codes: set[int] = set()
    for low, high in slabs(shape[0], planes, "codes of the mask"):
        codes |= _codes(scan.slab(low, high), path)
    _check_codes(codes, path)
    found = [empty_bits(scan.shape) if codes & needed else None for needed, _ in STEPS]
    for low, high in slabs(shape[0], planes, "masks by hand"):
        labels = scan.slab(low, high)
        for bits, (_, of) in zip(found, STEPS, strict=True):
            if bits is not None:
                bits.write(low, np.isin(labels, of))
    return Corrected(*found)


def _codes(labels: NDArray, path: object) -> set[int]:
    if labels.dtype.kind == "f" and not np.array_equal(labels, np.rint(labels)):
        raise InputError(
            "the mask holds values that are no whole numbers", file=path, allowed=_allowed()
        )
    return {int(c) for c in np.unique(labels)}


def _check_codes(codes: set[int], path: object) -> None:
    if codes - set(LABELS.values()) or codes == {0}:
        raise InputError(
            "the mask does not hold known codes",
            file=path,
            value=sorted(codes)[:8],
            allowed=_allowed(),
        )


def _allowed() -> str:
    return ", ".join(f"{c} {n}" for n, c in LABELS.items())
