"""A slide as DICOM, one file a level, written by pydicom: size, pixel size and pixels are read,
whole, in parts and by windows."""

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, VLWholeSlideMicroscopyImageStorage, generate_uid

from periomics.imaging.boxes import Box
from periomics.imaging.readers import probe, read_rgb
from periomics.imaging.windows import windows

TILE, UM = 64, 0.25


def one(**values):
    """A sequence of one item."""
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return Sequence([item])


def level_file(path, rgb, um, ids, number):
    """One level, in tiles that are not compressed."""
    high, wide = rgb.shape[:2]
    padded = np.pad(rgb, ((0, -high % TILE), (0, -wide % TILE), (0, 0)))
    tiles = [
        padded[y : y + TILE, x : x + TILE]
        for y in range(0, high, TILE)
        for x in range(0, wide, TILE)
    ]
    data, meta = Dataset(), FileMetaDataset()
    meta.MediaStorageSOPClassUID = data.SOPClassUID = VLWholeSlideMicroscopyImageStorage
    meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta = meta
    data.SeriesInstanceUID = data.StudyInstanceUID = ids[0]
    data.FrameOfReferenceUID, data.Modality, data.InstanceNumber = ids[1], "SM", number
    data.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "RESAMPLED" if number > 1 else "NONE"]
    data.SamplesPerPixel, data.PhotometricInterpretation, data.PlanarConfiguration = 3, "RGB", 0
    data.BitsAllocated = data.BitsStored = 8
    data.HighBit, data.PixelRepresentation = 7, 0
    data.Rows = data.Columns = TILE
    data.NumberOfFrames, data.DimensionOrganizationType = len(tiles), "TILED_FULL"
    data.TotalPixelMatrixColumns, data.TotalPixelMatrixRows = wide, high
    data.NumberOfOpticalPaths = data.TotalPixelMatrixFocalPlanes = 1
    measures = one(PixelSpacing=[um / 1000] * 2, SliceThickness=0.004)
    data.SharedFunctionalGroupsSequence = one(PixelMeasuresSequence=measures)
    data.OpticalPathSequence = one(OpticalPathIdentifier="0")
    data.PixelData = np.stack(tiles).tobytes()
    data.save_as(path, enforce_file_format=True)


@pytest.fixture(scope="module")
def slide(tmp_path_factory):
    """The slide's finest file, and its pixels."""
    folder, ids = tmp_path_factory.mktemp("dicom"), (generate_uid(), generate_uid())
    rgb = np.random.default_rng(1).integers(0, 255, (240, 330, 3)).astype(np.uint8)
    rgb = np.repeat(np.repeat(rgb[::6, ::6], 6, axis=0), 6, axis=1)[:240, :328]
    small = rgb.reshape(60, 4, 82, 4, 3).mean(axis=(1, 3)).astype(np.uint8)
    level_file(folder / "a.dcm", rgb, UM, ids, 1)
    level_file(folder / "b.dcm", small, 4 * UM, ids, 2)
    return folder / "a.dcm", rgb


def test_size_and_pixel_size(slide):
    info = probe(slide[0])
    assert (info.width, info.height) == (328, 240)
    assert info.pixel_um == pytest.approx(UM)
    assert [level[1:] for level in info.levels] == [(328, 240), (82, 60)]


def test_pixels_whole_in_part_and_by_windows(slide):
    path, rgb = slide
    whole, um = read_rgb(path)
    assert um == pytest.approx(UM) and (whole == rgb).all()
    part, _ = read_rgb(path, region=(30, 50, 100, 120))
    assert (part == rgb[50:170, 30:130]).all()
    found = windows(probe(path), UM, UM)
    box = Box(61, 70, 140, 300)
    assert (found.read(box) == rgb[61:140, 70:300]).all()
