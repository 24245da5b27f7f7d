"""Every readout against planted truth, per section, over its whole range and two stain batches."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

# outcome: stain, largest error per section (absolute, share of the truth), largest bias of the sum (share)
LIMITS = {
    "mvd": ("CD31", 6.0, 0.05, 0.05),
    "va": ("CD31", 0.15, 0.10, 0.05),
    "neu": ("MPO", 12.0, 0.06, 0.05),
    "elac": ("HE", 3.0, 0.0, 0.03),
    "ln332": ("LN332", 4.0, 0.0, 0.05),
    "ln332_gaps": ("LN332", 2.5, 0.12, 0.10),
}


def of(recovered, outcome):
    table, _ = recovered[LIMITS[outcome][0]]
    return table[table["outcome"] == outcome]


@pytest.mark.parametrize("outcome", LIMITS)
def test_each_section_is_within_its_tolerance(recovered, outcome):
    table, (_, most, share, bias) = of(recovered, outcome), LIMITS[outcome]
    assert len(table) == 10
    error = (table["value"] - table["truth"]).abs()
    assert (error <= np.maximum(most, share * table["truth"])).all(), table[["truth", "value"]]
    assert abs(table["value"].sum() / table["truth"].sum() - 1) <= bias


@pytest.mark.parametrize("outcome", ["mvd", "va", "neu", "elac", "ln332"])
@pytest.mark.parametrize("batch", ["A", "B", "both"])
def test_slope_against_the_truth_in_each_batch(recovered, outcome, batch):
    table = of(recovered, outcome)
    table = table if batch == "both" else table[table["batch"] == batch]
    slope = np.polyfit(table["truth"], table["value"], 1)[0]
    assert 0.95 <= slope <= 1.05


@pytest.mark.parametrize(("stain", "reach"), [("CD31", 4.0), ("MPO", 3.0), ("HE", 3.0)])
def test_objects_are_the_planted_ones(recovered, stain, reach):
    """F1 of centres within `reach` µm, one to one, at least .9 (planted objects inside the region)."""
    hit = planted = found = 0
    for section, measured in recovered[stain][1]:
        table = measured.objects
        table = table[table["counted"]]
        points = np.array([(o["x"], o["y"]) for o in section.objects if o["counted"]]).reshape(
            -1, 2
        )
        planted, found = planted + len(points), found + len(table)
        if len(points) and len(table):
            distance, index = cKDTree(points).query(table[["x_um", "y_um"]].to_numpy())
            hit += len(np.unique(index[distance <= reach]))
    assert 2 * hit / (planted + found) >= 0.9, (hit, planted, found)


def test_lacunae_get_the_class_that_was_planted(recovered):
    right = n = 0
    for section, measured in recovered["HE"][1]:
        points = np.array([(o["x"], o["y"]) for o in section.objects])
        names = np.array([o["class"] for o in section.objects])
        distance, index = cKDTree(points).query(measured.objects[["x_um", "y_um"]].to_numpy())
        near = distance <= 3
        right += (names[index[near]] == measured.objects["class"].to_numpy()[near]).sum()
        n += near.sum()
    assert n > 800
    assert right / n >= 0.98


def test_necrotic_area_follows_the_planted_empties(recovered):
    """The cluster rule on the planted list gives the same area as on the detected ones."""
    from shapely.affinity import scale
    from shapely.geometry import shape
    from shapely.ops import unary_union

    from periomics.histology.lacunae import necrotic_area

    for section, measured in recovered["HE"][1]:
        bone = unary_union(
            [
                shape(f["geometry"])
                for f in section.features
                if f["properties"]["classification"]["name"] == "bone"
            ]
        )
        bone = scale(bone, section.pixel_um, section.pixel_um, origin=(0, 0))
        points = np.array(
            [(o["x"], o["y"]) for o in section.objects if o["class"] == "empty"]
        ).reshape(-1, 2)
        truth = 100 * necrotic_area(points, bone, 5, 100.0) / bone.area
        row = next(r for r in measured.rows if r["outcome"] == "necr" and r["variant"] == "")
        assert row["value"] == pytest.approx(truth, abs=4.0)


def test_the_sweep_moves_little_and_the_right_way(recovered):
    for _, measured in recovered["CD31"][1] + recovered["LN332"][1]:
        by = {r["variant"]: r["value"] for r in measured.rows if r["outcome"] in ("mvd", "ln332")}
        assert abs(by["threshold=-10%"] - by["threshold=+10%"]) <= max(12.0, 0.12 * by[""])
        if "third=apical" in by:
            assert by["threshold=-10%"] >= by[""] >= by["threshold=+10%"]
            assert np.mean(
                [by[f"third={t}"] for t in ("coronal", "middle", "apical")]
            ) == pytest.approx(by[""], abs=1)


def test_numerators_and_denominators_make_the_value(recovered):
    for stain in recovered:
        for _, measured in recovered[stain][1]:
            for row in measured.rows:
                factor = {"%": 100, "1/mm2": 1, "1/mm": 1, "um": 1}[row["unit"]]
                assert row["value"] == pytest.approx(
                    factor * row["numerator"] / row["denominator"], rel=1e-6
                )
                assert row["level"] == "section"
