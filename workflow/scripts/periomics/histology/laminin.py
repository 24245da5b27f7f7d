"""A line along the implant (laminin-332, integrin beta-4): the share of the interface that it covers, and its gaps."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from periomics.histology.detection import (
    Of,
    Prepared,
    Readout,
    dilate,
    level_text,
    measurement,
    smooth_beside,
)
from periomics.histology.sections import Opened, lines
from periomics.histology.settings import StainSettings, options_from, outcome_name
from periomics.imaging.rois import named
from periomics.imaging.stains import StainPair, separate
from periomics.imaging.unroll import resample, unroll


@dataclass(frozen=True)
class Options:
    """band_um: width of the band along the line; step_um between samples; run_um: shorter stained runs and gaps are noise;
    edge_um: pixels this close to the implant are mixed with metal and left out; behind_um, behind_to_um: from where to where
    the tissue behind the line lies, along_um: over which length of it its level is taken."""

    band_um: float = 3.0
    step_um: float = 0.5
    run_um: float = 2.0
    edge_um: float = 0.75
    behind_um: float = 3.0
    behind_to_um: float = 7.0
    along_um: float = 15.0


def find(
    prepared: Prepared, options: Options, factor: float = 1.0
) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Per interface line: its points (n, 2) in pixels, arc (n,) in µm from the gingival margin, stained (n,).

    A position is stained if its contrast reaches the threshold, in runs of at least `run_um`; unstained runs below `run_um` are
    bridged. The implant's own pixels are left out.
    """
    pixel = prepared.pixel_um
    found = []
    for line in lines(prepared.opened, prepared.settings.roi):
        line = _from_margin(line, prepared)
        contrast, arc = contrast_along(prepared.target, prepared.opened, line, options)
        step = (arc[-1] + arc[0]) / len(arc)
        stained = long_runs(
            contrast >= prepared.threshold * factor,
            max(1, int(np.ceil(options.run_um / step - 1e-9))),
        )
        points = resample(line, options.step_um / pixel)[0]
        found.append((points, arc, stained))
    return found


def contrast_along(
    amount: np.ndarray, opened: Opened, line: np.ndarray, options: Options
) -> tuple[np.ndarray, np.ndarray]:
    """How far the band's maximum across a line stands above the tissue behind it, and the arc (µm) of each position.

    Behind is the side without the implant; of a line with tissue on both sides the paler one. A fringe of the metal and stain
    in the cells raise the whole line alike or not at all, and blur spreads a thin line: what counts is the contrast.
    """
    from scipy.ndimage import median_filter

    pixel, step = opened.pixel_um, options.step_um / opened.pixel_um
    metal = dilate(opened.implant, options.edge_um, pixel)
    free = np.where(metal, np.float32(np.nan), amount)
    band = unroll(free, line, options.band_um / pixel, step)
    best = np.where(np.isfinite(band.values), band.values, -np.inf).max(axis=1)
    near, far = options.behind_um / pixel, options.behind_to_um / pixel
    sides = [unroll(free, line, 0, step, d).values for d in ((-far, -near), (near, far))]
    tissue = [s for s in sides if np.isfinite(s).mean() >= 0.5] or sides
    levels = [np.median(np.where(np.isfinite(s), s, 0), axis=1) for s in tissue]
    behind = levels[int(np.argmin([np.median(v) for v in levels]))]
    size = max(1, round(options.along_um / options.step_um))
    return best - median_filter(behind, size, mode="nearest"), band.arc * pixel


def contrasts(
    opened: Opened, settings: StainSettings, white: np.ndarray, pair: StainPair
) -> np.ndarray:
    """Contrast along all interface lines of a section, from which a batch takes its threshold."""
    options = options_from(Options, settings.options, f"histology/stains/{settings.stain}/options")
    amount = separate(opened.rgb, white, pair)[settings.target]
    (smooth,) = smooth_beside([amount], opened.implant, settings.smooth_um / opened.pixel_um)
    found = [contrast_along(smooth, opened, x, options)[0] for x in lines(opened, settings.roi)]
    values = np.concatenate(found)
    return values[np.isfinite(values)]


def long_runs(flags: np.ndarray, least: int) -> np.ndarray:
    """Bridge gaps shorter than `least` samples beside a run, then drop runs shorter than `least`."""
    out = flags.copy()
    for start, stop, value in runs(out):
        if not value and stop - start < least and stop - start < len(out):
            out[start:stop] = True
    for start, stop, value in runs(out):
        if value and stop - start < least:
            out[start:stop] = False
    return out


def runs(flags: np.ndarray) -> list[tuple[int, int, bool]]:
    """(start, stop, value) of each run of equal flags."""
    if len(flags) == 0:
        return []
    cuts = [0, *(np.flatnonzero(np.diff(flags)) + 1).tolist(), len(flags)]
    return [(a, b, bool(flags[a])) for a, b in pairwise(cuts)]


def _from_margin(line: np.ndarray, prepared: Prepared) -> np.ndarray:
    """The line, turned so that it starts at the annotated gingival margin where there is one."""
    margins = [g for g in named(prepared.opened.annotations, "margin") if g.geom_type == "Point"]
    if not margins:
        return line
    margin = (
        np.array([margins[0].x, margins[0].y]) - prepared.opened.offset
    ) / prepared.opened.scale
    return line if np.hypot(*(line[0] - margin)) <= np.hypot(*(line[-1] - margin)) else line[::-1]


def measure(
    prepared: Prepared, options: Options, factor: float = 1.0, variant: str = ""
) -> Readout:
    """Stained length `ln332` (% of the interface), its coronal, middle and apical thirds and longest run as variants,
    and unstained runs per length `ln332_gaps` (1/mm).

    Source: length of laminin-332 over the interface, Atsuta et al. 2005, doi 10.1016/j.biomaterials.2004.05.033. The
    apical third is given apart because an internal basal lamina is found there in healthy rats.
    """
    settings, roi = prepared.settings, prepared.settings.roi
    found = find(prepared, options, factor)
    level = level_text(prepared, prepared.threshold * factor)
    method = (
        f"band of {options.band_um:g} um, maximum above the tissue behind: {level}, "
        f"runs of {options.run_um:g} um"
    )
    lengths = [(arc[-1] + arc[0], stained) for _, arc, stained in found]
    total = float(sum(length for length, _ in lengths))
    covered = float(sum(length * stained.mean() for length, stained in lengths))
    n = len(lengths)
    share, rows = outcome_name(settings, "share", "ln332"), []

    def along(part: float, whole: float, variant: str) -> dict[str, object]:
        """A share of the interface's length."""
        value, of = 100 * part / max(whole, 1e-9), Of(part, whole, "um")
        return measurement(share, roi, value, "%", of, n_sub=n, method=method, variant=variant)

    if share:
        rows.append(along(covered, total, variant))
    if variant:
        return Readout(rows)
    if share:
        for k, third in enumerate(("coronal", "middle", "apical")):
            part = [(length / 3, _third(stained, k)) for length, stained in lengths]
            on, whole = sum(a * s.mean() for a, s in part), sum(a for a, _ in part)
            rows.append(along(on, whole, f"third={third}"))
        run = max(
            length * (b - a) / len(s)
            for length, s in lengths
            for a, b, on in [*runs(s), (0, 0, True)]
            if on
        )
        rows.append(along(run, total, "longest run"))
    if name := outcome_name(settings, "gaps", "ln332_gaps"):
        gaps = sum(1 for _, stained in lengths for _, _, on in runs(stained) if not on)
        value, of = 1000 * gaps / max(total, 1e-9), Of(gaps, total * 1e-3, "mm")
        rows.append(measurement(name, roi, value, "1/mm", of, n_sub=n, method=method))
    objects, shapes = _pieces(found, prepared)
    return Readout(rows, objects, shapes)


def _third(stained: np.ndarray, k: int) -> np.ndarray:
    edges = np.round(np.linspace(0, len(stained), 4)).astype(int)
    return stained[edges[k] : max(edges[k + 1], edges[k] + 1)]


def _pieces(found, prepared: Prepared) -> tuple[pd.DataFrame, list[np.ndarray]]:
    """Every stained and unstained run as an object with its piece of the line."""
    rows: list[dict[str, object]] = []
    shapes = []
    corner = np.asarray(prepared.opened.offset) / prepared.opened.scale
    for points, arc, stained in found:
        step = arc[1] - arc[0] if len(arc) > 1 else 2 * arc[0]
        for start, stop, on in runs(stained):
            x, y = (points[start:stop].mean(axis=0) + corner) * prepared.pixel_um
            rows.append(
                {
                    "object_id": len(rows) + 1,
                    "x_um": x,
                    "y_um": y,
                    "length_um": (stop - start) * step,
                    "arc_um": arc[start] - step / 2,
                    "class": "positive" if on else "negative",
                    "counted": True,
                }
            )
            piece = (
                points[start : max(stop, start + 1) + 1]
                if stop < len(points)
                else points[max(start - 1, 0) : stop]
            )
            shapes.append((piece + corner) * prepared.opened.scale)
    return pd.DataFrame(rows), shapes
