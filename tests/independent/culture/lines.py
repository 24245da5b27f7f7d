"""Networks drawn from their corners: hexagons whose edges, corners and meshes are counted by hand, and single lines."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter


def hexagons(side, columns, rows, origin):
    """Edges of a honeycomb of `columns` × `rows` cells as a set of pairs of corners."""
    edges = set()
    for i in range(columns):
        for j in range(rows):
            x = origin[0] + 1.5 * side * i
            y = origin[1] + np.sqrt(3) * side * (j + 0.5 * (i % 2))
            corners = [
                (round(x + side * np.cos(a), 6), round(y + side * np.sin(a), 6))
                for a in np.arange(6) * np.pi / 3
            ]
            for k in range(6):
                edges.add(tuple(sorted((corners[k], corners[(k + 1) % 6]))))
    # Corners that neighbours share differ in the last digit only.
    return {tuple(sorted((_whole(a), _whole(b)))) for a, b in edges}


def _whole(corner):
    return (round(corner[0], 2), round(corner[1], 2))


def length(edges):
    return sum(float(np.hypot(a[0] - b[0], a[1] - b[1])) for a, b in edges)


def meetings(edges):
    """Corners at which three edges or more meet."""
    ends = [c for e in edges for c in e]
    return sum(ends.count(c) >= 3 for c in set(ends))


def drawn(edges, shape, width, *, back=40, front=170, blur=1.0, noise=4.0, shade=0.0, seed=0):
    """A picture (float, grey) of the edges as lines `width` pixels wide."""
    scale = 4
    image = Image.new("L", (shape[1] * scale, shape[0] * scale), back)
    pen = ImageDraw.Draw(image)
    r = width * scale / 2
    for a, b in edges:
        pen.line(
            [scale * a[0], scale * a[1], scale * b[0], scale * b[1]], fill=front, width=round(2 * r)
        )
        for x, y in (a, b):
            pen.ellipse([scale * x - r, scale * y - r, scale * x + r, scale * y + r], fill=front)
    image = image.resize((shape[1], shape[0]), Image.Resampling.BOX)
    grey = np.asarray(image.filter(ImageFilter.GaussianBlur(blur)), float)
    grey = grey + shade * np.linspace(-1, 1, shape[1])[None, :]
    return np.clip(grey + np.random.default_rng(seed).normal(0, noise, shape), 0, 255)
