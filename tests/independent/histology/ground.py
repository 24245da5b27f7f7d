"""A round piece of bone or metal, where every arc is known, and what lies on it; by angles and
radii, through Beer-Lambert.

Drawn with stain vectors of its own; nothing of the simulator. Lengths are µm, angles degrees.
"""

from functools import lru_cache

import numpy as np
import pandas as pd
from scipy import ndimage
from shapely.geometry import Point, box
from skimage.draw import disk

from periomics.histology.batch import batch_rows, pool, sample_section
from periomics.histology.measure import measure_section
from periomics.histology.sections import with_masks
from periomics.histology.settings import stain_settings
from periomics.imaging.rois import Annotation

PIXEL, SIDE = 0.5, 640
MIDDLE = SIDE * PIXEL / 2


@lru_cache
def polar():
    """Distance (µm) from the picture's middle and angle (degrees) of every pixel's centre."""
    y, x = (np.indices((SIDE, SIDE)) + 0.5) * PIXEL - MIDDLE
    return np.hypot(x, y), np.degrees(np.arctan2(y, x)) % 360


def sector(first, last, inner, outer):
    """Between two angles and two radii."""
    far, angle = polar()
    turn = (angle - first) % 360
    return (turn < (last - first) % 360.0001) & (far >= inner) & (far < outer)


def place(angle, radius):
    a = np.radians(angle)
    return MIDDLE + radius * np.cos(a), MIDDLE + radius * np.sin(a)


def disc(at, radius):
    """Rows and columns of the pixels of a disc."""
    return disk((at[1] / PIXEL - 0.5, at[0] / PIXEL - 0.5), radius / PIXEL, shape=(SIDE, SIDE))


def light(amounts, vectors, seed=0, blur=0.8, noise=1.5, white=(238, 237, 235)):
    """Colours of a camera of amounts (n, height, width) of stains, blurred in light, noisy, 8
    bits."""
    density = np.einsum("nhw,nc->hwc", np.asarray(amounts, float), np.asarray(vectors, float))
    seen = np.asarray(white) * 10.0**-density
    seen = ndimage.gaussian_filter(seen, (blur, blur, 0))
    seen += np.random.default_rng(seed).normal(0, noise, seen.shape)
    return np.clip(np.round(seen), 0, 255).astype(np.uint8)


def circle(name, radius, at=(MIDDLE, MIDDLE)):
    return Annotation(name, Point(at[0] / PIXEL, at[1] / PIXEL).buffer(radius / PIXEL, 90))


def square(name, left=0.0, top=0.0, right=SIDE * PIXEL, bottom=SIDE * PIXEL):
    return Annotation(name, box(left / PIXEL, top / PIXEL, right / PIXEL, bottom / PIXEL))


def measured(picture, annotations, table, fact=None, **block):
    """Rows by outcome and variant, and all that was measured, of a picture that is its own
    batch; `fact`: what the sheet says of edits."""
    stain = stain_settings({"sweep_percent": 0, "stains": {"S": block}}, table)["S"]
    opened = with_masks(picture, PIXEL, 1.0, annotations, stain)
    batch = batch_rows(pd.DataFrame([pool([sample_section(opened)], stain)]))["S"]
    found = measure_section(opened, stain, batch, {"section_id": "s", **(fact or {})})
    return {(r["outcome"], r.get("variant", "")): r for r in found.rows}, found
