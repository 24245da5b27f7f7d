"""Checks beside contrasts, lost animals, and the healing index in its forms, against the tables and by hand."""

import numpy as np
import pandas as pd
import pytest
from report_study import DICTIONARY
from scipy import stats

from periomics.core.results import read_result
from periomics.report import robustness
from periomics.report.estimates import CONTRAST_COLUMNS, method_left, statistics_grids, usual_method
from periomics.report.forest import BETWEEN, with_margins
from periomics.report.sources import sources


def test_checks_are_the_table_s_own_and_name_their_line(toy):
    contrasts = toy.sources.table("contrasts", CONTRAST_COLUMNS)
    grid = robustness.checks_grid(contrasts, toy.sources)
    rows = [dict(zip(grid.header, r, strict=True)) for r in grid.rows]
    lines = (
        (toy.folder / "results" / "statistics" / "contrasts.tsv")
        .read_text(encoding="utf-8")
        .splitlines()
    )
    for row in rows:
        raw = dict(zip(lines[0].split("\t"), lines[int(row["Line"]) - 1].split("\t"), strict=True))
        assert raw["contrast"] == row["Contrast"] and raw["kind"] == "confirmatory"
    treated = next(r for r in rows if r["Outcome"] == "N.Neu/T.Ar" and r["Contrast"] == "C2")
    assert (
        "of at most" in treated["BF₀₁, two-sided"]
        and "not below" in treated["permutation p"]
        and treated["Dunnett p"] != "–"
    )
    assert "never a reason to leave an animal out" in toy.page


def test_no_checks_no_table(toy):
    contrasts = toy.sources.table("contrasts", CONTRAST_COLUMNS)
    assert (
        robustness.checks_grid(
            contrasts.assign(**dict.fromkeys(robustness.CHECKS, "")), toy.sources
        )
        is None
    )
    assert robustness.checks_grid(contrasts.iloc[:0], toy.sources) is None


def test_what_a_method_adds_begins_with_a_word():
    usual = "group-wise variances, Satterthwaite"
    assert method_left(f"{usual}, ends stretched", usual) == "ends stretched"
    assert method_left(usual, usual) == "" and method_left("ranks", usual) == "ranks"


def test_the_usual_method_is_said_once(toy):
    contrasts = toy.sources.table("contrasts", CONTRAST_COLUMNS)
    usual = usual_method(contrasts)
    assert (
        usual.startswith("adjusted for block, HC2")
        and f"Where nothing else is said: {usual}." in toy.page
    )
    confirmatory = statistics_grids(toy.sources)[0]
    remarks = [r[confirmatory.header.index("Remarks")] for r in confirmatory.rows]
    assert not any(usual in r for r in remarks) and "t on differences within units" in remarks
    assert usual_method(contrasts.iloc[:0]) == ""


def test_estimates_of_log_outcomes_are_called_log_ratios_and_carry_the_ratio(toy):
    grid = statistics_grids(toy.sources)[0]
    best = {
        (r[0], r[1]): r[grid.header.index("Estimate and interval")].replace("\u00a0", " ")
        for r in grid.rows
    }
    assert (
        best["BV/TV", "C0"].endswith("log odds")
        and "log ratio; ratio " in best["MVD", "C2"]
        and best["HI", "C0"].endswith("SD")
    )


def losses(tmp_path, **columns):
    base = {
        "outcome": ["bvtv", "elac"],
        "contrast": "C2",
        "first": "POST",
        "second": "DRUG",
        "n_first": 5,
        "n_second": 5,
        "lost_first": 0,
        "lost_second": 1,
        "effect_available": 0.85,
        "p_available": 0.04,
        "effect_worst_rank": 0.8712,
        "lower": 0.6,
        "upper": 0.99,
        "p_worst_rank": 0.03,
        "reason": "",
        "bias": "lost 0 of 5 in the first arm, 1 of 6 in the second arm: measured animals alone may flatter the second arm",
    }
    pd.DataFrame(base | columns).to_csv(tmp_path / "losses.tsv", sep="\t", index=False)
    return robustness.losses(
        sources({"losses": str(tmp_path / "losses.tsv"), "dictionary": str(DICTIONARY)}, tmp_path)
    )


def test_losses_name_the_arms_and_the_direction_of_bias(tmp_path):
    found = losses(tmp_path)
    assert found.line == "Animals that lost their implant, by arm: DRUG 1."
    row = found.table.rows[0]
    assert row[:3] == ["BV/TV", "C2", "0.85"] and row[4] == "0.87 [0.60, 0.99]"
    assert row[-1] == "lost 0 of 5 in POST, 1 of 6 in DRUG: measured animals alone may flatter DRUG"


def test_a_loss_without_direction_of_benefit_says_why(tmp_path):
    row = losses(
        tmp_path,
        bias="",
        effect_worst_rank=np.nan,
        lower=np.nan,
        upper=np.nan,
        reason="no declared direction",
    ).table.rows[0]
    assert row[4] == "–" and row[-1] == "no declared direction"


def test_without_losses_there_is_no_section(toy, tmp_path):
    assert robustness.losses(sources({}, tmp_path)) is None
    lost = len(toy.sources.table("losses")) > 0
    assert ("Animals that were lost" in toy.page) == lost


def test_the_index_is_shown_in_every_form_at_one_level(toy):
    contrasts = toy.sources.table("contrasts", CONTRAST_COLUMNS)
    rows = robustness.index_rows(contrasts, 0.05)
    assert list(rows["contrast"].unique()) == ["C0", "C1", "C2", "C4"]
    forms = list(rows.loc[rows["contrast"] == "C2", "form"])
    assert (
        forms[0] == "as declared"
        and forms[-1] == "weights by first component"
        and "without bone" in forms
        and len(forms) == 7
    )
    raw = contrasts[
        (contrasts["outcome"] == "hi")
        & (contrasts["contrast"] == "C1")
        & (contrasts["variant"] == "")
    ].iloc[0]
    own = rows[(rows["contrast"] == "C1") & (rows["variant"] == "")].iloc[0]
    expected = stats.t.interval(0.95, raw["df"], raw["estimate"], raw["se"])
    assert np.allclose([own["lower"], own["upper"]], expected, rtol=1e-6)
    table = read_result(toy.figures / "index-forms.tsv")
    assert len(table) == len(rows) and "Does what the healing index says hold" in toy.page


def test_index_lines_name_the_forms_that_say_something_else():
    rows = pd.DataFrame(
        {
            "contrast": "C2",
            "form": ["as declared", "without bone", "without vessels"],
            "variant": ["", "without=bone", "without=vessels"],
            "estimate": [1.0, 0.5, 1.25],
            "side": ["above 0", "spanning 0", "above 0"],
        }
    )
    assert robustness.index_lines(rows) == [
        "C2: above 0 as declared and in 1 of 2 other forms; estimate 0.50 to 1.25 SD; spanning 0 without bone"
    ]


def test_no_index_no_picture(toy, tmp_path):
    contrasts = toy.sources.table("contrasts", CONTRAST_COLUMNS)
    assert robustness.index_forms(contrasts[contrasts["outcome"] != "hi"], {}, tmp_path) is None
    assert robustness.index_forms(contrasts[contrasts["variant"] == ""], {}, tmp_path) is None


@pytest.mark.parametrize(
    ("outcome", "half"), [("bvtv", 0.3 * 2.0), ("score:x", 0.8), ("other", 0.3 * 2.0)]
)
def test_the_band_is_that_of_the_claim_which_judges_the_outcome(outcome, half):
    claims = {
        "margin": {"kind": "deficit", "value": 0.3},
        "claims": [
            {"id": "C4", "contrast": "C4"},
            {"id": "C6", "contrast": "C4", "margin": {"kind": "sd", "value": 0.8}},
        ],
    }
    df = pd.DataFrame(
        {
            "contrast": ["C0", "C4"],
            "outcome": outcome,
            "effect": [2.0, 1.0],
            "standardised_by": BETWEEN,
        }
    )
    judged = {("C4", "bvtv"): "C4", ("C4", "score:x"): "C6"}
    band = with_margins(df, claims, "C0", judged)
    assert band["margin_to"].iloc[1] == pytest.approx(half) and np.isnan(band["margin_to"].iloc[0])
