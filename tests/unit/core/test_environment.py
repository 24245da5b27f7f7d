"""Which Python `make environment` takes: the first of PATH that fits, and never a shim that fails."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
# What a version manager leaves on PATH for a version that is not the one chosen.
SHIM = "#!/bin/sh\necho 'pyenv: python3.13: command not found' >&2\nexit 127\n"
OLD = "#!/bin/sh\nexit 1\n"


def program(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    (folder / name).chmod(0o755)


def found(*folders: Path | str) -> str:
    done = subprocess.run(
        ["/bin/sh", str(ROOT / "envs/environment.sh"), "python"],
        env={"PATH": os.pathsep.join(map(str, folders))},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return done.stdout.strip()


@pytest.fixture
def good(tmp_path) -> Path:
    """A folder with a Python of the right versions that has the venv module."""
    program(tmp_path / "good", "python3.13", f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    return tmp_path / "good"


@pytest.mark.parametrize("text", [SHIM, OLD])
def test_a_shim_of_another_version_is_passed_over(tmp_path, good, text):
    program(tmp_path / "shims", "python3.13", text)
    assert found(tmp_path / "shims", good) == sys.executable
    assert found(good, tmp_path / "shims") == sys.executable


def test_the_name_of_a_later_version_is_tried_where_the_first_fails_everywhere(tmp_path, good):
    program(tmp_path / "shims", "python3.13", SHIM)
    (good / "python3.13").rename(good / "python3")
    assert found(tmp_path / "shims", good) == sys.executable


def test_what_is_printed_is_no_shim(good):
    assert found(good) != str(good / "python3.13")


def test_nothing_is_printed_where_nothing_fits(tmp_path):
    program(tmp_path / "shims", "python3.13", SHIM)
    assert found(tmp_path / "shims") == ""
