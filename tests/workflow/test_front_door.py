"""Every command of README and config/README as on a machine that has nothing else: no environment active, an empty PATH."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from running import ROOT, bare

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("front door")]
NANO = "config/nano/config.yaml"
LONGEST = 1000
# Commands of the pages that other tests run, or that none can (they would run the tests again, or an hour).
ELSEWHERE = {
    "make toy",  # the recipe of `make nano` with the larger study
    "make test",  # what runs this
    "make recovery",  # the toy study's, here with CONFIG
    "make real DATA=../shared/data",  # test_real.py
    "make check",  # the toy study's, here with CONFIG
}


@pytest.fixture(scope="module")
def clone(front_door) -> Path:
    """The clean clone, with the nano study run in it."""
    return front_door / "periomics"


def clean(words: str, screen: str) -> str:
    """What stands on the screen, when nothing of it is long or for developers."""
    longest = max(screen.splitlines(), key=len, default="")
    assert len(longest) < LONGEST, longest[:300]
    assert "FutureWarning" not in screen and "Installing the environment" not in screen, words
    return screen


def run(clone: Path, *words: str, path: str = "/usr/bin:/bin") -> str:
    """Run words with nothing but a PATH and a home; what stands on the screen."""
    done = bare(clone, *words, path=path)
    screen = done.stdout + done.stderr
    assert done.returncode == 0, f"{' '.join(words)} ended with {done.returncode}\n{screen[-6000:]}"
    return clean(" ".join(words), screen)


def test_check_prints_the_plan(clone):
    assert "Jobs of a full run: " in run(clone, "make", "check", f"CONFIG={NANO}")


def test_a_run_names_its_report(clone):
    line = "periomics: the report is results-nano/report/report.html"
    first = (clone.parent / "screen.txt").read_text(encoding="utf-8")
    assert line in clean("make run", first)
    assert (clone / "results-nano/report/report.html").is_file()
    assert line in run(clone, "make", "run", f"CONFIG={NANO}"), "a run with nothing to do"


def test_snakemake_itself(clone):
    path = f"{clone / '.venv/bin'}:/usr/bin:/bin"
    plan = run(clone, "snakemake", "check", "--cores", "2", "--configfile", NANO, path=path)
    assert "Jobs of a full run: " in plan
    left = clone / "results-nano/ro-crate-metadata.json"
    left.unlink()
    done = run(clone, "snakemake", "--cores", "2", "--configfile", NANO, path=path)
    assert "Describing the results as an RO-Crate" in done and left.is_file()


@pytest.mark.parametrize(
    "target, left",
    [
        ("report", "results-nano/report/snakemake.html"),
        ("recovery", "results-nano/recovery.tsv"),
        ("power", "results-nano/statistics/power.tsv"),
        ("allocate", "results-nano/planning/allocation.tsv"),
        ("freeze", "config/nano/claims.lock.tsv"),
    ],
)
def test_targets_of_make(clone, target, left):
    run(clone, "make", target, f"CONFIG={NANO}")
    assert (clone / left).is_file()


def test_every_documented_command_is_run(clone):
    here = Path(__file__).read_text(encoding="utf-8")
    tried = set(re.findall(r'"make", "([a-z]+)"', here)) | set(re.findall(r'\("([a-z]+)", "', here))
    for page in ("README.md", "config/README.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        for command in re.findall(r"(?:^|`)(make [a-z]+(?: [A-Z]+=[^`\s]+)?)", text, re.MULTILINE):
            known = command in ELSEWHERE or command.split()[1] in tried | {"calibrate", "unblind"}
            assert known, f"{page}: `{command}` is run by no test"


def test_the_environment_follows_the_content_of_the_lock(clone, tmp_path):
    (clone / "requirements.lock").touch()
    run(clone, "make", "environment")
    before = os.fspath((clone / ".venv").readlink())
    lock = clone / "requirements.lock"
    text = lock.read_text(encoding="utf-8")
    lock.write_text("no-such-package==1 --hash=sha256:00\n", encoding="utf-8")
    bare = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    broken = subprocess.run(
        ["make", "environment"], cwd=clone, env=bare, capture_output=True, check=False
    )
    assert broken.returncode != 0
    assert os.fspath((clone / ".venv").readlink()) == before, (
        "the old environment went before a new one stood"
    )
    run_python = [str(clone / ".venv/bin/python"), "-c", "import numpy"]
    subprocess.run(run_python, check=True)
    lock.write_text(text, encoding="utf-8")
    run(clone, "make", "environment")
    assert os.fspath((clone / ".venv").readlink()) == before
