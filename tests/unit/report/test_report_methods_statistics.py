"""The methods text of the statistics: a sentence stands only where this study's claims and tables make it true."""

import pandas as pd
import pytest
from report_study import DICTIONARY, claims

from periomics.report.estimates import CONTRAST_COLUMNS
from periomics.report.methods_statistics import statistics_sentences
from periomics.report.sources import sources

ALWAYS = (
    "α = ",
    "Smallest effect of interest",
    "Declared directions",
    "Claims were judged",
    "Correction of secondary outcomes",
    "Error rates of this design were not simulated",
)


def text(folder, declared, tables=None):
    files = {"dictionary": str(DICTIONARY)}
    for name, rows in (tables or {}).items():
        pd.DataFrame(rows).to_csv(folder / f"{name}.tsv", sep="\t", index=False)
        files[name] = str(folder / f"{name}.tsv")
    return " ".join(statistics_sentences(sources(files, folder), declared))


def contrast(**columns):
    return [
        dict.fromkeys(CONTRAST_COLUMNS, "")
        | {"outcome": "bvtv", "scale": "logit", "kind": "confirmatory"}
        | columns
    ]


def test_a_study_without_claims_gets_no_sentence_on_what_it_does_not_have(tmp_path):
    found = text(tmp_path, {})
    assert all(a in found for a in ALWAYS) and found.count("not reported") >= 4
    for words in (
        "Holm",
        "Benjamini",
        "Fieller",
        "healing index",
        "BF₀₁",
        "Dunnett",
        "Grubbs",
        "lost their implant",
        "One-sided",
        "intersection",
        "HC2",
        "Satterthwaite",
        "natural positions",
        "Associations",
        "within units",
    ):
        assert words not in found, words


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ("group-wise variances, Satterthwaite", "group-wise variances with Satterthwaite"),
        (
            "adjusted for block and weight, HC2 with Bell-McCaffrey degrees of freedom",
            "adjusted for block and weight by least squares with the HC2 variance, corrected for arms of unlike variance",
        ),
        (
            "weighted sum of shares, Clopper and Pearson limits put together by squares",
            "limits of the arms were put together by squares",
        ),
        (
            "weighted sum of shares, exact unconditional limits",
            "exact unconditional limits of the sum of shares",
        ),
        ("t on differences within units", "differences within units"),
        ("t on slopes over log2(dose + 1) within units", "slopes on log2(dose + 1)"),
        (
            "risk difference, exact unconditional score interval and p-value",
            "exact tests of the risk difference",
        ),
        ("ranks: Brunner and Munzel, studentised permutation", "Grades were compared by ranks"),
    ],
)
def test_the_estimation_that_was_used_is_named(tmp_path, method, words):
    found = text(tmp_path, {}, {"contrasts": contrast(method=method)})
    assert words in found and "(logit)" in found
    others = [
        w
        for w in ("Satterthwaite", "least squares", "Grades were", "Trends with dose")
        if w not in words
    ]
    assert sum(o in found for o in others) <= ("slopes" in method)


def test_every_correction_and_kind_of_claim_is_named_with_its_claims(tmp_path):
    found = text(tmp_path, claims())
    for words in (
        "Holm's correction over the outcomes that were tested: C1, C2, C4, C3, C3-restored, C5.",
        "outcomes that were tested: C6; intervals at the level that it gave.",
        "intersection–union: C1-any.",
        "One-sided at α: C1, C1-any, C7-1.",
        "C2 after C0",
        "(C0, C7-0) take no part",
        "of C5, C6, C6-cue: 0.8 SD",
    ):
        assert words in found, words
    for correction, words in (
        ("none", "No correction over outcomes: X."),
        ("holm", "Holm's correction over the outcomes that were tested: X."),
        (
            "bh",
            "Benjamini and Hochberg's correction over the outcomes that were tested: X; intervals",
        ),
        (
            "dunnett",
            "Dunnett's test with a variance for each arm over the outcomes that were tested: X",
        ),
        ("graph", "a graphical procedure over the outcomes that were tested: X."),
    ):
        one = text(
            tmp_path, {"claims": [{"id": "X", "kind": "superiority", "correction": correction}]}
        )
        assert words in one
    assert (
        "C8"
        in text(tmp_path, {"claims": [{"id": "C8", "kind": "association"}]}).split(
            "nothing of causes: "
        )[1]
    )


def test_checks_losses_and_evidence_of_absence_follow_the_tables(tmp_path):
    method = "x; permutation estimates the direction of benefit each time"
    tables = {
        "contrasts": contrast(perm_p=0.1, p_dunnett=0.02, outlier_p=0.4, method=method),
        "losses": [{"outcome": "bvtv"}],
        "verdicts": [{"outcome": "bvtv", "bf01": 1.2, "kind": "non_superiority"}],
    }
    found = text(tmp_path, {}, tables)
    assert (
        "Dunnett's comparison" in found
        and "Grubbs' test flags" in found
        and "ranked worst" in found
        and "BF₀₁" in found
    )
    assert "ranks (Brunner" not in found and "estimates it anew each time" in found


def test_rescue_and_index_name_thresholds_and_members(toy):
    found = toy.methods
    assert (
        "C3 R > 0.5 in POST, C3-restored R > 0.8 in POST" in found and "without division" in found
    )
    assert (
        "The healing index is the mean over domains" in found
        and "an animal needs 60 % of the domains" in found
    )
    assert "It was repeated without each domain" in found
