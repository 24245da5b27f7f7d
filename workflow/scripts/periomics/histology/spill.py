"""Whether one channel's light is seen in the other: bleed-through makes every cell one of both
markers."""

from __future__ import annotations

import numpy as np

from periomics.core.quality import Fact
from periomics.histology.detection import Prepared
from periomics.histology.quality import sums_of_squares

# Side of the squares whose means are compared, against noise, and how many are needed.
SQUARE_UM, LEAST_SQUARES = 2.0, 50
# Of what shines in the one channel this share may hold nothing else in the other; the bright part
# of it that reaches a threshold first.
LEAST_SHARE, BRIGHT = 0.1, 0.9
# Detectors in which what is measured, too, makes objects of the other channel.
BOTH_WAYS = ("double", "coverage")


def facts(prepared: Prepared) -> list[Fact]:
    """For each channel in which another one's light would make objects, how much of its threshold
    that light reaches; nothing of bright fields and of single channels."""
    settings = prepared.settings
    if not settings.shines or len(settings.channels) < 2:
        return []
    first, second = settings.pair.stains
    channels = [(prepared.other, prepared.second), (prepared.target, prepared.threshold)]
    ways = [((first, second), channels)]
    if settings.detector in BOTH_WAYS:
        ways.append(((second, first), channels[::-1]))
    free = prepared.opened.region & ~prepared.opened.implant
    return [
        Fact(
            f"light of {source} in {seen}, spilt unless all of it has both, of the threshold",
            reached(*pair, free=free, pixel_um=prepared.pixel_um),
            "%",
            settings.max_spill_percent,
        )
        for (source, seen), pair in ways
    ]


def reached(
    source: tuple[np.ndarray, float],
    seen: tuple[np.ndarray, float],
    *,
    free: np.ndarray,
    pixel_um: float,
) -> float:
    """How much (%) of the way from background to threshold of the channel `seen` the light of
    `source` (amounts and threshold) goes by itself; 0 where too little shines.

    The share that is seen is the ratio of the two channels, above their backgrounds, which nine of
    ten squares that shine reach: cells of the one marker only show it bare. Where hardly any are,
    it cannot be told from two markers that always go together.
    """
    side = max(1, round(SQUARE_UM / pixel_um))
    n = sums_of_squares(free.astype(np.float32), side)
    full = n >= side**2 / 2
    a, b = (
        sums_of_squares(np.where(free, amount, np.float32(0)), side)[full] / n[full]
        for amount, _ in (source, seen)
    )
    shines = a >= source[1]
    if min(shines.sum(), (~shines).sum()) < LEAST_SQUARES:
        return 0.0
    # What is seen of most places elsewhere is no spill: a marker may stain most of the tissue.
    under, below = float(np.median(a[~shines])), float(np.median(b[~shines]))
    if below >= seen[1]:
        return 0.0
    share = float(np.quantile((b[shines] - below) / (a[shines] - under), LEAST_SHARE))
    light = share * (float(np.quantile(a[shines], BRIGHT)) - under)
    return 100 * max(0.0, light / (seen[1] - below))
