"""Readers: pixel sizes from the file or the sheet, never guessed; pyramids read at the right level."""

import os
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from periomics.core.errors import InputError, SpecimenError
from periomics.imaging import series
from periomics.imaging.readers import pixel_size, probe, read_grey, read_rgb

ROOT = Path(__file__).resolve().parents[3]
DATA = Path(os.environ.get("PERIOMICS_DATA", ROOT.parent / "shared" / "data")) / "histology"


def real(name):
    path = DATA / name
    if not path.exists():
        pytest.skip(f"real data not found: {path} (set PERIOMICS_DATA)")
    return path


@pytest.fixture
def rgb():
    return np.random.default_rng(1).integers(0, 255, (60, 80, 3), dtype=np.uint8)


def write_ome(path, rgb, size=0.5, unit="µm", **options):
    metadata = {"axes": "YXS", "PhysicalSizeX": size, "PhysicalSizeXUnit": unit}
    metadata |= {"PhysicalSizeY": size, "PhysicalSizeYUnit": unit}
    tifffile.imwrite(path, rgb, photometric="rgb", metadata=metadata, ome=True, **options)


def test_ome_tiff_states_its_pixel_size_and_gives_its_pixels(tmp_path, rgb):
    write_ome(tmp_path / "a.ome.tif", rgb)
    info = probe(tmp_path / "a.ome.tif")
    assert (info.width, info.height, info.pixel_um, len(info.levels)) == (80, 60, 0.5, 1)
    found, pixel = read_rgb(tmp_path / "a.ome.tif")
    assert pixel == 0.5
    np.testing.assert_array_equal(found, rgb)


@pytest.mark.parametrize(
    ("size", "unit", "um"), [(500.0, "nm", 0.5), (0.0005, "mm", 0.5), (0.25, "µm", 0.25)]
)
def test_units_of_ome_are_converted(tmp_path, rgb, size, unit, um):
    write_ome(tmp_path / "a.ome.tif", rgb, size, unit)
    assert probe(tmp_path / "a.ome.tif").pixel_um == pytest.approx(um)


def test_png_needs_the_sheet(tmp_path, rgb):
    Image.fromarray(rgb).save(
        tmp_path / "a.png", dpi=(72, 72)
    )  # a display's resolution is no pixel size
    with pytest.raises(InputError, match="no pixel size in the file and none in the sheet"):
        read_rgb(tmp_path / "a.png")
    found, pixel = read_rgb(tmp_path / "a.png", sheet_pixel_um=0.25)
    assert pixel == 0.25
    np.testing.assert_array_equal(found, rgb)


def test_a_microscopes_resolution_tag_is_read(tmp_path, rgb):
    tifffile.imwrite(
        tmp_path / "a.tif",
        rgb,
        photometric="rgb",
        resolution=(20000, 20000),
        resolutionunit="CENTIMETER",
    )
    assert probe(tmp_path / "a.tif").pixel_um == pytest.approx(0.5)
    tifffile.imwrite(
        tmp_path / "b.tif", rgb, photometric="rgb", resolution=(72, 72), resolutionunit="INCH"
    )
    assert probe(tmp_path / "b.tif").pixel_um is None
    tifffile.imwrite(
        tmp_path / "c.tif", rgb[..., 0], imagej=True, resolution=(4, 4), metadata={"unit": "um"}
    )
    assert probe(tmp_path / "c.tif").pixel_um == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("sheet", "fine"), [(0.504, True), (0.506, False), (500.0, False), (-1.0, False)]
)
def test_file_and_sheet_may_differ_by_one_percent(tmp_path, rgb, sheet, fine):
    write_ome(tmp_path / "a.ome.tif", rgb)
    info = probe(tmp_path / "a.ome.tif")
    if fine:
        assert pixel_size(info, sheet) == 0.5
    else:
        with pytest.raises(InputError, match="pixel_um"):
            pixel_size(info, sheet)


def test_pixels_that_are_not_square_are_refused(tmp_path, rgb):
    metadata = {"axes": "YXS", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.6}
    tifffile.imwrite(tmp_path / "a.ome.tif", rgb, photometric="rgb", metadata=metadata, ome=True)
    with pytest.raises(InputError, match="not square"):
        probe(tmp_path / "a.ome.tif")


def test_resampling_averages_by_area_and_never_invents_pixels(tmp_path, rgb):
    write_ome(tmp_path / "a.ome.tif", rgb)
    found, pixel = read_rgb(tmp_path / "a.ome.tif", pixel_um_target=1.0)
    mean = rgb.reshape(30, 2, 40, 2, 3).mean(axis=(1, 3))
    assert pixel == pytest.approx(1.0)
    assert np.abs(found - mean).max() <= 1.0  # two passes of rounding
    assert read_rgb(tmp_path / "a.ome.tif", pixel_um_target=0.1)[0].shape == rgb.shape
    found, pixel = read_rgb(tmp_path / "a.ome.tif", pixel_um_target=0.7)
    assert found.shape[:2] == (43, 57)
    assert pixel == pytest.approx(0.7, rel=0.01)


def test_the_level_just_finer_than_the_target_is_read(tmp_path):
    path = tmp_path / "p.ome.tif"
    levels = [np.full((64 // s, 96 // s, 3), v, np.uint8) for s, v in ((1, 10), (2, 20), (4, 40))]
    with tifffile.TiffWriter(path, ome=True) as tif:
        options = {"photometric": "rgb", "tile": (16, 16)}
        tif.write(
            levels[0],
            subifds=2,
            metadata={"axes": "YXS", "PhysicalSizeX": 0.25, "PhysicalSizeY": 0.25},
            **options,
        )
        for level in levels[1:]:
            tif.write(level, subfiletype=1, **options)
    assert [round(d) for d, _, _ in probe(path).levels] == [1, 2, 4]
    for target, value, size in (
        (0.25, 10, 96),
        (0.4, 10, 60),
        (0.5, 20, 48),
        (0.9, 20, 27),
        (1.0, 40, 24),
        (2.0, 40, 12),
    ):
        found, _ = read_rgb(path, target)
        assert found.shape[1] == size, target
        assert (found == value).all(), target
    found, _ = read_rgb(path, 0.5, region=(32, 16, 16, 8))
    assert found.shape == (4, 8, 3)


def test_region_is_cut_where_it_says(tmp_path, rgb):
    write_ome(tmp_path / "a.ome.tif", rgb)
    found, _ = read_rgb(tmp_path / "a.ome.tif", region=(10, 20, 30, 15))
    np.testing.assert_array_equal(found, rgb[20:35, 10:40])
    with pytest.raises(InputError, match="outside"):
        read_rgb(tmp_path / "a.ome.tif", region=(70, 0, 20, 10))


def test_grey_images_of_8_and_16_bits(tmp_path, rgb):
    grey = rgb[..., 0]
    tifffile.imwrite(tmp_path / "a.tif", grey)
    tifffile.imwrite(tmp_path / "b.tif", grey.astype(np.uint16) * 257)
    for name in ("a.tif", "b.tif"):
        found, pixel = read_grey(tmp_path / name, sheet_pixel_um=1.0)
        assert pixel == 1.0
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, grey)
    assert read_rgb(tmp_path / "a.tif", sheet_pixel_um=1.0)[0].shape == (60, 80, 3)


def test_broken_files_are_named(tmp_path, rgb):
    (tmp_path / "a.tif").write_bytes(b"II*\x00 not an image")
    with pytest.raises(SpecimenError, match=r"a\.tif: cannot be opened"):
        probe(tmp_path / "a.tif")
    with pytest.raises(InputError, match="does not exist"):
        probe(tmp_path / "b.png")
    with pytest.raises(InputError, match="not an image format"):
        probe(tmp_path / "c.docx")
    write_ome(tmp_path / "d.ome.tif", rgb)
    whole = (tmp_path / "d.ome.tif").read_bytes()
    Image.fromarray(rgb).save(tmp_path / "e.png")
    half = (tmp_path / "e.png").read_bytes()
    (tmp_path / "e.png").write_bytes(half[: len(half) // 2])
    with pytest.raises(SpecimenError, match=r"e\.png: pixels cannot be read"):
        read_rgb(tmp_path / "e.png", sheet_pixel_um=0.5)
    assert len(whole) > rgb.size


@pytest.mark.data
def test_real_aperio_slide_has_its_pixel_size():
    info = probe(real("wsi/CMU-1-Small-Region.svs"))
    assert (info.width, info.height, info.pixel_um) == (2220, 2967, 0.499)
    found, pixel = read_rgb(info.path, 1.0, region=(500, 500, 400, 400))
    assert found.shape == (200, 200, 3)
    assert pixel == pytest.approx(1.0, rel=0.01)
    with tifffile.TiffFile(info.path) as tif:  # another decoder, the same pixels
        other = tif.series[0].asarray()[500:900, 500:900]
    assert np.abs(found - other.reshape(200, 2, 200, 2, 3).mean(axis=(1, 3))).max() <= 1.0


@pytest.mark.data
def test_real_slide_without_pixel_size_is_refused():
    path = real("wsi/TCGA-CR-7395-01A-01-TS1.svs")
    assert probe(path).pixel_um is None
    with pytest.raises(InputError, match="none in the sheet"):
        read_rgb(path)
    found, pixel = read_rgb(path, 0.5, sheet_pixel_um=0.25, region=(1000, 1000, 512, 256))
    assert found.shape == (128, 256, 3)
    assert pixel == pytest.approx(0.5, rel=0.01)


@pytest.mark.data
def test_real_ome_tiff_core():
    info = probe(real("wsi/instanseg_HE_tma_core.ome.tif"))
    assert info.pixel_um == pytest.approx(0.5000799, abs=1e-6)
    assert read_rgb(info.path)[0].shape == (1484, 1380, 3)
    assert probe(real("wsi/kidney-48-5.tif")).pixel_um is None


def test_every_grey_of_8_bits_comes_back_from_16(tmp_path):
    greys = np.arange(256, dtype=np.uint8).reshape(16, 16)
    tifffile.imwrite(tmp_path / "a.tif", np.dstack([greys] * 3).astype(np.uint16) * 257)
    found, _ = read_rgb(tmp_path / "a.tif", sheet_pixel_um=1.0)
    np.testing.assert_array_equal(found, np.dstack([greys] * 3))
    tifffile.imwrite(tmp_path / "b.tif", np.stack([greys, greys]).astype(np.uint16) * 257)
    np.testing.assert_array_equal(series._pages(tmp_path / "b.tif"), np.stack([greys, greys]))
