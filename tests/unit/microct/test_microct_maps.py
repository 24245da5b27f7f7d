"""Volumes that are written: at their place in the scan, whatever part of it they hold; packed and folder inputs of a job."""

import numpy as np
import pytest
import SimpleITK as sitk
import tifffile
from scipy import ndimage

from periomics.microct.formats.lazy import open_volume
from periomics.microct.formats.nifti import Frame, frame_of, write_nifti
from periomics.microct.formats.writers import write_volume
from periomics.microct.resample import to_cubes
from periomics.study.requests import memory_need

# A turn about z and a tilt about x, as columns x, y, z.
TURNED = (0.8, -0.6, 0.0, 0.48, 0.64, -0.6, 0.36, 0.48, 0.8)


def scan_image(
    path, origin=(3.5, -20.25, 7.0), direction=TURNED, spacing=(0.018, 0.018, 0.02), **options
):
    image = sitk.GetImageFromArray(np.arange(5 * 6 * 7, dtype=np.int16).reshape(5, 6, 7))
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    image.SetDirection(direction)
    sitk.WriteImage(image, str(path), **options)
    return image


@pytest.mark.parametrize("name", ["s.nii", "s.nii.gz", "s.mha"])
@pytest.mark.parametrize("out", ["m.nii", "m.nii.gz"])
def test_a_map_lies_where_the_scan_lies(tmp_path, name, out):
    image = scan_image(tmp_path / name)
    scan = open_volume(tmp_path / name)
    part = np.random.default_rng(0).random((2, 3, 4)).astype(np.float32)
    frame = frame_of(scan.facts, scan.spacing_um)
    write_nifti(tmp_path / out, part.shape, "float32", [part[:1], part[1:]], frame, (2, 1, 3))
    found = sitk.ReadImage(str(tmp_path / out))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(found), part)
    assert found.GetSpacing() == pytest.approx(image.GetSpacing(), rel=1e-6)
    assert found.GetDirection() == pytest.approx(image.GetDirection(), abs=1e-6)
    for at in ((0, 0, 0), (3, 2, 1)):
        x, y, z = at
        wanted = image.TransformIndexToPhysicalPoint((x + 3, y + 1, z + 2))
        assert found.TransformIndexToPhysicalPoint(at) == pytest.approx(wanted, abs=1e-5)


def test_units_of_an_origin_are_those_of_the_spacing(tmp_path):
    lines = (
        "NRRD0004\ntype: uint8\ndimension: 3\nspace dimension: 3\nsizes: 2 2 2\nspace directions: (18,0,0) (0,18,0) (0,0,20)\n"
        'space origin: (1000,0,-500)\nspace units: "um" "um" "um"\nencoding: raw\n\n'
    )
    (tmp_path / "s.nrrd").write_bytes(lines.encode() + bytes(8))
    scan = open_volume(tmp_path / "s.nrrd")
    frame = frame_of(scan.facts, scan.spacing_um)
    assert frame.spacing_mm == pytest.approx((0.02, 0.018, 0.018))
    assert frame.origin_mm == pytest.approx((1.0, 0.0, -0.5))


def test_scans_without_a_place_lie_at_zero_and_the_same_voxels_give_the_same_bytes(tmp_path):
    labels = np.random.default_rng(1).integers(0, 6, (4, 5, 6)).astype(np.uint8)
    for name in ("a.nii.gz", "b.nii.gz"):
        write_volume(labels, (18.0, 18.0, 18.0), tmp_path / name)
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()
    found = sitk.ReadImage(str(tmp_path / "a.nii.gz"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(found), labels)
    assert (found.GetOrigin(), found.GetDirection()) == (
        (0.0, 0.0, 0.0),
        (1, 0, 0, 0, 1, 0, 0, 0, 1),
    )
    with pytest.raises(ValueError, match="3 planes were given for a volume of 4"):
        write_nifti(tmp_path / "c.nii", (4, 5, 6), "uint8", [labels[:3]], Frame((0.1, 0.1, 0.1)))


def test_the_place_of_a_dicom_series(tmp_path, monkeypatch):
    image = scan_image(tmp_path / "s.mha", spacing=(0.018, 0.018, 0.02))
    folder = tmp_path / "dicom"
    folder.mkdir()
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    direction = np.reshape(image.GetDirection(), (3, 3))
    for z in range(image.GetSize()[2]):
        plane = image[:, :, z]
        place = image.TransformIndexToPhysicalPoint((0, 0, z))
        for tag, value in (
            ("0008|0060", "CT"),
            ("0020|000e", "1.2.826.0.1.3680043.2.1125.1"),
            ("0020|0013", str(z + 1)),
            ("0020|0032", "\\".join(f"{v:.8f}" for v in place)),
            ("0018|0050", "0.02"),
            ("0020|0037", "\\".join(f"{v:.8f}" for v in (*direction[:, 0], *direction[:, 1]))),
        ):
            plane.SetMetaData(tag, value)
        writer.SetFileName(str(folder / f"{z}.dcm"))
        writer.Execute(plane)
    scan = open_volume(folder)
    frame = frame_of(scan.facts, scan.spacing_um)
    assert frame.origin_mm == pytest.approx(image.GetOrigin(), abs=1e-6)
    assert frame.direction == pytest.approx(image.GetDirection(), abs=1e-6)


# ---- what a job needs


class Files(list):
    @property
    def size_mb(self):
        return sum(f.stat().st_size for f in self) / 1e6


def test_memory_follows_the_input_up_to_the_bound(tmp_path):
    plain, packed, header = tmp_path / "s.nrrd", tmp_path / "s.nii.gz", tmp_path / "s.mhd"
    for file in (plain, packed, header):
        file.write_bytes(bytes(3_000_000))
    assert memory_need(Files([plain]), 100, 1000) == pytest.approx(300)
    assert memory_need(Files([plain]), 1000, 1000) == 1000
    assert memory_need(Files([plain]), 8) == pytest.approx(24)
    assert (
        memory_need(Files([packed]), 100, 1000) == memory_need(Files([header]), 100, 1000) == 1000
    )
    scan_image(tmp_path / "c.mha", useCompression=True)
    scan_image(tmp_path / "c.nrrd", useCompression=True)
    scan_image(tmp_path / "d.nrrd")
    assert (
        memory_need(Files([tmp_path / "c.mha"]), 1, 77)
        == memory_need(Files([tmp_path / "c.nrrd"]), 1, 77)
        == 77
    )
    assert memory_need(Files([tmp_path / "d.nrrd"]), 1, 77) < 1
    folder = tmp_path / "slices"
    folder.mkdir()
    for z in range(4):
        (folder / f"s{z}.tif").write_bytes(bytes(500_000))
    assert memory_need(Files([folder]), 100, 1000) == pytest.approx(200, rel=0.01)
    (folder / "s4.png").write_bytes(b"")
    assert memory_need(Files([folder]), 100, 1000) == 1000


@pytest.mark.parametrize("name", ["s.nii.gz", "c.mha", "c.nrrd", "one.tif", "packed.tif"])
def test_formats_that_are_read_whole_are_known(tmp_path, name):
    values = np.arange(5 * 6 * 7, dtype=np.int16).reshape(5, 6, 7)
    if name.endswith(".tif"):
        # ImageJ's way of many planes behind one header
        tifffile.imwrite(
            tmp_path / name,
            values,
            imagej=name == "one.tif",
            compression="zlib" if name == "packed.tif" else None,
        )
    else:
        scan_image(tmp_path / name, spacing=(0.018,) * 3, useCompression=True)
    scan = open_volume(tmp_path / name, 18.0)
    assert scan.whole == (not name.endswith(".tif"))
    np.testing.assert_array_equal(scan.slab(1, 4), values[1:4])


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_cubes_by_slabs_are_those_of_the_whole(tmp_path, dtype):
    grey = (200 * np.random.default_rng(0).random((11, 13, 9))).astype(dtype)
    spacing = (25.0, 18.0, 20.0)
    write_volume(grey, spacing, tmp_path / "s.nrrd")
    scan = to_cubes(open_volume(tmp_path / "s.nrrd"))
    edges, whole = scan.spacing_um, scan.slab(0, scan.shape[0])
    assert edges == pytest.approx((18.0,) * 3) and scan.shape == whole.shape
    at = [np.arange(n) * 18.0 / s for n, s in zip(scan.shape, spacing, strict=True)]
    plain = ndimage.map_coordinates(grey.astype(float), np.meshgrid(*at, indexing="ij"), order=1)
    # whole numbers are rounded along each axis in turn
    assert np.abs(whole - plain).max() <= (1.6 if np.dtype(dtype).kind in "iu" else 1e-3)
    for planes in (1, 4, 100):
        slabs = [scan.slab(z, min(len(whole), z + planes)) for z in range(0, len(whole), planes)]
        np.testing.assert_array_equal(np.concatenate(slabs), whole)
