"""The page of a section at full size: what it shows lies where it was found, and no text of a file can break out of it."""

import base64
import io
import json
import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from shapely.geometry import LineString, Polygon

from periomics.histology.quality import COLUMNS
from periomics.histology.sections import Opened
from periomics.histology.viewer import TILE, viewer
from periomics.imaging.rois import Annotation, detection

HOSTILE = "</script><script>alert(1)</script>"
RING = np.array([[30, 40], [30, 60], [50, 60], [50, 40], [30, 40]]) * 2.0 + (100, 200)
FACTS = pd.DataFrame(
    [["s", "", "CD31", "share of folds", 0.2, "%", 3.0, False, ""]], columns=list(COLUMNS)
)


@pytest.fixture(scope="module")
def opened():
    """A section of 700 × 540 pixels, each two of the finest level, that begins at x 100, y 200 of its slide."""
    rng = np.random.default_rng(1)
    rgb = np.repeat(np.repeat(rng.integers(90, 250, (54, 70, 3)), 10, 0), 10, 1).astype(np.uint8)
    annotations = [
        Annotation(HOSTILE, Polygon(RING)),
        Annotation("line", LineString([(100, 200), (300, 400)])),
    ]
    none = np.zeros(rgb.shape[:2], dtype=bool)
    return Opened(rgb, 0.5, 2.0, annotations, ~none, none, (100.0, 200.0), (False, True))


FEATURES = [
    detection(RING, "positive", {"Area µm^2": 100.0}, "a"),
    detection(np.array([[120.0, 220.0]]), "excluded", {}, "b"),
    detection(RING[:3], "positive", {"Length µm": 20.0}, "c"),
]


def read(page):
    return json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])


def test_what_is_shown_lies_where_it_was_found(opened):
    found = read(viewer("s1", opened, FEATURES, FACTS))
    assert (found["width"], found["height"], found["pixel_um"]) == (700, 540, 0.5)
    regions, excluded, positive = found["layers"]
    square = [30.0, 40.0, 30.0, 60.0, 50.0, 60.0, 50.0, 40.0, 30.0, 40.0]
    assert [s["rings"] for s in regions["shapes"]] == [[square], [[0, 0, 100, 100]]]
    assert [s["closed"] for s in positive["shapes"]] == [True, False]
    assert positive["shapes"][0] == {"closed": True, "rings": [square], "text": "Area µm^2: 100"}
    assert excluded["shapes"][0]["rings"] == [[6, 10, 14, 10], [10, 6, 10, 14]]
    assert found["facts"] == [["share of folds", "0.2 %", "limit 3 %", False]]


def test_tiles_are_the_picture(opened):
    found = read(viewer("s1", opened, FEATURES, FACTS))
    whole = np.zeros_like(opened.rgb)
    for tile in found["tiles"]:
        assert max(tile["width"], tile["height"]) <= TILE
        part = np.asarray(Image.open(io.BytesIO(base64.b64decode(tile["jpeg"]))))
        whole[tile["y"] : tile["y"] + tile["height"], tile["x"] : tile["x"] + tile["width"]] = part
    assert np.abs(whole.astype(int) - opened.rgb).mean() < 6


def test_a_large_section_is_shown_smaller_and_says_so(opened):
    page = viewer("s1", opened, FEATURES, FACTS, most_pixels=100_000)
    found = read(page)
    assert (found["width"], found["height"], found["pixel_um"]) == (350, 270, 1.0)
    assert found["layers"][2]["shapes"][0]["rings"][0][:2] == [15.0, 20.0]
    assert found["notes"] == ["Shown at 1/2 of the size at which it was measured."]
    assert page == viewer("s1", opened, FEATURES, FACTS, most_pixels=100_000)


def test_no_text_ends_its_element_and_nothing_is_loaded(opened):
    page = viewer(HOSTILE, opened, FEATURES, FACTS, [HOSTILE])
    assert "<script>alert" not in page and page.count("</script>") == 2
    assert "default-src 'none'" in page and not re.findall(r"(?:src|href)=", page)
    assert read(page)["name"] == HOSTILE


ASKED = """<script>addEventListener("load", async () => {
const ink = () => {
  const all = pen.getImageData(0, 0, canvas.width, canvas.height).data;
  let sum = 0;
  for (let i = 0; i < all.length; i += 4) sum = (sum * 31 + all[i] + 7 * all[i + 1]) % 4294967291;
  return sum;
};
const seen = {bar: [], ink: []};
// Frames do not come in virtual time, so each is asked for.
const look = () => { paint(); seen.ink.push(ink()); seen.bar.push(byId("bar").textContent.trim()); };
paint();
await new Promise(done => setTimeout(done, 3000));
look();
document.querySelectorAll("input")[2].click();
look();
document.querySelectorAll("input")[2].click();
look();
byId("full").click();
look();
canvas.dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowRight"}));
look();
canvas.dispatchEvent(new KeyboardEvent("keydown", {key: "0"}));
look();
const at = [(40 - left) * zoom, (50 - top_) * zoom];
tell(...at);
seen.said = byId("said").textContent;
document.body.textContent = "SEEN" + JSON.stringify(seen) + "END";
});</script>"""


@pytest.mark.browser
def test_a_browser_moves_magnifies_hides_and_tells(opened, tmp_path):
    browser = next(
        (b for b in ("chromium", "chromium-browser", "google-chrome") if shutil.which(b)), None
    )
    if browser is None:
        pytest.skip("no Chromium on the path: apt-get install chromium")
    page = viewer("s1", opened, FEATURES, FACTS).replace("</body>", ASKED + "</body>")
    (tmp_path / "s1.html").write_text(page, encoding="utf-8")
    words = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=9000"]
    done = subprocess.run(
        [browser, *words, "--window-size=900,700", "--dump-dom", str(tmp_path / "s1.html")],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )
    seen = json.loads(re.search(r"SEEN(\{.*?\})END", done.stdout)[1])
    first, hidden, shown, full, moved, whole = seen["ink"]
    assert first == shown == whole and len({first, hidden, full, moved}) == 4
    assert seen["bar"][0] == seen["bar"][-1] == "100 µm"
    assert seen["said"] == "positive\nArea µm^2: 100"
