"""Bone and metal by declared grey thresholds, blind to arms and the same for all scans of a study."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from periomics.core.errors import SpecimenError
from periomics.microct.morphometry import Fraction
from periomics.study.settings.microct import Microct

Mask = NDArray[np.bool_]


def smooth(grey: NDArray, sigma: float) -> NDArray[np.float32]:
    """Gaussian filter (sigma in voxels, cut at 4 sigma, border voxels repeated) as float32; sigma 0 leaves values."""
    grey = grey.astype(np.float32)
    return ndimage.gaussian_filter(grey, sigma, mode="nearest") if sigma > 0 else grey


def check_parts(sizes: NDArray[np.int64], settings: Microct, brightest: float) -> None:
    """Refuse metal of no part, or with a second part of the declared share of the first; `sizes` in voxels, any order."""
    if not len(sizes):
        raise SpecimenError(
            f"no implant found: no voxel at or above the implant threshold {settings.implant_threshold:g} "
            f"(largest grey value {brightest:g})"
        )
    first, second = np.sort(sizes)[::-1][:2] if len(sizes) > 1 else (sizes[0], 0)
    if second and second >= settings.second_implant_share * first:
        raise SpecimenError(
            f"more than one implant: metal components of {first} and {second} voxels; give each a row of the sheet with implants "
            "and implant, crop the scan to one, or correct the implant threshold"
        )


def close(mask: Mask, radius: int) -> Mask:
    """Closing by a ball; padded, so that the border of the scan does not erode the mask."""
    if radius == 0:
        return mask
    axis = np.arange(-radius, radius + 1) ** 2
    ball = axis[:, None, None] + axis[:, None] + axis <= radius**2
    padded = np.pad(mask, 2 * radius, mode="edge")
    closed = ndimage.binary_closing(padded, ball)
    inner = slice(2 * radius, -2 * radius)
    return closed[inner, inner, inner] | mask


def segment_bone(
    smoothed: NDArray[np.float32], threshold: float, metal_zone: Mask | None = None
) -> Mask:
    """Bone: smoothed grey >= threshold outside the metal and its exclusion band (where grey values are artefact)."""
    bone = smoothed >= threshold
    return bone if metal_zone is None else bone & ~metal_zone


def bone_mask(
    smoothed: NDArray[np.float32],
    settings: Microct,
    voxel_um: float,
    metal_zone: Mask,
    factor: float = 1.0,
) -> Mask:
    """Bone by a fixed or an adaptive threshold, up to the metal (voxels of the metal zone are kept: cut them where they must not be).

    Parameters
    ----------
    smoothed
        (z, y, x) smoothed grey.
    settings
        Its bone thresholds are grey values here (`density.in_grey` brings them there).
    metal_zone
        Metal and band: no neighbourhood reaches into it.
    factor
        Both thresholds times this (the sensitivity sweep).
    """
    high = segment_bone(smoothed, settings.bone_cut * factor)
    if settings.segmentation == "fixed" or settings.bone_threshold_low is None:
        return high
    low = segment_bone(smoothed, settings.bone_threshold_low * factor)
    free = (~metal_zone).astype(np.float32)
    sigma = settings.adaptive_sigma_um / voxel_um
    weight = ndimage.gaussian_filter(free, sigma, mode="nearest")
    mean = ndimage.gaussian_filter(smoothed * free, sigma, mode="nearest") / np.maximum(
        weight, np.float32(1e-6)
    )
    return high | (low & (smoothed >= mean))


def saturated(grey: NDArray, metal_zone: Mask) -> Fraction:
    """Voxels outside the metal and its band that sit at the type's largest value, and all; none of what is no whole number."""
    outside = metal_zone.size - int(np.count_nonzero(metal_zone))
    if not np.issubdtype(grey.dtype, np.integer):
        return Fraction(0, outside)
    return Fraction(
        int(np.count_nonzero((grey == np.iinfo(grey.dtype).max) & ~metal_zone)), outside
    )


def grey_warnings(full: Fraction, dtype: np.dtype, settings: Microct) -> list[str]:
    """What about the grey values a reader should know: saturation outside the metal and its band (`saturated`)."""
    if not np.issubdtype(dtype, np.integer):
        return []
    found = []
    if full.total and full.bone / full.total > settings.saturated_warn_share:
        found.append(f"{full.percent:.2g} % of the voxels outside the metal are saturated")
    if settings.implant == "required" and np.iinfo(dtype).max <= settings.implant_threshold:
        found.append(
            "the implant threshold is the largest grey value: metal is saturated and cannot be told from bone"
        )
    return found
