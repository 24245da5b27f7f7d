"""Sections measured by tiles: what is drawn is found, whatever the tiles' size, and as a section in
memory is measured."""

import sys
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

sys.path.insert(0, str(Path(__file__).parent))

import painted_slide as painted

from periomics.core.errors import InputError
from periomics.histology import opening, sections
from periomics.histology.batch import BatchRow
from periomics.histology.large.measure import measure_large
from periomics.histology.large.section import open_large
from periomics.histology.measure import DETECTORS, Features, measure_section
from periomics.histology.sections import open_section
from periomics.histology.settings import options_from, stain_settings
from periomics.imaging.boxes import Box
from periomics.imaging.convolution import load
from periomics.imaging.parts import label, parts_of
from periomics.imaging.planes import Grid, Plane
from periomics.imaging.stains import load_stains
from periomics.study.check.opened import Named

ROOT = Path(__file__).resolve().parents[3]
STAINS = ROOT / "resources" / "stains.yaml"
PAIRS = load_stains(STAINS)
BLOCKS = {
    # A lumen that is larger is none: that of the large ring.
    "vessels": {"options": {"lumen_um2": 2000.0}},
    "area": {"outcomes": {"share": "sma"}},
    "neutrophils": {},
    "nuclei": {"nuclei": "classical", "outcomes": {"positive": "prol", "all": "cells"}},
    "lacunae": {"vectors": {"blue": painted.BLUE.tolist(), "brown": painted.BROWN.tolist()}},
}
PIXEL_UM2 = painted.PIXEL_UM**2


@pytest.fixture(scope="module")
def parts():
    return painted.painting()


@pytest.fixture(scope="module")
def fact(parts, tmp_path_factory):
    return painted.write(tmp_path_factory.mktemp("slide"), painted.light(parts))


@pytest.fixture(scope="module")
def bone(parts, tmp_path_factory):
    """A matrix of brown with what the rings fill left free."""
    free = ndimage.binary_fill_holes(parts["ring"])
    rgb = painted.light(parts | {"ring": ~free, "crack": parts["crack"] & False})
    return painted.write(tmp_path_factory.mktemp("bone"), rgb)


def settings_of(detector):
    block = {"detector": detector, "roi": "tissue", **BLOCKS[detector]}
    sweep = 10 if detector in ("vessels", "area") else 0
    return stain_settings({"sweep_percent": sweep, "stains": {"S": block}}, PAIRS)["S"]


def batch_of(settings):
    return BatchRow(tuple(painted.WHITE), settings.pair.vectors, 0.35, 0.25, 0.2)


def by_tiles(fact, detector, tile):
    settings = settings_of(detector)
    options = options_from(DETECTORS[detector][0], settings.options, "")
    large = open_large(fact, settings, least=1000)
    return measure_large(large, settings, batch_of(settings), options, tile)


@pytest.fixture(scope="module", params=list(BLOCKS))
def found(request, fact, bone):
    fact = bone if request.param == "lacunae" else fact
    sizes = (160, 4096) if request.param == "vessels" else (320, 4096)
    return request.param, {tile: by_tiles(fact, request.param, tile) for tile in sizes}


def test_no_size_of_tiles_changes_a_row_an_object_an_outline_or_a_fact(found):
    _, by_size = found
    whole, whole_facts = by_size[4096]
    assert len(whole.objects) > 60
    for readout, facts in by_size.values():
        assert readout.rows == whole.rows
        pd.testing.assert_frame_equal(readout.objects, whole.objects, check_exact=True)
        pairs = zip(readout.outlines, whole.outlines, strict=True)
        assert all(np.array_equal(one, other) for one, other in pairs)
        assert [(f.name, f.value) for f in facts] == [(f.name, f.value) for f in whole_facts]


def test_a_section_in_memory_is_measured_alike(found, fact, bone):
    detector, by_size = found
    fact = bone if detector == "lacunae" else fact
    settings = settings_of(detector)
    measured = measure_section(open_section(fact, settings), settings, batch_of(settings), fact)
    readout, facts = by_size[min(by_size)]
    columns = ["outcome", "variant", "value", "n_sub", "method"]
    # Random placements follow the numbers of objects, which are others in memory.
    of = [
        [r for r in rows if r["outcome"] != "necr_excess"] for rows in (measured.rows, readout.rows)
    ]
    rows, mine = (pd.DataFrame(r)[columns] for r in of)
    pd.testing.assert_frame_equal(mine, rows, rtol=1e-12)
    told = [c for c in readout.objects.columns if c != "object_id"]
    tables = [t[told].sort_values(["x_um", "y_um"]) for t in (measured.objects, readout.objects)]
    one, other = (t.reset_index(drop=True) for t in tables)
    pd.testing.assert_frame_equal(one, other, rtol=1e-6, check_dtype=False)
    assert [f.value for f in facts] == pytest.approx(
        measured.quality["value"].tolist()[: len(facts)]
    )
    shapes = [
        sorted(str(f["geometry"]) for f in features)
        for features in (measured.features, Features(readout, ""))
    ]
    assert shapes[0] == shapes[1]


def test_vessels_are_those_that_were_drawn(parts, fact):
    """Counted and filled by scipy, from the painting: rings on all seams, a ring and a bar longer
    than a tile."""
    readout, _ = by_tiles(fact, "vessels", 160)
    drawn = parts["ring"] | parts["large"] | parts["bar"]
    filled = ndimage.binary_fill_holes(drawn & ~parts["large"]) | parts["large"]
    assert np.count_nonzero(ndimage.binary_fill_holes(parts["large"])) * PIXEL_UM2 > 2000
    truth, n = ndimage.label(filled, np.ones((3, 3)))
    assert len(readout.objects) == n
    assert readout.objects["area_um2"].sum() == pytest.approx(filled.sum() * PIXEL_UM2, rel=0.03)
    middles = np.array(ndimage.center_of_mass(filled, truth, range(1, n + 1))) * painted.PIXEL_UM
    at = readout.objects[["y_um", "x_um"]].to_numpy()
    away = np.hypot(*(middles[:, None] - at).transpose(2, 0, 1))
    assert away.min(axis=1).max() < 1
    widest = max(readout.outlines, key=lambda o: np.ptp(o[:, 0]))
    assert np.ptp(widest[:, 0]) == pytest.approx(painted.WIDE - 71, abs=3)


def test_mirrored_and_bordered_slides_hold_as_many(parts, tmp_path):
    """What is drawn, seen in a mirror, and with white around it."""
    rgb = painted.light(parts)
    border = np.full((400, painted.WIDE, 3), painted.WHITE.round().astype(np.uint8))
    region = (3, 402, painted.WIDE - 5, painted.HIGH + 396)
    facts = [
        painted.write(tmp_path, rgb, "plain"),
        painted.write(tmp_path, rgb[:, ::-1].copy(), "mirrored", (5, 2, painted.WIDE - 3, 596)),
        painted.write(tmp_path, np.concatenate([border, rgb, border]), "bordered", region),
    ]
    found = [by_tiles(f, "vessels", 512)[0] for f in facts]
    areas = [f.rows[1]["value"] for f in found]
    assert [f.rows[0]["n_sub"] for f in found] == [found[0].rows[0]["n_sub"]] * 3
    assert areas[2] == areas[0]
    assert areas[1] == pytest.approx(areas[0], rel=1e-6)


def test_the_network_finds_the_same_nuclei_in_blocks(parts, tmp_path, monkeypatch):
    from periomics.histology.detection import object_table, prepare
    from periomics.histology.large import network
    from periomics.histology.nuclei import Options, find
    from periomics.imaging import blocks

    monkeypatch.setattr(blocks, "BLOCK", 320)
    fact = painted.write(tmp_path, painted.light(parts)[:200, :260].copy())
    weights = load(ROOT / "resources" / "nuclei_brightfield.npz")
    block = {"detector": "nuclei", "roi": "tissue", "outcomes": {"all": "cells"}}
    settings = stain_settings({"stains": {"S": block}}, PAIRS, weights)["S"]
    batch = batch_of(settings)
    large = open_large(fact, settings, least=1000)
    sums, _, _ = network.nuclei_of(large, settings, batch, Options()).done()
    prepared = prepare(open_section(fact, settings), settings, batch)
    whole = object_table(find(prepared, Options()), prepared)
    assert len(whole) > 20
    assert sorted(sums.area * PIXEL_UM2) == sorted(whole["area_um2"])


def test_what_neither_fits_into_memory_nor_is_measured_by_tiles_is_refused(fact, monkeypatch):
    """Both where a section is opened and at check, which names the row; by tiles there is no such
    limit."""
    for module in (sections, opening):
        monkeypatch.setattr(module, "MOST_PIXELS", 200_000)
    monkeypatch.setattr(sections, "LARGE_PIXELS", 100_000)
    block = {"detector": "vessels", "roi": "tissue", "options": {"profile_um": 50.0}}
    settings = stain_settings({"stains": {"S": block}}, PAIRS)
    message = "0 megapixels, would take some 0 GB of memory"
    with pytest.raises(InputError, match=message):
        open_section(fact, settings["S"])
    for asked, refused in ((block, True), (block | {"options": {}}, False)):
        config = {"histology": {"stains": {"S": asked}}}
        monkeypatch.setattr(opening, "open_large", partial(open_large, least=100_000))
        named = Named(Path(fact["path"]), "slide.tif", "sections.tsv", "path", {7: fact}, config)
        problems = opening.look_at_section(named).problems
        assert [message in p.message for p in problems] == [True] * refused
        assert [p.row for p in problems] == [7] * refused


def test_parts_of_masks_are_those_that_scipy_finds():
    """In one picture and joined over tiles, with 4 and 8 neighbours; cc3d tears masks of bool with
    8."""
    rng = np.random.default_rng(0)
    for _ in range(60):
        high, wide = rng.integers(20, 90, 2)
        mask = ndimage.gaussian_filter(rng.random((high, wide)), rng.uniform(0, 3)) > 0.5
        grid = Grid(Box(0, 0, int(high), int(wide)), int(rng.integers(5, 40)))
        plane = Plane(grid)
        plane.put(grid.part, mask)
        for neighbours, near in ((4, None), (8, np.ones((3, 3)))):
            truth, n = ndimage.label(mask, near)
            assert np.array_equal(label(mask, neighbours), truth)
            joined = parts_of(plane, neighbours)
            assert len(joined) == n
            assert np.array_equal(joined.read(grid.part), truth)
            assert np.array_equal(joined.area[1:], np.bincount(truth.ravel())[1:])
