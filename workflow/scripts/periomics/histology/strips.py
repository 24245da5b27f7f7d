"""A line of a section laid straight: distance along it against depth, with what was found along it,
its thirds and a tracer's front."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw

from periomics.histology.detection import Strip
from periomics.histology.sections import Opened
from periomics.imaging.unroll import unroll

# How deep the tissue is shown, and how much of what lies on the other side of the line (µm).
DEEP_UM, OTHER_UM = 100.0, 20.0
# Pixels of a row at most, and rows of a line; a longer one is shown smaller.
WIDE, ROWS = 1200, 6
TRACK, TEXT, GAP = 8, 14, 10
PRESENT, ABSENT, OUT, FRONT = (0, 130, 90), (230, 150, 0), (205, 205, 205), (20, 60, 200)
THIRDS = ("coronal", "middle", "apical")
TICKS_UM = (10, 20, 50, 100, 200, 500, 1000)


def straightened(opened: Opened, strip: Strip) -> np.ndarray:
    """Colours (depth, distance, 3) of a line laid straight, in pixels of the section; tissue below
    the line, which lies at depth `OTHER_UM`; grey outside the picture."""
    pixel = opened.pixel_um
    side = strip.side or _tissue_side(opened, strip.points)
    deep, other = DEEP_UM / pixel, OTHER_UM / pixel
    depths = (-other, deep) if side > 0 else (-deep, other)
    bands = [unroll(opened.rgb[..., c], strip.points, 0, 1.0, depths).values for c in range(3)]
    values = np.stack(bands, axis=-1)
    values = values if side > 0 else values[:, ::-1]
    return np.nan_to_num(values, nan=128).round().astype(np.uint8).transpose(1, 0, 2)


def _tissue_side(opened: Opened, points: np.ndarray) -> int:
    """On which side of a line (sign of the depth) less of the implant lies."""
    near = 10.0 / opened.pixel_um
    band = unroll(opened.implant.astype(np.float32), points, 2 * near, 1.0)
    metal = np.nan_to_num(band.values)
    return 1 if metal[:, band.depth > 0].mean() <= metal[:, band.depth < 0].mean() else -1


def picture(name: str, opened: Opened, strips: Sequence[Strip]) -> Image.Image | None:
    """All lines of a section below each other; None without any."""
    drawn = [_drawn(name, opened, strip) for strip in strips]
    if not drawn:
        return None
    size = max(d.width for d in drawn), sum(d.height for d in drawn)
    sheet, y = Image.new("RGB", size, "white"), 0
    for one in drawn:
        sheet.paste(one, (0, y))
        y += one.height
    return sheet


def _drawn(name: str, opened: Opened, strip: Strip) -> Image.Image:
    colours = Image.fromarray(straightened(opened, strip))
    shrink = max(1, -(-colours.width // (WIDE * ROWS)))
    colours = colours.reduce(shrink) if shrink > 1 else colours
    um, long = opened.pixel_um * shrink, colours.width
    wide, rows = min(WIDE, long), -(-long // WIDE)
    row = colours.height + TRACK + TEXT + GAP
    sheet = Image.new("RGB", (max(wide, 700), TEXT + rows * row + GAP), "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((2, 1), f"{name}: {_words(strip)}", fill="black")
    states = strip.present[(np.arange(long) * len(strip.present) // long)]
    step = next((t for t in TICKS_UM if t / um >= 60), TICKS_UM[-1])
    for k in range(rows):
        left, y = k * WIDE, TEXT + k * row
        part = colours.crop((left, 0, min(long, left + WIDE), colours.height))
        sheet.paste(part, (0, y))
        _track(draw, states[left : left + WIDE], y + colours.height)
        below = y + colours.height + TRACK
        for tick in range(0, int(long * um) + 1, step):
            if 0 <= (x := round(tick / um) - left) < part.width:
                draw.line((x, below, x, below + 3), fill="black")
                draw.text((x + 2, below + 1), f"{tick} um", fill="black")
        for x, text, colour in _marks(strip, long, um):
            if 0 <= x - left < part.width:
                draw.line((x - left, y, x - left, below), fill=colour, width=1)
                at = (x - left + 3, y + TEXT * (colour == FRONT))
                draw.rectangle(draw.textbbox(at, text), fill="white")  # metal is black
                draw.text(at, text, fill=colour)
    return sheet


def _track(draw: ImageDraw.ImageDraw, states: np.ndarray, y: int) -> None:
    """Under the picture what was found at each place."""
    colour = {1: PRESENT, 0: ABSENT, -1: OUT}
    cuts = [0, *(np.flatnonzero(np.diff(states)) + 1).tolist(), len(states)]
    for start, stop in pairwise(cuts):
        if stop > start:
            draw.rectangle((start, y + 1, stop - 1, y + TRACK - 1), fill=colour[int(states[start])])


def _marks(strip: Strip, long: int, um: float) -> list[tuple[int, str, tuple[int, int, int]]]:
    """Where thirds begin, and a tracer's front."""
    found: list[tuple[int, str, tuple[int, int, int]]] = []
    if strip.thirds:
        found += [(round(k * long / 3), text, (0, 0, 0)) for k, text in enumerate(THIRDS)]
    if strip.front_um == strip.front_um:
        at = min(long - 1, round(strip.front_um / um))
        found.append((at, f"front {strip.front_um:.0f} um", FRONT))
    return found


def _words(strip: Strip) -> str:
    there = strip.present[strip.present >= 0]
    share = 100 * float((there == 1).mean()) if len(there) else 0.0
    runs = int((np.diff(np.concatenate([[1], strip.present == 0])) == 1).sum())
    present, absent = strip.words
    first = "from the margin" if strip.from_margin else "along the line"
    return f"{present} {share:.1f} % (green), {runs} x {absent} (orange); {first}, tissue downwards"
