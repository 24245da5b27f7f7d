"""Pictures of the report in docs: small, of few colours, and each says which command made it of which commit."""

import re

import pytest
from PIL import Image
from report_study import ROOT

MOST_BYTES = 300_000


@pytest.mark.parametrize(
    ("name", "page"),
    [
        ("report", "README.md"),
        ("report-doses", "docs/statistics.md"),
        ("linkage-toy", "docs/linkage.md"),
        ("linkage-no-link", "docs/linkage.md"),
    ],
)
def test_a_picture_is_small_and_says_where_it_comes_from(name, page):
    file = ROOT / "docs" / f"{name}.png"
    assert file.stat().st_size <= MOST_BYTES
    with Image.open(file) as image:
        assert image.mode == "P" and image.width >= 1200
        source = re.fullmatch(r"(benchmarks/\w+\.py), commit [0-9a-f]{9}", image.text["Source"])
    assert source and (ROOT / source[1]).is_file()
    text = (ROOT / page).read_text(encoding="utf-8")
    assert f"{name}.png)" in text and source[1] in text
