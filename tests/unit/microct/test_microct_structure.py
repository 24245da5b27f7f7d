"""Surface, plate model, SMI, connectivity, anisotropy, density and compartments on bodies whose numbers are known."""

import numpy as np
import pytest
from microct_arrays import (
    anisotropy,
    connectivity,
    density_rows,
    mid_axis,
    mid_axis_spacing,
    noise_floors,
    purify,
    structure_rows,
    surface,
    thickness,
    to_cubes,
)
from microct_bodies import ball, random_bone, tube
from skimage.measure import euler_number

from periomics.core.errors import InputError, SpecimenError
from periomics.microct import anisotropy as mil
from periomics.microct import cortical
from periomics.microct.cleanup import bonej_thickness
from periomics.microct.density import (
    Calibration,
    calibration_of,
    fit_phantom,
    in_grey,
)
from periomics.microct.slabs import bits_of
from periomics.microct.surface import plate_model
from periomics.study.settings.microct import Microct

SECTION = {
    "bone_threshold": 100,
    "implant_threshold": 1000,
    "implant": "none",
    "voi": {"inner_um": 0, "outer_um": 1},
}


# ---- connectivity


def box_correction(bone):
    """chi - F/2 + E/4 - C/8 by faces, edges and corners, as BoneJ does it."""
    faces = sum(euler_number(np.take(bone, i, a), 2) for a in range(3) for i in (0, -1))
    edges = 0
    for a in range(3):
        for i in (0, -1):
            for j in (0, -1):
                line = np.moveaxis(bone, a, 0)[:, i, j]
                edges += int(np.count_nonzero(np.diff(np.pad(line.astype(int), 1)) == 1))
    corners = int(bone[:: bone.shape[0] - 1, :: bone.shape[1] - 1, :: bone.shape[2] - 1].sum())
    return euler_number(bone, 3) - faces / 2 + edges / 4 - corners / 8


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_euler_number_and_correction_in_a_box(seed, share):
    """Against skimage and against the formula with faces, edges and corners, on noise: every pattern of voxels occurs."""
    bone = np.random.default_rng(seed).random((9, 11, 8)) < share
    found = connectivity(bone)
    assert found.euler == euler_number(bone, 3)
    assert found.corrected == box_correction(bone)
    assert connectivity(bone, np.ones_like(bone)) == found


def test_known_bodies():
    cube = np.zeros((9, 9, 9), bool)
    cube[2:7, 2:7, 2:7] = True
    assert (connectivity(cube).euler, connectivity(cube).connections) == (1, 0)
    cube[4, 4, 4] = False
    assert connectivity(cube).euler == 2  # a cavity
    frame = np.zeros((20, 20, 20), bool)
    frame[3:17, 3:17, 3:17] = True
    for a in range(3):
        np.moveaxis(frame, a, 0)[:, 5:15, 5:15] = False
    assert connectivity(frame).euler == -4  # the edges of a box: 5 connections
    assert connectivity(frame).connections == 5
    ring = np.zeros((7, 15, 15), bool)
    ring[2:5, 2:13, 2:13] = True
    ring[:, 5:10, 5:10] = False
    assert connectivity(ring).euler == 0


def test_planted_connectivity_does_not_depend_on_the_cut():
    """A lattice of bars has two connections a node; a VOI of any shape that shares its layers adds up to the whole."""
    lattice = np.zeros((41, 41, 41), bool)
    grid = np.arange(41) % 10 < 3
    for a, b in ((0, 1), (0, 2), (1, 2)):
        lattice |= np.expand_dims(np.outer(grid, grid), ({0, 1, 2} - {a, b}).pop())
    whole = connectivity(lattice)
    assert -whole.corrected / 4**3 == pytest.approx(2, abs=0.5)
    left, right = lattice[:20], lattice[19:]  # one plane shared
    assert connectivity(left).corrected + connectivity(right).corrected == whole.corrected
    voi = np.zeros_like(lattice)
    voi[5:36, 5:36, 5:36] = True  # three whole periods between the middles of gaps
    assert connectivity(lattice, voi).corrected == -2 * 3**3


def test_purify_drops_specks_and_fills_cavities():
    bone = np.zeros((20, 20, 20), bool)
    bone[2:12, 2:12, 2:12] = True
    clean = bone.copy()
    bone[5, 5, 5] = False
    bone[16, 16, 16] = True
    metal = np.zeros_like(bone)
    metal[5, 5, 5] = True
    np.testing.assert_array_equal(purify(bone), clean)
    assert not purify(bone, metal)[5, 5, 5]
    assert not purify(np.zeros_like(bone)).any()


@pytest.mark.data
def test_real_bone_as_bonej(data):
    """Figures that BoneJ 1 gave on the same volumes (specification)."""
    import tifffile

    from periomics.microct.formats.readers import read_volume

    files = sorted((data / "microct/lhdl_3155_D_4_bc").glob("*.tif"))
    bone = np.stack([tifffile.imread(f) for f in files]) > 63
    found = connectivity(bone)
    assert (found.euler, found.corrected) == (77, 25.375)
    assert connectivity(purify(bone)).euler == -346
    shrew = read_volume(data / "microct/shrew_trabecular/Shrew.nrrd").array > 0
    found = connectivity(shrew)
    assert (found.euler, found.corrected, found.connections) == (-19, -22.125, 23.125)


def test_random_field_as_bonej():
    found = connectivity(random_bone())
    assert (found.euler, found.corrected) == (-32, -80.75)


# ---- mid-axes


@pytest.mark.parametrize(("period", "width"), [(12, 5), (20, 6), (15, 5), (16, 4)])
def test_mid_axes_of_plates(period, width):
    """One or two voxels a plate; spacing from two voxels below the period to the period."""
    plates = np.zeros((100, 60, 60), bool)
    plates[np.arange(100) % period < width] = True
    axes = mid_axis(plates)
    assert axes.mean() == pytest.approx((2 - width % 2) / period, abs=0.02)
    voi = np.zeros_like(plates)
    voi[20:80, 15:45, 15:45] = True
    assert period - 2.05 <= mid_axis_spacing(plates, voi, 1.0) <= period
    assert mid_axis_spacing(np.zeros_like(plates), voi, 1.0) is None


# ---- surface


def test_the_cuts_of_the_voi_are_no_surface():
    at = np.indices((80, 40, 40))
    rod = (at[1] - 20) ** 2 + (at[2] - 20) ** 2 <= 100
    voi = np.zeros_like(rod)
    voi[10:70] = True
    found = surface(rod, voi, 1.0)
    assert found.smoothed_mesh == pytest.approx(2 * np.pi * 10 * 60, rel=0.01)
    assert found.smi == pytest.approx(3, abs=0.06)
    plate = (at[1] >= 18) & (at[1] < 24)
    voi[:, :, :10] = voi[:, :, 30:] = False
    found = surface(plate, voi, 1.0)
    assert found.smi == pytest.approx(0, abs=1e-6)
    hollow = ~ball(15, 10, 0)
    assert surface(hollow, ball(20, 5, 0), 1.0).concave_share > 0.9
    assert surface(hollow, ball(20, 5, 0), 1.0).smi < -3.5


def test_plate_model_is_right_for_plates_and_kept_apart():
    found = plate_model(0.25, 2 / 0.06)
    assert (found.thickness, found.number, found.separation) == pytest.approx(
        (0.06, 0.25 / 0.06, 0.18)
    )
    assert np.isnan(plate_model(0.2, 0.0).thickness)


def test_nothing_has_no_surface():
    found = surface(np.zeros((10, 10, 10), bool), np.ones((10, 10, 10), bool), 1.0)
    assert (found.smoothed_mesh, found.raw_mesh, found.faces) == (0, 0, 0)
    assert np.isnan(found.smi)


# ---- anisotropy


def test_directions_are_even():
    found = mil.directions()
    assert len(found) == 81
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1)
    np.testing.assert_allclose(found.T @ found / 81, np.eye(3) / 3, atol=1e-9)


def test_anisotropy_of_noise_and_plates():
    whole = np.ones((140, 140, 140), bool)
    noise = np.random.default_rng(1).random(whole.shape) < 0.25
    found = anisotropy(noise, whole)
    assert found.bonej < 0.01 and found.ratio < 1.005
    plates = np.zeros_like(whole)
    plates[np.arange(140) % 12 < 4] = True
    found = anisotropy(plates, whole)
    assert found.bonej > 0.9999
    assert abs(found.directions[0, 0]) == pytest.approx(
        1, abs=1e-3
    )  # shortest intercepts across the plates
    assert anisotropy(~whole, whole) is None
    assert anisotropy(noise, ~whole) is None


def test_conventions_of_anisotropy():
    found = mil.Anisotropy(np.array([10.0, 12.0, 20.0]), np.eye(3))
    assert (found.ratio, found.one_minus_ratio, found.bonej, found.tda) == (2, 0.5, 0.75, 4)


def test_noise_floor_is_that_of_isotropic_bone():
    """Of isotropic bone the measured DA is no larger than a few draws of the floor; of stretched bone it is far above."""
    bone = random_bone((80, 80, 80), wavelength=20, seed=8)
    voi = np.ones_like(bone)
    floors = [f.ratio for f in noise_floors(bone, voi, 4)]
    assert min(floors) > 1.005 and max(floors) < 1.25
    assert anisotropy(bone, voi).ratio < 1.0 + 2.5 * (max(floors) - 1)


# ---- density


def test_density_needs_a_calibration():
    grey = np.full((20, 20, 20), 100.0)
    bone = np.zeros(grey.shape, bool)
    bone[5:15, 5:15, 5:15] = True
    grey[bone] = 300
    grey[6:14, 6:14, 6:14] = 400
    voi = np.ones_like(bone)
    settings = Microct.of(SECTION)
    rows = {r["outcome"]: r for r in density_rows(grey, bone, voi, settings, None)}
    assert set(rows) == {"grey_bone", "grey_voi"}
    assert rows["grey_bone"]["value"] == 400 and rows["grey_bone"]["unit"] == "a.u."
    line = Calibration(2.0, -100.0, "test")
    rows = {
        r["outcome"]: r
        for r in density_rows(
            grey, bone, voi, Microct.of({**SECTION, "low_density_cut": 450}), line
        )
    }
    assert rows["tmd"]["value"] == 700 and rows["tmd"]["unit"] == "mgHA/cm3"
    assert rows["bmd"]["value"] == pytest.approx(2 * grey.mean() - 100)
    assert rows["low_density_share"]["value"] == 100
    section = {
        **SECTION,
        "calibration": "line",
        "calibration_slope": 2,
        "calibration_intercept": -100,
        "threshold_unit": "mgHA/cm3",
        "bone_threshold": 300,
    }
    assert in_grey(Microct.of(section), line).bone_threshold == 200
    for bad, reason in (
        ({"threshold_unit": "mgHA/cm3"}, "calibration: is needed where threshold_unit is mgHA/cm3"),
        ({"calibration": "line"}, "calibration_intercept: is needed"),
        ({"calibration": "phantom", "phantom_rods_mgha": [5]}, "at least two densities"),
    ):
        with pytest.raises(InputError, match=reason):
            Microct.of({**SECTION, **bad})


def test_calibration_by_each_way():
    assert calibration_of(Microct.of(SECTION), {}, {}) is None
    header = Microct.of({**SECTION, "calibration": "header"})
    found = calibration_of(header, {"density_slope": 0.2, "density_intercept": -190}, {})
    assert (found.slope, found.intercept) == (0.2, -190)
    with pytest.raises(SpecimenError, match="no calibration"):
        calibration_of(header, {}, {})
    batch = Microct.of({**SECTION, "calibration": "phantom", "phantom_rods_mgha": [0, 800]})
    assert calibration_of(batch, {}, {"slope": 0.5, "intercept": -10}).density(100) == 40
    with pytest.raises(SpecimenError, match="no calibration"):
        calibration_of(batch, {}, {"slope": float("nan"), "intercept": 1})


def phantom(densities=(100, 400, 800), noise=20):
    at = np.indices((80, 80))
    grey = np.full((30, 80, 80), 500.0)
    for (y, x), density in zip(((20, 20), (20, 60), (60, 40)), densities, strict=True):
        grey[:, (at[0] - y) ** 2 + (at[1] - x) ** 2 <= 100] = 1000 + 5 * density
    return grey + noise * np.random.default_rng(0).standard_normal(grey.shape)


def test_phantom_gives_its_line():
    slope, intercept, worst = fit_phantom(phantom().mean(axis=0), [800, 100, 400])
    assert (slope, intercept) == pytest.approx((0.2, -200), rel=0.01)
    assert worst < 1
    with pytest.raises(InputError, match="no threshold shows the 4 declared rods"):
        fit_phantom(phantom().mean(axis=0), [1, 2, 3, 4])
    with pytest.raises(InputError, match="do not lie on a line"):
        fit_phantom(phantom((100, 750, 800)).mean(axis=0), [100, 400, 800])


# ---- voxels that are not cubes, compartments, the whole set


def test_resampling_keeps_a_linear_field():
    z, y, x = np.indices((10, 21, 21)).astype(float)
    grey = 20 * z + 3 * y + x  # per voxel: 20 over 20 µm, 3 over 10 µm
    cubes, spacing = to_cubes(grey, (20.0, 10.0, 10.0))
    assert spacing == (10.0, 10.0, 10.0) and cubes.shape == (19, 21, 21)
    np.testing.assert_allclose(np.diff(cubes, axis=0), 10)
    np.testing.assert_allclose(np.diff(cubes, axis=1), 3)
    same, _ = to_cubes(grey, (10.0, 10.0, 10.0))
    np.testing.assert_array_equal(same, grey)
    whole = to_cubes(grey.astype(np.uint16), (20.0, 10.0, 10.0))[0]
    assert whole.dtype == np.uint16


def test_compartments_of_a_tube():
    bone, r, pore = tube()
    settings = Microct.of(
        {
            **SECTION,
            "compartments": "dual_threshold",
            "cortical_close_um": 80,
            "cortical_pore_um": 40,
            "trabecular_close_um": 80,
        }
    )
    cortex = cortical.split(bits_of(bone), settings, 10.0).cortical(0, len(bone))
    true = (r >= 20) & (r < 26)
    assert 2 * np.count_nonzero(cortex & true) / (cortex.sum() + true.sum()) > 0.97
    rows = {
        r_["outcome"]: r_["value"]
        for r_ in cortical.measure(bits_of(bone), settings, 10.0)
        if not r_.get("variant")
    }
    assert rows["ct_th"] == pytest.approx(
        0.06, abs=0.01
    )  # one voxel: the parity of voxel distances
    assert rows["tt_ar"] == pytest.approx((r < 26)[0].sum() * 1e-4, rel=0.02)
    assert rows["ct_ar"] == pytest.approx((true & ~pore)[0].sum() * 1e-4, rel=0.04)
    assert rows["porosity"] == pytest.approx(100 * pore[0].sum() / true[0].sum(), abs=1)
    with pytest.raises(SpecimenError, match="no medullary space"):
        cortical.split(bits_of(r < 26), settings, 10.0)


def test_every_structural_outcome_has_a_row_and_conventions_agree():
    bone = random_bone((64, 64, 64), wavelength=20)
    nothing, voi = np.zeros_like(bone), np.ones_like(bone)
    rows = structure_rows(bone, bone, nothing, voi, 0.02, 0.2, Microct.of(SECTION))
    values = {(r["outcome"], r.get("variant", "")): r["value"] for r in rows}
    assert values["tbn", ""] == pytest.approx(bone.mean() / 0.2)
    assert values["bs_tv", ""] == pytest.approx(values["bs", ""] / (64**3 * 0.02**3))
    assert values["bs", "method=faces"] > values["bs", "method=raw-mesh"] > values["bs", ""]
    assert values["tbth", "model=plate"] == pytest.approx(2 / values["bs_bv", ""])
    assert values["conn", ""] == pytest.approx((1 - values["euler", ""]) / (64**3 * 0.02**3))
    assert values["da", "convention=tDA"] == pytest.approx(values["da", ""] ** 2)
    assert {"smi", "da"} <= {r["outcome"] for r in rows}
    assert all(r["unit"] for r in rows)
    off = structure_rows(
        bone,
        bone,
        nothing,
        voi,
        0.02,
        None,
        Microct.of({**SECTION, "anisotropy": False, "thickness_variants": False}),
    )
    assert not {"da"} & {r["outcome"] for r in off}


def test_spheres_that_do_not_reach_the_voi_are_left_out_without_a_trace():
    """Thickness in a VOI by the short way equals the map of the whole scan, cut to the VOI: plain, as ImageJ, mid-axes."""
    from periomics.microct.thickness import local_thickness

    bone = random_bone((60, 64, 68), wavelength=16, seed=4)
    at = np.indices(bone.shape)
    voi = (at[1] - 30) ** 2 + (at[2] - 40) ** 2 <= 120
    voi &= (at[0] > 12) & (at[0] < 41)
    for phase in (bone, ~bone):
        found = thickness(phase, voi)
        inside = phase & voi
        whole = local_thickness(phase)
        np.testing.assert_array_equal(found.map_voxels[inside], whole[inside])
        assert found.mean == pytest.approx(whole[inside].mean(dtype=float), rel=1e-7)
        plugin = bonej_thickness(phase)[inside].astype(float)
        assert (found.bonej_mean, found.bonej_sd) == pytest.approx(
            (plugin.mean(), plugin.std()), rel=1e-12
        )
    between = ~mid_axis(bone)
    whole = local_thickness(between)[between & voi].mean(dtype=float)
    assert mid_axis_spacing(bone, voi, 1.0) == pytest.approx(whole, rel=1e-7)
