"""A peri-implant scan larger than the memory of its job, through the script of the rule: time, memory, and the truth.

    python benchmarks/microct_scan_large.py [--edge 1000] [--planes 1000] [--memory 4000] [--implant required] [--folder /tmp]

A titanium cylinder (0.9 mm wide, 2.25 mm long, 9 um voxels) in trabecular bone: a periodic random field (wavelength 24 voxels, bone
= its upper 35 %) of 200 voxels, tiled without a seam, below soft tissue and air; noise of 900 grey units. Written slab by
slab as NRRD of 16 bits (1000 voxels an edge: 2 GB). The job runs in a process of its own with the settings of
config/config.yaml; its true BV/TV and OV/TV are counted on the planted voxels with the cylinder's distance by geometry.
Prints what each step took (from the log's lines; what stands between two lines counts with the later).
`--implant none`: a block of that bone alone, the whole scan as its volume of interest, by slabs throughout.
"""

import argparse
import importlib.util
import logging
import multiprocessing
import resource
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow/scripts"))

VOXEL_UM, TILE, WAVELENGTH, SHARE = 9.0, 200, 24.0, 0.35
RADIUS, LENGTH, CREST, AIR = 50.0, 250.0, 0.28, 0.06
AIR_LEVEL, SOFT, BONE, METAL, NOISE = 7000, 12000, 22000, 55000, 900
FILES = {
    "measurements": "measurements.tsv",
    "curves": "curves.tsv",
    "facts": "scan.tsv",
    "overlay": "overlay.png",
    "labels": "labels.nii.gz",
    "thickness": "thickness.nii.gz",
    "separation": "separation.nii.gz",
}


class Named(SimpleNamespace):
    """What a job's lists look like to a script."""

    def items(self):
        return vars(self).items()

    def get(self, name):
        return vars(self).get(name)


def planted(shape: tuple[int, int], field: np.ndarray, low: int, high: int, with_implant: bool):
    """Bone and distance (voxels) to the cylinder, of some planes; the apex lies at the high end."""
    tall, edge = shape
    tiles = -(-edge // TILE)
    bone = np.tile(field[np.arange(low, high) % TILE], (1, tiles, tiles))[:, :edge, :edge]
    if not with_implant:
        return bone, None, None
    bone[np.arange(low, high) < CREST * tall] = False
    z, y, x = np.ogrid[low:high, :edge, :edge]
    top = CREST * tall - 20
    across = np.sqrt((y - edge / 2.0) ** 2 + (x - edge / 2.0) ** 2) - RADIUS
    along = np.maximum(top - z, z - (top + LENGTH)).astype(float)
    outside = np.hypot(np.maximum(across, 0), np.maximum(along, 0))
    return bone & (outside > 0), outside, np.broadcast_to(top + LENGTH - z, bone.shape)


def write_scan(
    path: Path, shape: tuple[int, int], with_implant: bool, settings: dict
) -> dict[str, float]:
    """Write the scan; returns its true BV/TV (and OV/TV), %."""
    tall, edge = shape
    from periomics.simulate.trabeculae import random_field

    rng = np.random.default_rng(12345)
    field = random_field((TILE,) * 3, WAVELENGTH, rng)
    field = field > np.quantile(field, 1 - SHARE)
    voi, at = settings["voi"], settings["ovtv_offset_um"]
    shells = {
        "bvtv": (voi["inner_um"], voi["outer_um"]),
        "ovtv": (at, at + settings["ovtv_width_um"]),
    }
    counts = {name: np.zeros(2, np.int64) for name in shells}
    header = (
        f"NRRD0004\ntype: uint16\ndimension: 3\nspace dimension: 3\nsizes: {edge} {edge} {tall}\n"
        f"space directions: ({VOXEL_UM / 1000},0,0) (0,{VOXEL_UM / 1000},0) (0,0,{VOXEL_UM / 1000})\n"
        'space units: "mm" "mm" "mm"\nendian: little\nencoding: raw\n\n'
    )
    with path.open("wb") as handle:
        handle.write(header.encode())
        for low in range(0, tall, 20):
            high = min(tall, low + 20)
            bone, outside, height = planted(shape, field, low, high, with_implant)
            grey = np.where(bone, np.float32(BONE), np.float32(SOFT))
            if outside is None:
                counts["bvtv"] += bone.sum(), bone.size
            else:
                grey[np.arange(low, high) < AIR * tall] = AIR_LEVEL
                grey[outside == 0] = METAL
                for name, (inner, outer) in shells.items():
                    away = outside * VOXEL_UM
                    ring = (away > inner) & (away <= outer)
                    ring &= (height * VOXEL_UM >= voi["axial_um"][0]) & (
                        height * VOXEL_UM <= voi["axial_um"][1]
                    )
                    counts[name] += (bone & ring).sum(), ring.sum()
            grey += NOISE * rng.standard_normal(grey.shape, dtype=np.float32)
            handle.write(np.rint(grey).astype("<u2").tobytes())
    return {name: 100 * bone / total for name, (bone, total) in counts.items() if total}


def peak_since_last() -> float:
    """Highest resident memory of this process since it was last asked for, MiB (Linux)."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    kib = status.partition("VmHWM:")[2].split()[0]
    # 5: the highest mark starts again at what is resident now.
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    return int(kib) / 1024


class Steps(logging.Handler):
    """CPU and wall seconds and peak memory up to each line of the log since the last, by the step that the line names."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: dict[str, list[float]] = {}
        self.last = time.process_time(), time.monotonic()
        peak_since_last()

    def emit(self, record: logging.LogRecord) -> None:
        step = record.getMessage().split(":")[0]
        self.add("files and picture" if len(step) > 60 or "/" in step else step)

    def add(self, step: str) -> None:
        now = time.process_time(), time.monotonic()
        total = self.taken.setdefault(step, [0.0, 0.0, 0.0])
        total[0] += now[0] - self.last[0]
        total[1] += now[1] - self.last[1]
        total[2] = max(total[2], peak_since_last())
        self.last = now


def run(folder: Path, path: Path, settings: dict, results) -> None:
    """The job, as the rule runs it; what it took goes into the queue."""
    spec = importlib.util.spec_from_file_location(
        "script", ROOT / "workflow/scripts/microct/measure_scan.py"
    )
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    begun, steps = time.monotonic(), Steps()
    logging.getLogger("periomics.microct").addHandler(steps)
    script.main(
        SimpleNamespace(
            rule="measure_scan",
            wildcards={},
            log=[str(folder / "job.log")],
            threads=1,
            input=Named(scan=str(path)),
            output=Named(**{k: str(folder / v) for k, v in FILES.items()}),
            params=Named(
                facts=[{"specimen_id": "large", "animal_id": "a"}],
                settings=settings,
                on_broken="stop",
            ),
        )
    )
    steps.add("picture, maps and tables")
    used = resource.getrusage(resource.RUSAGE_SELF)
    results.put(
        (
            used.ru_utime + used.ru_stime,
            time.monotonic() - begun,
            max(peak for _, _, peak in steps.taken.values()),
            steps.taken,
        )
    )


def main() -> None:
    import pandas as pd
    import yaml

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--edge", type=int, default=1000)
    parser.add_argument("--planes", type=int, default=None)
    parser.add_argument("--memory", type=float, default=4000)
    parser.add_argument("--implant", choices=("required", "none"), default="required")
    parser.add_argument("--folder", default=None)
    words = parser.parse_args()
    shape = (words.planes or words.edge, words.edge)
    settings = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))["microct"]
    settings |= {"memory_mb": words.memory, "implant": words.implant}
    with tempfile.TemporaryDirectory(dir=words.folder) as name:
        folder = Path(name)
        tempfile.tempdir = str(folder)
        truth = write_scan(folder / "scan.nrrd", shape, words.implant == "required", settings)
        size = (folder / "scan.nrrd").stat().st_size
        print(
            f"scan of {shape[0]} x {shape[1]} x {shape[1]}, {size / 1e6:.0f} MB, memory_mb {words.memory:g}",
            flush=True,
        )
        context = multiprocessing.get_context("spawn")
        results = context.Queue()
        child = context.Process(target=run, args=(folder, folder / "scan.nrrd", settings, results))
        child.start()
        child.join()
        if child.exitcode:
            sys.exit(child.exitcode)
        cpu, wall, peak, steps = results.get()
        print(f"CPU {cpu:.0f} s, wall {wall:.0f} s, peak {peak:.0f} MiB")
        for step, (used, waited, mib) in sorted(steps.items(), key=lambda item: -item[1][0]):
            print(f"{step}: CPU {used:.1f} s, wall {waited:.1f} s, peak {mib:.0f} MiB")
        for file in FILES.values():
            print(f"{file}: {(folder / file).stat().st_size / 1e6:.2f} MB")
        table = pd.read_csv(folder / "measurements.tsv", sep="\t", keep_default_na=False)
        plain = table[table["variant"] == ""].set_index("outcome")
        for outcome, true in truth.items():
            print(
                f"{outcome}: measured {float(plain.loc[outcome, 'value']):.3f}, planted {true:.3f} %"
            )
        print(plain[["value", "unit", "qc", "qc_reason"]].to_string(max_colwidth=60))
        print(pd.read_csv(folder / "scan.tsv", sep="\t").to_string(max_colwidth=100))
        print((folder / "job.log").read_text(encoding="utf-8")[-1500:])


if __name__ == "__main__":
    main()
