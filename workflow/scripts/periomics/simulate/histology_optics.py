"""From stain amounts to the file of a slide scanner: Beer and Lambert, blur, noise, 8 bits, OME-TIFF or PNG."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.special import expit

from periomics.core.errors import InputError
from periomics.core.files import atomic

# Directions of the simulated stains; a batch turns them a little. The third axis is light lost evenly (metal, dust).
DIRECTIONS = {
    "haematoxylin": (0.65, 0.70, 0.29),
    "DAB": (0.27, 0.57, 0.78),
    "eosin": (0.22, 0.80, 0.56),
    "black": (1.0, 1.0, 1.0),
}


@dataclass(frozen=True)
class Optics:
    """What the sections of one stain batch share: white point, strength and direction of the stains."""

    white: np.ndarray
    strength: dict[str, float]
    vectors: dict[str, np.ndarray]
    blur_um: float = 0.35
    noise: float = 1.5


def draw_optics(rng: np.random.Generator) -> Optics:
    """A stain batch: strengths differ by some 15 %, the white point by some 5 grey values, vectors by about 2°."""
    white = 255 * expit(rng.normal(2.75, 0.25) + rng.normal(0, 0.06, 3))
    strength, vectors = {}, {}
    for name, direction in DIRECTIONS.items():
        fixed = name == "black"
        turned = np.asarray(direction) + (0 if fixed else rng.normal(0, 0.02, 3))
        vectors[name] = turned if fixed else turned / np.linalg.norm(turned)
        strength[name] = 1.0 if fixed else float(np.exp(rng.normal(0, 0.15)))
    return Optics(white, strength, vectors)


def render(
    amounts: dict[str, np.ndarray], optics: Optics, pixel_um: float, rng: np.random.Generator
) -> np.ndarray:
    """8-bit colours (height, width, 3) of stain amounts (height, width), in OD of each stain's unit vector."""
    shape = next(iter(amounts.values())).shape
    out = np.empty((*shape, 3), np.uint8)
    for channel in range(3):
        od = np.zeros(shape, np.float32)
        for name, amount in amounts.items():
            od += amount * np.float32(optics.strength[name] * optics.vectors[name][channel])
        light = np.float32(optics.white[channel]) * np.exp(od * np.float32(-np.log(10)))
        light = gaussian_filter(light, optics.blur_um / pixel_um, mode="nearest", truncate=3)
        # Shot noise: its variance grows with the light.
        light += rng.standard_normal(shape, dtype=np.float32) * np.sqrt(
            light * np.float32(optics.noise**2 / 240)
        )
        out[..., channel] = np.clip(np.round(light), 0, 255)
    return out


def write_image(rgb: np.ndarray, path: str | Path, pixel_um: float, quality: int) -> None:
    """Write an OME-TIFF with its pixel size (JPEG inside, or lossless at quality 0) or a PNG that states none."""
    path = Path(path)
    if path.name.lower().endswith((".ome.tif", ".ome.tiff")):
        import tifffile

        metadata = {"axes": "YXS", "PhysicalSizeX": pixel_um, "PhysicalSizeXUnit": "µm"}
        metadata |= {"PhysicalSizeY": pixel_um, "PhysicalSizeYUnit": "µm"}
        # tifffile draws a random identifier otherwise: the file shall depend on its pixels only.
        metadata["UUID"] = (
            f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, hashlib.sha256(rgb.data).hexdigest())}"
        )
        packed = (
            {"compression": "jpeg", "compressionargs": {"level": quality}}
            if quality
            else {"compression": "zlib"}
        )
        with atomic(path) as part:
            tifffile.imwrite(
                part, rgb, photometric="rgb", ome=True, metadata=metadata, tile=(256, 256), **packed
            )
    elif path.suffix.lower() == ".png":
        from PIL import Image

        with atomic(path) as part:
            Image.fromarray(rgb).save(part, compress_level=1)
    else:
        raise InputError(
            "a simulated section is written as OME-TIFF or PNG",
            file=path,
            column="path",
            allowed=".ome.tif, .png",
        )


def texture(shape: tuple[int, int], grain_px: float, rng: np.random.Generator) -> np.ndarray:
    """Smooth noise of mean 0 and standard deviation 1, float32, drawn coarsely and enlarged."""
    step = max(1, int(grain_px))
    coarse = rng.standard_normal((shape[0] // step + 3, shape[1] // step + 3), dtype=np.float32)
    rows = np.linspace(0, coarse.shape[0] - 1.001, shape[0])
    columns = np.linspace(0, coarse.shape[1] - 1.001, shape[1])
    i, j = rows.astype(int), columns.astype(int)
    fi, fj = (rows - i).astype(np.float32)[:, None], (columns - j).astype(np.float32)[None, :]
    across = coarse[:, j] * (1 - fj) + coarse[:, j + 1] * fj
    return (across[i] * (1 - fi) + across[i + 1] * fi) * np.float32(1.5)
