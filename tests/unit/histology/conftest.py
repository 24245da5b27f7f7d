"""Sections drawn once for all tests of the area: every readout over its whole range, in two stain batches."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from shapely.geometry import shape

sys.path.insert(0, str(Path(__file__).parent))

from histology_study import ROOT, STAINS

from periomics.histology.batch import batch_rows, pool, sample_section
from periomics.histology.laminin import contrasts
from periomics.histology.measure import measure_section
from periomics.histology.sections import with_masks
from periomics.histology.settings import stain_settings
from periomics.imaging.rois import Annotation
from periomics.imaging.stains import load_stains
from periomics.simulate.histology import draw_section

RANGE = {
    "CD31": (15, 40, 80, 140, 220),
    "MPO": (15, 40, 90, 250, 600),
    "HE": (3, 12, 30, 60, 90),
    "LN332": (3, 15, 40, 70, 96),
}


@pytest.fixture(scope="session")
def settings():
    return stain_settings({"stains": STAINS}, load_stains(ROOT / "resources" / "stains.yaml"))


def opened(section, settings):
    """A drawn section as if it had been read."""
    annotations = [
        Annotation(f["properties"]["classification"]["name"], shape(f["geometry"]))
        for f in section.features
    ]
    return with_masks(section.rgb, section.pixel_um, 1.0, annotations, settings)


def batch_of(sections, settings):
    """Row of the batch table of opened sections."""

    def along(white, pair, control):
        return np.concatenate([contrasts(o, settings, white, pair) for o in sections])

    row = pool(
        [sample_section(o) for o in sections],
        settings,
        along if settings.detector == "laminin" else None,
    )
    return batch_rows(pd.DataFrame([row]))[settings.stain], row


@pytest.fixture(scope="session")
def recovered(settings):
    """Per stain: table of truth and measured values, and the list of (drawn section, measured section)."""
    out = {}
    for stain, targets in RANGE.items():
        rows, pairs = [], []
        for batch in ("A", "B"):
            facts = [
                {
                    "section_id": f"{batch}{k}",
                    "stain": stain,
                    "batch": batch,
                    "specimen_id": "s",
                    "animal_id": "a",
                }
                for k in range(len(targets))
            ]
            drawn = [draw_section(f, t, {}, 7) for f, t in zip(facts, targets, strict=True)]
            seen = [opened(s, settings[stain]) for s in drawn]
            row, _ = batch_of(seen, settings[stain])
            for fact, section, image in zip(facts, drawn, seen, strict=True):
                measured = measure_section(image, settings[stain], row, fact)
                pairs.append((section, measured))
                table = pd.DataFrame(measured.rows)
                plain = table[table["variant"] == ""].set_index("outcome")
                for roi, outcome, truth in section.truth:
                    assert plain.at[outcome, "roi"] == roi
                    rows.append(
                        {"batch": batch, "outcome": outcome, "truth": truth, **plain.loc[outcome]}
                    )
        out[stain] = pd.DataFrame(rows), pairs
    return out
