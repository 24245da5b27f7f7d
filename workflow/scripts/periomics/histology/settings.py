"""What the config says of each stain, checked: a new stain is a block in `histology: stains:`, no code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TypeVar

from periomics.core.errors import InputError, nearest
from periomics.imaging.stains import StainPair, choose_pair

DETECTOR_NAMES = ("vessels", "neutrophils", "nuclei", "lacunae", "laminin", "area")
# Which of the pair the readout is about (the other is the counterstain or the matrix).
TARGET = {"lacunae": 0}
THRESHOLD_RULES = ("half_maximum", "otsu", "half_median", "negative_control", "fixed")
# Rules by detector for the stain looked for and the other one, where they differ from half_maximum and otsu: nuclei keep the
# fixed 0.2 OD that pathologists know from QuPath; the eosin of bone is a matrix with holes.
RULES = {"nuclei": ("fixed", "otsu"), "lacunae": ("half_maximum", "half_median")}
_KNOWN = (
    "detector",
    "vectors",
    "estimate_vectors",
    "white",
    "roi",
    "pixel_um",
    "threshold",
    "threshold_value",
    "second_threshold",
    "second_value",
    "outcomes",
    "options",
    "antibody",
)
_COMMON = (
    "stains",
    "implant_margin_um",
    "sweep_percent",
    "smooth_um",
    "max_clipped_percent",
    "on_broken_specimen",
)
T = TypeVar("T")


@dataclass(frozen=True)
class StainSettings:
    """One stain of the config.

    `target` is the index (0, 1) in `pair` of the stain that the detector looks for; `outcomes` maps what the detector
    calls its results to names of the outcome dictionary; lengths in µm.
    """

    stain: str
    detector: str
    pair: StainPair
    target: int
    roi: str
    pixel_um: float
    threshold: str
    threshold_value: float
    second_threshold: str
    second_value: float
    estimate_vectors: bool
    white: tuple[float, float, float] | None
    outcomes: Mapping[str, str]
    options: Mapping[str, object]
    implant_margin_um: float = 5.0
    sweep_percent: float = 10.0
    smooth_um: float = 0.5
    max_clipped_percent: float = 1.0


def stain_settings(
    settings: Mapping[str, object], pairs: Mapping[str, StainPair]
) -> dict[str, StainSettings]:
    """Every stain of the config's `histology` block.

    Raises
    ------
    InputError
        Naming stain, key, value and what is allowed.
    """
    for name in settings:
        if name not in _COMMON:
            raise InputError(
                f"unknown setting histology/{name}{nearest(name, _COMMON)}",
                allowed=", ".join(_COMMON),
            )
    common = {
        k: float(settings[k])
        for k in ("implant_margin_um", "sweep_percent", "smooth_um", "max_clipped_percent")
        if k in settings
    }
    blocks = settings.get("stains") or {}
    return {str(stain): _one(str(stain), block, pairs, common) for stain, block in blocks.items()}


def _one(
    stain: str, block: Mapping[str, object], pairs: Mapping[str, StainPair], common: Mapping
) -> StainSettings:
    where = f"config, histology/stains/{stain}"
    for name in block:
        if name not in _KNOWN:
            raise InputError(
                f"unknown setting {name}{nearest(name, _KNOWN)}",
                file=where,
                allowed=", ".join(_KNOWN),
            )
    detector = str(block.get("detector", ""))
    if detector not in DETECTOR_NAMES:
        raise InputError(
            f"unknown detector{nearest(detector, DETECTOR_NAMES)}",
            file=where,
            column="detector",
            value=detector,
            allowed=", ".join(DETECTOR_NAMES),
        )
    rules = {}
    defaults = RULES.get(detector, ("half_maximum", "otsu"))
    for key, default in zip(("threshold", "second_threshold"), defaults, strict=True):
        rules[key] = str(block.get(key, default))
        if rules[key] not in THRESHOLD_RULES:
            raise InputError(
                "unknown rule",
                file=where,
                column=key,
                value=rules[key],
                allowed=", ".join(THRESHOLD_RULES),
            )
    white = block.get("white")
    return StainSettings(
        stain=stain,
        detector=detector,
        pair=choose_pair(
            pairs, block.get("vectors", "H-E" if detector == "lacunae" else "H-DAB"), where
        ),
        target=TARGET.get(detector, 1),
        roi=str(block.get("roi", _ROI[detector])),
        pixel_um=_positive(block.get("pixel_um", 0.5), where, "pixel_um"),
        threshold_value=_positive(block.get("threshold_value", 0.2), where, "threshold_value"),
        second_value=_positive(block.get("second_value", 0.2), where, "second_value"),
        estimate_vectors=bool(block.get("estimate_vectors", False)),
        white=tuple(float(v) for v in white) if white else None,
        outcomes=dict(block.get("outcomes") or {}),
        options=dict(block.get("options") or {}),
        **rules,
        **common,
    )


_ROI = {
    "vessels": "peri_implant_ct",
    "neutrophils": "peri_implant_ct",
    "nuclei": "pie",
    "lacunae": "bone",
    "laminin": "interface",
    "area": "peri_implant_ct",
}


def _positive(value: object, where: str, column: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if not number > 0:
        raise InputError("is not a number above 0", file=where, column=column, value=value)
    return number


def options_from(kind: type[T], given: Mapping[str, object], where: str) -> T:
    """A detector's options (a dataclass of numbers) from the config; unknown names and non-numbers are errors."""
    known = {f.name: f.default for f in fields(kind)}
    values = {}
    for name, value in given.items():
        if name not in known:
            raise InputError(
                f"unknown option {name}{nearest(name, known)}", file=where, allowed=", ".join(known)
            )
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or value < 0:
            raise InputError("is not a number from 0 up", file=where, column=name, value=value)
        values[name] = type(known[name])(value)
    return kind(**values)


def outcome_name(settings: StainSettings, result: str, default: str) -> str:
    """Name of the outcome that a detector's result is written as; `none` leaves it out (an empty name)."""
    name = settings.outcomes.get(result, default)
    return "" if name in (None, "none") else str(name)
