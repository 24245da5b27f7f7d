"""Slides that hold nothing outside of what was scanned, as MRXS does: glass, or refused, never a
stain."""

import numpy as np
import pytest
import tifffile
from PIL import Image
from sketched import Slide, measured, spread, whole

from periomics.imaging.boxes import Box
from periomics.imaging.readers import pixel_size, probe, read_rgb
from periomics.imaging.windows import windows

WIDE, HIGH = 360, 280
VESSELS = {
    "detector": "vessels",
    "vectors": "H-DAB",
    "roi": "r",
    "outcomes": {"density": "mvd", "area": "va", "diameter": "none"},
}


@pytest.fixture(scope="module")
def section():
    """A section with 10 vessels and glass around it, and where it was scanned."""
    slide = Slide(WIDE, HIGH, seed=5)
    inside = (abs(slide.x - WIDE / 2) < 130) & (abs(slide.y - HIGH / 2) < 100)
    tissue = (abs(slide.x - WIDE / 2) < 120) & (abs(slide.y - HIGH / 2) < 90)
    slide.put(tissue * slide.grain(5, 0.2), "haema", 0.08)
    corner = np.array([WIDE / 2 - 110, HIGH / 2 - 80])
    for at in corner + spread(slide.rng, 10, 220, 160, apart=40, edge=20):
        slide.oval(at, (9, 7), slide.rng.uniform(0, 3), "dab", 0.55, hollow=2.4)
    return slide, slide.photograph(), inside


def pyramid(path, array, extra=("unassalpha",)):
    """Two levels of tiles, as scanners' converters write them."""
    with tifffile.TiffWriter(path) as file:
        for k, step in enumerate((1, 2)):
            size = (2e4 / step, 2e4 / step)
            file.write(
                array[::step, ::step],
                photometric="rgb",
                tile=(128, 128),
                extrasamples=extra if array.shape[2] == 4 else None,
                resolution=size,
                resolutionunit="CENTIMETER",
                subfiletype=k,
            )
    return path


def outside(colours, inside, alpha=True):
    held = np.where(inside[..., None], colours, np.uint8(0))
    return np.dstack([held, np.where(inside, 255, 0).astype(np.uint8)]) if alpha else held


@pytest.mark.parametrize("suffix", [".tif", ".png"])
def test_what_is_transparent_is_as_bright_as_the_files_glass(section, tmp_path, suffix):
    _, colours, inside = section
    held, path = outside(colours, inside), tmp_path / f"slide{suffix}"
    if suffix == ".png":
        Image.fromarray(held).save(path)
    else:
        pyramid(path, held)
    read, _ = read_rgb(path, 0.5, 0.5)
    np.testing.assert_array_equal(read[inside], colours[inside])
    assert np.abs(read[~inside].astype(int) - (238, 236, 240)).max() <= 4
    assert len(np.unique(read[~inside], axis=0)) == 1


def test_a_fourth_sample_of_no_name_hides_nothing(section, tmp_path):
    """Half of the tissue has a 0 there: its colours stand, also by windows."""
    _, colours, _ = section
    half = np.where(np.arange(colours.shape[1]) < 300, 0, 9).astype(np.uint8)
    held = np.dstack([colours, np.broadcast_to(half, colours.shape[:2])])
    info = probe(pyramid(tmp_path / "slide.tif", held, (0,)))
    assert info.colour == "rgb" and not info.transparent
    np.testing.assert_array_equal(read_rgb(info.path)[0], colours)
    by = windows(info, pixel_size(info), 0.5)
    np.testing.assert_array_equal(by.read(Box(0, 0, 300, 400)), colours[:300, :400])


def test_windows_read_the_same_glass(section, tmp_path):
    _, colours, inside = section
    info = probe(pyramid(tmp_path / "slide.tif", outside(colours, inside)))
    whole_picture, _ = read_rgb(info.path)
    by = windows(info, pixel_size(info), 0.5)
    part = Box(20, 30, 300, 400)
    np.testing.assert_array_equal(by.read(part), whole_picture[20:300, 30:400])


def test_a_fourth_plane_that_is_nowhere_opaque_is_no_transparency(section, tmp_path):
    _, colours, inside = section
    held = outside(colours, inside & False)
    held[..., :3] = colours
    np.testing.assert_array_equal(
        read_rgb(pyramid(tmp_path / "slide.tif", held, extra=("unspecified",)))[0], colours
    )


def test_vessels_of_a_slide_with_nothing_outside(section, tmp_path, table):
    slide, colours, inside = section
    read, _ = read_rgb(pyramid(tmp_path / "slide.tif", outside(colours, inside)))
    of_glass, _ = measured(colours, [whole("r", slide)], table, **VESSELS)
    rows, beyond = measured(read, [whole("r", slide)], table, **VESSELS)
    assert not beyond
    for name in ("mvd", "va"):
        assert rows[name]["value"] == pytest.approx(of_glass[name]["value"], rel=0.02), name
    assert rows["mvd"]["numerator"] == 10


def test_black_outside_that_no_plane_tells_holds_the_section_back(section, table):
    slide, colours, inside = section
    rows, beyond = measured(
        outside(colours, inside, alpha=False), [whole("r", slide)], table, **VESSELS
    )
    assert "black in the tissue" in beyond
    assert {r["qc"] for r in rows.values()} == {"hold"}
