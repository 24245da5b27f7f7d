"""Shared by all tests: the folder of real data, and the checkout's root."""

import gc
import os
from pathlib import Path

# As in a run (rules/common.smk), and before numpy loads: threads of BLAS that wait for each other take three times the work of
# a negative binomial fit where two workers share two cores.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
# A `make` that a test runs is no part of the `make` that runs the tests.
for _name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):
    os.environ.pop(_name, None)

import pytest  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402

# Tests are never timed, nor is the making of their examples: another process may hold the machine.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

ROOT = Path(__file__).resolve().parents[1]
# The study on real files names them through this variable.
if (ROOT.parent / "shared" / "data").is_dir():
    os.environ.setdefault("PERIOMICS_DATA", str(ROOT.parent / "shared" / "data"))


@pytest.fixture(scope="session")
def root() -> Path:
    """Root of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def data() -> Path:
    """Folder of real data; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("PERIOMICS_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data: set PERIOMICS_DATA (looked in {folder})")
    return folder


@pytest.fixture(scope="module")
def without_spacing():
    """Scans without Tb.Sp, whose spheres are three quarters of a scan's time: for files of tests
    that look at something else."""
    from periomics.microct import measure

    whole = measure.local_sizes

    def of_bone_only(of, outcome, kept):
        return whole(of, outcome, kept) if outcome == "tbth" else (None, "not asked for here")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measure, "local_sizes", of_bone_only)
        yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files of slow tests first: they wait for other programs, and the quick ones fill the gaps."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def pytest_collection_finish() -> None:
    """What the tests and their imports hold stays to the end: collecting garbage need not look at it again and again."""
    gc.collect()
    gc.freeze()
