"""The short answers and the words beside verdicts, against tables written by hand and the toy study's own."""

import pandas as pd
import pytest
from report_study import DICTIONARY

from periomics.report import words
from periomics.report.answers import answers
from periomics.report.claims import QUESTIONS, VERDICT_COLUMNS, claim_groups
from periomics.report.estimates import CONTRAST_COLUMNS, RESCUE_COLUMNS
from periomics.report.linked import ASSOCIATION_COLUMNS
from periomics.report.own import own_units
from periomics.study.claims import CLAIM_KINDS
from periomics.study.dictionary import load_dictionary
from periomics.study.interface.arms import COLUMNS as ARM_COLUMNS

PRIMARY = {
    "bvtv": "bone",
    "elac": "necrosis",
    "ln332": "barrier",
    "mvd": "vessels",
    "neu": "inflammation",
}


def rows(**columns):
    base = dict.fromkeys(VERDICT_COLUMNS, "") | dict.fromkeys(
        ("estimate", "lower", "upper", "p_adj", "level", "tost_p", "bf01", "bf01_ceiling"),
        float("nan"),
    )
    base |= {
        "claim_id": "C2",
        "text": "cells after surgery improve healing",
        "kind": "superiority",
        "contrast": "C2",
        "n_animals": 12,
        "outcome": list(PRIMARY),
        "domain": list(PRIMARY.values()),
        "verdict": "supported",
    }
    return pd.DataFrame(base | columns)


def line(table, declared=None, units=("animal",)):
    found = answers(table, declared or {}, load_dictionary(DICTIONARY), units)
    assert len(found) == 1
    a = found[0]
    return (
        a,
        f"{a.claim_id} {a.text}: {'; '.join(p.words for p in a.phrases)} ({a.units}; {a.sure})".replace(
            "\u00a0", " "
        ),
    )


def test_an_answer_says_for_how_many_outcomes_how_sure_and_on_how_many():
    found, text = line(
        rows(
            verdict=["inconclusive"] + ["supported"] * 4,
            p_adj=[0.3, 0.02, 0.001, 0.04, 0.01],
            n_animals=[11, 12, 12, 12, 12],
        )
    )
    assert text == (
        "C2 cells after surgery improve healing: supported for 4 of 5 outcomes; inconclusive for bone (11 to 12 animals; "
        "adjusted p ≤ .04)"
    )
    assert (found.mark, found.tone) == (
        "◐",
        "part",
    ) and found.unvalidated == "not validated on real stain"
    whole, text = line(rows(p_adj=0.02))
    assert (
        "supported for all 5 outcomes (12 animals; adjusted p = .02)" in text
        and (whole.mark, whole.tone) == words.TONES["supported"][::-1]
    )


def test_an_answer_where_nothing_holds_gives_the_smallest_p_and_bayes_factors():
    table = rows(
        verdict="inconclusive",
        p_adj=[1, 1, 0.37, 1, 1],
        bf01=[0.4, 1, 1.8, 2.1, 2],
        bf01_ceiling=[5, 5, 6.9, 5, 5],
    )
    text = line(table)[1]
    assert (
        "inconclusive for all 5 outcomes" in text
        and "adjusted p ≥ .37; BF₀₁ 0.40 to 2.1 of at most 6.9" in text
    )


def test_one_outcome_one_verdict_and_units_of_their_own():
    one = rows().head(1)
    assert line(one)[1].endswith("supported (12 animals; )")
    declared = {"contrasts": {"C2": {"unit": "isolation"}}}
    assert "(12 isolations; )" in line(one, declared)[1]
    assert "(1 donor; )" in line(one.assign(n_animals=1), units=["donor"])[1]
    unmeasured = line(one.assign(verdict="not judged", n_animals=0))[1]
    assert "not judged (none; )" in unmeasured
    told = line(one.assign(verdict="not judged", n_animals=0, reason="not measured in this study"))[
        1
    ]
    assert "(none; not measured in this study)" in told


def test_a_claim_over_all_outcomes_says_so():
    whole = (
        rows()
        .head(1)
        .assign(outcome="all of bvtv, elac", domain="", verdict="refuted", confounded_with="time")
    )
    found, text = line(whole)
    assert "refuted over all outcomes" in text and found.confounded and found.unvalidated == ""


def test_outcomes_that_share_a_domain_are_called_by_their_names():
    table = rows(verdict=["supported", "refuted"], outcome=["prol", "surv"], domain="culture").head(
        2
    )
    assert "supported for 1 of 2 outcomes (proliferation); refuted for survival" in line(table)[1]


def rows_of_length(n, **columns):
    return rows().head(n).assign(**columns)


def test_every_claim_of_the_toy_study_has_one_line(toy):
    verdicts = toy.sources.table("verdicts", VERDICT_COLUMNS)
    found = answers(verdicts, toy.sources.mapping("claims"), toy.sources.dictionary)
    assert [a.claim_id for a in found] == list(dict.fromkeys(verdicts["claim_id"]))
    first = toy.page.split('<table class="answers">')[1].split("</table>")[0]
    assert first.count("<tr><th") == len(found) + 1 and toy.page.index(
        'class="answers"'
    ) < toy.page.index('class="matrix"')
    assert "C1-any" in {a.claim_id for a in found} and any(a.units == "6 isolations" for a in found)


def test_every_kind_of_claim_has_its_question():
    assert set(QUESTIONS) == set(CLAIM_KINDS)


@pytest.mark.parametrize(
    ("scale", "unit", "kind", "text"),
    [
        ("logit", "%", "superiority", "log odds"),
        ("count", "1/mm2", "timing", "log ratio"),
        ("logit", "%", "rescue", "log odds beyond R = 0.5"),
        ("identity", "SD", "rescue", "SD beyond R = 0.5"),
        ("log", "%", "dose_trend", "log ratio per doubling of dose + 1"),
        ("correlation", "r", "association", "correlation"),
        ("identity", "mm3", "gate", "mm³"),
    ],
)
def test_estimates_never_claim_natural_units_where_they_are_log_ratios_or_log_odds(
    scale, unit, kind, text
):
    assert words.estimate_words(scale, unit, kind, 0.5) == text


def test_contrasts_of_grades_and_of_yes_or_no_have_units_of_their_own():
    assert (
        words.contrast_words("identity", "grade", "ranks: Brunner and Munzel")
        == "P(first higher) − ½"
    )
    assert words.contrast_words("identity", "0/1", "risk difference, exact") == "risk difference"
    assert words.contrast_words("logit", "%", "group-wise") == "log odds"


def test_bayes_factors_carry_their_ceiling():
    assert words.bayes_words(1.84, 2.11) == "BF₀₁ 1.8 of at most 2.1"
    assert words.bayes_words("", 2.1) == "" and words.bayes_words(float("nan"), 2.1) == ""


def groups(toy, verdicts):
    s = toy.sources
    tables = (s.table("contrasts", CONTRAST_COLUMNS), s.table("rescue", RESCUE_COLUMNS))
    return claim_groups(
        verdicts,
        *tables,
        s.mapping("claims"),
        s.dictionary,
        s.table("associations", ASSOCIATION_COLUMNS),
        own_units(verdicts, s.table("arms", ARM_COLUMNS), s.mapping("claims"), s.dictionary),
    )


def test_claims_on_some_outcomes_join_the_matrix_of_the_others(toy):
    found = groups(toy, toy.sources.table("verdicts", VERDICT_COLUMNS))
    members = [[c.claim_id for c in g.claims] for g in found]
    assert ["C5", "C6-cue"] in members and any("C1-any" in m and "C1" in m for m in members)
    index = next(g for g in found if g.columns[0][0] == "hi")
    assert (
        index.across
        and len(index.claims) == 5
        and not any(g.across for g in found if g is not index)
    )


def test_evidence_of_absence_stands_beside_its_verdicts(toy):
    found = groups(toy, toy.sources.table("verdicts", VERDICT_COLUMNS))
    verdict = next(c for g in found for c in g.claims if c.claim_id == "C1").verdicts["neu"]
    assert (
        verdict.bayes.startswith("BF₀₁")
        and "of at most" in verdict.bayes
        and verdict.tost.startswith("p")
    )
    assert toy.page.count(verdict.bayes) == 2 and "two one-sided tests" in toy.page
    assert verdict.counted_in == "log ratio" and verdict.own.kind == "ratio"


def test_a_verdict_over_all_outcomes_calls_them_by_their_symbols(toy):
    whole = next(
        c.whole
        for g in groups(toy, toy.sources.table("verdicts", VERDICT_COLUMNS))
        for c in g.claims
        if c.whole
    )
    assert "BV/TV: " in whole.reason and "bvtv" not in whole.reason


def test_an_association_claim_leads_to_its_pair(toy):
    table = rows_of_length(
        1,
        kind="association",
        contrast="score:signature:EPI_hemidesmosome",
        outcome="ln332",
        scale="correlation",
        unit="r",
        lower=0.1,
        upper=0.8,
        estimate=0.6,
    )
    verdict = groups(toy, table)[0].claims[0].verdicts["ln332"]
    assert (
        verdict.evidence == "linkage/associations.tsv, line 2"
        and verdict.counted_in == "correlation"
    )
    assert f'id="{verdict.evidence_anchor}"' in toy.page


def test_verdicts_on_grades_and_on_yes_or_no_are_not_counted_in_grades():
    table = (
        rows()
        .iloc[:2]
        .assign(outcome=["stage", "bone_exp"], unit=["grade", "0/1"], scale="identity")
    )
    facts = {"outcome": table["outcome"], "contrast": "C2", "variant": "", "kind": "confirmatory"}
    numbers = {"scale": "identity", "estimate": 0.5, "lower": 0.1, "upper": 0.5}
    contrasts = pd.DataFrame(dict.fromkeys(CONTRAST_COLUMNS, "") | facts | numbers).assign(
        unit=["grade", "0/1"], method=["ranks: Brunner and Munzel", "risk difference, exact"]
    )
    found = claim_groups(table, contrasts, pd.DataFrame(), {}, load_dictionary(DICTIONARY))
    stage, exposed = (found[0].claims[0].verdicts[o] for o in ("stage", "bone_exp"))
    assert stage.counted_in == "P(better) − ½" and exposed.counted_in == "risk difference"
    assert stage.natural == exposed.natural == ""  # no difference of means beside shares and ranks
