"""A line's threshold by the negative control of its batch is that of the control, from files as the batch job reads them."""

import json

import pytest
from painted import seen
from painted_line import PIXEL_UM, seam
from PIL import Image
from shapely.geometry import mapping

from periomics.histology.batch import batch_rows
from periomics.histology.measure import measure_section
from periomics.histology.sections import open_section
from periomics.histology.settings import stain_settings
from periomics.histology.stain_batch import batch_table
from periomics.imaging.stains import load_stains


def on_disk(folder, name, role, share, seed):
    """Row of the sections sheet, and the painted share."""
    light, metal, line, truth = seam(share, seed=seed)
    path, rois = folder / f"{name}.png", folder / f"{name}.geojson"
    Image.fromarray(seen(light)).save(path)
    features = [
        {
            "type": "Feature",
            "geometry": mapping(shape),
            "properties": {"objectType": "annotation", "classification": {"name": word}},
        }
        for word, shape in (("implant", metal), ("interface", line))
    ]
    rois.write_text(
        json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8"
    )
    ids = {"section_id": name, "specimen_id": name, "animal_id": name, "stain": "L", "role": role}
    return ids | {"path": str(path), "rois": str(rois), "pixel_um": str(PIXEL_UM)}, truth


def test_the_threshold_is_that_of_the_control_and_not_of_the_sections(root, tmp_path):
    table = load_stains(root / "resources" / "stains.yaml")
    block = {"detector": "laminin", "threshold": "negative_control"}
    settings = stain_settings({"sweep_percent": 0, "stains": {"L": block}}, table)
    drawn = [
        on_disk(tmp_path, "one", "sample", 0.35, 1),
        on_disk(tmp_path, "other", "sample", 0.6, 2),
        on_disk(tmp_path, "blank", "negative_control", 0.0, 3),
    ]
    batch = batch_table([fact for fact, _ in drawn], settings, warn=pytest.fail)
    row = batch_rows(batch)["L"]
    for fact, truth in drawn[:2]:
        found = measure_section(open_section(fact, settings["L"]), settings["L"], row, fact).rows[0]
        assert found["value"] == pytest.approx(truth, abs=5)
