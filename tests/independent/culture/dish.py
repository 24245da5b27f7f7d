"""Scratch wells painted cell by cell: bodies with a halo laid on a jittered grid, and the bare area known to the pixel.

Nothing is taken from periomics: cells are elliptic bodies that touch, not filtered noise. The truth is what no body covers within
the wound's outline, which is drawn through the outermost cells.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

PIXEL_UM = 1.6
SHAPE = (260, 400)


def wound(width_um, middle=0.5, wave=10.0, seed=0, shape=SHAPE):
    """Outline of a vertical wound as a mask: two wavy borders `width_um` apart on average."""
    rng = np.random.default_rng(seed)
    rows = np.arange(shape[0])
    sides = []
    for sign in (-1, 1):
        bend = sum(
            wave / (k + 1) * np.sin(2 * np.pi * (k + 1) * rows / shape[0] + rng.uniform(0, 6.3))
            for k in range(3)
        )
        sides.append(middle * shape[1] + (sign * width_um / 2 + bend) / PIXEL_UM)
    columns = np.arange(shape[1])[None, :]
    return (columns > sides[0][:, None]) & (columns < sides[1][:, None])


def well(bare, seed=0, *, spacing=11, light=120.0, shade=0.0, noise=2.0, contrast=1.0, jpeg=0):
    """A frame (uint8): bodies wherever `bare` is false, nothing but glass where it is true."""
    rng = np.random.default_rng(1000 + seed)
    rows, columns = bare.shape
    image = Image.new("L", (columns, rows), int(light))
    pen = ImageDraw.Draw(image)
    for y in range(-spacing, rows + spacing, spacing):
        for x in range(-spacing, columns + spacing, spacing):
            cy, cx = y + rng.uniform(-3, 3), x + rng.uniform(-3, 3)
            a, b = rng.uniform(5, 8), rng.uniform(5, 8)
            body = [cx - a, cy - b, cx + a, cy + b]
            level = light + contrast * rng.uniform(-28, 10)
            pen.ellipse(body, fill=int(level), outline=int(light + contrast * rng.uniform(35, 70)))
            n = rng.uniform(1, 3)
            pen.ellipse(
                [cx - n, cy - n, cx + n, cy + n], fill=int(light - contrast * rng.uniform(20, 60))
            )
    grey = np.asarray(image, float)
    grey[bare] = light
    grey = np.asarray(
        Image.fromarray(grey.astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.8)), float
    )
    grey += shade * np.linspace(-1, 1, columns)[None, :]
    grey += rng.normal(0, noise, grey.shape)
    out = Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8))
    if jpeg:
        import io

        held = io.BytesIO()
        out.save(held, "JPEG", quality=jpeg)
        out = Image.open(held)
    return np.asarray(out)


def series(widths_um, **look):
    """Frames and bare masks of a wound that narrows: (time, row, column) each."""
    place = {k: look.pop(k) for k in ("middle", "wave", "shape") if k in look}
    masks = np.stack([wound(w, **place) for w in widths_um])
    return np.stack([well(m, i, **look) for i, m in enumerate(masks)]), masks
