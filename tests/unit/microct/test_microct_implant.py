"""Contact, marginal bone level and insertion depth where they are planted; segmentation rules, batches, corrected masks."""

import numpy as np
import pytest
from microct_arrays import bone_mask, corrected, find_regions, measure

from periomics.core.errors import InputError, SpecimenError
from periomics.microct import contact
from periomics.microct.batch import batch_row
from periomics.microct.formats.lazy import SlabReader
from periomics.microct.formats.writers import write_volume
from periomics.microct.masks import LABELS
from periomics.microct.periimplant import shell
from periomics.microct.scan import batch_settings, measure_file
from periomics.study.settings.microct import Microct

SECTION = {
    "bone_threshold": 100,
    "implant_threshold": 1000,
    "prefilter_sigma_voxels": 0,
    "closing_voxels": 0,
    "voi": {"inner_um": 30, "outer_um": 120},
    "ovtv_offset_um": 30,
    "ovtv_width_um": 30,
    "level_width_um": 30,
    "band_sweep_voxels": 5,
    "da_noise_fields": 0,
    "anisotropy": False,
}
COMMON = {"specimen_id": "s", "animal_id": "a"}
SPACING = (10.0, 10.0, 10.0)


def rod(shape=(80, 70, 70), radius=8):
    """A metal cylinder along z from 10 to 69; apex at the high end. Returns grey and (z, y, x) from its axis."""
    at = np.indices(shape) - np.array([0, 35, 35])[:, None, None, None]
    grey = np.zeros(shape, np.float32)
    grey[(at[1] ** 2 + at[2] ** 2 <= radius**2) & (at[0] >= 10) & (at[0] < 70)] = 3000
    return grey, at


def by_sector(at, crests):
    """Bone up to another height in each sector; angles as the code counts them, from x towards the cross product."""
    angle = np.arctan2(at[1], at[2]) % (2 * np.pi)
    return angle, np.minimum((angle / (2 * np.pi) * len(crests)).astype(int), len(crests) - 1)


def values(found):
    return found.table.set_index(["outcome", "variant"])["value"]


def test_marginal_level_and_insertion_by_sector():
    grey, at = rod()
    crests = np.array([20, 24, 30, 16, 40, 22, 26, 18])
    _, sector = by_sector(at, crests)
    bone = (at[0] >= crests[sector]) & (at[0] < 76) & (grey < 1000)
    grey[bone] = 200
    grey[12, 40, 45] = 200  # a speck of noise above the crest
    found = measure(grey, SPACING, Microct.of(SECTION), COMMON)
    got = values(found)
    # the shoulder is at z = 10; within a voxel in every sector
    assert got["ridge", ""] == pytest.approx((crests - 10).mean() / 100, abs=0.01)
    assert got["ridge", "statistic=max"] == pytest.approx(0.30, abs=0.01)
    assert got["insertion", ""] == pytest.approx((70 - crests).mean() / 100, abs=0.005)
    losses = found.curves.query("curve == 'loss_by_sector'")["value"].to_numpy()
    assert sorted(losses) == pytest.approx(sorted((crests - 10) / 100), abs=0.011)
    at_most_one_turned = [np.roll(losses, k) for k in range(8)] + [
        np.roll(losses[::-1], k) for k in range(8)
    ]
    assert any(
        np.allclose(turned, (crests - 10) / 100, atol=0.011) for turned in at_most_one_turned
    )


def test_a_sector_without_bone_is_lost_and_said():
    grey, at = rod()
    angle, sector = by_sector(at, np.zeros(8))
    grey[
        (at[0] >= 20) & (grey < 1000) & (sector != 3) & (np.abs(angle - 3.5 * np.pi / 4) > 0.6)
    ] = 200
    found = measure(grey, SPACING, Microct.of(SECTION), COMMON)
    rows = found.table[found.table["outcome"] == "ridge"]
    assert (rows["qc"] == "hold").all()  # the region meets the border of this small scan
    assert rows["qc_reason"].str.contains("no bone in [12] of 8 sectors").all()
    assert rows["qc_reason"].str.contains("the VOI meets the border of the scan").all()
    assert values(found)["ridge", "statistic=max"] == pytest.approx(0.59, abs=0.001)


def test_contact_by_offset_height_and_octant():
    """Bone in every other 45-degree sector: contact is one half at every offset and height, 0 or 100 % by octant."""
    grey, at = rod()
    _, sector = by_sector(at, np.zeros(8))
    grey[(sector % 2 == 0) & (grey < 1000) & (at[0] < 78)] = 200
    section = {**SECTION, "voi": {"inner_um": 30, "outer_um": 200, "axial_um": [100, 500]}}
    found = measure(grey, SPACING, Microct.of(section), COMMON)
    assert values(found)["bic_ct", ""] == pytest.approx(50, abs=1.5)
    curves = found.curves.set_index("curve")["value"]
    assert curves["bic_by_offset"].to_numpy() == pytest.approx(np.full(6, 50), abs=4)
    assert curves["bvtv_by_distance"].to_numpy() == pytest.approx(np.full(20, 50), abs=4)
    assert curves["band_sweep_bvtv"].to_numpy() == pytest.approx(np.full(6, 50), abs=1.5)
    assert len(curves["bic_by_height"]) == 41
    assert curves["bic_by_height"].to_numpy() == pytest.approx(np.full(41, 50), abs=5)
    octants = curves["bic_by_octant"].to_numpy()
    assert sorted(octants) == pytest.approx([0, 0, 0, 0, 100, 100, 100, 100], abs=12)


def test_halo_shows_in_the_curves_only():
    """An artefact of 20 µm fills the first offsets; the default layer behind a band of 30 µm does not see it."""
    grey, at = rod()
    _, sector = by_sector(at, np.zeros(8))
    grey[(sector % 2 == 0) & (grey < 1000)] = 200
    settings = Microct.of(SECTION)
    regions = find_regions(grey, 10.0, settings)
    plain = values(measure(grey, SPACING, settings, COMMON))
    grey[(regions.distance <= 20) & (grey < 1000)] = 500
    found = measure(grey, SPACING, settings, COMMON)
    curve = found.curves.query("curve == 'bic_by_offset'")["value"].to_numpy()
    assert curve[:2] == pytest.approx([100, 100])
    assert curve[2:] == pytest.approx(np.full(4, 50), abs=3)
    assert values(found)["bic_ct", ""] == plain["bic_ct", ""]


def test_contact_layer_is_the_first_whole_voxel_behind_the_band():
    grey, _ = rod()
    settings = Microct.of({**SECTION, "voi": {"inner_um": 35, "outer_um": 120}})
    regions = find_regions(grey, 10.0, settings)
    assert contact.contact_range(settings, 10.0) == (40, 80)
    assert contact.contact_range(settings.but(contact_voxels=1), 10.0) == (40, 50)
    assert regions.axis.length == pytest.approx(59)


@pytest.mark.parametrize("bvtv", [25.0, 45.0])
def test_simulated_scans(bvtv):
    """Contact away from metal within 2 points, metal by Dice over .97; the marginal level stands in test_microct_level."""
    from periomics.simulate.microct import ScanModel, build, image

    section = {
        "bone_threshold": 17000,
        "implant_threshold": 39000,
        "prefilter_sigma_voxels": 0.6,
        "anisotropy": False,
        "thickness_variants": False,
        "voi": {"inner_um": 90, "outer_um": 500, "axial_um": [0, 1000]},
    }
    settings = Microct.of(section)
    model = ScanModel(shape=(96, 96, 96), voxel_um=18.0)
    specimen = build(bvtv, model, settings, np.random.default_rng(7))
    found = measure(image(specimen, model, np.random.default_rng(8)), (18.0,) * 3, settings, COMMON)
    got, regions = values(found), found.regions
    both = np.count_nonzero(regions.implant & specimen.implant)
    assert 2 * both / (regions.implant.sum() + specimen.implant.sum()) > 0.97
    assert got["bvtv", ""] == pytest.approx(bvtv, abs=1.5)
    true = contact.Surroundings(
        specimen.bone,
        specimen.bone & ~regions.zone,
        specimen.distance_um.astype(np.float32),
        specimen.height_um.astype(np.float32),
        regions.axis,
        18.0,
    )
    start, end = contact.contact_range(settings, 18.0)
    layer = shell(true.distance, start, end, true.height, settings.voi)
    assert got["bic_ct", ""] == pytest.approx(100 * specimen.bone[layer].mean(), abs=2)


# ---- segmentation


def test_two_level_keeps_only_what_hangs_together():
    grey = np.zeros((20, 20, 20), np.float32)
    grey[5:15, 5:15, 5:15] = 80
    grey[8:12, 8:12, 8:12] = 200
    grey[1:3, 1:3, 1:3] = 80
    settings = Microct.of({**SECTION, "segmentation": "two_level", "bone_threshold_low": 50})
    found = bone_mask(grey, settings, 10.0, np.zeros(grey.shape, bool))
    assert found.sum() == 1000
    cut = np.zeros(grey.shape, bool)
    cut[8:12, 8:12, 8:12] = True
    assert bone_mask(grey, settings, 10.0, cut).sum() == 64  # metal's halo is no seed
    assert bone_mask(grey, Microct.of(SECTION), 10.0, cut).sum() == 64


def test_adaptive_finds_thin_bone_on_a_slope():
    grey = np.tile(np.linspace(0, 60, 60, dtype=np.float32), (40, 40, 1))
    grey[18:21] += 30
    settings = Microct.of(
        {**SECTION, "segmentation": "adaptive", "bone_threshold_low": 30, "adaptive_sigma_um": 60}
    )
    found = bone_mask(grey, settings, 10.0, np.zeros(grey.shape, bool))
    assert found[18:21, 10:30, 10:50].mean() > 0.9
    assert found[:10, 10:30, :29].sum() == 0
    assert found[24:, 10:30, 10:50].mean() < 0.6
    with pytest.raises(InputError, match="below bone_threshold"):
        Microct.of({**SECTION, "segmentation": "adaptive", "bone_threshold_low": 100})


# ---- batches


def reader(grey):
    return SlabReader(grey.shape, SPACING, str(grey.dtype), "test", {}, lambda a, b: grey[a:b])


def scans_of_a_batch():
    rng = np.random.default_rng(0)
    scans = {}
    for name, share in (("a", 0.2), ("b", 0.6)):
        grey = np.where(rng.random((30, 30, 30)) < share, 300.0, 100.0) + 20 * rng.standard_normal(
            (30, 30, 30)
        )
        scans[name] = reader(grey.astype(np.float32))
    return scans


def test_one_threshold_a_batch():
    scans = scans_of_a_batch()
    rows = [{"specimen_id": n, "path": n, "role": "sample"} for n in scans]
    settings = Microct.of(
        {**SECTION, "bone_threshold": None, "threshold_rule": "otsu", "implant": "none"}
    )
    found = batch_row("day1", rows, settings, lambda r: scans[r["path"]]).iloc[0]
    assert found["bone_threshold"] == pytest.approx(200, abs=12)
    assert (found["n_scans"], found["reason"]) == (2, "")
    assert batch_settings(settings, found.to_dict()).bone_threshold == found["bone_threshold"]

    def broken(row):
        if row["path"] == "a":
            raise InputError("cut off", file="a")
        return scans[row["path"]]

    found = batch_row("day1", rows, settings, broken).iloc[0]
    assert found["n_scans"] == 1 and "a left out" in found["reason"]
    none = batch_row("day1", [], settings, broken).iloc[0]
    with pytest.raises(SpecimenError, match="no scan gives grey values"):
        batch_settings(settings, none.to_dict())
    with pytest.raises(SpecimenError, match="no row for the batch"):
        batch_settings(settings, {})
    assert "Otsu, pooled" in batch_settings(settings, {"bone_threshold": 200}).describe()


def test_metal_and_air_are_left_out_of_the_pool():
    scans = scans_of_a_batch()
    wide = np.full((40, 40, 40), -500, np.float32)
    wide[5:35, 5:35, 5:35] = scans["b"].slab(0, 30)
    wide[15:25, 15:25, 15:25] = 5000
    section = {**SECTION, "bone_threshold": None, "threshold_rule": "otsu", "air_below": 0}
    rows = [{"specimen_id": "w"}]
    found = batch_row("d", rows, Microct.of(section), lambda r: reader(wide)).iloc[0]
    assert found["bone_threshold"] == pytest.approx(200, abs=35)  # not pulled to metal or air


def test_phantom_of_the_batch():
    grey = np.full((10, 60, 60), 500.0)
    grey[:, 5:25, 5:25], grey[:, 35:55, 35:55] = 1500, 4500
    settings = Microct.of({**SECTION, "calibration": "phantom", "phantom_rods_mgha": [200, 800]})
    rows = [{"specimen_id": "p", "role": "phantom"}, {"specimen_id": "s", "role": "sample"}]
    found = batch_row("d", rows, settings, lambda r: reader(grey)).iloc[0]
    assert (found["slope"], found["intercept"], found["phantom"]) == (
        pytest.approx(0.2),
        pytest.approx(-100),
        "p",
    )
    none = batch_row("d", rows[1:], settings, lambda r: reader(grey)).iloc[0]
    assert "no usable scan of role phantom" in none["reason"]


# ---- masks by hand


def scan_and_mask(tmp_path):
    grey, at = rod()
    grey[(at[0] >= 25) & (grey < 1000) & (at[0] % 6 < 3)] = 200
    write_volume(grey.astype(np.uint16), SPACING, tmp_path / "s.nrrd")
    settings = Microct.of(SECTION)
    found = measure_file(str(tmp_path / "s.nrrd"), {}, settings, COMMON)
    return grey, settings, found


def test_a_label_map_put_back_changes_nothing(tmp_path):
    _, settings, found = scan_and_mask(tmp_path)
    write_volume(found.measured.labels(0, 80), SPACING, tmp_path / "mask.nii.gz")
    row = {"mask_by": "AB", "mask_reason": "none needed"}
    again = measure_file(
        str(tmp_path / "s.nrrd"), row, settings, COMMON, str(tmp_path / "mask.nii.gz")
    )
    np.testing.assert_array_equal(again.measured.labels(0, 80), found.measured.labels(0, 80))
    table = again.measured.table.set_index(["outcome", "variant"])
    first = found.measured.table.set_index(["outcome", "variant"])
    for key in (("bvtv", ""), ("tbth", ""), ("tv", ""), ("ridge", "")):
        assert table.loc[key, "value"] == first.loc[key, "value"]
    assert (
        "by hand: implant, band, bone, voi; mask by AB, reason: none needed"
        in table.loc[("bvtv", ""), "method"]
    )
    assert table.loc[("bvtv", "mask=before"), "value"] == first.loc[("bvtv", ""), "value"]


def test_a_corrected_mask_is_used(tmp_path):
    _, settings, found = scan_and_mask(tmp_path)
    labels = found.measured.labels(0, 80)
    labels[(labels == LABELS["bone in VOI"]) & (np.arange(80) < 40)[:, None, None]] = LABELS[
        "marrow in VOI"
    ]
    write_volume(labels, SPACING, tmp_path / "mask.nrrd")
    again = measure_file(
        str(tmp_path / "s.nrrd"), {}, settings, COMMON, str(tmp_path / "mask.nrrd")
    ).measured
    got = values(again)
    assert got["bvtv", ""] < got["bvtv", "mask=before"] - 5
    assert got["bvtv", "mask=before"] == values(found.measured)["bvtv", ""]
    assert got["bvtv", ""] == pytest.approx(
        100 * np.count_nonzero(labels == 3) / np.isin(labels, (3, 4)).sum()
    )


def test_an_implant_drawn_by_hand_saves_a_scan_without_a_threshold(tmp_path):
    grey, settings, _ = scan_and_mask(tmp_path)
    write_volume(np.where(grey > 1000, 900, grey).astype(np.uint16), SPACING, tmp_path / "dim.nrrd")
    with pytest.raises(SpecimenError, match="no implant"):
        measure_file(str(tmp_path / "dim.nrrd"), {}, settings, COMMON)
    write_volume((grey > 1000).astype(np.uint8), SPACING, tmp_path / "m.nrrd")
    table = measure_file(
        str(tmp_path / "dim.nrrd"), {}, settings, COMMON, str(tmp_path / "m.nrrd")
    ).measured.table
    rows = table.set_index(["outcome", "variant"])
    assert rows.loc[("bvtv", ""), "value"] > 20
    assert rows.loc[("bvtv", "mask=before"), "qc"] == "fail"
    assert "no implant found" in rows.loc[("bvtv", "mask=before"), "qc_reason"]


def test_masks_that_do_not_fit_are_refused():
    shape = (4, 5, 6)
    with pytest.raises(InputError, match="another shape"):
        corrected(np.ones((4, 5, 7), np.uint8), shape, "m.nii")
    with pytest.raises(InputError, match="known codes"):
        corrected(np.full(shape, 7, np.uint8), shape, "m.nii")
    with pytest.raises(InputError, match="known codes"):
        corrected(np.zeros(shape, np.uint8), shape, "m.nii")
    only = corrected(np.where(np.arange(6) < 2, 1, 0) * np.ones(shape, np.uint8), shape)
    assert only.describe() == "by hand: implant"
    assert only.bone is None and only.voi is None


# ---- odd scans


def test_resampled_scan_and_saturated_metal():
    grey, at = rod()
    grey[(at[0] >= 20) & (grey < 1000)] = 200
    grey[(at[0] % 6 < 3) & (grey < 1000)] = 0
    with pytest.raises(SpecimenError, match="not cubes"):
        measure(grey[::2], (20.0, 10.0, 10.0), Microct.of(SECTION), COMMON)
    thin = measure(
        grey[::2], (20.0, 10.0, 10.0), Microct.of({**SECTION, "voxels": "resample"}), COMMON
    )
    assert thin.voxel_um == pytest.approx(10) and thin.labels.shape == (79, 70, 70)
    assert values(thin)["tv", ""] == pytest.approx(
        values(measure(grey, SPACING, Microct.of(SECTION), COMMON))["tv", ""], rel=0.03
    )
    eight = np.where(grey >= 1000, 255, grey).astype(np.uint8)
    found = measure(eight, SPACING, Microct.of({**SECTION, "implant_threshold": 255}), COMMON)
    assert found.table["qc_reason"].str.contains("metal is saturated").all()
