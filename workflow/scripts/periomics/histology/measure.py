"""One section from pixels to rows of measurements and objects: a pure function of the image, its regions and its batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from periomics.core.errors import InputError
from periomics.core.quality import Fact
from periomics.histology import (
    area,
    channels,
    contact,
    coverage,
    double,
    labels,
    lacunae,
    laminin,
    membrane,
    neutrophils,
    nuclei,
    osteoclasts,
    polarised,
    proposals,
    quality,
    spill,
    vessels,
)
from periomics.histology.batch import BatchRow
from periomics.histology.detection import Prepared, Readout, Strip, prepare
from periomics.histology.edits import BY_TILES, NOT_STATED, SMALLER, edits_of, object_key
from periomics.histology.large.measure import measure_large
from periomics.histology.large.section import Large
from periomics.histology.sections import Opened, section_name
from periomics.histology.settings import StainSettings, options_from, variants
from periomics.imaging.rois import detection

DETECTORS: dict[str, tuple[type[Any], Callable[..., Readout]]] = {
    "vessels": (vessels.Options, vessels.measure),
    "neutrophils": (neutrophils.Options, neutrophils.measure),
    "nuclei": (nuclei.Options, nuclei.measure),
    "lacunae": (lacunae.Options, lacunae.measure),
    "laminin": (laminin.Options, laminin.measure),
    "area": (area.Options, area.measure),
    "osteoclasts": (osteoclasts.Options, osteoclasts.measure),
    "contact": (contact.Options, contact.measure),
    "labels": (labels.Options, labels.measure),
    "coverage": (coverage.Options, coverage.measure),
    "double": (double.Options, double.measure),
    "membrane": (membrane.Options, membrane.measure),
    "polarised": (polarised.Options, polarised.measure),
}
# Results of a detector by the key of `outcomes:` in the config, with the outcome that is written by default.
RESULTS = {
    "vessels": {
        "density": "mvd",
        "area": "va",
        "diameter": "vd",
        "hotspot": "",
        "fields": "",
    },
    "neutrophils": {"density": "neu", "area": "neu_area"},
    "nuclei": {"positive": "", "density": "", "all": "", "h_score": "", "allred": ""},
    "lacunae": {
        "share": "elac",
        "density": "elac_area",
        "necrosis": "necr",
        "excess": "necr_excess",
    },
    "laminin": {
        "share": "ln332",
        "gaps": "ln332_gaps",
        "length": "",
        "front": "",
        "front_share": "",
        "epithelium": "",
        "thickness": "",
    },
    "area": {"share": ""},
    "osteoclasts": osteoclasts.DEFAULTS,
    "contact": contact.DEFAULTS,
    "labels": labels.DEFAULTS,
    "coverage": coverage.DEFAULTS,
    "double": {"first": "", "second": "", "both": "", "share": "", "ratio": ""},
    "membrane": membrane.DEFAULTS,
    "polarised": polarised.DEFAULTS,
}
# Measurements of an object as QuPath names them.
LABELS = {"area_um2": "Area µm^2", "length_um": "Length µm", "diameter_um": "Diameter µm"}
FACTS = ("specimen_id", "animal_id", "section_id", "field_id", "time", "time_unit", "role")
OBJECT_COLUMNS = (
    "specimen_id",
    "animal_id",
    "section_id",
    "field_id",
    "stain",
    "object_id",
    "class",
    "counted",
    "x_um",
    "y_um",
    "area_um2",
)


@dataclass(frozen=True)
class Measured:
    """A measured section: rows, objects and facts of its quality ready for the tables, GeoJSON
    features for QuPath, lines to be shown straightened."""

    rows: list[dict[str, object]]
    objects: pd.DataFrame
    features: Sequence[dict]
    quality: pd.DataFrame
    strips: Sequence[Strip] = ()


class Features(Sequence[dict]):
    """GeoJSON features of a section's objects, each made when it is asked for: a whole slide's
    would not fit into memory."""

    AT_ONCE = 4096

    def __init__(self, readout: Readout, key: str) -> None:
        self.objects, self.outlines, self.key = readout.objects, readout.outlines, key

    def __len__(self) -> int:
        return len(self.objects)

    def __getitem__(self, k):
        if isinstance(k, slice):
            return [self[i] for i in range(*k.indices(len(self)))]
        return self._made(self.objects.iloc[[k]].to_dict("records")[0], self.outlines[k])

    def __iter__(self) -> Iterator[dict]:
        for start in range(0, len(self), self.AT_ONCE):
            some = self.objects.iloc[start : start + self.AT_ONCE].to_dict("records")
            for k, record in enumerate(some, start):
                yield self._made(record, self.outlines[k])

    def _made(self, record: Mapping[Any, Any], outline: np.ndarray) -> dict:
        numbers = {
            LABELS.get(k, k): v
            for k, v in record.items()
            if k not in ("object_id", "class", "counted", "x_um", "y_um")
            and isinstance(v, int | float)
        }
        name = f"{self.key}:{record['object_id']}"
        return detection(outline, str(record["class"]), numbers, name)


def common_columns(fact: Mapping[str, object]) -> dict[str, object]:
    """What every row of a section carries; a file that is one field of a section is of level field."""
    given = {k: fact[k] for k in FACTS if fact.get(k) not in (None, "")}
    return {
        "modality": "histology",
        "source": "measured",
        "level": "field" if given.get("field_id") else "section",
        **given,
    }


def measured_outcomes(settings: StainSettings) -> list[str]:
    """Outcomes that a stain gives, main one first."""
    named = {
        k: settings.outcomes.get(k, default) for k, default in RESULTS[settings.detector].items()
    }
    return [str(v) for v in named.values() if v not in ("", None, "none")]


def measure_section(
    opened: Opened | Large, settings: StainSettings, batch: BatchRow, fact: Mapping[str, object]
) -> Measured:
    """Measure one section.

    Parameters
    ----------
    opened
        Pixels, pixel size, regions; or a large section, which is read by tiles.
    settings
        Of the section's stain.
    batch
        White point, vectors and thresholds of its stain batch: nothing is set from the section itself.
    fact
        Row of the sheet (ids, time, role); nothing that tells the arm.

    Returns
    -------
    Measured
        The main outcome also stands at the threshold ± `sweep_percent`, as variants `threshold=-10%`, `threshold=+10%`.
    """
    kind, function = DETECTORS[settings.detector]
    options = options_from(kind, settings.options, f"histology/stains/{settings.stain}/options")
    if isinstance(opened, Large):
        if fact.get("mask"):
            raise InputError(BY_TILES, file=str(fact["mask"]), allowed=SMALLER)
        readout, told = measure_large(opened, settings, batch, options)
    else:
        prepared = prepare(opened, settings, batch)
        readout, *others = (
            function(prepared, options, factor, name) for name, factor in variants(settings).items()
        )
        if fact.get("mask"):
            readout = _edited(readout, prepared, lambda p: function(p, options, 1.0, ""), fact)
        else:
            readout.rows.extend(row for other in others for row in other.rows)
        told = quality.facts(opened, settings, batch) + spill.facts(prepared)
        told += channels.facts(prepared)
    rows = list(readout.rows)
    common = common_columns(fact)
    found = told + readout.facts
    if settings.detector == "nuclei" and nuclei.is_graded(settings):
        edge = next((f.value for f in told if f.name == quality.EDGES), float("nan"))
        found.append(nuclei.paled(readout.objects, edge, batch.threshold, options))
    reasons = [f.describe() for f in found if f.beyond]
    if look := proposals.reason(opened.annotations):
        reasons.append(look)
    if batch.fallback:
        reasons.append(f"the config's value stands for a threshold: {batch.fallback}")
    if why := batch.odd.get(section_name(fact)):
        reasons.append(f"unlike its stain batch: {why}")
    if reason := "; ".join(reasons):
        rows = [_held(r, reason) if r.get("qc") != "fail" else r for r in rows]
    return Measured(
        [{**common, **r} for r in rows],
        _objects(readout.objects, settings, fact),
        Features(readout, object_key(fact, settings.stain)),
        _quality(found, settings, fact),
        readout.strips,
    )


def _held(row: Mapping[str, object], reason: str) -> dict[str, object]:
    """A row that is held back, for reasons of its own too."""
    own = [str(row["qc_reason"])] if row.get("qc_reason") else []
    return {**row, "qc": "hold", "qc_reason": "; ".join([*own, reason])}


def _edited(
    found: Readout,
    prepared: Prepared,
    again: Callable[[Prepared], Readout],
    fact: Mapping[str, object],
) -> Readout:
    """The section with the detections that a person edited; what it was before is kept as variant
    `mask=before`. What was drawn stands at no threshold, so that there is no sweep."""
    source_um = prepared.pixel_um / prepared.opened.scale
    edits = edits_of(fact, prepared.settings, found.objects, found.outlines, source_um)
    kept = {k: v for k, v in prepared.kept.items() if k != "core"}
    readout, n = again(replace(prepared, edits=edits, kept=kept)), len(found.objects)
    by, why = (str(fact.get(c) or NOT_STATED) for c in ("mask_by", "mask_reason"))
    told = f"; detections edited by {by}, reason: {why}: {edits.words(n)}"
    rows = [{**r, "method": f"{r['method']}{told}"} for r in readout.rows]
    before = [{**r, "variant": "mask=before"} for r in found.rows if not r["variant"]]
    objects = readout.objects.assign(object_id=edits.numbers)
    return Readout([*rows, *before], objects, readout.outlines, [*readout.facts, edits.fact(n)])


def _quality(
    found: list[Fact], settings: StainSettings, fact: Mapping[str, object]
) -> pd.DataFrame:
    ids = {k: str(fact.get(k, "")) for k in ("section_id", "field_id")}
    picture = f"sections/{section_name(fact)}.png"
    rows = [
        (*ids.values(), settings.stain, f.name, f.value, f.unit, f.limit, f.beyond, picture)
        for f in found
    ]
    return pd.DataFrame(rows, columns=list(quality.COLUMNS))


def _objects(
    table: pd.DataFrame, settings: StainSettings, fact: Mapping[str, object]
) -> pd.DataFrame:
    ids = {k: str(fact.get(k, "")) for k in ("specimen_id", "animal_id", "section_id", "field_id")}
    out = table.assign(**ids, stain=settings.stain)
    return out.reindex(
        columns=[*OBJECT_COLUMNS, *(c for c in table.columns if c not in OBJECT_COLUMNS)]
    )
