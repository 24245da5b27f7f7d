"""Scans measured by parts: the numbers, curves and maps of the scan in memory, at several memory settings."""

import numpy as np
import pytest
from microct_bodies import tube

from periomics.core.errors import SpecimenError
from periomics.microct import large
from periomics.microct.budget import WHOLE_BYTES, fits
from periomics.microct.formats.lazy import SlabReader
from periomics.microct.large import NO_FIELD, TOO_LITTLE, measure_large
from periomics.microct.measure import measure
from periomics.study.settings.microct import Microct

COMMON = {"specimen_id": "s", "animal_id": "a"}
SECTION = {
    "bone_threshold": 17000,
    "implant_threshold": 39000,
    "prefilter_sigma_voxels": 0.6,
    "voi": {"inner_um": 90, "outer_um": 250, "axial_um": [0, 500]},
    "level_width_um": 54,
    "shells_um": [[90, 150], [150, 250]],
    "ovtv_curve_um": [36, 108],
    "band_sweep_voxels": 3,
}
BY_SPHERES = [
    ("tbth", "method=bonej"),
    ("tbth_sd", "method=bonej"),
    ("tbsp", "method=bonej"),
    ("tbsp_sd", "method=bonej"),
    ("tbn", "method=mid-axis"),
]


def reader(grey, spacing=(18.0,) * 3):
    return SlabReader(grey.shape, spacing, str(grey.dtype), "test", {}, lambda a, b: grey[a:b])


def simulated(shape=(120, 104, 112), wavelength_um=200.0, seed=3):
    from periomics.simulate.microct import ScanModel, build, image

    model = ScanModel(shape=shape, voxel_um=18.0, wavelength_um=wavelength_um)
    rng = np.random.default_rng(seed)
    return image(build(35, model, Microct.of(SECTION), rng), model, rng)


@pytest.fixture(scope="module")
def scan():
    """The implant and bone of a simulated scan, off the middle of a larger one."""
    inner = simulated()
    grey = np.full((170, 150, 160), 12000, np.uint16)
    grey[:120, 20:124, 30:142] = inner
    grey[125:165, 20:124, 30:142] = np.minimum(
        inner[119:79:-1], 24000
    )  # more bone beyond, not connected to the first
    grey[40:, 140:, :] = 22000
    return grey


def table(found):
    return found.table.set_index(["outcome", "variant"])


def same(found, whole, without=()):
    """Every cell of both tables, and the curves."""
    a, b = table(found), table(whole)
    assert set(a.index) == set(b.index)
    a, b = a.drop(list(without)), b.loc[a.index].drop(list(without))
    for column in a.columns:
        assert ((a[column] == b[column]) | (a[column].isna() & b[column].isna())).all(), column
    assert found.curves.equals(whole.curves)
    assert found.warnings == whole.warnings


def pasted(shape, one):
    """A map in the scan's frame."""
    at, size, planes = one
    out = np.zeros(shape, np.float32)
    out[tuple(slice(a, a + n) for a, n in zip(at, size, strict=True))] = planes(0, size[0])
    return out


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"segmentation": "two_level", "bone_threshold_low": 15500},
        {"segmentation": "adaptive", "bone_threshold_low": 15500, "adaptive_sigma_um": 100},
        {
            "prefilter_sigma_voxels": 0,
            "closing_voxels": 2,
            "da_noise_fields": 0,
            "tmd_peel_voxels": 3,
        },
        {"compartments": "dual_threshold", "cortical_close_um": 100, "trabecular_close_um": 60},
    ],
)
def test_numbers_of_a_box_are_those_of_the_scan(scan, change):
    settings = Microct.of({**SECTION, **change})
    whole = measure(scan, (18.0,) * 3, settings, COMMON)
    found = measure_large(reader(scan), settings.but(memory_mb=200), COMMON)
    assert found.measured.labels.size < 0.5 * scan.size  # it is a box
    same(found.measured, whole)
    np.testing.assert_array_equal(found.labels(0, len(scan)), whole.labels)
    for one, wanted in zip(found.maps, (whole.thickness_mm, whole.separation_mm), strict=True):
        np.testing.assert_array_equal(pasted(scan.shape, one), wanted)


def test_the_box_grows_with_the_spheres_and_what_does_not_fit_goes_by_slabs(scan):
    """Marrow with very large spheres: as in memory where the box may grow, by slabs of the whole where it may not."""
    grey = np.where((scan < 30000) & (np.arange(160) > 100), np.uint16(12000), scan)
    settings = Microct.of(SECTION)
    whole = measure(grey, (18.0,) * 3, settings, COMMON)
    roomy = measure_large(reader(grey), settings.but(memory_mb=400), COMMON)
    same(roomy.measured, whole)
    tight = measure_large(reader(grey), settings.but(memory_mb=130), COMMON)
    assert tight.measured.labels.size < roomy.measured.labels.size
    rows, wanted = table(tight.measured), table(whole)
    assert set(rows.index) == set(wanted.index)
    for key in wanted.index:
        assert rows.loc[key, "value"] == pytest.approx(wanted.loc[key, "value"], rel=1e-7), key
    np.testing.assert_allclose(pasted(grey.shape, tight.maps[1]), whole.separation_mm, rtol=1e-6)


@pytest.mark.parametrize("memory_mb", [45, 70])
def test_an_implant_by_slabs_throughout(scan, memory_mb):
    settings = Microct.of({**SECTION, "low_density_cut": 20000})
    whole = measure(scan, (18.0,) * 3, settings, COMMON)
    found = measure_large(reader(scan), settings.but(memory_mb=memory_mb), COMMON)
    close(found, whole, scan)
    assert found.measured.curves.equals(whole.curves)


@pytest.mark.parametrize("memory_mb", [12, 40])
def test_a_whole_scan_by_slabs(memory_mb):
    grey = np.minimum(simulated((90, 80, 70)), 30000)
    settings = Microct.of({**SECTION, "implant": "none"})
    whole = measure(grey, (18.0,) * 3, settings, COMMON)
    assert not fits(grey.shape, memory_mb)
    found = measure_large(reader(grey), settings.but(memory_mb=memory_mb), COMMON, threads=2)
    close(found, whole, grey)


@pytest.mark.parametrize("memory_mb", [9, 20])
def test_compartments_of_a_whole_scan_by_slabs(memory_mb):
    """To the last digit, Ct.Th too: both forms are the same steps."""
    bone, _, _ = tube()
    grey = np.where(np.tile(bone, (2, 1, 1)), 22000, 12000) + np.random.default_rng(1).normal(
        0, 900, (60, 70, 70)
    )
    grey = grey.astype(np.uint16)
    settings = Microct.of(
        {
            **SECTION,
            "implant": "none",
            "compartments": "dual_threshold",
            "cortical_close_um": 140,
            "cortical_pore_um": 72,
            "trabecular_close_um": 140,
        }
    )
    whole = measure(grey, (18.0,) * 3, settings, COMMON)
    assert not fits(grey.shape, memory_mb)
    found = measure_large(reader(grey), settings.but(memory_mb=memory_mb), COMMON)
    close(found, whole, grey)
    assert table(found.measured).loc["ct_th", "value"].item() == pytest.approx(0.108, abs=0.018)


def test_compartments_that_cannot_be_had_stop_a_scan_as_in_memory():
    """No bone is said first, then no marrow inside it."""
    settings = Microct.of({**SECTION, "implant": "none", "compartments": "dual_threshold"})
    blank = np.full((60, 60, 60), 12000, np.uint16)
    solid = blank.copy()
    solid[20:40, 20:40, 20:40] = 22000
    for grey, why in ((blank, "no bone in the VOI"), (solid, "no medullary space is left")):
        with pytest.raises(SpecimenError, match=why):
            measure(grey, (18.0,) * 3, settings, COMMON)
        with pytest.raises(SpecimenError, match=why):
            measure_large(reader(grey), settings.but(memory_mb=10), COMMON)


def test_noise_floor_is_missing_where_memory_is_too_little_for_its_transforms(monkeypatch):
    monkeypatch.setattr("periomics.microct.random_field.BLOCK_BYTES", 1e3)
    grey = np.minimum(simulated((90, 80, 70)), 30000)
    settings = Microct.of({**SECTION, "implant": "none"}).but(memory_mb=12)
    rows = table(measure_large(reader(grey), settings, COMMON).measured).loc["da"]
    floor = rows.loc["noise-floor"]
    assert floor["qc"] == "fail" and np.isnan(floor["value"])
    assert floor["qc_reason"].startswith(NO_FIELD) and "needed" in floor["qc_reason"]
    assert rows.loc["", "value"] > 1


def close(found, whole, grey):
    """As in memory, but for the rounding of means of maps in single precision."""
    rows, wanted = table(found.measured), table(whole)
    assert set(rows.index) == set(wanted.index)
    assert wanted.loc[[*BY_SPHERES, ("da", "noise-floor")], "value"].notna().all()
    for key in wanted.index:
        if key[0] in ("tbth", "tbth_sd", "tbsp", "tbsp_sd", "tbn") or key[0].startswith("grey_"):
            assert rows.loc[key, "value"] == pytest.approx(wanted.loc[key, "value"], rel=1e-7), key
        else:
            assert rows.loc[key, "value"] == wanted.loc[key, "value"], key
        assert rows.loc[key, "qc"] == wanted.loc[key, "qc"]
    assert rows.loc["da"].equals(
        wanted.loc["da"].loc[rows.loc["da"].index]
    )  # with the noise floor, every cell
    assert rows.loc[("da", "noise-floor"), "value"] > 1
    np.testing.assert_array_equal(found.labels(0, len(grey)), whole.labels)
    for one, map_ in zip(found.maps, (whole.thickness_mm, whole.separation_mm), strict=True):
        np.testing.assert_allclose(pasted(grey.shape, one), map_, rtol=1e-6)
    assert found.measured.warnings == whole.warnings


def test_memory_that_is_too_little_is_said(scan):
    """For the spheres: thickness is missing with the reason, the rest is there; for a slab: the scan is not measured."""
    rows = table(
        measure_large(reader(scan), Microct.of(SECTION).but(memory_mb=20), COMMON).measured
    )
    assert (rows.loc[[("tbsp", ""), ("tbsp_sd", "")], "qc"] == "fail").all()
    for key in (("tbsp", ""), ("tbn", "method=mid-axis")):
        assert rows.loc[key, "qc_reason"].startswith(f"{TOO_LITTLE}: ") and np.isnan(
            rows.loc[key, "value"]
        )
    assert rows.loc[[("bvtv", ""), ("ridge", ""), ("conn", "")], "value"].notna().all()
    with pytest.raises(SpecimenError, match=r"memory_mb is too little for this scan: .* needed"):
        measure_large(reader(scan), Microct.of(SECTION).but(memory_mb=5), COMMON)
    wide = np.full((90, 150, 160), 12000, np.uint16)
    wide[20:60, 40:100, 40:100] = 22000
    with pytest.raises(
        SpecimenError, match="memory_mb is too little for this scan"
    ):  # enough to segment, not to count
        measure_large(
            reader(wide), Microct.of({**SECTION, "implant": "none"}).but(memory_mb=9), COMMON
        )
    assert fits((100, 100, 100), WHOLE_BYTES) and not fits((100, 100, 101), WHOLE_BYTES)


def test_where_memory_is_too_little_for_imagejs_form_alone_the_plain_one_is_measured(monkeypatch):
    grey = np.minimum(simulated((90, 80, 70)), 30000)
    settings = Microct.of({**SECTION, "implant": "none", "anisotropy": False}).but(memory_mb=40)
    whole = table(measure_large(reader(grey), settings, COMMON).measured)
    streamed = large.streamed_thickness

    def begin_and_fail(*args, write_bonej=None, write=None, **more):
        if write_bonej is not None:
            streamed(*args, write_bonej=write_bonej, write=write, **more)
            raise ValueError("1 MB are too few")
        return streamed(*args, write=write, **more)

    monkeypatch.setattr(large, "streamed_thickness", begin_and_fail)
    rows = table(measure_large(reader(grey), settings, COMMON).measured)
    assert set(rows.index) == set(whole.index)
    failed = [k for k in BY_SPHERES if k[1] == "method=bonej"]
    assert (rows.loc[failed, "qc_reason"] == f"{TOO_LITTLE}: 1 MB are too few").all()
    assert rows.loc[failed, "value"].isna().all()
    assert rows.drop(failed).equals(whole.drop(failed))
