"""A line along the implant (laminin-332, integrin beta-4): the share of the interface that it covers, and its gaps."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from periomics.core.quality import Fact
from periomics.histology.detection import (
    Of,
    Prepared,
    Readout,
    Strip,
    dilate,
    level_text,
    measurement,
    smooth_beside,
)
from periomics.histology.edits import Edits
from periomics.histology.interface import (
    EPITHELIUM,
    MARGIN,
    drawn_facts,
    epithelium,
    from_margin,
    reach,
    runs,
)
from periomics.histology.sections import Opened, in_view, lines
from periomics.histology.settings import StainSettings, options_from, outcome_name
from periomics.imaging.rois import named
from periomics.imaging.stains import StainPair, separate
from periomics.imaging.unroll import resample, unroll


@dataclass(frozen=True)
class Options:
    """band_um: width of the band along the line; step_um between samples; run_um: shorter stained
    runs and gaps are noise; edge_um: pixels this close to the implant are mixed with metal and left
    out; behind_um, behind_to_um: from where to where the tissue behind the line lies (behind_to_um
    0: none is taken off, for a tracer that spreads into the tissue), along_um: over which length of
    it its level is taken; front_um: longest gap through which a tracer or the epithelium still
    joins the margin; margin_um: farthest that the margin lies from a line's end; drawn_percent:
    more of the line outside the picture, drawn twice or in steps holds the section back;
    beyond_percent: more stain beyond the tracer's front does; touch_um: farthest that epithelium
    lies from the line; thickest_um: how far it is followed."""

    band_um: float = 3.0
    step_um: float = 0.5
    run_um: float = 2.0
    edge_um: float = 0.75
    behind_um: float = 3.0
    behind_to_um: float = 7.0
    along_um: float = 15.0
    front_um: float = 20.0
    margin_um: float = 50.0
    drawn_percent: float = 5.0
    beyond_percent: float = 20.0
    touch_um: float = 10.0
    thickest_um: float = 400.0


@dataclass(frozen=True)
class Traced:
    """An interface line, from the gingival margin.

    Attributes
    ----------
    line, points
        As it was drawn, and at equal steps: x, y (n, 2) in pixels.
    arc
        µm from its beginning, of each point.
    stained, seen
        Of each point; seen is what lies in the picture and is not to be ignored.
    margin_um
        How far the margin lies from its beginning.
    """

    line: np.ndarray
    points: np.ndarray
    arc: np.ndarray
    stained: np.ndarray
    seen: np.ndarray
    margin_um: float

    @property
    def step(self) -> float:
        """µm between points."""
        return float(self.arc[-1] + self.arc[0]) / len(self.arc)

    @property
    def states(self) -> np.ndarray:
        """1 stained, 0 not, -1 not seen."""
        return np.where(self.seen, self.stained, -1).astype(np.int8)


def find(prepared: Prepared, options: Options, factor: float = 1.0) -> list[Traced]:
    """The interface lines and where they are stained.

    A position is stained if its contrast reaches the threshold, in runs of at least `run_um`; unstained runs below `run_um` are
    bridged. The implant's own pixels are left out.
    """
    pixel = prepared.pixel_um
    found = []
    for drawn in lines(prepared.opened, prepared.settings.roi):
        line, off = from_margin(drawn, prepared.opened)
        contrast, arc = contrast_along(prepared.target, prepared.opened, line, options)
        points = resample(line, options.step_um / pixel)[0]
        seen = in_view(prepared.opened, points)
        whole = Traced(line, points, arc, contrast >= prepared.threshold * factor, seen, off)
        least = max(1, int(np.ceil(options.run_um / whole.step - 1e-9)))
        found.append(replace(whole, stained=long_runs(whole.stained, least) & seen))
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
    if options.behind_to_um <= options.behind_um:
        return best, band.arc * pixel
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
    found = []
    for line in lines(opened, settings.roi):
        points = resample(line, options.step_um / opened.pixel_um)[0]
        found.append(contrast_along(smooth, opened, line, options)[0][in_view(opened, points)])
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


def measure(
    prepared: Prepared, options: Options, factor: float = 1.0, variant: str = ""
) -> Readout:
    """Stained length `ln332` (% of the interface), its coronal, middle and apical thirds and longest run as variants,
    and unstained runs per length `ln332_gaps` (1/mm). Where the config names an outcome: stained `length` (µm a line); of a tracer the
    depth from the margin, `front` (µm) and `front_share` (% of the line); of the annotated epithelium its reach from the margin,
    `epithelium` (µm), and its `thickness` (µm).

    Source: length of laminin-332 over the interface, Atsuta et al. 2005, doi 10.1016/j.biomaterials.2004.05.033. The
    apical third is given apart because an internal basal lamina is found there in healthy rats.
    """
    settings, roi = prepared.settings, prepared.settings.roi
    seen = find(prepared, options, factor)
    found = _as_said(seen, prepared.edits)
    level = level_text(prepared, prepared.threshold * factor)
    above = " above the tissue behind" if options.behind_to_um > options.behind_um else ""
    method = (
        f"band of {options.band_um:g} um, maximum{above}: {level}, runs of {options.run_um:g} um"
    )
    total = float(sum(t.step * t.seen.sum() for t in found))
    covered = float(sum(t.step * t.stained.sum() for t in found))
    n = len(found)
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
            on, whole = (
                sum(t.step * float(_third(flags, k).sum()) for t, flags in pairs)
                for pairs in ([(t, t.stained) for t in found], [(t, t.seen) for t in found])
            )
            rows.append(along(on, whole, f"third={third}"))
        run = max(
            t.step * (b - a) for t in found for a, b, on in [*runs(t.stained), (0, 0, True)] if on
        )
        rows.append(along(run, total, "longest run"))
    if name := outcome_name(settings, "gaps", "ln332_gaps"):
        gaps = sum(1 for t in found for _, _, state in runs(t.states) if state == 0)
        value, of = 1000 * gaps / max(total, 1e-9), Of(gaps, total * 1e-3, "mm")
        rows.append(measurement(name, roi, value, "1/mm", of, n_sub=n, method=method))
    if name := outcome_name(settings, "length", ""):
        of = Of(covered, n, "lines")
        row = measurement(name, roi, covered / n, "um", of, n_sub=n, method=method)
        rows.append(row | _off_margin(options, found))
    facts = drawn_facts(prepared.opened, [t.line for t in found], options.drawn_percent)
    rows += _fronts(prepared, options, found, method, facts)
    rows += _epithelium(prepared, options, found)
    objects, shapes = _pieces(seen, prepared)
    if prepared.edits is not None:
        given = prepared.edits.classes
        objects["class"] = np.where(given == "", objects["class"], given)
    return Readout(rows, objects, shapes, facts, _strips(prepared, options, found, bool(share)))


def _as_said(found: list[Traced], edits: Edits | None) -> list[Traced]:
    """Lines whose runs have the state that a person gave them."""
    if edits is None:
        return found
    out, given = [], iter(edits.classes)
    for traced in found:
        told = traced.stained.copy()
        for start, stop, state in runs(traced.states):
            if state >= 0 and (name := next(given)):
                told[start:stop] = name == "positive"
        out.append(replace(traced, stained=told))
    return out


def _strips(prepared: Prepared, options: Options, found: list[Traced], thirds: bool) -> list[Strip]:
    """Every line straightened, with what is lined and a tracer's front where that is asked for."""
    asked = _asked(prepared, "front", "front_share")
    strips = []
    for traced in found:
        begins, front = traced.margin_um <= options.margin_um, float("nan")
        if asked and begins:
            front = reach(traced.stained, traced.step, options.front_um).depth
        strip = Strip(
            points=traced.line,
            present=traced.states,
            words=("lined", "gap"),
            thirds=thirds,
            from_margin=begins,
            front_um=front,
        )
        strips.append(strip)
    return strips


def _fronts(
    prepared: Prepared, options: Options, lines: list[Traced], method: str, facts: list[Fact]
) -> list[dict[str, object]]:
    """Depth of a tracer from the margin (µm, mean of the lines; % of their length)."""
    names = _asked(prepared, "front", "front_share")
    if not names:
        return []
    found = [reach(t.stained, t.step, options.front_um) for t in lines]
    depth, beyond = (sum(getattr(f, key) for f in found) for key in ("depth", "beyond"))
    stained = sum(t.step * t.stained.sum() for t in lines)
    share = 100 * beyond / stained if stained else 0.0
    facts.append(Fact("stain beyond the tracer's front", share, "%", options.beyond_percent))
    told = f"{method}; joined to the margin through gaps of {options.front_um:g} um"
    return _from_the_margin(prepared, options, names, depth=depth, lines=lines, method=told)


def _epithelium(
    prepared: Prepared, options: Options, lines: list[Traced]
) -> list[dict[str, object]]:
    """Length of the annotated epithelium along the implant from the margin (µm), and its mean thickness there (µm)."""
    names = _asked(prepared, "epithelium", "thickness")
    if not names:
        return []
    settings, depth, thick = prepared.settings, 0.0, []
    for traced in lines:
        across = (options.step_um, options.touch_um, options.thickest_um)
        thickness, _ = epithelium(prepared.opened, traced.line, *across)
        end = reach(thickness > 0, traced.step, options.front_um).depth
        depth += end
        thick.append(thickness[: round(end / traced.step)])
    method = f"annotated epithelium within {options.touch_um:g} um of the line"
    length = {k: v for k, v in names.items() if k == "epithelium"}
    rows = _from_the_margin(prepared, options, length, depth=depth, lines=lines, method=method)
    if name := names.get("thickness"):
        values = np.concatenate(thick)
        values = values[values > 0]
        total, n = float(values.sum()), len(values)
        of, told = Of(total, n, "positions"), f"{method}, at right angles to it"
        mean = total / max(n, 1)
        rows.append(measurement(name, settings.roi, mean, "um", of, n_sub=n, method=told))
    if not named(prepared.opened.annotations, EPITHELIUM):
        why = f"no region {EPITHELIUM!r} is annotated"
        rows = [r | {"value": float("nan"), "qc": "fail", "qc_reason": why} for r in rows]
    return rows


def _asked(prepared: Prepared, *results: str) -> dict[str, str]:
    """Result → outcome of those that the config names."""
    named_ = {r: outcome_name(prepared.settings, r, "") for r in results}
    return {result: name for result, name in named_.items() if name}


def _from_the_margin(
    prepared: Prepared,
    options: Options,
    names: dict[str, str],
    *,
    depth: float,
    lines: list[Traced],
    method: str,
) -> list[dict[str, object]]:
    """Rows of a depth from the margin: its mean over the lines in µm, and its share of their length."""
    rows, n = [], len(lines)
    whole = sum(t.step * len(t.arc) for t in lines)
    off = max(t.margin_um for t in lines)
    for result, name in names.items():
        value, unit, of = depth / n, "um", Of(depth, n, "lines")
        if result.endswith("share"):
            value, unit, of = 100 * depth / max(whole, 1e-9), "%", Of(depth, whole, "um")
        row = measurement(name, prepared.settings.roi, value, unit, of, n_sub=n, method=method)
        if np.isfinite(off):
            rows.append(row | _off_margin(options, lines))
            continue
        why = f"no point {MARGIN!r} is annotated, from which the depth is measured"
        rows.append(row | {"value": float("nan"), "qc": "fail", "qc_reason": why})
    return rows


def _off_margin(options: Options, lines: list[Traced]) -> dict[str, object]:
    """What becomes of a value a line where no margin tells lines from pieces of one, or lies not at
    an end of every line."""
    off = max(t.margin_um for t in lines)
    if off == np.inf and len(lines) > 1:
        why = (
            f"{len(lines)} lines and no point {MARGIN!r} at which each begins: pieces of one line "
            "count as lines of their own"
        )
        return {"qc": "hold", "qc_reason": why}
    if not options.margin_um < off < np.inf:
        return {}
    why = (
        f"the nearest point {MARGIN!r} lies {off:.0f} um from the ends of a line (at most "
        f"{options.margin_um:g} um): a line in several pieces, or without a margin of its own"
    )
    return {"value": float("nan"), "qc": "fail", "qc_reason": why}


def _third(stained: np.ndarray, k: int) -> np.ndarray:
    edges = np.round(np.linspace(0, len(stained), 4)).astype(int)
    return stained[edges[k] : max(edges[k + 1], edges[k] + 1)]


def _pieces(found: list[Traced], prepared: Prepared) -> tuple[pd.DataFrame, list[np.ndarray]]:
    """Every stained and unstained run as an object with its piece of the line."""
    rows: list[dict[str, object]] = []
    shapes = []
    corner = np.asarray(prepared.opened.offset) / prepared.opened.scale
    for traced in found:
        points, step = traced.points, traced.step
        for start, stop, state in runs(traced.states):
            if state < 0:
                continue
            x, y = (points[start:stop].mean(axis=0) + corner) * prepared.pixel_um
            rows.append(
                {
                    "object_id": len(rows) + 1,
                    "x_um": x,
                    "y_um": y,
                    "length_um": (stop - start) * step,
                    "arc_um": traced.arc[start] - step / 2,
                    "class": "positive" if state else "negative",
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
