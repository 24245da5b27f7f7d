"""However many slabs the memory allows: the same numbers, curves, labels and maps as in one slab; what it is too little for."""

import numpy as np
import pytest
from microct_bodies import tube

from periomics.core.errors import SpecimenError
from periomics.microct import sizes, spill
from periomics.microct.formats.lazy import in_memory
from periomics.microct.measure import NO_FIELD, measure
from periomics.microct.slabs import TOO_LITTLE
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


def at(grey, settings, memory_mb, threads=1):
    """Measured within so many MB."""
    return measure(in_memory(grey, (18.0,) * 3), settings.but(memory_mb=memory_mb), COMMON, threads)


def same(found, whole, shape, without=()):
    """Every cell of both tables but for the rounding of sums, curves, warnings, labels and maps."""
    a, b = table(found), table(whole)
    assert set(a.index) == set(b.index)
    a, b = a.drop(list(without)), b.loc[a.index].drop(list(without))
    for column in a.columns:
        if column == "value":
            np.testing.assert_allclose(a[column], b[column], rtol=1e-12)
        else:
            assert ((a[column] == b[column]) | (a[column].isna() & b[column].isna())).all(), column
    assert found.curves.equals(whole.curves)
    assert found.warnings == whole.warnings
    np.testing.assert_array_equal(found.labels(0, shape[0]), whole.labels(0, shape[0]))
    for one, wanted in zip(found.maps, whole.maps, strict=True):
        assert one[:2] == wanted[:2]
        np.testing.assert_array_equal(one[2](0, one[1][0]), wanted[2](0, one[1][0]))


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
def test_numbers_do_not_depend_on_the_slabs(scan, change, monkeypatch):
    """An implant off the middle of a scan much larger than its surroundings."""
    settings = Microct.of({**SECTION, **change})
    whole = at(scan, settings, 4000)
    size = whole.maps[0][1]
    assert np.prod(size) < 0.3 * scan.size  # maps hold the VOI's box
    labels = whole.labels(0, len(scan))
    assert size == tuple(int(np.ptp(a)) + 1 for a in np.nonzero(np.isin(labels, (3, 4))))
    filed = []
    monkeypatch.setattr("periomics.microct.measure.MAPS_SHARE", 0)
    monkeypatch.setattr(spill, "Spill", lambda *a: filed.append(a) or spilled(*a))
    same(at(scan, settings, 70), whole, scan.shape)
    assert len(filed) >= 2  # the maps went through files


spilled = spill.Spill


def test_very_large_spheres_are_found_in_any_memory_that_holds_them(scan):
    """Marrow with spheres that reach far beyond the VOI."""
    grey = np.where((scan < 30000) & (np.arange(160) > 100), np.uint16(12000), scan)
    settings = Microct.of({**SECTION, "anisotropy": False})
    same(at(grey, settings, 130), at(grey, settings, 4000), grey.shape)


def test_low_density_and_two_threads(scan):
    settings = Microct.of({**SECTION, "low_density_cut": 20000})
    same(at(scan, settings, 45, threads=2), at(scan, settings, 4000), scan.shape)


def test_what_lies_around_the_surroundings_of_the_implant_changes_no_number(scan):
    """The part of the scan around the VOI that spheres and the noise floor rest on, cut out, gives the same thickness."""
    settings = Microct.of({**SECTION, "level_share": 0.2})
    whole = table(at(scan, settings, 4000))
    cut = table(at(scan[:, 10:140, 20:150], settings, 4000))
    for key in (("tbth", ""), ("tbsp", ""), ("bs", ""), ("da", ""), ("bvtv", ""), ("ridge", "")):
        assert cut.loc[key, "value"] == pytest.approx(whole.loc[key, "value"], rel=1e-9), key


@pytest.mark.parametrize("memory_mb", [14, 40])
def test_a_whole_scan(memory_mb):
    grey = np.minimum(simulated((90, 80, 70)), 30000)
    settings = Microct.of({**SECTION, "implant": "none"})
    whole = at(grey, settings, 4000)
    assert table(whole).loc[[*BY_SPHERES, ("da", "noise-floor")], "value"].notna().all()
    same(at(grey, settings, memory_mb, threads=2), whole, grey.shape)


@pytest.mark.parametrize("memory_mb", [9, 20])
def test_compartments_of_a_whole_scan_by_slabs(memory_mb):
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
    whole = at(grey, settings, 4000)
    same(at(grey, settings, memory_mb), whole, grey.shape)
    assert table(whole).loc["ct_th", "value"].item() == pytest.approx(0.108, abs=0.018)


def test_compartments_that_cannot_be_had_stop_a_scan():
    """No bone is said first, then no marrow inside it."""
    settings = Microct.of({**SECTION, "implant": "none", "compartments": "dual_threshold"})
    blank = np.full((60, 60, 60), 12000, np.uint16)
    solid = blank.copy()
    solid[20:40, 20:40, 20:40] = 22000
    for grey, why in ((blank, "no bone in the VOI"), (solid, "no medullary space is left")):
        for memory_mb in (4000, 10):
            with pytest.raises(SpecimenError, match=why):
                at(grey, settings, memory_mb)


def test_noise_floor_is_missing_where_memory_is_too_little_for_its_transforms(monkeypatch):
    monkeypatch.setattr("periomics.microct.random_field.BLOCK_BYTES", 1e3)
    grey = np.minimum(simulated((90, 80, 70)), 30000)
    settings = Microct.of({**SECTION, "implant": "none"})
    rows = table(at(grey, settings, 12)).loc["da"]
    floor = rows.loc["noise-floor"]
    assert floor["qc"] == "fail" and np.isnan(floor["value"])
    assert floor["qc_reason"].startswith(NO_FIELD) and "needed" in floor["qc_reason"]
    assert rows.loc["", "value"] > 1


def test_memory_that_is_too_little_is_said(scan):
    """For the spheres: thickness is missing with the reason, the rest is there; for a slab: the scan is not measured."""
    rows = table(at(scan, Microct.of(SECTION), 20))
    assert (rows.loc[[("tbsp", ""), ("tbsp_sd", "")], "qc"] == "fail").all()
    for key in (("tbsp", ""), ("tbn", "method=mid-axis")):
        assert rows.loc[key, "qc_reason"].startswith(f"{TOO_LITTLE}: ") and np.isnan(
            rows.loc[key, "value"]
        )
    assert rows.loc[[("bvtv", ""), ("ridge", ""), ("conn", "")], "value"].notna().all()
    with pytest.raises(SpecimenError, match=r"memory_mb is too little for this scan: .* needed"):
        at(scan, Microct.of(SECTION), 5)
    wide = np.full((90, 150, 160), 12000, np.uint16)
    wide[20:60, 40:100, 40:100] = 22000
    with pytest.raises(
        SpecimenError, match="memory_mb is too little for this scan"
    ):  # enough to segment, not to count
        at(wide, Microct.of({**SECTION, "implant": "none"}), 9)


def test_where_memory_is_too_little_for_imagejs_form_alone_the_plain_one_is_measured(monkeypatch):
    grey = np.minimum(simulated((90, 80, 70)), 30000)
    settings = Microct.of({**SECTION, "implant": "none", "anisotropy": False})
    whole = table(at(grey, settings, 40))
    streamed = sizes.streamed_thickness

    def begin_and_fail(*args, write_bonej=None, write=None, **more):
        if write_bonej is not None:
            streamed(*args, write_bonej=write_bonej, write=write, **more)
            raise ValueError("1 MB are too few")
        return streamed(*args, write=write, **more)

    monkeypatch.setattr(sizes, "streamed_thickness", begin_and_fail)
    rows = table(at(grey, settings, 40))
    assert set(rows.index) == set(whole.index)
    failed = [k for k in BY_SPHERES if k[1] == "method=bonej"]
    assert (rows.loc[failed, "qc_reason"] == f"{TOO_LITTLE}: 1 MB are too few").all()
    assert rows.loc[failed, "value"].isna().all()
    assert rows.drop(failed).equals(whole.drop(failed))
