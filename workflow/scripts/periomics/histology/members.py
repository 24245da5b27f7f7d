"""Which sections of a stain batch are unlike the others: one odd section must not set white point and thresholds for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from periomics.histology.batch import GLASS_OD, Sample, white_of
from periomics.histology.polarised import brightness
from periomics.histology.settings import StainSettings
from periomics.histology.thresholds import MIN_PIXELS, stained_level, two_levels
from periomics.imaging import stains

# How far a section may lie from the median of its batch: in density by the larger of the two (OD, share of the median), in the
# amount of what is stained by a factor. Sections of one batch differ by some 15 % in strength and by 5 grey values in white.
DENSITY_OD, DENSITY_SHARE = 0.04, 0.25
LEVEL_FACTOR = 1.6
# Positions of a line that must be stained for their level to be told.
LEAST_LINE = 10
# Paler pixels (share of the batch's typical density) are glass.
GLASS = 0.4


@dataclass(frozen=True)
class Looks:
    """What a section shows with the white point of all: typical density of its tissue, typical amount of either stain (background
    of the one that is looked for), and how far clearly stained pixels stand above it (NaN where there are too few). With the rule
    two_levels the tissue is that without the stain: how much of it is stained is no oddity."""

    tissue: float
    amounts: tuple[float, float]
    level: float


def odd_members(
    samples: Sequence[Sample], settings: StainSettings, lines: Sequence[np.ndarray] | None = None
) -> dict[int, str]:
    """Index and reason of every section that is unlike the median of the batch; of two that differ, both.

    Negative controls are not looked at. Of a thin line `lines` holds each section's contrast along it.
    """
    at = [k for k, s in enumerate(samples) if not s.control]
    if len(at) < 2:
        return {}
    if settings.dark:
        return _exposed(samples, at, settings)
    white = white_of([samples[k] for k in at], settings)
    typical = [
        np.median(stains.optical_density(samples[k].colours, white).mean(axis=1)) for k in at
    ]
    glass = GLASS * float(np.median(typical))
    if settings.threshold == "two_levels" and lines is None:
        looks = dict(
            zip(at, _parted([samples[k].colours for k in at], white, settings), strict=True)
        )
    else:
        looks = {k: _looks(samples[k].colours, white, glass, settings) for k in at}
    if lines is not None:
        rises = _rises([lines[k] for k in at], settings.shines)
        looks = {k: replace(looks[k], level=rise) for k, rise in zip(at, rises, strict=True)}
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


def _exposed(
    samples: Sequence[Sample], at: Sequence[int], settings: StainSettings
) -> dict[int, str]:
    """Sections between crossed polarisers whose fibres are brighter or darker than the others':
    another exposure or angle."""
    level = {k: brightness(samples[k].colours, settings) for k in at}
    found = {}
    for k in at:
        others = [level[j] for j in at if len(at) > 2 or j != k]
        middle = float(np.nanmedian(others)) if np.isfinite(others).any() else float("nan")
        if middle / LEVEL_FACTOR > level[k] or level[k] > middle * LEVEL_FACTOR:
            found[k] = f"level of fibres {level[k]:.0f}, batch {middle:.0f}"
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


def _parted(
    all_colours: Sequence[np.ndarray], white: ArrayLike, settings: StainSettings
) -> list[Looks]:
    """Looks of sections of which any share may be stained: each is parted by its own levels, or where it shows but one level
    by the middle of the others'."""
    nan, amounts, found = float("nan"), [], []
    for colours in all_colours:
        density = stains.optical_density(colours, white).mean(axis=1)
        both = np.stack([a[0] for a in stains.separate(colours[None], white, settings.pair)])
        told = (density >= GLASS_OD) | settings.shines
        amounts.append((density[told], both[:, told]))
        target, other = amounts[-1][1][[settings.target, 1 - settings.target]]
        found.append(two_levels(target, other, settings.shines)[0])
    if not np.isfinite(found).any():
        return [Looks(nan, (nan, nan), nan) for _ in amounts]
    looks = []
    for (density, both), own in zip(amounts, found, strict=True):
        target, level = both[settings.target], own if np.isfinite(own) else np.nanmedian(found)
        stained, free = target >= level, target < level
        if free.any():  # edges of what is stained are mixed pixels
            free = target < (np.median(target[free]) + level) / 2
        parts = [
            np.array([np.median(v[part]) for v in (density, *both)])
            if np.count_nonzero(part) >= MIN_PIXELS
            else np.full(3, nan)
            for part in (free, stained)
        ]
        rise = parts[1] - parts[0]
        looks.append(
            Looks(
                float(parts[0][0]),
                (float(parts[0][1]), float(parts[0][2])),
                float(rise[1 + settings.target]),
            )
        )
    return looks


def _rises(lines: Sequence[np.ndarray], shines: bool) -> list[float]:
    """How far stained positions of each line stand above the others of it, or of the batch where it shows but one level."""
    found = [two_levels(v, shines=shines)[0] for v in lines]
    if not np.isfinite(found).any():
        return [float("nan")] * len(lines)
    free = [
        float(np.median(v[v < level])) if (v < level).any() else float("nan")
        for v, level in zip(lines, found, strict=True)
    ]
    rises = []
    for values, own, low in zip(lines, found, free, strict=True):
        stained = values >= (own if np.isfinite(own) else np.nanmedian(found))
        low = low if np.isfinite(low) else float(np.nanmedian(free))
        some = np.count_nonzero(stained) >= LEAST_LINE
        rises.append(float(np.median(values[stained])) - low if some else float("nan"))
    return rises


def _unlike(one: Looks, others: Sequence[Looks], settings: StainSettings) -> str:
    reasons = []
    values = [("density of the tissue", one.tissue, [o.tissue for o in others])]
    for k, stain in enumerate(settings.pair.stains):
        values.append((f"typical {stain}", one.amounts[k], [o.amounts[k] for o in others]))
    for name, value, all_values in values:
        middle = float(np.median([v for v in all_values if np.isfinite(v)] or [np.nan]))
        if abs(value - middle) > max(DENSITY_OD, DENSITY_SHARE * abs(middle)):
            reasons.append(f"{name} {value:.2f} OD, batch {middle:.2f}")
    levels = [o.level for o in others if np.isfinite(o.level)]
    if np.isfinite(one.level) and levels:
        middle = float(np.median(levels))
        if not middle / LEVEL_FACTOR <= one.level <= middle * LEVEL_FACTOR:
            stain = settings.pair.stains[settings.target]
            reasons.append(f"{stain} of what is stained {one.level:.2f} OD, batch {middle:.2f}")
    return ", ".join(reasons)
