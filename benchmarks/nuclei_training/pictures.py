"""Training pictures of nuclei: patches of the public images at any scale and turn, and H-DAB painted from them."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image
from scipy import ndimage as ndi

DIAMETER = 24.0  # pixels of a nucleus in the network's view
SIDE = 128
HEMATOXYLIN, BLUER = np.array((0.65, 0.70, 0.29)), np.array((0.82, 0.52, 0.22))
DAB, EOSIN = np.array((0.27, 0.57, 0.78)), np.array((0.22, 0.80, 0.56))


@dataclass(frozen=True)
class Held:
    """A picture: colours (uint8) or grey (float32, 0 to 1.2), labels, usual diameter in pixels."""

    name: str
    kind: str
    picture: np.ndarray
    labels: np.ndarray
    diameter: float


def read(folder: Path, kind: str, name: str) -> Held:
    picture = np.asarray(Image.open(folder / kind / f"{name}.png").convert("RGB"))
    labels = tifffile.imread(folder / kind / f"{name}_labels.tif").astype(np.int32)
    area = np.bincount(labels.ravel())[1:]
    area = np.sort(area[area > 0])
    size = 24.0
    if len(area):
        middle = np.searchsorted(np.cumsum(area), area.sum() / 2)
        size = float(2 * np.sqrt(area[middle] / np.pi))
    if kind == "fluo":
        grey = picture.astype(np.float32).mean(axis=-1)
        low, high = np.percentile(grey, (1, 99.8))
        picture = np.clip((grey - low) / max(high - low, 1e-6), 0, 1.2)[..., None]
    return Held(name, kind, picture, labels, size)


def patch(held: Held, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A turned, stretched and mirrored square of the picture (float32) and of its labels."""
    zoom = DIAMETER / held.diameter * np.exp(rng.normal(0, 0.3))
    turn, stretch = rng.uniform(0, 2 * np.pi), np.exp(rng.normal(0, 0.08))
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    matrix = matrix @ np.diag([stretch, 1 / stretch]) / zoom
    if rng.random() < 0.5:
        matrix[:, 0] *= -1
    shape = np.array(held.labels.shape)
    middle = rng.uniform(0.1, 0.9, 2) * shape
    if held.labels.any() and rng.random() < 0.6:
        ys, xs = np.nonzero(held.labels)
        k = rng.integers(len(ys))
        middle = np.array([ys[k], xs[k]]) + rng.normal(0, 20 / zoom, 2)
    shift = middle - matrix @ np.full(2, SIDE / 2 - 0.5)
    labels = ndi.affine_transform(held.labels, matrix, shift, (SIDE, SIDE), order=0, mode="mirror")
    picture = np.empty((SIDE, SIDE, held.picture.shape[2]), np.float32)
    blur = max(0.0, (1 / zoom - 1) / 2)
    reach = int(SIDE / zoom) + 8
    top, left = (np.maximum(0, middle - reach)).astype(int)
    part = held.picture[top : int(middle[0]) + reach, left : int(middle[1]) + reach]
    for k in range(part.shape[2]):
        one = part[..., k].astype(np.float32)
        one = ndi.gaussian_filter(one, blur) if blur > 0.2 else one
        picture[..., k] = ndi.affine_transform(
            one, matrix, shift - (top, left), (SIDE, SIDE), order=1, mode="mirror"
        )
    # A mirrored copy of a nucleus that the side cuts joins with it under one number, as it should.
    return picture, labels


def targets(labels: np.ndarray) -> np.ndarray:
    """Inside, depth (0 to 1), rows and columns to the middle in radii, weight; float32 (SIDE, SIDE, 5)."""
    rows, columns = labels.shape
    parts = np.zeros_like(labels)
    n = 0
    for k, box in enumerate(ndi.find_objects(labels), 1):
        if box is None:
            continue
        one, m = ndi.label(labels[box] == k)
        parts[box][one > 0] = one[one > 0] + n
        n += m
    out = np.zeros((rows, columns, 5), np.float32)
    inside = parts > 0
    edge = np.zeros_like(inside)
    for axis in (0, 1):
        unlike = np.diff(parts, axis=axis) != 0
        pre = [(0, 0), (0, 0)]
        for pre[axis] in ((0, 1), (1, 0)):
            edge |= np.pad(unlike, pre)
    depth = ndi.distance_transform_edt(inside & ~edge) + 1
    y, x = np.nonzero(inside)
    which = parts[y, x]
    deepest = np.ones(n + 1)
    np.maximum.at(deepest, which, depth[y, x])
    size = np.maximum(np.bincount(which, minlength=n + 1), 1)
    my, mx = np.bincount(which, y, n + 1) / size, np.bincount(which, x, n + 1) / size
    out[y, x, 0] = 1
    out[y, x, 1] = depth[y, x] / deepest[which]
    out[y, x, 2] = (my[which] - y) / (DIAMETER / 2)
    out[y, x, 3] = (mx[which] - x) / (DIAMETER / 2)
    # Where two nuclei come near, and on edges, mistakes cost more.
    high = ndi.maximum_filter(parts, 5)
    low = -ndi.maximum_filter(-np.where(inside, parts, n + 1), 5)
    touch = (high > 0) & (low <= n) & (high != low)
    out[..., 4] = 1 + 2 * touch
    return out


def shaken_light(grey: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Fluorescence as another camera and dye give it; the network's two channels."""
    x = np.clip(grey[..., 0], 0, None) ** np.exp(rng.normal(0, 0.25))
    if rng.random() < 0.4:
        x = ndi.gaussian_filter(x, rng.uniform(0.3, 2.0))
    if rng.random() < 0.3:
        x = x * np.exp(_clouds(rng, 40) * rng.uniform(0, 0.4))
    if rng.random() < 0.3:
        x = x + np.maximum(_clouds(rng, 30), 0) * rng.uniform(0, 0.15)
    x = x * np.exp(rng.normal(0, 0.25)) + rng.uniform(-0.03, 0.08) * (rng.random() < 0.5)
    if rng.random() < 0.5:
        x = x + rng.normal(0, rng.uniform(0, 0.06), x.shape)
    x = np.clip(x, 0, 1.2)
    return np.stack([x, np.sqrt(x)], axis=-1)


def shaken_colours(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A stained patch under another lamp, stronger or paler, blurred, as JPEG; the network's channels."""
    density = -np.log10((np.clip(rgb, 0, 255) + 1) / 256)
    glass = np.percentile(density, 2, axis=(0, 1)) * rng.uniform(0.3, 1.0)
    density = np.maximum(density - glass, 0) * np.exp(rng.normal(-0.15, 0.45))
    mix = np.eye(3) + rng.normal(0, 0.06, (3, 3))
    return _camera(np.maximum(density @ mix, 0), rng)


def _camera(density: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Through blur, white point, noise and JPEG; roots of densities over a white point that is not exactly known."""
    white = rng.uniform(205, 255) * np.exp(rng.normal(0, 0.02, 3))
    light = np.minimum(white, 255) * 10**-density
    if rng.random() < 0.4:
        light = ndi.gaussian_filter(light, (*[rng.uniform(0.3, 1.5)] * 2, 0))
    if rng.random() < 0.5:
        light = light + rng.normal(0, rng.uniform(0, 4), light.shape)
    eight = np.clip(np.rint(light), 0, 255).astype(np.uint8)
    if rng.random() < 0.5:
        held = io.BytesIO()
        Image.fromarray(eight).save(held, "JPEG", quality=int(rng.integers(40, 92)))
        eight = np.asarray(Image.open(held))
    known = np.minimum(white, 255) * np.exp(rng.normal(0, 0.03))
    return np.sqrt(np.clip(-np.log10((eight + 1.0) / (known + 1)), 0, 2))


def painted_dab(
    picture: np.ndarray, labels: np.ndarray, kind: str, rng: np.random.Generator
) -> np.ndarray:
    """The same nuclei as hematoxylin with DAB over some of them, in cells, or nowhere; the network's channels."""
    inside = labels > 0
    amount = _amount(picture, inside, kind, rng)
    n = int(labels.max())
    strength = np.exp(rng.uniform(np.log(0.1), np.log(1.2)))
    soft = ndi.gaussian_filter(inside.astype(np.float32), rng.uniform(0.5, 1.2))
    share = rng.choice([0, 0.05, 0.2, 0.5, 0.9], p=[0.2, 0.25, 0.3, 0.15, 0.1])
    chosen = rng.random(n + 1) < share
    chosen[0] = False
    each = np.exp(rng.normal(np.log(rng.uniform(0.3, 1.5)), 0.4, n + 1)) * chosen
    lost = np.where(chosen, rng.uniform(0.1, 1.0, n + 1), 1.0)
    faint = np.exp(rng.normal(0, rng.uniform(0, 0.35), n + 1))
    faint[0] = 1.0
    brown = ndi.gaussian_filter(each[labels], 0.7) * (0.55 + 0.45 * amount)
    if rng.random() < 0.35:
        brown = brown + _in_cells(labels, soft, rng)
    brown = brown + rng.uniform(0, 0.4) * min(strength, 0.3) * (1 + _clouds(rng, 12))
    blue = amount * (lost * faint)[labels] * strength
    pale = (
        np.maximum(_clouds(rng, 15) + _threads(rng), 0) * rng.uniform(0, 0.4) * min(strength, 0.4)
    )
    tint = rng.uniform(0, 1)
    h = _near(tint * HEMATOXYLIN + (1 - tint) * BLUER, 0.05, rng)
    d, other = _near(DAB, 0.05, rng), _near(EOSIN if rng.random() < 0.3 else h, 0.08, rng)
    density = blue[..., None] * h + np.maximum(brown, 0)[..., None] * d + pale[..., None] * other
    return _camera(density, rng)


def _amount(
    picture: np.ndarray, inside: np.ndarray, kind: str, rng: np.random.Generator
) -> np.ndarray:
    """Stain of nuclei with their texture, about 1 inside; what lies between them is kept in part."""
    if kind == "fluo":
        x = np.clip(picture[..., 0], 0, 1.2)
        near = ndi.gaussian_filter(x * inside, 12) / np.maximum(
            ndi.gaussian_filter(inside.astype(np.float32), 12), 1e-3
        )
        usual = float(np.median(x[inside])) if inside.any() else 1.0
        amount = x / np.maximum(near, 0.3 * max(usual, 0.05))
        chromatin = ndi.gaussian_filter(rng.normal(0, 1, x.shape), rng.uniform(0.8, 2.5))
        chromatin = chromatin / chromatin.std() * rng.uniform(0, 0.25)
        return np.clip(amount * (1 + chromatin), 0, 1.6)
    density = -np.log10((np.clip(picture, 0, 255) + 1) / 256)
    density = np.maximum(density - np.percentile(density, 2, axis=(0, 1)), 0).mean(axis=-1)
    usual = float(np.median(density[inside])) if inside.any() else 0.5
    amount = np.clip(density / max(usual, 0.1), 0, 1.8)
    return np.where(inside, amount, amount * rng.uniform(0.3, 1.0))


def _in_cells(labels: np.ndarray, soft: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """DAB in the cytoplasm of some cells."""
    away, (y, x) = ndi.distance_transform_edt(labels == 0, return_indices=True)
    chosen = rng.random(int(labels.max()) + 1) < rng.uniform(0.1, 1)
    body = chosen[labels[y, x]] & (away < rng.uniform(3, 9))
    level = rng.uniform(0.05, 0.6) * (1 + 0.4 * _clouds(rng, 2.5))
    return ndi.gaussian_filter(body.astype(np.float32), 1.2) * level * (1 - 0.7 * soft)


def _clouds(rng: np.random.Generator, size: float) -> np.ndarray:
    step = max(1, int(size / 3))
    few = ndi.gaussian_filter(rng.normal(0, 1, (SIDE // step + 3,) * 2), size / step)
    few = (few - few.mean()) / max(few.std(), 1e-6)
    return ndi.zoom(few, (SIDE + step) / len(few) * 1.2, order=1)[:SIDE, :SIDE]


def _threads(rng: np.random.Generator) -> np.ndarray:
    """Fibres of connective tissue along one way, turned by quarters."""
    one = ndi.gaussian_filter(rng.normal(0, 1, (SIDE, SIDE)), (1.0, 8.0))
    one = ndi.rotate(one, rng.uniform(0, 180), reshape=False, mode="mirror", order=1)
    return one / max(one.std(), 1e-6) * rng.uniform(0, 1)


def _near(vector: np.ndarray, spread: float, rng: np.random.Generator) -> np.ndarray:
    v = np.maximum(vector + rng.normal(0, spread, 3), 0.02)
    return v / np.linalg.norm(v)
