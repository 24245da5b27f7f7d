"""Objects, pores, intersection surface and pattern factor of bodies whose numbers follow from their formulas."""

import numpy as np
import pytest

from periomics.microct.formats.lazy import in_memory
from periomics.microct.measure import measure
from periomics.study.settings.microct import Microct

MM = 0.01  # edge of a voxel
SECTION = {
    "bone_threshold": 50,
    "implant_threshold": 1000,
    "implant": "none",
    "prefilter_sigma_voxels": 0,
    "anisotropy": False,
    "thickness_variants": False,
    "speck_um": 50,
    "ctan": True,
}
N = 64
Z, Y, X = np.indices((N, N, N)) - (N - 1) / 2
R = np.sqrt(Z**2 + Y**2 + X**2)


def read(bone, memory_mb=4000, more=None, **voi):
    scan = in_memory(np.where(bone, 100, 0).astype(np.uint8), (1000 * MM,) * 3)
    settings = Microct.of({**SECTION, "voi": voi, "memory_mb": memory_mb, **(more or {})})
    table = measure(scan, settings, {"specimen_id": "s"}).table
    return table.set_index(["outcome", "variant"])["value"]


def dilated(r, dimensions):
    """Change of surface over change of volume between radius r and a voxel more (1/mm): sphere (3), cylinder (2)."""
    n = dimensions
    return n * ((r + 1) ** (n - 1) - r ** (n - 1)) / ((r + 1) ** n - r**n) / MM


@pytest.mark.parametrize(
    ("bone", "truth", "exact"),
    [
        (R <= 20, dilated(20, 3), 2 / 20 / MM),
        (np.hypot(Y, X) <= 16, dilated(16, 2), 1 / 16 / MM),
        (np.abs(Z) < 8, 0.0, 0.0),
        (R > 20, -2 / 20 / MM, -2 / 20 / MM),
    ],
    ids=["sphere", "cylinder", "plate", "hole"],
)
def test_pattern_factor_is_that_of_the_body(bone, truth, exact):
    found = read(bone)
    assert found["tbpf", "method=mesh"] == pytest.approx(exact, rel=0.05, abs=0.1)
    assert found["tbpf", ""] == pytest.approx(truth, rel=0.12, abs=0.1)


def test_objects_and_pores_are_those_that_were_drawn():
    bone = np.zeros((N, N, N), bool)
    bone[8:40, 8:40, 8:40] = True  # a block with three cavities, a tunnel and a pit
    bone[12:15, 12:15, 12:15] = False
    bone[20:24, 20:22, 20:21] = False
    bone[30, 30, 30] = False
    bone[31, 31, 31] = False  # touches the last by a corner: pores are joined by faces only
    bone[8:40, 35, 35] = False
    bone[8:12, 26, 26] = False
    bone[50:54, 50:54, 50:54] = True
    bone[54, 54, 54] = True  # joined by a corner: bone is 26-connected
    bone[60, 3, 3] = True  # a speck
    closed = 27 + 8 + 1 + 1
    found = read(bone)
    assert found["obj_n", ""] == 3 and found["obj_n", "specks=no"] == 1
    assert found["po_n_cl", ""] == 4
    solid = bone.sum()
    assert found["po_cl", ""] == pytest.approx(100 * closed / (solid + closed))
    assert found["po_op", ""] == pytest.approx(100 * (N**3 - solid - closed) / N**3)
    assert found["po_tot", ""] == pytest.approx(100 - found["bvtv", ""])
    # a box of the scan whose border opens one cavity
    found = read(bone, box_um=[[10 * 14, 640], [0, 640], [0, 640]])
    assert found["po_n_cl", ""] == 3
    # the same by slabs
    assert read(bone, memory_mb=8).loc[["obj_n", "po_n_cl", "po_cl"]].tolist() == pytest.approx(
        read(bone).loc[["obj_n", "po_n_cl", "po_cl"]].tolist()
    )


def test_intersection_surface_is_the_region_s_border_in_bone():
    half = Z < 0  # bone fills half of the scan
    cylinder = {"radius_um": 1000 * MM * 24, "box_um": [[0, 1000 * MM * N], [0, 640], [0, 640]]}
    found = read(half, **cylinder)
    side = 2 * np.pi * 24 * (N / 2) * MM**2
    end = np.pi * 24**2 * MM**2  # in the border of the scan
    assert found["i_s", ""] == pytest.approx(side + end, rel=0.02)
    box = [[10 * 6, 10 * 58], [10 * 10, 10 * 50], [10 * 4, 10 * 60]]
    found = read(half, box_um=box)
    sides = 2 * (40 + 56) * 26 + 40 * 56
    assert found["i_s", ""] == pytest.approx(sides * MM**2, rel=0.04)
    sparse = np.random.default_rng(3).random((N, N, N)) < 0.4
    found = read(sparse, radius_um=1000 * MM * 24)
    all_ = 2 * np.pi * 24 * N + 2 * np.pi * 24**2
    assert found["i_s", ""] == pytest.approx(0.4 * all_ * MM**2, rel=0.04)


def test_specks_and_pinholes_are_no_bone_and_no_marrow_by_declared_size():
    """Plates with one voxel in 100 turned over: as without, where single voxels are declared noise."""
    plates = np.broadcast_to((np.arange(N) % 16 < 6), (N, N, N))
    noisy = plates ^ (np.random.default_rng(4).random((N, N, N)) < 1 / 100)
    # voxels turned over at a surface hang together with what lies beside it, so only those within are told
    edge = plates ^ np.roll(plates, 1, axis=2) | plates ^ np.roll(plates, -1, axis=2)
    noisy[edge] = plates[edge]
    clean, asis = read(plates), read(noisy)
    told = read(noisy, more={"despeckle_um": 1000 * MM * 2.2})  # 5.6 voxels
    for outcome in ("bvtv", "tbth", "tbsp", "conn"):
        assert told[outcome, ""] == pytest.approx(clean[outcome, ""], rel=1e-6)
    assert asis["tbsp", ""] < 0.85 * clean["tbsp", ""]
