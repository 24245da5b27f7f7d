"""Whether two channels of fluorescence, or the stains of cells on bone, are what the config calls
them, and channels lie on each other: shapes of nuclei in the marker, a shift between the two."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from periomics.core.quality import Fact
from periomics.histology.detection import Prepared
from periomics.histology.nuclei import Options as Nuclei
from periomics.histology.quality import sums_of_squares
from periomics.histology.settings import StainSettings
from periomics.imaging.parts import label

# Detectors whose first channel shows nuclei, and those whose numbers rest on both channels lying
# on each other.
COUNTERSTAINED = ("vessels", "neutrophils", "laminin", "area", "nuclei", "membrane")
TOGETHER = ("nuclei", "membrane", "double", "coverage")
LARGE, LINE = "osteoclasts", "laminin"
# A nucleus: its usual diameter (µm), how many times larger or smaller bodies are told, and what of
# an ellipse of its spread it fills. So many bodies are needed.
NUCLEUS_UM, LEAST_TIMES, MOST_TIMES, FILLED, LEAST_BODIES = Nuclei.nucleus_um, 0.5, 1.6, 0.9, 8
# Nuclei whose size is told in bright fields: detectors and pair of stains, pixels across, and how
# many must stand alone; how much darker than the tissue they are.
SIZED, PAIR = ("vessels", "neutrophils", "area", LINE), ("haematoxylin", "DAB")
LEAST_PIXELS, LEAST_ALONE = 4.0, 30
CLEARLY_OD = 0.15
# A body has the other channel where that covers such a share of it.
WITHIN = 0.1
# Half or more of the marker's bodies look like nuclei before it may be the counterstain.
MOSTLY = 50.0
# Shifts are looked for in squares of half a µm, to this distance, between details of these sizes;
# blocks of so many squares are looked at, at most so many.
SQUARE_UM, REACH_UM, FINE_UM, COARSE_UM = 0.5, 15.0, 1.0, 8.0
BLOCK, BLOCKS = 1024, 16
# A shift is told where what two channels share is as symmetric about it, and so many times more
# than about any other place farther off than the last (µm).
SYMMETRIC, CLEAR, BESIDE_UM = 0.95, 1.4, 4.0
# A marker on the same side of all cells, and in them, draws what two channels share out along that
# side: turned by a right angle and within so many µm it is less like itself than the
# counterstain's own is, by more than this.
ROUND_UM, DRAWN_OUT = 8.0, 0.03


def facts(prepared: Prepared) -> list[Fact]:
    """How much more the marker's bodies look like nuclei than the counterstain's, and how far the
    two channels are shifted against each other; nothing of single channels, and of bright fields
    of the former only where the marker's bodies are far larger than nuclei, else their size."""
    settings = prepared.settings
    if not settings.shines and settings.detector != LARGE:
        return nuclei_of_bright_fields(prepared)
    if settings.shines and len(settings.channels) < 2:
        return []
    first, second = settings.pair.stains
    free, found = prepared.opened.region & ~prepared.opened.implant, []
    if settings.detector in (*COUNTERSTAINED, LARGE):
        um = settings.options.get("nucleus_um", NUCLEUS_UM)
        masks = [
            (amount >= level) & free
            for amount, level in (
                (prepared.other, prepared.second),
                (prepared.target, prepared.threshold),
            )
        ]
        shares = [nuclear_share(m, prepared.pixel_um, um) for m in masks]
        round_too = shares[1] >= MOSTLY
        more = max(0.0, shares[1] - shares[0]) if round_too else 0.0
        name = f"bodies shaped like nuclei in {second}, more than in {first}: swapped?"
        found.append(Fact(name, more, "%", settings.max_swapped_percent))
        if settings.shines:
            bare = _bare(masks, prepared.pixel_um, um) if round_too else 0.0
            name = f"round bodies of {second} without {first}, more than the other way: swapped?"
            found.append(Fact(name, bare, "%", settings.max_swapped_percent))
    if settings.shines and settings.detector in TOGETHER:
        shift = shift_um(prepared.other, prepared.target, free, prepared.pixel_um)
        found.append(Fact(f"shift of {second} against {first}", shift, "um", settings.max_shift_um))
    return found


def nuclear_share(mask: np.ndarray, pixel_um: float, nucleus_um: float) -> float:
    """Share (%) of the bodies of a mask that have the size and the filled oval shape of nuclei; 0
    of too few bodies. Smaller ones are not looked at."""
    wide, filled = _bodies(mask)
    times = wide * pixel_um / nucleus_um
    told = times >= LEAST_TIMES
    if told.sum() < LEAST_BODIES:
        return 0.0
    return 100 * float(((times <= MOST_TIMES) & (filled >= FILLED))[told].mean())


def _bare(masks: Sequence[np.ndarray], pixel_um: float, nucleus_um: float) -> float:
    """By how much (points) more of the counterstain's bodies have the marker than of the marker's
    have the counterstain: round cells of some nuclei all have one."""
    have = []
    for own, other in (masks, masks[::-1]):
        labels = label(own)
        area = np.bincount(labels.ravel())[1:]
        both = np.bincount(labels[other], minlength=len(area) + 1)[1:]
        told = 2 * np.sqrt(area / np.pi) * pixel_um >= LEAST_TIMES * nucleus_um
        if told.sum() < LEAST_BODIES:
            return 0.0
        have.append(float((both >= WITHIN * area)[told].mean()))
    return 100 * max(0.0, have[0] - have[1])


def _bodies(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Diameters (n,) in pixels of discs of the parts' areas, and what they fill of an ellipse of
    their spread."""
    labels = label(mask)
    n = int(labels.max())
    where = np.flatnonzero(labels)
    which = labels.ravel()[where]
    area = np.bincount(which, minlength=n + 1)[1:].astype(float)
    y, x = (v.astype(float) for v in np.divmod(where, labels.shape[1]))

    def mean(values: np.ndarray) -> np.ndarray:
        return np.bincount(which, values, n + 1)[1:] / area

    my, mx = mean(y), mean(x)
    y, x = y - my[which - 1], x - mx[which - 1]
    # A filled ellipse has an area of 4 π times the root of its spread's determinant.
    spread = (mean(y * y) + 1 / 12) * (mean(x * x) + 1 / 12) - mean(x * y) ** 2
    return 2 * np.sqrt(area / np.pi), area / (4 * np.pi * np.sqrt(spread))


def nuclei_of_bright_fields(prepared: Prepared) -> list[Fact]:
    """How many times the nuclei of haematoxylin differ from the usual diameter, where enough stand
    alone: else nothing of a picture tells that its pixel size is wrong. Of neutrophils only larger
    ones are told, since their own nuclei have small lobes. Of a line
    all tissue of the picture tells."""
    opened, settings = prepared.opened, prepared.settings
    if not has_sized_nuclei(settings):
        return []
    within = ~opened.implant if settings.detector == LINE else opened.region & ~opened.implant
    seen = [(prepared.other, within)]
    return nucleus_size(seen, settings, prepared.second, prepared.pixel_um)


def has_sized_nuclei(settings: StainSettings) -> bool:
    """Whether the size of nuclei of haematoxylin is told of sections of a stain."""
    return not settings.shines and settings.detector in SIZED and settings.pair.stains == PAIR


def nucleus_size(
    seen: Sequence[tuple[np.ndarray, np.ndarray]],
    settings: StainSettings,
    second: float,
    pixel_um: float,
) -> list[Fact]:
    """See `nuclei_of_bright_fields`.

    Parameters
    ----------
    seen
        Of windows of a section: the amount of haematoxylin, and where tissue may be.
    second
        The batch's threshold of haematoxylin.
    """
    amounts = np.concatenate([amount[free] for amount, free in seen])
    if not len(amounts):
        return []
    # Grain of a pale counterstain is no nucleus.
    level = max(second, float(np.median(amounts)) + CLEARLY_OD)
    bodies = [_bodies((amount >= level) & free) for amount, free in seen]
    wide, filled = (np.concatenate(of) for of in zip(*bodies, strict=True))
    alone = np.sort(wide[(wide >= LEAST_PIXELS) & (filled >= FILLED)])
    if len(alone) < LEAST_ALONE:
        return []
    half = np.searchsorted(np.cumsum(alone**2), (alone**2).sum() / 2)
    um = float(alone[half]) * pixel_um
    small = NUCLEUS_UM / um if settings.detector != "neutrophils" else 0.0
    name = f"nuclei of {um:.1f} um against {NUCLEUS_UM:g} um: is the pixel size right?"
    times = max(1.0, um / NUCLEUS_UM, small)
    return [Fact(name, times, "times", settings.max_nucleus_times)]


def shift_um(first: np.ndarray, second: np.ndarray, free: np.ndarray, pixel_um: float) -> float:
    """Distance by which what two channels share lies off; 0 where none is told.

    Cells lie any way round, so that what two channels share, as a function of the shift between
    them, is symmetric about the true one: whether both shine in one place, in a nucleus and around
    it, or never together.
    """
    side = max(1, round(SQUARE_UM / pixel_um))
    square = side * pixel_um
    n = sums_of_squares(free.astype(np.float32), side)
    inside = n >= side**2 / 2
    if not inside.any():
        return 0.0
    one, other = (_details(image, free, inside, n, side, square) for image in (first, second))
    reach = int(REACH_UM / square)
    shared, whole = _shared(one, other, 2 * reach), 2 * reach + 1
    y, x = _centre(shared, reach, square)
    about = shared[reach + y : reach + y + whole, reach + x : reach + x + whole]
    own = _shared(one, one, reach)
    if _round(about, square) < _round(own, square) - DRAWN_OUT:
        return 0.0
    return float(np.hypot(y, x)) * square


def _round(shared: np.ndarray, square: float) -> float:
    """How much a map is like itself when it is turned about its middle by a right angle."""
    steps = np.arange(len(shared)) - len(shared) // 2
    disc = np.hypot(steps[:, None], steps) * square <= ROUND_UM
    return float(shared[disc] @ np.rot90(shared)[disc]) / max(
        float(shared[disc] @ shared[disc]), 1e-12
    )


def _details(
    image: np.ndarray,
    free: np.ndarray,
    inside: np.ndarray,
    n: np.ndarray,
    side: int,
    square: float,
) -> np.ndarray:
    """Roots of intensities of squares without what is finer or coarser than parts of cells."""
    from scipy.ndimage import gaussian_filter

    mean = sums_of_squares(np.where(free, image, np.float32(0)), side) / np.maximum(n, 1)
    root = np.sqrt(np.maximum(mean, 0))
    root[~inside] = np.median(root[inside])
    fine, coarse = (gaussian_filter(root, um / square) for um in (FINE_UM, COARSE_UM))
    return np.where(inside, fine - coarse, 0).astype(np.float32)


def _shared(first: np.ndarray, second: np.ndarray, reach: int) -> np.ndarray:
    """Sums of products of two images over shifts of up to `reach`, (2 reach + 1, 2 reach + 1)."""
    from scipy.fft import irfft2, next_fast_len, rfft2

    corners = [
        (y, x) for y in range(0, first.shape[0], BLOCK) for x in range(0, first.shape[1], BLOCK)
    ]
    total = np.zeros((2 * reach + 1,) * 2)
    for y, x in corners[:: -(-len(corners) // BLOCKS)]:
        one = first[y : y + BLOCK, x : x + BLOCK]
        top, left = max(0, y - reach), max(0, x - reach)
        other = second[top : y + BLOCK + reach, left : x + BLOCK + reach]
        shape = [next_fast_len(a + b) for a, b in zip(one.shape, other.shape, strict=True)]
        found = irfft2(np.conj(rfft2(one, shape)) * rfft2(other, shape), shape)
        rows, columns = (np.arange(-reach, reach + 1) + off for off in (y - top, x - left))
        total += found[np.ix_(rows, columns)]
    return total


def _centre(shared: np.ndarray, reach: int, square: float) -> tuple[int, int]:
    """Where (squares off the middle) the place lies about which a map is symmetric; the middle
    where none stands out."""
    steps = np.arange(-reach, reach + 1)
    disc = np.hypot(steps[:, None], steps) <= reach
    alike, share = np.zeros((2, *disc.shape))
    for i in range(len(steps)):
        for j in range(len(steps)):
            part = shared[i : i + len(steps), j : j + len(steps)][disc]
            alike[i, j] = part @ part[::-1]
            share[i, j] = alike[i, j] / max(float(part @ part), 1e-12)
    at = np.unravel_index(int(alike.argmax()), alike.shape)
    beside = np.hypot(steps[:, None] - steps[at[0]], steps - steps[at[1]]) * square < BESIDE_UM
    other = float(np.abs(alike[~beside]).max())
    if share[at] < SYMMETRIC or alike[at] < CLEAR * other:
        return 0, 0
    return int(steps[at[0]]), int(steps[at[1]])
