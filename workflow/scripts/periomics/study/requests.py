"""What jobs ask for: memory and time by the size of their input and the attempt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

# Ends of the names of files that say little of what they hold.
PACKED = (
    ".gz",
    ".png",
    ".jpg",
    ".jpeg",
    ".zarr",
    ".zarray",
    "zarr.json",
    ".aim",
    ".zip",
    ".mhd",
    ".nhdr",
)


def memory_for(
    base_mb: float, per_input_mb: float = 8, at_most: float | None = None
) -> Callable[..., int]:
    """Memory in MB, 400 for Snakemake above a cluster's job among it; grows with input, up to a
    bound, and attempt."""

    def mem_mb(wildcards: Any, input: Any, attempt: int) -> int:
        return int((base_mb + memory_need(input, per_input_mb, at_most)) * attempt)

    return mem_mb


def runtime_for(minutes: float, per_input_mb: float = 0) -> Callable[..., int]:
    """Run time in minutes that grows with the size of the input and doubles with every attempt."""

    def runtime(wildcards: Any, input: Any, attempt: int) -> int:
        return int((minutes + memory_need(input, per_input_mb)) * 2 ** (attempt - 1))

    return runtime


def memory_need(files: Any, mb_per_mb: float, at_most: float | None = None) -> float:
    """What a job takes for its input, MB or minutes: in proportion to it, up to a bound.

    Files that are not there yet count for nothing: a group of jobs is weighed before its first has
    run.

    Parameters
    ----------
    files
        A job's input as Snakemake gives it. Folders count with all that is in them.
    mb_per_mb
        MB of memory, or minutes, for a MB of input.
    at_most
        The most that the job ever takes; it is also what packed files are given, whose pixels may
        be any number.
    """
    if not mb_per_mb:
        return 0.0
    paths = [Path(f) for f in files]
    inside = [p for f in paths if f.is_dir() for p in f.rglob("*") if p.is_file()]
    size = sum(p.stat().st_size for p in [*paths, *inside] if p.exists()) / 1e6
    if at_most is None:
        return mb_per_mb * size
    packed = any(_packed(p) for p in [*paths, *inside])
    return at_most if packed else min(at_most, mb_per_mb * size)


def _packed(path: Path) -> bool:
    """Whether a file's size says little of the pixels that it stands for: compressed, or a header
    of another file."""
    name = path.name.lower()
    if name.endswith((".nrrd", ".mha")) and path.is_file():
        with path.open("rb") as handle:
            head = handle.read(2048).lower()
        return (
            b"encoding: gz" in head or b"encoding: bz" in head or b"compresseddata = true" in head
        )
    return name.endswith(PACKED)
