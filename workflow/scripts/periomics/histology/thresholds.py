"""Thresholds from the pooled pixels of a stain batch, blind to arms; never from one section."""

from __future__ import annotations

import numpy as np

from periomics.core.spread import robust_spread
from periomics.imaging.stains import FULL

MIN_PIXELS = 200
# What is clearly stained has one strength: where this share of all pixels is so many times
# stronger, the weaker is a tint of at least so much of the tissue (drawn pink bone 66 %); of less,
# either may be meant: cells (5 %) beside black-brown clumps were lost as a tint.
STRONGER, STRONG_SHARE, TINT_SHARE = 3.0, 0.005, 0.2
# Two levels: dyes let a tenth of the light of their strongest channel through at about 1 / LIGHT OD; starts of the search; smallest share
# of either; how far the two stand apart, in the sum of their robust spreads (one even population: 1.1 to 1.4), and in OD.
LIGHT, STARTS, LEAST_SHARE = 0.8, 64, 0.004
APART, APART_OD = 1.6, 0.1
# As much of the highest intensity (2) must fluorescence stand out.
APART_SHINING = 0.01
# Parts of a counterstain whose medians lie nearer (OD) are grain of the ground; what is beyond it
# by so many spreads is not.
GRAIN_OD, GRAIN_SPREADS = 0.06, 4.0
ALIKE = "all of it is alike: one level, not two"


def half_maximum(
    values: np.ndarray,
    floor: float = 0.08,
    other: np.ndarray | None = None,
) -> tuple[float, str]:
    """Half-way between the background and the typical amount of what is clearly stained.

    At this level the outline of an object lies where its edge is, whatever the blur, and the rule scales with the strength
    of the stain; Otsu's does not hold where the stained share is a few percent.

    Parameters
    ----------
    values
        Stain amounts (n,), pooled over a batch.
    floor
        Pixels must lie this far (OD) and six robust standard deviations above the background to be clearly stained.
    other
        Amounts of the other stain in the same pixels. A pixel with less than half as much of this stain is a leak of the other
        one through imperfect separation; where few cells are stained such pixels would else set the level.

    Returns
    -------
    threshold : NaN if too little is stained
    reason : why there is none, else empty
    """
    background, level, reason = stained_level(values, floor, other)
    return background + (level - background) / 2, reason


def stained_level(
    values: np.ndarray,
    floor: float = 0.08,
    other: np.ndarray | None = None,
) -> tuple[float, float, str]:
    """Background and typical amount of what is clearly stained (NaN if that is too little), and why there is none; see
    `half_maximum` for the parameters."""
    finite = np.isfinite(values)
    own = (
        np.ones(int(finite.sum()), bool) if other is None else values[finite] > 0.5 * other[finite]
    )
    values = values[finite]
    if len(values) < MIN_PIXELS:
        return float("nan"), float("nan"), f"{len(values)} pixels"
    background = float(np.median(values))
    spread = robust_spread(values - background)
    candidates = values[own]
    clear = candidates[candidates > background + max(floor, 6 * spread)]
    if len(clear) < MIN_PIXELS:
        reason = f"only {len(clear)} of {len(candidates)} pixels are clearly stained"
        return background, float("nan"), reason
    # Edges of objects are mixed pixels: the level is taken from those above the middle of the first guess.
    level = float(np.median(clear[clear > (background + np.median(clear)) / 2]))
    strong = clear[clear > background + STRONGER * (level - background)]
    if len(strong) >= max(MIN_PIXELS, STRONG_SHARE * len(values)):
        # A tint of much of the tissue, such as the pink of bone beside red cells, is no stain.
        weak = (len(clear) - len(strong)) / len(values)
        if weak < TINT_SHARE:
            reason = f"stain of two strengths: {100 * weak:.1f} % of the pixels weak"
            return background, float("nan"), f"{reason}, {STRONGER:g} times as strong others"
        level = float(np.median(strong[strong > (background + np.median(strong)) / 2]))
    return background, level, ""


def two_levels(
    values: np.ndarray, other: np.ndarray | None = None, shines: bool = False
) -> tuple[float, str]:
    """Half-way, in light, between what is stained and what is not, whatever the share of either.

    Blur mixes light, so half of the light is where the edge of a stained part lies. Of all ways to part the light in two that
    are their own middle of two medians, the one is taken whose medians lie farthest apart, in spreads: neither level is taken
    for granted to be the more common one, as Otsu's and the half maximum do.

    Parameters
    ----------
    values
        Stain amounts (n,), pooled over the tissue of a batch.
    other
        Amounts of the other stain in the same pixels: what is called stained must hold more than half as much of this one.
    shines
        Whether amounts are intensities of fluorescence: blur mixes them as they are, and channels know nothing of each other.

    Returns
    -------
    threshold : NaN if there are no two levels
    reason : why there are none, else empty
    """
    finite = np.isfinite(values)
    values = values[finite]
    if len(values) < MIN_PIXELS:
        return float("nan"), f"{len(values)} pixels"
    # Intensities are looked at by the codes that hold them, which are whole numbers.
    light = -255 * np.sqrt(np.clip(values, 0, None) / FULL) if shines else 10 ** (-LIGHT * values)
    ends = np.percentile(light, [0.1, 99.9])
    edges = np.linspace(ends[0], ends[1], 1025)
    counts = _spread_codes(light, edges) if shines else np.histogram(light, bins=edges)[0]
    middles = (edges[1:] + edges[:-1]) / 2
    least = _step(light) if shines else 1e-6
    part = _farthest_parts(counts, middles, least)
    if part is None:
        return float("nan"), ALIKE
    if shines:
        low, high = (float(np.median(values[k])) for k in (light >= part, light < part))
        return ((low + high) / 2, "") if high - low >= APART_SHINING else (float("nan"), ALIKE)
    threshold = float(-np.log10(part) / LIGHT)
    if np.median(values[values >= threshold]) - np.median(values[values < threshold]) < APART_OD:
        return float("nan"), ALIKE
    stained = values >= threshold
    if other is not None:
        own = values[stained] > 0.5 * other[finite][stained]
        if own.mean() < 0.5:
            return float("nan"), "what stands out is the other stain"
    return threshold, ""


def _step(codes: np.ndarray) -> float:
    """How far codes lie apart where most of them are, at least 1: files of 8 bits leave codes out."""
    there, often = np.unique(np.round(codes), return_counts=True)
    at = int(np.argmax(often))
    near = np.diff(there[max(0, at - 1) : at + 2])
    return float(near.max()) if near.size else 1.0


def _spread_codes(codes: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """How many codes lie between edges, each spread half-way to its neighbours: noise of two or
    three codes has medians and spreads of whole codes else, and is parted where nothing shines."""
    there, often = np.unique(np.round(codes), return_counts=True)
    if len(there) < 2:
        return np.histogram(codes, bins=edges)[0]
    between = (there[1:] + there[:-1]) / 2
    ends = np.concatenate([[2 * there[0] - between[0]], between, [2 * there[-1] - between[-1]]])
    below = np.concatenate([[0], np.cumsum(often)])
    return np.diff(np.interp(edges, ends, below))


def _farthest_parts(counts: np.ndarray, light: np.ndarray, least: float) -> float | None:
    """Light (bins of a histogram) that parts two levels, None where there are none; a spread is not below `least`."""
    step = (light[-1] - light[0]) * 1e-4
    n, best, found = counts.sum(), APART, None
    for start in np.linspace(light[0], light[-1], STARTS + 2)[1:-1]:
        middle = float(start)
        for _ in range(25):
            dark = light < middle
            if min(counts[dark].sum(), counts[~dark].sum()) < max(LEAST_SHARE * n, 1):
                break
            levels = [_median(counts[k], light[k]) for k in (dark, ~dark)]
            moved = sum(levels) / 2 - middle
            middle += moved
            if abs(moved) < step:
                spreads = [
                    max(least, 1.4826 * _median(counts[k], np.abs(light[k] - m)))
                    for k, m in zip((dark, ~dark), levels, strict=True)
                ]
                apart = (levels[1] - levels[0]) / sum(spreads)
                if apart >= best:
                    best, found = apart, middle
                break
    return found


def _median(counts: np.ndarray, values: np.ndarray) -> float:
    """Median of values by how often each stands."""
    order = np.argsort(values, kind="stable")
    total = np.cumsum(counts[order])
    return float(values[order][np.searchsorted(total, total[-1] / 2)])


def otsu(values: np.ndarray, other: np.ndarray, brown: float = 0.15) -> tuple[float, str]:
    """Otsu's threshold outside what the other stain covers, for a counterstain that is plentiful and diffuse.

    On real sections a few black nuclei own the histogram if brown pixels stay in (F1 of nuclei .04 where .6 is reached).
    """
    values = values[np.isfinite(values) & (other <= brown)]
    if len(values) < MIN_PIXELS:
        return float("nan"), f"{len(values)} pixels outside the other stain"
    counts, edges = np.histogram(values, bins=256)
    middle = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)[:-1].astype(float)
    above = len(values) - below
    total = np.cumsum(counts * middle)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (total[:-1] / below - (total[-1] - total[:-1]) / above) ** 2
    if not np.isfinite(between).any():
        return float("nan"), "all pixels have one level"
    found = float(edges[1:-1][np.nanargmax(between)])
    if np.median(values[values >= found]) - np.median(values[values < found]) >= GRAIN_OD:
        return found, ""
    # Where all nuclei are under the other stain nothing is left to part but the ground's grain.
    background = float(np.median(values))
    spread = robust_spread(values - background)
    return background + max(GRAIN_OD, GRAIN_SPREADS * spread), ""


def half_median(values: np.ndarray) -> tuple[float, str]:
    """Half of the typical amount, for a matrix that fills its region (eosin in bone); holes lie below."""
    values = values[np.isfinite(values)]
    if len(values) < MIN_PIXELS:
        return float("nan"), f"{len(values)} pixels"
    return float(np.median(values)) / 2, ""


def negative_control(values: np.ndarray, percentile: float = 99.5) -> tuple[float, str]:
    """What all but 0.5 % of a negative control's pixels stay below."""
    values = values[np.isfinite(values)]
    if len(values) < MIN_PIXELS:
        return float("nan"), "no negative control in the batch"
    return float(np.percentile(values, percentile)), ""
