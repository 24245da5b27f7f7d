"""The page as a place to work in: folded areas, what is printed, and what a reader without a mouse or sight meets."""

import re
from html.parser import HTMLParser


class Walk(HTMLParser):
    """Headings, images, headers of tables and folded parts in the order of the page."""

    def __init__(self, page):
        super().__init__()
        self.levels, self.images, self.heads, self.open_areas, self.areas = [], [], [], [], 0
        self.drawings, self.first_link, self.languages = [], None, []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if re.fullmatch("h[1-6]", tag):
            self.levels.append(int(tag[1]))
        if tag == "img":
            self.images.append(found.get("alt"))
        if tag == "th":
            self.heads.append(found.get("scope"))
        if tag == "svg":
            self.drawings.append((found.get("role"), found.get("aria-label")))
        if tag == "html":
            self.languages.append(found.get("lang"))
        if tag == "a" and self.first_link is None:
            self.first_link = found.get("href")
        if tag == "details" and "area" in (found.get("class") or "").split():
            self.areas += 1
            self.open_areas += ["open" in found] if "open" in found else []


def test_every_area_is_folded_and_the_answers_are_not(toy):
    assert Walk(toy.page).areas > 10 and Walk(toy.page).open_areas == []
    answers = toy.page.split('<section id="claims">')[1].split('<details class="area')[0]
    assert 'class="answers"' in answers
    for name in ("verdicts", "statistics", "page--microct", "linkage", "methods", "provenance"):
        section = toy.page.split(f'<section id="{name}"')[1]
        assert section.index('<details class="area') < section.index("</section>")


def test_page_can_be_read_without_sight_or_mouse(toy):
    page = Walk(toy.page)
    assert page.languages == ["en"] and page.first_link == "#claims"
    assert page.levels[0] == 1 and page.levels.count(1) == 1
    jumps = [(a, b) for a, b in zip(page.levels, page.levels[1:], strict=False) if b > a + 1]
    assert jumps == [], "a heading skips a level"
    assert page.images and all(page.images)
    assert page.drawings and all(r == "img" and label for r, label in page.drawings)
    assert page.heads and set(page.heads) <= {"col", "row"}
    assert ":focus-visible" in toy.page and "outline: none" not in toy.page


def test_paper_has_claims_figures_design_and_methods_only(toy):
    def is_paper(name):
        head = toy.page.split(f'<section id="{name}"')[1].split("</summary>")[0]
        return 'class="area paper"' in head

    assert all(is_paper(n) for n in ("declared", "page--histology", "study", "methods"))
    assert not any(is_paper(n) for n in ("verdicts", "statistics", "explorer", "provenance"))
    css = toy.page.split("@media print")[1].split("</style>")[0]
    assert "details:not(.paper)" in css and "section:has(> details.area:not(.paper))" in css
