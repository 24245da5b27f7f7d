"""Scans of kinds that readers get wrong, with truths that do not come from the readers."""

import gzip
import struct

import numpy as np
import pytest
import tifffile
from PIL import Image

from periomics.core.errors import InputError
from periomics.microct.formats.lazy import open_volume
from periomics.microct.formats.readers import probe, read_volume

SHAPE = (4, 5, 6)
CODES = {"i1": 256, "u1": 2, "i2": 4, "u2": 512, "f4": 16}


def agree(path, truth, voxel=None):
    """Header, whole reading and slabs give the truth."""
    found = read_volume(path, voxel)
    np.testing.assert_allclose(found.array, truth, rtol=1e-6, atol=1e-4)
    scan = open_volume(path, voxel)
    slabs = np.concatenate([scan.slab(a, a + 1) for a in range(len(truth))])
    np.testing.assert_array_equal(slabs, found.array)
    assert probe(path).dtype == str(found.array.dtype) == str(slabs.dtype)


def nifti(path, kind, order="<", slope=1.0, intercept=0.0, sform=None, cut=0):
    stored = np.arange(np.prod(SHAPE)).reshape(SHAPE).astype(order + kind)
    head = bytearray(352)
    struct.pack_into(order + "i", head, 0, 348)
    struct.pack_into(order + "8h", head, 40, 3, *SHAPE[::-1], 1, 1, 1, 1)
    struct.pack_into(order + "2h", head, 70, CODES[kind], 8 * stored.itemsize)
    struct.pack_into(order + "8f", head, 76, 1, 0.018, 0.018, 0.018, 0, 0, 0, 0)
    struct.pack_into(order + "3f", head, 108, 352, slope, intercept)
    head[123] = 2
    if sform is not None:
        struct.pack_into(order + "h", head, 254, 1)
        struct.pack_into(order + "12f", head, 280, *np.ravel(sform))
    head[344:348] = b"n+1\0"
    data = bytes(head) + stored.tobytes()
    data = gzip.compress(data) if path.suffix == ".gz" else data
    path.write_bytes(data[: len(data) - cut])
    return np.arange(np.prod(SHAPE)).reshape(SHAPE).astype(float)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("kind", CODES)
@pytest.mark.parametrize(
    ("slope", "intercept"), [(2, -1000), (1, -1000), (0.5, 3), (0, 7), (float("nan"), 0)]
)
def test_scaled_nifti(tmp_path, name, order, kind, slope, intercept):
    stored = nifti(tmp_path / name, kind, order, slope, intercept)
    plain = slope == 0 or slope != slope
    agree(tmp_path / name, stored if plain else slope * stored + intercept)


def test_cut_and_sheared_nifti(tmp_path):
    for name in ("a.nii", "a.nii.gz"):
        nifti(tmp_path / name, "u2", slope=2, cut=12)
        with pytest.raises(InputError, match="cut off"):
            read_volume(tmp_path / name)
    lean = [[0.018, 0.009, 0, 0], [0, 0.0156, 0, 0], [0, 0, 0.018, 0]]
    nifti(tmp_path / "s.nii", "u2", sform=lean)
    with pytest.raises(InputError, match="sheared: axes x and y stand at 60"):
        probe(tmp_path / "s.nii")


@pytest.mark.parametrize(("lean", "ok"), [(False, True), (True, False)])
def test_turned_nrrd_is_read_and_sheared_is_refused(tmp_path, lean, ok):
    third = "(0,.009,.0155885)" if lean else "(0,0,.018)"
    head = (
        "NRRD0005\ntype: uint8\ndimension: 3\nspace: left-posterior-superior\nsizes: 6 5 4\n"
        f"space directions: (.0108,.0144,0) (-.0144,.0108,0) {third}\nencoding: raw\n\n"
    )
    truth = np.arange(120, dtype=np.uint8).reshape(SHAPE)
    (tmp_path / "a.nrrd").write_bytes(head.encode() + truth.tobytes())
    if ok:
        assert probe(tmp_path / "a.nrrd").spacing_um == pytest.approx((18, 18, 18))
        agree(tmp_path / "a.nrrd", truth)
    else:
        with pytest.raises(InputError, match="sheared"):
            probe(tmp_path / "a.nrrd")


def test_sheared_mha(tmp_path):
    head = (
        "ObjectType = Image\nNDims = 3\nDimSize = 6 5 4\nElementType = MET_UCHAR\n"
        "TransformMatrix = 1 0 0 0.5 0.866 0 0 0 1\nElementSpacing = 1 1 1\n"
        "ElementDataFile = LOCAL\n"
    )
    (tmp_path / "a.mha").write_bytes(head.encode() + bytes(120))
    with pytest.raises(InputError, match="sheared"):
        probe(tmp_path / "a.mha")


@pytest.mark.parametrize("folder", [True, False])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_white_is_zero_tiff(tmp_path, folder, dtype):
    top = np.iinfo(dtype).max
    stored = np.arange(120).reshape(SHAPE).astype(dtype)
    save_tiff(tmp_path, stored, folder, photometric="miniswhite")
    agree(tmp_path if folder else tmp_path / "a.tif", top - stored.astype(int), 18)


@pytest.mark.parametrize("folder", [True, False])
def test_palette_tiff(tmp_path, folder):
    stored = np.arange(120).reshape(SHAPE).astype(np.uint8)
    grey = np.stack([np.arange(255, -1, -1)] * 3).astype(np.uint16) * 257
    save_tiff(tmp_path, stored, folder, photometric="palette", colormap=grey)
    path = tmp_path if folder else tmp_path / "a.tif"
    agree(path, 255 - stored.astype(int), 18)
    grey[1] = 0
    save_tiff(tmp_path, stored, folder, photometric="palette", colormap=grey)
    with pytest.raises(InputError, match="palette holds colours"):
        probe(path)


def save_tiff(folder, stored, as_folder, **how):
    if not as_folder:
        tifffile.imwrite(folder / "a.tif", stored, metadata=None, **how)
        return
    for z, plane in enumerate(stored):
        tifffile.imwrite(folder / f"s{z}.tif", plane, metadata=None, **how)


@pytest.mark.parametrize("suffix", ["png", "bmp"])
def test_inverted_grey_palette_of_pictures(tmp_path, suffix):
    stored = np.arange(120).reshape(SHAPE).astype(np.uint8)
    for z, plane in enumerate(stored):
        image = Image.frombytes("P", plane.shape[::-1], plane.tobytes())
        image.putpalette([v for i in range(256) for v in (255 - i,) * 3])
        image.save(tmp_path / f"s{z}.{suffix}")
    agree(tmp_path, 255 - stored.astype(int), 18)


@pytest.mark.parametrize(
    ("unit", "um"),
    [
        ("micron", 1), ("\\u00b5m", 1), ("\\u00B5m", 1), ("um", 1), ("micrometer", 1),
        ("mm", 1e3), ("cm", 1e4), ("inch", 25400), ("pixel", None),
    ],
)  # fmt: skip
def test_units_of_imagej(tmp_path, unit, um):
    imagej(tmp_path / "a.tif", {"unit": unit})
    spacing = probe(tmp_path / "a.tif").spacing_um
    assert spacing is None if um is None else spacing == pytest.approx((3 * um, 2 * um, 2 * um))


def test_third_axis_of_imagej_has_its_own_unit(tmp_path):
    imagej(tmp_path / "a.tif", {"unit": "mm", "zunit": "micron"})
    assert probe(tmp_path / "a.tif").spacing_um == pytest.approx((3, 2000, 2000))
    imagej(tmp_path / "a.tif", {"unit": "mm", "zunit": "parsec"})
    with pytest.raises(InputError, match="unknown unit of length"):
        probe(tmp_path / "a.tif")


def imagej(path, facts):
    stored = np.zeros(SHAPE, np.uint8)
    text = {"axes": "ZYX", "spacing": 3, **facts}
    tifffile.imwrite(path, stored, imagej=True, resolution=(0.5, 0.5), metadata=text)


def multiframe(path, stored, slopes, tilt=0.0, cut=0):
    """Enhanced CT with positions, edges and slopes in its functional groups."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    def group(**facts):
        item = Dataset()
        for key, value in facts.items():
            setattr(item, key, value)
        return [item]

    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = CTImageStorage
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    data.SeriesInstanceUID, data.StudyInstanceUID = generate_uid(), generate_uid()
    data.Modality, data.PhotometricInterpretation, data.SamplesPerPixel = "CT", "MONOCHROME2", 1
    data.NumberOfFrames, data.Rows, data.Columns = stored.shape
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, 16, 15
    data.PixelRepresentation = 1
    shared, frames = Dataset(), []
    shared.PixelMeasuresSequence = group(PixelSpacing=[0.02, 0.018], SliceThickness=0.5)
    shared.PlaneOrientationSequence = group(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])
    for z, slope in enumerate(slopes):
        frame = Dataset()
        frame.PlanePositionSequence = group(ImagePositionPatient=[0, tilt * z, 0.03 * z])
        frame.PixelValueTransformationSequence = group(
            RescaleSlope=slope, RescaleIntercept=-1000, RescaleType="HU"
        )
        frames.append(frame)
    data.SharedFunctionalGroupsSequence = [shared]
    data.PerFrameFunctionalGroupsSequence = frames
    data.PixelData = stored.astype("<i2").tobytes()
    data.save_as(path, enforce_file_format=True)
    path.write_bytes(path.read_bytes()[: path.stat().st_size - cut])


def test_frames_of_one_dicom_file(tmp_path):
    stored = np.arange(-60, 60).reshape(SHAPE)
    for slopes in ([1, 1, 1, 1], [2, 2, 2, 2], [1, 2, 0.5, 4]):
        multiframe(tmp_path / "a.dcm", stored, slopes)
        truth = stored * np.array(slopes)[:, None, None] - 1000
        for path in (tmp_path, tmp_path / "a.dcm"):
            agree(path, truth)
            assert probe(path).spacing_um == pytest.approx((30, 20, 18))


def test_frames_that_cannot_be_one_volume(tmp_path):
    import pydicom

    stored = np.zeros(SHAPE, int)
    multiframe(tmp_path / "a.dcm", stored, [1] * 4, tilt=0.01)
    with pytest.raises(InputError, match="sheared"):
        probe(tmp_path)
    multiframe(tmp_path / "a.dcm", stored, [1] * 4, cut=20)
    with pytest.raises(InputError, match="cut off"):
        probe(tmp_path)
    multiframe(tmp_path / "a.dcm", stored, [1] * 4)
    data = pydicom.dcmread(tmp_path / "a.dcm")
    del data.PerFrameFunctionalGroupsSequence[2].PlanePositionSequence
    data.save_as(tmp_path / "a.dcm")
    with pytest.raises(InputError, match="slice has no position"):
        probe(tmp_path)
    multiframe(tmp_path / "a.dcm", stored, [1] * 4)
    multiframe(tmp_path / "b.dcm", stored, [1] * 4)
    with pytest.raises(InputError, match="several DICOM files of many frames"):
        probe(tmp_path)
