"""Codes explain themselves: from the dictionary and one table of terms, on hover and in the glossary."""

import re
from types import SimpleNamespace

from report_study import DICTIONARY, HOSTILE

from periomics.core.results import read_result
from periomics.report.explained import TERMS, Coded, explained, meanings
from periomics.report.page import environment
from periomics.statistics.claims.verdicts import VERDICTS
from periomics.study.dictionary import load_dictionary
from periomics.study.measurements import QC

ROWS = explained(load_dictionary(DICTIONARY), ["bvtv", "va", "clos", "mucosal_closure"], {})


def test_every_verdict_and_every_word_of_quality_is_a_term():
    assert set(VERDICTS) | set(QC) <= set(TERMS)


def test_hover_texts_come_from_the_dictionary():
    known = meanings(ROWS)
    dictionary = load_dictionary(DICTIONARY)
    assert dictionary.at["bvtv", "definition"] in known["BV/TV"] and known["bvtv"] == known["BV/TV"]


def test_a_symbol_of_two_outcomes_gives_both():
    dictionary = load_dictionary(DICTIONARY)
    shared = dictionary.index[dictionary["symbol"] == "Clos"]
    text = meanings(explained(dictionary, list(shared), {}))["Clos"]
    assert len(shared) == 2 and all(dictionary.at[o, "definition"] in text for o in shared)


def test_an_arm_that_is_called_like_a_code_is_not_explained():
    assert "R" in meanings(ROWS) and "R" not in meanings(ROWS, ["R"])


def test_cells_are_escaped_and_lists_are_explained_by_part():
    coded = Coded({"a": 'x "quoted" <b>', "b": "y"})
    assert coded.words("a, <i>, b") == (
        '<abbr title="x &#34;quoted&#34; &lt;b&gt;">a</abbr>, &lt;i&gt;, <abbr title="y">b</abbr>'
    )
    assert coded.words("<script>") == "&lt;script&gt;" and coded.title("c") == ""
    assert coded.drawing("<text x>a †</text>").count("<title>") == 1
    assert coded.drawing("<text x>c</text>") == "<text x>c</text>"


def test_page_explains_its_symbols_and_lists_them(toy):
    glossary = toy.page.split('<section id="glossary">')[1].split("</section>")[0]
    for outcome in read_result(toy.inputs["verdicts"])["outcome"].unique():
        if outcome in toy.sources.dictionary.index:
            assert toy.sources.dictionary.at[outcome, "symbol"] in glossary
    assert '<abbr title="bone volume fraction, %' in toy.page
    chips = re.findall(r'<span class="chip [a-z]+" title="([^"]*)"', toy.page)
    assert chips and all(chips) and HOSTILE not in toy.page


def test_codes_within_a_line_explain_themselves():
    coded = Coded({"BV/TV": "bone", "R": 'of "healing"'})
    assert coded.sentence("BV/TV 4 <b>, R 0.5; RR") == (
        '<abbr title="bone">BV/TV</abbr> 4 &lt;b&gt;, '
        '<abbr title="of &#34;healing&#34;">R</abbr> 0.5; RR'
    )


def test_the_first_screen_explains_its_symbols(toy):
    answers = toy.page.split('class="answers"')[1].split("</table>")[0]
    notes = re.findall(r'<span class="note">([^<]*)', answers)
    symbols = set(toy.sources.dictionary["symbol"])
    assert not [n for n in notes if n.split(" ")[0] in symbols] and "<abbr title=" in answers


def test_a_long_first_cell_is_a_link_up_to_its_colon():
    grid = SimpleNamespace(
        title="", header=["What"], numeric=[False], links=["a"], anchors=[], file="", more=0
    )
    shown = environment().from_string(
        '{% from "macros.html.j2" import table with context %}{{ table(g) }}'
    )
    grid.rows = [["ligand and barrier: " + "the ligand is there " * 4]]
    assert '<a href="#a">ligand and barrier</a>: the ligand' in shown.render(g=grid)
    grid.rows = [["C1: short"]]
    assert '<a href="#a">C1: short</a></td>' in shown.render(g=grid)
