"""What the config's `microct` section says, checked once and typed. Lengths in µm, thresholds in the scan's grey units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from periomics.study.errors import InputError, nearest

IMPLANT = ("required", "none")
APEX = ("high_z", "low_z")


@dataclass(frozen=True)
class Voi:
    """Shell `inner_um < distance to the implant <= outer_um`, and a range along the implant's axis from its apex up."""

    inner_um: float
    outer_um: float
    axial_um: tuple[float, float] | None = None
    apex: str = "high_z"


@dataclass(frozen=True)
class Settings:
    """All that decides a measurement; the same for every scan of a study (design decision 10).

    Attributes
    ----------
    bone_threshold, implant_threshold
        Grey value at and above which a voxel of the smoothed scan is bone, of the raw scan is metal.
    prefilter_sigma_voxels
        Gaussian before the bone threshold; 0 for none.
    implant
        `required`, or `none` (VOI = whole volume, no OV/TV).
    closing_voxels
        Radius of the closing of the implant mask.
    second_implant_share
        A second metal component of at least this share of the first stops the specimen.
    voi
        See Voi; not used without an implant.
    ovtv_offset_um, ovtv_width_um
        The default OV/TV shell.
    ovtv_curve_um
        Further offsets of the same width, as variants.
    shells_um
        Distance shells (from, to) in which BV/TV is repeated, as variants.
    sweep_percent
        Change of the bone threshold in the sensitivity variants; 0 for none.
    clipped_warn_share
        Warn when spheres of more than this share of voxels meet the border of the scan or the exclusion band.
    saturated_warn_share
        Warn when more than this share of voxels outside the metal sits at the type's largest value.
    """

    bone_threshold: float
    implant_threshold: float
    voi: Voi
    prefilter_sigma_voxels: float = 0.8
    implant: str = "required"
    closing_voxels: int = 1
    second_implant_share: float = 0.2
    ovtv_offset_um: float = 90.0
    ovtv_width_um: float = 54.0
    ovtv_curve_um: tuple[float, ...] = ()
    shells_um: tuple[tuple[float, float], ...] = ()
    sweep_percent: float = 10.0
    clipped_warn_share: float = 0.5
    saturated_warn_share: float = 0.001

    def describe(self) -> str:
        """One line for the `method` column."""
        axial = f", {self.voi.axial_um[0]:g}-{self.voi.axial_um[1]:g} um from the apex" if self.voi.axial_um else ""
        voi = f"VOI {self.voi.inner_um:g}-{self.voi.outer_um:g} um from the implant{axial}"
        if self.implant == "none":
            voi = "VOI whole volume"
        smooth = f"Gaussian {self.prefilter_sigma_voxels:g} voxels"
        return f"{smooth}; bone >= {self.bone_threshold:g}; implant >= {self.implant_threshold:g}; {voi}"


def parse(section: Mapping[str, object], where: str = "config: microct") -> Settings:
    """Settings from the config's section.

    Raises
    ------
    InputError
        Naming the key that is unknown, missing, or outside its range.
    """
    known = {f.name for f in fields(Settings)}
    for key in section:
        if key not in known:
            raise InputError(f"unknown key {key!r}{nearest(key, known)}", file=where)
    for key in ("bone_threshold", "implant_threshold", "voi"):
        if key not in section:
            raise InputError("needed key is missing", file=where, column=key)
    values = dict(section)
    values["voi"] = _voi(section["voi"], f"{where}: voi")
    values["ovtv_curve_um"] = tuple(float(v) for v in section.get("ovtv_curve_um") or ())
    values["shells_um"] = tuple(_range(v, where, "shells_um") for v in section.get("shells_um") or ())
    settings = Settings(**values)
    _check(settings, where)
    return settings


def _voi(section: object, where: str) -> Voi:
    known = {f.name for f in fields(Voi)}
    if not isinstance(section, Mapping) or not {"inner_um", "outer_um"} <= set(section) <= known:
        raise InputError("needs inner_um and outer_um", file=where, value=section, allowed=", ".join(sorted(known)))
    axial = section.get("axial_um")
    return Voi(
        float(section["inner_um"]),
        float(section["outer_um"]),
        None if axial is None else _range(axial, where, "axial_um"),
        str(section.get("apex", "high_z")),
    )


def _range(value: object, where: str, key: str) -> tuple[float, float]:
    try:
        low, high = (float(v) for v in value)  # type: ignore[union-attr]
    except (TypeError, ValueError) as error:
        raise InputError("not a range", file=where, column=key, value=value, allowed="[from, to] in um") from error
    if not 0 <= low < high:
        raise InputError("not a rising range", file=where, column=key, value=value, allowed="0 <= from < to")
    return low, high


def _check(s: Settings, where: str) -> None:
    rules = (
        ("implant", s.implant in IMPLANT, s.implant, ", ".join(IMPLANT)),
        ("voi.apex", s.voi.apex in APEX, s.voi.apex, ", ".join(APEX)),
        ("voi", 0 <= s.voi.inner_um < s.voi.outer_um, (s.voi.inner_um, s.voi.outer_um), "0 <= inner_um < outer_um"),
        ("implant_threshold", s.implant_threshold > s.bone_threshold, s.implant_threshold, "above bone_threshold"),
        ("prefilter_sigma_voxels", s.prefilter_sigma_voxels >= 0, s.prefilter_sigma_voxels, "0 or more"),
        ("closing_voxels", s.closing_voxels >= 0, s.closing_voxels, "0 or more"),
        ("second_implant_share", 0 < s.second_implant_share <= 1, s.second_implant_share, "above 0, at most 1"),
        ("ovtv_width_um", s.ovtv_width_um > 0, s.ovtv_width_um, "above 0"),
        ("ovtv_offset_um", s.ovtv_offset_um >= 0, s.ovtv_offset_um, "0 or more"),
        ("sweep_percent", 0 <= s.sweep_percent < 100, s.sweep_percent, "0 to below 100"),
    )
    for key, holds, value, allowed in rules:
        if not holds:
            raise InputError("outside its range", file=where, column=key, value=value, allowed=allowed)
