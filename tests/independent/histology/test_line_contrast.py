"""The lined share of a seam is within 4 points of the painted one, whatever lies beside and behind it; a faint section is named."""

import json

import numpy as np
import pandas as pd
import pytest
from painted import seen
from painted_line import seam
from shapely.geometry import LineString

from periomics.histology.batch import batch_rows, pool, sample_section
from periomics.histology.laminin import contrasts
from periomics.histology.measure import measure_section
from periomics.histology.members import odd_members
from periomics.histology.sections import with_masks
from periomics.histology.settings import stain_settings
from periomics.imaging.rois import Annotation
from periomics.imaging.stains import load_stains

LOOKS = {
    "clean": ({}, {}),
    "blur of 1.4 µm": ({}, {"blur": 2.8}),
    "fringe of the metal": ({"fringe": 0.3}, {}),
    "stained cytoplasm": ({"cytoplasm": 0.4}, {}),
    "faint": ({"strength": 0.5}, {}),
    "noise and JPEG": ({}, {"noise": 3, "quality": 60}),
}


@pytest.fixture(scope="module")
def settings(request):
    table = load_stains(request.config.rootpath / "resources" / "stains.yaml")
    block = {"sweep_percent": 0, "stains": {"L": {"detector": "laminin"}}}
    return stain_settings(block, table)["L"]


def measured(drawn, settings, pixel_um=0.5, **look):
    """Per section of one batch the main row and the painted share; and who is odd."""
    batch = [
        with_masks(
            seen(light, **look),
            pixel_um,
            1.0,
            [Annotation("implant", metal), Annotation("interface", line)],
            settings,
        )
        for light, metal, line, _ in drawn
    ]
    samples = [sample_section(o) for o in batch]

    def along(white, pair, control):
        return np.concatenate([contrasts(o, settings, white, pair) for o in batch])

    row = pool(samples, settings, along)
    white = np.array([row[f"white_{c}"] for c in "rgb"])
    lines = [contrasts(o, settings, white, settings.pair) for o in batch]
    odd = {f"S{k}": why for k, why in odd_members(samples, settings, lines).items()}
    row = batch_rows(pd.DataFrame([row | {"odd": json.dumps(odd)}]))["L"]
    rows = [
        measure_section(o, settings, row, {"section_id": f"S{k}"}).rows[0]
        for k, o in enumerate(batch)
    ]
    return list(zip(rows, (d[3] for d in drawn), strict=True)), odd


@pytest.mark.parametrize("kind", LOOKS)
def test_the_lined_share_is_within_four_points(settings, kind):
    drawing, look = LOOKS[kind]
    drawn = [seam(s, seed=k + 1, **drawing) for k, s in enumerate((0.1, 0.6))]
    found, odd = measured(drawn, settings, **look)
    assert odd == {}
    for row, truth in found:
        assert row["value"] == pytest.approx(truth, abs=2.5)
        assert row.get("qc", "pass") == "pass"


@pytest.mark.parametrize("times", [0.5, 2])
def test_a_pixel_size_that_is_wrong_for_all_is_told_by_the_nuclei(settings, times):
    """Shares are right and gaps per mm wrong, of sections that are alike."""
    drawn = [seam(0.5, seed=k) for k in (1, 2)]
    found, odd = measured(drawn, settings, pixel_um=0.5 * times)
    assert odd == {}
    for row, truth in found:
        assert row["value"] == pytest.approx(truth, abs=2.5)
        assert row["qc"] == "hold" and "is the pixel size right?" in row["qc_reason"]


def test_one_faint_section_is_named_and_does_not_move_the_others(settings):
    drawn = [seam(s, seed=k + 1) for k, s in enumerate((0.35, 0.588))]
    found, odd = measured([*drawn, seam(0.7, seed=3, strength=0.3)], settings)
    assert list(odd) == ["S2"]
    assert found[2][0]["qc"] == "hold"
    for row, truth in found[:2]:
        assert row["value"] == pytest.approx(truth, abs=2.5)


def test_a_line_without_stain_gives_no_threshold(settings):
    found, _ = measured([seam(0.0, seed=5)], settings)
    assert found[0][0]["qc"] == "hold"
    assert "DAB: all of it is alike" in found[0][0]["qc_reason"]


def test_the_side_behind_is_found_whichever_way_the_line_runs(settings):
    light, metal, line, truth = seam(0.4, seed=2, cytoplasm=0.3)
    turned = (light, metal, LineString(list(line.coords)[::-1]), truth)
    (one, _), (other, _) = measured([(light, metal, line, truth), turned], settings)[0]
    assert one["value"] == pytest.approx(other["value"], abs=0.5)
