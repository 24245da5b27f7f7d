"""Regions proposed of sections that nobody annotated: drawn jaws with a metal implant, with the
hole that one left, closed or open towards the mouth, and without any; numbers of proposed regions
are held back."""

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from scipy import ndimage

from periomics.histology.batch import batch_rows
from periomics.histology.measure import measure_section
from periomics.histology.opening import look_at_section
from periomics.histology.proposals import REASON, propose
from periomics.histology.sections import open_section
from periomics.histology.settings import stain_settings
from periomics.histology.stain_batch import batch_table
from periomics.imaging.rois import polygon_mask
from periomics.study.check.opened import Named

PX = 8.0  # µm
HIGH, WIDE = 300, 360
Y, X = np.mgrid[0:HIGH, 0:WIDE] * PX


def jaw(kind, *, strength=0.35, white=240, seed=1):
    """A section of 2.9 × 2.4 mm with uneven stain, two vessels' lumina and a far speck; its tissue
    and implant."""
    rng = np.random.default_rng(seed)
    wavy = 250 + 60 * np.sin(X / 220) + 25 * np.sin(X / 71)
    tissue = (wavy < Y) & (Y < 2200) & (X > 160) & (X < 2700)
    middle, high = (1430, 350) if kind == "closed" else (1430, 0)
    implant = (abs(X - middle - 0.1 * (Y - 1000)) < 260) & (high < Y) & (Y < 1500)
    if kind in ("open", "metal"):
        implant &= wavy < Y  # a hole ends, to the eye, where the tissue beside it does
    if kind == "none":
        implant[:] = False
    tissue &= ~implant
    grain = ndimage.gaussian_filter(rng.normal(size=X.shape), 3)
    od = strength * (1 + 0.25 * grain / grain.std()).clip(0.4) * tissue
    for at in ((600, 1700), (2300, 1900)):
        od[np.hypot(X - at[0], Y - at[1]) < 30] = 0
    od[np.hypot(X - 100, Y - 2330) < 20] = strength
    colour = od[..., None] * np.array([0.55, 0.85, 0.6])
    if kind == "metal":
        colour[implant] = 1.8
    light = white * 10**-colour
    light = ndimage.gaussian_filter(light, (0.7, 0.7, 0)) + rng.normal(scale=1.5, size=light.shape)
    return light.clip(0, 255).astype(np.uint8), tissue, implant


def dice(found, name, truth):
    masks = polygon_mask([a.geometry for a in found if a.name == name], truth.shape)
    return 2 * (masks & truth).sum() / max(1, masks.sum() + truth.sum())


@pytest.mark.parametrize("kind", ["closed", "open", "metal"])
@pytest.mark.parametrize(("strength", "white", "dark"), [(0.16, 215, 0.25), (0.7, 252, 0)])
def test_tissue_and_implant_are_found(kind, strength, white, dark):
    rgb, tissue, implant = jaw(kind, strength=strength, white=white)
    away = np.hypot(X - X.mean(), Y - Y.mean())[..., None]
    rgb = (rgb * (1 - dark * (away / away.max()) ** 2)).astype(np.uint8)  # corners
    found = propose(rgb, PX)
    assert [a.name for a in found] == ["tissue", "implant", "peri_implant_ct", "interface"]
    assert all(a.proposed for a in found)
    assert dice(found, "tissue", tissue) > 0.97
    assert dice(found, "implant", implant) > 0.9
    near = ndimage.distance_transform_edt(~implant) * PX <= 500
    assert dice(found, "peri_implant_ct", tissue & near) > 0.93
    (line,) = [a.geometry for a in found if a.name == "interface"]
    sides = 2 * 1200 + 520  # µm, both sides and the end
    assert line.length * PX == pytest.approx(sides + 520 * (kind == "closed"), rel=0.15)


def test_where_there_is_no_implant_none_is_proposed():
    assert [a.name for a in propose(jaw("none")[0], PX)] == ["tissue"]


def eosin_jaw(strength=1.0, seed=5):
    """A jaw in haematoxylin and eosin: a strip of epithelium along a hole's left side, bone right
    of and below it."""
    rng = np.random.default_rng(seed)
    tissue = (Y > 200) & (Y < 2200) & (X > 160) & (X < 2700)
    implant = (abs(X - 1430) < 260) & (Y > 280) & (Y < 1500)
    tissue &= ~implant
    strip = tissue & (X < 1170) & (X > 1080) & (Y < 900)
    bone = tissue & ~((X < 1750) & (Y < 1560)) & (X > 1000) & (Y > 700) & (Y < 2100)
    blue, pink = (v * strength * tissue for v in (0.16, 0.24))
    blue[strip], blue[bone], pink[bone] = 0.5 * strength, 0.05 * strength, 0.42 * strength
    grain = ndimage.gaussian_filter(rng.normal(size=X.shape), 1.5)
    blue = blue * (1 + 0.3 * grain / grain.std()).clip(0.2)
    od = blue[..., None] * [0.62, 0.72, 0.31] + pink[..., None] * [0.2, 0.82, 0.53]
    light = ndimage.gaussian_filter(242 * 10**-od, (0.7, 0.7, 0))
    light += rng.normal(scale=1.5, size=light.shape)
    return light.clip(0, 255).astype(np.uint8), strip, bone


@pytest.mark.parametrize("strength", [0.7, 1.4])
def test_bone_and_the_strip_of_epithelium_are_found(table, strength):
    rgb, strip, bone = eosin_jaw(strength)
    found = propose(rgb, PX, pair=table["H-E"])
    assert dice(found, "pie", strip) > 0.8
    assert dice(found, "bone", bone) > 0.9
    assert {a.name for a in propose(jaw("closed")[0], PX, pair=table["H-E"])}.isdisjoint({"bone"})
    assert "bone" not in {a.name for a in propose(rgb, PX, pair=table["H-DAB"])}


def test_no_tissue_no_proposal():
    rng = np.random.default_rng(3)
    assert not propose(rng.normal(240, 1.5, (100, 100, 3)).astype(np.uint8), PX)


@pytest.fixture
def bare(tmp_path):
    """A bare section's row, on disk."""
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, jaw("closed")[0], resolution=(1e4 / PX, 1e4 / PX), resolutionunit=3)
    return {"path": str(path), "section_id": "s", "stain": "S", "specimen_id": "x"}


BLOCK = {"detector": "area", "vectors": "H-E", "outcomes": {"share": "colf"}, "pixel_um": 8}
BLOCK |= {"roi": "peri_implant_ct", "regions": "proposed", "threshold": "fixed"}


def test_what_is_measured_in_proposed_regions_is_held_back(bare, table, tmp_path):
    settings = stain_settings({"stains": {"S": BLOCK}}, table)
    row = batch_rows(batch_table([bare], settings, print))["S"]
    opened = open_section(bare, settings["S"])
    measured = measure_section(opened, settings["S"], row, bare)
    assert all(r["qc"] == "hold" and REASON in r["qc_reason"] for r in measured.rows)
    # The same regions, mended and declared, are nobody's proposal.
    features = [
        {
            "type": "Feature",
            "geometry": a.geometry.__geo_interface__,
            "properties": {"name": a.name},
        }
        for a in opened.annotations
    ]
    file = tmp_path / "r.geojson"
    file.write_text(json.dumps(features), encoding="utf-8")
    drawn = open_section({**bare, "rois": str(file)}, settings["S"])
    again = measure_section(drawn, settings["S"], row, bare)
    assert all(REASON not in str(r.get("qc_reason")) for r in again.rows)
    values = [[r["value"] for r in m.rows] for m in (measured, again)]
    assert values[0] == pytest.approx(values[1])


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({}, ""),
        ({"regions": "annotated"}, "the section has no annotation file"),
        ({"roi": "margin_area"}, "no region 'margin_area' is proposed"),
    ],
)
def test_check_says_which_regions_are_proposed(bare, change, line):
    config = {"histology": {"stains": {"S": BLOCK | change}}}
    path = Path(bare["path"])
    named = Named(path, path.name, "sections.tsv", "path", {2: bare}, config)
    lines = [p.describe() for p in look_at_section(named).problems]
    assert len(lines) == bool(line) and all(line in text for text in lines), lines
