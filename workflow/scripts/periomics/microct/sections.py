"""Virtual histology: planes through the implant's axis, with contact and bone area as a section would show them.

A plane is sampled every half voxel from the scan and its label map. Contact (`bic_2d`) is read as in the volume, in the first voxels
behind the artefact band, at distances within the plane; bone area over tissue area (`ba_ta`) in what the plane cuts of the volume
of interest. Both are surrogates of histology: nothing is seen within the band.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from periomics.microct.contact import contact_range, farthest_um
from periomics.microct.masks import LABELS
from periomics.microct.morphometry import Fraction, share_row
from periomics.microct.parts import Frame, across
from periomics.microct.slabs import slabs
from periomics.microct.survey import Survey
from periomics.study.settings.microct import Microct

Row = dict[str, object]
OUTCOMES = ("bic_2d", "ba_ta")
STEP = 0.5  # voxels between samples
BEYOND = 255  # label of what lies outside the scan
BONE = (LABELS["bone in VOI"], LABELS["bone outside VOI"])
VOI = (LABELS["bone in VOI"], LABELS["marrow in VOI"])


@dataclass(frozen=True)
class Plane:
    """Grey values and labels of a plane (rows from the head down, columns across), height of its rows above the apex (µm), µm between
    samples, and its angle."""

    degrees: float
    grey: NDArray
    labels: NDArray[np.uint8]
    height_um: NDArray[np.float64]
    step_um: float


def planes_of(of: Survey) -> tuple[Plane, ...]:
    """The declared planes of a scan, read by slabs; none without an implant."""
    frame, settings, ground = of.ground.frame, of.settings, of.ground
    if frame is None or not settings.section_degrees or ground.implant is None:
        return ()
    axis = frame.axis
    reach = farthest_um(settings, ground.voxel_um) / ground.voxel_um + 2
    wide = float(np.linalg.norm(ground.implant.shape[1:])) / 2 + reach
    along = np.arange(axis.length + reach, -reach, -STEP)
    across_ = np.arange(-wide, wide + STEP / 2, STEP)
    ways = [way_of(frame, d) for d in settings.section_degrees]
    places = [
        np.rint(
            axis.apex + along[:, None, None] * axis.direction + across_[None, :, None] * way
        ).astype(np.int64)
        for way in ways
    ]
    sampled = _sampled(of, places)
    return tuple(
        Plane(degrees, grey, labels, along * ground.voxel_um, STEP * ground.voxel_um)
        for degrees, (grey, labels) in zip(settings.section_degrees, sampled, strict=True)
    )


def way_of(frame: Frame, degrees: float) -> NDArray[np.float64]:
    """Direction across the axis at an angle: from the buccal side towards the mesial one, or from x towards y where no sides are said."""
    if frame.buccal is None or frame.mesial is None:
        return across(frame.axis, degrees)
    at = math.radians(degrees)
    return math.cos(at) * frame.buccal + math.sin(at) * frame.mesial


def _sampled(
    of: Survey, places: Sequence[NDArray[np.int64]]
) -> list[tuple[NDArray, NDArray[np.uint8]]]:
    """Grey value and label at places (rows, columns, 3), each nearest voxel's."""
    shape = np.array(of.scan.shape)
    inside = [((p >= 0) & (p < shape)).all(axis=-1) for p in places]
    found = [
        (np.zeros(p.shape[:2], of.greys.dtype), np.full(p.shape[:2], BEYOND, np.uint8))
        for p in places
    ]
    for low, high in slabs(of.scan.shape[0], of.planes, "planes through the axis"):
        wanted = [
            m & (p[..., 0] >= low) & (p[..., 0] < high) for m, p in zip(inside, places, strict=True)
        ]
        if not any(w.any() for w in wanted):
            continue
        grey, labels = of.scan.slab(low, high), of.labels(low, high)
        for (g, named), w, p in zip(found, wanted, places, strict=True):
            at = (p[w][:, 0] - low, p[w][:, 1], p[w][:, 2])
            g[w], named[w] = grey[at], labels[at]
    return found


def counted(
    plane: Plane, settings: Microct, voxel_um: float, end_um: float
) -> tuple[Fraction, Fraction]:
    """Bone and all samples of the contact layer, and of the volume of interest.

    Parameters
    ----------
    end_um
        Height up to which metal is the implant.
    """
    metal = plane.labels == LABELS["implant"]
    own = metal & (plane.height_um <= end_um)[:, None]
    bone = np.isin(plane.labels, BONE)
    area = np.isin(plane.labels, VOI)
    layer = np.zeros_like(own)
    if own.any():
        away = ndimage.distance_transform_edt(~own) * plane.step_um
        low, high = contact_range(settings, voxel_um)
        layer = (away > low + 1e-3) & (away <= high + 1e-3) & ~metal
        layer &= (plane.labels != LABELS["exclusion band"]) & (plane.labels != BEYOND)
    if settings.voi.axial_um is not None:
        first, last = settings.voi.axial_um
        layer &= ((plane.height_um >= first) & (plane.height_um <= last))[:, None]
    return _fraction(bone, layer), _fraction(bone, area)


def _fraction(bone: NDArray[np.bool_], where: NDArray[np.bool_]) -> Fraction:
    return Fraction(int(np.count_nonzero(bone & where)), int(np.count_nonzero(where)))


def rows(
    planes: Sequence[Plane], settings: Microct, voxel_um: float, end_um: float
) -> Iterator[Row]:
    """Both outcomes of all planes together and, as variants, of each."""
    found = [counted(p, settings, voxel_um, end_um) for p in planes]
    area = (STEP * voxel_um / 1000) ** 2
    start, end = contact_range(settings, voxel_um)
    texts = (
        f"layer {start:g}-{end:g} um from the metal within the plane; a surrogate, never primary",
        "what the plane cuts of the VOI",
    )
    for i, (outcome, text) in enumerate(zip(OUTCOMES, texts, strict=True)):
        shares = [one[i] for one in found]
        named = [("", Fraction(sum(s.bone for s in shares), sum(s.total for s in shares)))]
        named += [(f"plane={p.degrees:g}deg", s) for p, s in zip(planes, shares, strict=True)]
        for variant, share in named:
            yield share_row(
                share,
                area,
                outcome=outcome,
                variant=variant,
                unit="mm2",
                method=f"{len(planes)} planes through the axis; {text}",
                lacking="the plane meets nothing to count",
            )
