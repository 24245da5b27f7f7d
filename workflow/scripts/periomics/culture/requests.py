"""Memory that the cultures of an isolation take, from the headers of their files: by pixels,
whatever the file's compression."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from periomics.core.errors import PeriomicsError
from periomics.culture.lines import ASSAYS as LINES
from periomics.imaging.readers import probed
from periomics.imaging.series import frame_files

SERIES = "scratch"
# Bytes of a pixel of all frames of a series, or of a picture: held for the figures, and beside that
# while it is measured (measured 6 and 12, 12 and 112, 8 and 54; a third on top).
HELD = {SERIES: 8, "nuclei": 16} | dict.fromkeys(LINES, 10)
MEASURED = {SERIES: 16, "nuclei": 146} | dict.fromkeys(LINES, 70)


def culture_mb(facts: Iterable[Mapping[str, object]]) -> float:
    """What the pictures of an isolation take in MB, beside what the program itself does: the
    largest while it is measured, and all that are held.

    Parameters
    ----------
    facts
        Rows of the cultures sheet.

    Notes
    -----
    Files that are not there yet, or cannot be read, count for nothing: a job is weighed before its
    files are made, and the check names those that are broken.
    """
    pixels: dict[tuple[str, str], float] = {}
    for number, fact in enumerate(facts):
        assay, path = str(fact.get("assay", "")), Path(str(fact.get("path", "")))
        if assay in MEASURED:
            # The frames of a series may stand in a row of the sheet each.
            key = assay, str(fact.get("specimen_id")) if assay == SERIES else str(number)
            pixels[key] = pixels.get(key, 0.0) + _pixels(path, assay == SERIES)
    own = max((MEASURED[assay] * n for (assay, _), n in pixels.items()), default=0.0)
    return (own + sum(HELD[assay] * n for (assay, _), n in pixels.items())) / 1e6


def _pixels(path: Path, frames: bool) -> float:
    """Of a picture, or of all frames of a file or folder."""
    try:
        files = frame_files(path) if path.is_dir() else [path]
        return float(
            sum(i.width * i.height * (i.pages if frames else 1) for i in map(probed, files))
        )
    except (PeriomicsError, OSError, ValueError):
        return 0.0
