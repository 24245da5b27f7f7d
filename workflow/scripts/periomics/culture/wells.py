"""From the wells of a plate to measurements: what a signal is of, its area and volumes, and the plate's own quality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from periomics.core.errors import InputError
from periomics.culture.plates import (
    WELLS,
    edge_well,
    plate_named,
    read_plates,
    well_name,
    window,
)
from periomics.study.settings.culture import Culture

# Readouts of a plate whose signal is not yet the outcome, and the facts that the sheet must state for them.
SIGNAL = "signal"
RESISTANCE = "ohm"
NEEDS: dict[str, tuple[str, ...]] = {
    "teer": ("area_cm2",),
    "papp": ("area_cm2", "volume_ml", "donor_signal", "time"),
}
# Outcomes of periomics that a plate's signal can become with what stands in the sheet; a study's own may be signals as they are.
READOUTS = ("prol", "surv", "adh", "cyto", *NEEDS)

Fact = Mapping[str, object]


def by_file(facts: Sequence[Fact]) -> dict[str, list[Fact]]:
    """Path → rows of the sheet that lie on its plates."""
    out: dict[str, list[Fact]] = {}
    for fact in sorted((f for f in facts if f["assay"] == "plate"), key=lambda f: str(f["path"])):
        out.setdefault(str(fact["path"]), []).append(fact)
    return out


def lacking(fact: Fact) -> list[str]:
    """Columns of the cultures sheet that a row's readout needs and that are empty; blanks need none."""
    if fact.get("role") == "blank":
        return []
    return [c for c in NEEDS.get(str(fact.get("readout", "")), ()) if fact.get(c) in (None, "")]


def file_rows(
    facts: Sequence[Fact], settings: Culture
) -> tuple[list[dict[str, object]], dict[str, pd.Series]]:
    """Measurements of the wells of one file, and the signals of its plates by name.

    Signals stay as read; blanks, vehicles and controls are handled with the outcomes, where all wells of a study meet. TEER and
    permeability carry area and volume along (`numerator`, `denominator`).

    Raises
    ------
    InputError
        If a well of the sheet is not on its plate, two rows claim one well, or a fact that the readout needs is not stated.
    """
    path = str(facts[0]["path"])
    plates = read_plates(path)
    on: dict[str, list[Fact]] = {}
    for fact in facts:
        name = plate_named(list(plates), str(fact.get("plate", "")), path)
        on.setdefault(name, []).append(fact)
    rows: list[dict[str, object]] = []
    for name, own in on.items():
        rows += _plate(own, plates[name], path, settings)
    return rows, {name: plates[name] for name in on}


def _plate(
    facts: Sequence[Fact], signals: pd.Series, path: str, settings: Culture
) -> list[dict[str, object]]:
    spread = window(signals, facts)
    poor = f"Z' of the plate is {spread:.2f} (at least {settings.least_z_prime:g})"
    seen: dict[str, str] = {}
    rows = []
    for fact in facts:
        well = _well(fact, signals, path)
        key = f"{well}/{fact.get('readout')}"
        if key in seen:
            message = f"well is claimed by {seen[key]} and {fact['specimen_id']}"
            raise InputError(message, file=path, column="well", value=well)
        seen[key] = str(fact["specimen_id"])
        missing = lacking(fact)
        if missing:
            message = f"{fact['readout']} needs it"
            raise InputError(message, file=path, column=missing[0], value="")
        edge = "well on the rim of the plate" if edge_well(well, signals.index) else ""
        reasons = [r for r in (edge, poor if spread < settings.least_z_prime else "") if r]
        rows.append(
            {
                "specimen_id": fact["specimen_id"],
                "outcome": fact.get("readout"),
                "value": float(signals[well]),
                "unit": RESISTANCE if fact.get("readout") == "teer" else SIGNAL,
                "level": "well",
                "method": "plate reader",
                "role": fact.get("role", "sample"),
                "time": fact.get("time"),
                "time_unit": fact.get("time_unit", ""),
                "field_id": well,
                "qc": "warn" if reasons else "pass",
                "qc_reason": "; ".join(reasons),
                **_carried(fact),
            }
        )
    return rows


def _carried(fact: Fact) -> dict[str, object]:
    """Area of an insert, and what a slope of the signal is turned into a permeability with: volume over area and donor signal."""
    if lacking(fact) or fact.get("role") == "blank":
        return {}
    if fact.get("readout") == "teer":
        return {"denominator": float(str(fact["area_cm2"])), "denominator_unit": "cm2"}
    if fact.get("readout") == "papp":
        area, volume = float(str(fact["area_cm2"])), float(str(fact["volume_ml"]))
        return {
            "numerator": volume / area,
            "denominator": float(str(fact["donor_signal"])),
            "denominator_unit": SIGNAL,
        }
    return {}


def _well(fact: Fact, signals: pd.Series, path: str) -> str:
    try:
        well = well_name(str(fact.get("well", "")))
    except ValueError:
        raise InputError(
            "not a well", file=path, column="well", value=fact.get("well"), allowed=WELLS
        ) from None
    if well not in signals.index:
        raise InputError("the plate's file has no such well", file=path, column="well", value=well)
    return well
