"""Fibres painted in hues of a colour wheel on a dark field: shares by hue; overexposed pictures,
bright fields, colours that no fibre has and a section of another exposure are held back."""

import colorsys

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageDraw
from scipy import ndimage
from shapely.geometry import box

from periomics.core.errors import InputError
from periomics.histology.batch import batch_rows, pool, sample_section
from periomics.histology.measure import measure_section
from periomics.histology.members import odd_members
from periomics.histology.sections import with_masks
from periomics.histology.settings import stain_settings
from periomics.imaging.rois import Annotation

SIDE, PX = 420, 0.5
# Degrees on the colour wheel, of 360: well inside each class.
DEGREES = {"red": 358, "orange": 32, "yellow": 63, "green": 115, "blue": 230}


@pytest.fixture(scope="module")
def block(request):
    """The block that stands in the docs."""
    import yaml

    text = (request.config.rootpath / "docs" / "histology.md").read_text(encoding="utf-8")
    part = text.split("## Collagen between crossed polarisers")[1].split("```yaml\n")[1]
    return yaml.safe_load(part.split("```")[0])["picrosirius"]


def draw(shares, level=0.7, seed=3, noise=2.5, background=9, blur=0.6):
    """Wavy bundles of each hue until they cover about those shares (%); the picture and what is
    covered."""
    rng = np.random.default_rng(seed)
    kind = Image.new("L", (SIDE, SIDE), 0)
    pen = ImageDraw.Draw(kind)
    for k, share in enumerate(shares.values(), start=1):
        while (np.asarray(kind) == k).mean() < share / 100:
            x = np.linspace(-20, SIDE + 20, 60)
            y = rng.uniform(0, SIDE) + 12 * np.sin(x / rng.uniform(25, 60) + rng.uniform(0, 6))
            if rng.random() < 0.5:
                x, y = y, x
            long = rng.integers(15, 45)
            at = rng.integers(0, 60 - long)
            ends = list(zip(x[at : at + long], y[at : at + long], strict=True))
            pen.line(ends, fill=k, width=int(rng.integers(8, 18)))
    kind = np.asarray(kind)
    light = np.full((SIDE, SIDE, 3), float(background))
    for k, name in enumerate(shares, start=1):
        bright = level * rng.uniform(0.85, 1.15, kind.shape)[kind == k]
        colour = np.array(colorsys.hsv_to_rgb(DEGREES[name] / 360, 0.85, 1.0))
        light[kind == k] = background + 255 * bright[:, None] * colour
    light = ndimage.gaussian_filter(light, (blur, blur, 0)) + rng.normal(0, noise, light.shape)
    truth = {name: 100 * float((kind == k).mean()) for k, name in enumerate(shares, start=1)}
    return light.clip(0, 255).round().astype(np.uint8), truth


def opened(rgb, stain):
    return with_masks(rgb, PX, 1.0, [Annotation(stain.roi, box(0, 0, SIDE, SIDE))], stain)


def measured(rgb, table, block):
    stain = stain_settings({"sweep_percent": 0, "stains": {"S": block}}, table)["S"]
    seen = opened(rgb, stain)
    row = batch_rows(pd.DataFrame([pool([sample_section(seen)], stain)]))["S"]
    found = measure_section(seen, stain, row, {"section_id": "s"})
    return {r["outcome"]: r for r in found.rows if not r["variant"]}


@pytest.mark.parametrize("level", [0.45, 0.8])
@pytest.mark.parametrize(
    "shares",
    [
        {"green": 8, "yellow": 6, "orange": 12, "red": 25},
        {"red": 2, "orange": 3, "yellow": 10, "green": 40},
        {"green": 0.5, "red": 1},
    ],
)
def test_shares_by_hue(table, block, shares, level):
    rgb, truth = draw(shares, level)
    got = measured(rgb, table, block)
    assert all(r.get("qc", "pass") == "pass" for k, r in got.items() if k != "psr_ratio"), got
    for hue in ("red", "orange", "yellow", "green"):
        assert got[f"psr_{hue}"]["value"] == pytest.approx(truth.get(hue, 0), abs=3), hue
    assert got["psr"]["value"] == pytest.approx(sum(truth.values()), abs=3)
    if min(truth.get("green", 0), truth.get("red", 0)) > 5:
        thick, thin = truth["red"] + truth["orange"], truth["yellow"] + truth["green"]
        assert got["psr_ratio"]["value"] == pytest.approx(thick / thin, rel=0.1)


def test_no_fibres_are_none(table, block):
    rgb, _ = draw({})
    got = measured(rgb, table, block)
    assert got["psr"]["value"] == 0 and got["psr"].get("qc", "pass") == "pass"


def bright_field(seed=1):
    """Red collagen on pale yellow tissue and glass."""
    rng = np.random.default_rng(seed)
    rgb, _ = draw({"red": 30})
    fibre = rgb.max(axis=-1) > 90
    light = np.where(fibre[..., None], (190, 45, 60), (235, 225, 175)).astype(float)
    light[:40] = 245
    return (light + rng.normal(0, 2, light.shape)).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("picture", "fact"),
    [
        (lambda: draw({"red": 20, "green": 10}, level=1.25)[0], "camera's highest level"),
        (bright_field, "no dark field?"),
        (lambda: draw({"blue": 20, "red": 10})[0], "without a colour of fibres"),
        (lambda: draw({"red": 20}, background=70)[0], "darkest twentieth"),
        (lambda: draw({"red": 20, "green": 10}, blur=3.5)[0], "sharpest edges"),
    ],
)
def test_what_cannot_be_read_by_hue_is_held_back(table, block, picture, fact):
    row = measured(picture(), table, block)["psr"]
    assert row["qc"] == "hold" and fact in row["qc_reason"]


def test_a_section_of_another_exposure_is_named(table, block):
    stain = stain_settings({"stains": {"S": block}}, table)["S"]
    levels = [0.8, 0.75, 0.4, 0.7]
    pictures = [draw({"red": 20, "green": 10}, v, seed=k)[0] for k, v in enumerate(levels)]
    odd = odd_members([sample_section(opened(p, stain)) for p in pictures], stain)
    assert list(odd) == [2] and "level of fibres" in odd[2]


def test_stains_have_no_vectors_between_polarisers(table, block):
    for change in ({"vectors": "H-E"}, {"detector": "area"}, {"image": "brightfield"}):
        with pytest.raises(InputError, match=r"between crossed polarisers|does not read it"):
            stain_settings({"stains": {"S": block | change}}, table)
