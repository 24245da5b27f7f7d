"""Morphometry beside other tools on G128 of the specification; run by `make peers`, which installs them apart.

The tools run in the Python of `.venv-peers` (or PERIOMICS_PEERS), one process each; without it these tests are skipped.
"""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from periomics.microct.anisotropy import anisotropy
from periomics.microct.cleanup import bonej_thickness
from periomics.microct.connectivity import connectivity
from periomics.microct.slabs import bits_of
from periomics.microct.surface import plate_model, surface
from periomics.microct.thickness import local_thickness

BEFORE = "import json, sys\nimport numpy as np\nm = np.load(sys.argv[1])\n"
AFTER = "\nprint(json.dumps([float(v) for v in result]))"


@pytest.fixture(scope="module")
def peer(root, tmp_path_factory):
    """Run code on the mask `m` in the peers' Python; it leaves its numbers in `result`."""
    python = Path(os.environ.get("PERIOMICS_PEERS", root / ".venv-peers/bin/python"))
    if not python.exists():
        pytest.skip(
            "no peers: run `make peers`, or set PERIOMICS_PEERS to a Python that has requirements-peers.lock"
        )

    def run(mask: np.ndarray, code: str) -> list[float]:
        path = tmp_path_factory.mktemp("peer") / "mask.npy"
        np.save(path, mask)
        done = subprocess.run(
            [python, "-c", BEFORE + code + AFTER, path],
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads(done.stdout.splitlines()[-1])

    return run


def band_passed(shape: tuple[int, int, int], stretch: float = 1.0) -> np.ndarray:
    """Upper quarter of white noise filtered to a wavelength of 24 voxels, stretched along z."""
    noise = np.random.default_rng(12345).standard_normal(shape, dtype=np.float32)
    z, y, x = (
        np.fft.fftfreq(shape[0]) * stretch,
        np.fft.fftfreq(shape[1]),
        np.fft.rfftfreq(shape[2]),
    )
    k = np.sqrt(z[:, None, None] ** 2 + y[:, None] ** 2 + x**2)
    band = np.exp(-0.5 * ((k - 1 / 24) / (0.25 / 24)) ** 2)
    field = np.fft.irfftn(np.fft.rfftn(noise) * band, s=shape, axes=(0, 1, 2))
    return field > np.quantile(field, 0.75)


@pytest.fixture(scope="module")
def bone():
    return band_passed((128, 128, 128))


def test_localthickness(peer, bone):
    """It paints in steps of one voxel of radius and interpolates: above the exact map by 2 to 4 %, same largest sphere."""
    mean, largest = peer(
        bone,
        "import localthickness\nt = 2 * localthickness.local_thickness(m, scale=1)\n"
        "result = t[m].mean(dtype=float), t.max()",
    )
    exact = local_thickness(bone)
    assert largest == pytest.approx(exact.max(), rel=1e-6)
    assert 1.015 < mean / exact[bone].mean(dtype=float) < 1.04
    assert mean == pytest.approx(bonej_thickness(bone)[bone].mean(dtype=float), rel=0.015)


def test_porespy(peer, bone):
    """Whole-number radii: below the exact map by 8 to 14 %, and so is its largest sphere by less than two voxels."""
    mean, largest = peer(
        bone,
        "import porespy\nt = 2 * porespy.filters.local_thickness(m)\n"
        "result = t[m].mean(dtype=float), t.max()",
    )
    exact = local_thickness(bone)
    assert 0 <= exact.max() - largest < 2
    assert 0.86 < mean / exact[bone].mean(dtype=float) < 0.92


def test_itk_plate_model(peer, bone):
    """ITK counts crossings of the surface along the axes: BV/TV equal, plate thickness within 5 % of that from the mesh."""
    share, thickness = peer(
        bone,
        "import itk\nf = itk.BoneMorphometryFeaturesFilter.New(itk.image_from_array(m.astype(np.float32)))\n"
        "f.SetMaskImage(itk.image_from_array(np.ones(m.shape, np.uint8)))\nf.SetThreshold(1)\nf.Update()\n"
        "result = f.GetBVTV(), f.GetTbTh()",
    )
    assert share == bone.mean()
    found = surface(bits_of(bone), 1.0)
    ours = plate_model(share, found.raw_mesh / bone.sum())
    assert thickness == pytest.approx(ours.thickness, rel=0.05)


def test_fabrictensor(peer):
    """Mean intercepts of a field stretched twofold, along and across: within 10 % of the ratio of our ellipsoid's axes.

    Its ellipsoids are no yardstick: one set of intercepts gives 1.50 or 2.06 by which of its two fits is asked for.
    """
    bone = band_passed((96, 96, 96), 2.0)
    *across, along = peer(
        bone,
        "import fabrictensor as f\nd = np.eye(3)  # x, y, z\n"
        "result = f.compute_mil_all(m.astype(np.uint8), np.ones(m.shape, bool), d, n_rays=2000)",
    )
    ratio = anisotropy(bits_of(bone)).ratio
    assert ratio == pytest.approx(along / np.mean(across), rel=0.1)
    assert ratio == pytest.approx(2, rel=0.1)


def test_skimage_euler_number(bone):
    from skimage.measure import euler_number

    assert connectivity(bits_of(bone)).euler == euler_number(bone, 3) == -32
