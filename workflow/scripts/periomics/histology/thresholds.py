"""Thresholds from the pooled pixels of a stain batch, blind to arms; never from one section."""

from __future__ import annotations

import numpy as np

MIN_PIXELS = 200


def half_maximum(
    values: np.ndarray,
    floor: float = 0.08,
    peaks: np.ndarray | None = None,
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
    peaks
        Where the stained level is taken from, if not from `values`: maxima across a thin line, say.
    other
        Amounts of the other stain in the same pixels. A pixel with less than half as much of this stain is a leak of the other
        one through imperfect separation; where few cells are stained such pixels would else set the level.

    Returns
    -------
    threshold : NaN if too little is stained
    reason : why there is none, else empty
    """
    background, level, reason = stained_level(values, floor, peaks, other)
    return background + (level - background) / 2, reason


def stained_level(
    values: np.ndarray,
    floor: float = 0.08,
    peaks: np.ndarray | None = None,
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
    spread = 1.4826 * float(np.median(np.abs(values - background)))
    candidates = values[own] if peaks is None else peaks[np.isfinite(peaks)]
    clear = candidates[candidates > background + max(floor, 6 * spread)]
    if len(clear) < (MIN_PIXELS if peaks is None else 20):
        reason = f"only {len(clear)} of {len(candidates)} pixels are clearly stained"
        return background, float("nan"), reason
    # Edges of objects are mixed pixels: the level is taken from those above the middle of the first guess.
    level = float(np.median(clear[clear > (background + np.median(clear)) / 2]))
    return background, level, ""


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
    return float(edges[1:-1][np.nanargmax(between)]), ""


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
