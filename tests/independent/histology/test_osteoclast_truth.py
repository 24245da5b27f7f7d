"""Osteoclasts on a round bone: their number, the arc they cover, those that came off, and what is
none."""

import json

import numpy as np
import pytest
from ground import MIDDLE, PIXEL, circle, disc, light, measured, place, polar, sector, square

BLUE, RED = (0.63, 0.71, 0.31), (0.22, 0.86, 0.46)
RADIUS = 85.0
# Angles at which cells sit, and how wide they are.
ON = {10: 30, 60: 36, 130: 24, 185: 42, 250: 28, 310: 32}
OFF = {35: 50.0, 160: 48.0}


def nuclei(blue, angle, radius, count, spread):
    for k in range(count):
        blue[disc(place(angle + spread * (k - (count - 1) / 2), radius), 2.9)] = 0.55


def draw(seed=1, all_blue=False):
    """Red cells with blue nuclei on and off the bone, red cells of one nucleus in the marrow, pale
    ground."""
    rng = np.random.default_rng(seed)
    far, _ = polar()
    red = np.zeros(far.shape)
    blue = np.where(far < RADIUS, 0.10, 0.06) * (1 + 0.2 * rng.random(far.shape))
    cells = rng.uniform(8, 312, (160, 2))
    for at in cells[np.hypot(*(cells - 160).T) > RADIUS + 70]:
        blue[disc(at, 2.8)] = 0.55
    for angle, wide in ON.items():
        red[sector(angle - wide / 2, angle + wide / 2, RADIUS, RADIUS + 14)] = 0.75
        nuclei(blue, angle, RADIUS + 7, 3, wide / 4)
    for angle, away in OFF.items():
        red[disc(place(angle, RADIUS + away), 13)] = 0.75
        nuclei(blue, angle, RADIUS + away, 4, 2.2)
    for angle in (90, 110, 215, 280):
        red[disc(place(angle, RADIUS + 45), 7)] = 0.6
        blue[disc(place(angle, RADIUS + 45), 2.9)] = 0.55
    if all_blue:
        blue[red > 0] = 0.5
    return light([blue, red], [BLUE, RED], seed)


@pytest.fixture(scope="module")
def found(table):
    regions = [square("tissue"), circle("bone", RADIUS)]
    return measured(
        draw(), regions, table, detector="osteoclasts", outcomes={"density": "noc_area"}
    )


def test_number_and_surface_over_the_outline(found):
    rows, _ = found
    assert {r.get("qc", "pass") for r in rows.values()} == {"pass"}, rows
    number = rows["noc", ""]
    assert number["numerator"] == len(ON)
    assert number["denominator"] == pytest.approx(2 * np.pi * RADIUS / 1000, rel=0.005)
    assert rows["ocs", ""]["value"] == pytest.approx(sum(ON.values()) / 3.6, rel=0.05)
    assert ("noc", "side=implant") not in rows


def test_what_came_off_is_apart_and_single_nuclei_are_none(found):
    rows, all_of = found
    assert rows["noc_det", ""]["value"] == pytest.approx(100 * len(OFF) / (len(OFF) + len(ON)))
    assert all_of.objects["class"].value_counts().to_dict() == {
        "positive": 6,
        "detached": 2,
        "uncertain": 4,
    }
    area = 0.32**2
    assert rows["noc_area", ""]["value"] == pytest.approx(8 / area, rel=0.01)
    nuclei_seen = all_of.objects.set_index("class")["nuclei"]
    assert (
        nuclei_seen["positive"].tolist() == [3] * 6 and nuclei_seen["detached"].tolist() == [4] * 2
    )


def angle_of(feature):
    x, y = np.mean(feature["geometry"]["coordinates"][0], axis=0) * PIXEL - MIDDLE
    return np.degrees(np.arctan2(y, x)) % 360


def test_edited_cells_are_counted_by_hand(found, table, tmp_path):
    """Two on the bone deleted, one drawn on 10° of it, one that came off excluded, one of one
    nucleus made a cell."""
    features = [f for f in found[1].features if min(abs(angle_of(f) - [10, 60])) > 3]
    assert len(features) == 12 - 2
    for at, old, new in ((160, "detached", "excluded"), (215, "uncertain", "positive")):
        (one,) = (f for f in features if abs(angle_of(f) - at) < 3)
        assert one["properties"]["classification"]["name"] == old
        one["properties"]["classification"] = {"name": new}
    arc = np.linspace(335, 345, 11)
    around = [*((a, RADIUS - 1) for a in arc), *((a, RADIUS + 12) for a in arc[::-1])]
    ring = [[v / PIXEL for v in place(*p)] for p in [*around, around[0]]]
    told = {"objectType": "annotation", "classification": {"name": "positive"}}
    shape = {"type": "Polygon", "coordinates": [ring]}
    features.append({"type": "Feature", "id": "", "geometry": shape, "properties": told})
    path = tmp_path / "edited.geojson"
    text = json.dumps({"type": "FeatureCollection", "features": features})
    path.write_text(text, encoding="utf-8")
    regions = [square("tissue"), circle("bone", RADIUS)]
    fact = {"mask": str(path), "mask_by": "AB", "mask_reason": "folds"}
    rows, _ = measured(draw(), regions, table, fact, detector="osteoclasts")
    assert rows["noc", ""]["numerator"] == 6 - 2 + 1
    assert rows["noc", "mask=before"]["numerator"] == 6
    assert rows["noc_det", ""]["value"] == pytest.approx(100 * 2 / (2 + 5))
    covered = sum(ON.values()) - ON[10] - ON[60] + 10
    assert rows["ocs", ""]["value"] == pytest.approx(covered / 3.6, rel=0.05)
    assert "1 added, 2 removed, 0 redrawn, 2 given another class" in rows["noc", ""]["method"]


def test_the_side_of_the_implant_is_apart_and_a_cut_is_no_surface(table):
    """A square of metal beside the bone's right, and a region that ends in the bone's middle."""
    picture = draw()
    picture[:, 510:] = 8
    regions = [square("tissue", bottom=160), circle("bone", RADIUS), square("implant", left=255)]
    rows, _ = measured(picture, regions, table, detector="osteoclasts")
    facing = np.degrees(np.arccos((255 - 160 - 20) / RADIUS))
    whole = 180 / 360 * 2 * np.pi * RADIUS / 1000
    sides = [rows["noc", s]["denominator"] for s in ("", "side=implant")]
    # Within 20 µm of the metal: an arc of `facing` degrees above the horizontal.
    assert sides[1] == pytest.approx(facing / 360 * 2 * np.pi * RADIUS / 1000, rel=0.05)
    assert sum(sides) == pytest.approx(whole, rel=0.02)


@pytest.mark.parametrize(("off", "held"), [(-3.5, False), (-8.0, True)])
def test_an_outline_a_little_off_counts_the_same_and_far_off_is_held_back(table, off, held):
    regions = [square("tissue"), circle("bone", RADIUS + off)]
    rows, _ = measured(draw(), regions, table, detector="osteoclasts")
    if held:
        assert (
            rows["noc", ""]["qc"] == "hold" and "on bone at 10 um" in rows["noc", ""]["qc_reason"]
        )
        return
    assert rows["noc", ""]["numerator"] == len(ON) and rows["noc", ""].get("qc", "pass") == "pass"
    assert rows["ocs", ""]["value"] == pytest.approx(sum(ON.values()) / 3.6, rel=0.05)


def test_cells_that_are_blue_all_over_show_no_nuclei_to_count(table):
    """As in cultures whose dark cells take both stains: the counterstain covers the cell."""
    picture = draw(all_blue=True)
    rows, _ = measured(
        picture,
        [square("tissue"), circle("bone", RADIUS)],
        table,
        detector="osteoclasts",
        options={"nuclei_on_bone": 1},
    )
    assert rows["noc", ""]["qc"] == "hold"
    assert "not told from what is around them" in rows["noc", ""]["qc_reason"]


def test_without_bone_only_cells_per_area_are_a_number(table):
    rows, _ = measured(
        draw(), [square("tissue")], table, detector="osteoclasts", outcomes={"density": "noc_area"}
    )
    for name in ("noc", "ocs", "noc_det"):
        row = rows[name, ""]
        assert row["qc"] == "fail" and "no outline of an annotation 'bone'" in row["qc_reason"]
    assert rows["noc_area", ""]["numerator"] == 8
