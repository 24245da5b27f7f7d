"""Cells per area and the share of them that is positive (EdU, Ki67, TUNEL, a dye of dead cells) in fluorescence pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage as ndi

from periomics.core.errors import PeriomicsError
from periomics.core.spread import robust_spread
from periomics.culture.nuclei import LEAST_CONTRAST, background, find_nuclei, widened
from periomics.culture.planes import read_plane
from periomics.study.settings.culture import Culture

Fact = Mapping[str, object]
NEGATIVE = "negative_control"
POSITIVE = ("edu", "ki67_cells", "tunel_cells", "dead_cells")
BY_CONTROL = "negative controls"
_LEAST_NUCLEI = 50  # of negative controls, for their 99th percentile
_LEAST_BODIES = 8  # of a marker, for a share of them
_SPREADS = 3.5
_MAX_SATURATED = 0.01
_LEAST_GAP = 4.0  # spreads of the lower class between the two


@dataclass(frozen=True)
class Counted:
    """Nuclei of one picture.

    Attributes
    ----------
    outlines
        Labels (row, column); those that touch the lower or right side, which count in the next field, are not in them.
    picture
        The nuclear channel.
    signals
        Of each nucleus: median of the marker over its background (a bright neighbour's rim is no signal); empty without a marker.
    area_mm2
        Of the field.
    holds, notes
        Why the picture is held back; what was noticed.
    """

    outlines: np.ndarray
    picture: np.ndarray
    signals: np.ndarray
    area_mm2: float
    holds: tuple[str, ...]
    notes: tuple[str, ...]


def count_picture(fact: Fact, settings: Culture) -> Counted:
    """Nuclei of one picture and what the marker is in each."""
    path, given = str(fact["path"]), fact.get("pixel_um")
    size_um = None if given is None else float(str(given))
    plane = read_plane(path, str(fact.get("channel", "")), size_um)
    size = settings.nucleus_um / plane.pixel_um
    labels, contrast, usual = find_nuclei(plane.values, size)
    holds, notes = [], []
    if contrast < LEAST_CONTRAST:
        notes.append("nothing stands out from the background: no nuclei")
    elif not 0.5 * size <= usual <= 2 * size:
        holds.append(
            f"bodies are {usual * plane.pixel_um:.3g} µm wide, nuclei should be {settings.nucleus_um:g}: "
            "is the pixel size right?"
        )
    wide = widened(plane.values, labels, size)
    if wide > settings.max_widened_times:
        holds.append(
            f"{wide:.2g} times the area of the nuclei shines about them (at most "
            f"{settings.max_widened_times:g}): spots within nuclei?"
        )
    every, labels = labels, _counted_here(labels)
    signals = np.zeros(0)
    saturated = [("nuclei", plane.saturated)]
    if fact.get("marker"):
        marker = read_plane(path, str(fact["marker"]), size_um, "marker")
        raised = marker.values - background(marker.values, size)
        n = int(labels.max())
        signals = np.asarray(ndi.median(raised, labels, range(1, n + 1))) if n else np.zeros(0)
        saturated.append(("marker", marker.saturated))
        beside = 100 * _beside(marker.values, every, size)
        if beside > settings.max_beside_percent:
            holds.append(
                f"{beside:.0f} % of the marker's nuclei lie where the nuclear stain shows none "
                f"(at most "
                f"{settings.max_beside_percent:g} %): are the channels swapped, or shifted?"
            )
    notes += [
        f"{100 * share:.0f} % of the pixels of the {what} are saturated"
        for what, share in saturated
        if share > _MAX_SATURATED
    ]
    area = plane.values.size * (plane.pixel_um * 1e-3) ** 2
    return Counted(labels, plane.values, signals, area, tuple(holds), tuple(notes))


def _beside(marker: np.ndarray, nuclei: np.ndarray, size_px: float) -> float:
    """Share of the bodies of the marker's channel less than half of which lie in a nucleus; 0 of
    too few."""
    bodies, contrast, _ = find_nuclei(marker, size_px)
    n = int(bodies.max())
    if contrast < LEAST_CONTRAST or n < _LEAST_BODIES:
        return 0.0
    within = np.asarray(ndi.mean(nuclei > 0, bodies, range(1, n + 1)))
    return float((within < 0.5).mean())


def _counted_here(labels: np.ndarray) -> np.ndarray:
    """Labels without those that touch the lower or right side, numbered anew: every nucleus counts in one field only."""
    keep = np.ones(int(labels.max()) + 1, bool)
    keep[labels[-1]] = keep[labels[:, -1]] = False
    keep[0] = False
    return (np.cumsum(keep) * keep)[labels]


def threshold_of(facts: Sequence[Fact], counted: Sequence[Counted]) -> tuple[float, str, str]:
    """What counts as positive in the pictures of one readout: threshold, how it was found, and why it holds them back.

    The 99th percentile of nuclei of negative controls, or 3.5 spreads above their median where that is more; without
    them Otsu's threshold of all nuclei pooled, which needs two classes that stand apart.
    """
    from skimage.filters import threshold_otsu

    none = [c.signals for f, c in zip(facts, counted, strict=True) if f.get("role") == NEGATIVE]
    pooled = np.concatenate(none) if none else np.zeros(0)
    if len(pooled) >= _LEAST_NUCLEI:
        middle = float(np.median(pooled))
        spread = robust_spread(pooled - middle)
        cut = max(float(np.percentile(pooled, 99)), middle + _SPREADS * spread)
        return cut, BY_CONTROL, ""
    every = np.concatenate([c.signals for c in counted])
    if len(every) < 2 or every.max() <= every.min():
        return float("nan"), "none", "too few nuclei for a threshold, and no negative control"
    cut = float(threshold_otsu(every))
    below, above = every[every <= cut], every[every > cut]
    spread = robust_spread(below - np.median(below))
    gap = float(np.median(above) - np.median(below)) if len(above) else 0.0
    # Between classes far apart Otsu's criterion is flat, and its first value lies at the lower class.
    cut = max(cut, float(np.median(below)) + _SPREADS * spread)
    reason = ""
    if gap < _LEAST_GAP * max(spread, 1e-9):
        reason = "no negative control, and no two classes of nuclei: what is positive is not known"
    return cut, "Otsu over all nuclei of the isolation", reason


def count_rows(
    facts: Sequence[Fact], settings: Culture, strict: bool = False
) -> tuple[list[dict[str, object]], list[tuple[str, Counted, np.ndarray]]]:
    """Measurements of all pictures of one readout of an isolation, and for the overlay (specimen, counted, positive) of each.

    A picture that cannot be measured gets rows with the reason, or (`strict`) raises.
    """
    facts, counted, rows = list(facts), [], []
    for fact in list(facts):
        try:
            counted.append(count_picture(fact, settings))
        except (PeriomicsError, OSError, ValueError) as error:
            if strict:
                raise
            facts.remove(fact)
            rows += _broken(fact, str(error) or type(error).__name__)
    marked = [(f, c) for f, c in zip(facts, counted, strict=True) if f.get("marker")]
    cut, how, why = threshold_of([f for f, _ in marked], [c for _, c in marked])
    drawn = []
    for fact, one in zip(facts, counted, strict=True):
        number = int(one.outlines.max())
        positive = one.signals > cut if fact.get("marker") else np.zeros(number, bool)
        drawn.append((str(fact["specimen_id"]), one, positive))
        common = _common(fact) | {"n_sub": number}
        rows.append(
            common
            | {
                "outcome": "cells",
                "value": number / one.area_mm2,
                "unit": "1/mm2",
                "numerator": number,
                "denominator": one.area_mm2,
                "denominator_unit": "mm2",
                "method": "nuclei in fluorescence",
            }
            | _quality(one.holds, one.notes)
        )
        if fact.get("marker"):
            rows.append(common | _share(fact, positive, how) | _quality_of_share(one, why, how))
    return rows, drawn


def _common(fact: Fact) -> dict[str, object]:
    return {
        "specimen_id": fact["specimen_id"],
        "role": fact.get("role", "sample"),
        "level": "well",
        "time": fact.get("time"),
        "time_unit": fact.get("time_unit", ""),
    }


def _broken(fact: Fact, reason: str) -> list[dict[str, object]]:
    outcomes = ["cells", *([fact.get("readout")] if fact.get("marker") else [])]
    failed = {"qc": "fail", "qc_reason": " ".join(reason.split())}
    return [_common(fact) | {"outcome": o} | failed for o in outcomes]


def _share(fact: Fact, positive: np.ndarray, how: str) -> dict[str, object]:
    number = len(positive)
    return {
        "outcome": fact.get("readout"),
        "value": 100 * positive.sum() / number if number else None,
        "unit": "%",
        "numerator": int(positive.sum()) if number else None,
        "denominator": number or None,
        "denominator_unit": "nuclei",
        "method": f"nuclei above {how}",
    }


def _quality_of_share(one: Counted, why: str, how: str) -> dict[str, str]:
    if not len(one.signals):
        return {"qc": "fail", "qc_reason": "; ".join(["no nuclei", *one.notes])}
    told = () if how == BY_CONTROL else ("threshold without a negative control",)
    return _quality((*one.holds, *([why] if why else [])), (*one.notes, *told))


def _quality(holds: Sequence[str], notes: Sequence[str]) -> dict[str, str]:
    quality = "hold" if holds else "warn" if notes else "pass"
    return {"qc": quality, "qc_reason": "; ".join([*holds, *notes])}
