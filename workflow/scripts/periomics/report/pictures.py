"""Pictures of specimens: found by the ids in the sheets, made small, embedded."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from periomics.report.cells import SHOWN
from periomics.study.interface.pictures import STRIP
from periomics.study.modalities import MODALITIES
from periomics.study.sheets import IDENTIFIER

# Sheet, its column, and the pictures that stand under <results>/<area>/<id>/.
PLACES = {m.name: (m.sheet, m.job, m.pictures) for m in MODALITIES if m.pictures}
STUDY_PICTURES = {"bulk": ("bulk", "*.png"), "singlecell": ("singlecell", "*.png")}
# Bytes that all pictures of a page may take together, and the sizes tried, from fine to coarse.
BUDGET = 12_000_000
WIDTHS = (1400, 1100, 900, 700, 520, 400)
QUALITY = 74


@dataclass(frozen=True)
class Picture:
    """A picture on the page: what it shows, as a data address, with its size in pixels; `pages` show its parts at full size."""

    name: str
    arm: str
    uri: str
    width: int
    height: int
    file: str
    pages: tuple[str, ...] = ()


def find(
    area: str, sheets: Mapping[str, pd.DataFrame], results: Path, order: Sequence[str]
) -> list[tuple[str, str, Path]]:
    """(what, arm, file) of every picture of a modality that exists, by arm and id."""
    if area in STUDY_PICTURES:
        folder, pattern = STUDY_PICTURES[area]
        files = sorted((results / folder).glob(pattern))
        words = SHOWN if area == "singlecell" else {}
        return [(words.get(p.stem, p.stem), "", p) for p in files]
    if area not in PLACES:
        return []
    sheet, column, names = PLACES[area]
    rows = sheets[sheet]
    animals = sheets["animals"].drop_duplicates("animal_id").set_index("animal_id")["group"]
    arm = rows["animal_id"].map(animals).fillna("")
    arm = arm.where(arm != "", rows["condition"] if area != "culture" else "")
    first = dict(zip(rows[column], arm, strict=True))
    place = {a: i for i, a in enumerate(order)}
    ids = sorted(
        (i for i in first if IDENTIFIER.match(i)),
        key=lambda i: (place.get(first[i], len(place)), i),
    )
    found = []
    for i in ids:
        for n in names:
            what = i if len(names) == 1 else f"{i}, {Path(n).stem}"
            found.append((what, first[i], results / area / i / n))
        for strip in sorted((results / area / i / "sections").glob(f"*{STRIP}")):
            what = f"{i}, along the implant, {strip.name.removesuffix(STRIP)}"
            found.append((what, first[i], strip))
    return [one for one in found if one[2].is_file()]


def width_for(count: int, budget: int = BUDGET) -> int:
    """Largest width at which `count` pictures of 3 : 1 at about 0.45 bytes a pixel keep within the budget."""
    for width in WIDTHS:
        if count * width * (width / 3) * 0.45 <= budget:
            return width
    return WIDTHS[-1]


def embed(path: Path, width: int) -> tuple[str, int, int]:
    """Data address, width and height of a picture that is at most `width` pixels wide.

    Photographs and volumes become JPEG without colour subsampling, so that thin outlines stay sharp; a picture of few colours
    (a plot) stays PNG where that is smaller.
    """
    from PIL import Image

    with Image.open(path) as opened:
        image = opened.convert("RGB")
    if image.width > width:
        image = image.resize(
            (width, max(1, round(image.height * width / image.width))), Image.Resampling.LANCZOS
        )
    jpeg, png = io.BytesIO(), io.BytesIO()
    image.save(jpeg, "JPEG", quality=QUALITY, subsampling=0, optimize=True)
    best, kind = jpeg.getvalue(), "jpeg"
    if image.getcolors(4096):
        image.save(png, "PNG", optimize=True)
        if len(png.getvalue()) < len(best):
            best, kind = png.getvalue(), "png"
    return f"data:image/{kind};base64,{base64.b64encode(best).decode()}", image.width, image.height


def embedded(
    found: Sequence[tuple[str, str, Path]], results: Path, total: int, budget: int = BUDGET
) -> tuple[list[Picture], str]:
    """Pictures within the budget, and a note on those that are left out or cannot be read.

    Parameters
    ----------
    found
        `find`.
    results
        Folder of results; files are named relative to it.
    total
        Pictures of the whole page, among which the budget is shared.
    """
    width = width_for(max(total, 1), budget)
    share = budget * len(found) / max(total, 1)
    out: list[Picture] = []
    broken: list[str] = []
    used = 0
    for what, arm, path in found:
        if used > share:
            return (
                out,
                f"{len(found) - len(out) - len(broken)} further pictures stand in the results folder only.",
            )
        try:
            uri, w, h = embed(path, width)
        except (OSError, ValueError, SyntaxError):
            broken.append(f"{path.relative_to(results)} cannot be read as a picture")
            continue
        used += len(uri)
        file = path.relative_to(results).as_posix()
        out.append(Picture(what, arm, uri, w, h, file, pages=_pages(path, results)))
    return out, "; ".join(broken)


def _pages(path: Path, results: Path) -> tuple[str, ...]:
    """Pages of sections beside a picture of all of them."""
    beside = sorted((path.parent / "sections").glob("*.html"))
    return tuple(p.relative_to(results).as_posix() for p in beside)


def svg_address(path: Path | None) -> str:
    """A drawn SVG file as a data address, '' where there is none."""
    if path is None or not path.is_file():
        return ""
    return f"data:image/svg+xml;base64,{base64.b64encode(path.read_bytes()).decode()}"
