"""Memory of a job of cultures: by pixels, whatever the files' compression, of what is measured and
of all that is held."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from periomics.culture.requests import culture_mb


def row(path, assay, specimen="a"):
    return {"path": str(path), "assay": assay, "specimen_id": specimen}


def test_requests_follow_pixels_and_not_bytes(tmp_path):
    flat, noise = np.full((1000, 2000), 90, np.uint8), np.random.default_rng(1)
    Image.fromarray(flat).save(tmp_path / "flat.png")
    Image.fromarray(noise.integers(0, 255, flat.shape).astype(np.uint8)).save(tmp_path / "n.png")
    asked = [culture_mb([row(tmp_path / f, "nuclei")]) for f in ("flat.png", "n.png")]
    # By hand: 2 million pixels, 124 bytes each were measured.
    assert asked[0] == asked[1] and 2 * 124 < asked[0] < 1.35 * 2 * 124
    assert culture_mb([row(tmp_path / "gone.png", "nuclei")]) == culture_mb([]) == 0
    assert culture_mb([row(tmp_path / "flat.png", "prol")]) == 0  # a plate, not a picture


def test_frames_add_up_and_the_largest_series_is_measured(tmp_path):
    frames = np.zeros((5, 400, 500), np.uint8)
    tifffile.imwrite(tmp_path / "s.tif", frames, photometric="minisblack", compression="zlib")
    (tmp_path / "folder").mkdir()
    for k, frame in enumerate(frames):
        Image.fromarray(frame).save(tmp_path / "folder" / f"{k}.png")
    one, same = (culture_mb([row(tmp_path / f, "scratch")]) for f in ("s.tif", "folder"))
    assert one == same and one > 1e-6 * frames.size * 17
    by_rows = [row(tmp_path / "folder" / f"{k}.png", "scratch") for k in range(5)]
    assert culture_mb(by_rows) == pytest.approx(one)
    # A second series is held beside the first, and measured after it.
    two = culture_mb([row(tmp_path / "s.tif", "scratch", w) for w in "ab"])
    assert one < two < 1.5 * one
