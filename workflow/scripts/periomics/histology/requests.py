"""Memory that a job's sections take, from the headers of their files: by pixels, whatever the
file's compression."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from periomics.core.errors import PeriomicsError
from periomics.histology.large.section import by_tiles, least_pixels
from periomics.histology.sections import (
    LARGE_PIXELS,
    PIXEL_BYTES,
    described,
    overrules,
    part_in_memory,
    sheet_pixel,
)
from periomics.histology.settings import StainSettings, of_any_vectors
from periomics.imaging.readers import ImageInfo, pixel_size, probed
from periomics.imaging.windows import windows

# Bytes of a pixel: of a decoded picture, of a section of which some are taken (measured: 24), and,
# of those that a section in memory may have, what one by tiles takes (measured: 39).
COLOURS, SAMPLED, BY_TILES = 3, 28, 48


def section_mb(
    facts: Iterable[Mapping[str, object]],
    histology: Mapping[str, object] | None,
    sampled: bool = False,
) -> float:
    """What the largest of some sections takes in MB, beside what the program itself does.

    Parameters
    ----------
    facts
        Rows of the sections sheet.
    histology
        Section `histology` of the config.
    sampled
        Whether pixels are only taken from them, as for their stain batch.

    Notes
    -----
    Files that are not there yet, or cannot be read, count for nothing: a job is weighed before its
    files are made, and the check names those that are broken.
    """
    stains = (histology or {}).get("stains")
    blocks = stains if isinstance(stains, Mapping) else {}
    return max((_megabytes(f, blocks, sampled) for f in facts), default=0.0)


def _megabytes(fact: Mapping[str, object], blocks: Mapping[str, object], sampled: bool) -> float:
    stain = str(fact.get("stain", ""))
    block = blocks.get(stain)
    if not isinstance(block, Mapping):
        return 0.0
    try:
        info, settings = probed(str(fact.get("path", ""))), of_any_vectors(stain, block)
        source_um = pixel_size(info, sheet_pixel(fact), overrules(fact))
        return _bytes(fact, info, settings, source_um, sampled) / 1e6
    except (PeriomicsError, OSError, ValueError):
        return 0.0


def _bytes(
    fact: Mapping[str, object],
    info: ImageInfo,
    settings: StainSettings,
    source_um: float,
    sampled: bool,
) -> float:
    """Of measuring a section: of all its pixels, of those around its region, or of a tile."""
    colours = COLOURS * info.width * info.height
    pixels = info.width * info.height * (source_um / max(settings.pixel_um, source_um)) ** 2
    most, each = (LARGE_PIXELS, SAMPLED) if sampled else (least_pixels(fact), PIXEL_BYTES)
    each = PIXEL_BYTES if settings.detector == "laminin" else each  # contrasts of all lines
    if pixels > most and by_tiles(settings):
        found = windows(info, source_um, settings.pixel_um)
        if found is not None:
            return most * (each if sampled else min(each, BY_TILES)) + (
                colours if info.kind == "picture" else 0
            )
    if pixels > LARGE_PIXELS and fact.get("rois"):
        _, _, annotations = described(fact, settings)
        if part := part_in_memory(info, source_um, annotations, settings, str(fact["rois"])):
            pixels *= part[2] * part[3] / (info.width * info.height)
    return pixels * each + colours
