"""The page as a whole: escaping, links, self-containment, figures with tables, determinism, degenerate studies."""

import hashlib
import shutil
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from report_study import HOSTILE, ROOT, make_study

from periomics.core.results import read_result
from periomics.report.claims import anchor

# Elements that HTML leaves open.
VOID = {"meta", "link", "img", "input", "br", "hr", "col"}


class Page(HTMLParser):
    """Ids, links, loaded addresses, text outside of scripts, and elements that are not closed in order."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.hrefs, self.loads, self.texts, self.stack, self.wrong, self.events = (
            [],
            [],
            [],
            [],
            [],
            [],
            [],
        )
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if "id" in found:
            self.ids.append(found["id"])
        if tag == "a":
            self.hrefs.append(found["href"])
        self.loads += [found[k] for k in ("src", "srcset", "data", "poster") if k in found]
        self.loads += [
            v for k, v in attrs if k in ("href", "xlink:href") and tag in ("link", "image")
        ]
        self.events += [k for k in found if k.startswith("on")]
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.stack.pop()

    def handle_endtag(self, tag):
        if tag not in VOID and (not self.stack or self.stack.pop() != tag):
            self.wrong.append(tag)

    def handle_data(self, data):
        if self.stack and self.stack[-1] not in ("script", "style"):
            self.texts.append(data)


def text_of(page):
    return " ".join(" ".join(Page(page).texts).split())


def test_texts_of_users_are_escaped_everywhere(toy):
    assert "<script>document.title" not in toy.page
    assert toy.page.count("&lt;script&gt;document.title") > 5
    assert "{{ 7 * 7 }}" in text_of(toy.page)
    for svg in toy.figures.glob("*.svg"):
        assert "<script" not in svg.read_text(encoding="utf-8"), svg.name


def test_page_is_well_formed_and_has_no_event_handler(toy):
    page = Page(toy.page)
    assert page.wrong == [] and page.stack == []
    assert page.events == []


def test_every_id_stands_once_and_every_link_leads_somewhere(toy):
    page = Page(toy.page)
    assert len(page.ids) == len(set(page.ids))
    inside = [h[1:] for h in page.hrefs if h.startswith("#")]
    assert len(inside) > 30 and set(inside) <= set(page.ids)
    outside = {h for h in page.hrefs if not h.startswith("#")}
    folder = toy.path.parent
    lost = [h for h in outside if not (folder / h).exists()]
    assert lost == [], "links to files that the study does not have"


def test_page_loads_nothing_from_elsewhere(toy):
    page = Page(toy.page)
    assert page.loads and all(x.startswith("data:") for x in page.loads)
    assert "Content-Security-Policy" in toy.page and "@import" not in toy.page.split("</style>")[0]
    assert toy.size < 25e6


def test_every_figure_has_its_table_and_is_valid_svg(toy):
    figures = sorted(toy.figures.glob("*.svg"))
    assert len(figures) > 12
    for svg in figures:
        ET.parse(svg)
        assert len(read_result(svg.with_suffix(".tsv"))) > 0, svg.name
        assert "dc:date" not in svg.read_text(encoding="utf-8")
    assert len(list(toy.figures.iterdir())) == 2 * len(figures)


def test_first_screen_gives_verdict_estimate_units_and_confounding(toy):
    verdicts = read_result(toy.inputs["verdicts"])
    first = toy.page.split('<section id="claims">')[1].split("</section>")[0]
    assert first.count('class="chip') == len(verdicts)
    for word in verdicts["verdict"].unique():
        assert f"</span> {word}</span>" in first
    assert (
        "not validated on real stain" in first
        and "confounded with" in first
        and "n&nbsp;=&nbsp;12" in first
    )


def test_each_verdict_names_the_line_of_the_row_it_rests_on(toy):
    from periomics.report.claims import claim_groups
    from periomics.report.estimates import CONTRAST_COLUMNS, RESCUE_COLUMNS

    s = toy.sources
    groups = claim_groups(
        s.table("verdicts"),
        s.table("contrasts", CONTRAST_COLUMNS),
        s.table("rescue", RESCUE_COLUMNS),
        s.mapping("claims"),
        s.dictionary,
    )
    checked = 0
    for claim in (c for g in groups for c in g.claims):
        for v in claim.verdicts.values():
            file, _, line = v.evidence.partition(", line ")
            if not line:
                assert v.verdict == "not judged", v
                continue
            lines = (toy.folder / "results" / file).read_text(encoding="utf-8").splitlines()
            row = dict(zip(lines[0].split("\t"), lines[int(line) - 1].split("\t"), strict=True))
            assert row["outcome"] == v.outcome
            assert claim.contrast in (row.get("contrast"), f"rescue {row.get('arm')}")
            checked += 1
    assert checked == 40


def test_same_study_gives_the_same_bytes(toy, write, tmp_path):
    def digests(folder):
        return {
            p.name: hashlib.sha256(p.read_bytes()).hexdigest()
            for p in sorted(folder.rglob("*"))
            if p.is_file()
        }

    before = digests(toy.path.parent)
    write(toy.inputs, toy.folder / "results")
    assert digests(toy.path.parent) == before


def test_broken_picture_is_named_and_the_others_are_shown(toy):
    assert "overlays.png cannot be read as a picture" in toy.page
    assert toy.page.count('<label class="picture">') == 5 and toy.page.count('loading="lazy"') >= 5


def test_reasons_of_refusal_are_shown(toy):
    text = text_of(toy.page)
    for words in (
        "technical replicates: no inference",
        "fewer than half of the set",
        "no unit has both",
        "too few reads",
        "descriptive ranking, no inference",
        "two batches hold one arm only",
        "known from memory",
        "simulated data",
    ):
        assert words in text, words


def test_libraries_stand_folded_with_their_quality_in_words(toy):
    bulk = toy.page.split('<section id="page--bulk">')[1].split("</section>")[0]
    assert "1 of 2 libraries passed." in text_of(bulk)
    folded = bulk.split("Pictures of libraries")[1].split("</details>")[0]
    assert folded.count("<figure") >= 3 and "Distances between libraries" in folded
    assert "<details open><summary>Pictures" not in bulk


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plain")
    return folder, make_study(folder)


def header_only(path):
    path = Path(path)
    if path.suffix == ".tsv":
        path.write_text(path.read_text(encoding="utf-8").splitlines()[0] + "\n", encoding="utf-8")


def test_tables_with_headers_only(plain, write, tmp_path):
    folder, inputs = plain
    shutil.copytree(folder, tmp_path / "s")
    moved = {
        k: [
            str(v).replace(str(folder), str(tmp_path / "s"))
            for v in ([f] if isinstance(f, str) else f)
        ]
        for k, f in inputs.items()
    }
    for path in (p for paths in moved.values() for p in paths):
        if str(tmp_path) in path:
            header_only(path)
    report = write(moved, tmp_path / "s" / "results")
    text = text_of(report.page)
    for words in (
        "No claim could be judged",
        "No pair was declared",
        "Nothing was compared with truth",
        "no units",
        "No library could be read",
    ):
        assert words in text, words
    assert not list(report.figures.glob("*.svg"))
    assert Page(report.page).wrong == []


def test_tables_without_even_a_header(plain, write, tmp_path):
    folder, inputs = plain
    empty = tmp_path / "empty.tsv"
    empty.write_text("\n", encoding="utf-8")
    names = (
        "overlap",
        "sc_composition",
        "bulk_qc",
        "rescue",
        "verdicts",
        "associations",
        "recovery",
    )
    report = write(inputs | {n: str(empty) for n in names}, folder / "results")
    assert Page(report.page).wrong == [] and "No claim could be judged" in report.page


def test_study_without_any_measurement(plain, write, tmp_path):
    inputs = plain[1]
    kept = {k: inputs[k] for k in ("animals", "dictionary", "record", "software", "inputs", "plan")}
    report = write(kept, tmp_path)
    page = Page(report.page)
    assert "This study declared no claim" in report.page
    assert {"claims", "study", "methods", "provenance"} <= set(page.ids)
    assert not {
        "statistics",
        "linkage",
        "recovery",
        "explorer",
        "page--microct",
        "page--bulk",
    } & set(page.ids)
    assert {h[1:] for h in page.hrefs if h.startswith("#")} <= set(page.ids)


def test_study_with_nothing_at_all(plain, write, tmp_path):
    report = write({"dictionary": plain[1]["dictionary"], "claims": []}, tmp_path)
    assert "Study without a title" in report.page and "no units" in report.page
    assert Page(report.page).wrong == []


def test_study_without_claims_shows_its_values(plain, write):
    folder, inputs = plain
    names = ("animals_values", "measurements", "animals", "dictionary", "record")
    report = write({k: inputs[k] for k in names}, folder / "results")
    assert "This study declared no claim" in report.page
    assert "microct--bvtv.svg" in {p.name for p in report.figures.iterdir()}


def test_absent_modality_has_no_page(plain, write, tmp_path):
    folder, inputs = plain
    values = read_result(inputs["animals_values"])
    path = tmp_path / "values.tsv"
    values[values["modality"] == "culture"].to_csv(path, sep="\t", index=False)
    gone = (
        "de",
        "sets",
        "bulk_qc",
        "bulk_scores",
        "sc_scores",
        "sc_composition",
        "associations",
        "overlap",
        "networks",
        "scans",
        "sections",
        "clinical",
    )
    report = write(
        {k: v for k, v in inputs.items() if k not in gone} | {"animals_values": str(path)},
        folder / "results",
    )
    ids = Page(report.page).ids
    assert "page--culture" in ids
    assert not {
        "page--microct",
        "page--histology",
        "page--bulk",
        "page--singlecell",
        "linkage",
    } & set(ids)


def test_failed_drawing_leaves_nothing_half_written(plain, write, tmp_path, monkeypatch):
    from periomics.report import page

    monkeypatch.setattr(page, "study_sections", lambda sources: 1 / 0)
    with pytest.raises(ZeroDivisionError, match="division by zero"):
        write(
            {k: plain[1][k] for k in ("animals_values", "animals", "dictionary", "record")},
            tmp_path,
        )
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_hostile_text_is_in_the_fixture():
    assert "<script>" in HOSTILE and (ROOT / "config" / "claims.yaml").is_file() and pd.__version__


def test_sets_that_respond_stand_with_what_the_other_test_says(toy):
    text = toy.page.split("Gene sets that respond", 1)[1].split("</table>", 1)[0]
    assert "SET_1" in text and "SET_2" not in text
    assert "0.03" in text


def test_the_screen_of_scores_names_those_below_its_level(toy):
    text = toy.page.split("Screen: all scores", 1)[1].split("</table>", 1)[0]
    assert "p\xa0=\xa0.03" in text and "0.600" in text and "no unit has both" not in text


def test_axes_open_the_linkage_page_and_their_sentences_lead_to_numbers(plain, write):
    folder, inputs = plain
    report = write(inputs, folder / "results")
    text = report.page
    assert text.index("VEGFA–KDR and vessels") < text.index("Pairs declared before data")
    row = anchor("linkage/evidence.tsv", 2)
    assert row in Page(text).ids
    assert f"#{row}" in Page(text).hrefs
    assert "NGF–NTRK1: nothing." in text and "All other axes (1)" in text


def test_routes_show_their_p_and_how_they_hold_without_one_unit(plain, write):
    folder, inputs = plain
    text = write(inputs, folder / "results").page
    assert "adjusted p, arms dealt anew" in text and "No receptor was asked for." in text
    assert '<td class="num">0.750</td>' in text
