"""The sheets a user writes: one specification a sheet, from which reading, checks, schemas and documentation come."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from periomics.core.problems import Problem
from periomics.core.tables import decimal_commas, read_table
from periomics.study import modalities
from periomics.study.measurements import ROLES
from periomics.study.species import SPECIES

IDENTIFIER = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}$")
IDENTIFIER_TEXT = "letters, digits and _ . + - (at most 64, the first a letter or digit, no '..')"
UNITS_OF_ANALYSIS = ("animal", "isolation", "donor", "technical")
SECONDS_OF = {"min": 60.0, "h": 3600.0, "d": 86400.0, "week": 604800.0, "month": 2629800.0}
TIME_UNITS = tuple(SECONDS_OF)


@dataclass(frozen=True)
class Column:
    """One column: what it means, its kind and its limits.

    `kind` is id, text, number, choice, date or path. `minimum` and `maximum` bound a number; `hint`
    is shown when they are passed.
    """

    name: str
    text: str
    kind: str = "text"
    required: bool = False
    allowed: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    unit: str = ""
    hint: str = ""


@dataclass(frozen=True)
class Sheet:
    """One sheet: its columns and the columns that identify a row."""

    name: str
    text: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.columns)


_DOSE = (
    Column("dose", "dose of the condition", "number", minimum=0),
    Column("dose_unit", "unit of the dose"),
)
_CONDITION = (
    Column("condition", "arm within the unit (vehicle, medium …) where arms vary within it"),
    *_DOSE,
)
_SPECIMEN = (
    Column(
        "specimen_id",
        "what was measured: one scan, block of tissue, well or library",
        "id",
        required=True,
    ),
    Column("animal_id", "the unit it comes from; empty only where role is not sample", "id"),
    *_CONDITION,
    Column("time", "time of the measurement", "number", minimum=0),
    Column("time_unit", "unit of the time", "choice", allowed=TIME_UNITS),
    Column("batch", "what was handled together: scan session, stain run, library run", "id"),
    Column("role", "what the specimen is for; sample by default", "choice", allowed=ROLES),
    Column("replaces", "specimen that this one takes the place of", "id"),
)
_PATH = Column("path", "file or folder, relative to the sheet's folder", "path", required=True)
_MASK = (
    Column("mask", "corrected mask or edited detections that replace the automatic ones", "path"),
    Column("mask_by", "who made the correction"),
    Column("mask_reason", "why"),
)
_SIDES = tuple(
    Column(
        f"{side}_degrees",
        f"direction of the {side} side in the slices, from x towards y; for sides and octants of the region",
        "number",
        minimum=-360,
        maximum=360,
        unit="degrees",
    )
    for side in ("buccal", "mesial")
)
_CONFIRMED = Column(
    "confirmed",
    "who looked at it, and why its numbers stand although a quality gate holds them back",
)
_PIXEL = Column(
    "pixel_um",
    "pixel size, needed where the file states none",
    "number",
    minimum=0.02,
    maximum=50,
    unit="µm",
    hint="a size below 0.02 µm was probably written in millimetres",
)

SHEETS: dict[str, Sheet] = {
    s.name: s
    for s in (
        Sheet(
            "animals",
            "the units of analysis and their arms",
            ("animal_id",),
            (
                Column(
                    "animal_id",
                    "animal, cell isolation, donor or technical replicate",
                    "id",
                    required=True,
                ),
                Column(
                    "unit", "what the row is", "choice", required=True, allowed=UNITS_OF_ANALYSIS
                ),
                Column("group", "arm; empty where arms vary within the unit", "id"),
                Column("block", "surgery day, cage or litter", "id"),
                Column("sex", "sex", "choice", allowed=("F", "M", "unknown")),
                Column(
                    "weight_g", "weight at the start", "number", minimum=0.1, maximum=2e5, unit="g"
                ),
                Column("source_animals", "animals whose cells an isolation holds, separated by |"),
                Column("species", "species", "choice", allowed=SPECIES),
                *_DOSE,
                Column("note", "anything"),
            ),
        ),
        Sheet(
            "scans",
            "micro-CT volumes",
            ("specimen_id",),
            (
                *_SPECIMEN,
                _PATH,
                Column(
                    "voxel_um",
                    "voxel size, needed where the file states none",
                    "number",
                    minimum=0.2,
                    maximum=1000,
                    unit="µm",
                    hint="a size below 0.2 µm was probably written in millimetres",
                ),
                Column("medium", "what the sample was scanned in"),
                Column("kv", "tube voltage", "number", minimum=1, maximum=500, unit="kV"),
                Column("filter", "beam filter"),
                *_SIDES,
                Column(
                    "earlier",
                    "scan of the same animal at an earlier time, to which bone is compared",
                    "path",
                ),
                Column(
                    "implants",
                    "implants in the scan, where there are several; then one row for each",
                    "number",
                    minimum=1,
                    maximum=50,
                ),
                Column(
                    "implant",
                    "which of them the row is, counted along their row towards rising x (or y)",
                    "number",
                    minimum=1,
                    maximum=50,
                ),
                *_MASK,
                _CONFIRMED,
            ),
        ),
        Sheet(
            "sections",
            "stained sections",
            ("section_id",),
            (
                *_SPECIMEN,
                Column("section_id", "one section on one file", "id", required=True),
                Column("field_id", "field of the section, where a section is several files", "id"),
                _PATH,
                Column("stain", "a stain that config.yaml describes", "id", required=True),
                _PIXEL,
                Column("pixel_reason", "why pixel_um overrules the size that the file states"),
                Column("rois", "regions of interest as QuPath GeoJSON", "path"),
                *_MASK,
                _CONFIRMED,
            ),
        ),
        Sheet(
            "cultures",
            "pictures of cultures, plates, and tables of Cq or bands",
            ("specimen_id", "readout", "plate", "well", "time"),
            (
                *_SPECIMEN,
                Column(
                    "assay",
                    "what the file is",
                    "choice",
                    required=True,
                    allowed=("scratch", "plate", "qpcr", "western", "tubes", "junctions", "nuclei"),
                ),
                Column("readout", "outcome of a plate (prol, surv …), or of the study's own", "id"),
                Column("channel", "channel of a picture with several, by name or number"),
                Column("marker", "channel of what nuclei are positive for, by name or number"),
                Column(
                    "lines",
                    "how tubes or junctions stand out; bright where empty",
                    "choice",
                    allowed=("bright", "dark"),
                ),
                Column("sample", "its name in a table of Cq or bands; specimen_id where empty"),
                Column("target", "gene or band of such a table"),
                Column("over", "reference genes or loading that it is divided by, separated by |"),
                _PATH,
                Column("plate", "plate; where a file holds several, as it is named there"),
                Column("well", "well, as A1", "id"),
                Column(
                    "area_cm2",
                    "area of the insert's membrane; teer and papp need it",
                    "number",
                    minimum=0.01,
                    maximum=100,
                    unit="cm2",
                    hint="an area above 100 cm² was probably written in mm²",
                ),
                Column(
                    "volume_ml",
                    "volume of the receiving side; papp needs it",
                    "number",
                    minimum=0.001,
                    maximum=100,
                    unit="ml",
                    hint="a volume above 100 ml was probably written in µl",
                ),
                Column(
                    "donor_signal",
                    "signal of the tracer on the giving side at the start, in the plate's own unit, blank subtracted; papp needs it",
                    "number",
                    minimum=0,
                ),
                Column(
                    "cue",
                    "wound cue given (1) or not (0); the vehicle is matched within the same cue",
                    "choice",
                    allowed=("0", "1"),
                ),
                _PIXEL,
                Column(
                    "interval_h",
                    "time between frames of an image series",
                    "number",
                    minimum=0.001,
                    maximum=1000,
                    unit="h",
                ),
                _CONFIRMED,
            ),
        ),
        Sheet(
            "libraries",
            "RNA-seq libraries",
            ("specimen_id",),
            (
                *_SPECIMEN,
                Column(
                    "assay",
                    "bulk or single cell",
                    "choice",
                    required=True,
                    allowed=("bulk", "singlecell"),
                ),
                _PATH,
                Column(
                    "format",
                    "how the file is written; from its name where empty",
                    "choice",
                    allowed=(
                        "matrix",
                        "featurecounts",
                        "htseq",
                        "star",
                        "rsem",
                        "salmon",
                        "kallisto",
                        "nfcore",
                        "h5ad",
                        "10x",
                    ),
                ),
                Column("sample", "column (or cell label) of the library in a shared file"),
                Column(
                    "lengths", "gene_lengths.tsv beside nf-core's merged gene_counts.tsv", "path"
                ),
                Column("compartment", "tissue or cell compartment"),
                Column("cell_source", "what cells were sequenced"),
                Column("cell_type", "type of all cells of a sorted single-cell library"),
                Column("species", "species of the reads", "choice", required=True, allowed=SPECIES),
                Column(
                    "reference",
                    "genes in the file: of the library's species (own), or also of others (combined)",
                    "choice",
                    allowed=("own", "combined"),
                ),
                Column("co_culture", "other species or cells in the dish"),
                Column("cue", "wound cue given (1) or not (0)", "choice", allowed=("0", "1")),
            ),
        ),
        Sheet(
            "imports",
            "tables of other programs",
            ("specimen_id", "section_id", "path"),
            (
                *_SPECIMEN,
                Column(
                    "section_id",
                    "section, where the table is of one; of a QuPath table of several images the "
                    "one of this name",
                    "id",
                ),
                _PATH,
                Column(
                    "format",
                    "program that wrote it",
                    "choice",
                    required=True,
                    allowed=("ctan", "qupath"),
                ),
                Column("modality", "what it measures", "choice", allowed=modalities.NAMES),
                Column("roi", "region of interest to take from the table"),
                Column(
                    "outcomes",
                    "what is made of QuPath's columns: outcome=numerator/denominator, separated by "
                    "|, as neu=Num Positive/Area",
                ),
            ),
        ),
        Sheet(
            "clinical",
            "what was seen in the living animal",
            ("animal_id", "outcome", "time", "condition", "dose"),
            (
                Column("animal_id", "animal", "id", required=True),
                Column("outcome", "outcome of the dictionary", "id", required=True),
                Column("value", "the number", "number", required=True),
                Column("time", "time of the observation", "number", minimum=0),
                Column("time_unit", "unit of the time", "choice", allowed=TIME_UNITS),
                Column("observer", "who"),
                *_CONDITION,
            ),
        ),
        Sheet(
            "readings",
            "numbers read by hand",
            ("specimen_id", "section_id", "field_id", "outcome", "time", "reader"),
            (
                Column("specimen_id", "specimen", "id", required=True),
                Column("animal_id", "unit it comes from", "id", required=True),
                Column("reader", "who read it", "id", required=True),
                Column("section_id", "section", "id"),
                Column("field_id", "field", "id"),
                Column("outcome", "outcome of the dictionary", "id", required=True),
                Column("value", "the number", "number", required=True),
                Column("numerator", "count or part", "number", minimum=0),
                Column("denominator", "area, length or whole", "number", minimum=0),
                Column("denominator_unit", "unit of the denominator"),
                Column("time", "time of the measurement", "number", minimum=0),
                Column("time_unit", "unit of the time", "choice", allowed=TIME_UNITS),
                *_CONDITION,
            ),
        ),
        Sheet(
            "exclusions",
            "what is left out, and why",
            ("level", "id", "modality"),
            (
                Column(
                    "level",
                    "what is left out",
                    "choice",
                    required=True,
                    allowed=("animal", "specimen", "section"),
                ),
                Column("id", "its id", "id", required=True),
                Column("modality", "modality; empty for all", "choice", allowed=modalities.NAMES),
                Column("reason", "why", required=True),
                Column("date", "when, as YYYY-MM-DD", "date", required=True),
                Column("by", "who", required=True),
                Column(
                    "blind",
                    "decided blind to the arm",
                    "choice",
                    required=True,
                    allowed=("yes", "no"),
                ),
            ),
        ),
    )
}
SPECIMEN_SHEETS = tuple(n for n, s in SHEETS.items() if "path" in s.names)
# Sheets whose rows may state an arm within the unit; those after the specimens' hold numbers and no files.
NUMBER_SHEETS = ("clinical", "readings")
CONDITION_SHEETS = (*SPECIMEN_SHEETS, *NUMBER_SHEETS)


def observed(animal: str, condition: str, dose: float) -> str:
    """Id of the specimen of a clinical observation: the animal, or what it was given when it was observed."""
    name = f"{animal}.{condition}" if condition else animal
    return f"{name}.{dose:g}" if dose == dose else name


# What a measuring job may not see.
ARM_COLUMNS = (
    "group",
    "condition",
    "dose",
    "dose_unit",
    "cue",
    "co_culture",
    "block",
    "note",
    "replaces",
    "confirmed",  # a decision on the result: it measures nothing again
)


def plain_id(identifier: str) -> str:
    """An id without case and leading zeros: what people, and some file systems, take for the same."""
    return re.sub(r"(?<!\d)0+(?=\d)", "", identifier).casefold()


def confirmations(sheets: Mapping[str, pd.DataFrame]) -> dict[tuple[str, str], str]:
    """What the sheets confirm although a quality gate holds it back: (id column, id) → who and why."""
    found = {}
    for sheet in sheets.values():
        if "confirmed" not in sheet.columns:
            continue
        column = "section_id" if "section_id" in sheet.columns else "specimen_id"
        said = sheet["confirmed"].fillna("").astype(str).str.strip()
        for identifier, text in zip(sheet[column].astype(str), said, strict=True):
            if text:
                found[column, identifier] = text
    return found


def read_sheet(name: str, path: str | os.PathLike[str] | None) -> pd.DataFrame:
    """Read a sheet leniently: all declared columns, typed, indexed by the spreadsheet's row; empty where it cannot be read.

    The check reports what is wrong with it; here nothing fails, so that a slip in a sheet does not break unlocking.
    """
    return read_sheet_with_problems(name, path)[0]


def read_sheet_with_problems(
    name: str, path: str | os.PathLike[str] | None, shown: str = ""
) -> tuple[pd.DataFrame, list[Problem]]:
    """As `read_sheet`, together with what reading showed; cells that are no numbers become missing."""
    sheet = SHEETS[name]
    if not path:
        return _complete(pd.DataFrame(), sheet), []
    table = read_table(path, shown or str(path))
    data, problems = table.data.copy(), list(table.problems)
    for column in sheet.columns:
        if column.kind == "number" and column.name in data.columns:
            data[column.name], found = decimal_commas(data[column.name], shown or str(path))
            problems += found
    return _complete(data, sheet), problems


def _complete(data: pd.DataFrame, sheet: Sheet) -> pd.DataFrame:
    absent = pd.Series("", index=data.index, dtype=str)
    columns = {}
    for column in sheet.columns:
        cells = data[column.name] if column.name in data.columns else absent
        if column.kind == "number":
            cells = pd.to_numeric(cells, errors="coerce").astype(float)
        columns[column.name] = cells
    out = pd.DataFrame(columns, index=data.index)
    if "role" in out.columns:
        out["role"] = out["role"].replace("", "sample")
    return out
