"""The ARRIVE table says what the study states and names what it does not."""

from types import SimpleNamespace

import pandas as pd

from periomics import __version__
from periomics.report.arrive import arrive
from periomics.report.page import ROOT, stamp


def found(**changes):
    animals = pd.DataFrame(
        {
            "animal_id": ["a", "b", "c"],
            "unit": "animal",
            "group": ["CTRL", "DRUG", "DRUG"],
            "block": ["d1", "d2", "d2"],
            "sex": ["F", "M", "unknown"],
            "species": "rat",
            "weight_g": [250.0, 300.0, None],
        }
    )
    exclusions = pd.DataFrame({"reason": ["torn", "torn"], "blind": ["yes", "no"]})
    study = {
        "sheets": {"animals": animals, "exclusions": exclusions},
        "config": {"roles": {"healthy": "CTRL", "disease": "DRUG"}, "study": {}},
        "mapping": lambda name: {"domains": {"bone": "bvtv"}},
        "table": lambda name, columns=(): pd.DataFrame(columns=list(columns)),
        "path": lambda name: None,
    }
    return SimpleNamespace(**(study | changes))


def rows(sources):
    return {r[0].split(". ")[1]: (r[1], r[2]) for r in arrive(sources).rows}


def test_ten_items_with_what_is_stated():
    table = rows(found())
    assert len(table) == 10
    assert table["Study design"][0] == (
        "arms: CTRL, DRUG; healthy: CTRL; disease: DRUG; experimental units: 3 animals"
    )
    assert table["Sample size"][0] == "CTRL 1, DRUG 2" and "make power" in table["Sample size"][1]
    said = table["Inclusion and exclusion"][0]
    assert "2 × torn" in said and "1 of them not decided blind" in said
    assert "blocks: 2" in table["Randomisation"][0]
    assert "primary: bvtv (bone)" in table["Outcome measures"][0]
    told, gap = table["Experimental animals"]
    assert "species: rat 3; sex: F 1, M 1; weight at the start: 250 to 300 g" in told
    assert gap.startswith("sex of 1 animals; strain")


def test_gaps_close_when_the_study_says_more():
    more = {"randomised": "by lot within days", "operators_blinded": True, "description": "rats"}
    table = rows(found(config={"study": more}))
    assert table["Randomisation"][0].startswith("by lot within days")
    assert "how animals" not in table["Randomisation"][1]
    assert table["Blinding"][1] == "–" or not table["Blinding"][1].strip("–—")
    assert table["Experimental procedures"][0] == "rats"
    assert "which arm is the control" in table["Study design"][1]


def test_the_page_says_by_which_code_and_configuration_it_was_written():
    then = {"commit": "abcdef0123456", "changed": ["x"]}
    now = {"commit": "0123456789abc", "changed": []}
    sources = found(record={"periomics": "0.3", "git": then})
    line = stamp(sources, now)
    assert f"by periomics {__version__}, commit 012345678; inputs and software were" in line
    assert "were recorded at commit abcdef012 with 1 changed files; configuration " in line
    assert line != stamp(found(record={"git": then}, config={"seed": 2}), now)
    same = stamp(sources, then)
    assert "recorded" not in same and "commit abcdef012 with 1 changed files; conf" in same
    none = {"commit": "not a git checkout", "changed": []}
    assert f"periomics {__version__}, not a git checkout; configuration" in stamp(
        found(record={}), none
    )


def test_the_first_screen_names_the_commit_of_the_code_that_writes_it(root):
    assert root == ROOT
