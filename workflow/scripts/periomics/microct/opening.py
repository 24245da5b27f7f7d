"""What the check sees of scans and label maps before they are measured: headers, never voxels."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from periomics.core.errors import InputError, SpecimenError
from periomics.core.problems import Problem
from periomics.microct.formats.header import Header, isotropic_voxel
from periomics.microct.formats.readers import probe
from periomics.microct.formats.whole import refuse_cut
from periomics.microct.told import at_right_angles, told_of
from periomics.study.check.opened import Look, Named
from periomics.study.settings.microct import Microct
from periomics.study.settings.section import read_section, section_of
from periomics.study.study import Study

SAME_VOXEL = 0.01  # share by which voxels of two scans may differ
probed = lru_cache(maxsize=4096)(probe)  # a label map asks for the header of its scan again


def look_at_scan(named: Named) -> Look:
    """Format, length, cubes of voxels, and thresholds that no voxel could reach."""
    header = probed(named.path)
    refuse_cut(named.path, header)
    unfit = _not_cubes(named, header)
    problems = (named.refused(unfit) if unfit else []) + _thresholds(named, header)
    if named.column == "earlier":
        problems += _comparable(named, header)
    else:
        problems += _outside(named, header) + _sides(named) + _implants(named)
    size = None if header.spacing_um is None else float(min(header.spacing_um))
    return Look(problems, size, header.dtype)


def look_at_labels(named: Named) -> Look:
    """A corrected label map: format, length, and the shape of its scan."""
    header = probed(named.path)
    refuse_cut(named.path, header)
    problems = []
    for row, facts in named.rows.items():
        try:
            scan = probed(Path(str(facts.get("path", ""))))
        except InputError:
            continue  # told at the scan
        if header.shape != scan.shape:
            message = "the mask has another shape than the scan"
            found, allowed = (" x ".join(map(str, h.shape)) for h in (header, scan))
            problems += named.problem(message, found, allowed, rows=[row])
    return Look(problems)


def check_shoulder(study: Study) -> list[Problem]:
    """A note where no length of the implant is declared: no scan tells an implant from metal of its
    width that stands on it."""
    settings = read_section(Microct, section_of(study.config, "microct"), "config", "microct")[0]
    told = settings is None or settings.implant == "none" or settings.implant_length_um is not None
    if told or study.sheets["scans"].empty:
        return []
    message = (
        "is not declared: a cover screw exactly as wide as the implant would pass for its upper end "
        "(wider and narrower metal is told)"
    )
    where = "microct/implant_length_um"
    return [Problem("config", 0, where, message, allowed="µm from apex to shoulder", level="note")]


def _not_cubes(named: Named, header: Header) -> SpecimenError | None:
    """Why voxels may not be measured as they are, as the job would say it."""
    settings = named.settings(Microct, "microct")
    if header.spacing_um is None or (settings and settings.voxels == "resample"):
        return None
    try:
        isotropic_voxel(header.spacing_um)
    except SpecimenError as error:
        return error
    return None


def largest_grey(header: Header) -> float | None:
    """Largest value that a voxel can have after any scaling; None where it has no bound that the header tells."""
    if "_range" in header.facts:
        return float(header.facts["_range"][1])
    kind = "int16" if header.format == "isq" else header.dtype
    if kind == "native" or np.dtype(kind).kind not in "ui":
        return None
    return float(np.iinfo(kind).max)


def _thresholds(named: Named, header: Header) -> list[Problem]:
    """Thresholds in grey above the largest value of the scan: nothing would be bone, or nothing metal."""
    largest = largest_grey(header)
    settings = named.settings(Microct, "microct")
    rows = _measured_rows(named)
    if largest is None or settings is None or not rows:
        return []
    above = [f"{k} {v:g}" for k, v in _grey_thresholds(settings).items() if v > largest]
    if not above:
        return []
    scaled = " after scaling" if np.dtype(header.dtype).kind == "f" else f" ({header.dtype})"
    message = f"no voxel reaches the threshold: its values end at {largest:g}{scaled}"
    allowed = f"thresholds up to {largest:g}, set in the config from grey values of these scans"
    return named.problem(message, ", ".join(above), allowed, rows=rows)


def _comparable(named: Named, header: Header) -> list[Problem]:
    """An earlier scan whose bone could not be told as that of the later one, or whose voxels have another size."""
    settings, problems = named.settings(Microct, "microct"), []
    wanted = (
        ()
        if settings is None
        else (
            ("threshold_rule", settings.threshold_rule, ("fixed",)),
            ("segmentation", settings.segmentation, ("fixed",)),
            ("calibration", settings.calibration, ("none", "line")),
        )
    )
    for key, value, allowed in wanted:
        if value not in allowed:
            message = f"an earlier scan can only be compared by one grey threshold: microct/{key}"
            problems += named.problem(message, value, ", ".join(allowed))
    for row, facts in named.rows.items():
        try:
            now = probed(Path(str(facts.get("path", ""))))
        except InputError:
            continue  # told at the scan
        if header.spacing_um is None or now.spacing_um is None:
            continue
        here, there = min(now.spacing_um), min(header.spacing_um)
        if abs(there / here - 1) > SAME_VOXEL:
            message = "the earlier scan has voxels of another size"
            problems += named.problem(message, f"{there:.6g} µm", f"{here:.6g} µm", rows=[row])
    return problems


def _outside(named: Named, header: Header) -> list[Problem]:
    """A declared box or cylinder that leaves the scan: its region would be smaller than declared."""
    settings = named.settings(Microct, "microct")
    if settings is None or header.spacing_um is None:
        return []
    voi, found = settings.voi, []
    ends = [n * s for n, s in zip(header.shape, header.spacing_um, strict=True)]
    for name, (_, high), end in zip("zyx", voi.box_um or (), ends, strict=False):
        if high > end * (1 + 1e-6):
            message = f"microct/voi/box_um leaves the scan along {name}"
            found.append((message, f"{high:g} µm", f"up to {end:g} µm"))
    if settings.implant == "none" and voi.radius_um is not None:
        middle = voi.centre_um or (ends[1] / 2, ends[2] / 2)
        room = min(min(at, end - at) for at, end in zip(middle, ends[1:], strict=True))
        if voi.radius_um > room * (1 + 1e-6):
            message = "microct/voi/radius_um leaves the slices of the scan"
            found.append((message, f"{voi.radius_um:g} µm", f"up to {room:g} µm"))
    rows = _measured_rows(named)
    return [p for one in found if rows for p in named.problem(*one, rows=rows)]


def _sides(named: Named) -> list[Problem]:
    """Sides that the region asks for and a row does not say, or that do not meet at right angles."""
    settings = named.settings(Microct, "microct")
    problems = []
    for row in _measured_rows(named):
        told = told_of(named.rows[row])
        if told.sides is not None and not at_right_angles(told.sides):
            message = "the mesial side is no quarter of a turn away from the buccal one"
            turned = (told.sides[0] + 90) % 360, (told.sides[0] - 90) % 360
            allowed = f"{turned[0]:g} or {turned[1]:g}"
            problems += named.problem(
                message, told.sides[1], allowed, rows=[row], column="mesial_degrees"
            )
        if settings is None or not settings.voi.needs_sides or told.sides is not None:
            continue
        for column in ("buccal_degrees", "mesial_degrees"):
            if getattr(told, column) is None:
                message = "is needed where microct/voi/parts or only name sides or octants"
                problems += named.problem(message, rows=[row], column=column)
    return problems


def _implants(named: Named) -> list[Problem]:
    """Rows of one scan that do not say each its own implant of the same number."""
    rows = _measured_rows(named)
    told = {row: told_of(named.rows[row]) for row in rows}
    settings = named.settings(Microct, "microct")
    numbers = {t.implants for t in told.values()}
    most, problems, seen = max(numbers, default=1), [], set()
    for row, one in told.items():
        if settings is not None and settings.implant == "none":
            if one.implants > 1 or "implant" in named.rows[row]:
                message = "the study is measured without implants (microct/implant: none)"
                problems += named.problem(message, rows=[row], column="implants", allowed="empty")
            continue
        for column in ("implants", "implant"):
            value = str(named.rows[row].get(column, 1))
            if not float(value).is_integer():
                problems += named.problem(
                    "is no whole number", value, "1, 2, …", rows=[row], column=column
                )
        if one.implants != most:
            message = "another row says another number of implants of the same scan"
            problems += named.problem(message, one.implants, most, rows=[row], column="implants")
        elif one.implant > one.implants:
            message = "the scan holds no such implant"
            allowed = f"1 to {one.implants} (implants)"
            problems += named.problem(message, one.implant, allowed, rows=[row], column="implant")
        elif one.implant in seen:
            message = "another row is the same implant of the same scan"
            allowed = f"each of 1 to {most} once (implants says how many the scan holds)"
            problems += named.problem(message, one.implant, allowed, rows=[row], column="implant")
        elif most > 1 and "implant" not in named.rows[row]:
            message = "is needed where a scan holds several implants"
            problems += named.problem(message, "", f"1 to {most}", rows=[row], column="implant")
        seen.add(one.implant)
    return problems


def _measured_rows(named: Named) -> list[int]:
    return [r for r, facts in named.rows.items() if facts.get("role") != "phantom"]


def _grey_thresholds(settings: Microct) -> dict[str, float]:
    """Thresholds that are compared with the scan's own numbers."""
    found = {}
    if settings.threshold_rule == "fixed" and settings.threshold_unit == "grey":
        found["bone_threshold"] = settings.bone_threshold
    if settings.implant == "required":
        found["implant_threshold"] = settings.implant_threshold
    return {k: v for k, v in found.items() if v is not None}
