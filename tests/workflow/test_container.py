"""The image: built from the Containerfile, then a whole study inside it as a user may run it, and the same tables."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from running import ROOT, copy_listed, tables

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("container")]
NANO = ("--configfile", "config/nano/config.yaml")
USER = 1000
MOST_BYTES = 1.2e9


def recipe(state: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A step of tests/container-build.sh with its storage in a folder of its own."""
    return subprocess.run(
        ["bash", str(ROOT / "tests/container-build.sh"), *words],
        env=os.environ | {"CTR_STATE": str(state)},
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )


def own(folder: Path) -> Path:
    """Give a folder and all in it to the user of the container."""
    for path in (folder, *folder.rglob("*")):
        os.chown(path, USER, USER, follow_symlinks=False)
    return folder


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    """Storage that holds the image `periomics:test`; skipped where an image cannot be built."""
    missing = [p for p in ("podman", "buildah", "runc", "debootstrap") if not shutil.which(p)]
    if missing or os.geteuid() != 0:
        pytest.skip(f"no image is built here: {', '.join(missing) or 'not root'}")
    context = copy_listed(tmp_path_factory.mktemp("context"))
    folder = Path(os.environ.get("CTR_STATE") or tmp_path_factory.mktemp("storage"))
    for step in (("base",), ("image", "periomics:test", str(context))):
        done = recipe(folder, *step)
        assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    yield folder
    # Storage of the vfs driver holds every layer whole.
    shutil.rmtree(folder, ignore_errors=True)


def test_the_image_is_small_enough(state):
    env = os.environ | {"CONTAINERS_STORAGE_CONF": str(state / "storage.conf")}
    words = ["podman", "image", "inspect", "--format", "{{.Size}}", "localhost/periomics:test"]
    size = subprocess.run(
        words, env=env, capture_output=True, text=True, encoding="utf-8", check=True
    ).stdout
    assert int(size) < MOST_BYTES


@pytest.fixture(scope="module")
def inside(state, tmp_path_factory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """Folder in which one container ran unit tests of the library (`tests.txt`), then the nano
    study; and how that ended."""
    folder = tmp_path_factory.mktemp("inside")
    shutil.copytree(ROOT / "config", folder / "config")
    parts = " ".join(f"tests/unit/{p}" for p in ("core", "genes", "imaging"))
    tests = f"cd /opt/periomics && python -m pytest -q {parts} >/study/tests.txt 2>&1"
    study = f"snakemake --snakefile /opt/periomics/Snakefile --cores 2 {' '.join(NANO)}"
    both = f"({tests}; echo ended with $? >>/study/tests.txt); exec {study}"
    return folder, recipe(state, "run", "periomics:test", str(own(folder)), "--", "sh", "-c", both)


def test_unit_tests_pass_inside(inside):
    said = (inside[0] / "tests.txt").read_text(encoding="utf-8")
    assert said.endswith("ended with 0\n"), said[-4000:]
    assert " passed" in said or "[100%]" in said


def test_a_study_inside_gives_the_tables_of_one_outside(inside, nano):
    folder, done = inside
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    assert tables(folder / "results-nano") == tables(nano / "results-nano")
    assert (folder / "results-nano/report/report.html").stat().st_uid == USER
