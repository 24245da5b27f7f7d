"""What lies on or in a section and is no tissue: pen, folds, the edge of a bubble or of the coverslip; and how sharp it is."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.ndimage import find_objects, gaussian_filter

from periomics.histology.detection import dilate, erode, label
from periomics.imaging import stains

# Colours of pens as hue (0 to 1, from, to) and least saturation; parts smaller than the last (µm²) are no pen's.
PENS = {"red": (0.92, 1.02, 0.35), "green": (0.30, 0.56, 0.20), "blue": (0.56, 0.72, 0.62)}
PEN_UM, PEN_UM2 = 8.0, 2500.0
# A dye of this density that has a pen's colour makes that pen one that cannot be told.
DYED_OD = 0.7
# A fold: tiles whose palest quarter is so many times as dense as that of the typical tile, in all channels alike, in parts at
# least so large.
FOLD_UM, FOLD_TIMES, FOLD_ALIKE, FOLD_UM2 = 10.0, 1.6, 1.15, 2500.0
# The edge of a bubble or of the coverslip: grey, so much denser than what is around (squares) in all channels alike, so long, and
# nowhere wider than the last; pieces this close (squares) are one line.
LINE_OD, LINE_GREY, LINE_UM, LINE_WIDE_UM = 0.12, 0.25, 100.0, 10.0
JOIN, AROUND = 3, 6.0
# Sharpness: rises of at least so many OD, looked for in windows of this width.
RISE_OD, WINDOW_UM, SMOOTH_UM = 0.12, 9.0, 0.5
# So many edges that rise clearly tell how sharp a section is, of fewer the highest ones.
MANY_EDGES, FEW_EDGES = 20, 8
# Parts whose focus is looked at apart: their side, the least rise (OD) there, and how many edges
# are needed.
PART_UM, FAINT_RISE, LEAST_PLACES = 150.0, 0.05, 10
# The least of fluorescence, where the threshold says how much rises.
LEAST_RISE = 0.003
PLACES = 4096  # windows that are looked at in one go


def pen_mask(
    rgb: np.ndarray, pixel_um: float = PEN_UM, dyes: np.ndarray | None = None
) -> np.ndarray:
    """Where a pen's colour lies, bool (height, width); pens in the colour of one of the dyes (n, 3, optical densities) are not
    told. Pictures of slides are looked at in pixels of about 8 µm."""
    from skimage.color import rgb2hsv

    hue, saturation = np.moveaxis(rgb2hsv(rgb), -1, 0)[:2]
    found = np.zeros(hue.shape, bool)
    for colour in PENS:
        if dyes is None or not any(_has(colour, *_look(d)) for d in dyes):
            found |= _has(colour, hue, saturation)
    parts = label(found)
    large = np.bincount(parts.ravel()) * pixel_um**2 >= PEN_UM2
    large[0] = False
    return large[parts]


def _has(colour: str, hue, saturation):
    low, high, least = PENS[colour]
    return ((hue >= low) | (hue + 1 <= high)) & (hue <= high) & (saturation >= least)


def _look(dye: np.ndarray) -> tuple[float, float]:
    from skimage.color import rgb2hsv

    hue, saturation, _ = rgb2hsv((10 ** (-DYED_OD * dye)).reshape(1, 1, 3)).ravel()
    return float(hue), float(saturation)


def coarse(rgb: np.ndarray, pixel_um: float, wanted_um: float) -> tuple[np.ndarray, float]:
    """The picture in pixels of about `wanted_um`, and what they measure."""
    from PIL import Image

    step = max(1, round(wanted_um / pixel_um))
    size = (max(1, rgb.shape[1] // step), max(1, rgb.shape[0] // step))
    return np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.BOX)), pixel_um * step


def folds(od: np.ndarray, tissue: np.ndarray, square_um: float) -> float:
    """Share (%) of the tissue that lies double: od (rows, columns, 3) and tissue of squares of `square_um`.

    Tissue that lies double has twice the density in every channel alike; more of a stain changes the colour.
    """
    side = max(1, round(FOLD_UM / square_um))
    palest, some = fold_tiles(od, tissue, side)
    return double_share(palest, some, side * square_um)


def fold_tiles(od: np.ndarray, tissue: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Of tiles of side × side squares the density (rows, columns, 3) of their palest quarter, and
    whether half of it is tissue."""
    high, wide = (n // side for n in tissue.shape)
    cut = np.s_[: high * side, : wide * side]
    blocks = np.where(tissue[cut][..., None], od[cut], np.nan).reshape(high, side, wide, side, 3)
    blocks = blocks.transpose(0, 2, 1, 3, 4).reshape(high, wide, side**2, 3)
    some = np.isfinite(blocks[..., 0]).mean(axis=-1) >= 0.5
    pale = np.full((high, wide, 3), np.nan)
    if some.any():
        ordered = np.sort(blocks[some], axis=1)  # what is no tissue comes last
        quarter = (0.25 * (np.isfinite(ordered).sum(axis=1) - 1)).astype(int)
        pale[some] = np.take_along_axis(ordered, quarter[:, None], axis=1)[:, 0]
    return pale, some


def double_share(pale: np.ndarray, some: np.ndarray, tile_um: float) -> float:
    """Share (%) of the tiles of tissue that lie double, of `fold_tiles`; NaN with too few."""
    from scipy.ndimage import median_filter

    if min(some.shape) < 2 or some.sum() < 24:
        return float("nan")
    typical = np.nanmedian(pale[some], axis=0)
    filled = np.where(some[..., None], pale, typical)
    times = np.stack([median_filter(filled[..., c], 3) for c in range(3)], axis=-1) / typical
    double = some & (times.min(axis=-1) >= FOLD_TIMES)
    double &= times.max(axis=-1) <= FOLD_ALIKE * times.min(axis=-1)
    parts = label(double)
    area = np.bincount(parts.ravel()) * tile_um**2
    area[0] = 0
    return 100 * float((area[parts] >= FOLD_UM2).sum() / some.sum())


def grey_lines(od: np.ndarray, square_um: float, left_out: np.ndarray) -> int:
    """How many long thin grey lines there are in squares (rows, columns, 3) of densities: bubbles and coverslips have such edges."""
    grey = grey_squares(od) & ~left_out
    parts = label(dilate(grey, JOIN * square_um, square_um))
    area = np.bincount(parts.ravel(), grey.ravel())
    n = 0
    for k, (y, x) in enumerate(find_objects(parts), start=1):
        if long_enough((y.stop - y.start, x.stop - x.start), float(area[k]), square_um):
            n += is_line((parts[y, x] == k) & grey[y, x], square_um)
    return n


def grey_squares(od: np.ndarray) -> np.ndarray:
    """Squares that are denser than what is around, in all channels alike."""
    around = np.stack([gaussian_filter(od[..., c], AROUND) for c in range(3)], axis=-1)
    above = od - around
    low, high = above.min(axis=-1), above.max(axis=-1)
    return (low >= LINE_OD) & (high - low <= LINE_GREY * above.mean(axis=-1))


def long_enough(shape: tuple[int, int], squares: float, square_um: float) -> bool:
    """Whether a part with a box of that shape and so many grey squares is as long as a line, and as
    thin in the mean."""
    long, area = float(np.hypot(*shape)) * square_um, squares * square_um**2
    return not (long < LINE_UM or area < LINE_UM or area > np.pi * LINE_WIDE_UM * long)


def is_line(part: np.ndarray, square_um: float) -> bool:
    """Whether grey squares lie all along a part's length, and are nowhere as thick as a stain's
    patch."""
    ends = max(part.any(axis=0).sum(), part.any(axis=1).sum()) * square_um
    return bool(ends >= 0.6 * LINE_UM and not erode(part, LINE_WIDE_UM / 2, square_um).any())


def edge_width(
    rgb: np.ndarray,
    white: ArrayLike,
    region: np.ndarray,
    pixel_um: float,
    *,
    least_rise: float = RISE_OD,
) -> float:
    """Over how many µm what is sharpest in a section rises: the median, over the steepest places, of rise by slope.

    A blur of σ makes 2.5 σ of every edge. NaN where nothing rises.
    """
    at, width, rise = edges(rgb, white, region, pixel_um, least_rise=least_rise)
    return sharpest(width[at], rise[at], least_rise)


def soft_share(places: np.ndarray, width: np.ndarray, pixel_um: float, limit_um: float) -> float:
    """Share (%) of the parts of a section in which the sharpest edges are wider than a limit: a
    strip out of focus leaves the sharpest edges of the whole as they are.

    Parameters
    ----------
    places, width
        Row and column (n, 2) and width in µm of edges, faint ones (FAINT_RISE) too: blur takes
        contrast off.
    """
    if not len(places):
        return 0.0
    part = places // max(1, round(PART_UM / pixel_um))
    _, which, often = np.unique(part, axis=0, return_inverse=True, return_counts=True)
    ordered = np.lexsort((width, which))
    quarter = np.cumsum(often) - often + (often - 1) // 4
    told = often >= LEAST_PLACES
    soft = told & (width[ordered][quarter] > limit_um)
    return 100 * float(soft.sum() / told.sum()) if told.any() else 0.0


def edges(
    rgb: np.ndarray,
    white: ArrayLike,
    region: np.ndarray,
    pixel_um: float,
    *,
    least_rise: float = RISE_OD,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The steepest places of a region, bool, over how many µm it rises there, and by how much (0
    elsewhere)."""
    from scipy.ndimage import maximum_filter

    table = stains.od_table(white) / np.float32(3)
    grey = sum(table[c][rgb[..., c]] for c in range(3))
    grey = gaussian_filter(grey, SMOOTH_UM / pixel_um)
    down, right = np.gradient(grey, pixel_um)
    slope, size = np.hypot(down, right), max(3, round(WINDOW_UM / pixel_um) | 1)
    at = region & (slope > 0) & (slope == maximum_filter(slope, size))
    rise = np.zeros_like(grey)
    rise[at] = _rises(grey, np.argwhere(at), size)
    at &= rise >= least_rise
    return at, np.divide(rise, slope, out=np.zeros_like(grey), where=at), rise


def _rises(image: np.ndarray, places: np.ndarray, size: int) -> np.ndarray:
    """Largest less least value in windows about some places: far fewer than there are pixels."""
    windows = np.lib.stride_tricks.sliding_window_view(
        np.pad(image, size // 2, mode="symmetric"), (size, size)
    )
    found = np.empty(len(places), image.dtype)
    for start in range(0, len(places), PLACES):
        y, x = places[start : start + PLACES].T
        some = windows[y, x]
        found[start : start + PLACES] = some.max(axis=(1, 2)) - some.min(axis=(1, 2))
    return found


def sharpest(width: np.ndarray, rise: np.ndarray, clear: float = RISE_OD) -> float:
    """The lower quartile of widths of edges that rise clearly; where few do, of the highest; NaN
    where there are too few.

    Parameters
    ----------
    width, rise
        Of edges (n,), faint ones too.
    """
    some = rise >= clear
    if some.sum() < MANY_EDGES:  # a few cells are told by themselves
        some = rise >= np.sort(rise)[-FEW_EDGES] if len(rise) >= FEW_EDGES else some
        some &= rise >= min(clear, RISE_OD / 2)
    return float(np.quantile(width[some], 0.25)) if some.sum() >= FEW_EDGES else float("nan")
