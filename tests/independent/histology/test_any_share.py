"""A stained share is found from 2 to 98 %, within 3 points of the painted one, and does not make a section odd."""

import json

import numpy as np
import pandas as pd
import pytest
from painted import seen
from painted_share import SIZE, WHITE, brown_on_blue, through, trichrome
from shapely.geometry import box

from periomics.histology import thresholds
from periomics.histology.batch import batch_rows, pool, sample_section
from periomics.histology.measure import measure_section
from periomics.histology.members import odd_members
from periomics.histology.sections import with_masks
from periomics.histology.settings import stain_settings
from periomics.imaging.rois import Annotation

PAIRS = {"Masson": trichrome, "H-DAB": brown_on_blue}


def settings(table, pair):
    block = {"detector": "area", "vectors": pair, "outcomes": {"share": "colf"}}
    return stain_settings({"sweep_percent": 0, "stains": {"X": block}}, table)["X"]


def opened(rgb, of):
    region = Annotation(of.roi, box(0, 0, rgb.shape[1], rgb.shape[0]))
    return with_masks(rgb, 0.5, 1.0, [region], of)


def measured(rgbs, of):
    """Value and why it is held back, per section of one batch; and who is odd in it."""
    batch = [opened(r, of) for r in rgbs]
    samples = [sample_section(o) for o in batch]
    odd = {f"S{k}": why for k, why in odd_members(samples, of).items()}
    table = pd.DataFrame([pool(samples, of) | {"odd": json.dumps(odd)}])
    row = batch_rows(table)["X"]
    ids = {"specimen_id": "s", "animal_id": "a"}
    found = [
        measure_section(o, of, row, {"section_id": f"S{k}", **ids}).rows[0]
        for k, o in enumerate(batch)
    ]
    return [(r["value"], r.get("qc_reason", "")) for r in found], odd


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("share", [0.02, 0.5, 0.8, 0.98])
def test_the_painted_share_is_found(table, pair, share):
    light, truth = PAIRS[pair](share)
    ((value, why),), _ = measured([seen(light)], settings(table, pair))
    assert value == pytest.approx(truth, abs=1.5)
    assert why == ""


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("look", [{"blur": 2.0}, {"noise": 5, "quality": 60}])
def test_blur_and_jpeg_move_it_by_less_than_three_points(table, pair, look):
    light, truth = PAIRS[pair](0.8, seed=3)
    ((value, why),), _ = measured([seen(light, **look)], settings(table, pair))
    assert value == pytest.approx(truth, abs=3)
    assert why == ""


@pytest.mark.parametrize("pair", PAIRS)
def test_sections_of_a_batch_may_differ_in_share(table, pair):
    drawn = [PAIRS[pair](s, seed=10 + k) for k, s in enumerate((0.1, 0.5, 0.9))]
    found, odd = measured([seen(light) for light, _ in drawn], settings(table, pair))
    assert odd == {}
    for (value, why), (_, truth) in zip(found, drawn, strict=True):
        assert value == pytest.approx(truth, abs=3)
        assert why == ""


@pytest.mark.parametrize("odd", [{"haze": 0.5}, {"strength": 0.45}])
def test_the_odd_one_is_named_whatever_its_share(table, odd):
    light = [brown_on_blue(s, seed=20 + k)[0] for k, s in enumerate((0.2, 0.8))]
    spoilt = brown_on_blue(0.5, seed=9, **odd)[0]
    found, named = measured([seen(x) for x in (*light, spoilt)], settings(table, "H-DAB"))
    assert list(named) == ["S2"]
    assert "unlike its stain batch" in found[2][1]


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_one_level_alone_is_said(table, share):
    ink = {"collagen": np.full((SIZE, SIZE), 0.9 * share), "muscle": np.full((SIZE, SIZE), 0.5)}
    rng = np.random.default_rng(4)
    ripple = 1 + 0.2 * rng.standard_normal((SIZE, 1))
    light = through({k: v * ripple for k, v in ink.items()}, WHITE)
    ((_, why),), _ = measured([seen(light)], settings(table, "Masson"))
    assert "aniline_blue: all of it is alike" in why


@pytest.mark.parametrize(
    "values",
    [
        lambda rng: rng.normal(0.3, 0.1, 20_000),
        lambda rng: rng.exponential(0.1, 20_000),
        lambda rng: rng.gamma(2, 0.1, 20_000),
        lambda rng: 0.2 * np.exp(rng.normal(0, 1, 20_000)),
        lambda rng: rng.uniform(0, 1, 20_000),
    ],
)
def test_no_even_population_is_parted(values):
    threshold, reason = thresholds.two_levels(values(np.random.default_rng(2)))
    assert np.isnan(threshold)
    assert reason == "all of it is alike: one level, not two"


@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.98])
def test_the_threshold_is_the_half_light_of_two_levels(share):
    """Light .8 and .2 of the strongest channel: .5, which is .376 OD of a dye whose strongest channel has .8."""
    rng = np.random.default_rng(3)
    light = np.where(rng.random(20_000) < share, 0.2, 0.8) + rng.normal(0, 0.02, 20_000)
    threshold, _ = thresholds.two_levels(-np.log10(light) / 0.8)
    assert threshold == pytest.approx(-np.log10(0.5) / 0.8, abs=0.01)


def test_tissue_without_a_counterstain_is_not_silently_taken_for_glass(table):
    """Brown specks on tissue as bright as glass: what the share is of cannot be known, so a person
    looks."""
    rng, light = np.random.default_rng(4), np.full((400, 400, 3), 238.0)
    for y, x in rng.integers(10, 390, (60, 2)):
        light[y - 5 : y + 5, x - 5 : x + 5] *= 10.0 ** -np.array([0.2, 0.43, 0.6])
    ((value, why),), _ = measured([seen(light)], settings(table, "H-DAB"))
    assert "region as bright as glass" in why, (value, why)
