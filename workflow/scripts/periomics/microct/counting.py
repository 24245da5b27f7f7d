"""What is counted voxel by voxel in a scan: sums that add up over its parts, and the rows that they give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from periomics.microct import contact, parts
from periomics.microct.density import Calibration, Sums, density_rows, density_sums
from periomics.microct.morphometry import Fraction, fraction, share_row
from periomics.microct.parts import Frame
from periomics.microct.periimplant import Axis, Place, shell
from periomics.microct.segment import saturated
from periomics.study.settings.microct import Microct

Mask = NDArray[np.bool_]
Row = dict[str, object]


@dataclass(frozen=True)
class Regions:
    """Masks (z, y, x): implant, zone (implant and exclusion band), VOI; geometry is None without an implant.

    Of a scan, or of a part of it that begins at voxel `origin`; the axis is in the scan's voxels.
    """

    implant: Mask
    zone: Mask
    voi: Mask
    distance: NDArray[np.float32] | None
    height: NDArray[np.float32] | None
    axis: Axis | None
    origin: Place = (0, 0, 0)
    within: Mask | None = None  # what shells, contact and curves are cut to
    frame: Frame | None = None


@dataclass(frozen=True)
class Part:
    """A scan or a part of it: grey values, bone as segmented up to the metal, the same with other thresholds (`factors`),
    bone outside the band without specks, bone without its surface (for densities), regions. All (z, y, x)."""

    grey: NDArray
    seen: Mask
    swept: Sequence[Mask]
    clean: Mask
    inner: Mask
    regions: Regions


@dataclass(frozen=True)
class Counts:
    """Sums over a scan or a part of it: bone in the VOI outside the band; bone as segmented by `shells`, the VOI first, also
    with other thresholds; what stands around the implant; densities; saturated voxels outside metal and band; bone and voxels of
    the VOI and of the contact layer by part of the VOI (2, 2, parts)."""

    bone: Fraction
    shares: tuple[Fraction, ...]
    swept: tuple[tuple[Fraction, ...], ...]
    around: contact.Tally | None
    density: Sums
    saturated: Fraction
    parts: NDArray[np.int64] = field(default_factory=lambda: np.zeros((2, 2, 0), np.int64))

    def __add__(self, other: Counts) -> Counts:
        def added(a: Sequence[Fraction], b: Sequence[Fraction]) -> tuple[Fraction, ...]:
            return tuple(
                Fraction(x.bone + y.bone, x.total + y.total) for x, y in zip(a, b, strict=True)
            )

        bone, saturated_ = added((self.bone, self.saturated), (other.bone, other.saturated))
        around = None if self.around is None or other.around is None else self.around + other.around
        swept = tuple(added(a, b) for a, b in zip(self.swept, other.swept, strict=True))
        return Counts(
            bone=bone,
            shares=added(self.shares, other.shares),
            swept=swept,
            around=around,
            density=self.density + other.density,
            saturated=saturated_,
            parts=self.parts + other.parts,
        )


def factors(settings: Microct) -> tuple[float, ...]:
    """Of the bone threshold in the sensitivity variants."""
    return (
        tuple(1 + sign * settings.sweep_percent / 100 for sign in (-1, 1))
        if settings.sweep_percent
        else ()
    )


def shells(settings: Microct) -> list[tuple[str, str, float, float, str]]:
    """(outcome, variant, from, to, note): the default OV/TV shell first, then its curve over offsets, then BV/TV shells."""
    if settings.implant == "none":
        return []
    width, found = settings.ovtv_width_um, []
    for i, at in enumerate((settings.ovtv_offset_um, *settings.ovtv_curve_um)):
        variant = f"offset={at:g}um,width={width:g}um" if i else ""
        found.append(("ovtv", variant, at, at + width, f"offset {at:g} um, width {width:g} um"))
    return found + [
        ("bvtv", f"shell={low:g}-{high:g}um", low, high, f"shell {low:g}-{high:g} um")
        for low, high in settings.shells_um
    ]


def shell_masks(regions: Regions, settings: Microct) -> list[Mask]:
    """The masks of `shells`."""
    if regions.distance is None:  # no implant, and no shell about it
        return []
    found = [
        shell(regions.distance, low, high, regions.height, settings.voi)
        for _, _, low, high, _ in shells(settings)
    ]
    return found if regions.within is None else [m & regions.within for m in found]


def _by_part(part: Part, settings: Microct, voxel_um: float) -> NDArray[np.int64]:
    """Bone and voxels of the VOI, and of the contact layer, by part, (2, 2, parts)."""
    regions, voi = part.regions, settings.voi
    if regions.frame is None or regions.distance is None or not voi.parts:
        return np.zeros((2, 2, 0), np.int64)
    reach = contact.contact_range(settings, voxel_um)
    layer = shell(regions.distance, *reach, regions.height, voi)
    found = []
    for mask in (regions.voi, layer if regions.within is None else layer & regions.within):
        places = np.argwhere(mask) + np.array(regions.origin)
        found.append(parts.counted(places, part.seen[mask], regions.frame, voi))
    return np.stack(found)


def count(part: Part, settings: Microct, voxel_um: float, slices: tuple[int, int]) -> Counts:
    """All sums of a part; `slices` are those of the whole scan (`contact.slices_of`), so that parts add up."""
    regions = part.regions
    masks = [regions.voi, *shell_masks(regions, settings)]
    # The sweep is told for the VOI and for the default OV/TV shell.
    few = masks[: 2 if regions.axis is not None else 1]
    around = None
    if regions.axis is not None:
        assert regions.distance is not None and regions.height is not None  # as the axis
        around = contact.tally(
            contact.Surroundings(
                bone=part.seen,
                clean_bone=part.clean,
                distance=regions.distance,
                height=regions.height,
                axis=regions.axis,
                voxel_um=voxel_um,
                origin=regions.origin,
                within=regions.within,
            ),
            settings,
            slices,
        )
    return Counts(
        bone=fraction(part.seen & ~regions.zone, regions.voi),
        shares=tuple(fraction(part.seen, m) for m in masks),
        swept=tuple(tuple(fraction(s, m) for m in few) for s in part.swept),
        around=around,
        density=density_sums(part.grey, part.inner, regions.voi, settings),
        saturated=saturated(part.grey, regions.zone),
        parts=_by_part(part, settings, voxel_um),
    )


def count_rows(
    found: Counts,
    axis: Axis | None,
    settings: Microct,
    calibration: Calibration | None,
    voxel_um: float,
) -> tuple[list[Row], pd.DataFrame]:
    """Rows of bone fraction, OV/TV, density, contact and marginal level, and the curves around the implant."""
    volume = (voxel_um / 1000) ** 3
    total = found.shares[0]
    rows: list[Row] = [
        {"outcome": "bv", "value": total.bone * volume, "unit": "mm3"},
        {"outcome": "tv", "value": total.total * volume, "unit": "mm3"},
        _share("bvtv", "", total, volume),
    ]
    named = shells(settings)
    rows += [
        _share(o, v, f, volume, note)
        for (o, v, _, _, note), f in zip(named, found.shares[1:], strict=True)
    ]
    for factor, few in zip(factors(settings), found.swept, strict=True):
        variant = f"threshold={100 * (factor - 1):+g}%"
        note = f"bone >= {settings.bone_cut * factor:g}"
        rows += [
            _share(o, variant, f, volume, note) for o, f in zip(("bvtv", "ovtv"), few, strict=False)
        ]
    rows += density_rows(found.density, settings, calibration)
    if axis is None or found.around is None:
        return rows, pd.DataFrame(columns=list(contact.CURVE_COLUMNS))
    at = contact.level(found.around, axis, voxel_um, settings)
    rows += _part_rows(found.parts, settings, volume)
    return rows + _at_implant(found.around, at, settings, voxel_um), contact.curves(
        found.around, at, voxel_um, settings
    )


def _part_rows(found: NDArray[np.int64], settings: Microct, volume: float) -> list[Row]:
    """BV/TV, and contact but for what lies between the threads, by part of the VOI."""
    rows = []
    for i, name in enumerate(parts.names(settings.voi)):
        outcomes = ("bvtv",) if name == "threads" else ("bvtv", "bic_ct")
        for outcome, counts in zip(outcomes, found[..., i], strict=False):
            said = f"in the part of the VOI called {name}"
            share = Fraction(int(counts[0]), int(counts[1]))
            rows.append(_share(outcome, f"part={name}", share, volume, said))
    return rows


def _at_implant(
    around: contact.Tally, level: contact.Level, settings: Microct, voxel_um: float
) -> list[Row]:
    """Contact, marginal bone loss and insertion depth."""
    start, end = contact.contact_range(settings, voxel_um)
    note = f"bone in the layer {start:g}-{end:g} um from the metal; a surrogate, never primary"
    where = f"{settings.sectors} sectors, shell of {settings.level_width_um:g} um behind the band"
    empty = int(np.isnan(level.top_um).sum())
    unsure = int(np.count_nonzero(level.unsure))
    moves = f"in {unsure} of {settings.sectors} sectors the level moves by more than a voxel between half and twice level_share"
    qc: Row = {"qc_reason": moves} if unsure else {}
    if empty:
        qc = {
            "qc": "warn",
            "qc_reason": f"no bone in {empty} of {settings.sectors} sectors: whole length lost",
        }
    return [
        _share(
            "bic_ct",
            "",
            Fraction(*(int(n) for n in around.octants.sum(axis=1))),
            (voxel_um / 1000) ** 3,
            note,
        ),
        {
            "outcome": "ridge",
            "value": float(level.loss_um.mean()) / 1000,
            "unit": "mm",
            "method": f"mean of {where}",
            **qc,
        },
        {
            "outcome": "ridge",
            "variant": "statistic=max",
            "value": float(level.loss_um.max()) / 1000,
            "unit": "mm",
            "method": f"largest of {where}",
            **qc,
        },
        {
            "outcome": "insertion",
            "value": level.insertion_um / 1000,
            "unit": "mm",
            "method": f"mean of {where}",
            **qc,
        },
    ]


def _share(outcome: str, variant: str, counts: Fraction, volume: float, note: str = "") -> Row:
    return share_row(
        counts,
        volume,
        outcome=outcome,
        variant=variant,
        method=note,
        lacking=f"no voxel to count ({note})",
    )
