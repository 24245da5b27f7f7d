"""What the check sees of sections and their regions before they are measured: headers and annotations, never pixels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from periomics.core.errors import InputError, PeriomicsError
from periomics.core.problems import Problem
from periomics.histology import edits
from periomics.histology.large.section import open_large
from periomics.histology.proposals import PROPOSED
from periomics.histology.sections import (
    MOST_PIXELS,
    NO_REGIONS,
    WHOLE,
    described,
    part_in_memory,
    region_kind,
)
from periomics.histology.settings import (
    ANY_VECTORS,
    StainSettings,
    of_any_vectors,
    stain_settings,
)
from periomics.histology.stated import also_needed
from periomics.imaging import rois
from periomics.imaging.readers import ImageInfo, channel_number, probed, stated_bits
from periomics.imaging.whole import refuse_cut
from periomics.study.check.opened import Look, Named


def look_at_section(named: Named) -> Look:
    """Format, length, colours and bits of a stained section, and whether it has regions to be measured in."""
    info = probed(named.path)
    refuse_cut(named.path)
    problems = _kinds(named, info) + _too_large(named, info)
    for row, facts in named.rows.items():
        region = region_of(named, facts)
        if region and not facts.get("rois"):
            block = _block(named, str(facts.get("stain", "")))
            told, allowed = NO_REGIONS, f"GeoJSON with {region[1]} annotation {region[0]!r}"
            if block.get("regions") == "proposed":
                if region[0] in PROPOSED:
                    continue
                told = f"{NO_REGIONS}, and no region {region[0]!r} is proposed"
                allowed += f"; proposed are {', '.join(PROPOSED)}"
            problems += named.problem(told, "", allowed, rows=[row], column="rois")
    return Look(problems, info.pixel_um)


def _too_large(named: Named, info: ImageInfo) -> list[Problem]:
    """Rows whose regions neither fit into memory nor are measured by tiles."""
    problems: list[Problem] = []
    if info.width * info.height <= MOST_PIXELS:
        return problems
    for row, facts in named.rows.items():
        stain = str(facts.get("stain", ""))
        try:
            settings = of_any_vectors(stain, _block(named, stain))
            seen, source_um, annotations = described(facts, settings)
            if open_large(facts, settings):
                continue
        except (PeriomicsError, OSError):
            continue  # told at the config, the region or the image
        try:
            part_in_memory(seen, source_um, annotations, settings, "")
        except InputError as error:
            problems += named.problem(error.message, named.cell, error.allowed or "", rows=[row])
    return problems


def _kinds(named: Named, info: ImageInfo) -> list[Problem]:
    """Whether the picture is of the kind that the config says of each row's stain."""
    rows: dict[str, list[int]] = {}
    for row, facts in named.rows.items():
        rows.setdefault(str(facts.get("stain", "")), []).append(row)
    problems = []
    for stain, of in rows.items():
        block = _block(named, stain)
        if block.get("image") == "fluorescence":
            problems += _channels(named, info, block, of)
        else:
            problems += _colours(named, info, stain, of) + _bits(named, info, of)
    return problems


def _channels(
    named: Named, info: ImageInfo, block: Mapping[str, object], rows: list[int]
) -> list[Problem]:
    """Channels that a file of fluorescence does not have, and bits that are not stated."""
    given, bits = block.get("channels"), block.get("bits")
    problems = []
    try:
        for channel in given if isinstance(given, list) else []:
            if isinstance(channel, str | int):
                channel_number(info, channel)
        stated_bits(info, bits if isinstance(bits, int) else None)
    except InputError as error:
        found = ", ".join(info.names) or info.dtype
        problems += named.problem(error.message, found, error.allowed or "", rows=rows)
    if info.dtype not in ("uint8", "uint16"):
        problems += _bits(named, info, rows)
    return problems


def _colours(named: Named, info: ImageInfo, stain: str, rows: list[int]) -> list[Problem]:
    allowed = "red, green and blue"
    if info.colour == "grey":
        message = f"the picture is grey: stain {stain} is told by its colours"
        return named.problem(message, named.cell, allowed, rows=rows)
    if info.colour == "channels":
        message = f"{info.channels} channels that are no colours: stain {stain} is told by colours"
        found = ", ".join(info.names) or named.cell
        allowed += ", or image: fluorescence in the stain's block"
        return named.problem(message, found, allowed, rows=rows)
    if info.channels == 4 and not info.transparent:
        message = "the file does not say what its fourth sample is: it is not read as transparency"
        allowed = "red, green and blue; or a fourth sample that is named as transparency (alpha)"
        return named.problem(message, named.cell, allowed, rows=rows, level="warning")
    return []


def _bits(named: Named, info: ImageInfo, rows: list[int]) -> list[Problem]:
    if info.dtype in ("uint8", "uint16"):
        return []
    message = "type of its pixels is not read"
    return named.problem(message, info.dtype, "8 or 16 bits a channel", rows=rows)


def _block(named: Named, stain: str) -> Mapping[str, object]:
    """A stain's block of the config; empty where there is none."""
    stains = named.section("histology").get("stains")
    block = stains.get(stain) if isinstance(stains, Mapping) else None
    return block if isinstance(block, Mapping) else {}


def region_of(named: Named, facts: Mapping[str, object]) -> tuple[str, str] | None:
    """Name and kind of the annotation that a row's stain is measured in; None where that is the whole picture, or the config does
    not say (told there)."""
    stain = str(facts.get("stain", ""))
    block = _block(named, stain)
    if not block:
        return None
    told = {k: block[k] for k in ("detector", "roi") if block.get(k) is not None}
    try:
        settings = stain_settings({"stains": {stain: told | ANY_VECTORS}}, {})[stain]
    except InputError:
        return None
    return None if settings.roi == WHOLE else (settings.roi, region_kind(settings.detector))


def look_at_regions(named: Named) -> Look:
    """Annotations: GeoJSON, geometries, the names that the stains of the rows ask for, and places inside the image."""
    annotations = rois.read_geojson(named.path)
    problems = []
    for row, facts in named.rows.items():
        region = region_of(named, facts)
        if region:
            problems += [
                p
                for found in _region(named, annotations, region, facts)
                for p in named.problem(*found, rows=[row], inside=named.path.name)
            ]
        problems += _also(named, annotations, row)
    return Look(problems)


def _also(named: Named, annotations: list, row: int) -> list[Problem]:
    """A warning where results need an annotation beside the region that is not there: a section may
    hold no bone."""
    stain = str(named.rows[row].get("stain", ""))
    name, results = also_needed(_block(named, stain))
    if not results or rois.named(annotations, name):
        return []
    message = f"no annotation {name!r}: stain {stain} gives no {', '.join(results)} there"
    found = ", ".join(sorted({a.name for a in annotations}))
    allowed = f"Polygon annotation {name!r}"
    return named.problem(
        message, found, allowed, rows=[row], level="warning", inside=named.path.name
    )


def _region(
    named: Named, annotations: list, region: tuple[str, str], facts: Mapping[str, object]
) -> Iterator[tuple[str, str, str]]:
    """Message, value and what is allowed where a row's region is not there, or not on its image."""
    name, kind = region
    try:
        shapes = rois.need(annotations, name, kind)
    except InputError as error:
        others = {a.geometry.geom_type for a in annotations if a.name == name}
        what = f"annotation {name!r} is no {kind}" if others else error.message
        found = ", ".join(sorted(others)) or ", ".join(sorted({a.name for a in annotations}))
        message = f"{what}, which stain {facts['stain']} is measured in"
        yield message, found, f"{kind} annotation {name!r}"
        return
    try:
        image = probed(Path(str(facts.get("path", ""))))
    except (PeriomicsError, OSError):
        return  # told at the image
    bounds = [s.bounds for s in shapes]
    if all(b[0] >= image.width or b[1] >= image.height or b[2] <= 0 or b[3] <= 0 for b in bounds):
        message = f"annotation {name!r} lies outside the image"
        place = ", ".join(f"{v:g}" for v in bounds[0])
        yield message, place, f"pixels from 0, 0 to {image.width}, {image.height}"


def look_at_drawing(named: Named) -> Look:
    """Detections that a person edited: of this section, on its pixels, of classes that its stain
    has."""
    if named.path.suffix.lower() not in (".geojson", ".json"):
        message = "edited detections are no GeoJSON as QuPath exports it"
        return Look(named.problem(message, named.cell, ".geojson or .json"))
    problems = []
    for row, facts in named.rows.items():
        try:
            problems += [
                p for told in _edits(named, facts) for p in named.problem(*told, rows=[row])
            ]
        except (PeriomicsError, OSError) as error:
            problems += named.refused(error, [row])
    return Look(problems)


def _edits(named: Named, facts: Mapping[str, object]) -> Iterator[tuple[str, str, str]]:
    """Message, value and what is allowed where edited detections are not of a row's section."""
    settings = _settings(named, facts)
    if settings is None:
        return  # told at the config
    drawn = edits.read_edits(str(named.path), settings)
    try:
        image, source_um, _ = described(facts, settings)
        large = open_large(facts, settings)
    except (PeriomicsError, OSError):
        return  # told at the region or the image
    if large:
        yield edits.BY_TILES, named.cell, edits.SMALLER
    if count := edits.outside(drawn, image.width, image.height):
        message = "edited detections lie outside the image: they are of another section or size"
        yield message, f"{count} of {len(drawn)}", f"from 0, 0 to {image.width}, {image.height}"
    yield from edits.misplaced(drawn, facts, settings.stain, source_um)


def _settings(named: Named, facts: Mapping[str, object]) -> StainSettings | None:
    """What a row's block says, with any two stains; None where it cannot be read."""
    stain = str(facts.get("stain", ""))
    told = dict(_block(named, stain))
    if told.get("image") != "fluorescence" and not isinstance(told.get("vectors"), Mapping):
        told |= ANY_VECTORS
    try:
        return stain_settings({"stains": {stain: told}}, {})[stain]
    except PeriomicsError:
        return None
