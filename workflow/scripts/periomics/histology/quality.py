"""Whether a section's colours can be trusted: facts with their limits, from its region alone.

Optical densities are averaged over small squares, so that neither noise nor the coarser colour of JPEG takes part. Every constant
leaves room to what sound sections show, among them real H-DAB crops whose white point is not known (docs/histology.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import find_objects

from periomics.core.quality import Fact
from periomics.histology import artefacts
from periomics.histology.batch import BatchRow
from periomics.histology.detection import dilate, label
from periomics.histology.sections import Opened
from periomics.histology.settings import StainSettings
from periomics.imaging import stains

COLUMNS = ("section_id", "field_id", "stain", "fact", "value", "unit", "limit", "beyond", "picture")
# Sides of the squares in which colour and in which black is looked for: grains are smaller than cells.
COLOUR_UM, BLACK_UM = 2.0, 1.0
# Paler squares (length of the density vector) are glass, and no colour is read off those below the second.
GLASS_OD, COLOUR_OD = 0.1, 0.2
# Densities that lie closer to what the stains can mix are noise, whatever their angle: on the side of red, and on that of blue and
# green, where haematoxylin differs most between labs.
NEAR_OD = (0.05, 0.2)
# Black: less than a tenth of the light in all three channels, whose densities differ by less than this share of their mean; the
# black-brown of nuclei under much DAB differs by more.
BLACK_OD, GREY = 1.0, 0.3
# Uneven light: tiles along the longer side and how many are needed; the share of their differences that a parabola may leave; how
# many times more one channel may differ than another (haematoxylin: 2.4, DAB: 2.9).
TILES, LEAST_TILES = 12, 24
PATCHY, COLOURED = 0.6, 1.35
# A scale bar drawn into the picture: all channels below the one value or above the other, that share of a box of at least so many
# pixels by two, so many times as long as wide.
INK, PAPER = 45, 252
GREY_INK, NEUTRAL = 95, 24  # bars of a dark grey
BOX_FILL, BOX_PIXELS, BOX_ASPECT = 0.93, 40, 4.0
# So large a region (µm²) in which nothing rises at all is out of focus; a smaller one may hold nothing.
SHARP_UM2 = 30_000.0
# How the facts name the width of what is sharpest.
EDGES = "width of the sharpest edges"
# Pixels this close to the implant are mixed with metal.
EDGE_UM = 3.0
# Detectors that lose objects where the white point is tissue; others go by contrast, or are not
# known to.
WHITE_TELLS = ("lacunae",)
# Rows in which edges are looked for at once.
STRIP = 1024


@dataclass(frozen=True)
class Look:
    """What is seen of a section: shares in %, numbers of bars and lines, width of the sharpest
    edges in µm; NaN where it is not told."""

    foreign: float
    black: float
    bars: int
    light: float
    pen: float
    lines: int
    double: float
    edge: float
    soft: float
    clipped: float


def facts(opened: Opened, settings: StainSettings, batch: BatchRow) -> list[Fact]:
    """Shares of the tissue that the two stains do not explain (pairs with a tolerance only), that is black, folded, under a pen, and
    that is saturated; edges of bubbles; focus and uneven light where the region is large enough."""
    if settings.dark:
        return []  # its detector tells
    if settings.shines:
        return _shining(opened, settings, batch)
    return told(_look(opened, settings, batch), settings, batch)


def told(look: Look, settings: StainSettings, batch: BatchRow) -> list[Fact]:
    """Facts of what was seen, with their limits."""
    stained, lost = " and ".join(settings.pair.stains), _lost(batch)
    clipped = "pixels with a channel at 0, where density is only known to be high,"
    first, second = settings.pair.stains
    turned = f"{second} nearer to haematoxylin's colour than {first}: counterstain first?"
    unexplained = f"tissue in colours that {stained} cannot mix"
    found = [
        Fact(unexplained, look.foreign, "%", settings.max_unexplained_percent),
        Fact("black in the tissue", look.black, "%", settings.max_black_percent),
        Fact(lost.name, lost.value, lost.unit, lost.limit),
        Fact("bars drawn into the picture", look.bars, "", 0),
        Fact("uneven light", look.light, "%", settings.max_uneven_light_percent),
        Fact("pen on the section", look.pen, "%", 0),
        Fact("edges of a bubble or of the coverslip", look.lines, "", 0),
        Fact("tissue that lies double", look.double, "%", settings.max_fold_percent),
        Fact(EDGES, look.edge, "um", settings.max_edge_um),
        Fact("parts out of focus", look.soft, "%", settings.max_soft_percent),
        Fact(clipped, look.clipped, "%", settings.max_clipped_percent),
        Fact(turned, settings.reversed_deg, "deg", 0),
        _tint(settings, batch),
    ]
    return [f for f in found if np.isfinite(f.value)]


def _look(opened: Opened, settings: StainSettings, batch: BatchRow) -> Look:
    od, inside, tissue = grid(opened, batch.white, COLOUR_UM)
    fine_od, _, fine_tissue = grid(opened, batch.white, BLACK_UM)
    where = opened.region
    if where.sum() * opened.pixel_um**2 < SHARP_UM2:  # a line: the tissue around it tells
        where = ~dilate(opened.implant, artefacts.WINDOW_UM, opened.pixel_um)
    pen, lines = _laid_on(opened, batch, fine_od)
    places, width, rise = edge_places(opened, batch, where)
    return Look(
        foreign=percent(*foreign_of(od[tissue], settings, batch)),
        black=percent(*black_of(fine_od[fine_tissue])),
        bars=burnt_in(opened, batch.white),
        light=uneven_light(od, inside, tissue),
        pen=pen,
        lines=lines,
        double=artefacts.folds(od, tissue, side_um(opened.pixel_um, COLOUR_UM)),
        edge=edge_of(
            artefacts.sharpest(width, rise),
            float(where.sum() * opened.pixel_um**2),
        ),
        soft=artefacts.soft_share(places, width, opened.pixel_um, settings.max_edge_um),
        clipped=100 * stains.clipped_share(opened.rgb, opened.region),
    )


def edge_places(
    opened: Opened, batch: BatchRow, where: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row and column (n, 2) of edges, faint ones too, their width (µm) and rise (OD); a strip of
    the picture at a time."""
    high = opened.rgb.shape[0]
    reach = int(np.ceil((4 * artefacts.SMOOTH_UM + artefacts.WINDOW_UM) / opened.pixel_um)) + 4
    found = []
    for top in range(0, high, STRIP):
        first, end = max(0, top - reach), min(high, top + STRIP)
        some = slice(first, min(high, end + reach))
        at, width, rise = artefacts.edges(
            opened.rgb[some],
            batch.white,
            where[some],
            opened.pixel_um,
            least_rise=artefacts.FAINT_RISE,
        )
        at, width, rise = (a[top - first : end - first] for a in (at, width, rise))
        places = np.argwhere(at)
        places[:, 0] += top
        found.append((places, width[at], rise[at]))
    where_all, widths, rises = (np.concatenate(p) for p in zip(*found, strict=True))
    return where_all, widths, rises


def percent(some: int, of: int) -> float:
    """Share in %, NaN of nothing."""
    return 100 * (some / of) if of else float("nan")


def foreign_of(colour: np.ndarray, settings: StainSettings, batch: BatchRow) -> tuple[int, int]:
    """How many densities (n, 3) the stains do not explain, of how many; of none where the pair has
    no tolerance."""
    if not settings.pair.off_plane_deg or not len(colour):
        return 0, 0
    foreign = unexplained(colour, batch.vectors, settings.pair.off_plane_deg)
    return int(np.count_nonzero(foreign)), len(colour)


def black_of(fine: np.ndarray) -> tuple[int, int]:
    """How many densities (n, 3) are black, of how many."""
    if not len(fine):
        return 0, 0
    low, high = fine.min(axis=1), fine.max(axis=1)
    black = (low >= BLACK_OD) & (high - low < GREY * fine.mean(axis=1))
    return int(np.count_nonzero(black)), len(fine)


def edge_of(width: float, area_um2: float) -> float:
    """Width of the sharpest edges; a large region in which nothing rises is out of focus, a small
    one may hold nothing."""
    return artefacts.WINDOW_UM if not np.isfinite(width) and area_um2 >= SHARP_UM2 else width


def _lost(batch: BatchRow) -> Fact:
    lost = len(batch.fallback.split("; ")) if batch.fallback else 0
    return Fact("thresholds that the batch does not give", lost, "", 0)


def _tint(settings: StainSettings, batch: BatchRow) -> Fact:
    """How much the white point that was taken from the pictures differs between its colours; told
    of detectors whose numbers it was seen to spoil."""
    name = "colour of the white point (state `white` where no picture has glass)"
    told = settings.white is None and settings.detector in WHITE_TELLS
    tint = 100 * (1 - min(batch.white) / max(batch.white)) if told else float("nan")
    return Fact(name, tint, "%", settings.max_white_tint_percent)


def _shining(opened: Opened, settings: StainSettings, batch: BatchRow) -> list[Fact]:
    """What is told of fluorescence: saturation of a channel, focus, and thresholds; colours say nothing there."""
    full = 100 * float((opened.rgb[opened.region] == 255).any(axis=-1).mean())
    rise = max(batch.threshold / 3, artefacts.LEAST_RISE)
    edge = artefacts.edge_width(
        opened.rgb, batch.white, opened.region, opened.pixel_um, least_rise=rise
    )
    found = [_lost(batch), Fact("saturated pixels", full, "%", settings.max_clipped_percent)]
    if np.isfinite(edge):
        found.append(Fact(EDGES, edge, "um", settings.max_edge_um))
    return found


def _laid_on(opened: Opened, batch: BatchRow, fine_od: np.ndarray) -> tuple[float, int]:
    """Share (%) under a pen, and how many edges of a bubble or of the coverslip there are."""
    rgb, pixel_um = artefacts.coarse(opened.rgb, opened.pixel_um, artefacts.PEN_UM)
    step = round(pixel_um / opened.pixel_um)
    region = opened.region[step // 2 :: step, step // 2 :: step]
    side = max(1, round(BLACK_UM / opened.pixel_um))
    metal = dilate(opened.implant, artefacts.LINE_WIDE_UM, opened.pixel_um)[::side, ::side]
    lines = artefacts.grey_lines(fine_od, side_um(opened.pixel_um, BLACK_UM), metal)
    return under_pen(rgb, region, pixel_um, batch), lines


def under_pen(rgb: np.ndarray, region: np.ndarray, pixel_um: float, batch: BatchRow) -> float:
    """Share (%) of a region that lies under a pen, in pixels of some 8 µm."""
    pen = artefacts.pen_mask(rgb, pixel_um, batch.vectors)
    high, wide = (min(n) for n in zip(pen.shape, region.shape, strict=True))
    return 100 * float(pen[:high, :wide][region[:high, :wide]].mean() if region.any() else 0)


def side_um(pixel_um: float, wanted_um: float) -> float:
    """What a square of about that side measures."""
    return max(1, round(wanted_um / pixel_um)) * pixel_um


def grid(
    opened: Opened, white: tuple[float, float, float], side_um: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Squares (rows, columns): mean densities, whether at least half lies in the region, and whether that is tissue."""
    free = opened.region & ~dilate(opened.implant, EDGE_UM, opened.pixel_um)
    side = max(1, round(side_um / opened.pixel_um))
    table = stains.od_table(white)
    n = sums_of_squares(free.astype(np.float32), side)
    sums = [
        sums_of_squares(np.where(free, table[c][opened.rgb[..., c]], np.float32(0)), side)
        for c in range(3)
    ]
    od = np.stack(sums, axis=-1) / np.maximum(n, 1)[..., None]
    inside = n >= side**2 / 2
    return od, inside, inside & (np.linalg.norm(od, axis=-1) >= GLASS_OD)


def sums_of_squares(image: np.ndarray, side: int) -> np.ndarray:
    """Sums over squares of side × side pixels from the first one on; the last row and column of
    squares may be cut off.

    A row of squares is added up row by row, each whole: several times faster than
    `np.add.reduceat`.
    """
    for axis in (0, 1):
        lanes = np.moveaxis(image, axis, 0)
        out = lanes[::side].copy()
        for k in range(1, side):
            more = lanes[k::side]
            out[: len(more)] += more
        image = np.moveaxis(out, 0, axis)
    return image


def uneven_light(od: np.ndarray, inside: np.ndarray, tissue: np.ndarray) -> float:
    """Share (%) of the light by which the region's darkest corner falls behind its brightest: vignette, a lamp off the axis.

    Each of the tiles that are mostly tissue gives the density that a quarter of its squares stay below; a parabola of x and y
    goes through them. It is light where the parabola tells most of what tiles differ by and is alike in all three channels:
    what tissue differs by is patchy and in its colours. 0 where it is not, NaN with too few tiles.
    """
    side = max(4, max(tissue.shape) // TILES)
    places, values = [], []
    for y in range(0, tissue.shape[0], side):
        for x in range(0, tissue.shape[1], side):
            part = np.s_[y : y + side, x : x + side]
            n = np.count_nonzero(tissue[part])
            if n >= max(side**2 * 0.3, np.count_nonzero(inside[part]) / 2):
                places.append((y, x))
                values.append(np.quantile(od[part][tissue[part]], 0.25, axis=0))
    if len(places) < LEAST_TILES:
        return float("nan")
    at, density = np.array(places, float), np.array(values)
    at = (at - at.mean(axis=0)) / np.ptp(at)
    y, x = at.T
    terms = np.stack([np.ones(len(at)), y, x, y**2, x * y, x**2], axis=1)
    fit = terms @ np.linalg.lstsq(terms, density, rcond=None)[0]
    rest = ((density - fit) ** 2).sum(axis=0) / np.maximum(
        ((density - density.mean(axis=0)) ** 2).sum(axis=0), 1e-12
    )
    span = np.ptp(fit, axis=0)
    if rest.max() > PATCHY or span.max() > COLOURED * span.min():
        return 0.0
    return 100 * float(1 - 10 ** -span.min())


def burnt_in(opened: Opened, white: tuple[float, float, float]) -> int:
    """How many upright boxes of one black or one white, long and filled, reach into the region: scale bars.

    White is looked for only where glass is clearly darker than it.
    """
    n = 0
    for mark in inks(opened, white):
        labels = label(mark)
        for k, (y, x) in enumerate(find_objects(labels), start=1):
            part = labels[y, x] == k
            if is_bar(part.shape, int(np.count_nonzero(part))):
                n += bool((part & opened.region[y, x]).any())
    return n


def inks(opened: Opened, white: tuple[float, float, float]) -> list[np.ndarray]:
    """Where the picture is of one black, and of one white where that tells, off the implant."""
    red, green, blue = np.moveaxis(opened.rgb, -1, 0)
    high, low = (np.maximum(np.maximum(red, green), blue), np.minimum(np.minimum(red, green), blue))
    marks = [(high <= INK) | ((high <= GREY_INK) & (high - low <= NEUTRAL))]
    if max(white) < PAPER - 6:
        marks.append(low >= PAPER)
    metal = dilate(opened.implant, EDGE_UM, opened.pixel_um)
    return [mark & ~metal for mark in marks]


def is_bar(shape: tuple[int, ...], pixels: int) -> bool:
    """Whether a part of so many pixels fills an upright long box of that shape."""
    short, long = sorted(shape)
    if short < 2 or long < max(BOX_PIXELS, BOX_ASPECT * short):
        return False
    return pixels / (short * long) >= BOX_FILL


def unexplained(od: np.ndarray, vectors: np.ndarray, off_plane_deg: Sequence[float]) -> np.ndarray:
    """Which densities (n, 3) lie too far from every mixture of two stains, bool (n,).

    The distance is that to the cone of amounts that are not negative, as an angle; the two limits are for either side of
    the stains' plane, against and along the normal first × second.
    """
    amounts = stains.unmix(od, vectors)
    length = np.linalg.norm(od, axis=-1)
    inside = (amounts[..., :2] >= 0).all(axis=-1)
    along = np.clip(od @ vectors.T, 0, None)
    to_one = np.sqrt(np.clip(length[..., None] ** 2 - along**2, 0, None)).min(axis=-1)
    distance = np.where(inside, np.abs(amounts[..., 2]), to_one)
    red = amounts[..., 2] < 0
    limit = np.maximum(
        np.where(red, *NEAR_OD), np.sin(np.radians(np.where(red, *off_plane_deg))) * length
    )
    return (length >= COLOUR_OD) & (distance >= limit)
