"""What the sections of a stain batch share: white point, stain vectors, thresholds; from pooled pixels, blind to arms."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from periomics.core.errors import InputError
from periomics.histology import thresholds
from periomics.histology.sections import Opened
from periomics.histology.settings import USES_SECOND, StainSettings
from periomics.imaging import stains

COLUMNS = (
    "stain",
    "white_r",
    "white_g",
    "white_b",
    "vectors",
    "threshold",
    "rule",
    "n_sections",
    "source",
)
FURTHER = (
    "threshold_second",
    "rule_second",
    "tissue_od",
    "background",
    "clipped_percent",
    "angle_deg",
    "n_pixels",
    "reason",
    "fallback",
    "odd",
)
# Pixels that one section gives to the pool, at most; and where too few of them are stained, as of
# few cells, so many of all sections together.
SAMPLE, FURTHER_SAMPLE = 40_000, 640_000
# Pixel size at which a whole slide is looked at for its white point.
OVERVIEW_UM = 8.0
# Paler pixels (mean OD) are glass where levels are looked for. Where the white point lies on a peak of glass, more pixels are within
# the first number of grey levels of it than between the first and the second below it.
GLASS_OD = 0.03
PEAK, BESIDE = 6, 18
# Why a line has no threshold of its own.
BEHIND = "what is stained does not stand above the tissue behind it"


@dataclass(frozen=True)
class Sample:
    """What one section gives: histogram (3, 256) of all pixels off the implant, colours (n, 3)
    inside its region, and more of them."""

    histogram: np.ndarray
    colours: np.ndarray
    clipped: float
    control: bool = False
    more: np.ndarray | None = None


@dataclass(frozen=True)
class BatchRow:
    """What a section takes from its batch; `threshold` is for the stain looked for, `second` for the other one;
    `tissue_od` is 0 where no glass was seen, so that none is looked for; `background` is
    the usual amount of the former; `fallback` says of which stain and why the config's value
    stands for a rule; `odd` holds why sections (by `sections.section_name`) are unlike the others of the batch."""

    white: tuple[float, float, float]
    vectors: np.ndarray
    threshold: float
    second: float
    tissue_od: float
    fallback: str = ""
    odd: Mapping[str, str] = field(default_factory=dict)
    background: float = 0.0


def sample_section(
    opened: Opened, control: bool = False, overview: np.ndarray | None = None
) -> Sample:
    """A regular sample of a section's region, at most SAMPLE pixels, and the histogram of its pixels.

    Where only a part of a slide was opened, `overview` (height, width, 3) is the whole slide in coarse pixels: the part may
    hold no glass to take the white point from.
    """
    free = opened.rgb[~opened.implant] if overview is None else overview.reshape(-1, 3)
    histogram = np.stack([np.bincount(free[:, c], minlength=256) for c in range(3)])
    colours = opened.rgb[opened.region]
    step, fine = (max(1, -(-len(colours) // n)) for n in (SAMPLE, FURTHER_SAMPLE // 4))
    clipped = stains.clipped_share(colours)
    return Sample(histogram, colours[::step], clipped, control, colours[::fine])


def pool(
    samples: Iterable[Sample],
    settings: StainSettings,
    along: Callable[[np.ndarray, stains.StainPair, bool], np.ndarray] | None = None,
) -> dict[str, object]:
    """Row of the batch table for one stain; `along` gives, for a white point and vectors, the contrast along the lines of
    the sections, or of the negative controls, where the stain is a thin line: its threshold is of that.

    The white point is the config's, else the 98th percentile of each channel over the pooled pixels; vectors are fixed, or
    estimated where the config asks for it; thresholds follow the config's rules and fall back to its values, with the
    reason. Negative controls give the threshold of rule `negative_control` and nothing else.

    Raises
    ------
    InputError
        If there is no section.
    """
    samples = list(samples)
    row = _pooled(samples, settings, along)
    if row["fallback"] and not along and (more := _more(samples)):
        row = min(row, _pooled(more, settings, along), key=lambda r: len(str(r["fallback"])))
    return row


def _more(samples: Sequence[Sample]) -> list[Sample]:
    """Samples of more pixels; none where all pixels are in the samples."""
    most = FURTHER_SAMPLE // len(samples)
    held = [
        s.colours if s.more is None else s.more[:: max(1, len(s.more) // most)] for s in samples
    ]
    if sum(map(len, held)) <= sum(len(s.colours) for s in samples):
        return []
    return [replace(s, colours=c) for s, c in zip(samples, held, strict=True)]


def _pooled(
    samples: Sequence[Sample],
    settings: StainSettings,
    along: Callable[[np.ndarray, stains.StainPair, bool], np.ndarray] | None,
) -> dict[str, object]:
    sections = [s for s in samples if not s.control]
    if not sections:
        raise InputError(f"no section of stain {settings.stain} in this batch could be read")
    white = white_of(sections, settings)
    colours = np.concatenate([s.colours for s in sections])
    if settings.dark:
        return _dark_row(sections, settings, white, len(colours))
    pair, angle, reason = settings.pair, stains.angle_between(*settings.pair.vectors), ""
    od = stains.optical_density(colours, white)
    if settings.estimate_vectors:
        pair, angle, reason = stains.estimate_vectors(od, settings.pair)
    amounts = stains.separate(colours[None], white, pair)
    controls = [s.colours for s in samples if s.control]
    control = stains.separate(np.concatenate(controls)[None], white, pair) if controls else None
    found, rules, fallbacks = [], [], []
    tissue = (od.mean(axis=1) >= GLASS_OD) | settings.shines
    for index, rule, value in (
        (settings.target, settings.threshold, settings.threshold_value),
        (1 - settings.target, settings.second_threshold, settings.second_value),
    ):
        blank = None if control is None else control[index][0]
        values, other = (
            np.where(tissue, amounts[k][0], np.nan) if rule == "two_levels" else amounts[k][0]
            for k in (index, 1 - index)
        )
        if along and index == settings.target:
            values = along(white, pair, False)
            blank, other = along(white, pair, True) if controls else None, np.zeros_like(values)
        number, why = _threshold(rule, values, other, blank, settings.shines)
        if along and index == settings.target and number <= 0:
            # A stain that goes on behind the line has no contrast: without this all of the line would be stained.
            number, why = float("nan"), BEHIND
        if rule != "fixed" and not np.isfinite(number):
            if index == settings.target or settings.detector in USES_SECOND:
                fallbacks.append(f"{pair.stains[index]}: {why}")
            rule = "fixed"
        found.append(value if rule == "fixed" else number)
        rules.append(rule)
    usual = amounts[settings.target][0][tissue]
    return {
        "stain": settings.stain,
        "white_r": white[0],
        "white_g": white[1],
        "white_b": white[2],
        "vectors": stains.format_vectors(pair.vectors),
        "threshold": found[0],
        "rule": rules[0],
        "n_sections": len(sections),
        "source": "config" if settings.white else pair.source,
        "threshold_second": found[1],
        "rule_second": rules[1],
        "tissue_od": _typical(od.mean(axis=1), amounts[settings.target][0] < found[0])
        if not settings.shines and (settings.white or _glass_peak(sections, white))
        else 0.0,
        "background": float(np.median(usual if usual.size else [0.0])),
        "clipped_percent": 100 * float(np.mean([s.clipped for s in sections])),
        "angle_deg": angle,
        "n_pixels": len(colours),
        "reason": reason,
        "fallback": "; ".join(fallbacks),
        "odd": "{}",
    }


def _dark_row(
    sections: Sequence[Sample], settings: StainSettings, white: np.ndarray, pixels: int
) -> dict[str, object]:
    """The row of sections between crossed polarisers, which share nothing but their exposure."""
    return {
        "stain": settings.stain,
        **dict(zip(("white_r", "white_g", "white_b"), white, strict=True)),
        "vectors": stains.format_vectors(settings.pair.vectors),
        **{"threshold": 0.0, "rule": "fixed", "threshold_second": 0.0, "rule_second": "fixed"},
        "n_sections": len(sections),
        "source": "config",
        **{"tissue_od": 0.0, "background": 0.0, "angle_deg": float("nan"), "n_pixels": pixels},
        "clipped_percent": 100 * float(np.mean([s.clipped for s in sections])),
        **{"reason": "", "fallback": "", "odd": "{}"},
    }


def white_of(sections: Sequence[Sample], settings: StainSettings) -> np.ndarray:
    """The white point (3,) of sections: the config's, else from the pooled pixels; black where
    stains shine, and the highest level between crossed polarisers."""
    if settings.dark:
        return np.full(3, 255.0)
    if settings.shines:
        return np.zeros(3)
    if settings.white:
        return np.asarray(settings.white)
    return stains.white_from_histogram(np.sum([s.histogram for s in sections], axis=0))


def _typical(density: np.ndarray, unstained: np.ndarray) -> float:
    """Typical density of tissue without the stain that is looked for: glass is told from the palest, however much is stained."""
    pale = density[unstained & (density >= GLASS_OD)]
    return float(np.median(pale if len(pale) >= thresholds.MIN_PIXELS else density))


def _glass_peak(sections: list[Sample], white: np.ndarray) -> bool:
    """Whether the white point lies on a peak of glass, and not in the tail of pale tissue."""
    total = np.sum([s.histogram for s in sections], axis=0)
    for counts, point in zip(total, np.round(white).astype(int), strict=True):
        near = counts[max(0, point - PEAK) :].sum()
        if near <= counts[max(0, point - BESIDE) : max(0, point - PEAK)].sum():
            return False
    return True


def _threshold(
    rule: str,
    values: np.ndarray,
    other: np.ndarray,
    control: np.ndarray | None,
    shines: bool,
) -> tuple[float, str]:
    if rule == "otsu":
        return thresholds.otsu(values, other)
    if rule == "half_maximum":
        return thresholds.half_maximum(values, other=other)
    if rule == "two_levels":
        return thresholds.two_levels(values, other, shines)
    if rule == "half_median":
        return thresholds.half_median(values)
    if rule == "negative_control":
        return thresholds.negative_control(np.empty(0) if control is None else control)
    return float("nan"), ""


def batch_rows(table: pd.DataFrame, where: object = "") -> dict[str, BatchRow]:
    """Rows of a batch table by stain.

    Raises
    ------
    InputError
        If the table has no such columns or a value that cannot be used.
    """
    missing = [c for c in (*COLUMNS, *FURTHER) if c not in table.columns]
    if missing:
        raise InputError(f"batch table lacks columns {missing}", file=where)
    return {str(row["stain"]): _row(row) for row in table.to_dict("records")}


def _row(row: Mapping[str, Any]) -> BatchRow:
    return BatchRow(
        white=(float(row["white_r"]), float(row["white_g"]), float(row["white_b"])),
        vectors=stains.parse_vectors(str(row["vectors"])),
        threshold=float(row["threshold"]),
        second=float(row["threshold_second"]),
        tissue_od=float(row["tissue_od"]),
        fallback="" if pd.isna(row["fallback"]) else str(row["fallback"]),
        odd=json.loads(str(row["odd"])),
        background=float(row["background"]),
    )
