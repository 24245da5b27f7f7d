"""Running the workflow in a folder of its own."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Two Snakemake processes stand above the script of a cluster's job, 193 MB each.
ABOVE_MB = 390
PARTS = ("Snakefile", "workflow", "config", "resources", "profiles", "envs")


def checkout(folder: Path) -> Path:
    """A copy of what a run needs, so that tests may edit it and never touch the results of the checkout."""
    folder.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(
                source,
                folder / part,
                ignore=shutil.ignore_patterns("__pycache__"),
                dirs_exist_ok=True,
            )
        else:
            shutil.copy2(source, folder / part)
    return folder


def environment() -> dict[str, str]:
    """Environment of a run: this Python's tools first, no library path, one numba cache for all tests."""
    keep = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    keep["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{keep.get('PATH', '')}"
    keep.setdefault("NUMBA_CACHE_DIR", str(ROOT / ".snakemake" / "numba"))
    return keep


def snakemake(folder: Path, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run Snakemake in a folder; with `check` a failure shows its whole output."""
    command = [sys.executable, "-m", "snakemake", *words]
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    if check and done.returncode != 0:
        raise AssertionError(
            f"{' '.join(words)} ended with {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-8000:]}"
        )
    return done


def assert_recovered(folder: Path, config: str) -> None:
    """Everything that a simulated study measured lies within its tolerance of the truth."""
    command = [sys.executable, "-m", "periomics.simulate.recovery", config]
    env = environment() | {"PYTHONPATH": str(folder / "workflow/scripts")}
    done = subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def assert_nothing_to_do(folder: Path, *words: str) -> None:
    """A second run plans no job."""
    done = snakemake(folder, "--cores", "1", "--dry-run", *words)
    assert "Nothing to be done" in done.stdout + done.stderr


def planned(output: str) -> dict[str, int]:
    """Rule → jobs from the statistics that Snakemake prints before it starts (or in a dry run)."""
    counts: dict[str, int] = {}
    lines = iter(output.splitlines())
    for line in lines:
        if line.startswith("Job stats:"):
            next(lines), next(lines)
            for row in lines:
                words = row.split()
                if len(words) != 2 or not words[1].isdigit():
                    break
                if words[0] != "total":
                    counts[words[0]] = int(words[1])
    return counts


def tables(results: Path) -> dict[str, str]:
    """Relative path → digest of every table of a results folder; benchmarks hold times and are left out."""
    out = {}
    for path in sorted(results.rglob("*.tsv")):
        name = path.relative_to(results).as_posix()
        if not name.startswith(("benchmarks/", "provenance/")):
            out[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return out


def badly_declared(folder: Path, config: str) -> list[str]:
    """Jobs of a study that was run here whose declared memory or time does not cover, or is far from, what was measured."""
    command = [sys.executable, str(ROOT / "tests/workflow/dag_jobs.py"), config]
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )
    out, seen = [], 0
    for job in json.loads(done.stdout.partition("JOBS")[2]):
        file = folder / job["benchmark_file"]
        if not job["benchmark_file"] or not file.is_file():
            continue
        head, row = (x.split("\t") for x in file.read_text(encoding="utf-8").splitlines()[:2])
        # A job that ends before it was looked at has no figures.
        measured = {k: v for k, v in zip(head, row, strict=True) if v not in {"NA", "-"}}
        mb, seconds = (float(measured.get(k, 0)) for k in ("max_rss", "cpu_time"))
        enough = 1.05 * mb + ABOVE_MB <= job["mem_mb"] <= 5 * max(mb, 500)
        seen += 1
        if not enough or 5 * seconds > 60 * job["runtime"]:
            out.append(
                f"{job['rule']} {job['wildcards']}: {mb:.0f} MB and {seconds:.0f} s CPU measured, "
                f"{job['mem_mb']} MB and {job['runtime']} min declared"
            )
    assert seen > 20, "no benchmarks"
    return out
