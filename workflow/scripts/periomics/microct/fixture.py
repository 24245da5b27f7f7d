"""Which part of the metal is the implant: its shoulder, what sits on it, and which end lies in the bone.

A cover screw or an abutment is metal as well and would be taken for the implant's upper end. With a declared length the shoulder
lies that far above the apex, whatever the metal does beyond. Without one, metal whose outline changes abruptly towards the
head is pointed out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from periomics.microct.contact import Tally, shoulder
from periomics.microct.periimplant import Axis, Place, along_axis
from periomics.study.settings.microct import Microct

Mask = NDArray[np.bool_]
# Part of the implant's length, from the apex, in which its outline is learned; and how much an upper part may differ from it.
BODY, NARROWER, WIDER = (0.2, 0.7), 0.85, 1.15
OUTLINE = 95  # percentile of the distance to the axis in a slice: threads count, a hole in the middle does not
EDGE = 4  # slices; a rounded edge or a tilted end is no part
OFF = 3  # voxels by which the metal may be longer or shorter than declared
# Share of bone beyond the head that is worth a word, and how many times that beyond the apex it must be.
BEYOND, TIMES = 0.1, 2.0


@dataclass(frozen=True)
class Fixture:
    """The implant's axis, from apex to shoulder; length of the metal above the shoulder (µm); what a reader should know."""

    axis: Axis
    above_um: float = 0.0
    warnings: tuple[str, ...] = ()


def fixture_of(
    implant: Mask, axis: Axis, origin: Place, settings: Microct, voxel_um: float
) -> Fixture:
    """Find the shoulder.

    Parameters
    ----------
    implant
        (z, y, x) metal, first voxel at `origin` of the scan.
    axis
        Of all metal.
    """
    if settings.implant_length_um is None:
        part = _upper_part(outline(implant, axis, origin))
        if part is None:
            return Fixture(axis)
        slices, ratio = part
        return Fixture(
            axis,
            warnings=(
                f"the upper {slices * voxel_um / 1000:.3g} mm of the metal are {ratio:.2g} times as wide as the implant: "
                "cover screw, abutment or the implant's own head? microct/implant_length_um says where its shoulder is",
            ),
        )
    declared = settings.implant_length_um / voxel_um
    longer = axis.length + 1 - declared  # voxels are centres: a length has one more
    if longer < -OFF:
        short = (
            f"the metal is {(axis.length + 1) * voxel_um / 1000:.4g} mm long, the implant "
            f"{settings.implant_length_um / 1000:.4g} mm (microct/implant_length_um): part of it is not in the scan or "
            "below the implant threshold"
        )
        return Fixture(axis, warnings=(short,))
    if longer <= OFF:
        return Fixture(axis)
    head = axis.apex + (declared - 1) * axis.direction
    return Fixture(replace(axis, head=head), longer * voxel_um)


def outline(implant: Mask, axis: Axis, origin: Place) -> NDArray[np.float64]:
    """Radius (voxels) of the metal about its axis in slices of a voxel, from apex to head; NaN in one without metal."""
    slices, radii = [], []
    for along, away in along_axis(implant, axis, origin):
        slices.append(np.floor(along + 0.5).astype(np.int64))
        radii.append(away)
    at, radius = np.concatenate(slices), np.concatenate(radii)
    order = np.lexsort((radius, at))
    at, radius = at[order], radius[order]
    n = int(np.ceil(axis.length)) + 1
    ends = np.searchsorted(at, np.arange(n + 1))
    return np.array(
        [np.percentile(radius[a:b], OUTLINE) if b > a else np.nan for a, b in pairwise(ends)]
    )


def _upper_part(radii: NDArray[np.float64]) -> tuple[int, float] | None:
    """Slices at the head that are narrower or wider than the implant's body, and how many times; None without such a part."""
    n = len(radii)
    body = radii[int(BODY[0] * n) : int(BODY[1] * n)]
    low, high = NARROWER * np.nanmin(body), WIDER * np.nanmax(body)
    other = (radii < low) | (radii > high)
    # from the last slice but the edge down to the first that is like the body
    top = np.flatnonzero(~other[: n - EDGE])
    slices = n - EDGE - 1 - int(top[-1]) if top.size else 0
    if slices < 1:
        return None
    part = float(np.nanmedian(radii[n - EDGE - slices : n - EDGE]))
    return slices + EDGE, part / float(np.nanmedian(body))


def orientation_warnings(found: Tally, axis: Axis, settings: Microct, voxel_um: float) -> list[str]:
    """What is said where bone stands beyond the head and hardly any beyond the apex: the stack may be turned over.

    Nothing where the scan ends before the shell of the marginal level does, at either end.
    """
    heights = np.arange(found.levels.shape[2]) + found.first + shoulder(axis)
    bone, total = found.levels.sum(axis=1)
    above, below = heights > axis.length + 0.5, heights < -0.5
    reach = (settings.voi.inner_um + settings.level_width_um) / voxel_um - 1
    seen = heights[total > 0]
    if not seen.size or seen.max() < axis.length + reach or seen.min() > -reach:
        return []
    head, apex = (float(bone[m].sum() / total[m].sum()) for m in (above, below))
    if head <= BEYOND or head <= TIMES * apex:
        return []
    return [
        f"bone fills {100 * head:.3g} % beyond the implant's head and {100 * apex:.3g} % beyond its apex: is the stack turned "
        "over, or voi/apex the other end?"
    ]
