"""Simulated scans: the truth is what the labels hold, and the measurement finds it over the whole range."""

import numpy as np
import pandas as pd
import pytest

from periomics.core.errors import InputError
from periomics.core.seeds import generator
from periomics.microct.formats.lazy import in_memory
from periomics.microct.masks import LABELS
from periomics.microct.measure import measure
from periomics.microct.thickness import local_thickness
from periomics.simulate.microct import (
    ScanModel,
    build,
    image,
    scan_model,
    simulate_specimen,
    simulate_to_file,
    truth,
)
from periomics.simulate.sampled_thickness import sampled_thickness
from periomics.simulate.trabeculae import bone_mask, draw_implant, implant_mask, random_field
from periomics.study.settings.microct import Microct

MEASURE = {
    "bone_threshold": 17000,
    "implant_threshold": 39000,
    "prefilter_sigma_voxels": 0.6,
    "voi": {"inner_um": 90, "outer_um": 500, "axial_um": [0, 1000]},
    "ovtv_curve_um": [36, 90, 108],
    "shells_um": [[90, 200], [200, 350], [350, 500]],
}
SMALL = {
    **MEASURE,
    "voi": {"inner_um": 90, "outer_um": 300, "axial_um": [0, 500]},
    "shells_um": [[90, 200]],
}
TARGETS = (20, 30, 40, 50, 57, 65)


def recover(model, section, targets, noise=True):
    """Measured beside true, one row per outcome and specimen, and the overlap of the implant masks."""
    settings, tables, overlaps = Microct.of(section), [], []
    for seed, target in enumerate(targets):
        rng = generator(7, "simulate_microct", f"s{seed}")
        specimen = build(target, model, settings, rng)
        scan = image(specimen, model, rng if noise else None)
        found = measure(
            in_memory(scan, (model.voxel_um,) * 3),
            settings,
            {"specimen_id": f"s{seed}", "animal_id": "a"},
        )
        rows = pd.DataFrame(truth(specimen, settings, model.truth_voxels)).assign(target=target)
        tables.append(
            rows.merge(
                found.table[["outcome", "variant", "value", "qc"]], on=["outcome", "variant"]
            )
        )
        assert len(tables[-1]) == len(rows)
        metal = found.labels(0, len(scan)) == LABELS["implant"]
        both = np.count_nonzero(metal & specimen.implant)
        overlaps.append(2 * both / (metal.sum() + specimen.implant.sum()))
    return pd.concat(tables, ignore_index=True), overlaps


@pytest.fixture(scope="module")
def noisy():
    return recover(ScanModel(), MEASURE, TARGETS)


def test_recovers_every_outcome_within_its_bound(noisy):
    table, overlaps = noisy
    error = (table["value"] - table["truth"]).abs()
    bound = (
        table["outcome"]
        .map(
            {
                "bvtv": 1.5,
                "ovtv": 2.0,
                "bic_ct": 2.0,
                "tbth": 0.018,
                "tbsp": 0.018,
                "tbth_sd": 0.018,
                "tbsp_sd": 0.018,
                "bv": np.nan,
                "tv": np.nan,
            }
        )
        .fillna(0.05 * table["truth"])
    )
    assert (error <= bound).all(), table[error > bound]
    relative = (table["value"] / table["truth"] - 1).groupby(table["outcome"]).mean()
    assert relative.abs().max() < 0.05
    assert min(overlaps) > 0.97
    assert (table["qc"] == "pass").all()


@pytest.mark.parametrize("outcome", ["bvtv", "ovtv", "tbth", "tbsp", "bv"])
def test_slope_is_one_and_error_has_no_trend(noisy, outcome):
    table, _ = noisy
    one = table[(table["outcome"] == outcome) & (table["variant"] == "")]
    slope = np.polyfit(one["truth"], one["value"], 1)[0]
    assert 0.95 < slope < 1.05


def test_noise_free_bone_fraction():
    table, _ = recover(ScanModel(truth_voxels=50), MEASURE, (20, 65), noise=False)
    one = table[(table["outcome"] == "bvtv") & (table["variant"] == "")]
    assert (one["value"] - one["truth"]).abs().max() < 0.3


@pytest.mark.parametrize(("wavelength_um", "bvtv", "voxels"), [(180, 35, 5.1), (216, 40, 6.3)])
def test_thin_trabeculae_keep_their_thickness(wavelength_um, bvtv, voxels):
    """From five voxels a trabecula on, blurred and noisy: within 3 %."""
    settings, model = (
        Microct.of({**MEASURE, "anisotropy": False}),
        ScanModel(wavelength_um=wavelength_um),
    )
    specimen = build(bvtv, model, settings, np.random.default_rng(1))
    scan = image(specimen, model, np.random.default_rng(2))
    common = {"specimen_id": "s", "animal_id": "a"}
    found = measure(in_memory(scan, (model.voxel_um,) * 3), settings, common).table
    got = found.set_index(["outcome", "variant"]).loc[("tbth", ""), "value"]
    true = next(row["truth"] for row in truth(specimen, settings, 4000) if row["outcome"] == "tbth")
    assert true * 1000 / model.voxel_um == pytest.approx(voxels, rel=0.08)
    assert got == pytest.approx(true, rel=0.03)


def test_small_scans_for_quick_studies():
    table, overlaps = recover(ScanModel(shape=(64, 64, 64)), SMALL, (20, 35, 50, 65))
    one = table[table["variant"] == ""].set_index("outcome")
    error = (one["value"] - one["truth"]).abs()
    assert error["bvtv"].max() < 1.5
    assert error["tbth"].max() < 0.018
    assert error["ovtv"].max() < 2.0
    assert min(overlaps) > 0.97


def test_truth_is_the_target_and_shells_add_up():
    settings, model = Microct.of(SMALL), ScanModel(shape=(64, 64, 64))
    specimen = build(37.0, model, settings, np.random.default_rng(1))
    got = pd.DataFrame(truth(specimen, settings, 200)).set_index(["outcome", "variant"])["truth"]
    assert got["bvtv", ""] == pytest.approx(37.0, abs=100 / specimen.voi.sum())
    assert got["bv", ""] == pytest.approx(0.37 * got["tv", ""], rel=1e-3)
    assert got["tv", ""] == pytest.approx(specimen.voi.sum() * 0.018**3)
    assert ("ovtv", "offset=36um,width=54um") not in got.index  # begins inside the exclusion band
    assert not (specimen.bone & specimen.implant).any()


def test_sampled_thickness_equals_the_exact_map():
    """Two programs without shared code, all voxels looked at: the same mean and spread."""
    field = random_field((30, 31, 32), 12.0, np.random.default_rng(2))
    mask = field > 0
    where = np.zeros_like(mask)
    where[5:25, 4:20] = True
    mean, sd, n = sampled_thickness(mask, where, 10**9)
    values = local_thickness(mask)[mask & where].astype(float)
    assert n == values.size
    assert (mean, sd) == pytest.approx((values.mean(), values.std()), rel=1e-6)
    few = sampled_thickness(mask, where, 1000)
    assert few[2] < n
    assert few[0] == pytest.approx(mean, rel=0.03)
    assert sampled_thickness(mask, ~mask, 10)[2] == 0


def test_same_seed_same_scan_and_each_specimen_its_own():
    model, settings = ScanModel(shape=(48, 48, 48), truth_voxels=50), Microct.of(SMALL)
    first = simulate_specimen("a", 40, model, settings, 1)
    again = simulate_specimen("a", 40, model, settings, 1)
    np.testing.assert_array_equal(first[0], again[0])
    assert first[1] == again[1]
    assert not np.array_equal(first[0], simulate_specimen("b", 40, model, settings, 1)[0])
    assert not np.array_equal(first[0], simulate_specimen("a", 40, model, settings, 2)[0])


def test_nothing_is_clipped():
    settings = Microct.of(SMALL)
    specimen = build(40, ScanModel(shape=(48, 48, 48)), settings, np.random.default_rng(0))
    scan = image(specimen, ScanModel(shape=(48, 48, 48)), np.random.default_rng(1))
    assert scan.min() > 0
    assert scan.max() < 65535
    with pytest.raises(ValueError, match="leave the range of 16 bits"):
        image(
            specimen, ScanModel(shape=(48, 48, 48), implant_level=66000), np.random.default_rng(1)
        )


def test_metal_artefact_stays_inside_the_band():
    settings, model = Microct.of(SMALL), ScanModel(shape=(64, 64, 64))
    specimen = build(40, model, settings, np.random.default_rng(0))
    with_metal = image(specimen, model, None).astype(float)
    without = image(specimen, ScanModel(shape=(64, 64, 64), halo=0, dark=0), None).astype(float)
    change = np.abs(with_metal - without)
    away = specimen.distance_um / model.voxel_um
    assert change[(away > 0) & (away <= 2)].min() > 1000
    assert change[away > 5].max() < 0.1 * (model.bone_level - model.soft_level)


def test_implant_scales_with_the_scan():
    for size in (48, 64, 112):
        screw = draw_implant((size,) * 3, 5.0, np.random.default_rng(0))
        share = implant_mask((size,) * 3, screw).mean()
        assert share == pytest.approx(0.0386, rel=0.05)
        assert np.degrees(np.arccos(-screw.direction[0])) <= 5.0


def test_bad_input():
    with pytest.raises(InputError, match="did you mean 'noise_sd'"):
        scan_model({"noise_std": 1})
    with pytest.raises(InputError, match="at least 32"):
        scan_model({"shape": [8, 8, 8]})
    with pytest.raises(ValueError, match="no bone or no marrow"):
        bone_mask(
            np.zeros((2, 2, 2)),
            np.ones((2, 2, 2), bool),
            np.ones((2, 2, 2), bool),
            np.zeros((2, 2, 2), bool),
            1.0,
        )
    far = Microct.of({**SMALL, "voi": {"inner_um": 2000, "outer_um": 3000}})
    above = Microct.of({**SMALL, "voi": {"inner_um": 90, "outer_um": 200, "axial_um": [660, 700]}})
    for missed in (far, above):
        with pytest.raises(InputError, match="no voxel below its crest in the declared VOI"):
            build(40, ScanModel(shape=(48, 48, 48)), missed, np.random.default_rng(0))
    with pytest.raises(InputError, match="not the simulated one"):
        fact = {"specimen_id": "a", "path": "x", "voxel_um": 9}
        model, definitions = ScanModel(), Microct.of(SMALL)
        simulate_to_file((fact, 40.0), model=model, definitions=definitions, seed=1)
