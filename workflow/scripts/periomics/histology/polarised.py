"""Birefringent collagen between crossed polarisers (picrosirius red): share of the region in fibres
of each hue."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from periomics.core.quality import Fact
from periomics.histology.artefacts import edge_width
from periomics.histology.detection import (
    Of,
    Prepared,
    Readout,
    area_share,
    counted,
    keep_labels,
    label,
    measurement,
    object_table,
)
from periomics.histology.sections import Opened
from periomics.histology.settings import StainSettings, options_from, outcome_name
from periomics.imaging.rois import outlines

HUES = ("red", "orange", "yellow", "green")
DEFAULTS = {"collagen": "psr", **{h: f"psr_{h}" for h in HUES}, "ratio": "psr_ratio"}
# Of a texture of fibres only bundles that a person could point at become objects.
SHOWN_UM2 = 40.0
# A channel at this level is at the camera's end; a pixel that bright in all channels is lit without
# polarisers.
HIGHEST, LIT = 254, 100
# A pixel of less colour (range over highest channel) has no hue.
COLOURLESS = 0.25
LARGEST_HUE = 256.0
# Of the floor: where faint light begins, and light that barely reaches it ends.
FAINT, CLEAR = 0.5, 1.25
# Pixels of a kind from which a share of them is told.
LEAST_PIXELS = 500


@dataclass(frozen=True)
class Options:
    """floor: level (of 255) of the brightest channel from which a pixel is lit by fibres; half of
    what is lit within edge_um, as blur widens what is bright; hues, on
    a circle of 256 from red over yellow and green: red is up to red_to and from red_from, orange up
    to orange_to, yellow up to yellow_to, green up to green_to. The section is held back where more
    of what is lit than saturated_percent is at the camera's end, more than odd_percent has no
    fibre's colour, or more of the picture than lit_percent is bright in all channels, or its
    sharpest edges are wider than focus_um: blur widens fibres and mixes their hues; and where the
    floor decides what is read: more than doubtful_percent of what is read would come or go between
    half of it and 1.25 times of it (a haze, a half in the dark, an exposure too short)."""

    floor: float = 40.0
    edge_um: float = 1.5
    red_to: float = 9.5
    orange_to: float = 38.5
    yellow_to: float = 51.5
    green_to: float = 128.5
    red_from: float = 229.5
    saturated_percent: float = 5.0
    odd_percent: float = 20.0
    lit_percent: float = 10.0
    focus_um: float = 3.2
    doubtful_percent: float = 33.0


def hue_of(rgb: np.ndarray) -> np.ndarray:
    """Hue on a circle of 256, float32 (height, width); NaN where there is no colour."""
    high, low = rgb.max(axis=-1).astype(np.float32), rgb.min(axis=-1).astype(np.float32)
    red, green, blue = np.moveaxis(rgb.astype(np.float32), -1, 0)
    spread = high - low
    step = np.maximum(spread, 1)
    sixth = np.select(
        [high == red, high == green],
        [(green - blue) / step % 6, (blue - red) / step + 2],
        (red - green) / step + 4,
    )
    coloured = spread >= COLOURLESS * np.maximum(high, 1)
    return np.where(coloured, sixth * np.float32(LARGEST_HUE / 6), np.float32(np.nan))


def find(
    rgb: np.ndarray, options: Options, pixel_um: float, factor: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Number of the hue of each pixel's fibre (1 to 4 as HUES; 0 for none), and what is lit."""
    from scipy.ndimage import maximum_filter

    high = rgb.max(axis=-1)
    near = maximum_filter(high, 2 * round(options.edge_um / pixel_um) + 1)
    lit = (high >= options.floor * factor) & (high >= near / 2)
    hue = hue_of(rgb)
    ends = (options.red_to, options.orange_to, options.yellow_to, options.green_to)
    with np.errstate(invalid="ignore"):
        kind = 1 + np.searchsorted(ends, hue, side="right")
        kind = np.where(hue >= options.red_from, 1, kind)
    kind = np.where(lit & np.isfinite(hue) & (kind <= len(HUES)), kind, 0)
    return kind.astype(np.uint8), lit


def measure(
    prepared: Prepared, options: Options, factor: float = 1.0, variant: str = ""
) -> Readout:
    """Fibres of any hue, and red, orange, yellow and green ones, over the region (%), and (red and
    orange) over (yellow and green).

    In a dark field tissue without fibres is as dark as glass, so that the region is what shares are
    of.
    """
    opened, settings = prepared.opened, prepared.settings
    kind, lit = find(opened.rgb, options, opened.pixel_um, factor)
    names = {k: outcome_name(settings, k, v) for k, v in DEFAULTS.items()}
    pixel2 = opened.pixel_um**2
    region = float(opened.region.sum()) * pixel2
    part = np.bincount(kind[opened.region], minlength=len(HUES) + 1) * pixel2
    level = options.floor * factor
    method = f"between crossed polarisers, brightest channel at or above {level:g} of 255, by hue"
    roi, rows = settings.roi, []
    for key, area in (("collagen", part[1:].sum()), *zip(HUES, part[1:], strict=True)):
        if (name := names[key]) and not (variant and key != "collagen"):
            row = area_share(
                name, roi, float(area), region, n_sub=1, method=method, variant=variant
            )
            rows.append(row)
    if variant:
        return Readout(rows)
    if name := names["ratio"]:
        thick, thin = float(part[1:3].sum()), float(part[3:].sum())
        of = Of(thick * 1e-6, thin * 1e-6, "mm2")
        value = thick / thin if thin else 0
        rows.append(measurement(name, roi, value, "1", of, n_sub=1, method=method))
    labels = _bundles(kind, opened)
    objects = object_table(labels, prepared, hue=kind.astype(float))
    objects["counted"] = counted(labels, opened.region, opened.frame)
    objects["class"] = np.array(["", *HUES], dtype=object)[objects.pop("hue").round().astype(int)]
    shapes = outlines(labels, opened.scale, opened.offset)
    return Readout(rows, objects, shapes, facts(opened, kind, lit, options))


def _bundles(kind: np.ndarray, opened: Opened) -> np.ndarray:
    """Labels of connected fibres of one hue, without specks."""
    labels = np.zeros(kind.shape, np.int32)
    for k in range(1, len(HUES) + 1):
        parts = label((kind == k) & opened.region)
        parts = keep_labels(parts, np.bincount(parts.ravel()) * opened.pixel_um**2 >= SHOWN_UM2)
        labels[parts > 0] = parts[parts > 0] + labels.max()
    return labels


def facts(opened: Opened, kind: np.ndarray, lit: np.ndarray, options: Options) -> list[Fact]:
    """Whether it is a dark field, not too bright, in the colours of fibres."""
    rgb, region = opened.rgb, opened.region
    inside = lit & region
    ends = rgb.max(axis=-1) >= HIGHEST
    bright = rgb.min(axis=-1) >= LIT
    dark = float(np.quantile(rgb.max(axis=-1), 0.05))
    # Light where it is dark: edges are looked for as of a bright field.
    inverse = 255 - np.minimum(rgb.max(axis=-1), HIGHEST)
    width = edge_width(
        np.repeat(inverse[..., None], 3, axis=-1), (255,) * 3, region, opened.pixel_um
    )
    if inside.sum() < LEAST_PIXELS:
        width = 0.0  # nothing to be in focus
    everywhere = max(_share(bright, region), _share(bright, np.ones_like(region)))
    return [
        Fact(
            "fibres that the floor decides on",
            _doubtful(rgb, region, kind, options, opened.pixel_um),
            "%",
            options.doubtful_percent,
        ),
        Fact(
            "fibres at the camera's highest level",
            _share(ends, inside),
            "%",
            options.saturated_percent,
        ),
        Fact(
            "light without a colour of fibres", _share(kind == 0, inside), "%", options.odd_percent
        ),
        Fact(
            "picture bright in all channels: no dark field?", everywhere, "%", options.lit_percent
        ),
        Fact("level of the darkest twentieth: no dark field?", dark, "", options.floor),
        Fact("width of the sharpest edges", width, "um", options.focus_um),
    ]


def _doubtful(
    rgb: np.ndarray, region: np.ndarray, kind: np.ndarray, options: Options, pixel_um: float
) -> float:
    """Share (%) of the fibres that would come or go with another floor; of the faint ones without
    the camera's noise, which has any colour."""
    from scipy.ndimage import median_filter

    faint = find(median_filter(rgb, (3, 3, 1)), options, pixel_um, FAINT)[0]
    clear = find(rgb, options, pixel_um, CLEAR)[0]
    here, less, more = (int((k[region] > 0).sum()) for k in (kind, clear, faint))
    return 100 * (max(more, here) - less) / max(here, LEAST_PIXELS)


def _share(what: np.ndarray, of: np.ndarray) -> float:
    """Share (%) of some pixels, 0 of too few."""
    n = int(of.sum())
    return 100 * float((what & of).sum() / n) if n >= LEAST_PIXELS else 0.0


def brightness(colours: np.ndarray, settings: StainSettings) -> float:
    """Typical level of what is lit, of colours (n, 3); NaN of too little."""
    options = options_from(Options, settings.options, f"histology/stains/{settings.stain}/options")
    high = colours.max(axis=-1)
    lit = high[high >= options.floor]
    return float(np.median(lit)) if len(lit) >= LEAST_PIXELS else float("nan")
