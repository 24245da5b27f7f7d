"""Cost of exact local thickness beside its floor, the distance transform alone.

    python benchmarks/microct_thickness.py [--sizes 128 256] [--threads 1] [--marrow]

Field G128, G256 of the specification: white noise (seed 12345) filtered to a wavelength of 24 voxels, upper quarter.
Each measurement runs in a process of its own, compiled code being warm; peak memory is what the process gained.
"""

import argparse
import multiprocessing
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow/scripts"))


def field(size: int) -> np.ndarray:
    """Boolean volume of the specification, (size, size, size)."""
    noise = np.random.default_rng(12345).standard_normal((size,) * 3, dtype=np.float32)
    full, half = np.fft.fftfreq(size), np.fft.rfftfreq(size)
    k = np.sqrt(full[:, None, None] ** 2 + full[:, None] ** 2 + half**2)
    band = np.exp(-0.5 * ((k - 1 / 24) / (0.25 / 24)) ** 2)
    noise = np.fft.irfftn(np.fft.rfftn(noise) * band, s=noise.shape, axes=(0, 1, 2))
    return noise > np.quantile(noise, 0.75)


def peak_kib() -> float:
    """Peak memory of this process since it was started (Linux; elsewhere NaN). getrusage keeps the parent's peak."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((float(line.split()[1]) for line in lines if line.startswith("VmHWM")), float("nan"))


def run(what: str, path: str, threads: int, answers) -> None:
    """Measure one step on a stored volume, and put (cpu s, wall s, MiB gained, mean, sd, max) into `answers`."""
    from periomics.microct.thickness import local_thickness, squared_distance

    warm = np.zeros((32, 32, 32), bool)
    warm[8:20, 8:20, 8:20] = True
    local_thickness(warm, threads)
    mask = np.load(path)
    before = peak_kib()
    cpu, wall = time.process_time(), time.perf_counter()
    result = squared_distance(mask, threads) if what == "edt" else local_thickness(mask, threads)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    gained = (peak_kib() - before) / 1024
    values = result[mask].astype(np.float64)
    answers.put((cpu, wall, gained, values.mean(), values.std(), values.max()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 256])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--marrow", action="store_true", help="the other three quarters (separation)")
    parser.add_argument("--folder", default="benchmarks", help="where the volumes are kept while this runs")
    given = parser.parse_args()
    spawn = multiprocessing.get_context("spawn")
    print("volume  step       cpu_s  wall_s  ns/voxel  peak_MiB  B/voxel  mean/sd/max (voxels)")
    for size in given.sizes:
        path = Path(given.folder) / f".field-{size}.npy"
        np.save(path, field(size) ^ given.marrow)
        try:
            for what in ("edt", "thickness"):
                answers = spawn.Queue()
                job = spawn.Process(target=run, args=(what, str(path), given.threads, answers))
                job.start()
                cpu, wall, gained, *stats = answers.get()
                job.join()
                told = "/".join(f"{v:.3f}" for v in stats) if what == "thickness" else "-"
                print(
                    f"G{size:<6} {what:<9} {cpu:6.2f}  {wall:6.2f}  {1e9 * cpu / size**3:8.1f}  {gained:8.0f}  "
                    f"{gained * 2**20 / size**3:7.1f}  {told}"
                )
        finally:
            path.unlink()


if __name__ == "__main__":
    main()
