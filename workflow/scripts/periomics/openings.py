"""Looks of all areas into the files of a study, brought together for the check, and what their
pictures take of memory: `study` itself may know no area."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial

import pandas as pd

from periomics.study.check.opened import Areas


def areas(tables: Mapping[str, str], dictionary: pd.DataFrame) -> Areas:
    """Which area looks into which kind of file; `tables` are the team's, by name. Areas are imported when a check is due."""
    from periomics.bulk.opening import check_together, look_at_counts, look_at_lengths
    from periomics.culture.opening import (
        look_at_picture,
        look_at_plate,
        look_at_ratios,
        look_at_series,
    )
    from periomics.genes.opening import check_analyses
    from periomics.genes.score_opening import check_scores
    from periomics.histology.opening import look_at_drawing, look_at_regions, look_at_section
    from periomics.histology.stated import check_stains
    from periomics.linkage.opening import check_links
    from periomics.microct.opening import check_shoulder, look_at_labels, look_at_scan
    from periomics.outcomes.opening import look_at_import
    from periomics.singlecell.opening import check_markers, check_reference, look_at_cells

    openers = {"scan": look_at_scan, "labels": look_at_labels, "section": look_at_section}
    openers |= {"regions": look_at_regions, "drawing": look_at_drawing, "import": look_at_import}
    openers |= {"series": look_at_series, "plate": look_at_plate, "counts": look_at_counts}
    openers |= {
        "ratios": look_at_ratios,
        "picture": look_at_picture,
        "lengths": look_at_lengths,
        "cells": look_at_cells,
    }
    scores = partial(check_scores, tables=tables)
    stains = partial(check_stains, dictionary=dictionary, pairs=tables["stains"])
    links = partial(check_links, dictionary=dictionary, tables=tables)
    cells = (check_markers, check_reference)
    designs = (check_analyses, scores, check_together, *cells, check_shoulder, stains, links)
    return Areas(openers, designs)


def pictures_mb(
    sheet: str,
    facts: Iterable[Mapping[str, object]],
    histology: Mapping[str, object] | None,
    sampled: bool = False,
) -> float:
    """What the pictures of a job's rows of a sheet take in MB; readers of pictures are imported
    where there are some."""
    if sheet == "cultures":
        from periomics.culture.requests import culture_mb

        return culture_mb(facts)
    from periomics.histology.requests import section_mb

    return section_mb(facts, histology, sampled)
