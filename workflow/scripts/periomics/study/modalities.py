"""What can be measured: which sheet, area, rule and words belong to each modality. The only place that pairs them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Modality:
    """What kind of value a sheet's rows become.

    Attributes
    ----------
    name
        The modality, which is the area too where it has jobs of its own.
    title
        As the report writes it.
    sheet
        Whose rows they are. Libraries say themselves what they are, in their column `assay`.
    job, rule
        Column whose distinct ids are the jobs that measure raw files, and the rule of these jobs; '' where values come
        as a table. The folder of a job is `<results>/<area>/<id>/`.
    pictures
        What each job leaves there for the report.
    batches
        What a batch of the sheet is called; '' where there are none.
    declared
        Whether the config must have a section of this name: thresholds are declared, never assumed.
    """

    name: str
    title: str
    sheet: str
    job: str = ""
    rule: str = ""
    pictures: tuple[str, ...] = ()
    batches: str = ""
    declared: bool = False


MODALITIES = (
    Modality(
        "microct",
        "Micro-CT",
        "scans",
        job="specimen_id",
        rule="measure_scan",
        pictures=("overlay.png",),
        batches="scan sessions",
        declared=True,
    ),
    Modality(
        "histology",
        "Histology",
        "sections",
        job="animal_id",
        rule="measure_sections",
        pictures=("overlays.png",),
        batches="stain runs",
        declared=True,
    ),
    Modality(
        "culture",
        "Cell culture",
        "cultures",
        job="animal_id",
        rule="measure_culture",
        pictures=("fronts.png", "curves.png", "networks.png", "nuclei.png", "plates.png"),
        batches="culture runs",
    ),
    Modality("bulk", "Bulk RNA-seq", "libraries", batches="library runs"),
    Modality("singlecell", "Single-cell RNA-seq", "libraries", batches="library runs"),
    Modality("clinical", "Clinical observations", "clinical"),
    Modality("imports", "Imported tables", "imports"),
    Modality("readings", "Readings by hand", "readings"),
)
NAMES = tuple(m.name for m in MODALITIES)
TITLES = {m.name: m.title for m in MODALITIES}
SHEET_OF = {m.name: m.sheet for m in MODALITIES}
# Sheets whose rows are all of one modality.
OF_SHEET = {m.sheet: m.name for m in MODALITIES if m.sheet != "libraries"}
IMAGING = tuple(m for m in MODALITIES if m.rule)
# Sheet → what its batches are called.
BATCHES = {m.sheet: m.batches for m in MODALITIES if m.batches}
