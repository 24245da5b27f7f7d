"""Pictures for docs/linkage.md: the linkage section of the toy study's report and of that of the
`no_link` scenario, alike in size.

Run: make toy; make run CONFIG=config/scenarios/no_link/config.yaml, then
.venv/bin/python benchmarks/linkage_pictures.py results/report/report.html
results-no-link/report/report.html Writes docs/linkage-toy.png and docs/linkage-no-link.png (8 bit
palette); each says in its text chunk `Source` from which commit its report is. Needs Chromium.
"""

import sys
import tempfile
from pathlib import Path

import report_pictures

HEIGHT, COLOURS = 3080, 64
# All but the section goes, and it is opened.
ONLY = """<style>nav,.skip,header,footer,main>*:not(#linkage){display:none!important}
.layout{display:block!important} main{margin:0 auto!important}</style>
<script>document.querySelector("#linkage details.area").open = true;</script></body>"""


def main(*pages: Path) -> None:
    """One picture a report."""
    for page, name in zip(pages, ("linkage-toy", "linkage-no-link"), strict=True):
        text = page.read_text(encoding="utf-8")
        with tempfile.TemporaryDirectory() as folder:
            alone = Path(folder) / "report.html"
            alone.write_text(ONLY.join(text.rsplit("</body>", 1)), encoding="utf-8")
            file = report_pictures.ROOT / "docs" / f"{name}.png"
            report_pictures.picture(alone, file, HEIGHT, "linkage_pictures", COLOURS)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
