"""Gaps, thirds and the longest run of a lined seam are those of the pattern painted along it."""

import numpy as np
import painted_line
import pandas as pd
import pytest
from painted import seen
from painted_line import HEIGHT, PIXEL_UM, seam

from periomics.histology.batch import batch_rows, pool, sample_section
from periomics.histology.laminin import contrasts
from periomics.histology.measure import measure_section
from periomics.histology.sections import with_masks
from periomics.histology.settings import stain_settings
from periomics.imaging.rois import Annotation
from periomics.imaging.stains import load_stains

# Stained and bare stretches from the top, in µm along the rows (350 in all).
PATTERNS = (
    (60, 12, 30, 8, 90, 25, 40, 15, 70),
    (20, 60, 45, 30, 25, 10, 15, 20, 35, 70, 20),
    (110, 8, 232),
)
LOOKS = {"clean": {}, "noise and JPEG": {"noise": 3, "quality": 60}}


@pytest.fixture(scope="module")
def settings(pytestconfig):
    table = load_stains(pytestconfig.rootpath / "resources" / "stains.yaml")
    block = {"sweep_percent": 0, "stains": {"L": {"detector": "laminin"}}}
    return stain_settings(block, table)["L"]


def painted(pattern):
    on = np.concatenate([np.full(round(um / PIXEL_UM), k % 2 == 0) for k, um in enumerate(pattern)])
    assert len(on) == HEIGHT
    return on


def drawings(monkeypatch):
    out = []
    for k, pattern in enumerate(PATTERNS):
        on = painted(pattern)
        monkeypatch.setattr(painted_line, "pieces", lambda rng, share, on=on: on)
        out.append((*seam(seed=k + 1)[:3], on))
    return out


def measured(drawn, settings, look):
    """Rows of every section of one batch, by outcome and variant."""
    batch = []
    for light, metal, line, _ in drawn:
        regions = [Annotation("implant", metal), Annotation("interface", line)]
        batch.append(with_masks(seen(light, **look), PIXEL_UM, 1.0, regions, settings))
    samples = [sample_section(o) for o in batch]

    def along(white, pair, control):
        return np.concatenate([contrasts(o, settings, white, pair) for o in batch])

    row = batch_rows(pd.DataFrame([pool(samples, settings, along) | {"odd": "{}"}]))["L"]
    for k, one in enumerate(batch):
        rows = measure_section(one, settings, row, {"section_id": f"S{k}"}).rows
        yield {(r["outcome"], r.get("variant", "")): r["value"] for r in rows}


@pytest.mark.parametrize("look", LOOKS)
def test_what_was_painted_along_the_seam_is_read(settings, monkeypatch, look):
    drawn = drawings(monkeypatch)
    for (_, _, line, on), found in zip(drawn, measured(drawn, settings, LOOKS[look]), strict=True):
        # Rows of the seam's slope are longer than they are high: arcs by the line itself.
        steps = np.hypot(*np.diff(np.asarray(line.coords), axis=0).T) * PIXEL_UM
        arc, on = np.concatenate([[0], np.cumsum(steps)]), on.astype(float)
        third = np.minimum(3 * arc / arc[-1], 2.999).astype(int)
        for k, name in enumerate(("coronal", "middle", "apical")):
            truth = 100 * on[third == k].mean()
            assert found["ln332", f"third={name}"] == pytest.approx(truth, abs=4)
        edges = np.flatnonzero(np.diff(np.concatenate([[0], on, [0]])))
        runs = [arc[min(b, HEIGHT - 1)] - arc[a] for a, b in edges.reshape(-1, 2)]
        truth = 100 * max(runs) / arc[-1]
        assert found["ln332", "longest run"] == pytest.approx(truth, abs=3)
        gaps = len(runs) - 1
        assert found["ln332_gaps", ""] == pytest.approx(1000 * gaps / arc[-1], rel=0.03)
