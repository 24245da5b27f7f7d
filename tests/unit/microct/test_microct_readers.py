"""Every format gives the same voxels and voxel size; what is not stated or broken is refused with file and reason."""

import numpy as np
import pytest
import SimpleITK as sitk
import tifffile

from periomics.core.errors import InputError
from periomics.microct.formats.readers import probe, read_volume
from periomics.microct.formats.writers import write_volume

SHAPE = (5, 6, 7)
SPACING = (18.0, 18.0, 18.0)


@pytest.fixture
def volume():
    """No symmetry: a flip or a swap of axes shows."""
    return np.random.default_rng(0).integers(0, 60000, SHAPE).astype(np.uint16)


@pytest.mark.parametrize(
    "name", ["a.nrrd", "a.nii", "a.nii.gz", "a.mha", "a.zarr", "a.tif", "stack"]
)
def test_round_trip(tmp_path, volume, name):
    write_volume(
        volume,
        (20.0, 18.0, 16.0) if "." in name and "tif" not in name else SPACING,
        tmp_path / name,
    )
    stated = None if name not in ("a.tif", "stack") else 18.0
    header = probe(tmp_path / name)
    found = read_volume(tmp_path / name, stated)
    np.testing.assert_array_equal(found.array, volume)
    assert header.shape == SHAPE
    assert header.dtype == "uint16"
    if stated:
        assert header.spacing_um is None
        assert found.spacing_um == SPACING
        assert found.source["spacing_from"] == "sheet"
    else:
        assert found.spacing_um == pytest.approx((20.0, 18.0, 16.0), rel=1e-6)


def test_dicom_round_trip(tmp_path, volume):
    write_dicom(tmp_path, volume)
    found = read_volume(tmp_path)
    np.testing.assert_array_equal(found.array, volume)
    assert found.spacing_um == pytest.approx((20.0, 18.0, 18.0))
    (tmp_path / "0002.dcm").unlink()
    with pytest.raises(InputError, match=r"missing or doubled between 0001\.dcm and 0003\.dcm"):
        probe(tmp_path)


def write_dicom(folder, volume):
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    for z, plane in enumerate(volume):
        image = sitk.GetImageFromArray(plane)
        image.SetSpacing([0.018, 0.018])
        for tag, value in {
            "0008|0060": "CT",
            "0020|000e": "1.2.3",
            "0020|000d": "1.2",
            "0008|0018": f"1.2.3.{z + 1}",
            "0020|0013": str(z),
            "0020|0032": f"0\\0\\{z * 0.02}",
            "0020|0037": "1\\0\\0\\0\\1\\0",
        }.items():
            image.SetMetaData(tag, value)
        writer.SetFileName(str(folder / f"{z:04d}.dcm"))
        writer.Execute(image)


@pytest.mark.data
def test_scanco_fixtures_agree(data):
    folder = data / "microct/scanco_reader_fixtures"
    names = (
        "test_nii.nii",
        "test_mha.mha",
        "test_nrrd.nrrd",
        "test_dicom",
        "test_aim.AIM",
        "test_isq.ISQ",
    )
    scans = [read_volume(folder / n) for n in names]
    assert np.count_nonzero(scans[0].array) == 81
    for name, scan in zip(names, scans, strict=True):
        np.testing.assert_array_equal(scan.array, scans[0].array, err_msg=name)
        assert probe(folder / name).shape == (25, 25, 25)
        # 60.68 in the AIM and ISQ, rounded to 60.7 in what was converted from them
        assert scan.spacing_um == pytest.approx(
            (60.68 if name[-3:] in ("AIM", "ISQ") else 60.7,) * 3, rel=1e-6
        )


@pytest.mark.data
def test_real_voxel_sizes(data):
    assert probe(data / "microct/shrew_trabecular/Shrew.nrrd").spacing_um == pytest.approx(
        (4.1,) * 3, rel=1e-6
    )
    skull = probe(data / "microct/mouse_skull_C57BL6J/C57BL6_J_.nii.gz")
    assert skull.shape == (147, 170, 170)
    assert skull.spacing_um == pytest.approx((140.873, 141.113, 141.113), rel=1e-5)
    stack = data / "microct/lhdl_3155_D_4_bc"
    assert probe(stack).spacing_um is None
    assert read_volume(stack, 19.5).array.shape == (200, 200, 200)


def test_voxel_size_from_neither_or_both(tmp_path, volume):
    write_volume(volume, SPACING, tmp_path / "a.nrrd")
    write_volume(volume, SPACING, tmp_path / "a.tif")
    with pytest.raises(InputError, match=r"a\.tif, column voxel_um: .*does not state"):
        read_volume(tmp_path / "a.tif")
    assert read_volume(tmp_path / "a.nrrd", 18.1).spacing_um == SPACING
    with pytest.raises(InputError, match="sheet says 19 um, the file says 18 x 18 x 18 um"):
        read_volume(tmp_path / "a.nrrd", 19.0)
    with pytest.raises(InputError, match="not a positive number"):
        read_volume(tmp_path / "a.tif", 0.0)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            'space dimension: 3\nspace units: "um" "um" "um"\nspace directions: (18,0,0) (0,18,0) (0,0,20)',
            (20, 18, 18),
        ),
        (
            "space: left-posterior-superior\nspace directions: (0.018,0,0) (0,0.018,0) (0,0,0.02)",
            (20, 18, 18),
        ),
        ('spacings: 0.018 0.018 0.02\nunits: "mm" "mm" "mm"', (20, 18, 18)),
        ("spacings: 1 1 1", None),
        ("content: no spacing", None),
    ],
)
def test_nrrd_units(tmp_path, volume, lines, expected):
    head = f"NRRD0004\ntype: uint16\ndimension: 3\nsizes: 7 6 5\nendian: little\nencoding: raw\n{lines}\n\n"
    (tmp_path / "a.nrrd").write_bytes(head.encode() + volume.tobytes())
    found = probe(tmp_path / "a.nrrd").spacing_um
    assert found is None if expected is None else found == pytest.approx(expected)


def test_nrrd_unknown_unit(tmp_path, volume):
    head = 'NRRD0004\ntype: uint16\ndimension: 3\nsizes: 7 6 5\nendian: little\nencoding: raw\nspacings: 1 1 1\nunits: "in" "in" "in"\n\n'
    (tmp_path / "a.nrrd").write_bytes(head.encode() + volume.tobytes())
    assert probe(tmp_path / "a.nrrd").spacing_um == pytest.approx((25400, 25400, 25400))
    head = head.replace('"in"', '"furlong"')
    (tmp_path / "a.nrrd").write_bytes(head.encode() + volume.tobytes())
    with pytest.raises(InputError, match="unknown unit of length"):
        probe(tmp_path / "a.nrrd")


@pytest.mark.parametrize(("code", "expected"), [(1, 18e6), (2, 18e3), (3, 18.0), (0, None)])
def test_nifti_units(tmp_path, volume, code, expected):
    image = sitk.GetImageFromArray(volume)
    image.SetSpacing([18.0] * 3)
    sitk.WriteImage(image, str(tmp_path / "a.nii"))
    raw = bytearray((tmp_path / "a.nii").read_bytes())
    raw[123] = code
    (tmp_path / "a.nii").write_bytes(raw)
    found = probe(tmp_path / "a.nii").spacing_um
    assert found is None if expected is None else found == pytest.approx((expected,) * 3)


def test_mha_without_spacing(tmp_path, volume):
    head = "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\n"
    head += "DimSize = 7 6 5\nElementType = MET_USHORT\nElementDataFile = LOCAL\n"
    (tmp_path / "a.mha").write_bytes(head.encode() + volume.tobytes())
    assert probe(tmp_path / "a.mha").spacing_um is None
    np.testing.assert_array_equal(read_volume(tmp_path / "a.mha", 18).array, volume)


def test_tiff_spacing_of_imagej_and_ome(tmp_path, volume):
    tifffile.imwrite(
        tmp_path / "ij.tif",
        volume,
        imagej=True,
        resolution=(1 / 16, 1 / 17),
        metadata={"axes": "ZYX", "spacing": 20.0, "unit": "um"},
    )
    tifffile.imwrite(
        tmp_path / "a.ome.tif",
        volume,
        metadata={
            "axes": "ZYX",
            "PhysicalSizeX": 0.016,
            "PhysicalSizeXUnit": "mm",
            "PhysicalSizeY": 17.0,
            "PhysicalSizeZ": 20.0,
        },
    )
    tifffile.imwrite(
        tmp_path / "dpi.tif",
        volume,
        photometric="minisblack",
        resolution=(300, 300),
        resolutionunit=2,
    )
    assert probe(tmp_path / "ij.tif").spacing_um == pytest.approx((20, 17, 16))
    assert probe(tmp_path / "a.ome.tif").spacing_um == pytest.approx((20, 17, 16))
    assert probe(tmp_path / "dpi.tif").spacing_um is None
    np.testing.assert_array_equal(read_volume(tmp_path / "a.ome.tif").array, volume)


def test_bruker_log(tmp_path, volume):
    write_volume(volume, SPACING, tmp_path / "scan")
    (tmp_path / "scan/scan_rec.log").write_text(
        "[Acquisition]\nImage Pixel Size (um)=17.98\n", encoding="utf-8"
    )
    assert probe(tmp_path / "scan").spacing_um == (17.98,) * 3
    with pytest.raises(InputError, match="sheet says 9 um"):
        read_volume(tmp_path / "scan", 9.0)


def test_slices_in_natural_order(tmp_path):
    for z in range(8, 12):
        tifffile.imwrite(tmp_path / f"s{z}.tif", np.full((3, 4), z, np.uint8))
    assert read_volume(tmp_path, 10).array[:, 0, 0].tolist() == [8, 9, 10, 11]


def test_broken_stacks(tmp_path, volume):
    def fresh():
        folder = tmp_path / f"s{len(list(tmp_path.iterdir()))}"
        write_volume(volume, SPACING, folder)
        return folder

    def refused(folder, text):
        with pytest.raises(InputError, match=text):
            read_volume(folder, 18)

    folder = fresh()
    (folder / "slice_0002.tif").unlink()
    refused(folder, "slice 2 is missing")
    folder = fresh()
    tifffile.imwrite(folder / "slice_0003.tif", volume[0, :4])
    refused(folder, r"slice_0003\.tif: slice differs")
    folder = fresh()
    tifffile.imwrite(folder / "slice_0001.tif", np.zeros((6, 7, 3), np.uint16), photometric="rgb")
    refused(folder, r"slice_0001\.tif: slice is not a grey image")
    folder = fresh()
    whole = (folder / "slice_0004.tif").read_bytes()
    (folder / "slice_0004.tif").write_bytes(whole[:-10])
    refused(folder, r"slice_0004\.tif: slice is cut off")
    folder = fresh()
    (folder / "slice_0000.tif").write_bytes(b"")
    refused(folder, r"slice_0000\.tif: slice cannot be read")
    folder = fresh()
    tifffile.imwrite(folder / "overview_0000.tif", volume[0])
    refused(folder, "mixes naming patterns")


def test_broken_files(tmp_path, volume):
    with pytest.raises(InputError, match="no such file"):
        probe(tmp_path / "none.nrrd")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="neither slices nor DICOM"):
        probe(tmp_path / "empty")
    (tmp_path / "a.vol").write_bytes(b"x")
    with pytest.raises(InputError, match="unknown scan format"):
        probe(tmp_path / "a.vol")
    for name in ("a.nrrd", "a.nii", "a.nii.gz", "a.mha", "a.tif"):
        write_volume(volume, SPACING, tmp_path / name)
        whole = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(whole[: len(whole) // 2])
        with pytest.raises(InputError, match=name):
            read_volume(tmp_path / name, 18)
        (tmp_path / name).write_bytes(b"rubbish")
        with pytest.raises(InputError, match=name):
            probe(tmp_path / name)
    image = sitk.GetImageFromArray(np.zeros((3, 4, 5, 3), np.uint8), isVector=True)
    sitk.WriteImage(image, str(tmp_path / "rgb.mha"))
    with pytest.raises(InputError, match="one grey volume"):
        probe(tmp_path / "rgb.mha")
