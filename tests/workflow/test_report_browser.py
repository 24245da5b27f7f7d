"""The report in a real browser: it opens from a file, asks no network, draws every figure, and no script fails."""

import html
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "unit" / "report"))
pytestmark = pytest.mark.browser
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Runs before anything else of the page, so that it sees every error and everything that the page's policy refuses to load.
LISTEN = """<script>window.seen = {errors: [], refused: []};
addEventListener("error", e => seen.errors.push(String(e.message || (e.target && e.target.tagName))), true);
addEventListener("unhandledrejection", e => seen.errors.push(String(e.reason)));
document.addEventListener("securitypolicyviolation", e => seen.refused.push(e.blockedURI));</script>"""
# The rules of axe that this page can break, by what the browser computed; each gives the elements that break it.
AUDIT = r"""<script>
function audit() {
const all = s => [...document.querySelectorAll(s)], drawn = e => e.getClientRects().length > 0;
const words = e => `${e.tagName} ${(e.textContent || "").trim().slice(0, 40)}`;
const rgb = c => (c.match(/[0-9.]+/g) || []).map(Number);
const light = c => { const [r, g, b] = c.map(v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
  return .2126 * r + .7152 * g + .0722 * b; };
const ground = e => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor);
  if (c.length === 3 || c[3] === 1) return c.slice(0, 3); } return [255, 255, 255]; };
const ratio = e => { const s = getComputedStyle(e), svg = e.namespaceURI.endsWith("svg");
  const a = light(rgb(svg ? s.fill : s.color).slice(0, 3)), b = light(svg ? [255, 255, 255] : ground(e));
  return (Math.max(a, b) + .05) / (Math.min(a, b) + .05); };
const large = e => { const s = getComputedStyle(e), px = parseFloat(s.fontSize); return px >= 24 || (px >= 18.66 && s.fontWeight >= 700); };
const own = e => [...e.childNodes].some(n => n.nodeType === 3 && /[\p{L}\p{N}]/u.test(n.textContent));
const hidden = e => e.closest("[aria-hidden=true], #explorer-chart, script, style, noscript, title, option");
const texts = all("body *").filter(e => own(e) && drawn(e) && !hidden(e));
const named = e => [e.getAttribute("aria-label"), e.textContent, ...[...e.querySelectorAll("img")].map(i => i.alt),
  ...[...(e.labels || [])].map(l => l.textContent)].some(t => t && t.trim());
const levels = all("h1, h2, h3, h4").map(h => +h.tagName[1]), ids = all("[id]").map(e => e.id);
const keyed = all("a[href], summary, button, pre[tabindex], .scroll[tabindex]").filter(drawn);
const unseen = keyed.filter(e => { e.focus({preventScroll: true}); const s = getComputedStyle(e);
  return document.activeElement !== e || s.outlineStyle === "none" || parseFloat(s.outlineWidth) < 1; });
return {
  texts: texts.length, keyed: keyed.length,
  contrast: texts.filter(e => ratio(e) < (large(e) ? 3 : 4.5)).map(e => `${words(e)} ${ratio(e).toFixed(2)}`),
  names: all("a[href], button, input, select, summary, [role=group], nav").filter(e => !hidden(e) && !named(e)).map(words),
  pictures: all("img, svg[role=img]").filter(e => !hidden(e) && !(e.alt || e.getAttribute("aria-label")))
    .map(e => e.outerHTML.slice(0, 80)),
  landmarks: [["main", 1], ["nav[aria-label]", 1], ["header", 1], ["h1", 1], ["html[lang]", 1]]
    .filter(([s, n]) => all(s).length !== n).map(([s]) => s),
  headings: levels.map((l, i) => [l, i ? levels[i - 1] : 0]).filter(([l, before]) => l > before + 1),
  tables: all("table").filter(t => !t.querySelector("th") || [...t.querySelectorAll("th")].some(h => !h.scope)).map(words),
  order: all("[tabindex]").filter(e => +e.getAttribute("tabindex") > 0).map(words),
  focus: unseen.map(words),
  scrollers: all(".scroll, pre").filter(e => drawn(e) && e.scrollWidth > e.clientWidth + 1 && e.tabIndex < 0 && e.id !== "seen").map(words),
  twice: ids.filter((i, n) => ids.indexOf(i) !== n),
  references: all("[aria-labelledby], [aria-describedby], [aria-controls]").flatMap(e =>
    ["aria-labelledby", "aria-describedby", "aria-controls"].flatMap(a => (e.getAttribute(a) || "").split(" ")))
    .filter(i => i && !document.getElementById(i)),
};
}
</script>"""
REPORT = """<script>addEventListener("load", async () => {
seen.folded = document.documentElement.scrollHeight;
addEventListener("click", e => e.preventDefault(), true);  // a move within the page would end the dump
document.querySelector('nav a[href="#provenance"]').click();
seen.unfolded = [...document.querySelectorAll("details.area[open]")].map(d => d.parentElement.id);
const row = document.querySelector('#claims a[href^="#"][title]'); row.click();
seen.row = document.getElementById(row.getAttribute("href").slice(1)).getBoundingClientRect().height;
const picture = document.querySelector(".picture"); picture.closest("details").open = true; picture.click();
const box = document.querySelector("dialog[open]");
seen.enlarged = box ? [box.getAttribute("aria-label"), box.querySelector("img").getBoundingClientRect().width] : [];
if (box) box.close();
document.querySelectorAll("details").forEach(d => d.open = true);
const images = [...document.images];
images.forEach(i => i.loading = "eager");
await Promise.all(images.map(i => i.decode().catch(() => {})));
await new Promise(done => setTimeout(done, 500));
const size = e => { const b = e.getBoundingClientRect(); return [b.width, b.height]; };
const links = [...document.querySelectorAll('a[href^="#"]')].map(a => a.getAttribute("href").slice(1));
Object.assign(seen, {
  title: document.title, dialogs: document.querySelectorAll("dialog").length,
  images: images.map(i => [i.alt, i.naturalWidth, i.naturalHeight]),
  figures: [...document.querySelectorAll("figure > svg")]
    .map(e => [e.getAttribute("aria-label"), ...size(e), e.querySelectorAll("use, path, image").length]),
  lost: links.filter(l => !document.getElementById(l)), links: links.length,
  requested: performance.getEntriesByType("resource").map(r => r.name).filter(n => !n.startsWith("data:")),
  chart: document.querySelectorAll("#explorer-chart svg path").length,
  spills: [...document.querySelectorAll("h1, h2, h3, p, li, figure, table, form")].filter(e => !e.closest(".scroll, #explorer-chart"))
    .filter(e => e.scrollWidth > e.clientWidth + 1 || e.getBoundingClientRect().right > innerWidth)
   .map(e => `${e.tagName} ${e.textContent.slice(0, 40)}`).slice(0, 9),
  wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
});
Object.assign(seen, {sound: audit()});
const out = document.createElement("pre"); out.id = "seen"; out.textContent = JSON.stringify(seen); document.body.append(out);
});</script>"""

# A referee's way through the page: what is to be read after no, one and two clicks, for a claim and what was excluded.
REFEREE = """<script>addEventListener("load", () => {
document.documentElement.style.scrollBehavior = "auto";
addEventListener("click", e => e.preventDefault(), true);  // a move within the page would end the dump
const shown = e => { const b = e && e.getBoundingClientRect(); return b && b.height > 0 && b.top > -2 && b.top < innerHeight; };
const text = e => shown(e) ? e.textContent.replace(/\\s+/g, " ").trim() : "";
const go = a => { a.click(); return document.getElementById(a.getAttribute("href").slice(1)); };
const fold = () => { document.querySelectorAll("details.area").forEach(d => d.open = false); scrollTo(0, 0); };
seen.claims = {};
for (const row of document.querySelectorAll(".answers tbody tr")) {
  fold();
  const id = row.querySelector("th b").textContent, cells = [...row.children].map(c => c.textContent.trim());
  const verdict = go(row.querySelector("th a")), one = text(verdict);
  const link = verdict.querySelector('a[href^="#"]'), where = link && link.textContent;
  const table = link && go(link);
  seen.claims[id] = {answer: cells[1], compared: cells[3], one, where, two: text(table)};
}
fold();
seen.first = document.querySelector("header").getBoundingClientRect().top >= 0;
seen.excluded = text(go(document.querySelector('header a[href="#exclusions"]')));
const out = document.createElement("pre"); out.id = "seen"; out.textContent = JSON.stringify(seen); document.body.append(out);
});</script>"""
# Rules by the axe itself, of the package below; its file is never part of this repository.
PACKAGE = "axe-core@4.14.1"
RULES = """addEventListener("load", async () => {
document.querySelectorAll("details").forEach(d => d.open = true);
const run = await axe.run(document, {resultTypes: ["violations"]});
const found = run.violations.map(v => [v.id, v.impact, v.nodes.slice(0, 3).map(n => n.html.slice(0, 90))]);
const out = document.createElement("pre"); out.id = "seen";
out.textContent = JSON.stringify({passed: run.passes.length, found}); document.body.append(out);
});"""


@pytest.fixture(scope="module")
def browser():
    found = next((b for b in BROWSERS if shutil.which(b)), None)
    if found is None:
        pytest.skip("no Chromium on the path: apt-get install chromium")
    return found


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    from report_study import HOSTILE, calibration_table, claims, make_study

    from periomics.core.results import write_result
    from periomics.report.page import write_report
    from periomics.report.sources import sources

    folder = tmp_path_factory.mktemp("browser")
    declared = claims()
    declared["claims"][0]["text"] = HOSTILE
    # A claim that the model's deficit refutes.
    no_harm = {"id": "harmless", "text": "the drug harms nothing", "kind": "non_superiority"}
    declared["claims"].append(no_harm | {"contrast": "C0", "outcomes": ["elac"]})
    inputs = make_study(folder, declared=declared, title=HOSTILE, reason=HOSTILE)
    inputs["calibration"] = str(folder / "calibration.tsv")
    write_result(calibration_table(), Path(inputs["calibration"]))
    out = folder / "results" / "report"
    write_report(
        sources(inputs, folder / "results"),
        out / "report.html",
        out / "methods.md",
        out / "figures",
    )
    return out / "report.html"


@pytest.fixture(scope="module")
def axe(tmp_path_factory):
    """The script of the axe, got by npm for this test alone."""
    if shutil.which("npm") is None:
        pytest.skip("no npm on the path, and so no axe; the rules above were tested")
    folder = tmp_path_factory.mktemp("axe")
    command = ["npm", "pack", PACKAGE, "--silent", "--fetch-retries=0", "--fetch-timeout=20000"]
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60)
        with tarfile.open(next(folder.glob("*.tgz"))) as package:
            file = package.extractfile("package/axe.min.js")
            return file.read().decode("utf-8")
    except (subprocess.SubprocessError, StopIteration, KeyError) as why:
        pytest.skip(
            f"{PACKAGE} cannot be got here ({type(why).__name__}); the rules above were tested"
        )


def started(command, page):
    """The browser with a home of its own."""
    environment = os.environ | {"HOME": str(page.parent)}
    return subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", timeout=120, env=environment
    )


def look(browser, page, width=1300, probe=AUDIT + REPORT):
    """What the page says of itself once it is drawn."""
    text = page.read_text(encoding="utf-8")
    probed = page.with_name("probed.html")
    head = text.index("<title>")
    body, _, rest = text[head:].rpartition("</body>")
    probed.write_text(f"{text[:head]}{LISTEN}{body}{probe}</body>{rest}", encoding="utf-8")
    command = [
        browser,
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--virtual-time-budget=15000",
        f"--window-size={width},900",
        f"--user-data-dir={page.parent / 'profile'}",
        "--dump-dom",
        probed.as_uri(),
    ]
    done = started(command, page)
    match = re.search(r'<pre id="seen">(.*?)</pre>', done.stdout, flags=re.S)
    assert match, done.stderr[-2000:]
    return json.loads(html.unescape(match[1]))


@pytest.fixture(scope="module")
def seen(browser, page):
    return look(browser, page)


def test_page_opens_without_errors_and_without_network(seen):
    assert seen["errors"] == []
    assert seen["refused"] == [] and seen["requested"] == []


def test_first_screen_is_short_and_links_open_what_they_lead_to(seen):
    assert seen["folded"] < 3500
    assert seen["unfolded"] == ["provenance"] and seen["row"] > 5


def test_picture_opens_as_wide_as_the_window(seen):
    label, width = seen["enlarged"]
    assert label and width > 1000 and seen["dialogs"] == 0


def test_texts_of_users_ran_nothing(seen):
    assert seen["title"].startswith("<script>document.title='broken'")


def test_every_picture_and_figure_is_drawn(seen):
    assert len(seen["images"]) >= 5 and all(w > 1 and h > 1 for _, w, h in seen["images"])
    assert len(seen["figures"]) > 12
    assert all(w > 50 and h > 30 and marks > 10 for _, w, h, marks in seen["figures"]), seen[
        "figures"
    ]


def test_interactive_chart_has_marks(seen):
    assert seen["chart"] > 10


def test_every_link_inside_the_page_has_its_target(seen):
    assert seen["links"] > 30 and seen["lost"] == []


def test_page_is_sound_for_keyboards_and_screen_readers(seen):
    found = seen["sound"]
    assert found.pop("texts") > 1000 and found.pop("keyed") > 60
    assert {rule: broken[:5] for rule, broken in found.items() if broken} == {}


QUESTIONS = (("C7-2", "supported"), ("C7-1", "inconclusive"), ("harmless", "refuted"))


def test_a_referees_five_questions_are_answered_within_two_clicks(browser, page):
    found = look(browser, page, probe=REFEREE)
    assert found["errors"] == [] and found["first"]
    for claim, verdict in QUESTIONS:
        answer = found["claims"][claim]
        # 1, no click: which claim holds. 2, none and one: on how many animals, of which arms.
        assert answer["answer"].startswith(verdict), claim
        assert re.match(r"\d+ animals", answer["compared"]), claim
        assert verdict in answer["one"] and re.search(r"(CTRL|PRE|POST) \d, DRUG \d", answer["one"])
        # 4, one click: what would change it. 5, one and two: the rule and the row of its table.
        assert "What would change it:" in answer["one"], claim
        assert "rule estimate_contrasts" in answer["one"]
        line = re.fullmatch(r"statistics/contrasts.tsv, line (\d+)", answer["where"])
        assert line and answer["two"].endswith(line[1]), claim
    assert "per arm would decide" in found["claims"]["C7-1"]["one"]
    # 3, one click: what was excluded, why, and whether blind.
    assert "Exclusions" in found["excluded"] and "broken" in found["excluded"]


def test_paper_has_at_most_twelve_pages(browser, page):
    file = page.with_name("paper.pdf")
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer"]
    profile = f"--user-data-dir={page.parent / 'profile'}"
    done = started([browser, *options, profile, f"--print-to-pdf={file}", page.as_uri()], page)
    assert file.is_file(), done.stderr[-2000:]
    # The tree of pages: its root counts them all.
    counts = [int(n) for n in re.findall(rb"/Count (\d+)", file.read_bytes())]
    assert 3 <= max(counts) <= 12


def test_axe_finds_nothing(browser, page, axe):
    script = axe.replace("</script", r"<\/script")
    found = look(browser, page, probe=f"<script>{script}</script><script>{RULES}</script>")
    assert found["passed"] > 30 and found["found"] == []


@pytest.mark.parametrize("width", [1300, 480])
def test_page_does_not_spill_over_its_window(browser, page, width):
    found = look(browser, page, width=width)
    assert found["wide"] <= 1, found["spills"]
