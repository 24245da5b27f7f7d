"""Numbers behind the figures, against scipy, hand calculation and the tables they are drawn from."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_study import DICTIONARY
from scipy import stats

from periomics.core.results import read_result
from periomics.report.dots import dot_plot, dot_table, last_time, mean_interval, spread
from periomics.report.drawing import inline, with_tips
from periomics.report.forest import (
    BETWEEN,
    WITHIN,
    forest_table,
    rescue_panel,
    rescue_rows,
    standardised,
)
from periomics.study.arms import arm_order
from periomics.study.dictionary import load_dictionary


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=12))
def test_interval_is_the_t_interval(values):
    mean, lower, upper = mean_interval(values)
    x = np.asarray(values)
    if x.std() > 0:
        expected = stats.t.interval(0.95, x.size - 1, x.mean(), stats.sem(x))
        assert np.allclose(
            [mean, lower, upper], [x.mean(), *expected], rtol=1e-9, atol=1e-9 * np.abs(x).max()
        )


def test_one_animal_has_no_interval_and_none_has_no_mean():
    assert mean_interval([3.0])[0] == 3.0 and np.isnan(mean_interval([3.0])[1:]).all()
    assert np.isnan(mean_interval([np.nan])).all()


def values(**columns):
    base = {
        "animal_id": ["a", "b", "c", "d"],
        "condition": ["CTRL", "CTRL", "DRUG", "DRUG"],
        "value": [1.0, 3.0, 5.0, 7.0],
        "dose": np.nan,
        "dose_unit": "",
        "time": 28.0,
        "time_unit": "d",
        "unit": "%",
        "batch": "",
    }
    return pd.DataFrame(base | columns)


def test_dot_table_holds_every_animal_and_every_arm():
    table = dot_table(values(), ["CTRL", "DRUG"])
    assert (table["kind"] == "animal").sum() == 4
    arms = table[table["kind"] == "arm"].set_index("arm")
    assert arms["value"].to_dict() == {"CTRL": 2.0, "DRUG": 6.0} and list(arms["n"]) == [2, 2]


def test_doses_make_arms_of_their_own_and_yes_or_no_has_no_t_interval():
    table = dot_table(
        values(condition="medium", dose=[0.0, 0.0, 50.0, 50.0], dose_unit="%"), ["medium"]
    )
    assert list(table.loc[table["kind"] == "arm", "arm"]) == ["medium 0 %", "medium 50 %"]
    binary = dot_table(values(value=[1.0, 0.0, 1.0, 1.0]), ["CTRL", "DRUG"])
    assert binary["lower"].isna().all()


def test_repeated_measurement_is_drawn_at_its_last_time():
    both = pd.concat([values(time=7.0), values(time=14.0)])
    rows, note = last_time(both)
    assert set(rows["time"]) == {14.0} and "last of 2 times" in note
    different = values(time=[7.0, 8.0, 7.0, 8.0])
    assert len(last_time(different)[0]) == 4 and last_time(different)[1] == ""


def test_arms_stand_in_the_order_of_their_roles():
    config = {"roles": {"healthy": "CTRL", "disease": "DRUG", "treated": ["PRE", "POST"]}}
    assert arm_order(config, ["POST", "zeta", "PRE", "DRUG", "CTRL"]) == [
        "CTRL",
        "DRUG",
        "PRE",
        "POST",
        "zeta",
    ]
    assert arm_order({}, ["b", "a", "vehicle"], ["vehicle"]) == ["vehicle", "a", "b"]


@given(st.lists(st.floats(0, 1), min_size=0, max_size=30))
def test_dots_are_spread_within_their_arm(values):
    offsets = spread(np.array(values))
    assert offsets.shape == (len(values),) and (np.abs(offsets) <= 0.23).all()


def test_figure_shows_arms_units_and_ids(tmp_path):
    drawn = dot_plot(
        values(animal_id=["<b>", "b", "c", "$x$"]),
        "bvtv",
        load_dictionary(DICTIONARY),
        ["CTRL", "DRUG"],
        tmp_path,
        "one",
    )
    svg = (tmp_path / "one.svg").read_text(encoding="utf-8")
    assert "BV/TV (%)" in svg and "n = 2" in svg
    assert "<title>&lt;b&gt;: 1 %</title>" in svg and "<title>$x$: 7 %</title>" in svg
    assert (
        'id="one.' in drawn.svg
        and list(read_result(tmp_path / "one.tsv")["kind"]).count("animal") == 4
    )


def test_tips_go_to_the_markers_of_their_artist_only():
    svg = '<g id="x"><use a="1"/></g><g id="y"><use a="2"/><use a="3"/></g>'
    assert (
        with_tips(svg, [("y", ["p & q"])])
        == '<g id="x"><use a="1"/></g><g id="y"><use a="2"><title>p &amp; q</title></use><use a="3"/></g>'
    )
    assert with_tips(svg, [("z", ["none"])]) == svg


def test_inline_figures_do_not_share_ids():
    svg = '<?xml version="1.0"?><svg width="3pt" height="4pt"><path id="p"/><use xlink:href="#p"/><g clip-path="url(#c)"/></svg>'
    a, b = str(inline(svg, "one", "x")), str(inline(svg, "two", '"'))
    assert (
        'id="one.p"' in a
        and 'href="#one.p"' in a
        and "url(#one.c)" in a
        and 'width="3pt"' not in a
        and "<?xml" not in a
    )
    assert 'id="two.p"' in b and 'aria-label="&quot;"' in b


def test_standardised_effects_against_the_tables(toy):
    contrasts = read_result(toy.inputs["contrasts"])
    table = standardised(contrasts).set_index(["outcome", "contrast"])
    raw = contrasts[(contrasts["kind"] == "confirmatory")].set_index(["outcome", "contrast"])
    assert table.at[("neu", "C0"), "effect"] == -raw.at[("neu", "C0"), "hedges_g"]
    assert table.at[("neu", "C0"), "lower"] == -raw.at[("neu", "C0"), "g_upper"]
    values = read_result(toy.inputs["animals_values"])
    wide = values[values["outcome"] == "prol"].pivot_table(
        index="animal_id", columns="condition", values="value"
    )
    difference = np.log(wide["medium"]) - np.log(wide["vehicle"])
    assert table.at[("prol", "CM"), "effect"] == pytest.approx(
        difference.mean() / difference.std(ddof=1), rel=1e-7
    )
    assert (
        table.at[("prol", "CM"), "standardised_by"] == WITHIN
        and table.at[("neu", "C0"), "standardised_by"] == BETWEEN
    )
    assert (table["lower"] <= table["upper"]).all()


def test_band_is_the_declared_share_of_the_deficit_or_sd(toy):
    s = toy.sources
    table = forest_table(
        s.table("contrasts"), s.table("verdicts"), s.mapping("claims"), s.dictionary
    ).set_index(["outcome", "contrast"])
    assert table.at[("bvtv", "C2"), "margin_to"] == pytest.approx(
        0.3 * abs(table.at[("bvtv", "C0"), "effect"])
    )
    assert np.isnan(table.at[("bvtv", "C0"), "margin_to"])
    assert table.at[("prol", "CM"), "margin_to"] == 0.8
    raw = s.mapping("claims") | {"margin": {"kind": "raw", "value": 5}}
    assert (
        forest_table(s.table("contrasts"), s.table("verdicts"), raw, s.dictionary)
        .set_index("contrast")
        .loc["C2", "margin_to"]
        .isna()
        .all()
    )


def test_rescue_panel_says_which_sets_are_unbounded(toy, tmp_path):
    rescue = read_result(toy.inputs["rescue"])
    open_set = rescue["outcome"].eq("mvd") & rescue["arm"].eq("PRE")
    rescue.loc[open_set, ["bounded", "lower", "upper"]] = [False, -0.4, 1.9]
    rows = rescue_rows(rescue, ["neu", "bvtv"], ["PRE", "POST"])
    assert list(rows["outcome"][:4]) == ["neu", "neu", "bvtv", "bvtv"] and list(
        rows["arm"][:2]
    ) == ["PRE", "POST"]
    rescue_panel(rows, load_dictionary(DICTIONARY), tmp_path, "rescue")
    svg = (tmp_path / "rescue.svg").read_text(encoding="utf-8")
    shown = rows[rows["R"].notna()]
    assert svg.count(">unbounded") == int((~shown["bounded"]).sum()) > 0
    assert len(read_result(tmp_path / "rescue.tsv")) == len(shown)
    assert rescue_panel(rows.iloc[:0], load_dictionary(DICTIONARY), tmp_path, "none") is None
