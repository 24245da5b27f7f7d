"""What all detectors share: the prepared section, binary morphology in µm, objects and the counting rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pandas as pd

from periomics.core.quality import Fact
from periomics.histology.batch import BatchRow
from periomics.histology.edits import Edits
from periomics.histology.sections import Opened
from periomics.histology.settings import StainSettings
from periomics.imaging import stains
from periomics.imaging.parts import label

# Discs of up to so many pixels in radius are laid row by row, in strips of so many rows.
DISC_PIXELS, STRIP = 12, 128


@dataclass(frozen=True)
class Prepared:
    """A section ready for a detector: amounts (float32, OD) of the stain looked for and of the other, slightly smoothed.

    Attributes
    ----------
    white
        Red, green and blue of glass, of the batch.
    background
        Usual amount of the stain that is looked for, of the batch.
    kept
        What a detector found that no threshold changes, for its sweep.
    edits
        Detections that a person edited, to lay over what the detector finds.
    """

    opened: Opened
    settings: StainSettings
    target: np.ndarray
    other: np.ndarray
    threshold: float
    second: float
    tissue_od: float
    mean_od: np.ndarray
    white: tuple[float, float, float]
    kept: dict[str, np.ndarray] = field(default_factory=dict)
    edits: Edits | None = None
    background: float = 0.0

    @property
    def pixel_um(self) -> float:
        return self.opened.pixel_um


@dataclass(frozen=True)
class Strip:
    """A line that is shown straightened, with what was found along it.

    Attributes
    ----------
    points
        (n, 2) x, y in pixels of the opened section.
    present
        (m,) of equal pieces of the line: 1 found, 0 not, -1 not looked at.
    words
        What is found, and what is missing.
    side
        Sign of the depth on whose side the tissue lies, 0 where the implant says.
    thirds, from_margin
        Whether thirds are told apart; whether it begins at the gingival margin.
    front_um
        How far a tracer came, NaN for none.
    """

    points: np.ndarray
    present: np.ndarray
    words: tuple[str, str]
    side: int = 0
    thirds: bool = False
    from_margin: bool = False
    front_um: float = float("nan")


@dataclass
class Readout:
    """What a detector found: rows of measurements, a table of objects, their outlines (x, y in
    finest-level pixels), what its numbers say of the section's quality, and lines to be shown
    straightened."""

    rows: list[dict[str, object]]
    objects: pd.DataFrame = field(default_factory=pd.DataFrame)
    outlines: Sequence[np.ndarray] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    strips: list[Strip] = field(default_factory=list)


def prepare(opened: Opened, settings: StainSettings, batch: BatchRow) -> Prepared:
    """Separate the stains with the batch's white point and vectors, and smooth by `smooth_um` beside the implant."""
    smooth = smoothed(opened, settings, batch)
    table = stains.od_table(batch.white) / np.float32(3)
    mean_od = (
        table[0][opened.rgb[..., 0]] + table[1][opened.rgb[..., 1]] + table[2][opened.rgb[..., 2]]
    )
    return Prepared(
        opened=opened,
        settings=settings,
        target=smooth[settings.target],
        other=smooth[1 - settings.target],
        threshold=batch.threshold,
        second=batch.second,
        tissue_od=batch.tissue_od,
        mean_od=mean_od,
        white=batch.white,
        background=batch.background,
    )


def smoothed(opened: Opened, settings: StainSettings, batch: BatchRow) -> list[np.ndarray]:
    """Amounts of both stains, smoothed beside the implant."""
    pair = stains.StainPair(settings.pair.stains, batch.vectors, "batch")
    amounts = stains.separate(opened.rgb, batch.white, pair)
    sigma = settings.smooth_um / opened.pixel_um
    return smooth_beside(amounts, opened.implant, sigma, opened.metal)


def smooth_beside(
    images: Sequence[np.ndarray], left_out: np.ndarray, sigma: float, metal: bool | None = None
) -> list[np.ndarray]:
    """Gaussian means of images over the pixels that are not left out: metal is black in every stain and must not bleed into
    the tissue beside it. Left-out pixels become 0. `metal`: of a window, whether pixels are left
    out anywhere."""
    from scipy.ndimage import gaussian_filter

    if not (left_out.any() if metal is None else metal):
        return [gaussian_filter(i, sigma, mode="nearest", truncate=3) for i in images]
    free = (~left_out).astype(np.float32)
    weight = np.maximum(gaussian_filter(free, sigma, mode="nearest", truncate=3), np.float32(1e-3))
    return [
        gaussian_filter(i * free, sigma, mode="nearest", truncate=3) / weight * free for i in images
    ]


class Of(NamedTuple):
    """What a value is formed from: value = factor × numerator / denominator."""

    numerator: float
    denominator: float
    unit: str


def measurement(
    outcome: str,
    roi: str,
    value: float,
    unit: str,
    of: Of,
    *,
    n_sub: float,
    method: str,
    variant: str = "",
) -> dict[str, object]:
    """A row of measurements; a value that cannot be formed is empty and says so."""
    row = {
        "outcome": outcome,
        "roi": roi,
        "variant": variant,
        "unit": unit,
        "numerator": of.numerator,
        "denominator": of.denominator,
        "denominator_unit": of.unit,
        "n_sub": n_sub,
        "method": method,
    }
    if not of.denominator > 0:
        return {
            **row,
            "value": float("nan"),
            "qc": "fail",
            "qc_reason": f"no {of.unit} to divide by in {roi}",
        }
    return {**row, "value": value}


def level_text(prepared: Prepared, level: float) -> str:
    """What counts as stained, in words: of fluorescence as a share of the highest intensity."""
    return level_words(prepared.settings, level)


def level_words(settings: StainSettings, level: float) -> str:
    """As `level_text`."""
    name = settings.pair.stains[settings.target]
    if settings.shines:
        return f"{name} at or above {100 * level / stains.FULL:.2f} % of the highest intensity"
    return f"{name} at or above {level:.4f} OD"


def density(
    outcome: str,
    roi: str,
    count: int,
    area_um2: float,
    *,
    n_sub: int,
    method: str,
    variant: str = "",
) -> dict[str, object]:
    """A row of objects per mm² of an area (µm²)."""
    area = area_um2 * 1e-6
    value, of = count / area if area else 0, Of(count, area, "mm2")
    return measurement(
        outcome, roi, value, "1/mm2", of, n_sub=n_sub, method=method, variant=variant
    )


def area_share(
    outcome: str,
    roi: str,
    part_um2: float,
    area_um2: float,
    *,
    n_sub: int,
    method: str,
    variant: str = "",
) -> dict[str, object]:
    """A row of the share (%) that a part of an area (µm²) is of it."""
    value = 100 * part_um2 / area_um2 if area_um2 else 0
    of = Of(part_um2 * 1e-6, area_um2 * 1e-6, "mm2")
    return measurement(outcome, roi, value, "%", of, n_sub=n_sub, method=method, variant=variant)


def dilate(mask: np.ndarray, radius_um: float, pixel_um: float) -> np.ndarray:
    """All pixels within a radius of the mask."""
    from edt import edt

    if radius_um < pixel_um / 2 or not mask.any():
        return mask.copy()
    if radius_um <= DISC_PIXELS * pixel_um:
        return _spread(mask, _half_widths(radius_um, pixel_um))
    return edt(~mask, anisotropy=(pixel_um, pixel_um), black_border=False) <= radius_um


def erode(mask: np.ndarray, radius_um: float, pixel_um: float) -> np.ndarray:
    """Pixels whose disc of a radius lies in the mask; beyond the frame counts as inside."""
    if radius_um < pixel_um / 2 or mask.all():
        return mask.copy()
    return ~dilate(~mask, radius_um, pixel_um)


@lru_cache(maxsize=64)
def _half_widths(radius_um: float, pixel_um: float) -> tuple[int, ...]:
    """Half of the width of a disc in its middle row and in each row off it."""
    from edt import edt

    reach = int(radius_um / pixel_um) + 1
    point = np.ones((2 * reach + 1,) * 2, bool)
    point[reach, reach] = False
    disc = edt(point, anisotropy=(pixel_um, pixel_um), black_border=False) <= radius_um
    widths = disc[reach:].sum(axis=1) // 2
    return tuple(int(w) for w, row in zip(widths, disc[reach:], strict=True) if row.any())


def _spread(mask: np.ndarray, half_widths: tuple[int, ...]) -> np.ndarray:
    """A mask widened by a small disc, row by row of the disc: several times faster than distances.
    Strips of rows stay in the processor's cache."""
    high, reach = mask.shape[0], len(half_widths) - 1
    out = np.zeros(mask.shape, bool)
    for top in range(0, high, STRIP):
        bottom = min(high, top + STRIP)
        first = max(0, top - reach)
        rows = mask[first : min(high, bottom + reach)]
        if not rows.any():
            continue
        wide, width, strip = rows.copy(), 0, out[top:bottom]
        for off in range(reach, -1, -1):  # a disc's rows are the wider the nearer to its middle
            while width < half_widths[off]:
                width += 1
                wide[:, width:] |= rows[:, :-width]
                wide[:, :-width] |= rows[:, width:]
            for shift in {off, -off}:
                low, end = max(first, top + shift), min(first + len(rows), bottom + shift)
                if low < end:
                    strip[low - shift - top : end - shift - top] |= wide[low - first : end - first]
    return out


def close_and_fill(
    mask: np.ndarray, gap_um: float, largest_um2: float, pixel_um: float
) -> np.ndarray:
    """Close gaps of `gap_um` and fill what is then enclosed: filling before eroding keeps thin bridges across a gap."""
    wide, pad = _widened(mask, gap_um, pixel_um)
    return mask | _narrowed(fill_holes(wide, largest_um2, pixel_um), pad, gap_um, pixel_um)


def close_gaps(mask: np.ndarray, gap_um: float, pixel_um: float) -> np.ndarray:
    """Join what is at most `gap_um` apart (closing with a disc of half that)."""
    wide, pad = _widened(mask, gap_um, pixel_um)
    return mask | _narrowed(wide, pad, gap_um, pixel_um)


def _widened(mask: np.ndarray, gap_um: float, pixel_um: float) -> tuple[np.ndarray, int]:
    """Dilated by half a gap on a padded grid, so that the frame does not hold on to what comes near it."""
    pad = int(np.ceil(gap_um / 2 / pixel_um)) + 2
    return dilate(np.pad(mask, pad), gap_um / 2, pixel_um), pad


def _narrowed(wide: np.ndarray, pad: int, gap_um: float, pixel_um: float) -> np.ndarray:
    return erode(wide, gap_um / 2, pixel_um)[pad:-pad, pad:-pad]


def opening(mask: np.ndarray, radius_um: float, pixel_um: float) -> np.ndarray:
    """Drop what a disc of a radius does not fit into."""
    return dilate(erode(mask, radius_um, pixel_um), radius_um, pixel_um) & mask


def fill_holes(mask: np.ndarray, largest_um2: float, pixel_um: float) -> np.ndarray:
    """Fill what the mask encloses, up to an area; what touches the frame is not enclosed."""
    holes = label(~mask, connectivity=4)
    area = np.bincount(holes.ravel()) * pixel_um**2
    fill = area <= largest_um2
    fill[0] = False
    for edge in (holes[0], holes[-1], holes[:, 0], holes[:, -1]):
        fill[edge] = False
    return mask | fill[holes]


def flooded(depth: np.ndarray, peaks: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Labels of a mask by the watershed of its depth from peaks (N, 2), numbered in raster order.

    Of peaks of one depth in one part the first in raster order goes first: else what lies elsewhere
    in the picture would decide.
    """
    from skimage.segmentation import watershed

    peaks = peaks[np.lexsort((peaks[:, 1], peaks[:, 0]))]
    at = peaks[:, 0], peaks[:, 1]
    part = label(mask)[at]
    order = np.argsort(part, kind="stable")[::-1]
    left = np.empty(len(peaks))  # peaks of the same part that are still to come
    left[order] = np.arange(len(peaks)) - np.searchsorted(-part[order], -part[order])
    seeds = np.zeros(mask.shape, np.int32)
    seeds[at] = np.arange(1, len(peaks) + 1)
    height = -depth.astype(np.float64)
    height[at] -= 1e-12 * (1 + left)  # peaks go before what else is as deep
    return watershed(height, seeds, mask=mask).astype(np.int32)


def split_touching(mask: np.ndarray, cell_um: float, pixel_um: float) -> np.ndarray:
    """Split a mask into cells by the watershed of its distance map; peaks closer than 0.4 diameters are one cell."""
    from edt import edt
    from scipy.ndimage import gaussian_filter
    from skimage.feature import peak_local_max

    if not mask.any():
        return np.zeros(mask.shape, np.int32)
    depth = gaussian_filter(
        edt(mask, anisotropy=(pixel_um, pixel_um), black_border=False), 0.1 * cell_um / pixel_um
    )
    parts = label(mask)
    peaks = peak_local_max(
        depth,
        min_distance=max(1, round(0.4 * cell_um / pixel_um)),
        labels=parts,
        exclude_border=False,
    )
    return flooded(depth, peaks, mask)


def keep_labels(labels: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """Labels renumbered densely, with those left out where `keep` (N + 1,) is False."""
    keep = keep.copy()
    keep[0] = False
    number = np.zeros(len(keep), np.int32)
    number[keep] = np.arange(1, keep.sum() + 1)
    return number[labels]


def pale(prepared: Prepared) -> np.ndarray:
    """Where the region is as bright as glass: below 40 % of the batch's typical density over
    squares of 3 µm."""
    from scipy.ndimage import uniform_filter

    size = max(1, round(3.0 / prepared.pixel_um))
    bright = uniform_filter(prepared.mean_od, size) < 0.4 * prepared.tissue_od
    return bright & prepared.opened.region


def tissue_mask(prepared: Prepared, smallest_um2: float) -> np.ndarray:
    """The region without glass: bright parts (below 40 % of the batch's typical density) above an
    area are no tissue."""
    key = f"tissue {smallest_um2}"
    if key in prepared.kept:
        return prepared.kept[key]
    parts = label(pale(prepared), connectivity=4)
    large = np.bincount(parts.ravel()) * prepared.pixel_um**2 >= smallest_um2
    large[0] = False
    prepared.kept[key] = prepared.opened.region & ~large[parts]
    return prepared.kept[key]


def glass_fact(region: float, tissue: float, settings: StainSettings) -> Fact:
    """Share of the region that counts as glass: tissue without a counterstain may have been taken
    for it."""
    share = 100 * (1 - tissue / region) if region else 0.0
    return Fact("region as bright as glass", share, "%", settings.max_glass_percent)


def counted(
    labels: np.ndarray, inside: np.ndarray, frame: tuple[bool, bool] = (True, True)
) -> np.ndarray:
    """Which objects a counting frame counts, bool (N,): each profile belongs to where the middle of its lowest row lies,
    and what the right or lower frame of the image cuts is out (`frame`: whether those edges are the image's own).

    Tiles that share a border count every profile once. It is the two-sides rule of unbiased counting.
    """
    n = int(labels.max())
    rows, columns = np.nonzero(labels)
    which = labels[rows, columns]
    lowest = np.zeros(n + 1, np.int64)
    np.maximum.at(lowest, which, rows)
    base = rows == lowest[which]
    size = np.maximum(np.bincount(which[base], minlength=n + 1), 1)
    middle = np.bincount(which[base], columns[base], n + 1) / size
    keep = inside[lowest[1:], np.floor(middle[1:] + 0.5).astype(int)]
    for edge, is_frame in ((labels[:, -1], frame[0]), (labels[-1], frame[1])):
        cut = np.unique(edge) if is_frame else np.empty(0, int)
        keep[cut[cut > 0] - 1] = False
    return keep


def object_table(labels: np.ndarray, prepared: Prepared, **means: np.ndarray) -> pd.DataFrame:
    """One row per object: x_um, y_um from the corner of the finest level, area_um2, and the mean of each image given."""
    n = int(labels.max())
    where = np.flatnonzero(labels)
    which = labels.ravel()[where]
    area = np.bincount(which, minlength=n + 1)[1:]
    rows, columns = np.divmod(where, labels.shape[1])
    pixel, opened = prepared.pixel_um, prepared.opened
    left, top = (v / opened.scale * pixel for v in opened.offset)
    table = {
        "object_id": np.arange(1, n + 1),
        "x_um": (np.bincount(which, columns, n + 1)[1:] / np.maximum(area, 1) + 0.5) * pixel + left,
        "y_um": (np.bincount(which, rows, n + 1)[1:] / np.maximum(area, 1) + 0.5) * pixel + top,
        "area_um2": area * pixel**2,
    }
    for name, image in means.items():
        table[name] = np.bincount(which, image.ravel()[where].astype(np.float64), n + 1)[
            1:
        ] / np.maximum(area, 1)
    return pd.DataFrame(table)
