"""All sections of an animal: measured one by one; a broken one becomes rows with a reason, the others stand."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image

from periomics.core.errors import InputError, SpecimenError, nearest
from periomics.core.files import write_text
from periomics.histology import proposals, strips
from periomics.histology.batch import BatchRow
from periomics.histology.large.section import open_large
from periomics.histology.measure import (
    OBJECT_COLUMNS,
    Measured,
    common_columns,
    measure_section,
    measured_outcomes,
)
from periomics.histology.pictures import blank, overlay, save
from periomics.histology.quality import COLUMNS as QUALITY
from periomics.histology.sections import open_section, section_name
from periomics.histology.settings import StainSettings
from periomics.histology.viewer import MOST_PIXELS, viewer
from periomics.imaging.rois import write_geojson
from periomics.study import measurements
from periomics.study.interface.pictures import STRIP


@dataclass(frozen=True)
class Shown:
    """What is shown of a section.

    Attributes
    ----------
    name, label
        File name; what stands above the picture.
    features, regions
        Detections and proposed regions as GeoJSON.
    picture, page, strip
        The section at a glance, and the page that shows it at full size; None and '' where it could
        not be measured; its lines laid straight, None where there are none.
    """

    name: str
    label: str
    features: Sequence[dict] = field(default_factory=list)
    regions: Sequence[dict] = field(default_factory=list)
    picture: Image.Image | None = None
    page: str = ""
    strip: Image.Image | None = None

    def write(self, folder: Path) -> None:
        """Write what there is of it into a folder."""
        write_geojson(self.features, folder / f"{self.name}.geojson", section=self.name)
        save(self.picture or blank(self.label), folder / f"{self.name}.png")
        if self.regions:
            write_geojson(self.regions, folder / f"{self.name}.regions.geojson")
        if self.strip:
            save(self.strip, folder / f"{self.name}{STRIP}")
        if self.page:
            write_text(self.page, folder / f"{self.name}.html")


@dataclass
class Animal:
    """What an animal's job writes: tables, and what is shown of each section."""

    measurements: pd.DataFrame
    objects: pd.DataFrame
    quality: pd.DataFrame
    sections: list[Shown] = field(default_factory=list)


def measure_animal(
    facts: Sequence[Mapping[str, object]],
    settings: Mapping[str, StainSettings],
    batches: Mapping[str, Mapping[str, BatchRow]],
    stop: bool,
    warn: Callable[[str], None],
) -> Animal:
    """Measure every section of an animal.

    Parameters
    ----------
    facts
        Rows of the sections sheet, without group, condition and dose.
    settings
        Stains of the config, by name.
    batches
        Batch → stain → row of the batch table.
    stop
        Raise at the first section that cannot be measured, instead of writing rows with `qc` = fail.

    Raises
    ------
    InputError
        If a stain is unknown or a batch has no row for it, whatever `stop` says: that is the study's mistake, not one
        section's.
    InputError, SpecimenError
        With `stop`, of the first section that cannot be measured.
    """
    tables, objects, looks = [], [], []
    shown: list[Shown] = []
    for fact in sorted(
        facts, key=lambda f: (str(f["stain"]), str(f["section_id"]), str(f.get("field_id", "")))
    ):
        stain = _known_stain(fact, settings)
        row = _batch_row(fact, batches)
        name = section_name(fact)
        try:
            measured, seen = _one(fact, stain, row)
        except (InputError, SpecimenError) as error:
            if stop:
                raise
            warn(f"section {name} cannot be measured: {error}")
            tables.append(failed_section(fact, stain, str(error)))
            shown.append(Shown(name, f"{name}: {error}"))
            continue
        tables.append(measurements.tidy(measured.rows))
        objects.append(measured.objects)
        looks.append(measured.quality)
        shown.append(seen)
        gc.collect()
    found = (
        pd.concat(objects, ignore_index=True)
        if objects
        else pd.DataFrame(columns=list(OBJECT_COLUMNS))
    )
    quality = pd.concat(looks, ignore_index=True) if looks else pd.DataFrame(columns=list(QUALITY))
    return Animal(measurements.concatenate(tables), found, quality, shown)


def _one(fact, stain: StainSettings, row: BatchRow) -> tuple[Measured, Shown]:
    large, name = open_large(fact, stain), section_name(fact)
    if large:
        measured = measure_section(large, stain, row, fact)
        shown, times = large.overview(MOST_PIXELS)
    else:
        shown, times = open_section(fact, stain), 1
        measured = measure_section(shown, stain, row, fact)
    picture = overlay(shown, measured.features)
    page = viewer(name, shown, measured.features, measured.quality, _notes(measured), times)
    proposed, label = proposals.features(shown.annotations, name), _label(name, measured)
    strip = strips.picture(name, shown, measured.strips)
    return measured, Shown(
        name=name,
        label=label,
        features=measured.features,
        regions=proposed,
        picture=picture,
        page=page,
        strip=strip,
    )


def failed_section(fact: Mapping[str, object], stain: StainSettings, reason: str) -> pd.DataFrame:
    """Rows without values for a section that cannot be measured."""
    return measurements.failed(
        measured_outcomes(stain), reason, roi=stain.roi, **common_columns(fact)
    )


def _known_stain(fact, settings: Mapping[str, StainSettings]) -> StainSettings:
    stain = str(fact["stain"])
    if stain not in settings:
        raise InputError(
            f"config histology/stains does not describe this stain{nearest(stain, settings)}",
            column="stain",
            value=stain,
            allowed=", ".join(settings),
        )
    return settings[stain]


def _batch_row(fact, batches: Mapping[str, Mapping[str, BatchRow]]) -> BatchRow:
    batch = str(fact.get("batch", ""))
    if batch not in batches or str(fact["stain"]) not in batches[batch]:
        raise InputError(
            f"section {section_name(fact)} has no row of its stain in a batch table",
            column="batch",
            value=batch,
            allowed=", ".join(sorted(batches)) or "a stain batch for every section",
        )
    return batches[batch][str(fact["stain"])]


def _label(name: str, measured: Measured) -> str:
    first = next((r for r in measured.rows if not r["variant"]), None)
    if first is None or first["value"] != first["value"]:
        return name
    return f"{name}  {_said(first)}"


def _said(row: Mapping[str, Any]) -> str:
    return f"{row['outcome']} {row['value']:.1f} {row['unit']}"


def _notes(measured: Measured) -> list[str]:
    """Every outcome with its value, why it is held or failed where it is, and how it was measured
    (threshold, edits)."""
    rows = [r for r in measured.rows if not r["variant"]]
    values = [_said(r) for r in rows if r["value"] == r["value"]]
    reasons = dict.fromkeys(str(r.get("qc_reason") or "") for r in rows)
    how = dict.fromkeys(str(r.get("method") or "") for r in rows)
    return [
        ", ".join(values),
        *(f"Not taken as it is: {r}" for r in reasons if r),
        *(f"How: {h}" for h in how if h),
    ]
