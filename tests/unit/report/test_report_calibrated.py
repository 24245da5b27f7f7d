"""The calibration section: one line, bounds that do not hold, numbers of studies, figure, and a study without calibration."""

import numpy as np
import pandas as pd
import pytest
from report_study import DICTIONARY, claims, config
from test_report_page import Page, text_of

from periomics.core.results import read_result, write_result
from periomics.report import calibrated as c
from periomics.report.sources import sources
from periomics.statistics.calibration import rates as engine
from periomics.statistics.calibration.bounds import judged
from periomics.statistics.calibration.scenarios import scenarios
from periomics.statistics.claims.plan import read_plan
from periomics.study.dictionary import load_dictionary
from periomics.study.settings.calibration import Calibration


@pytest.fixture(scope="module")
def table(toy):
    """Three scenarios of the toy study, 50 studies each: as the engine counts them."""
    plan, dictionary = read_plan(claims(), config()["roles"]), load_dictionary(DICTIONARY)
    wanted = ("as_planned", "null_treatment", "block_interaction")
    every = [s for s in scenarios(plan, config()["planning"]["R"], 0.7, ()) if s.name in wanted]
    settings = Calibration(studies=50, sizes=())
    parts = [
        engine.calibrate(s, plan, toy.sources.sheets["animals"], dictionary, settings, 1)
        for s in every
    ]
    return judged(pd.concat(parts, ignore_index=True))


def made(table, folder):
    write_result(table, folder / "counted.tsv", engine.COLUMNS)
    found = sources(
        {"calibration": str(folder / "counted.tsv"), "dictionary": str(DICTIONARY)}, folder
    )
    return c.calibrated(found, folder)


def test_one_line_says_that_all_bounds_hold_and_how_many_studies_were_drawn(table, tmp_path):
    found = made(table, tmp_path)
    bounded = int(table["within"].isin(["yes", "no"]).sum())
    assert (
        found.line == f"All {bounded:,} bounds on error rates and coverage hold."
        and found.holds
        and found.broken == []
    )
    assert found.drawn_text == "50 studies in each of 3 scenarios"
    assert (
        found.limits.startswith("Limits reach up to .")
        and "for coverage; more studies narrow them." in found.limits
    )
    assert list(engine.COLUMNS) == list(c.COLUMNS)


def test_bounds_that_do_not_hold_are_named_and_drawn_red(table, tmp_path):
    k = table.index[
        (table["quantity"] == "false_supported") & (table["scenario"] == "null_treatment")
    ][0]
    wrong = table.copy()
    wrong.loc[k, ["count", "share", "lower", "upper"]] = [20, 0.5, 0.21, 0.79]
    wrong.loc[k, "within"] = "no"
    found = made(wrong, tmp_path)
    assert (
        found.line.startswith("1 of ") and found.line.endswith("do not hold.") and not found.holds
    )
    assert len(found.broken) == 1 and "null_treatment" in found.broken[0]
    assert "falsely supported .500 [.210, .790], bound at most .050" in found.broken[0]
    assert "#b3261e" in (tmp_path / "calibration.svg").read_text(encoding="utf-8")
    row = dict(zip(found.scenarios.header, found.scenarios.rows[1], strict=True))
    assert (
        row["Worst false rate, with limits"].startswith(".500 [.210, .790]")
        and row["Bounds hold"] == "no"
    )


def test_a_row_a_scenario_with_coverage_and_what_has_no_bound(table, tmp_path):
    grid = made(table, tmp_path).scenarios
    rows = {r[0]: dict(zip(grid.header, r, strict=True)) for r in grid.rows}
    part = table[(table["scenario"] == "null_treatment") & (table["quantity"] == "coverage")][
        "share"
    ]
    low, high = (f"{x:.3f}".removeprefix("0") for x in (part.min(), part.max()))
    assert (
        rows["null_treatment"]["Coverage"] == f"{low} to {high}"
        and rows["null_treatment"]["n an arm"] == "6"
    )
    assert (
        rows["block_interaction"]["Bounds hold"] == "no bound"
        and rows["as_planned"]["after the gate (no bound)"] != "–"
    )


def test_verdicts_by_claim_are_means_over_outcomes_in_percent(table, tmp_path):
    grid = made(table, tmp_path).mix
    row = dict(zip(grid.header, grid.rows[0], strict=True))
    part = table[(table["scenario"] == "as_planned") & (table["claim_id"] == "C2")]
    n = part["outcome"].replace("", np.nan).nunique()
    share = {
        w: 100 * part.loc[part["quantity"].isin([f"verdict: {x}" for x in w]), "share"].sum() / n
        for w in (c.SUPPORTED, c.REFUTED)
    }
    expected = " / ".join("0" if x == 0 else "<1" if x < 1 else f"{x:.0f}" for x in share.values())
    assert row["C2"] == expected and "C1-any" in grid.header


def test_figure_holds_every_bounded_rate_and_the_conditional_ones_apart(table, tmp_path):
    drawn = made(table, tmp_path).figure
    rows = read_result(tmp_path / "calibration.tsv")
    assert drawn.name == "calibration" and "passing biases what follows" in drawn.caption
    assert set(rows["panel"]) == {"false", "coverage", "after the gate"}
    assert int((rows["within"] == "yes").sum()) == int((table["within"] == "yes").sum())


def test_sizes_of_a_scenario_share_a_line_of_the_picture_and_stand_in_order_in_the_table(
    table, tmp_path
):
    sizes = [
        table.assign(scenario=table["scenario"] + f"_n{n}", n_per_arm=str(n)) for n in (10, 3, 9)
    ]
    found = made(pd.concat([table, *sizes], ignore_index=True), tmp_path)
    assert [r[0] for r in found.scenarios.rows][:4] == [
        "as_planned",
        "as_planned_n3",
        "as_planned_n9",
        "as_planned_n10",
    ]
    text = (tmp_path / "calibration.svg").read_text(encoding="utf-8")
    assert "null_treatment, 3 to 10 an arm" in text and "null_treatment_n3" not in text


def test_no_calibration_is_said_in_one_sentence(toy):
    assert "Error rates of this design were not simulated; snakemake calibrate does it." in text_of(
        toy.page
    )
    assert 'id="calibration"' not in toy.page and c.methods_sentence(pd.DataFrame()).endswith(
        "were not simulated."
    )


def test_a_study_with_a_calibration_has_its_section_on_the_page(toy, table, write, tmp_path):
    file = tmp_path / "calibration.tsv"
    write_result(table, file, engine.COLUMNS)
    kept = {
        k: toy.inputs[k]
        for k in ("dictionary", "animals", "record", "contrasts", "verdicts", "rescue", "claims")
    }
    report = write(kept | {"calibration": str(file)}, tmp_path)
    page = Page(report.page)
    assert (
        "calibration" in page.ids and page.wrong == [] and "were not simulated" not in report.page
    )
    assert (
        report.figures / "calibration.svg"
    ).is_file() and "50 studies in each of 3 scenarios" in report.methods


def test_a_calibration_before_any_data_is_shown_alone(toy, table, write, tmp_path):
    file = tmp_path / "calibration.tsv"
    write_result(table, file, engine.COLUMNS)
    report = write({"dictionary": toy.inputs["dictionary"], "calibration": str(file)}, tmp_path)
    assert "calibration" in Page(report.page).ids and "statistics" not in Page(report.page).ids


def test_a_table_with_a_header_only_counts_as_none(tmp_path, table):
    assert made(table.iloc[:0], tmp_path) is None
