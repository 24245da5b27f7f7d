"""The blocks of docs/histology.md for alpha-SMA, Masson and CD68, as they stand there, on drawn
sections."""

import numpy as np
import pandas as pd
import pytest
import yaml
from ground import disc, light, measured, square
from painted import seen
from painted_share import brown_on_blue, trichrome
from shapely.geometry import box

from periomics.histology.batch import batch_rows, pool, sample_section
from periomics.histology.measure import measure_section
from periomics.histology.sections import with_masks
from periomics.histology.settings import stain_settings
from periomics.imaging.rois import Annotation


@pytest.fixture(scope="module")
def blocks(request):
    text = (request.config.rootpath / "docs" / "histology.md").read_text(encoding="utf-8")
    part = text.split("## A stain is a block of YAML")[1].split("```yaml\n")[1].split("```")[0]
    return yaml.safe_load(part)


def test_the_three_stand_there(blocks):
    assert list(blocks) == ["aSMA", "Masson", "CD68"]


@pytest.mark.parametrize(("stain", "paint"), [("aSMA", brown_on_blue), ("Masson", trichrome)])
@pytest.mark.parametrize("share", [0.05, 0.6])
def test_stained_share(table, blocks, stain, paint, share):
    picture, truth = paint(share)
    of = stain_settings({"sweep_percent": 0, "stains": {stain: blocks[stain]}}, table)[stain]
    rgb = seen(picture)
    region = Annotation(of.roi, box(0, 0, rgb.shape[1], rgb.shape[0]))
    opened = with_masks(rgb, 0.5, 1.0, [region], of)
    batch = batch_rows(pd.DataFrame([pool([sample_section(opened)], of)]))[stain]
    (row,) = measure_section(opened, of, batch, {"section_id": "s"}).rows
    assert row["value"] == pytest.approx(truth, abs=2)
    assert row.get("qc", "pass") == "pass", row["qc_reason"]


def test_macrophages(table, blocks):
    """Brown cells of 14 µm around a blue nucleus, some in touching pairs, among nuclei without
    brown."""
    rng = np.random.default_rng(2)
    blue = np.full((640, 640), 0.14) * (1 + 0.15 * rng.random((640, 640)))
    brown = np.full((640, 640), 0.03)
    at = [(28 + 44 * i, 28 + 44 * j) for i in range(7) for j in range(7)]
    cells = at[::2] + [(x + 12.5, y) for x, y in at[::2][:23]]
    for spot in cells:
        brown[disc(spot, 7)] = 0.6
    for x, y in [*cells, *at[1::2]]:
        blue[disc((x, y), 3)] = 0.55
    drawn = light([blue, brown], [(0.63, 0.71, 0.31), (0.28, 0.56, 0.78)])
    drawn[:20] = (238, 237, 235)
    region = square("peri_implant_ct", top=10)
    rows, found = measured(drawn, [region], table, **blocks["CD68"])
    assert len(cells) == 48
    row = rows["mac", ""]
    assert row["value"] == pytest.approx(len(cells) / (0.32 * 0.31), rel=0.05)
    assert row.get("qc", "pass") == "pass", row["qc_reason"]
    assert (found.objects["class"] == "positive").sum() == pytest.approx(48, rel=0.05)
