"""Lines laid straight: what was painted at a distance along the implant and a depth stands there,
and under it what was found."""

import json

import numpy as np
import pandas as pd
import pytest
from shapely.geometry import LineString, Point, Polygon, box

from periomics.core.errors import InputError
from periomics.histology.animal import Shown
from periomics.histology.batch import batch_rows, pool, sample_section
from periomics.histology.laminin import contrasts
from periomics.histology.measure import measure_section
from periomics.histology.sections import with_masks
from periomics.histology.settings import stain_settings
from periomics.histology.strips import ABSENT, OTHER_UM, OUT, PRESENT, TEXT, picture, straightened
from periomics.imaging.rois import Annotation
from periomics.report.pictures import find

PX, TURN = 0.5, np.deg2rad(25)
BROWN, BLUE = np.array([0.27, 0.57, 0.78]), np.array([0.65, 0.70, 0.29])
START, LONG = np.array([40.0, 60.0]), 160.0
LINED = [(0, 50), (80, 130)]


def frame(high=380, wide=460):
    """Distance along a slanting edge and depth below it (µm) of every pixel."""
    y, x = (np.mgrid[0:high, 0:wide] + 0.5) * PX
    dx, dy = x - START[0], y - START[1]
    return dx * np.cos(TURN) + dy * np.sin(TURN), -dx * np.sin(TURN) + dy * np.cos(TURN)


def at(along, deep):
    """Pixel of a place in that frame."""
    c, s = np.cos(TURN), np.sin(TURN)
    return (START + np.array([along * c - deep * s, along * s + deep * c])) / PX


@pytest.fixture(scope="module")
def seen(table):
    """A lined edge with a blue spot at 75 µm along, 40 µm deep, measured as a line that has a
    front."""
    along, deep = frame()
    lined = np.any([(along > a) & (along < b) for a, b in LINED], axis=0) & (abs(deep - 1.5) < 1.5)
    spot = np.hypot(along - 75, deep - 40) < 6
    od = 0.12 * BLUE + 0.8 * lined[..., None] * BROWN + 1.1 * spot[..., None] * BLUE
    light = 240 * 10**-od
    light[deep < 0] = 5
    light += np.random.default_rng(2).normal(0, 1.5, light.shape)
    rgb = light.clip(0, 255).astype(np.uint8)
    metal = Polygon([at(-200, 0), at(400, 0), at(400, -400), at(-200, -400)])
    line = LineString([at(0, 0), at(LONG, 0)])
    notes = [
        Annotation("implant", metal.intersection(box(0, 0, 460, 380))),
        Annotation("interface", line),
    ]
    notes.append(Annotation("margin", Point(at(-2, 3))))
    block = {"detector": "laminin", "outcomes": {"front": "hrp_um"}, "white": [240, 240, 240]}
    stain = stain_settings({"stains": {"S": block}}, table)["S"]
    opened = with_masks(rgb, PX, 1.0, notes, stain)

    def of(white, pair, control):
        return contrasts(opened, stain, white, pair)

    row = batch_rows(pd.DataFrame([pool([sample_section(opened)], stain, of)]))["S"]

    def measure(**more):
        return measure_section(opened, stain, row, {"section_id": "s", **more})

    return opened, measure(), measure


def test_what_lies_along_and_deep_stands_there(seen):
    opened, measured, _ = seen
    (strip,) = measured.strips
    rgb = straightened(opened, strip).astype(float)
    assert rgb.shape[1] == round(LONG / PX)
    row, column = (int(v / PX) for v in (OTHER_UM + 40, 75))
    spot = rgb[row - 6 : row + 6, column - 6 : column + 6].mean(axis=(0, 1))
    np.testing.assert_allclose(spot, 240 * 10 ** -(1.22 * BLUE), rtol=0.1)
    assert rgb[: int((OTHER_UM - 2) / PX)].mean() < 12  # metal above the line
    brown = 240 * 10 ** -(0.12 * BLUE + 0.8 * BROWN)
    on_line = rgb[int((OTHER_UM + 1.5) / PX)]
    for a, b in LINED:
        inside = on_line[int((a + 3) / PX) : int((b - 3) / PX)].mean(axis=0)
        np.testing.assert_allclose(inside, brown, rtol=0.12)


def test_under_it_stands_what_was_found(seen, tmp_path):
    opened, measured, _ = seen
    sheet = picture("s", opened, measured.strips)
    (strip,) = measured.strips
    assert strip.front_um == pytest.approx(50, abs=2) and strip.thirds and strip.from_margin
    track = np.asarray(sheet)[TEXT + straightened(opened, strip).shape[0] + 4, : int(LONG / PX)]
    green, orange = ((track == np.array(c)).all(axis=1) for c in (PRESENT, ABSENT))
    truth = np.zeros(len(track), bool)
    for a, b in LINED:
        truth[int(a / PX) : int(b / PX)] = True
    assert (green == truth).mean() > 0.97 and (orange == ~truth).mean() > 0.97
    folder = tmp_path / "histology" / "R1" / "sections"
    folder.mkdir(parents=True)
    Shown("s", "s", strip=sheet).write(folder)
    sheets = {
        "animals": pd.DataFrame({"animal_id": ["R1"], "group": ["a"]}),
        "sections": pd.DataFrame({"animal_id": ["R1"], "condition": [""]}),
    }
    (found,) = find("histology", sheets, tmp_path, ["a"])
    assert found == ("R1, along the implant, s", "a", folder / "s.strip.png")


def test_a_run_may_be_given_another_state_and_nothing_else(seen, tmp_path):
    _, measured, measure = seen
    features = json.loads(json.dumps(list(measured.features)))

    def share(given):
        file = tmp_path / "a.geojson"
        file.write_text(json.dumps(given), encoding="utf-8")
        return measure(mask=str(file), mask_by="AB", mask_reason="fold")

    def value(found, variant=""):
        rows = [r for r in found.rows if (r["outcome"], r["variant"]) == ("ln332", variant)]
        return rows[0]["value"]

    assert value(share(features)) == value(measured) == pytest.approx(62.5, abs=2)
    features[0]["properties"]["classification"] = {"name": "negative"}
    edited = share(features)
    assert value(edited) == pytest.approx(100 * 50 / 160, abs=2)
    assert value(edited, "mask=before") == value(measured)
    assert list(edited.objects["object_id"]) == list(measured.objects["object_id"])
    assert "1 given another class" in edited.rows[0]["method"]
    with pytest.raises(InputError, match="missing or was moved"):
        share(features[1:])


def test_the_outline_of_an_implant_is_laid_straight_with_the_bone_before_it(table):
    """A square implant: two sides in bone, one in marrow, one outside the region."""
    y, x = (np.mgrid[0:300, 0:300] + 0.5) * PX
    metal = (abs(x - 75) < 30) & (abs(y - 75) < 30)
    bone = (x > 75 - 45) & (y > 75 - 30) & ~metal & ((x > 75 + 30) | (y > 75 + 30) | (x < 45))
    bone &= ~((x < 45) & (y < 140))
    light = 240 * 10 ** -(0.15 * BLUE + 0.7 * bone[..., None] * BROWN)
    light[metal] = 5
    light += np.random.default_rng(3).normal(0, 1.5, light.shape)
    rgb = light.clip(0, 255).astype(np.uint8)
    notes = [
        Annotation("implant", box(90, 90, 210, 210)),
        Annotation("region", box(0, 92, 300, 300)),
    ]
    block = {"detector": "contact", "roi": "region", "white": [240, 240, 240]}
    stain = stain_settings({"stains": {"S": block}}, table)["S"]
    opened = with_masks(rgb, PX, 1.0, notes, stain)
    row = batch_rows(pd.DataFrame([pool([sample_section(opened)], stain)]))["S"]
    measured = measure_section(opened, stain, row, {"section_id": "s"})
    (strip,) = measured.strips
    share = [float((strip.present == k).mean()) for k in (1, 0, -1)]
    np.testing.assert_allclose(share, [0.5, 0.25, 0.25], atol=0.03)
    value = next(r["value"] for r in measured.rows if r["outcome"] == "bic" and not r["variant"])
    assert value == pytest.approx(100 * share[0] / (share[0] + share[1]), abs=0.5)
    rgb = straightened(opened, strip)
    assert rgb[: int((OTHER_UM - 3) / PX), 5:-5].mean() < 15
    sheet = np.asarray(picture("s", opened, measured.strips))
    colours = {tuple(c) for c in sheet[TEXT + len(rgb) + 4, : rgb.shape[1]]}
    assert {PRESENT, ABSENT, OUT} <= colours
