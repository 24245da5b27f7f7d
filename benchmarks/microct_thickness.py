"""Exact local thickness beside its peers: time, memory and figures, all in one run.

    python benchmarks/microct_thickness.py [--volumes G256 L3155] [--threads 1 2] [--repeats 5] [--marrow]
        [--peers PYTHON] [--data ../shared/data]

G128 and G256 are the fields of the specification: white noise (seed 12345) filtered to a wavelength of 24 voxels, upper
quarter. L3155 and shrew are read from the data folder. `--peers` names a Python that has localthickness and PoreSpy
(requirements-peers.lock); without it only the library is measured. Each step runs in a process of its own with compiled code
being warm; the median of the repeats is told, and the peak is what the process gained in the first of them.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
OURS = ("distance", "thickness", "bonej")
PEERS = ("localthickness", "porespy")


def random_field(size: int) -> np.ndarray:
    """Field of the specification, (size, size, size), periodic; bone is its upper quarter."""
    noise = np.random.default_rng(12345).standard_normal((size,) * 3, dtype=np.float32)
    full, half = np.fft.fftfreq(size), np.fft.rfftfreq(size)
    k = np.sqrt(full[:, None, None] ** 2 + full[:, None] ** 2 + half**2)
    band = np.exp(-0.5 * ((k - 1 / 24) / (0.25 / 24)) ** 2)
    return np.fft.irfftn(np.fft.rfftn(noise) * band, s=noise.shape, axes=(0, 1, 2))


def volume(name: str, data: Path) -> np.ndarray:
    """Mask of a named volume."""
    if name.startswith("G"):
        field = random_field(int(name[1:]))
        return field > np.quantile(field, 0.75)
    from periomics.microct.formats.readers import read_volume

    if name == "L3155":
        return np.asarray(read_volume(data / "microct/lhdl_3155_D_4_bc", voxel_um=19.5).array) > 63
    return np.asarray(read_volume(data / "microct/shrew_trabecular/Shrew.nrrd").array) > 0


def peak_kib() -> float:
    """Peak memory of this process since it was started (Linux; elsewhere NaN). getrusage keeps the parent's peak."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next(
        (float(line.split()[1]) for line in lines if line.startswith("VmHWM")), float("nan")
    )


def measured(what: str, threads: int):
    """The function that a step times: mask in, diameters (or squared distances) in voxels out."""
    if what == "localthickness":
        import localthickness

        return lambda mask: localthickness.local_thickness(mask, scale=1), 2.0
    if what == "porespy":
        import porespy

        porespy.settings.tqdm = {"disable": True}
        return porespy.filters.local_thickness, 2.0
    from periomics.microct.cleanup import bonej_thickness
    from periomics.microct.thickness import local_thickness, squared_distance

    if what == "distance":
        return lambda mask: squared_distance(mask, threads), 1.0
    if what == "bonej":
        return lambda mask: bonej_thickness(mask, threads), 1.0
    return lambda mask: local_thickness(mask, threads), 1.0


def one(what: str, path: str, threads: int, repeats: int) -> None:
    """Time a step on a stored mask and print a line of JSON: CPU s, wall s, MiB gained, mean, sd, max."""
    run, factor = measured(what, threads)
    warm = np.zeros((40, 40, 40), bool)
    warm[8:20, 8:20, 8:20] = True
    run(warm)
    mask = np.load(path)
    before, times = peak_kib(), []
    for i in range(repeats):
        cpu, wall = time.process_time(), time.perf_counter()
        result = run(mask)
        times.append((time.process_time() - cpu, time.perf_counter() - wall))
        if i == 0:
            gained = (peak_kib() - before) / 1024
    values = factor * result[mask].astype(np.float64)
    cpu, wall = np.median(times, axis=0)
    print(json.dumps([cpu, wall, gained, values.mean(), values.std(), values.max()]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--volumes", nargs="+", default=["G128", "G256"])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--marrow", action="store_true", help="what is not bone (separation)")
    parser.add_argument("--peers", default="", help="a Python with localthickness and porespy")
    parser.add_argument("--data", type=Path, default=ROOT / "../shared/data")
    parser.add_argument(
        "--folder", default="benchmarks", help="where the volumes are kept while this runs"
    )
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    sys.path.insert(0, str(ROOT / "workflow/scripts"))
    if given.one:
        one(given.one[0], given.one[1], int(given.one[2]), int(given.one[3]))
        return
    print(
        "volume  step            threads  cpu_s  wall_s  ns/voxel  B/voxel  cpu_ratio  wall_ratio  mean / sd / max (voxels)"
    )
    for name in given.volumes:
        path = Path(given.folder) / f".{name}.npy"
        mask = volume(name, given.data) ^ given.marrow
        np.save(path, mask)
        try:
            rows = [(what, 1, given.peers) for what in PEERS] if given.peers else []
            rows += [(what, n, sys.executable) for what in OURS for n in given.threads]
            base = None
            for what, threads, python in rows:
                base = report(name, what, threads, python, path, mask.size, given.repeats, base)
        finally:
            path.unlink()


def report(name, what, threads, python, path, size, repeats, base):
    """Run one step in its own process and print its row; the times of localthickness are the base of ratios."""
    command = [
        python,
        __file__,
        "--one",
        what,
        str(path),
        str(threads),
        str(repeats if what not in PEERS else min(3, repeats)),
    ]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    cpu, wall, gained, *stats = json.loads(done.stdout.splitlines()[-1])
    base = (cpu, wall) if what == "localthickness" else base
    ratios = f"{cpu / base[0]:9.3f}  {wall / base[1]:10.3f}" if base else "        -           -"
    told = " / ".join(f"{v:.3f}" for v in stats) if what != "distance" else "-"
    print(
        f"{name:<6}  {what:<14}  {threads:7d} {cpu:6.3f}  {wall:6.3f}  {1e9 * cpu / size:8.1f}  "
        f"{gained * 2**20 / size:7.1f}  {ratios}  {told}",
        flush=True,
    )
    return base


if __name__ == "__main__":
    main()
