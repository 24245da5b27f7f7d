"""Pictures of one piece (PNG, JPEG) by tiles as in memory, what a job then asks for, and detections
that were exported of tiles, edited, and read back in memory. Cells are laid on a jittered
lattice."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from periomics.histology.animal import measure_animal
from periomics.histology.batch import batch_rows
from periomics.histology.large import section
from periomics.histology.requests import section_mb
from periomics.histology.settings import stain_settings
from periomics.histology.stain_batch import batch_table

BLUE, BROWN = np.array([0.65, 0.70, 0.29]), np.array([0.27, 0.57, 0.78])
SIDE, PX = 760, 0.5


def picture():
    """Brown cells of 11 µm with a blue nucleus, some of which touch, and blue nuclei alone."""
    rng = np.random.default_rng(7)
    y, x = (np.mgrid[:SIDE, :SIDE] + 0.5) * PX
    amount = {"blue": np.full(y.shape, 0.12), "brown": np.zeros(y.shape)}
    for k, (cy, cx) in enumerate(np.mgrid[20:370:22, 20:370:22].reshape(2, -1).T):
        cy, cx = np.array([cy, cx]) + rng.uniform(-4, 4, 2)
        near = np.hypot(y - cy, x - cx)
        if k % 3 == 0:
            amount["brown"][near < 5.5] = 0.7
            if k % 9 == 0:  # a twin
                amount["brown"][np.hypot(y - cy, x - cx - 9.5) < 5.5] = 0.7
                amount["blue"][np.hypot(y - cy, x - cx - 9.5) < 2.5] = 0.5
        amount["blue"][near < 3.2] = 0.5
    density = amount["blue"][..., None] * BLUE + amount["brown"][..., None] * BROWN
    light = 238 * 10**-density + rng.normal(0, 1.5, density.shape)
    return np.clip(np.rint(light), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder, rgb = tmp_path_factory.mktemp("one_piece"), Image.fromarray(picture())
    rgb.save(folder / "S.png")
    rgb.save(folder / "S.jpg", quality=92)
    rgb.convert("L").save(folder / "grey.png")
    return folder


def fact(path, **more):
    told = {"section_id": "S1", "specimen_id": "s", "animal_id": "a", "stain": "S", "batch": "B"}
    return told | {"path": str(path), "pixel_um": str(PX)} | more


def measured(given, table, monkeypatch, *, least, **block):
    monkeypatch.setattr(section, "TILED_PIXELS", least)
    block = {"vectors": "H-DAB", "roi": "whole_picture"} | block
    stain = stain_settings({"stains": {"S": block}}, table)
    batch = {"B": batch_rows(batch_table([given], stain, print))}
    return measure_animal([given], stain, batch, True, print)


@pytest.mark.parametrize(("name", "pixel_um"), [("S.png", 0.5), ("S.jpg", 0.5), ("S.jpg", 1.1)])
def test_a_picture_of_one_piece_reads_the_same_by_tiles(files, table, monkeypatch, name, pixel_um):
    block = {"detector": "neutrophils", "pixel_um": pixel_um}
    memory, tiles = (
        measured(fact(files / name), table, monkeypatch, least=n, **block) for n in (10**9, 10**4)
    )
    columns = ["outcome", "variant", "value", "qc", "n_sub"]
    pd.testing.assert_frame_equal(memory.measurements[columns], tiles.measurements[columns])
    one, other = (
        a.objects.sort_values(["y_um", "x_um"])[["x_um", "y_um", "area_um2", "class"]]
        for a in (memory, tiles)
    )
    assert len(one) > 60
    pd.testing.assert_frame_equal(one.reset_index(drop=True), other.reset_index(drop=True))
    told, by_tiles = (set(a.quality["fact"].str.split(" of ").str[0]) for a in (memory, tiles))
    assert told == by_tiles


def test_detections_exported_of_tiles_are_known_in_memory(files, table, monkeypatch):
    """Tiles number cells in another order: each is known by its outline."""
    block = {"detector": "neutrophils"}
    found = measured(fact(files / "S.png"), table, monkeypatch, least=10**4, **block)
    features = [dict(f) for f in found.sections[0].features]
    mine = files / "mine.geojson"
    told = {"type": "FeatureCollection", "features": features[3:]}
    mine.write_text(json.dumps(told), encoding="utf-8")
    edited = fact(files / "S.png", mask=str(mine), mask_by="AB", mask_reason="dirt")
    row = measured(edited, table, monkeypatch, least=10**4, **block).measurements.iloc[0]
    told = f"0 added, 3 removed, 0 redrawn, 0 given another class, of {len(features)} found"
    assert told in row["method"]


def test_what_a_job_asks_for_follows_pixels(tmp_path):
    """The same picture as a flat PNG of few bytes and as noise of many; sizes from headers
    alone."""
    flat = np.full((3000, 4000, 3), 230, np.uint8)
    Image.fromarray(flat).save(tmp_path / "flat.png")
    noise = np.random.default_rng(1).integers(0, 255, (1000, 1000, 3)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    assert (tmp_path / "noise.png").stat().st_size > 10 * (tmp_path / "flat.png").stat().st_size

    def asks(name, sampled=False, **block):
        block = {"detector": "area", "vectors": "H-DAB", "roi": "whole_picture"} | block
        return section_mb([fact(tmp_path / name)], {"stains": {"S": block}}, sampled)

    assert asks("flat.png") == pytest.approx(12 * 67)
    assert asks("noise.png") == pytest.approx(67)
    assert asks("flat.png", pixel_um=1.0) == pytest.approx(12 * (3 + 64 / 4))
    assert asks("flat.png", sampled=True) == pytest.approx(12 * 31)
    assert asks("gone.png") == 0
    assert section_mb([fact(tmp_path / "flat.png")], None) == 0
    assert section_mb([], {"stains": {}}) == 0


def test_a_large_picture_asks_for_a_tile_and_its_colours(tmp_path, monkeypatch):
    Image.fromarray(np.full((4000, 8000, 3), 230, np.uint8)).save(tmp_path / "large.png")
    block = {"detector": "vessels", "vectors": "H-DAB", "roi": "whole_picture"}
    given = fact(tmp_path / "large.png")
    assert section_mb([given], {"stains": {"S": block}}) == pytest.approx(16 * 48 + 32 * 3)
    kept = {"S": block | {"options": {"profile_um": 50}}}  # is not measured by tiles
    assert section_mb([given], {"stains": kept}) == pytest.approx(32 * 67)
    assert section_mb([given | {"mask": "a.geojson"}], {"stains": {"S": block}}) == pytest.approx(
        32 * 67
    )
