"""What the config's `microct` section says, checked once and typed. Lengths in µm, thresholds in the scan's grey units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from periomics.core.errors import InputError, nearest

IMPLANT = ("required", "none")
APEX = ("high_z", "low_z")
SEGMENTATION = ("fixed", "two_level", "adaptive")
THRESHOLD_RULE = ("fixed", "otsu")
THRESHOLD_UNIT = ("grey", "mgHA/cm3")
CALIBRATION = ("none", "line", "header", "phantom")
VOXELS = ("cubes", "resample")
COMPARTMENTS = ("none", "dual_threshold")


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
    segmentation, bone_threshold_low, adaptive_sigma_um
        What becomes of voxels from `bone_threshold_low` to `bone_threshold`: none is bone (fixed), those connected to
        voxels above are (two_level), those at or above the mean of a Gaussian neighbourhood are (adaptive).
    threshold_rule, threshold_unit
        `otsu` takes the bone threshold from the pooled scans of a batch. The unit holds for the bone thresholds and
        `low_density_cut`; the implant's threshold is always grey.
    air_below
        Grey values below it are left out of the pooled threshold.
    calibration, calibration_slope, calibration_intercept, phantom_rods_mgha
        How grey becomes mg HA/cm³: not at all, by a declared line, by the scan's header (Scanco), or by the batch's phantom.
    tmd_peel_voxels
        Layers of bone's surface left out of TMD and of the low-density share (partial volume).
    low_density_cut
        Bone below it is low-density bone; None for no such outcome.
    voxels
        `cubes` refuses scans with other voxels; `resample` brings them to cubes of their shortest edge.
    thickness_variants
        Whether thickness as ImageJ's plugin gives it and Tb.N by mid-axes are measured too.
    anisotropy, da_noise_fields
        Whether DA is measured, and isotropic fields for its noise floor.
    band_sweep_voxels
        Largest exclusion band of the sweep and offset of the BIC curve.
    sectors, level_width_um, level_share, speck_um
        Sectors about the axis of the marginal bone level, width of the shell in which it is read, share that bone must
        fill of a sector's piece of the shell as high as it is wide, and diameter of a ball below whose size a part is
        noise and no bone for it.
    memory_mb
        MB for the voxels of one scan; scans that need more are measured by parts, with the same numbers.
    compartments, cortical_close_um, cortical_pore_um, trabecular_close_um
        Split into cortical and trabecular bone, and the radii of its steps (see `cortical`).
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
    segmentation: str = "fixed"
    bone_threshold_low: float | None = None
    adaptive_sigma_um: float = 150.0
    threshold_rule: str = "fixed"
    threshold_unit: str = "grey"
    air_below: float | None = None
    calibration: str = "none"
    calibration_slope: float | None = None
    calibration_intercept: float | None = None
    phantom_rods_mgha: tuple[float, ...] = ()
    tmd_peel_voxels: int = 1
    low_density_cut: float | None = None
    voxels: str = "cubes"
    thickness_variants: bool = True
    anisotropy: bool = True
    da_noise_fields: int = 1
    band_sweep_voxels: int = 8
    sectors: int = 8
    level_width_um: float = 54.0
    level_share: float = 0.1
    speck_um: float = 50.0
    memory_mb: float = 4000.0
    compartments: str = "none"
    cortical_close_um: float = 250.0
    cortical_pore_um: float = 60.0
    trabecular_close_um: float = 150.0

    def describe(self) -> str:
        """One line for the `method` column."""
        axial = (
            f", {self.voi.axial_um[0]:g}-{self.voi.axial_um[1]:g} um from the apex"
            if self.voi.axial_um
            else ""
        )
        voi = f"VOI {self.voi.inner_um:g}-{self.voi.outer_um:g} um from the implant{axial}"
        if self.implant == "none":
            voi = "VOI whole volume"
        smooth = f"Gaussian {self.prefilter_sigma_voxels:g} voxels"
        unit = "" if self.threshold_unit == "grey" else f" {self.threshold_unit}"
        bone = f"bone >= {self.bone_threshold:g}{unit}"
        if self.threshold_rule == "otsu":
            bone += " (Otsu, pooled over the batch)"
        if self.segmentation == "two_level":
            bone += f" or >= {self.bone_threshold_low:g}{unit} and connected to it"
        elif self.segmentation == "adaptive":
            near = f"the Gaussian mean over {self.adaptive_sigma_um:g} um"
            bone += f" or >= {self.bone_threshold_low:g}{unit} and {near}"
        return f"{smooth}; {bone}; implant >= {self.implant_threshold:g}; {voi}"


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
    otsu = section.get("threshold_rule") == "otsu"
    for key in ("bone_threshold", "implant_threshold", "voi"):
        if section.get(key) is None and not (otsu and key == "bone_threshold"):
            raise InputError("needed key is missing", file=where, column=key)
    values = dict(section)
    if otsu and values.get("bone_threshold") is None:
        values["bone_threshold"] = float("nan")  # the batch's table holds it
    values["phantom_rods_mgha"] = tuple(float(v) for v in section.get("phantom_rods_mgha") or ())
    values["voi"] = _voi(section["voi"], f"{where}: voi")
    values["ovtv_curve_um"] = tuple(float(v) for v in section.get("ovtv_curve_um") or ())
    values["shells_um"] = tuple(
        _range(v, where, "shells_um") for v in section.get("shells_um") or ()
    )
    settings = Settings(**values)
    _check(settings, where)
    return settings


def _voi(section: object, where: str) -> Voi:
    known = {f.name for f in fields(Voi)}
    if not isinstance(section, Mapping) or not {"inner_um", "outer_um"} <= set(section) <= known:
        raise InputError(
            "needs inner_um and outer_um",
            file=where,
            value=section,
            allowed=", ".join(sorted(known)),
        )
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
        raise InputError(
            "not a range", file=where, column=key, value=value, allowed="[from, to] in um"
        ) from error
    if not 0 <= low < high:
        raise InputError(
            "not a rising range", file=where, column=key, value=value, allowed="0 <= from < to"
        )
    return low, high


def _check(s: Settings, where: str) -> None:
    rules = (
        ("implant", s.implant in IMPLANT, s.implant, ", ".join(IMPLANT)),
        ("voi.apex", s.voi.apex in APEX, s.voi.apex, ", ".join(APEX)),
        (
            "voi",
            0 <= s.voi.inner_um < s.voi.outer_um,
            (s.voi.inner_um, s.voi.outer_um),
            "0 <= inner_um < outer_um",
        ),
        (
            "implant_threshold",
            s.threshold_unit != "grey" or not s.implant_threshold <= s.bone_threshold,
            s.implant_threshold,
            "above bone_threshold",
        ),
        (
            "prefilter_sigma_voxels",
            s.prefilter_sigma_voxels >= 0,
            s.prefilter_sigma_voxels,
            "0 or more",
        ),
        ("closing_voxels", s.closing_voxels >= 0, s.closing_voxels, "0 or more"),
        (
            "second_implant_share",
            0 < s.second_implant_share <= 1,
            s.second_implant_share,
            "above 0, at most 1",
        ),
        ("ovtv_width_um", s.ovtv_width_um > 0, s.ovtv_width_um, "above 0"),
        ("ovtv_offset_um", s.ovtv_offset_um >= 0, s.ovtv_offset_um, "0 or more"),
        ("sweep_percent", 0 <= s.sweep_percent < 100, s.sweep_percent, "0 to below 100"),
        ("segmentation", s.segmentation in SEGMENTATION, s.segmentation, ", ".join(SEGMENTATION)),
        (
            "bone_threshold_low",
            s.segmentation == "fixed" or _below(s),
            s.bone_threshold_low,
            "below bone_threshold",
        ),
        (
            "threshold_rule",
            s.threshold_rule in THRESHOLD_RULE,
            s.threshold_rule,
            ", ".join(THRESHOLD_RULE),
        ),
        (
            "threshold_unit",
            s.threshold_unit in THRESHOLD_UNIT,
            s.threshold_unit,
            ", ".join(THRESHOLD_UNIT),
        ),
        (
            "threshold_unit",
            s.threshold_unit == "grey" or s.calibration != "none",
            s.threshold_unit,
            "grey, where calibration is none",
        ),
        (
            "threshold_rule",
            s.threshold_rule == "fixed" or s.threshold_unit == "grey",
            s.threshold_rule,
            "fixed, where threshold_unit is not grey",
        ),
        ("calibration", s.calibration in CALIBRATION, s.calibration, ", ".join(CALIBRATION)),
        (
            "calibration_slope",
            s.calibration != "line"
            or bool(s.calibration_slope and s.calibration_intercept is not None),
            s.calibration_slope,
            "slope (not 0) and intercept, where calibration is line",
        ),
        (
            "phantom_rods_mgha",
            s.calibration != "phantom" or len(set(s.phantom_rods_mgha)) >= 2,
            s.phantom_rods_mgha,
            "at least two densities, where calibration is phantom",
        ),
        ("voxels", s.voxels in VOXELS, s.voxels, ", ".join(VOXELS)),
        ("compartments", s.compartments in COMPARTMENTS, s.compartments, ", ".join(COMPARTMENTS)),
        ("sectors", s.sectors >= 1, s.sectors, "1 or more"),
        ("level_share", 0 <= s.level_share <= 1, s.level_share, "0 to 1"),
        ("level_width_um", s.level_width_um > 0, s.level_width_um, "above 0"),
        ("band_sweep_voxels", s.band_sweep_voxels >= 0, s.band_sweep_voxels, "0 or more"),
        ("memory_mb", s.memory_mb > 0, s.memory_mb, "above 0"),
        ("tmd_peel_voxels", s.tmd_peel_voxels >= 0, s.tmd_peel_voxels, "0 or more"),
    )
    for key, holds, value, allowed in rules:
        if not holds:
            raise InputError(
                "outside its range", file=where, column=key, value=value, allowed=allowed
            )


def _below(s: Settings) -> bool:
    return s.bone_threshold_low is not None and not s.bone_threshold_low >= s.bone_threshold
