"""Which of several pieces of metal is meant: implants of one scan, counted along their row.

The row is the line through the middles of the implants in the slices (the direction in which they differ most). It runs towards rising
x, or towards rising y where it lies more along y.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from periomics.core.errors import SpecimenError
from periomics.microct.components import Parts, keep
from periomics.microct.segment import check_parts
from periomics.microct.slabs import BitVolume, bounds, empty_bits
from periomics.microct.told import Told
from periomics.study.settings.microct import Microct


def chosen(
    metal: BitVolume, found: Parts, told: Told, settings: Microct, brightest: float
) -> tuple[BitVolume, BitVolume | None]:
    """The metal of the implant that is meant, and that of the others; None where it is the only one.

    Raises
    ------
    SpecimenError
        If the scan holds more or fewer implants than the sheet says, or no metal at all.
    """
    sizes = np.sort(found.sizes[found.sizes > 0])[::-1]
    order = np.lexsort((found.firsts, -found.sizes))[: told.implants]
    if told.implants == 1:
        check_parts(sizes, settings, brightest)
        return _kept(metal, found, order, "keep the implant"), None
    check_parts(sizes[:1], settings, brightest)
    large = int(np.count_nonzero(sizes >= settings.second_implant_share * sizes[0]))
    if large != told.implants:
        raise SpecimenError(
            f"the sheet says {told.implants} implants, the scan holds {large} pieces of metal of at least "
            f"{100 * settings.second_implant_share:g} % of the largest (microct/second_implant_share)"
        )
    each = [_kept(metal, found, order[i : i + 1], "keep an implant") for i in range(large)]
    place = in_row(np.array([_middle(one) for one in each]))
    wanted = int(place[told.implant - 1])
    others = empty_bits(metal.shape)
    for i, one in enumerate(each):
        if i != wanted:
            others.bits[:] |= one.bits
    return each[wanted], others


def in_row(middles: NDArray[np.float64]) -> NDArray[np.int64]:
    """Which of the middles (n, 2: y, x) is the first in the row, the second, and so on."""
    away = middles - middles.mean(axis=0)
    _, _, ways = np.linalg.svd(away, full_matrices=False)
    way = ways[0] * np.sign(ways[0][np.argmax(np.abs(ways[0]))])
    return np.argsort(away @ way, kind="stable")


def _middle(one: BitVolume) -> tuple[float, float]:
    (_, y, x), (_, wide, long) = bounds(one)
    return y + wide / 2, x + long / 2


def _kept(metal: BitVolume, found: Parts, roots: NDArray[np.int64], step: str) -> BitVolume:
    wanted = np.zeros(len(found.roots), bool)
    wanted[roots] = True
    return keep(metal.read, metal.shape, found, wanted, step)
