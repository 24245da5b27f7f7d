"""Detections that a person edited: numbers follow from counting by hand what was left, drawn and
given another class; what is of another section is refused at check."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import tifffile
from shapely.geometry import Point, mapping, shape
from sketched import Slide, whole

from periomics.core.errors import InputError
from periomics.histology.batch import batch_rows, pool, sample_section
from periomics.histology.measure import measure_section
from periomics.histology.opening import look_at_drawing
from periomics.histology.sections import with_masks
from periomics.histology.settings import stain_settings
from periomics.study.check.opened import Named

FACT = {"section_id": "S1", "mask_by": "AB", "mask_reason": "folds"}
VESSELS = [(x, y) for y in (25, 70, 115) for x in (25, 75, 125, 175)]
NUCLEI = [(x, y) for y in range(15, 130, 14) for x in range(15, 190, 14)]
ALL = {"roi": "whole_picture", "white": [238, 236, 240]}
VESSEL = {"detector": "vessels", **ALL}
NUCLEUS = {"detector": "nuclei", "nuclei": "classical", **ALL}
NUCLEUS["outcomes"] = {"positive": "ki67", "density": "none"}
LACUNA = {"detector": "lacunae", "outcomes": {"necrosis": "none", "excess": "none"}, **ALL}
PAIR = {"detector": "double", "image": "fluorescence", "channels": ["a", "b"], "bits": 12}
PAIR |= {"roi": "whole_picture", "outcomes": {"first": "mac_inos", "both": "double_pos"}}


def draw(block):
    """A section; every third nucleus is brown, every other lacuna empty, every third cell of
    both."""
    slide = Slide(200, 140, seed=4)
    if block is PAIR:
        for k, at in enumerate(VESSELS):
            slide.oval(at, (6, 5), 0.3 * k, "a", 0.5, shines=True)
            slide.oval(at, (6, 5), 0.3 * k, "b", 0.5 * (k % 3 == 0), shines=True)
        return slide.camera("a", "b"), slide
    if block is LACUNA:
        matrix = np.ones(slide.x.shape)
        for k, at in enumerate(VESSELS):
            matrix -= slide.cover(np.hypot((slide.x - at[0]) / 5, (slide.y - at[1]) / 3.5) * 4 - 4)
            slide.oval(at, (3.2, 2.2), 0, "haema", 0.9 * (k % 2))
        slide.put(matrix, "eosin", 0.6)
        return slide.photograph(), slide
    slide.put(np.ones(slide.x.shape), "haema", 0.3)
    for k, at in enumerate(VESSELS if block is VESSEL else NUCLEI):
        if block is VESSEL:
            slide.oval(at, (9, 7), 0.3 * k, "dab", 0.8, hollow=2.5)
        else:
            slide.oval(at, (3.4, 3), 0.3 * k, "haema", 0.6)
            slide.oval(at, (3.4, 3), 0.3 * k, "dab", 0.8 * (k % 3 == 0))
    return slide.photograph(), slide


@pytest.fixture(scope="module")
def seen(table):
    """Detector → measuring of its section with a fact, and the automatic result."""
    out = {}
    blocks = {"vessels": VESSEL, "nuclei": NUCLEUS, "lacunae": LACUNA, "double": PAIR}
    for name, block in blocks.items():
        picture, slide = draw(block)
        settings = stain_settings({"stains": {"S": block}}, table)["S"]
        opened = with_masks(picture, 0.5, 1.0, [whole("whole_picture", slide)], settings)
        row = batch_rows(pd.DataFrame([pool([sample_section(opened)], settings)]))["S"]

        def measure(fact, opened=opened, settings=settings, row=row):
            return measure_section(opened, settings, row, {**FACT, **fact})

        out[name] = SimpleNamespace(measure=measure, found=measure({}), picture=picture)
    return out


def written(folder, features):
    path = folder / "edited.geojson"
    text = json.dumps({"type": "FeatureCollection", "features": features})
    path.write_text(text, encoding="utf-8")
    return {"mask": str(path)}


def by_qupath(feature):
    """As QuPath writes it again: measurements as an object, the ring from another corner."""
    told = {m["name"]: m["value"] for m in feature["properties"]["measurements"]}
    (ring,) = feature["geometry"]["coordinates"]
    ring = ring[3:-1] + ring[:4]
    return {
        **feature,
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {**feature["properties"], "measurements": told},
    }


def drawn(x, y, radius, name, kind="annotation"):
    """What a person draws (µm)."""
    ring = mapping(Point(2 * x, 2 * y).buffer(2 * radius))
    told = {"objectType": kind, "classification": {"name": name}}
    return {"type": "Feature", "id": "", "geometry": ring, "properties": told}


def rows(measured):
    return {(r["outcome"], r["variant"]): r for r in measured.rows}


def test_what_nobody_changed_gives_the_same_numbers(seen, tmp_path):
    for one in seen.values():
        again = one.measure(written(tmp_path, [by_qupath(f) for f in one.found.features]))
        before, after = rows(one.found), rows(again)
        plain = [k for k in before if not k[1].startswith("threshold")]
        assert {k: before[k]["value"] for k in plain} == {k: after[k]["value"] for k in plain}
        pd.testing.assert_frame_equal(again.objects, one.found.objects)
        assert "0 added, 0 removed, 0 redrawn, 0 given another class" in str(after)


def test_vessels_are_counted_as_they_were_edited(seen, tmp_path):
    one = seen["vessels"]
    features = [by_qupath(f) for f in one.found.features]
    assert len(features) == len(VESSELS)
    left = features[3:]
    left[0] = {**left[0], "properties": {"objectType": "detection", "classification": "excluded"}}
    new = [drawn(50, 48, 6, "Positive"), drawn(100, 48, 4, "positive", "detection")]
    region = drawn(100, 70, 60, "peri_implant_ct")
    result = one.measure(written(tmp_path, [*left, *new, region]))
    got, mm2 = rows(result), 0.2 * 0.14
    assert got["mvd", ""]["value"] == pytest.approx((12 - 3 - 1 + 2) / mm2)
    assert got["mvd", "mask=before"]["value"] == pytest.approx(12 / mm2)
    area = sum(shape(f["geometry"]).area for f in [*left[1:], *new]) / 4e6
    assert got["va", ""]["value"] == pytest.approx(100 * area / mm2, rel=0.02)
    told = "edited by AB, reason: folds: 2 added, 3 removed, 0 redrawn, 1 given another class"
    assert told in got["mvd", ""]["method"]
    assert "by AB" not in got["mvd", "mask=before"]["method"]
    assert list(result.objects["object_id"]) == [*range(4, 13), 13, 14]
    fact = result.quality.set_index("fact").loc["detections edited by hand"]
    assert fact["value"] == pytest.approx(50) and not fact["beyond"]


def test_an_export_of_a_part_is_held_back(seen, tmp_path):
    one = seen["vessels"]
    row = rows(one.measure(written(tmp_path, one.found.features[:5])))["mvd", ""]
    assert row["qc"] == "hold" and "edited by hand 58.3 %" in row["qc_reason"]


def test_nuclei_take_the_class_that_they_were_given(seen, tmp_path):
    one = seen["nuclei"]
    features = [by_qupath(f) for f in one.found.features]
    kinds = [f["properties"]["classification"]["name"] for f in features]
    n, brown = len(features), kinds.count("positive")
    assert (n, brown) == (len(NUCLEI), len(NUCLEI[::3]))
    first, *others = [k for k, kind in enumerate(kinds) if kind == "negative"]
    features[first]["properties"]["classification"] = {"name": "Positive"}
    gone = set(others[:4])
    left = [f for k, f in enumerate(features) if k not in gone]
    got = rows(one.measure(written(tmp_path, [*left, drawn(22, 22, 2, "negative")])))
    assert got["ki67", ""]["value"] == pytest.approx(100 * (brown + 1) / (n - 4 + 1))


@pytest.mark.parametrize(
    ("name", "outcome", "old", "new", "before", "after"),
    [
        ("lacunae", "elac", "empty", "occupied", 50, 100 * 5 / 13),
        ("double", "double_pos", "a+ b+", "a+", 4 / 0.028, 4 / 0.028),
    ],
)
def test_cells_take_the_class_that_they_were_given(
    seen, tmp_path, name, outcome, old, new, before, after
):
    one = seen[name]
    features = [by_qupath(f) for f in one.found.features]
    first = next(f for f in features if f["properties"]["classification"]["name"] == old)
    first["properties"]["classification"] = {"name": new}
    got = rows(
        one.measure(
            written(tmp_path, [*features, drawn(50, 48, 4, new if name == "lacunae" else old)])
        )
    )
    assert got[outcome, "mask=before"]["value"] == pytest.approx(before)
    assert got[outcome, ""]["value"] == pytest.approx(after)


def test_a_detection_drawn_over_another_is_refused(seen, tmp_path):
    one = seen["vessels"]
    file = written(tmp_path, [*one.found.features, drawn(25, 25, 9, "positive")])
    with pytest.raises(InputError, match="lies on another one"):
        one.measure(file)


def changed(features, kind):
    """Edited files that are of something else."""
    if kind == "class":
        return [*features, drawn(50, 48, 6, "postive")]
    if kind == "grid":
        half = [{**f, "geometry": mapping(Point(9, 9).buffer(4))} for f in features]
        return half
    if kind == "section":
        return [
            {**f, "id": "0d5bf3c5-0000-5b0e-9c53-52a4c8b1c6a1"[:-2] + f"{k:02d}"}
            for k, f in enumerate(features)
        ]
    if kind == "outside":
        return [*features, drawn(900, 48, 6, "positive")]
    return [drawn(50, 48, 6, "positive")] if kind == "none" else features


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("", ""),
        ("class", "class that is neither a region's nor a detection's - did you mean 'positive'"),
        ("grid", "on another pixel grid"),
        ("section", "exported from another section, field or stain (found '12 of 12')"),
        ("outside", "outside the image"),
        ("none", "holds no detections"),
        ("area", "detections of detector area are not read back"),
    ],
)
def test_what_is_of_something_else_is_refused_at_check(seen, tmp_path, kind, line):
    one = seen["vessels"]
    tifffile.imwrite(tmp_path / "a.tif", one.picture, resolution=(2e4, 2e4), resolutionunit=3)
    file = written(tmp_path, changed([by_qupath(f) for f in one.found.features], kind))
    block = (
        {**VESSEL, "detector": "area", "outcomes": {"share": "colf"}} if kind == "area" else VESSEL
    )
    facts = {**FACT, **file, "path": str(tmp_path / "a.tif"), "stain": "S"}
    config = {"histology": {"stains": {"S": block}}}
    path = tmp_path / "edited.geojson"
    named = Named(path, path.name, "sections.tsv", "mask", {2: facts}, config)
    lines = [p.describe() for p in look_at_drawing(named).problems]
    assert len(lines) == bool(line) and all(line in text for text in lines), lines
