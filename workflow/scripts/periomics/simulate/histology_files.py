"""Writing simulated sections: which sections a study wants, and one section's files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from periomics.core.errors import InputError
from periomics.imaging.rois import write_geojson
from periomics.simulate.histology import draw_section, section_settings, target_of, truth_rows
from periomics.simulate.histology_optics import write_image


@dataclass(frozen=True)
class SectionJob:
    """One section to draw: the sheet's row, the target on the natural scale, the config's `simulate` and seed."""

    fact: Mapping[str, object]
    target: float
    settings: Mapping[str, object]
    seed: int


def section_jobs(
    facts: Sequence[Mapping[str, object]],
    targets: pd.DataFrame,
    settings: Mapping[str, object],
    seed: int,
) -> list[SectionJob]:
    """A job for every section, in the order of the facts.

    Raises
    ------
    InputError
        If a specimen has no target for the stain of one of its sections, or a section no path for its regions.
    """
    wanted = targets.set_index(["specimen_id", "target"])["value"]
    jobs = []
    for fact in facts:
        key = (str(fact["specimen_id"]), target_of(str(fact["stain"])))
        if key not in wanted.index:
            raise InputError(
                f"no target {key[1]!r} for specimen {key[0]}", file="targets.tsv", column="target"
            )
        if not fact.get("rois"):
            raise InputError(
                f"section {fact['section_id']} names no file for its regions", column="rois"
            )
        jobs.append(SectionJob(dict(fact), float(wanted[key]), settings, seed))
    return jobs


def write_section(job: SectionJob) -> list[dict[str, object]]:
    """Draw a section, write its image and regions, return its rows of truth."""
    blank = job.fact.get("role") == "negative_control"
    section = draw_section(job.fact, job.target, job.settings, job.seed, blank)
    write_image(
        section.rgb,
        str(job.fact["path"]),
        section.pixel_um,
        int(section_settings(job.settings)["jpeg_quality"]),
    )
    write_geojson(section.features, str(job.fact["rois"]))
    return truth_rows(job.fact, section)
