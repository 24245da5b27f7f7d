"""Along a round implant, where every arc is known: depth of a tracer, reach and thickness of the epithelium, rings by distance.

Drawn here by angles and radii, through Beer-Lambert with stain vectors of its own; nothing of the simulator.
"""

import numpy as np
import pandas as pd
import pytest
from shapely.geometry import LineString, Point, Polygon

from periomics.histology.batch import batch_rows, pool, sample_section
from periomics.histology.laminin import contrasts
from periomics.histology.measure import measure_section
from periomics.histology.sections import with_masks
from periomics.histology.settings import stain_settings
from periomics.imaging.rois import Annotation

PIXEL, SIDE, RADIUS, MIDDLE = 0.5, 900, 100.0, 225.0
BLUE, BROWN = np.array([0.62, 0.70, 0.30]), np.array([0.28, 0.55, 0.77])
LENGTH = 240.0
NAMES = {"front": "hrp_um", "front_share": "hrp", "epithelium": "piel", "thickness": "epi_th"}


def field():
    """Distance from the implant's edge (µm) and arc along it (µm) of every pixel's centre."""
    y, x = (np.indices((SIDE, SIDE)) + 0.5) * PIXEL - MIDDLE
    angle = np.arctan2(y, x)
    return np.hypot(x, y) - RADIUS, np.mod(angle, 2 * np.pi) * RADIUS


def at(arc, away):
    """Pixel x, y of a point of the interface's frame."""
    angle, far = np.asarray(arc) / RADIUS, RADIUS + np.asarray(away)
    return np.column_stack([far * np.cos(angle) + MIDDLE, far * np.sin(angle) + MIDDLE]) / PIXEL


def draw(brown, seed=0):
    """A section: pale blue tissue with nuclei around a black disc, brown where asked (an amount per pixel)."""
    away, _ = field()
    rng = np.random.default_rng(seed)
    blue = 0.12 + 0.03 * rng.random(away.shape)
    y, x = np.indices((13, 13)) - 6
    for top, left in rng.integers(0, SIDE - 13, (500, 2)):
        blue[top : top + 13, left : left + 13][np.hypot(x, y) < 5.5] = 0.6
    light = 238 * np.exp(-np.log(10) * (blue[..., None] * BLUE + brown[..., None] * BROWN))
    light[away < 0] = 6
    light[:200, :200] = 238
    return np.clip(light + rng.normal(0, 2, light.shape), 0, 255).astype(np.uint8)


def regions(epithelium=0.0, thick=0.0, margin=True, turned=False):
    arcs = np.linspace(0, LENGTH, 200)
    line = at(arcs, np.zeros_like(arcs))
    out = [
        Annotation("implant", Point(MIDDLE / PIXEL, MIDDLE / PIXEL).buffer(RADIUS / PIXEL, 128)),
        Annotation("interface", LineString(line[::-1] if turned else line)),
    ]
    if margin:
        out.append(Annotation("margin", Point(*at([-3.0], [4.0])[0])))
    if epithelium:
        along = np.linspace(0, epithelium, 150)
        ring = [at(along, np.full_like(along, 2.0)), at(along, np.full_like(along, thick))[::-1]]
        out.append(Annotation("pie", Polygon(np.concatenate(ring))))
    return out


def settings(table, **block):
    return stain_settings({"sweep_percent": 0, "stains": {"S": block}}, table)["S"]


def rows(picture, annotations, stain):
    opened = with_masks(picture, PIXEL, 1.0, annotations, stain)

    def along(white, pair, control):
        return contrasts(opened, stain, white, pair)

    row = pool([sample_section(opened)], stain, along if stain.detector == "laminin" else None)
    batch = batch_rows(pd.DataFrame([row]))["S"]
    found = measure_section(opened, stain, batch, {"section_id": "s"}).rows
    return {(r["outcome"], r.get("variant", "")): r for r in found}


def tracer(depth, specks=()):
    """Brown within 25 µm of the metal down to a depth, with gaps of 8 µm every 40, and specks farther on."""
    away, arc = field()
    on = (arc < depth) & ~((arc > 30) & (arc % 40 < 8) & (arc < depth - 10))
    for start, stop in specks:
        on |= (arc > start) & (arc < stop)
    return np.where(on & (away >= 0) & (away < 25), 0.7, 0.0)


@pytest.mark.parametrize("depth", [45.0, 110.0, 200.0])
@pytest.mark.parametrize("turned", [False, True])
def test_the_front_of_a_tracer_is_where_it_was_drawn(table, depth, turned):
    stain = settings(table, detector="laminin", outcomes=NAMES, options={"behind_to_um": 0})
    found = rows(draw(tracer(depth)), regions(60, 20, turned=turned), stain)
    front = found["hrp_um", ""]
    assert front["value"] == pytest.approx(depth, rel=0.05) and front.get("qc") != "hold"
    assert found["hrp", ""]["value"] == pytest.approx(100 * depth / LENGTH, rel=0.05)


def test_a_speck_far_on_is_no_front_and_much_of_it_holds_the_section(table):
    stain = settings(table, detector="laminin", outcomes=NAMES, options={"behind_to_um": 0})
    one = rows(draw(tracer(90, [(180, 186)])), regions(60, 20), stain)["hrp_um", ""]
    assert one["value"] == pytest.approx(90, rel=0.05) and one.get("qc") != "hold"
    much = rows(draw(tracer(90, [(150, 200)])), regions(60, 20), stain)["hrp_um", ""]
    assert much["qc"] == "hold" and "beyond the tracer's front" in much["qc_reason"]


@pytest.mark.parametrize(("length", "thick"), [(50.0, 15.0), (120.0, 40.0), (230.0, 90.0)])
def test_epithelium_reaches_as_far_and_is_as_thick_as_drawn(table, length, thick):
    stain = settings(table, detector="laminin", outcomes=NAMES, options={"behind_to_um": 0})
    found = rows(draw(tracer(60)), regions(length, thick), stain)
    assert found["piel", ""]["value"] == pytest.approx(length, abs=2)
    assert found["epi_th", ""]["value"] == pytest.approx(thick - 2, abs=1)


def test_what_is_not_annotated_gives_no_number_and_says_so(table):
    stain = settings(table, detector="laminin", outcomes=NAMES, options={"behind_to_um": 0})
    found = rows(draw(tracer(60)), regions(60, 20, margin=False), stain)
    for name in ("hrp_um", "hrp", "piel"):
        row = found[name, ""]
        assert row["qc"] == "fail" and np.isnan(row["value"]) and "'margin'" in row["qc_reason"]
    assert found["epi_th", ""]["value"] == pytest.approx(18, abs=1)
    bare = rows(draw(tracer(60)), regions(), stain)
    for name in ("piel", "epi_th"):
        assert bare[name, ""]["qc"] == "fail" and "'pie'" in bare[name, ""]["qc_reason"]
    assert bare["hrp_um", ""]["value"] == pytest.approx(60, rel=0.05)


def test_a_stain_that_goes_on_behind_the_line_is_not_taken_for_a_line(table):
    stain = settings(table, detector="laminin")
    for depth in (45, 110):
        row = rows(draw(tracer(depth)), regions(), stain)["ln332", ""]
        assert row["qc"] == "hold" and "config's value stands for a threshold" in row["qc_reason"]


def region_around(far):
    arcs = np.linspace(0, 2 * np.pi * RADIUS, 400)
    return Annotation("region", Polygon(at(arcs, np.full_like(arcs, far))))


def test_stained_share_by_distance_is_that_of_each_ring(table):
    away, arc = field()
    drawn = {0: 0.10, 30: 0.50, 60: 0.30, 90: 0.0}
    brown = np.zeros_like(away)
    for start, share in drawn.items():
        # Sectors: their share of every circle is the same.
        brown[(away >= start) & (away < start + 30) & (np.mod(arc, 62.83) < 62.83 * share)] = 0.7
    options = {"profile_um": 30, "profile_to_um": 120}
    stain = settings(
        table,
        detector="area",
        vectors="H-DAB",
        roi="region",
        threshold="fixed",
        threshold_value=0.35,
        outcomes={"share": "stain_share"},
        options=options,
    )
    implant = regions()[0]
    found = rows(draw(brown), [implant, region_around(118)], stain)
    for start, share in drawn.items():
        row = found["stain_share", f"distance={start}-{start + 30}um"]
        # The implant's margin of 5 µm is no tissue.
        assert row["value"] == pytest.approx(100 * share, abs=2)
    none = rows(draw(brown), [region_around(118)], stain)
    row = none["stain_share", "distance=0-30um"]
    assert row["qc"] == "fail" and "no implant is annotated" in row["qc_reason"]


def test_vessels_by_distance_are_those_of_each_ring(table):
    away, _ = field()
    y, x = (np.indices((SIDE, SIDE)) + 0.5) * PIXEL
    brown, counts = np.zeros_like(away), {20: 9, 60: 16, 100: 5}
    for far, n in counts.items():
        for arc in (np.arange(n) + 0.3) * 2 * np.pi * RADIUS / n:
            cx, cy = at([arc], [far])[0] * PIXEL
            ring = np.hypot(x - cx, y - cy)
            brown[(ring > 3.5) & (ring < 6.5)] = 0.7
    stain = settings(
        table,
        detector="vessels",
        vectors="H-DAB",
        roi="region",
        threshold="fixed",
        threshold_value=0.35,
        options={"profile_um": 40, "profile_to_um": 120},
    )
    found = rows(draw(brown), [regions()[0], region_around(118)], stain)
    for k, n in enumerate(counts.values()):
        row = found["mvd", f"distance={40 * k}-{40 * (k + 1)}um"]
        inner, outer = max(40 * k, 5) + RADIUS, min(40 * (k + 1), 118) + RADIUS
        area = np.pi * (outer**2 - inner**2) * 1e-6
        assert row["numerator"] == n
        assert row["value"] == pytest.approx(n / area, rel=0.01)
