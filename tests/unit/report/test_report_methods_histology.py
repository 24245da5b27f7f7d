"""The methods text of sections says what a person edited, and what nobody drew."""

import pandas as pd

from periomics.report.methods import by_person


def test_edits_and_proposals_are_told():
    stains = {"CD31": {"regions": "annotated"}, "HE": {"regions": "proposed"}}
    sections = pd.DataFrame(
        {
            "stain": ["CD31", "HE", "HE"],
            "rois": ["", "a.geojson", ""],
            "mask": ["e.geojson", "", ""],
            "mask_by": ["AB", "", ""],
            "mask_reason": ["folds", "", ""],
        }
    )
    edited, bare = by_person({"histology": {"stains": stains}}, sections)
    assert edited.startswith(
        "Detections of 1 of 3 sections were edited by hand (by AB; reasons: folds)"
    )
    assert bare.startswith("1 of 3 sections were measured in regions that were proposed")
    assert not list(by_person({}, sections.assign(mask="")))
