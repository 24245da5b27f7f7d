"""CPU time and peak memory of measuring slides by tiles, per detector, beside the time that
OpenSlide takes to decode them.

Run: `python benchmarks/histology_slides.py [--folder /tmp/slides] [--sides 8192 16384 32768]
[--detectors area vessels …]` from the root of the checkout. A slide is a drawn section, mirrored
until it has the wanted side, written by tiles of 256 pixels as a JPEG pyramid (.tif, .5 µm a
pixel); its region is nearly all of it. It is written once into the folder and left there: 0.3 GB at
one gigapixel. Each case runs in a process of its own, so that peak memory is that of the case.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
PIXEL_UM = 0.5
# Detector → stain of the simulated sections, its target, and the block of the config beside
# detector and region.
DRAWN: dict[str, tuple[str, float, dict]] = {
    "area": ("CD31", 80.0, {"outcomes": {"share": "sma"}}),
    "vessels": ("CD31", 80.0, {}),
    "neutrophils": ("MPO", 150.0, {}),
    "nuclei": ("MPO", 150.0, {"nuclei": "classical", "outcomes": {"positive": "prol"}}),
    "network": ("MPO", 150.0, {"outcomes": {"positive": "prol"}}),
    "lacunae": ("HE", 30.0, {}),
}


def slide(folder: Path, stain: str, target: float, side: int) -> Path:
    """Write a slide, unless it is there."""
    import tifffile

    path = folder / f"{stain}_{side}.tif"
    if path.exists():
        return path
    from periomics.simulate.histology import draw_section

    fact = {"section_id": "S", "stain": stain, "batch": "A", "specimen_id": "s", "animal_id": "a"}
    drawn = draw_section(fact, target, {"histology": {"shape": [1536, 1536]}}, 1)
    small = drawn.rgb[320:1344, 320:1344]  # off the implant and the glass
    pair = np.concatenate([small, small[:, ::-1]], axis=1)
    unit = np.concatenate([pair, pair[::-1]], axis=0)

    def tiles(level_unit: np.ndarray, n: int):
        for y in range(0, n, 256):
            for x in range(0, n, 256):
                at = y % level_unit.shape[0], x % level_unit.shape[1]
                yield np.ascontiguousarray(level_unit[at[0] : at[0] + 256, at[1] : at[1] + 256])

    levels = [(unit, side)]
    while levels[-1][0].shape[0] > 256:
        last, n = levels[-1]
        h = last.shape[0] // 2
        means = last.reshape(h, 2, h, 2, 3).mean(axis=(1, 3))
        levels.append((means.round().astype(np.uint8), n // 2))
    told = {
        "tile": (256, 256),
        "photometric": "rgb",
        "compression": "jpeg",
        "compressionargs": {"level": 85},
        "dtype": np.uint8,
    }
    with tifffile.TiffWriter(path, bigtiff=True) as file:
        for k, (of, n) in enumerate(levels):
            more = {"subfiletype": 1} if k else {"subifds": 0}
            file.write(tiles(of, n), shape=(n, n, 3), **told, **more)
    return path


def decode(path: Path) -> float:
    """CPU seconds that OpenSlide takes to decode all of a slide, in regions of 512 pixels."""
    import openslide

    start = time.process_time()
    with openslide.OpenSlide(str(path)) as found:
        wide, high = found.dimensions
        for y in range(0, high, 512):
            for x in range(0, wide, 512):
                found.read_region((x, y), 0, (512, 512))
    return time.process_time() - start


def case(folder: Path, name: str, side: int) -> dict[str, object]:
    """Pool and measure one slide; CPU seconds of this process and its peak memory."""
    from periomics.histology.animal import measure_animal
    from periomics.histology.batch import batch_rows
    from periomics.histology.settings import stain_settings
    from periomics.histology.stain_batch import batch_table
    from periomics.imaging.convolution import load
    from periomics.imaging.rois import write_geojson
    from periomics.imaging.stains import load_stains

    stain, target, block = DRAWN[name]
    path = slide(folder, stain, target, side)
    ring = [[20, 20], [side - 20, 20], [side - 20, side - 20], [20, side - 20], [20, 20]]
    feature = {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {"classification": {"name": "tissue"}},
    }
    rois = folder / f"{side}.geojson"
    rois.write_text(json.dumps([feature]), encoding="utf-8")
    detector = "nuclei" if name == "network" else name
    given = {"stains": {stain: {"detector": detector, "roi": "tissue", **block}}}
    network = load(ROOT / "resources" / "nuclei_brightfield.npz")
    settings = stain_settings(given, load_stains(ROOT / "resources" / "stains.yaml"), network)
    fact = {
        "specimen_id": "s",
        "animal_id": "a",
        "section_id": "S1",
        "stain": stain,
        "batch": "A",
        "path": str(path),
        "rois": str(rois),
        "pixel_um": str(PIXEL_UM),
    }
    start = time.process_time()
    rows = {"A": batch_rows(batch_table([fact], settings, print))}
    pooled, start = time.process_time() - start, time.process_time()
    animal = measure_animal([fact], settings, rows, True, print)
    write_geojson(animal.sections[0].features, folder / f"{name}_{side}.out.geojson")
    spent = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    first = animal.measurements.iloc[0]
    return {
        "detector": name,
        "megapixels": side * side / 1e6,
        "batch_s": pooled,
        "measure_s": spent,
        "peak_mb": peak,
        "objects": len(animal.objects),
        "outcome": first["outcome"],
        "value": first["value"],
        "qc": first["qc"],
        "page_mb": len(animal.sections[0].page) / 1e6,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/slides"))
    parser.add_argument("--sides", type=int, nargs="+", default=[8192, 16384, 32768])
    parser.add_argument("--detectors", nargs="+", default=list(DRAWN))
    parser.add_argument("--case", nargs=2, metavar=("DETECTOR", "SIDE"))
    given = parser.parse_args()
    sys.path.insert(0, str(ROOT / "workflow" / "scripts"))
    given.folder.mkdir(parents=True, exist_ok=True)
    if given.case:
        print(json.dumps(case(given.folder, given.case[0], int(given.case[1]))))
        return
    for name in given.detectors:
        for side in given.sides:
            stain, target, _ = DRAWN[name]
            decoded = decode(slide(given.folder, stain, target, side))
            command = [sys.executable, __file__, "--folder", str(given.folder)]
            command += ["--case", name, str(side)]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                print(name, side, done.stderr[-2000:], flush=True)
                continue
            row = json.loads(done.stdout.splitlines()[-1])
            row |= {"decode_s": decoded, "times": row["measure_s"] / decoded}
            print(
                "\t".join(
                    f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v}" for k, v in row.items()
                ),
                flush=True,
            )


if __name__ == "__main__":
    main()
