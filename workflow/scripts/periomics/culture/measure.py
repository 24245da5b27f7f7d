"""All wells and scratch series of one isolation as measurements."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from periomics.core.errors import InputError, PeriomicsError
from periomics.culture.counts import Counted, count_rows
from periomics.culture.lines import ASSAYS as LINES
from periomics.culture.lines import line_rows
from periomics.culture.network import Network
from periomics.culture.ratios import ratio_files, ratio_rows
from periomics.culture.scratch import (
    Gap,
    closure_at,
    closure_percent,
    find_gap,
    front_speed,
    half_time,
)
from periomics.culture.wells import by_file, file_rows
from periomics.study import measurements
from periomics.study.settings.culture import Culture

SCRATCH_OUTCOMES = ("scratch", "scratch_rate", "scratch_t50", "scratch_auc")
NO_INTERVAL = "an image series needs its time between frames"
NOT_THE_GAP = "the frame does not show the gap of the others"
NO_SIZE = "the pixel size is not known: no lengths, no speeds"


def read_series(
    facts: Sequence[Mapping[str, Any]], needs_size: bool = True
) -> tuple[np.ndarray, np.ndarray, float | None]:
    """Frames (time, row, column), times in h and pixel size in µm of one scratch specimen.

    A series is one file or folder of frames with `interval_h`, or one row of the sheet a frame with `time`. With `needs_size`
    false the pixel size is None where neither file nor sheet states one.

    Raises
    ------
    InputError
        If times or, where needed, the pixel size are not stated, or frames differ in size.
    """
    from periomics.imaging.series import read_frames

    first = facts[0]
    if len(facts) == 1:
        frames, pixel = read_frames(str(first["path"]), _number(first, "pixel_um"), needs_size)
        interval = _number(first, "interval_h")
        if len(frames) > 1 and interval is None:
            raise InputError(
                NO_INTERVAL,
                file=first["path"],
                column="interval_h",
                allowed="hours",
            )
        return frames, np.arange(len(frames)) * (interval or 0.0), pixel
    rows = sorted(facts, key=lambda f: float(f.get("time", 0.0)))
    times, parts, pixels = [], [], []
    for fact in rows:
        if "time" not in fact or fact.get("time_unit") not in ("h", "min", "d"):
            raise InputError(
                "frames given one by one need time and time_unit",
                file=fact["path"],
                column="time",
                allowed="min, h or d",
            )
        frame, pixel = read_frames(str(fact["path"]), _number(fact, "pixel_um"), needs_size)
        times.append(
            float(fact["time"]) * {"min": 1 / 60, "h": 1.0, "d": 24.0}[str(fact["time_unit"])]
        )
        parts.append(frame[0])
        pixels.append(pixel)
    known = [p for p in pixels if p is not None]
    if len({p.shape for p in parts}) > 1 or len(known) not in (0, len(pixels)):
        raise InputError(
            "frames differ in size, or only some state a pixel size", file=rows[0]["path"]
        )
    if known and max(known) - min(known) > 0.01 * known[0]:
        raise InputError("frames differ in pixel size", file=rows[0]["path"])
    return np.stack(parts), np.asarray(times) - times[0], pixels[0]


def _number(fact: Mapping[str, Any], name: str) -> float | None:
    value = fact.get(name)
    return None if value is None or value != value else float(value)


def working_size(pixel_um: float | None, settings: Culture) -> float:
    """Pixel size that the gap finder works with: the series' own, or that at which the texture window has `window_px` pixels.

    The second is no guess of the scale: it only says how large a window, a piece of debris and a regrowth are in pixels, and no
    length that follows from it is written.
    """
    if pixel_um is not None:
        return pixel_um
    if settings.window_px is None:
        raise InputError(
            "neither a pixel size nor the side of the texture window in pixels is known",
            file="config",
            column="culture/window_px",
            allowed="pixels, above 1",
        )
    return settings.window_um / settings.window_px


def scratch_rows(
    gap: Gap, time_h: np.ndarray, settings: Culture, pixel_um: float | None
) -> list[dict[str, object]]:
    """Measurements of one series: closure at the declared time and at every frame, speed, half time, area under the curve.

    Without a pixel size areas stand in pixels, which percentages do not feel, and the speed is left out with the reason.
    """
    at, kept = settings.closure_h, gap.kept
    when, area = time_h[kept], gap.area_mm2[kept]
    closed = closure_percent(gap.area_mm2)
    at_value = closure_at(when, area, at)
    speed, used = front_speed(when, gap.width_um[kept], settings.closed_share)
    first = float(gap.area_mm2[0]) if pixel_um is not None else float(gap.masks[0].sum())
    common = {
        "level": "well",
        "method": "log local sd, one threshold a series",
        **_quality(gap),
        "denominator_unit": "mm2" if pixel_um is not None else "px",
    }
    # A line through two points says nothing of what lies between them.
    over_time = common | _quality(gap, *(["two frames only"] if len(when) == 2 else []))
    widths = gap.width_um
    left = float(np.interp(at, when, widths[kept]))
    rows = [
        _row(
            "scratch",
            at_value,
            "%",
            time=at,
            numerator=first * at_value / 100,
            denominator=first,
            **common | _quality(gap, *_narrow(left, settings)),
        )
    ]
    for i, (t, value) in enumerate(zip(time_h, closed, strict=True)):
        row = _row(
            "scratch",
            value,
            "%",
            time=t,
            variant="frame",
            numerator=first * value / 100,
            denominator=first,
            **common | _quality(gap, *_narrow(float(widths[i]), settings)),
        )
        if not kept[i]:
            row |= dict.fromkeys(("value", "numerator", "denominator"))
            row |= {"qc": "fail", "qc_reason": NOT_THE_GAP}
        rows.append(row)
    rate = _row("scratch_rate", speed, "um/h", n_sub=used, **over_time)
    if pixel_um is None:
        rate |= {"value": None, "n_sub": None, "qc": "fail", "qc_reason": NO_SIZE}
    rows.append(rate)
    rows.append(_row("scratch_t50", half_time(when, area), "h", **over_time))
    rows.append(_row("scratch_auc", float(np.trapezoid(closed[kept], when)), "% h", **over_time))
    return rows


def _narrow(width_um: float, settings: Culture) -> list[str]:
    """What to say of a gap that is nearly closed."""
    if not 0 < width_um < settings.narrow_windows * settings.window_um:
        return []
    return [
        f"{width_um:.0f} µm of the gap are left, less than {settings.narrow_windows:g} windows of "
        "texture: a cell or debris in it closes it, and closure may read some points too high"
    ]


def _quality(gap: Gap, *more: str) -> dict[str, str]:
    """Quality and reasons: held back, or counted with a remark."""
    reasons = [*gap.holds, *gap.warnings, *more]
    quality = "hold" if gap.holds else "warn" if reasons else "pass"
    return {"qc": quality, "qc_reason": "; ".join(reasons)}


def _row(outcome: str, value: float, unit: str, **more: object) -> dict[str, object]:
    """A row; without a value (the series ended before half closure, say) it is flagged, not dropped."""
    row: dict[str, object] = {
        "outcome": outcome,
        "value": value,
        "unit": unit,
        "time_unit": "h" if "time" in more else "",
        **more,
    }
    if "denominator" not in row:
        row["denominator_unit"] = ""
    if value != value:
        reason = "; ".join(
            filter(None, (str(row.get("qc_reason", "")), "not reached within the series"))
        )
        row |= {"qc": "hold" if row.get("qc") == "hold" else "warn", "qc_reason": reason}
        row["value"] = None
        row |= {k: None for k in ("numerator", "denominator") if k in row}
    return row


class Cultures(NamedTuple):
    """What was measured of one isolation, and what the pictures are drawn of.

    Attributes
    ----------
    table
        Measurements.
    series
        specimen_id → (frames, times, gap, pixel size or None) of every scratch series.
    plates
        (path, name) → signals of every plate.
    networks
        specimen_id → (picture, network) of every picture of tubes or junctions.
    counted
        specimen_id → (nuclei, which are positive) of every picture of nuclei.
    """

    table: pd.DataFrame
    series: dict[str, tuple[np.ndarray, np.ndarray, Gap, float | None]]
    plates: dict[tuple[str, str], pd.Series]
    networks: dict[str, tuple[np.ndarray, Network]]
    counted: dict[str, tuple[Counted, np.ndarray]]


def measure_culture(
    facts: Sequence[Mapping[str, Any]], settings: Culture, on_broken: str = "flag"
) -> Cultures:
    """Measure everything of one isolation.

    Parameters
    ----------
    facts
        Rows of the cultures sheet of one isolation, without conditions.
    settings
        The config's `culture` section.
    on_broken
        `flag` turns a file that cannot be measured into rows with qc = fail; `stop` raises.
    """
    common = {"animal_id": facts[0]["animal_id"], "modality": "culture"}
    found = Cultures(measurements.empty(), {}, {}, {}, {})
    tables = [measurements.empty()]
    for own, measure, outcomes in _parts(facts, on_broken == "stop"):
        try:
            tables.append(measure(own, settings, found, common))
        except (PeriomicsError, OSError, ValueError) as error:
            if on_broken == "stop":
                raise
            failed = own[:1] if measure is _series else own
            tables += [_failed(f, error, outcomes, common) for f in failed]
    return found._replace(table=measurements.concatenate(tables))


Part = tuple[list[Mapping[str, Any]], Callable[..., pd.DataFrame], tuple[str, ...]]


def _parts(facts: Sequence[Mapping[str, Any]], strict: bool) -> list[Part]:
    """Rows of the sheet that are measured together, how, and the outcomes they would have (the readout where none are named)."""
    parts: list[Part] = []
    for specimen in sorted({str(f["specimen_id"]) for f in facts if f["assay"] == "scratch"}):
        own = [f for f in facts if f["assay"] == "scratch" and f["specimen_id"] == specimen]
        parts.append((own, _series, SCRATCH_OUTCOMES))
    parts += [(list(own), _plates, ()) for own in by_file(facts).values()]
    parts += [([f], _lines, LINES[str(f["assay"])]) for f in facts if f["assay"] in LINES]
    for readout in sorted({str(f.get("readout", "")) for f in facts if f["assay"] == "nuclei"}):
        own = [f for f in facts if f["assay"] == "nuclei" and f.get("readout", "") == readout]
        parts.append(
            (own, partial(_counts, strict=strict), ("cells", readout) if readout else ("cells",))
        )
    return parts + [(list(own), _ratios, ()) for own in ratio_files(facts)]


def _series(facts, settings: Culture, found: Cultures, common: Mapping) -> pd.DataFrame:
    specimen = str(facts[0]["specimen_id"])
    frames, time_h, pixel = read_series(facts, settings.pixel_size != "unknown")
    gap = find_gap(frames, working_size(pixel, settings), settings)
    found.series[specimen] = (frames, time_h, gap, pixel)
    rows = scratch_rows(gap, time_h, settings, pixel)
    return measurements.tidy(rows, **common, **_who(facts[0]))


def _plates(facts, settings: Culture, found: Cultures, common: Mapping) -> pd.DataFrame:
    rows, plates = file_rows(facts, settings)
    found.plates.update({(str(facts[0]["path"]), n): s for n, s in plates.items()})
    return measurements.tidy(rows, **common)


def _lines(facts, settings: Culture, found: Cultures, common: Mapping) -> pd.DataFrame:
    rows, picture, network = line_rows(facts[0], settings)
    found.networks[str(facts[0]["specimen_id"])] = (picture, network)
    return measurements.tidy(rows, **common, **_who(facts[0]))


def _counts(
    facts, settings: Culture, found: Cultures, common: Mapping, *, strict: bool
) -> pd.DataFrame:
    rows, drawn = count_rows(facts, settings, strict)
    found.counted.update({specimen: (one, positive) for specimen, one, positive in drawn})
    return measurements.tidy(rows, **common)


def _ratios(facts, settings: Culture, found: Cultures, common: Mapping) -> pd.DataFrame:
    return measurements.tidy(ratio_rows(facts, settings), **common)


def _who(fact: Mapping[str, Any]) -> dict[str, Any]:
    return {"specimen_id": fact["specimen_id"], "role": fact.get("role", "sample")}


def _failed(
    fact: Mapping[str, Any], error: Exception, outcomes: tuple[str, ...], common: Mapping
) -> pd.DataFrame:
    """Rows without value of what a row of the sheet would have given."""
    well = {} if outcomes else {"field_id": str(fact.get("well", ""))}
    more = {} if outcomes else {"time": fact.get("time"), "time_unit": fact.get("time_unit", "")}
    return measurements.failed(
        outcomes or (str(fact.get("readout", "plate")),),
        str(error) or type(error).__name__,
        level="well",
        **_who(fact),
        **well,
        **more,
        **common,
    )
