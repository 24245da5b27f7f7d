"""Axes end where outcomes can, arms keep their colour, and the picture of the design counts as by hand."""

import re
from pathlib import Path

import pandas as pd
import pytest

from periomics.core.figures import PALETTE
from periomics.core.results import read_result
from periomics.report.dots import NO_PLACE, arm_colour, within_limits
from periomics.report.drawing import canvas
from periomics.report.forest import _direction

REPORT = Path(__file__).resolve().parents[3] / "workflow/scripts/periomics/report"


@pytest.mark.parametrize(
    ("values", "scale", "unit", "inside"),
    [
        ([0.0, 2.0, 60.0], "logit", "%", (0, 100)),
        ([70.0, 100.0], "logit", "%", (0, 100)),
        ([0.0, 0.9], "logit", "1", (0, 1)),
        ([0.0, 0.0], "count", "1/mm2", (0, float("inf"))),
        ([-3.0, 5.0], "identity", "", (-20, 30)),
        ([-1.0, 5.0], "log", "mm", (-1, 30)),  # data are never cut off
    ],
)
def test_axis_ends_where_the_outcome_can(values, scale, unit, inside):
    with canvas(3, 3) as (_, ax):
        ax.plot([0] * len(values), values, "o")
        ax.plot([1, 1], [-20, 130 if unit == "%" else 20])  # an interval that goes beyond
        within_limits(ax, pd.Series(values), scale, unit)
        low, high = ax.get_ylim()
    assert inside[0] <= low + (scale == "identity") * 20 and high <= inside[1]
    assert low <= min(values) and high >= max(values)


def test_an_arm_keeps_its_colour_where_others_lack():
    order = ["CTRL", "DRUG", "PRE"]
    assert [arm_colour(a, order) for a in order] == list(PALETTE[:3])
    assert arm_colour("DRUG 5 mg", order) == PALETTE[1]
    assert arm_colour("no arm", order) == NO_PLACE not in PALETTE


def test_figures_take_colours_of_arms_from_one_place_only():
    own = [p for p in sorted(REPORT.glob("*.py")) if p.name != "dots.py"]
    for path in own:
        text = path.read_text(encoding="utf-8")
        assert not any(c in text for c in PALETTE[:-1]), path.name
        assert not re.search(r"PALETTE\[[^0-9\]]", text), path.name


def test_arms_have_their_colours_in_figures_of_the_page(toy):
    assert toy.sources.arms[:4] == ["CTRL", "DRUG", "PRE", "POST"]
    rescue = (toy.figures / "rescue.svg").read_text(encoding="utf-8").lower()
    dots = (toy.figures / "histology--neu.svg").read_text(encoding="utf-8").lower()
    assert all(c.lower() in dots for c in PALETTE[:4])
    assert all(c.lower() in rescue for c in PALETTE[2:4])
    assert not any(c.lower() in rescue for c in PALETTE[:2])


def test_design_counts_animals_as_the_sheets_and_values_do(toy):
    table = read_result(toy.figures / "measured.tsv")
    values = read_result(toy.inputs["animals_values"])
    animals = read_result(toy.inputs["animals"])
    scans = set(read_result(toy.inputs["scans"])["animal_id"])
    for arm in ("CTRL", "DRUG", "PRE", "POST"):
        row = table[(table["arm"] == arm) & (table["area"] == "microct")].iloc[0]
        ids = set(animals.loc[animals["group"] == arm, "animal_id"])
        good = values[(values["modality"] == "microct") & (values["status"] == "measured")]
        assert row["measured"] == len(ids & set(good["animal_id"])), arm
        assert row["planned"] == len(ids & (scans | set(good["animal_id"]))), arm


def test_nothing_is_called_better_where_no_direction_was_declared():
    assert "better" not in _direction(pd.DataFrame({"signed": ["no", "no"]}))
    assert "†" in _direction(pd.DataFrame({"signed": ["no", "yes"]}))
    assert _direction(pd.DataFrame({"signed": ["yes"]})) == "right of 0 is better"
