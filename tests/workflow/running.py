"""Running the workflow in a folder of its own, and runs that several tests read."""

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
# Bytecode and kernels that another test is writing at this moment.
HALF_WRITTEN = ("*.tmp.*", "*.pyc.*")


def checkout(folder: Path) -> Path:
    """A copy of what a run needs, so that tests may edit it and never touch the results of the checkout.

    What Python and numba compiled beside the sources is copied too (`environment`): both look at time and size of the source.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(
                source,
                folder / part,
                ignore=shutil.ignore_patterns(*HALF_WRITTEN),
                dirs_exist_ok=True,
            )
        else:
            shutil.copy2(source, folder / part)
    for kept in (ROOT / ".snakemake").glob(
        "code-*.json"
    ):  # what Snakemake's start read of the code
        (folder / kept.parent.name).mkdir(exist_ok=True)
        shutil.copy2(kept, folder / kept.parent.name)
    return folder


def keep_kernels(folder: Path) -> None:
    """Put what numba compiled in a run in `folder` beside the checkout's sources, from where
    `checkout` copies it, so that no other run of the tests compiles it again."""
    library = Path("workflow/scripts/periomics")
    made = {k: k.relative_to(folder) for k in (folder / library).rglob("*.nb[ic]")}
    # A run by itself keeps them in folders named after the sources' folder and a digest of its
    # path.
    for kernel in (folder / ".snakemake/numba").rglob("*.nb[ic]"):
        area = kernel.parent.name.rpartition("_")[0]
        made[kernel] = library / area / "__pycache__" / kernel.name
    for kernel, name in made.items():
        place = ROOT / name
        place.parent.mkdir(exist_ok=True)
        if not place.exists():
            half = place.with_suffix(f"{place.suffix}.tmp.{os.getpid()}")
            shutil.copy2(kernel, half)
            half.replace(place)


def copy_listed(folder: Path) -> Path:
    """A copy of every file that the repository holds or would: a clean checkout."""
    words = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(
        words, cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=True
    ).stdout
    for name in listed.splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def environment() -> dict[str, str]:
    """Environment of a run: this Python's tools first, no library path, kernels kept beside the sources.

    A numba cache in a folder of its own is by path, so that every copy of the checkout would compile again; one run of the tests
    does (`conftest.front_door`).
    """
    keep = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    keep["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{keep.get('PATH', '')}"
    return keep | {"NUMBA_CACHE_DIR": ""}


def bare(clone: Path, *words: str, path: str = "/usr/bin:/bin") -> subprocess.CompletedProcess[str]:
    """Run words in a clone with nothing but a PATH and a home beside it."""
    env = {"PATH": path, "HOME": str(clone.parent / "home")}
    return subprocess.run(
        words, cwd=clone, env=env, capture_output=True, text=True, encoding="utf-8", check=False
    )


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
    for job in json.loads(done.stdout.partition("JOBS")[2])[1]:
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
