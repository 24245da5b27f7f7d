"""Fibres between crossed polarisers where the floor decides what is read: bands laid row by row,
their share counted, then dimmed, veiled and made grainy."""

import numpy as np
import pandas as pd
import pytest
from shapely.geometry import box

from periomics.histology.batch import batch_rows, pool, sample_section
from periomics.histology.measure import measure_section
from periomics.histology.sections import with_masks
from periomics.histology.settings import stain_settings
from periomics.imaging.rois import Annotation

SIDE, BAND = 360, 12
COLOURS = [(1, 0.05, 0.05), (1, 0.55, 0.05), (0.3, 1, 0.1)]  # red, orange, green
BLOCK = {"image": "polarised", "detector": "polarised", "roi": "whole_picture"}


def bands(*, veil=(8, 8, 8), dim=1.0, noise=3.0, every=2):
    """Light of bands that wind across the picture, every so many of them, and their share (%)."""
    row, column = np.mgrid[:SIDE, :SIDE]
    band = (row + np.rint(9 * np.sin(column / 50)).astype(int) + 20) // BAND
    lit = band % every == 0
    light = np.zeros((SIDE, SIDE, 3)) + veil
    light[lit] = 170 * np.array(COLOURS)[band[lit] // every % 3]
    light *= np.where(column < SIDE / 2, 1, dim)[..., None]
    light += np.random.default_rng(4).normal(0, noise, light.shape)
    return np.clip(np.rint(light), 0, 255).astype(np.uint8), 100 * lit.mean()


def read(rgb, table):
    stain = stain_settings({"sweep_percent": 0, "stains": {"P": BLOCK}}, table)["P"]
    whole = [Annotation("whole_picture", box(0, 0, SIDE, SIDE))]
    opened = with_masks(rgb, 0.5, 1.0, whole, stain)
    row = batch_rows(pd.DataFrame([pool([sample_section(opened)], stain)]))["P"]
    found = measure_section(opened, stain, row, {"section_id": "s"}).rows
    return next(r for r in found if r["outcome"] == "psr")


@pytest.mark.parametrize(
    "how",
    [{}, {"every": 6, "noise": 6, "veil": (12, 12, 12)}, {"dim": 0.5}, {"veil": (15, 4, 4)}],
)
def test_what_the_floor_does_not_decide_passes(table, how):
    rgb, share = bands(**how)
    row = read(rgb, table)
    assert row.get("qc", "pass") == "pass"
    assert row["value"] == pytest.approx(share, abs=2)


@pytest.mark.parametrize(
    ("how", "at_least"),
    [
        ({"dim": 0.12}, 15),  # one half in the dark: half of the fibres are lost
        ({"dim": 0.23, "noise": 5}, 3),
        ({"veil": (37, 7, 7)}, 3),  # a red haze just below the floor
        ({"veil": (36, 7, 7), "noise": 6}, 5),
    ],
)
def test_what_the_floor_decides_is_held(table, how, at_least):
    rgb, share = bands(**how)
    row = read(rgb, table)
    assert abs(row["value"] - share) > at_least  # as it was, `pass`
    assert row.get("qc") == "hold" and "that the floor decides on" in row["qc_reason"]
