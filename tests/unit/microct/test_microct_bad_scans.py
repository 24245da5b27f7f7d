"""Scans that cannot be measured or should not be trusted: the same clear words however many slabs there are."""

import numpy as np
import pytest
import tifffile
from microct_bodies import layered_rod

from periomics.core.errors import InputError, SpecimenError
from periomics.microct.formats.lazy import at_hand, open_volume
from periomics.microct.formats.writers import write_volume
from periomics.microct.scan import measure_file
from periomics.study.settings.microct import Microct

SECTION = {
    "bone_threshold": 100,
    "implant_threshold": 1000,
    "prefilter_sigma_voxels": 0,
    "closing_voxels": 0,
    "anisotropy": False,
    "voi": {"inner_um": 30, "outer_um": 120, "axial_um": [0, 400]},
    "ovtv_offset_um": 30,
    "ovtv_width_um": 30,
    "shells_um": [[30, 60]],
    "level_width_um": 30,
    "band_sweep_voxels": 3,
    "thickness_variants": False,
}
COMMON = {"specimen_id": "s", "animal_id": "a"}
SPACING = (10.0, 10.0, 10.0)
# MB in which the scans of this page are one slab, and few or many.
MEMORY = pytest.mark.parametrize("memory_mb", [4000, 30, 6])


def plates():
    return layered_rod(90)


def measured(path, memory_mb, mask=None, row=None, **change):
    settings = Microct.of({**SECTION, **change, "memory_mb": memory_mb})
    return measure_file(str(path), row or {}, settings, COMMON, None if mask is None else str(mask))


def stack(folder, grey):
    folder.mkdir()
    for z, plane in enumerate(grey):
        tifffile.imwrite(folder / f"slice_{z:04d}.tif", plane)
    return folder


@MEMORY
def test_the_sound_scan_is_measured(tmp_path, memory_mb):
    found = measured(stack(tmp_path / "scan", plates()), memory_mb, row={"voxel_um": 10})
    rows = found.measured.table.set_index(["outcome", "variant"])
    assert rows.loc[("bvtv", ""), "value"] == pytest.approx(40, abs=1)
    facts = found.facts.set_index("fact")["value"]
    assert facts["memory, MB"] == str(memory_mb)
    assert (
        facts["grey values"] == "0 to 3000, uint16"
        and facts["voxels (z x y x x)"] == "60 x 90 x 90"
    )


@pytest.mark.parametrize(
    ("memory_mb", "absent"), [(6, []), (3, ["tbth", "tbth_sd", "tbsp", "tbsp_sd"])]
)
def test_what_memory_was_too_little_for_is_named(tmp_path, memory_mb, absent):
    write_volume(plates(), SPACING, tmp_path / "s.nrrd")
    found = measured(tmp_path / "s.nrrd", memory_mb)
    failed = found.measured.table.query("qc == 'fail'")
    assert failed["outcome"].tolist() == absent and failed["value"].isna().all()
    told = found.facts.set_index("fact").loc["left out for memory", "value"]
    assert told == (", ".join(absent) or "nothing")


@MEMORY
@pytest.mark.parametrize("fault", ["cut", "size", "missing", "twice", "voxel"])
def test_broken_stacks(tmp_path, memory_mb, fault):
    folder = stack(tmp_path / "scan", plates())
    row = {"voxel_um": 10}
    if fault == "cut":
        file = folder / "slice_0031.tif"
        file.write_bytes(file.read_bytes()[:3000])
        text = r"slice_0031\.tif.*cut off: the file is shorter"
    elif fault == "size":
        tifffile.imwrite(folder / "slice_0040.tif", np.zeros((90, 91), np.uint16))
        text = r"slice_0040\.tif.*differs from slice_0000\.tif|differs from slice_0000\.tif.*slice_0040"
    elif fault == "missing":
        (folder / "slice_0012.tif").unlink()
        text = r"slice 12 is missing \(slice_0011\.tif, then slice_0013\.tif\)"
    elif fault == "twice":
        tifffile.imwrite(folder / "slice_00012.tif", plates()[12])
        text = "slice number 12 stands twice"
    else:
        row, text = {}, "the file does not state its voxel size and the sheet does not either"
    with pytest.raises(InputError, match=text):
        measured(folder, memory_mb, row=row)


@MEMORY
def test_voxels_in_another_unit(tmp_path, memory_mb):
    """Millimetres where micrometres are meant: the file contradicts, or the shell lies beyond the scan."""
    write_volume(plates(), SPACING, tmp_path / "s.nrrd")
    with pytest.raises(InputError, match=r"the sheet says 0\.01 um, the file says 10 x 10 x 10 um"):
        measured(tmp_path / "s.nrrd", memory_mb, row={"voxel_um": 0.01})
    stack(tmp_path / "scan", plates())
    with pytest.raises(SpecimenError, match=r"VOI is empty.*voxels of 0\.01 um"):
        measured(tmp_path / "scan", memory_mb, row={"voxel_um": 0.01})
    with pytest.raises(InputError, match="voxel size is not a positive number"):
        measured(tmp_path / "scan", memory_mb, row={"voxel_um": -10})


def faulty(name):
    grey = plates()
    if name == "no implant":
        grey[grey > 1000] = 0
    elif name == "two implants":
        grey[5:55, 5:15, 5:15] = 3000
    elif name == "a lump":
        grey[grey > 1000] = 0
        grey[20:40, 20:40, 20:40] = 3000
    elif name == "no bone":
        grey[grey < 1000] = 0
    elif name == "all bone":
        grey[grey < 1000] = 200
    elif name == "not a number":
        grey = grey.astype(np.float32)
        grey[59, 89, 89] = np.nan
    elif name == "infinite":
        grey = grey.astype(np.float32)
        grey[0, 0, 0] = -np.inf
    return grey


@MEMORY
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("no implant", "no implant found.*threshold 1000.*largest grey value 200"),
        ("two implants", "more than one implant: metal components of 6050 and 5000"),
        ("a lump", "no long axis"),
        ("no bone", "no bone in the VOI at threshold 100"),
        ("all bone", "nothing but bone in the VOI at threshold 100"),
        ("not a number", "grey values that are not finite"),
        ("infinite", "grey values that are not finite"),
    ],
)
def test_scans_that_cannot_be_measured(tmp_path, memory_mb, name, text):
    write_volume(faulty(name), SPACING, tmp_path / "s.nrrd")
    with pytest.raises(SpecimenError, match=text):
        measured(tmp_path / "s.nrrd", memory_mb)


@MEMORY
def test_an_empty_region_and_voxels_that_are_no_cubes(tmp_path, memory_mb):
    write_volume(plates(), SPACING, tmp_path / "s.nrrd")
    with pytest.raises(SpecimenError, match="VOI is empty"):
        measured(
            tmp_path / "s.nrrd",
            memory_mb,
            voi={"inner_um": 30, "outer_um": 120, "axial_um": [900, 1000]},
        )
    write_volume(plates(), (20.0, 10.0, 10.0), tmp_path / "long.nrrd")
    with pytest.raises(SpecimenError, match=r"not cubes \(20 x 10 x 10 um"):
        measured(tmp_path / "long.nrrd", memory_mb)


@MEMORY
def test_saturation_is_flagged_with_its_share(tmp_path, memory_mb):
    grey = np.minimum(plates(), 255).astype(np.uint8)
    write_volume(grey, SPACING, tmp_path / "s.nrrd")
    table = measured(tmp_path / "s.nrrd", memory_mb, implant_threshold=255).measured.table
    assert set(table["qc"]) <= {"warn", "fail"}
    assert table.loc[table["qc"] == "warn", "qc_reason"].str.contains("metal is saturated").all()
    grey = plates()
    grey[10:12, 60:] = 65535
    write_volume(grey, SPACING, tmp_path / "t.nrrd")
    found = measured(tmp_path / "t.nrrd", memory_mb, second_implant_share=1.0).measured
    # 2 planes of 30 x 90 voxels; the metal's band is three voxels wide
    wanted = 100 * 2 * 30 * 90 / (60 * 90 * 90 - 56 * 17 * 17)
    (text,) = [w for w in found.warnings if "saturated" in w]
    assert float(text.split()[0]) == pytest.approx(wanted, abs=0.05)  # said to two digits
    assert text.endswith("% of the voxels outside the metal are saturated")


@pytest.mark.parametrize("memory_mb", [30, 8])
def test_a_mask_by_hand_counts_the_same_in_many_slabs(tmp_path, memory_mb):
    """A corrected label map, by slabs: bone taken away, a band drawn wider, a region drawn smaller, and its refusals."""
    grey = plates()
    write_volume(grey, SPACING, tmp_path / "s.nrrd")
    labels = measured(tmp_path / "s.nrrd", 4000).measured.labels(0, 60)
    labels[(labels == 3) & (np.arange(60) < 20)[:, None, None]] = 4
    labels[20:24, 35:37, 35:55] = 2
    labels[:, :, 58:][labels[:, :, 58:] == 4] = 0
    write_volume(labels, SPACING, tmp_path / "m.nii.gz")
    row = {"mask_by": "AB", "mask_reason": "ring"}
    wanted = measured(tmp_path / "s.nrrd", 4000, tmp_path / "m.nii.gz", row)
    found = measured(tmp_path / "s.nrrd", memory_mb, tmp_path / "m.nii.gz", row)
    a, b = (f.measured.table.set_index(["outcome", "variant"]) for f in (found, wanted))
    assert set(a.index) == set(b.index) and ("bvtv", "mask=before") in a.index
    for key in b.index:
        assert a.loc[key, "value"] == pytest.approx(b.loc[key, "value"], rel=1e-6, nan_ok=True), key
    assert (a["method"] == b["method"]).all()
    assert found.shape == (60, 90, 90)
    np.testing.assert_array_equal(found.measured.labels(0, 60), wanted.measured.labels(0, 60))
    write_volume(np.full((60, 90, 90), 9, np.uint8), SPACING, tmp_path / "w.nrrd")
    with pytest.raises(InputError, match="known codes"):
        measured(tmp_path / "s.nrrd", memory_mb, tmp_path / "w.nrrd")
    write_volume(labels[:50], SPACING, tmp_path / "x.nrrd")
    with pytest.raises(InputError, match="another shape"):
        measured(tmp_path / "s.nrrd", memory_mb, tmp_path / "x.nrrd")


def test_packed_scans_are_unpacked_once_or_refused(tmp_path):
    """What can only be read whole is read once if that fits into the memory; else the error says what is needed."""
    write_volume(plates(), SPACING, tmp_path / "s.nii.gz")
    table = measured(tmp_path / "s.nii.gz", 6).measured.table.set_index(["outcome", "variant"])
    assert table.loc[("bvtv", ""), "value"] == pytest.approx(40, abs=1)
    with pytest.raises(
        SpecimenError, match=r"nifti of this kind is read whole, 2 MB needed, 1\.5 allowed"
    ):
        measured(tmp_path / "s.nii.gz", 1.5)
    scan = open_volume(tmp_path / "s.nii.gz")
    for memory_mb, held in ((4, False), (40, True)):
        kept = at_hand(scan, memory_mb)
        assert scan.whole and not kept.whole and (kept.held_mb > 0) == held
        np.testing.assert_array_equal(kept.slab(20, 41), scan.slab(20, 41))
