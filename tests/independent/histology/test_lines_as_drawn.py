"""Lines along the implant as people draw them: ignored in part, in pieces, twice, beyond the
picture, in steps. A straight strip painted by rows tells every number by counting."""

import json

import numpy as np
import pytest
from PIL import Image

from periomics.histology.animal import measure_animal
from periomics.histology.batch import batch_rows
from periomics.histology.settings import stain_settings
from periomics.histology.stain_batch import batch_table

PX, ROW = 0.5, 60.0  # µm a pixel; where the line runs
LONG, LINED, STRIP, DEEP = (20.0, 260.0), 100.0, 140.0, 30.0
NAMES = {"length": "itgb4_um", "front": "hrp_um", "epithelium": "piel", "thickness": "epi_th"}


@pytest.fixture(scope="module")
def painted(tmp_path_factory):
    """A brown strip of 3 µm from 20 to 120 µm on blue tissue."""
    density = np.zeros((240, 560, 3)) + 0.2 * np.array([0.65, 0.70, 0.29])
    across = slice(round((ROW - 1.5) / PX), round((ROW + 1.5) / PX))
    brown = 0.8 * np.array([0.27, 0.57, 0.78])
    density[across, round(LONG[0] / PX) : round((LONG[0] + LINED) / PX)] += brown
    light = 236 * 10**-density + np.random.default_rng(3).normal(0, 1.5, density.shape)
    path = tmp_path_factory.mktemp("drawn") / "S1.png"
    Image.fromarray(np.clip(np.rint(light), 0, 255).astype(np.uint8)).save(path)
    return path


def feature(name, kind, points):
    places = (np.asarray(points, float) / PX).tolist()
    places = {"Point": places[0], "LineString": places, "Polygon": [[*places, places[0]]]}[kind]
    told = {"objectType": "annotation", "classification": {"name": name}}
    geometry = {"type": kind, "coordinates": places}
    return {"type": "Feature", "geometry": geometry, "properties": told}


LINE = feature("interface", "LineString", [(LONG[0], ROW), (LONG[1], ROW)])
MARGIN = feature("margin", "Point", [(LONG[0], ROW)])
CORNERS = [(LONG[0], ROW), (LONG[0] + STRIP, ROW)]
CORNERS += [(x, ROW + DEEP) for x, _ in reversed(CORNERS)]
EPITHELIUM = feature("pie", "Polygon", CORNERS)


def measured(painted, table, *features):
    """Outcome (with its variant) → row."""
    regions = painted.parent / "regions.geojson"
    told = {"type": "FeatureCollection", "features": [EPITHELIUM, *features]}
    regions.write_text(json.dumps(told), encoding="utf-8")
    block = {"detector": "laminin", "vectors": "H-DAB", "roi": "interface", "outcomes": NAMES}
    stain = stain_settings({"sweep_percent": 0, "stains": {"L": block}}, table)
    fact = {"section_id": "S1", "specimen_id": "s", "animal_id": "a", "stain": "L", "batch": "B"}
    fact |= {"path": str(painted), "rois": str(regions), "pixel_um": str(PX)}
    batch = {"B": batch_rows(batch_table([fact], stain, print))}
    found = measure_animal([fact], stain, batch, True, print).measurements
    return {(r["outcome"] + " " + r["variant"]).strip(): r for r in found.to_dict("records")}


def values(rows, *names):
    assert {rows[n]["qc"] for n in names} == {"pass"}
    return [rows[n]["value"] for n in names]


def test_what_is_ignored_leaves_lengths_from_the_margin_as_they_are(painted, table):
    """10 µm of 240 are ignored, in the stained part, then in the epithelium beyond it."""
    for begins, seen in ((70, LINED - 10), (130, LINED)):
        box = [(begins, 40), (begins + 10, 40), (begins + 10, 80), (begins, 80)]
        rows = measured(painted, table, LINE, MARGIN, feature("Ignore*", "Polygon", box))
        share, length = values(rows, "ln332", "itgb4_um")
        assert share == pytest.approx(100 * seen / 230, abs=0.5)
        assert length == pytest.approx(seen, abs=1)
        assert values(rows, "hrp_um", "piel", "epi_th") == pytest.approx(
            [LINED, STRIP, DEEP], abs=1
        )


def test_a_piece_of_a_line_without_a_margin_gives_no_length_a_line(painted, table):
    """Before, the mean of both pieces: half of the front."""
    half = np.mean(LONG)
    pieces = [[(LONG[0], ROW), (half, ROW)], [(half, ROW), (LONG[1], ROW)]]
    two = [feature("interface", "LineString", p) for p in pieces]
    rows = measured(painted, table, *two, MARGIN)
    for name in ("hrp_um", "piel", "itgb4_um"):
        assert rows[name]["qc"] == "fail"
        assert "lies 120 um from the ends of a line" in rows[name]["qc_reason"]
    assert values(rows, "ln332") == pytest.approx([100 * LINED / 240], abs=0.5)
    far = feature("margin", "Point", [(LONG[0] + 80, ROW)])
    assert measured(painted, table, LINE, far)["hrp_um"]["qc"] == "fail"


def test_pieces_without_any_margin_are_no_lines_by_themselves(painted, table):
    """Before, 50 µm a line for 100, in silence."""
    half = np.mean(LONG)
    pieces = [[(LONG[0], ROW), (half, ROW)], [(half, ROW), (LONG[1], ROW)]]
    row = measured(painted, table, *(feature("interface", "LineString", p) for p in pieces))
    assert row["itgb4_um"]["qc"] == "hold"
    assert "2 lines and no point 'margin'" in row["itgb4_um"]["qc_reason"]
    assert values(row, "ln332") == pytest.approx([100 * LINED / 240], abs=0.5)
    assert values(measured(painted, table, LINE), "itgb4_um") == pytest.approx([LINED], abs=1)


def test_lines_drawn_twice_beyond_the_picture_or_in_steps_are_held(painted, table):
    beyond = feature("interface", "LineString", [(LONG[0], ROW), (400, ROW)])
    x = np.arange(LONG[0], LONG[1], 1.0)
    steps = np.column_stack([np.repeat(x, 2)[1:], ROW + np.resize([0, 1, 1, 0], 2 * len(x) - 1)])
    drawn = {
        "line drawn twice 50 %": [LINE, LINE],
        "line outside the picture 31.6 %": [beyond],
        "steps that lengthen the line": [feature("interface", "LineString", steps)],
    }
    for reason, features in drawn.items():
        row = measured(painted, table, *features, MARGIN)["ln332"]
        assert row["qc"] == "hold" and reason in row["qc_reason"], reason
    row = measured(painted, table, beyond, MARGIN)["ln332"]
    assert row["value"] == pytest.approx(100 * LINED / 260, abs=0.5)  # of what is in the picture


def test_a_hand_that_trembles_a_little_passes(painted, table):
    """Points 4 µm apart and up to 0.5 µm off, some of them twice."""
    x = np.repeat(np.arange(LONG[0], LONG[1] + 1, 4.0), 2)
    off = np.repeat(np.random.default_rng(1).uniform(-0.5, 0.5, len(x) // 2), 2)
    line = feature("interface", "LineString", np.column_stack([x, ROW + off]))
    found = values(measured(painted, table, line, MARGIN), "ln332", "hrp_um", "piel")
    assert found == pytest.approx([100 * LINED / 240, LINED, STRIP], rel=0.015)
