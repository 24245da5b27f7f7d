"""Measurements of pictures of tubes and of junctions."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from periomics.culture.network import Network, find_network
from periomics.culture.planes import read_plane
from periomics.study.settings.culture import Culture

Fact = Mapping[str, object]
TUBES = ("tube_length", "tube_branches", "tube_nodes", "tube_meshes", "tube_mesh_size")
JUNCTIONS = ("junc_length",)
ASSAYS = {"tubes": TUBES, "junctions": JUNCTIONS}
DARK = "dark"
_MAX_SATURATED = 0.01


def line_rows(fact: Fact, settings: Culture) -> tuple[list[dict[str, object]], np.ndarray, Network]:
    """Measurements of one picture, the picture, and what was found."""
    sheet_um = fact.get("pixel_um")
    plane = read_plane(
        str(fact["path"]),
        str(fact.get("channel", "")),
        None if sheet_um is None else float(str(sheet_um)),
    )
    tubes = fact["assay"] == "tubes"
    width = settings.tube_um if tubes else settings.junction_um
    found = find_network(plane.values, plane.pixel_um, width, settings, fact.get("lines") == DARK)
    holds, notes = list(found.holds), list(found.warnings)
    if plane.pixel_um > width / 2:
        holds.append(f"pixels of {plane.pixel_um:.3g} µm are too coarse for lines of {width:g} µm")
    if plane.saturated > _MAX_SATURATED:
        notes.append(f"{100 * plane.saturated:.0f} % of the pixels are saturated")
    common = {
        "level": "well",
        "method": "lines that stand out, thinned",
        "qc": "hold" if holds else "warn" if notes else "pass",
        "qc_reason": "; ".join([*holds, *notes]),
        "time": fact.get("time"),
        "time_unit": fact.get("time_unit", ""),
    }
    rows = _tubes(found, common) if tubes else _junctions(found, common)
    return rows, plane.values, found


def _density(outcome: str, number: float, unit: str, found: Network, common: Mapping) -> dict:
    return {
        "outcome": outcome,
        "value": number / found.area_mm2,
        "unit": unit,
        "numerator": number,
        "denominator": found.area_mm2,
        "denominator_unit": "mm2",
        **common,
    }


def _tubes(found: Network, common: Mapping) -> list[dict[str, object]]:
    rows = [_density("tube_length", found.length_um / 1000, "mm/mm2", found, common)]
    for outcome, number in (
        ("tube_branches", found.branches),
        ("tube_nodes", found.nodes),
        ("tube_meshes", found.meshes),
    ):
        rows.append(_density(outcome, number, "1/mm2", found, common))
    size = found.mesh_um2 / found.meshes if found.meshes else None
    row = {"outcome": "tube_mesh_size", "value": size, "unit": "um2", "n_sub": found.meshes}
    row |= common
    if size is None and row["qc"] == "pass":
        row |= {"qc": "warn", "qc_reason": "no mesh is closed within the field"}
    return [*rows, row]


def _junctions(found: Network, common: Mapping) -> list[dict[str, object]]:
    return [_density("junc_length", found.length_um / 1000, "mm/mm2", found, common)]
