"""Facts of a scan's quality from sums that are known."""

import numpy as np
import pytest

from periomics.microct.quality import BINS, BLOCKS, GROUPS, SECTORS, Looks, Range, facts
from periomics.study.settings.microct import Microct

SETTINGS = Microct.of({"bone_threshold": 15000, "implant_threshold": 39000, "implant": "none"})
N = 1000


def found(marrow, bone, high):
    """Facts by name of N voxels of either phase, all of one grey value, noise 100, in a scan of 0 to `high`."""
    of = Range(0.0, high, (20.0, 20.0))
    at = [min(int(v * BINS / high), BINS - 1) for v in (marrow, bone)]
    shaded = np.zeros((GROUPS, 4, 4))
    shaded[0, 0, 0], shaded[0, 0, 3], shaded[0, 3, 3] = N, N * marrow, N * (marrow**2 + 100.0**2)
    looks = Looks(
        bone=np.array([N, N * bone, N * (bone**2 + 100.0**2)]),
        marrow=np.array([N, N * marrow]),
        by_slice=np.array([[[N, N, 9], [N * m, N * (m + 300.0), 0]] for m in (marrow, bone)]),
        noise=np.array([N, 2 * N * 100.0**2]),
        steps=np.array([[N * 0.8 * (bone - marrow), N]] * 3),
        full=np.array([N, 30]),
        near=np.zeros(2),
        radial=np.zeros((2, of.radii)),
        shaded=shaded,
        angular=np.zeros((2, SECTORS, BLOCKS)),
        histogram=np.bincount(at, minlength=BINS) * N,
        metal=0,
    )
    return {f.name: f for f in facts(looks, of, 12.0, SETTINGS)}


def test_contrast():
    one = found(9000.0, 19000.0, 60000.0)
    assert one["contrast to noise"].value == pytest.approx(100)
    assert one["air in the VOI"].value == 0
    for phase in ("marrow", "bone"):
        assert one[f"grey values that differ in {phase}"].value == pytest.approx(0, abs=1e-3)
    assert one["jumps between slices"].value == pytest.approx(3)
    assert one["saturated bone"].value == pytest.approx(3)
    # an edge of 1.5 voxels' blur is 0.8 times as steep as the mask's
    assert one["edges beside Tb.Th"].value == pytest.approx(100 * 2.563 * 1.5 / 12, rel=0.1)
    assert not any(f.beyond for f in one.values())


def test_bone_darker_than_marrow_is_said():
    assert found(19000.0, 9000.0, 60000.0)["contrast to noise"].beyond


def test_one_hot_voxel_makes_no_air():
    """Bins of grey values are then too wide to tell air from marrow."""
    assert "air in the VOI" not in found(9000.0, 19000.0, 1e7)
