"""Which animals and outcomes the views are of, what is refused, and the same table whatever the order of rows."""

import numpy as np
import pandas as pd
import pytest

from periomics.core.errors import InputError
from periomics.linkage.views_figure import spread, view_figure
from periomics.linkage.views_table import view_table
from periomics.study.dictionary import load_dictionary
from periomics.study.settings.linkage import Linkage, Views

SCORES = ("score:response:vegf", "score:response:mapk", "score:signature:ANG_sprouting")


@pytest.fixture(scope="module")
def dictionary(root):
    return load_dictionary(root / "resources/outcomes.tsv")


def study(n=16, seed=1):
    rng = np.random.default_rng(seed)
    names = [f"R{i:02d}" for i in range(n)]
    animals = pd.DataFrame(
        {"group": ["A", "B"] * (n // 2)}, index=pd.Index(names, name="animal_id")
    )
    animals.loc["iso1"] = ""
    hidden = rng.normal(size=n)
    rows = []
    for outcome in ("tbth", "tbsp", "mvd", "ln332", *SCORES):
        values = np.exp(hidden * 0.2 + rng.normal(0, 0.3, n)) + 5
        values = values - 6 if outcome.startswith("score") else values
        rows += [
            {"animal_id": a, "outcome": outcome, "value": v}
            for a, v in zip(names, values, strict=True)
        ]
    rows.append({"animal_id": "iso1", "outcome": "tbth", "value": 1.0})
    table = pd.DataFrame(rows).assign(
        variant="", condition="", dose=np.nan, time=np.nan, status="measured", unit=""
    )
    return table, animals


def test_blocks_are_areas_and_scores_of_areas(dictionary):
    measured, animals = study()
    table = view_table(measured, animals, dictionary, Views(components=2))
    variables = table[(table["view"] == "mfa") & (table["part"] == "variable")]
    blocks = variables.drop_duplicates("name").set_index("name")["block"]
    assert blocks["tbth"] == "microct" and blocks["mvd"] == "histology"
    assert blocks["score:response:vegf"] == "scores of bulk"
    assert "score:signature:ANG_sprouting" not in blocks, "no kind that was asked for"
    units = table[(table["view"] == "mfa") & (table["part"] == "unit")]
    assert set(units["name"]) == set(animals.index) - {"iso1"} and set(units["component"]) == {1, 2}
    shares = table[(table["view"] == "mfa") & (table["part"] == "block")]
    assert np.allclose(shares.groupby("component")["value"].sum(), 1)
    assert set(table.loc[table["part"] == "rv", "n"]) == {16}
    (line,) = table.loc[table["view"] == "pls", "reason"]
    assert "no outcome of a question" in line
    assert len(view_figure(table, animals).axes) == 2


def test_the_order_of_rows_changes_nothing(dictionary):
    measured, animals = study()
    one = view_table(measured, animals, dictionary, Views())
    mixed = measured.sample(frac=1, random_state=4)
    pd.testing.assert_frame_equal(one, view_table(mixed, animals, dictionary, Views()))


def test_the_last_time_of_an_outcome_is_seen(dictionary):
    measured, animals = study()
    early = measured[measured["outcome"] == "mvd"].assign(time=1.0, value=9.0)
    late = measured.assign(time=measured["outcome"].map({"mvd": 2.0}))
    one = view_table(late, animals, dictionary, Views())
    two = view_table(pd.concat([late, early], ignore_index=True), animals, dictionary, Views())
    pd.testing.assert_frame_equal(one, two)


@pytest.mark.parametrize("n", [10, 16])
def test_too_few_animals_or_one_block_is_a_line(dictionary, n):
    measured, animals = study(n)
    settings = Views() if n == 10 else Views(areas=("microct",))
    table = view_table(measured, animals, dictionary, settings)
    refused = table[(table["view"] == "mfa") & (table["part"] == "refused")]
    said = "10 animals have all outcomes that are kept, 12" if n == 10 else "two areas or more"
    assert len(refused) == 1 and said in refused["reason"].iloc[0]
    assert not table["part"].isin(["unit", "variable"]).any()
    view_figure(table, animals)


def test_nothing_measured_is_a_line_too(dictionary):
    measured, animals = study()
    table = view_table(measured[:0], animals, dictionary, Views())
    assert list(table["part"]) == ["refused"] * 3 and list(table["n"]) == [0, 0, 0]


def test_an_area_that_is_none_is_refused_with_the_nearest():
    with pytest.raises(InputError, match="did you mean 'histology'"):
        Linkage.of({"views": {"areas": ["histolgy"]}}, "linkage")


def test_names_beside_the_points_never_touch_and_move_as_little_as_they_must():
    assert spread([-0.5, 0.0, 0.5], 0.1, -1, 1) == [-0.5, 0.0, 0.5]
    placed = spread([0.3, 0.3, 0.31, 0.9], 0.1, -1, 1)
    assert np.allclose(placed[:3], np.mean([0.3, 0.3, 0.31]) + np.array([-0.1, 0, 0.1]))
    assert placed[3] == 0.9
    rng = np.random.default_rng(4)
    for _ in range(50):
        wanted = sorted(rng.uniform(-1, 1, 12))
        placed = spread(wanted, 0.12, -1, 1)
        assert np.diff(placed).min() >= 0.12 - 1e-6
        assert placed[0] >= -1 - 1e-9 and placed[-1] <= 1 + 1e-9


def test_picture_has_the_arms_in_reading_order_and_no_names_over_each_other(dictionary):
    measured, animals = study()
    table = view_table(measured, animals, dictionary, Views(components=2))
    fig = view_figure(table, animals, ["B", "A"], dictionary)
    fig.canvas.draw()
    left, right = fig.axes
    assert [t.get_text() for t in left.get_legend().get_texts()] == ["B", "A"]
    names = [t for t in right.texts if t.get_text()]
    assert "MVD" in {t.get_text() for t in names} and min(t.get_fontsize() for t in names) >= 8
    boxes = [t.get_window_extent() for t in names]
    inside = fig.bbox.padded(1)
    assert all(inside.x0 <= b.x0 and b.x1 <= inside.x1 for b in boxes)
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[i + 1 :])
