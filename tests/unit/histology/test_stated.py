"""What the config says of stains is held against their detectors at check; every block of the docs
passes."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
import yaml
from histology_study import ROOT

from periomics.histology.opening import look_at_regions
from periomics.histology.settings import stain_settings
from periomics.histology.stated import check_stains
from periomics.imaging.stains import load_stains
from periomics.study.check.opened import Named
from periomics.study.dictionary import load_dictionary

DICTIONARY = load_dictionary(ROOT / "resources/outcomes.tsv")
STAINS = str(ROOT / "resources/stains.yaml")


def told(**block):
    study = SimpleNamespace(config={"histology": {"stains": {"X": block}}})
    return [p.describe() for p in check_stains(study, DICTIONARY, STAINS)]


@pytest.mark.parametrize(
    ("block", "line"),
    [
        (
            {"detector": "vessels", "options": {"gap": 5}},
            "config, column histology/stains/X/options/gap: unknown key - did you mean 'gap_um'",
        ),
        (
            {"detector": "osteoclasts", "options": {"least_nuclei": -1}},
            "config, column histology/stains/X/options/least_nuclei: is not a number from 0 up",
        ),
        (
            {"detector": "vessels", "outcomes": {"densty": "mvd"}},
            "config, column histology/stains/X/outcomes: detector vessels has no such result - "
            "did you mean 'density'? (found 'densty')",
        ),
        (
            {"detector": "contact", "outcomes": {"contact": "bik"}},
            "config, column histology/stains/X/outcomes/contact: the dictionary has no such "
            "outcome - did you mean 'bic'? (found 'bik')",
        ),
        (
            {"detector": "area"},
            "config, column histology/stains/X/outcomes: no result of detector area has an outcome",
        ),
    ],
)
def test_what_a_detector_does_not_know_is_told(block, line):
    lines = told(**block)
    assert len(lines) == 1 and lines[0].startswith(line), lines


def test_sound_stains_are_not():
    assert told(detector="vessels") == []
    assert told(detector="osteoclasts", outcomes={"detached": "none", "density": "noc_area"}) == []


def blocks():
    """Every YAML block of the docs, by stain."""
    text = (ROOT / "docs/histology.md").read_text(encoding="utf-8")
    parts = [p.split("```")[0] for p in text.split("```yaml\n")[1:]]
    return {name: block for part in parts for name, block in yaml.safe_load(part).items()}


def test_every_block_of_the_docs_is_one_that_the_check_takes():
    found = blocks()
    assert len(found) >= 6
    pairs = load_stains(ROOT / "resources/stains.yaml")
    assert set(stain_settings({"stains": found}, pairs)) == set(found)
    study = SimpleNamespace(config={"histology": {"stains": found}})
    assert check_stains(study, DICTIONARY, STAINS) == []


@pytest.mark.parametrize(
    ("block", "warned"),
    [
        ({"detector": "osteoclasts"}, "stain X gives no perimeter, surface, detached there"),
        ({"detector": "contact", "roi": "tissue"}, "annotation 'implant'"),
        (
            {
                "detector": "osteoclasts",
                "outcomes": dict.fromkeys(("perimeter", "surface", "detached"), "none")
                | {"density": "noc_area"},
            },
            "",
        ),
        ({"detector": "vessels", "roi": "tissue"}, ""),
    ],
)
def test_annotations_that_results_need_beside_the_region_are_asked_for(tmp_path, block, warned):
    ring = [[0, 0], [8, 0], [8, 8], [0, 8], [0, 0]]
    geometry = {"type": "Polygon", "coordinates": [ring]}
    feature = {"type": "Feature", "geometry": geometry}
    feature["properties"] = {"classification": {"name": "tissue"}}
    (tmp_path / "r.geojson").write_text(json.dumps([feature]), encoding="utf-8")
    tifffile.imwrite(tmp_path / "s.tif", np.zeros((8, 8, 3), np.uint8), photometric="rgb")
    facts = {"stain": "X", "path": str(tmp_path / "s.tif")}
    named = Named(
        path=tmp_path / "r.geojson",
        cell="r.geojson",
        sheet="sections.tsv",
        column="rois",
        rows={2: facts},
        config={"histology": {"stains": {"X": block}}},
    )
    lines = [(p.level, p.describe()) for p in look_at_regions(named).problems]
    assert [level for level, _ in lines] == (["warning"] if warned else [])
    assert all(warned in line for _, line in lines)
