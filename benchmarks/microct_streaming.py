"""Time, memory and growth of bone morphometry by slabs on volumes larger than memory.

    python benchmarks/microct_streaming.py --tiles 1 2 3 [--edge 500] [--memory 4000] [--threads 2] [--only tbth …]

A periodic Gaussian random field (wavelength 24 voxels, seed 12345; 256 grey levels, bone = its upper quarter) is tiled
without a seam and written slab by slab as raw uint8; 500 voxels tiled 3 x 3 x 3 make 1500³. Each size runs in a process
of its own; CPU and wall seconds are told for each step, and the peak of the process.
"""

import argparse
import multiprocessing
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow/scripts"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from microct_thickness import peak_kib, random_field

VOXEL_UM = 10.0
BONE = 192


def write_volume(path: Path, edge: int, tiles: int) -> None:
    """Grey values of the tiled field, slab by slab."""
    field = random_field(edge)
    levels = np.quantile(field[::3, ::3, ::3], np.arange(1, 256) / 256)
    size = edge * tiles
    out = np.memmap(path, np.uint8, "w+", shape=(size, size, size))
    for z in range(edge):
        plane = np.tile(
            np.searchsorted(levels, field[z], side="right").astype(np.uint8), (tiles, tiles)
        )
        out[z::edge] = plane
    out.flush()


def steps(path: Path, size: int, memory_mb: float, threads: int):
    """(name, function of what was made before) in order; the first two make the masks that the others read."""
    from periomics.microct import anisotropy, components, connectivity
    from periomics.microct import surface as meshes
    from periomics.microct.slabs import empty_bits, planes_for, slabs
    from periomics.microct.streamed_thickness import streamed_thickness

    shape = (size, size, size)

    def grey(low: int, high: int) -> np.ndarray:
        found = np.fromfile(path, np.uint8, (high - low) * size**2, offset=low * size**2)
        return found.reshape(
            high - low, size, size
        )  # a memory map would count the file as memory of the process

    def planes(a_voxel: float, halo: int = 0, halo_bytes: float | None = None) -> int:
        return planes_for(
            memory_mb, shape, a_voxel, halo, a_voxel if halo_bytes is None else halo_bytes
        )

    def thick(read):
        found = streamed_thickness(read, shape, None, None, memory_mb, threads)
        return f"{found.mean:.4f} / {found.sd:.4f} / {found.maximum:.4f} voxels"

    def first(made):
        made["bone"] = empty_bits(shape)
        for low, high in slabs(size, planes(4), "threshold"):
            made["bone"].write(low, grey(low, high) >= BONE)
        return ""

    def purify(made):
        made["pure"] = components.purify(made["bone"], None, planes(16))
        return ""

    def whole(made):
        return f"{100 * made['bone'].count() / size**3:.4f} %"

    def euler(name):
        def run(made):
            found = connectivity.connectivity(made[name], None, planes(4), threads)
            return f"{found.euler}, corrected {found.corrected}"

        return run

    def surface(made):
        found = meshes.surface(made["bone"], VOXEL_UM / 1000, None, planes(16, 12), threads)
        return f"{found.smoothed_mesh:.3f} / {found.raw_mesh:.3f} / {found.faces:.3f} mm2, SMI {found.smi:.4f}"

    def da(made):
        return f"c/a {anisotropy.anisotropy(made['bone'], None, threads).ratio:.4f}"

    return [
        ("threshold", first),
        ("bvtv", whole),
        ("tbth", lambda made: thick(made["bone"].read)),
        ("tbsp", lambda made: thick(lambda a, b: ~made["bone"].read(a, b))),
        ("euler", euler("bone")),
        ("purify", purify),
        ("euler_purified", euler("pure")),
        ("surface_smi", surface),
        ("da", da),
    ]


def run(path: str, size: int, memory_mb: float, threads: int, only: list[str], rows) -> None:
    """Run the steps, and put (step, CPU s, wall s, peak MiB, result) for each into `rows`; None at the end."""
    try:
        warm_up(threads)
        made: dict[str, object] = {}
        for name, step in steps(Path(path), size, memory_mb, threads):
            if only and name not in only and name != "threshold":
                continue
            cpu, wall = time.process_time(), time.perf_counter()
            told = step(made)
            rows.put(
                (
                    name,
                    time.process_time() - cpu,
                    time.perf_counter() - wall,
                    peak_kib() / 1024,
                    told,
                )
            )
    finally:
        rows.put(None)


def warm_up(threads: int) -> None:
    """Compile (or load) everything on a small volume."""
    from periomics.microct import anisotropy, components, connectivity, surface
    from periomics.microct.slabs import bits_of
    from periomics.microct.streamed_thickness import streamed_thickness

    field = random_field(48)
    mask = field > np.quantile(field, 0.75)
    bits = bits_of(mask)
    for read in (bits.read, lambda a, b: ~bits.read(a, b)):
        streamed_thickness(read, mask.shape, None, 24, threads=threads)
    components.purify(bits, None, 24)
    connectivity.connectivity(bits, threads=threads)
    surface.surface(bits, 1.0, threads=threads)
    anisotropy.anisotropy(bits, threads=threads)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiles", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--edge", type=int, default=500)
    parser.add_argument(
        "--memory", type=float, default=4000, help="MB for a step (config: microct/memory_mb)"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", nargs="+", default=[])
    parser.add_argument(
        "--folder", default="benchmarks", help="where the volume is kept while this runs"
    )
    given = parser.parse_args()
    spawn = multiprocessing.get_context("spawn")
    print("voxels  step             cpu_s  wall_s  ns/voxel(cpu)  peak_MiB  result", flush=True)
    for tiles in given.tiles:
        size = given.edge * tiles
        path = Path(given.folder) / f".tiled-{size}.raw"
        try:
            writer = spawn.Process(target=write_volume, args=(path, given.edge, tiles))
            writer.start()
            writer.join()
            rows = spawn.Queue()
            job = spawn.Process(
                target=run, args=(str(path), size, given.memory, given.threads, given.only, rows)
            )
            job.start()
            total = np.zeros(2)
            for name, cpu, wall, peak, told in iter(rows.get, None):
                total += cpu, wall
                print(
                    f"{size}^3  {name:<15} {cpu:7.1f} {wall:7.1f} {1e9 * cpu / size**3:8.1f}  {peak:8.0f}  {told}",
                    flush=True,
                )
            job.join()
            print(
                f"{size}^3  {'all':<15} {total[0]:7.1f} {total[1]:7.1f} {1e9 * total[0] / size**3:8.1f}",
                flush=True,
            )
        finally:
            path.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
