"""Fluorescence by named channels at 8, 12 and 16 bits: vessels and areas drawn as light that adds up, under shot noise."""

import numpy as np
import pandas as pd
import pytest
import tifffile
from painted import spindles, vessels
from PIL import Image
from scipy import ndimage

from periomics.core.errors import InputError, SpecimenError
from periomics.histology.batch import batch_rows, pool, sample_section
from periomics.histology.measure import measure_section
from periomics.histology.members import odd_members
from periomics.histology.sections import open_section
from periomics.histology.settings import stain_settings
from periomics.imaging.readers import channel_number, probe, read_planes

SIZE = 360
NAMES = ["DAPI", "CD31", "SMA", "Ki67"]


def settings(detector="vessels", channels=("DAPI", "CD31"), bits=12):
    block = {"image": "fluorescence", "channels": list(channels), "bits": bits}
    block |= {"detector": detector, "roi": "whole_picture", "outcomes": {}}
    if detector == "area":
        block["outcomes"] = {"share": "colf"}
    return stain_settings({"sweep_percent": 0, "stains": {"X": block}}, {})["X"]


def photons(rng, light, blur=1.6):
    """Camera counts of expected counts: blurred, then by chance, with an offset of 100 and what it reads wrongly."""
    seen = ndimage.gaussian_filter(light, blur)
    return rng.poisson(seen) + 100 + rng.normal(0, 4, seen.shape)


def field(seed=1, n=9, bright=600.0, haze=60.0, share=None):
    """Four channels (4, height, width) of counts, and the share (%) that shines in the second."""
    rng = np.random.default_rng(seed)
    nuclei = spindles(rng, 150, SIZE)
    if share is None:
        wall, _ = vessels(rng, n, SIZE)
    else:
        surface = ndimage.gaussian_filter(rng.standard_normal((SIZE, SIZE)), (4, 14), mode="wrap")
        wall = (surface >= np.quantile(surface, 1 - share)) * 1.0
    patchy = 1 + 0.3 * ndimage.gaussian_filter(rng.standard_normal((SIZE, SIZE)), 12) * 12
    stack = [40 + 900 * nuclei, haze * np.clip(patchy, 0.3, 2) + bright * wall]
    stack += [np.full((SIZE, SIZE), 30.0), 20 + 200 * nuclei]
    return np.stack([photons(rng, c) for c in stack]), 100 * (wall > 0).mean()


def on_disk(folder, stack, bits=12, name="a", names=NAMES):
    kind = np.uint8 if bits == 8 else np.uint16
    full = 2**bits - 1
    counts = np.clip(np.round(stack if bits != 8 else stack * 255 / 4095), 0, full).astype(kind)
    sizes = {"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}
    metadata = {"axes": "CYX", "Channel": {"Name": list(names)}} | sizes
    path = folder / f"{name}.ome.tif"
    tifffile.imwrite(path, counts, metadata=metadata)
    return {"path": str(path), "section_id": name, "specimen_id": "s", "animal_id": "a"}


def measured(facts, of):
    batch = [open_section(f, of) for f in facts]
    samples = [sample_section(o) for o in batch]
    row = batch_rows(pd.DataFrame([pool(samples, of)]))["X"]
    found = [measure_section(o, of, row, f) for o, f in zip(batch, facts, strict=True)]
    return [m.rows for m in found], odd_members(samples, of), [m.quality for m in found]


@pytest.mark.parametrize(("bits", "times"), [(8, 1), (10, 0.25), (12, 1), (16, 14), (16, 1)])
def test_vessels_are_counted_at_every_depth(tmp_path, bits, times):
    stack, _ = field(n=9)
    fact = on_disk(tmp_path, stack * times, bits)
    (rows,), odd, (quality,) = measured([fact], settings(bits=bits))
    assert rows[0]["numerator"] == 9, rows[0]
    assert rows[0]["denominator"] == pytest.approx((SIZE * 0.5e-3) ** 2)
    assert rows[0].get("qc", "pass") == "pass", quality
    assert odd == {}


@pytest.mark.parametrize("share", [0.03, 0.5, 0.9])
@pytest.mark.parametrize("bright", [150.0, 2500.0])
def test_the_share_that_shines_is_found_dim_or_bright(tmp_path, share, bright):
    stack, truth = field(share=share, bright=bright, haze=30.0)
    ((row,),), _, _ = measured([on_disk(tmp_path, stack)], settings("area"))
    assert row["value"] == pytest.approx(truth, abs=3)
    assert row.get("qc", "pass") == "pass", row["qc_reason"]


def test_another_channel_is_another_number(tmp_path):
    fact = on_disk(tmp_path, field(n=9)[0])
    (rows,), _, _ = measured([fact], settings(channels=("DAPI", "SMA")))
    assert rows[0]["qc"] == "hold"
    assert "SMA: all of it is alike" in rows[0]["qc_reason"]
    by_number, _, _ = measured([fact], settings(channels=(1, 2)))
    assert by_number[0][0]["numerator"] == 9


def test_a_dimmer_section_is_odd_in_its_batch(tmp_path):
    facts = [on_disk(tmp_path, field(seed=k)[0], name=f"s{k}") for k in (1, 2)]
    facts.append(on_disk(tmp_path, field(seed=3, bright=200)[0], name="dim"))
    rows, odd, _ = measured(facts, settings())
    assert list(odd) == [2]
    assert [r[0]["numerator"] for r in rows[:2]] == [9, 9]


def test_saturation_and_blur_hold_a_section_back(tmp_path):
    stack, _ = field(n=9, bright=9000)
    (rows,), _, _ = measured([on_disk(tmp_path, stack)], settings())
    assert "saturated pixels" in rows[0]["qc_reason"]
    blurred = np.stack([ndimage.gaussian_filter(c, 6) for c in field(n=9)[0]])
    (rows,), _, _ = measured([on_disk(tmp_path, blurred, name="b")], settings())
    assert "sharpest edges" in rows[0]["qc_reason"]


def test_four_channels_are_read_as_they_are_and_what_is_wrong_is_named(tmp_path):
    stack, _ = field()
    path = on_disk(tmp_path, stack)["path"]
    planes, pixel, full = read_planes(path, ["Ki67", 1], bits=12)
    assert (planes.shape, pixel, full) == ((SIZE, SIZE, 2), pytest.approx(0.5), 4095)
    np.testing.assert_array_equal(planes[..., 1], np.round(stack[0]))
    for channel, message in (("CD3", "no channel CD3"), (5, "no channel 5"), (0, "no channel 0")):
        with pytest.raises(InputError, match=message):
            channel_number(probe(path), channel)
    with pytest.raises(InputError, match="how many bits"):
        read_planes(path, [1])
    with pytest.raises(SpecimenError, match="beyond 255 of the stated bits"):
        read_planes(path, [1], bits=8)


def test_a_merged_picture_is_read_by_its_colours(tmp_path):
    rgb = np.zeros((20, 30, 3), np.uint8)
    rgb[..., 1] = 70
    Image.fromarray(rgb).save(tmp_path / "m.png")
    planes, _, full = read_planes(tmp_path / "m.png", ["blue", "green"], sheet_pixel_um=0.5)
    assert (planes[0, 0].tolist(), full) == ([0, 70], 255)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"detector": "lacunae"}, "does not read fluorescence"),
        ({"channels": []}, "one or two are needed"),
        ({"vectors": "H-DAB"}, "is of brightfield"),
        ({"image": "brightfield"}, "are of fluorescence"),
    ],
)
def test_what_does_not_fit_the_kind_of_picture_is_refused(wrong, message):
    block = {"image": "fluorescence", "channels": [1, 2], "detector": "vessels"} | wrong
    with pytest.raises(InputError, match=message):
        stain_settings({"stains": {"X": block}}, {})
