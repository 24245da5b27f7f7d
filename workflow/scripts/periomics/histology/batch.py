"""What the sections of a stain batch share: white point, stain vectors, thresholds; from pooled pixels, blind to arms."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from periomics.core.errors import InputError
from periomics.histology import thresholds
from periomics.histology.sections import Opened
from periomics.histology.settings import StainSettings
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
    "clipped_percent",
    "angle_deg",
    "n_pixels",
    "reason",
    "odd",
)
# Pixels that one section gives to the pool, at most.
SAMPLE = 40_000


@dataclass(frozen=True)
class Sample:
    """What one section gives: histogram (3, 256) of all pixels off the implant, colours (n, 3) inside its region."""

    histogram: np.ndarray
    colours: np.ndarray
    clipped: float
    control: bool = False


@dataclass(frozen=True)
class BatchRow:
    """What a section takes from its batch; `threshold` is for the stain looked for, `second` for the other one;
    `odd` holds why sections (by `sections.section_name`) are unlike the others of the batch."""

    white: tuple[float, float, float]
    vectors: np.ndarray
    threshold: float
    second: float
    tissue_od: float
    odd: Mapping[str, str] = field(default_factory=dict)


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
    step = max(1, -(-len(colours) // SAMPLE))
    return Sample(histogram, colours[::step], stains.clipped_share(colours), control)


def pool(
    samples: Iterable[Sample],
    settings: StainSettings,
    peaks: Callable[[np.ndarray, stains.StainPair], np.ndarray] | None = None,
) -> dict[str, object]:
    """Row of the batch table for one stain; `peaks` gives, for a white point and vectors, what the stained level of the
    rule half_maximum is taken from where the stain is a thin line.

    The white point is the config's, else the 98th percentile of each channel over the pooled pixels; vectors are fixed, or
    estimated where the config asks for it; thresholds follow the config's rules and fall back to its values, with the
    reason. Negative controls give the threshold of rule `negative_control` and nothing else.

    Raises
    ------
    InputError
        If there is no section.
    """
    samples = list(samples)
    sections = [s for s in samples if not s.control]
    if not sections:
        raise InputError(f"no section of stain {settings.stain} in this batch could be read")
    white = (
        np.asarray(settings.white)
        if settings.white
        else stains.white_from_histogram(np.sum([s.histogram for s in sections], axis=0))
    )
    colours = np.concatenate([s.colours for s in sections])
    pair, angle, reason = settings.pair, stains.angle_between(*settings.pair.vectors), ""
    od = stains.optical_density(colours, white)
    if settings.estimate_vectors:
        pair, angle, reason = stains.estimate_vectors(od, settings.pair)
    amounts = stains.separate(colours[None], white, pair)
    controls = [s.colours for s in samples if s.control]
    control = stains.separate(np.concatenate(controls)[None], white, pair) if controls else None
    found, rules, reasons = [], [], [reason] if reason else []
    line = peaks(white, pair) if peaks and settings.threshold == "half_maximum" else None
    for index, rule, value, top in (
        (settings.target, settings.threshold, settings.threshold_value, line),
        (1 - settings.target, settings.second_threshold, settings.second_value, None),
    ):
        blank = None if control is None else control[index][0]
        number, why = _threshold(rule, amounts[index][0], amounts[1 - index][0], blank, top)
        if rule != "fixed" and not np.isfinite(number):
            rule, reasons = "fixed", [*reasons, f"{pair.stains[index]}: {why}"]
        found.append(value if rule == "fixed" else number)
        rules.append(rule)
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
        "tissue_od": float(np.median(od.mean(axis=1))),
        "clipped_percent": 100 * float(np.mean([s.clipped for s in sections])),
        "angle_deg": angle,
        "n_pixels": len(colours),
        "reason": "; ".join(reasons),
        "odd": "{}",
    }


def _threshold(
    rule: str,
    values: np.ndarray,
    other: np.ndarray,
    control: np.ndarray | None,
    peaks: np.ndarray | None,
) -> tuple[float, str]:
    if rule == "otsu":
        return thresholds.otsu(values, other)
    if rule == "half_maximum":
        return thresholds.half_maximum(values, peaks=peaks, other=other)
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
        (float(row["white_r"]), float(row["white_g"]), float(row["white_b"])),
        stains.parse_vectors(str(row["vectors"])),
        float(row["threshold"]),
        float(row["threshold_second"]),
        float(row["tissue_od"]),
        json.loads(str(row["odd"])),
    )
