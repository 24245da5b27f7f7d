"""What the check sees of scratch series and plates before they are measured."""

from __future__ import annotations

from periomics.core.errors import InputError, nearest
from periomics.core.problems import Problem
from periomics.culture.counts import POSITIVE
from periomics.culture.measure import NO_INTERVAL
from periomics.culture.planes import channel_index, channel_names
from periomics.culture.plates import WELLS, plate_named, read_plates, well_name
from periomics.culture.ratios import lacks, read_ratios
from periomics.culture.wells import READOUTS, lacking
from periomics.imaging.readers import ImageInfo, probe
from periomics.imaging.series import frame_files
from periomics.imaging.whole import refuse_cut
from periomics.study.check.opened import Look, Named, Row

# Where an outcome of periomics comes from pictures or volumes.
MEASURED = ("microct", "histology", "culture")


def look_at_series(named: Named) -> Look:
    """A frame, a file or a folder of frames: format, length, one size, and the time between frames."""
    files = frame_files(named.path) if named.path.is_dir() else [named.path]
    headers = []
    for file in files:
        refuse_cut(file)
        headers.append(probe(file))
    first = headers[0]
    problems = _alike(named, headers)
    frames = len(files) if len(files) > 1 else first.pages
    lacking = [r for r, facts in named.rows.items() if not {"interval_h", "time"} & set(facts)]
    if frames > 1 and lacking:
        stated = f"{frames} frames"
        problems += named.problem(NO_INTERVAL, stated, "hours", rows=lacking, column="interval_h")
    return Look(problems, first.pixel_um)


def _alike(named: Named, headers: list[ImageInfo]) -> list[Problem]:
    first = headers[0]
    for info in headers:
        if info.dtype not in ("uint8", "uint16"):
            message, allowed = "type of its pixels is not read", "8 or 16 bits a channel"
            return named.problem(message, info.dtype, allowed, inside=info.path.name)
        if (info.width, info.height) != (first.width, first.height):
            message = f"frame differs in size from {first.path.name}"
            found, allowed = (f"{i.width} x {i.height}" for i in (info, first))
            return named.problem(message, found, allowed, inside=info.path.name)
    return []


def look_at_plate(named: Named) -> Look:
    """Plates of a file, whether the wells that the sheet names are on them, each once, and whether readouts have what they need."""
    plates = read_plates(named.path)
    problems: list[Problem] = []
    taken: dict[tuple[str, str, object], int] = {}
    for row, facts in named.rows.items():
        problems += _needed(named, row, facts)
        try:
            plate = plate_named(list(plates), str(facts.get("plate", "")), named.path)
        except InputError as error:
            problems += named.problem(
                error.message, error.value, error.allowed, rows=[row], column="plate"
            )
            continue
        signals, stated = plates[plate], str(facts.get("well", ""))
        try:
            well = well_name(stated)
        except ValueError:
            message = "not a well of a plate" if stated else "a plate needs its well"
            problems += named.problem(message, stated, WELLS, rows=[row], column="well")
            continue
        if well not in signals.index:
            message = f"{named.path.name} has no such well{nearest(well, signals.index)}"
            allowed = f"{len(signals)} wells, {signals.index[0]} to {signals.index[-1]}"
            problems += named.problem(message, stated, allowed, rows=[row], column="well")
        before = taken.setdefault((plate, well, facts.get("readout")), row)
        if before != row:
            message = f"the well is taken already in row {before}"
            problems += named.problem(message, stated, rows=[row], column="well")
    return Look(problems)


def look_at_picture(named: Named) -> Look:
    """A picture of tubes, junctions or nuclei: whole, of whole numbers, and with the channels that the sheet names."""
    refuse_cut(named.path)
    info = probe(named.path)
    problems: list[Problem] = []
    if info.dtype not in ("uint8", "uint16"):
        problems += named.problem(
            "type of its pixels is not read", info.dtype, "8 or 16 bits a channel"
        )
    names = channel_names(named.path)
    for row, facts in named.rows.items():
        for column in ("channel", "marker"):
            channel = str(facts.get(column, ""))
            if not channel and (column == "marker" or info.colour == "rgb"):
                continue  # one colour may be all that a picture holds: told by its pixels
            try:
                channel_index(names, channel, named.path, column)
            except InputError as error:
                problems += named.problem(
                    error.message, error.value, error.allowed, rows=[row], column=column
                )
        if facts.get("marker"):
            if not facts.get("readout"):
                problems += named.problem("needs its outcome", rows=[row], column="readout")
            problems += _measured_elsewhere(named, row, facts, POSITIVE)
    return Look(problems, info.pixel_um)


def look_at_ratios(named: Named) -> Look:
    """A table of Cq or bands, and whether it holds what the rows of the sheet name."""
    problems: list[Problem] = []
    assays = sorted({str(facts.get("assay")) for facts in named.rows.values()})
    tables = {assay: read_ratios(named.path, assay) for assay in assays}
    for row, facts in named.rows.items():
        lost = lacks(facts, tables[str(facts["assay"])])
        if lost:
            column, message = lost
            problems += named.problem(message, facts.get(column), rows=[row], column=column)
        if not facts.get("readout") and facts.get("role") != "blank":
            problems += named.problem("needs its outcome", rows=[row], column="readout")
        problems += _measured_elsewhere(named, row, facts, ())
    return Look(problems)


def _needed(named: Named, row: int, facts: Row) -> list[Problem]:
    """What a readout lacks in the sheet, and outcomes that no signal of a plate is or becomes."""
    problems: list[Problem] = []
    for column in lacking(facts):
        message = f"{facts['readout']} needs it"
        problems += named.problem(message, rows=[row], column=column)
    return problems + _measured_elsewhere(named, row, facts, READOUTS)


def _measured_elsewhere(
    named: Named, row: int, facts: Row, readouts: tuple[str, ...]
) -> list[Problem]:
    """An outcome of periomics that comes from pictures, volumes or other signals than these."""
    readout, known = str(facts.get("readout", "")), named.dictionary
    if readout not in known.index or readout in readouts:
        return []
    if known.at[readout, "modality"] not in MEASURED:
        return []
    message = "is no outcome of this assay"
    allowed = ", ".join([*readouts, "an outcome of the study's own"])
    return named.problem(message, readout, allowed, rows=[row], column="readout")
