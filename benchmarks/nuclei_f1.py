"""Nuclei found by the network and by thresholds against outlines by hand, on images that no network was trained on.

Run: `python benchmarks/nuclei_f1.py DATA [--part report] [--weights resources/nuclei_brightfield.npz]`, with the folder of
the development data. Object F1 at an overlap (intersection over union) of .5 and .3, of positive nuclei precision and
recall, and CPU seconds. H&E images state no pixel size: all are given one at which 21 pixels are a usual nucleus.
"""

from __future__ import annotations

import argparse
import csv
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile
from PIL import Image
from shapely.geometry import box

from periomics.histology.batch import batch_rows, pool, sample_section
from periomics.histology.detection import Prepared, prepare
from periomics.histology.nuclei import Options, find
from periomics.histology.sections import with_masks
from periomics.histology.settings import stain_settings
from periomics.imaging.convolution import load
from periomics.imaging.rois import Annotation
from periomics.imaging.stains import load_stains

ROOT = Path(__file__).resolve().parents[1]
CROPS = ("22_2", "799_2", "Bladder1")
HE_UM = 6.5 / 21


@dataclass
class Sums:
    """Found, true and agreeing nuclei at both overlaps; found, true and agreeing positive ones; pixels and seconds."""

    nuclei: np.ndarray = field(default_factory=lambda: np.zeros(4, int))
    positive: np.ndarray = field(default_factory=lambda: np.zeros(3, int))
    seconds: float = 0.0
    pixels: int = 0

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            self.nuclei + other.nuclei,
            self.positive + other.positive,
            self.seconds + other.seconds,
            self.pixels + other.pixels,
        )


def pairs(found: np.ndarray, truth: np.ndarray, overlap: float) -> list[tuple[int, int]]:
    """Which found nucleus is which true one: best overlaps first, each once."""
    wide = int(truth.max()) + 1
    both = np.bincount((found.astype(np.int64) * wide + truth).ravel())
    both = np.pad(both, (0, (int(found.max()) + 1) * wide - len(both))).reshape(-1, wide)
    union = both.sum(1, keepdims=True) + both.sum(0, keepdims=True) - both
    ratio = both[1:, 1:] / np.maximum(union[1:, 1:], 1)
    out = []
    while ratio.size and ratio.max() >= overlap:
        i, j = np.unravel_index(ratio.argmax(), ratio.shape)
        ratio[i], ratio[:, j] = 0, 0
        out.append((int(i), int(j)))
    return out


def prepared(rgb: np.ndarray, stain: dict, network: object) -> Prepared:
    """An image as a section that is its own batch."""
    table = load_stains(ROOT / "resources" / "stains.yaml")
    settings = stain_settings({"stains": {"X": {"detector": "nuclei", **stain}}}, table, network)
    whole = Annotation("pie", box(0, 0, rgb.shape[1], rgb.shape[0]))
    opened = with_masks(rgb, stain["pixel_um"], 1.0, [whole], settings["X"])
    row = batch_rows(pd.DataFrame([pool([sample_section(opened)], settings["X"])]))["X"]
    return prepare(opened, settings["X"], row)


def scored(ready: Prepared, truth: np.ndarray, flags: np.ndarray | None, overlap: float) -> Sums:
    began = time.process_time()
    labels = find(ready, Options())
    spent = time.process_time() - began
    truth = np.unique(truth, return_inverse=True)[1].reshape(truth.shape)
    half, third = pairs(labels, truth, 0.5), pairs(labels, truth, 0.3)
    out = Sums(np.array([labels.max(), truth.max(), len(half), len(third)]))
    out.seconds, out.pixels = spent, truth.size
    if flags is not None:
        size = np.maximum(np.bincount(labels.ravel()), 1)[1:]
        brown = np.bincount(labels.ravel(), ready.target.ravel())[1:] / size >= 0.2
        both = [1 for i, j in (half if overlap == 0.5 else third) if brown[i] and flags[j]]
        out.positive = np.array([brown.sum(), flags.sum(), len(both)])
    return out


def cases(data: Path, part: str) -> dict[str, list[tuple]]:
    """Name of the set → (colours, labels, which are positive, pixel size, stains, overlap of positives)."""
    out: dict[str, list[tuple]] = {"H&E": []}
    with (ROOT / "tests/peers/nuclei_split.tsv").open(encoding="utf-8") as lines:
        rows = [r for r in csv.DictReader(lines, delimiter="\t") if r["kind"] == "he"]
    for name in (r["name"] for r in rows if r["part"] == part):
        path = data / "histology/dsb2018_train/he" / f"{name}.png"
        labels = tifffile.imread(path.with_name(f"{name}_labels.tif")).astype(int)
        out["H&E"].append((rgb_of(path), labels, None, HE_UM, "H-E", 0.5))
    for crop in CROPS:
        path = data / "histology/deepliif_hdab" / f"{crop}_ihc.png"
        labels = tifffile.imread(path.with_name(f"{crop}_labels.tif")).astype(int)
        flags = pd.read_csv(path.with_name(f"{crop}_labels.csv"))["positive"].to_numpy(bool)
        overlap = 0.3 if crop == "Bladder1" else 0.5
        out[crop] = [(rgb_of(path), labels, flags, 0.25, "H-DAB", overlap)]
    return out


def rgb_of(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


def line(name: str, how: str, s: Sums) -> str:
    found, true, half, third = s.nuclei
    text = f"{name:10} {how:10} true {true:4d} found {found:4d}  F1 at .5 {2 * half / (found + true):.3f}"
    text += f"  at .3 {2 * third / (found + true):.3f}  s/Mpx {s.seconds / s.pixels * 1e6:.2f}"
    if s.positive[1]:
        got, real, both = s.positive
        text += f"  positive: precision {both}/{got}, recall {both}/{real}"
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--part", default="report", choices=["report", "validation"])
    weights = ROOT / "resources" / "nuclei_brightfield.npz"
    parser.add_argument("--weights", type=Path, default=weights)
    given = parser.parse_args()
    network = load(given.weights)
    sets = cases(given.data, given.part)
    for how in ("network", "classical"):
        sums = {}
        for name, images in sets.items():
            sums[name] = Sums()
            for rgb, labels, flags, pixel, stains, overlap in images:
                ready = prepared(
                    rgb, {"pixel_um": pixel, "vectors": stains, "nuclei": how}, network
                )
                if stains == "H-E":
                    ready.target[:] = 0  # eosin is no sign of nuclei
                sums[name] += scored(ready, labels, flags, overlap)
            print(line(name, how, sums[name]))
        print(line("H-DAB", how, sum((sums[c] for c in CROPS), Sums())))


if __name__ == "__main__":
    main()
