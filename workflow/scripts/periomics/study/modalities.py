"""Which modality and area a sheet's rows belong to; the only place that pairs them.

Libraries say it themselves in their column `assay` (bulk or singlecell).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Modality:
    """A sheet and the modality that its rows are.

    Attributes
    ----------
    sheet, name
        The sheet; the modality, which is the area too where it has jobs of its own.
    job
        Column whose distinct ids are the jobs that measure raw files, '' where values come as a
        table. The folder of a job is `<results>/<area>/<id>/`.
    pictures
        What each job leaves there for the report.
    """

    sheet: str
    name: str
    job: str = ""
    pictures: tuple[str, ...] = ()


MODALITIES = (
    Modality("scans", "microct", "specimen_id", ("overlay.png",)),
    Modality("sections", "histology", "animal_id", ("overlays.png",)),
    Modality("cultures", "culture", "animal_id", ("fronts.png", "curves.png", "plates.png")),
    Modality("clinical", "clinical"),
    Modality("readings", "readings"),
    Modality("imports", "imports"),
)
OF_SHEET = {m.sheet: m.name for m in MODALITIES}
IMAGING = tuple((m.sheet, m.name, m.job) for m in MODALITIES if m.job)
