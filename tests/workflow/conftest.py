"""Runs that several tests read, made once for all workers."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from running import ROOT, bare, checkout, copy_listed, keep_kernels, snakemake
from shared import once

NANO = "config/nano/config.yaml"


def clone_into(folder: Path) -> Path:
    """A clean checkout beside an empty home; the environment is the one that `make` made here, not active."""
    clone = copy_listed(folder / "periomics")
    made = Path(os.path.realpath(ROOT / ".venv"))
    rooms = clone / ".environments" / ".venv"
    rooms.mkdir(parents=True)
    subprocess.run(["cp", "-al", str(made), str(rooms)], check=True)
    (clone / ".venv").symlink_to(f".environments/.venv/{made.name}")
    (folder / "home").mkdir()
    return clone


def environment_is_made() -> bool:
    return Path(os.path.realpath(ROOT / ".venv")).parent.parent.name == ".environments"


@pytest.fixture(scope="session")
def front_door(tmp_path_factory) -> Path:
    """Folder with a clean clone `periomics` in which `make run` ran the nano study, and its `screen.txt`.

    Nothing is compiled there beforehand: it is the test of empty caches too. What it compiles
    serves the runs that come after.
    """
    if not environment_is_made():
        pytest.skip("the environment was not made by `make`")

    def make(folder: Path) -> None:
        clone = clone_into(folder)
        done = bare(clone, "make", "run", f"CONFIG={NANO}")
        screen = done.stdout + done.stderr
        assert done.returncode == 0, f"make run ended with {done.returncode}\n{screen[-6000:]}"
        (folder / "screen.txt").write_text(screen, encoding="utf-8")
        keep_kernels(clone)
        checkout(folder / "nano")
        for made in ("results-nano", ".snakemake"):
            shutil.copytree(
                clone / made,
                folder / "nano" / made,
                ignore=shutil.ignore_patterns("numba"),
                dirs_exist_ok=True,
            )

    return once(tmp_path_factory, "front", make)


@pytest.fixture(scope="session")
def nano(request, tmp_path_factory) -> Path:
    """A checkout with the results of the nano study on two cores; tests that change anything do so
    in a copy. Files of tests that run scans ask for it first, for its compiled kernels."""
    if environment_is_made():
        return request.getfixturevalue("front_door") / "nano"

    def make(folder: Path) -> None:
        snakemake(checkout(folder), "--cores", "2", "--configfile", NANO)
        keep_kernels(folder)

    return once(tmp_path_factory, "nano", make)
