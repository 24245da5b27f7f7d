"""A painted section through the measuring code, with the others of its batch."""

from pathlib import Path

import pandas as pd
from shapely.geometry import box

from periomics.histology.batch import batch_rows, pool, sample_section
from periomics.histology.measure import measure_section
from periomics.histology.sections import with_masks
from periomics.histology.settings import stain_settings
from periomics.imaging.rois import Annotation
from periomics.imaging.stains import load_stains
from periomics.study.measurements import tidy

ROOT = Path(__file__).resolve().parents[3]
STAINS = {"CD31": {"detector": "vessels"}, "MPO": {"detector": "neutrophils"}}


def settings(stain="CD31"):
    table = load_stains(ROOT / "resources" / "stains.yaml")
    return stain_settings({"sweep_percent": 0, "stains": STAINS}, table)[stain]


def opened(rgb, stain="CD31", pixel_um=0.5):
    of = settings(stain)
    region = Annotation(of.roi, box(0, 0, rgb.shape[1], rgb.shape[0]))
    return with_masks(rgb, pixel_um, 1.0, [region], of)


def measured(rgb, *mates, stain="CD31", pixel_um=0.5):
    """Rows of measurements and of quality of a section that shares a batch with `mates`."""
    of = settings(stain)
    batch = [opened(r, stain, pixel_um) for r in (rgb, *mates)]
    row = pool([sample_section(o) for o in batch], of)
    fact = {"section_id": "S", "specimen_id": "s", "animal_id": "a"}
    found = measure_section(batch[0], of, batch_rows(pd.DataFrame([row]))[stain], fact)
    return tidy(found.rows), found.quality
