"""Sections sketched by distances to outlines: a shape's coverage is a ramp of one pixel, its ink or
light is laid on, then lens, lamp, camera and JPEG follow.

Drawn without the detectors, the simulator and the other drawings at hand. Lengths are µm.
"""

import io

import numpy as np
import pandas as pd
from PIL import Image
from scipy import ndimage
from shapely.geometry import Polygon, box

from periomics.histology.batch import batch_rows, pool, sample_section
from periomics.histology.measure import measure_section
from periomics.histology.sections import with_masks
from periomics.histology.settings import stain_settings
from periomics.imaging.rois import Annotation
from periomics.imaging.stains import encode

INK = {  # optical density of red, green and blue at strength 1
    "haema": (0.62, 0.68, 0.27),
    "dab": (0.26, 0.55, 0.76),
    "trap": (0.19, 0.84, 0.46),
    "eosin": (0.10, 0.72, 0.30),
}


def oval(x, y, cx, cy, a, b, turn=0.0):
    """Signed distance to an ellipse, to first order."""
    c, s = np.cos(turn), np.sin(turn)
    u, v = (x - cx) * c + (y - cy) * s, -(x - cx) * s + (y - cy) * c
    k = np.hypot(u / a, v / b)
    return (k - 1) * k / np.maximum(np.hypot(u / a**2, v / b**2), 1e-9)


def spread(rng, n, width, height, *, apart, edge, keep=lambda x, y: True):
    """Middles that keep apart from each other and from the picture's sides."""
    got = []
    for _ in range(40_000):
        p = rng.uniform([edge, edge], [width - edge, height - edge])
        if len(got) == n:
            break
        if keep(*p) and all(np.hypot(*(p - q)) >= apart for q in got):
            got.append(p)
    assert len(got) == n
    return np.array(got).reshape(-1, 2)


class Slide:
    """Ink that absorbs, or light that adds up, on a picture of some µm."""

    def __init__(self, width, height, px=0.5, seed=0):
        self.width, self.height, self.px = width, height, px
        self.rng = np.random.default_rng(seed)
        y, x = np.mgrid[0 : round(height / px), 0 : round(width / px)]
        self.x, self.y = (x + 0.5) * px, (y + 0.5) * px
        self.ink = np.zeros((*self.x.shape, 3))
        self.light = {}

    def cover(self, distance):
        return np.clip(0.5 - distance / self.px, 0, 1)

    def grain(self, size, depth):
        """Texture of a size, mean 1."""
        f = ndimage.gaussian_filter(self.rng.normal(size=self.x.shape), size / self.px)
        return 1 + depth * f / f.std()

    def put(self, coverage, ink, strength, where=np.s_[:, :]):
        self.ink[where] += coverage[..., None] * strength * np.array(INK[ink])

    def shine(self, channel, coverage, strength, where=np.s_[:, :]):
        plane = self.light.setdefault(channel, np.zeros(self.x.shape))
        plane[where] += coverage * strength

    def oval(self, at, axes, turn, ink, strength, *, hollow=0.0, shines=False):
        """An ellipse, or a ring of that width, of ink or in a channel."""
        (cx, cy), (a, b), r = at, axes, max(axes) + 3
        rows, columns = self.x.shape
        where = np.s_[
            max(int((cy - r) / self.px), 0) : min(int((cy + r) / self.px) + 1, rows),
            max(int((cx - r) / self.px), 0) : min(int((cx + r) / self.px) + 1, columns),
        ]
        x, y = self.x[where], self.y[where]
        c = self.cover(oval(x, y, cx, cy, a, b, turn))
        if hollow:
            c = c - self.cover(oval(x, y, cx, cy, a - hollow, b - hollow, turn))
        if shines:
            self.shine(ink, c, strength, where)
        else:
            self.put(c, ink, strength, where)

    def photograph(self, *, white=(238, 236, 240), blur=0.4, noise=1.2, jpeg=90):
        """Colours (8 bits): Beer-Lambert, lens, camera, JPEG."""
        p = np.array(white) * 10 ** -np.clip(self.ink, 0, 4)
        p = ndimage.gaussian_filter(p, (blur / self.px, blur / self.px, 0))
        p = np.clip(np.rint(p + self.rng.normal(scale=noise, size=p.shape)), 0, 255)
        held = io.BytesIO()
        Image.fromarray(p.astype("u1")).save(held, "JPEG", quality=jpeg)
        return np.asarray(Image.open(held))

    def camera(self, *channels, full=4095, blur=0.4, photons=1500.0, offset=0.025):
        """Two channels as a section holds them: photons counted, noise of reading, offset."""
        planes = []
        for name in channels:
            n = ndimage.gaussian_filter(self.light[name], blur / self.px)
            n = self.rng.poisson(np.maximum(n, 0) * photons) / photons
            n = n + offset + self.rng.normal(scale=0.002, size=n.shape)
            planes.append(np.clip(np.rint(n * full), 0, full))
        return encode(np.stack(planes, axis=-1).astype(np.float32), full)


def region(name, points, px=0.5):
    """An annotation by its corners in µm."""
    return Annotation(name, Polygon(np.asarray(points, float) / px))


def whole(name, slide):
    return Annotation(name, box(0, 0, slide.width / slide.px, slide.height / slide.px))


def measured(picture, annotations, table, px=0.5, **block):
    """Rows of the definition that the config declares by outcome, and facts beyond their limits, of
    a picture that is its own batch."""
    stain = stain_settings({"sweep_percent": 0, "stains": {"S": block}}, table)["S"]
    opened = with_masks(picture, px, 1.0, annotations, stain)
    batch = batch_rows(pd.DataFrame([pool([sample_section(opened)], stain)]))["S"]
    found = measure_section(opened, stain, batch, {"section_id": "s"})
    rows = {r["outcome"]: r for r in found.rows if not r.get("variant")}
    beyond = found.quality.loc[found.quality["beyond"], "fact"].tolist()
    return rows, beyond
