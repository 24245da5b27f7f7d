"""Which sections of a stain batch are unlike the others: one odd section must not set white point and thresholds for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from periomics.histology.batch import Sample
from periomics.histology.settings import StainSettings
from periomics.histology.thresholds import stained_level
from periomics.imaging import stains

# How far a section may lie from the median of its batch: in density by the larger of the two (OD, share of the median), in the
# amount of what is stained by a factor. Sections of one batch differ by some 15 % in strength and by 5 grey values in white.
DENSITY_OD, DENSITY_SHARE = 0.04, 0.25
LEVEL_FACTOR = 1.6
# Paler pixels (share of the batch's typical density) are glass.
GLASS = 0.4


@dataclass(frozen=True)
class Looks:
    """What a section shows with the white point of all: typical density of its tissue, typical amount of either stain (background
    of the one that is looked for), and how far clearly stained pixels stand above it (NaN where there are too few)."""

    tissue: float
    amounts: tuple[float, float]
    level: float


def odd_members(samples: Sequence[Sample], settings: StainSettings) -> dict[int, str]:
    """Index and reason of every section that is unlike the median of the batch; of two that differ, both.

    Negative controls are not looked at. The level of thin lines depends on how much of the line is stained and is left out.
    """
    at = [k for k, s in enumerate(samples) if not s.control]
    if len(at) < 2:
        return {}
    white = settings.white or stains.white_from_histogram(
        np.sum([samples[k].histogram for k in at], axis=0)
    )
    typical = [
        np.median(stains.optical_density(samples[k].colours, white).mean(axis=1)) for k in at
    ]
    glass = GLASS * float(np.median(typical))
    looks = {k: _looks(samples[k].colours, white, glass, settings) for k in at}
    found = {}
    for k in at:
        # The median of two is their mean, from which neither is far: each is set against the other.
        others = [looks[j] for j in at if len(at) > 2 or j != k]
        if reason := _unlike(looks[k], others, settings):
            found[k] = reason
    if len(at) == 2 and len(found) == 1:
        (odd,) = found
        found = {k: found.get(k, f"the other section differs: {found[odd]}") for k in at}
    return found


def minority(odd: Sequence[int], of: int) -> bool:
    """Whether fewer than half of the sections are odd, so that the others tell what the batch is."""
    return 2 * len(odd) < of


def _looks(colours: np.ndarray, white: ArrayLike, glass: float, settings: StainSettings) -> Looks:
    density = stains.optical_density(colours, white).mean(axis=1)
    tissue = density >= glass
    tissue |= not tissue.any()
    first, second = stains.separate(colours[None], white, settings.pair)
    amounts = (first[0][tissue], second[0][tissue])
    target, other = amounts[settings.target], amounts[1 - settings.target]
    background, level, _ = stained_level(target, other=other)
    return Looks(
        float(np.median(density[tissue])),
        (float(np.median(amounts[0])), float(np.median(amounts[1]))),
        float("nan") if settings.detector == "laminin" else level - background,
    )


def _unlike(one: Looks, others: Sequence[Looks], settings: StainSettings) -> str:
    reasons = []
    values = [("density of the tissue", one.tissue, [o.tissue for o in others])]
    for k, stain in enumerate(settings.pair.stains):
        values.append((f"typical {stain}", one.amounts[k], [o.amounts[k] for o in others]))
    for name, value, all_values in values:
        middle = float(np.median(all_values))
        if abs(value - middle) > max(DENSITY_OD, DENSITY_SHARE * abs(middle)):
            reasons.append(f"{name} {value:.2f} OD, batch {middle:.2f}")
    levels = [o.level for o in others if np.isfinite(o.level)]
    if np.isfinite(one.level) and levels:
        middle = float(np.median(levels))
        if not middle / LEVEL_FACTOR <= one.level <= middle * LEVEL_FACTOR:
            stain = settings.pair.stains[settings.target]
            reasons.append(f"{stain} of what is stained {one.level:.2f} OD, batch {middle:.2f}")
    return ", ".join(reasons)
