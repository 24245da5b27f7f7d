"""Slice pictures with a scanner's log, OME-Zarr, number types, reading by slabs, and lines to mg HA/cm³ in headers."""

import gzip

import numpy as np
import pytest
import tifffile
from PIL import Image

from periomics.core.errors import InputError
from periomics.microct.formats.lazy import open_volume
from periomics.microct.formats.nrecon import parse
from periomics.microct.formats.readers import _scanco_facts, probe, read_volume
from periomics.microct.formats.writers import write_volume

SHAPE = (5, 6, 7)
SPACING = (18.0, 18.0, 18.0)
# Written after the keys that users quote; no log of a real scanner was at hand.
LOG = """[System]
Scanner=SkyScan1276
[Acquisition]
Filename Prefix=rat_01_
Source Voltage (kV)=  70
Source Current (uA)= 200
Image Pixel Size (um)=8.99
Filter=Al 0.5mm
Exposure (ms)=  520
Rotation Step (deg)=0.400
Use 360 Rotation=NO
Frame Averaging=ON (2)
[Reconstruction]
Reconstruction Program=NRecon
Program Version=Version: 1.7.4.2
Pixel Size (um)=17.98000
Beam Hardening Correction (%)=30
Ring Artifact Correction=6
Smoothing=2
Minimum for CS to Image Conversion=0.0000
Maximum for CS to Image Conversion=0.0800
"""


@pytest.fixture
def volume():
    return np.random.default_rng(0).integers(0, 255, SHAPE).astype(np.uint8)


def pictures(folder, volume, suffix=".bmp", log=LOG):
    folder.mkdir()
    for z, plane in enumerate(volume):
        Image.fromarray(plane).save(folder / f"rat_01__rec{z:08d}{suffix}")
    if log:
        (folder / "rat_01__rec.log").write_text(log, encoding="utf-8")
    return folder


@pytest.mark.parametrize("suffix", [".bmp", ".png"])
def test_slices_with_a_log(tmp_path, volume, suffix):
    folder = pictures(tmp_path / "scan", volume, suffix)
    Image.fromarray(volume[0]).save(folder / "rat_01__rec_spr.bmp")  # NRecon's preview is no slice
    found = read_volume(folder)
    np.testing.assert_array_equal(found.array, volume)
    assert found.array.dtype == np.uint8
    assert found.spacing_um == (17.98,) * 3  # the reconstruction's, not the projections'
    facts = found.source
    assert facts["slices"] == 5
    assert (facts["log_voltage_kv"], facts["log_rotation_step_degree"], facts["log_filter"]) == (
        "70",
        "0.400",
        "Al 0.5mm",
    )
    assert facts["log_reconstruction_version"] == "Version: 1.7.4.2"
    with pytest.raises(InputError, match=r"sheet says 9 um, the file says 17\.98"):
        read_volume(folder, 9.0)


def test_slices_of_16_bit_and_lossy_slices(tmp_path, volume):
    deep = volume.astype(np.uint16) * 257
    folder = pictures(tmp_path / "png", deep, ".png", log="")
    found = read_volume(folder, 18)
    np.testing.assert_array_equal(found.array, deep)
    assert found.array.dtype == np.uint16
    folder = pictures(tmp_path / "jpg", np.full(SHAPE, 77, np.uint8), ".jpg")
    found = read_volume(folder)
    assert np.abs(found.array.astype(int) - 77).max() <= 2
    assert "grey values are not those" in found.source["lossy"]


def test_a_grey_palette_is_grey_and_colours_are_refused(tmp_path, volume):
    folder = pictures(tmp_path / "grey", volume)
    for z, plane in enumerate(volume):
        image = Image.fromarray(plane).convert("P")
        image.putpalette([v for i in range(256) for v in (i, i, i)])
        image.save(folder / f"rat_01__rec{z:08d}.bmp")
    assert read_volume(folder).array.shape == SHAPE
    image.putpalette([v for i in range(256) for v in (255 - i, i, i)])
    image.save(folder / "rat_01__rec00000003.bmp")
    with pytest.raises(InputError, match=r"rec00000003\.bmp: slice is not a grey image"):
        probe(folder)
    Image.fromarray(np.zeros((6, 7, 3), np.uint8)).save(folder / "rat_01__rec00000003.bmp")
    with pytest.raises(InputError, match="slice is not a grey image"):
        probe(folder)


def test_broken_picture_stacks(tmp_path, volume):
    def fresh():
        return pictures(tmp_path / f"s{len(list(tmp_path.iterdir()))}", volume)

    def refused(folder, text):
        with pytest.raises(InputError, match=text):
            read_volume(folder)

    folder = fresh()
    (folder / "rat_01__rec00000002.bmp").unlink()
    refused(folder, "slice 2 is missing")
    folder = fresh()
    Image.fromarray(volume[0, :4]).save(folder / "rat_01__rec00000003.bmp")
    refused(folder, r"rec00000003\.bmp: slice differs")
    folder = fresh()
    file = folder / "rat_01__rec00000004.bmp"
    file.write_bytes(file.read_bytes()[:-10])
    refused(folder, r"rec00000004\.bmp: slice is cut off")
    folder = fresh()
    (folder / "rat_01__rec00000000.bmp").write_bytes(b"")
    refused(folder, r"rec00000000\.bmp: slice cannot be read")
    folder = fresh()
    Image.fromarray(volume[0]).save(folder / "x0.png")
    refused(folder, "mixes image formats")
    folder = fresh()
    (folder / "second.log").write_text("Pixel Size (um)=9\n", encoding="utf-8")
    refused(folder, "different pixel sizes")
    for text in ("Pixel Size (um)=wide", "Pixel Size (um)=0"):
        folder = fresh()
        (folder / "rat_01__rec.log").write_text(text, encoding="utf-8")
        refused(folder, "pixel size is not a")
    folder = pictures(tmp_path / "png", volume, ".png")
    file = folder / "rat_01__rec00000001.png"
    file.write_bytes(file.read_bytes()[:-30])
    refused(folder, r"rec00000001\.png: slice cannot be read")


def test_log_is_read_as_it_is_written():
    found = parse("[A]\nImage Pixel Size (um) = 8,99 \n[B]\nFilter=a=b\nnot a line\n")
    assert found == {"image pixel size (um)": "8,99", "filter": "a=b"}


def test_log_beside_tiff_slices(tmp_path, volume):
    write_volume(volume, SPACING, tmp_path / "scan")
    (tmp_path / "scan/rec.log").write_text(LOG, encoding="utf-8")
    found = read_volume(tmp_path / "scan")
    assert found.spacing_um == (17.98,) * 3
    assert found.source["log_current_ua"] == "200"


# ---- OME-Zarr


def test_zarr_with_channel_axis_and_other_unit(tmp_path, volume):
    import zarr

    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=3)
    group.create_array("s0", data=volume[None], chunks=(1, 2, 6, 7))
    axes = [
        {"name": "c", "type": "channel"},
        *({"name": n, "type": "space", "unit": "millimeter"} for n in "zyx"),
    ]
    data = {
        "path": "s0",
        "coordinateTransformations": [{"type": "scale", "scale": [1, 0.02, 0.017, 0.016]}],
    }
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": [data]}]}
    found = read_volume(tmp_path / "a.zarr")
    np.testing.assert_array_equal(found.array, volume)
    assert found.spacing_um == pytest.approx((20, 17, 16))
    assert open_volume(tmp_path / "a.zarr").slab(1, 3).tolist() == volume[1:3].tolist()


def test_zarr_that_is_no_volume(tmp_path, volume):
    import zarr

    write_volume(volume, SPACING, tmp_path / "a.zarr")
    assert probe(tmp_path / "a.zarr").spacing_um == SPACING
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="a")
    scales = group.attrs["multiscales"]
    scales[0]["axes"][0].pop("unit")
    group.attrs["multiscales"] = scales
    assert probe(tmp_path / "a.zarr").spacing_um is None
    group.attrs["multiscales"] = []
    with pytest.raises(InputError, match="cannot be read as OME-Zarr"):
        probe(tmp_path / "a.zarr")
    zarr.create_array(str(tmp_path / "bare.zarr"), data=volume)
    with pytest.raises(InputError, match="cannot be read as OME-Zarr"):
        probe(tmp_path / "bare.zarr")
    nested = zarr.open_group(str(tmp_path / "nested.zarr"), mode="w", zarr_format=2)
    nested.create_group("0")
    axes = [{"name": n} for n in "zyx"]
    nested.attrs["multiscales"] = [{"axes": axes, "datasets": [{"path": "0"}]}]
    with pytest.raises(InputError, match="dataset 0 is no array"):
        probe(tmp_path / "nested.zarr")
    two = zarr.open_group(str(tmp_path / "two.zarr"), mode="w", zarr_format=2)
    two.create_array("0", data=np.stack([volume, volume]))
    axes = [{"name": n} for n in "czyx"]
    two.attrs["multiscales"] = [{"axes": axes, "datasets": [{"path": "0"}]}]
    with pytest.raises(InputError, match="several volumes"):
        probe(tmp_path / "two.zarr")


def test_missing_chunks_are_said(tmp_path, volume):
    write_volume(volume, SPACING, tmp_path / "a.zarr")
    (tmp_path / "a.zarr/0/0.0.0").unlink()
    assert probe(tmp_path / "a.zarr").facts.get("chunks_not_stored", "").startswith("1 of 1")


# ---- number types and slabs


@pytest.mark.parametrize(
    "dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32"]
)
@pytest.mark.parametrize("name", ["a.nrrd", "a.nii", "a.mha", "a.zarr", "a.tif", "stack"])
def test_number_types_and_slabs(tmp_path, dtype, name):
    """Every type in every format, whole and by slabs of two planes."""
    kind = np.dtype(dtype)
    low, high = (-1e6, 1e6) if kind.kind == "f" else (np.iinfo(kind).min, np.iinfo(kind).max)
    volume = np.random.default_rng(1).uniform(low, high, SHAPE).astype(kind)
    write_volume(volume, SPACING, tmp_path / name)
    found = read_volume(tmp_path / name, 18)
    np.testing.assert_array_equal(found.array, volume)
    assert found.array.dtype == kind
    by_slab = open_volume(tmp_path / name, 18)
    assert (by_slab.shape, by_slab.dtype, by_slab.spacing_um) == (
        SHAPE,
        dtype,
        pytest.approx(SPACING),
    )
    np.testing.assert_array_equal(
        np.concatenate([by_slab.slab(a, min(5, a + 2)) for a in (0, 2, 4)]), volume
    )
    for wrong in ((3, 3), (4, 6), (-1, 2)):
        with pytest.raises(ValueError, match="not in a scan of 5"):
            by_slab.slab(*wrong)


def test_slabs_of_pictures_and_of_one_page_tiffs(tmp_path, volume):
    found = open_volume(pictures(tmp_path / "scan", volume))
    np.testing.assert_array_equal(found.slab(2, 4), volume[2:4])
    tifffile.imwrite(
        tmp_path / "ij.tif",
        volume,
        imagej=True,
        metadata={"axes": "ZYX", "spacing": 18, "unit": "um"},
        resolution=(1 / 18, 1 / 18),
    )
    np.testing.assert_array_equal(open_volume(tmp_path / "ij.tif").slab(4, 5), volume[4:])


def test_slabs_of_cut_files_are_refused(tmp_path, volume):
    write_volume(volume, SPACING, tmp_path / "a.nii")
    whole = (tmp_path / "a.nii").read_bytes()
    (tmp_path / "a.nii").write_bytes(whole[:-20])
    with pytest.raises(InputError, match="cut off"):
        open_volume(tmp_path / "a.nii")
    write_volume(volume, SPACING, tmp_path / "stack")
    found = open_volume(tmp_path / "stack", 18)
    (tmp_path / "stack/slice_0003.tif").write_bytes(b"x")
    assert found.slab(0, 2).shape == (2, 6, 7)
    with pytest.raises(InputError, match="slice_0003"):
        found.slab(2, 5)


def nrrd(folder, volume, pixels, **fields):
    """An NRRD of one's own making; `pixels` follow the header, or stand in the file `a.raw` if a data file is named."""
    lines = {
        "type": "uint16",
        "dimension": "3",
        "sizes": "7 6 5",
        "spacings": "18 18 18",
        "units": '"um" "um" "um"',
        "endian": "little",
        "encoding": "raw",
        **fields,
    }
    header = "NRRD0004\n# a comment\n" + "".join(f"{k}: {v}\n" for k, v in lines.items()) + "\n"
    detached = "data file" in fields
    path = folder / ("a.nhdr" if detached else "a.nrrd")
    path.write_bytes(header.encode() + (b"" if detached else pixels))
    if detached:
        (folder / "a.raw").write_bytes(pixels)
    return path


@pytest.mark.parametrize(
    ("fields", "prefix", "order"),
    [
        ({}, b"", "<"),
        ({"endian": "big"}, b"", ">"),
        ({"byte skip": "-1"}, b"anything", "<"),
        ({"data file": "a.raw"}, b"", "<"),
        ({"data file": "a.raw", "byte skip": "3", "endian": "big"}, b"abc", ">"),
        ({"encoding": "ascii"}, None, None),
        ({"encoding": "gzip"}, None, None),
    ],
)
def test_nrrd_by_slabs_as_a_whole(tmp_path, volume, fields, prefix, order):
    """Raw pixels are read by planes, others through ITK; both as ITK reads the whole."""
    volume = volume.astype(np.uint16) * 257
    if prefix is not None:
        pixels = prefix + volume.astype(order + "u2").tobytes()
    elif fields["encoding"] == "ascii":
        pixels = " ".join(map(str, volume.ravel())).encode()
    else:
        pixels = gzip.compress(volume.tobytes())
    path = nrrd(tmp_path, volume, pixels, **fields)
    found = open_volume(path)
    assert found.whole == (prefix is None)
    slabs = np.concatenate([found.slab(a, min(5, a + 2)) for a in (0, 2, 4)])
    np.testing.assert_array_equal(slabs, volume)
    np.testing.assert_array_equal(read_volume(path).array, slabs)
    assert slabs.dtype == np.dtype("uint16")


def test_nrrd_that_ends_early_or_lacks_its_pixels(tmp_path, volume):
    path = nrrd(tmp_path, volume, volume.astype("<u2").tobytes()[:-2])
    with pytest.raises(InputError, match=r"a\.nrrd.*ends early"):
        open_volume(path)
    path = nrrd(tmp_path, volume, volume.astype("<u2").tobytes(), **{"data file": "a.raw"})
    (tmp_path / "a.raw").unlink()
    with pytest.raises(InputError, match="couldn't open"):
        open_volume(path)


@pytest.mark.data
def test_scanco_fixtures_by_slab(data):
    folder = data / "microct/scanco_reader_fixtures"
    whole = read_volume(folder / "test_nii.nii").array
    for name in (
        "test_nii.nii",
        "test_mha.mha",
        "test_nrrd.nrrd",
        "test_dicom",
        "test_aim.AIM",
        "test_isq.ISQ",
    ):
        found = open_volume(folder / name)
        np.testing.assert_array_equal(
            np.concatenate([found.slab(a, a + 5) for a in range(0, 25, 5)]), whole, err_msg=name
        )


# ---- calibration in Scanco headers


def test_density_of_a_scanco_log():
    """The log's form is that of Scanco's processing logs as the reading library expects them (synthesised, no such scan at hand)."""
    log = (
        "Mu_Scaling                                       8192\nHU: mu water                                   0.24090\n"
        "Density: type                                       2\nDensity: unit                                  {unit}\n"
        "Density: slope                         1.60443005e+03\nDensity: intercept                    -3.91982e+02\n"
    )
    found = _scanco_facts({"processing_log": log.format(unit="[mg HA/ccm]")}, "aim")
    assert found["density_slope"] == pytest.approx(1604.43005 / 8192)
    assert found["density_intercept"] == pytest.approx(-391.982)
    assert "density_slope" not in _scanco_facts(
        {"processing_log": log.format(unit="[1/cm]")}, "aim"
    )
    assert "density_slope" not in _scanco_facts({"processing_log": "Mu_Scaling 1"}, "aim")
    assert (
        _scanco_facts({"rescale_slope": 0.2, "rescale_intercept": -390.0}, "isq")["density_slope"]
        == 0.2
    )
    assert "density_slope" not in _scanco_facts({"mu_scaling": 1}, "isq")
