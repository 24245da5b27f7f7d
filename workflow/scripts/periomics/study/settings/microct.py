"""Micro-CT: thresholds, volume of interest, shells and what is measured; lengths in µm."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from pydantic import Field

from periomics.core.errors import SpecimenError
from periomics.study.settings.section import Contradiction, Section, falls

SIDES = ("buccal", "mesial", "lingual", "distal")


def listed(values: Iterable[object]) -> str:
    """Values with commas between."""
    return ", ".join(f"{v:g}" if isinstance(v, float) else str(v) for v in values)


class Voi(Section):
    """Where bone is measured around the implant."""

    inner_um: float = Field(
        90,
        ge=0,
        description="µm; start of the volume of interest = width of the artefact band, 5 voxels of 18 µm",
    )
    outer_um: float = Field(500, gt=0, description="µm; end of the volume of interest")
    axial_um: tuple[float, float] | None = Field(
        None, description="µm from the implant's apex towards its head; the whole axis where empty"
    )
    apex: Literal["high_z", "low_z"] = Field(
        "high_z", description="end of the stack at which the apex lies"
    )
    box_um: tuple[tuple[float, float], tuple[float, float], tuple[float, float]] | None = Field(
        None,
        description="µm; only voxels whose middle lies in this box: from and to along z, y and x, from the first corner of the scan",
    )
    radius_um: float | None = Field(
        None,
        gt=0,
        description="µm; only voxels within a cylinder of this radius, about the implant's axis, or without one along z",
    )
    centre_um: tuple[float, float] | None = Field(
        None,
        description="µm; y and x of the cylinder's middle from the first corner of the scan, without an implant; the middle of the "
        "slices where empty",
    )
    without_air: bool = Field(
        False,
        description="whether air is left out: what is darker than air_below in the smoothed scan, in parts from a ball of speck_um up",
    )
    parts: tuple[Literal["thirds", "sides", "octants", "threads"], ...] = Field(
        (),
        description="parts of the region in which BV/TV and BIC.ct are given besides: thirds of the implant's length, sides and "
        "octants from the sheet's buccal_degrees on, what lies between the threads",
    )
    only: Literal[
        "", "apical", "middle", "coronal", "buccal", "mesial", "lingual", "distal", "threads"
    ] = Field(
        "", description="the one part to which the whole region is cut; all of it where empty"
    )

    @property
    def needs_sides(self) -> bool:
        """Whether the sheet must say where the buccal side is."""
        return self.only in SIDES or bool({"sides", "octants"} & set(self.parts))

    @property
    def needs_threads(self) -> bool:
        """Whether what lies between the threads is asked for."""
        return self.only == "threads" or "threads" in self.parts


class Microct(Section):
    """Micro-CT. The same for every scan of the study, declared blind to arms."""

    bone_threshold: float | None = Field(
        None,
        description="at and above it a voxel of the smoothed scan is bone; needed unless threshold_rule is otsu",
    )
    threshold_unit: Literal["grey", "mgHA/cm3"] = Field(
        "grey",
        description="unit of bone_threshold, bone_threshold_low and low_density_cut; mgHA/cm3 needs a calibration",
    )
    threshold_rule: Literal["fixed", "otsu"] = Field(
        "fixed",
        description="otsu: from the pooled grey values of each scan batch, metal and air left out, blind to arms",
    )
    segmentation: Literal["fixed", "two_level", "adaptive"] = Field(
        "fixed",
        description="what becomes of voxels between bone_threshold_low and bone_threshold: no bone; bone where connected to "
        "voxels above; bone where at or above the local mean",
    )
    bone_threshold_low: float | None = Field(
        None, description="lower threshold of two_level and adaptive"
    )
    adaptive_sigma_um: float = Field(
        150, gt=0, description="µm; Gaussian of the local mean, wider than trabeculae"
    )
    air_below: float | None = Field(
        None,
        description="grey value; darker voxels are left out of the pooled threshold, such as air around the sample, and out of the "
        "region with voi/without_air",
    )
    otsu_bins: int = Field(
        256,
        ge=16,
        le=65536,
        description="bins of grey values from which Otsu's threshold is taken; 256 is what most programs take",
    )
    implant_threshold: float = Field(
        description="grey value at and above which a voxel of the raw scan is metal"
    )
    prefilter_sigma_voxels: float = Field(
        0.6, ge=0, description="voxels; Gaussian before the bone threshold, more costs thin bone"
    )
    implant: Literal["required", "none"] = Field(
        "required", description="none: the volume of interest is the whole scan, no OV/TV"
    )
    closing_voxels: int = Field(1, ge=0, description="voxels; closes noise holes in the metal")
    implant_length_um: float | None = Field(
        None,
        gt=0,
        description="µm; length of the implant from apex to shoulder, where the volume of interest then ends; metal beyond is "
        "cover screw or abutment",
    )
    second_implant_share: float = Field(
        0.2,
        gt=0,
        le=1,
        description="a second metal part this large, against the first, stops the specimen",
    )
    voi: Voi = Field(default_factory=Voi)
    ovtv_offset_um: float = Field(
        90, ge=0, description="µm; start of the default OV/TV shell, behind the artefact band"
    )
    ovtv_width_um: float = Field(
        54, gt=0, description="µm; width of the OV/TV shell, 3 voxels of 18 µm"
    )
    ovtv_curve_um: tuple[float, ...] = Field(
        (36, 54, 72, 90, 108),
        description="µm; further offsets, to show the artefact",
    )
    contact_voxels: int = Field(
        4,
        ge=1,
        description="voxels; depth of the layer behind the artefact band in which contact is read; one voxel alone follows the grid",
    )
    shells_um: tuple[tuple[float, float], ...] = Field(
        ((90, 200), (200, 350), (350, 500)),
        description="µm; BV/TV by distance to the implant",
    )
    sweep_percent: float = Field(
        10,
        ge=0,
        lt=100,
        description="%; change of the bone threshold that shows whether numbers hold",
    )
    clipped_warn_share: float = Field(
        0.5,
        description="warn where spheres of more than this share of voxels meet the border of the scan",
    )
    saturated_warn_share: float = Field(
        0.001,
        description="warn where more than this share of voxels outside the metal is saturated",
    )
    min_contrast: float = Field(
        5,
        ge=0,
        description="held back where bone stands above marrow by less than so many times the noise of a voxel",
    )
    max_shading_percent: float = Field(
        5,
        ge=0,
        description="%; held back where marrow at the rim of the slices is brighter or darker than in their middle by more of the "
        "contrast between bone and marrow (cupping)",
    )
    max_threshold_percent: float = Field(
        20,
        gt=0,
        description="%, of the difference between the two classes of grey values in the region; "
        "held back where the threshold of bone "
        "lies farther than that from all that part them as well as any (Otsu)",
    )
    max_rings_percent: float = Field(
        5, ge=0, description="%; held back where rings about the middle of the scan are stronger"
    )
    max_streaks_percent: float = Field(
        5,
        ge=0,
        description="%; held back where marrow in a sector about the implant is brighter or darker than in the others by more of that "
        "contrast",
    )
    max_halo_percent: float = Field(
        5,
        ge=0,
        description="%; held back where marrow beside the metal's band is brighter or darker than farther away by more of that contrast",
    )
    max_marrow_percent: float = Field(
        12,
        ge=0,
        description="%; held back where grey values of marrow differ by more of that contrast beyond the noise, so that bone may "
        "pass for marrow (standard deviation; a human core has 6.8)",
    )
    max_bone_percent: float = Field(
        25,
        ge=0,
        description="%; held back where grey values of bone differ by more of that contrast "
        "beyond the noise (standard deviation), as "
        "where a moved scan shows everything twice",
    )
    max_edge_percent: float = Field(
        45,
        ge=0,
        description="%, of Tb.Th; held back where the surface of bone rises from 10 to 90 % of "
        "that contrast in more, along the axis "
        "where it takes most (blur, motion)",
    )
    max_jump_percent: float = Field(
        8,
        ge=0,
        description="%; held back where marrow or bone of a slice is brighter or darker than in "
        "the next by more of that contrast",
    )
    max_saturated_percent: float = Field(
        5,
        ge=0,
        description="%; held back where more of the bone in the volume of interest is at the "
        "largest grey value of the scan",
    )
    max_beside_percent: float = Field(
        15,
        ge=0,
        description="%; held back where marrow or bone is brighter or darker than in the other "
        "scans of the batch by more of their "
        "contrast (three scans or more of one medium, tube voltage and filter)",
    )
    max_air_percent: float = Field(
        1,
        ge=0,
        description="%; held back where more of the volume of interest is darker than marrow",
    )
    max_metal_percent: float = Field(
        0.1,
        ge=0,
        description="%; held back where more of the volume of interest is metal beside the implant",
    )
    min_thickness_voxels: float = Field(
        3, ge=0, description="voxels; held back where trabeculae are thinner on average"
    )
    min_correlation: float = Field(
        0.8,
        ge=0,
        le=1,
        description="held back where grey values of the earlier scan, laid over this one, correlate less",
    )
    min_shared_percent: float = Field(
        90,
        ge=0,
        le=100,
        description="%; held back where the earlier scan shows less of the volume of interest",
    )
    memory_mb: float = Field(
        4000,
        gt=0,
        description="MB for the voxels of one scan, which is measured by as many slabs as that takes, with the same numbers; "
        "a scan of 1000 x 1000 x 1000 voxels needs about 2000",
    )
    calibration: Literal["none", "line", "header", "phantom"] = Field(
        "none",
        description="from grey to mg HA/cm³: none (grey values in a.u., no density), a declared line, the header (Scanco), or the "
        "scan of role phantom in the same batch",
    )
    calibration_slope: float | None = Field(
        None, description="mg HA/cm³ a grey value; for the calibration line"
    )
    calibration_intercept: float | None = Field(
        None, description="mg HA/cm³ at grey 0; for the calibration line"
    )
    phantom_rods_mgha: tuple[float, ...] = Field(
        (),
        description="mg HA/cm³; densities of the phantom's rods, brighter than their resin",
    )
    tmd_peel_voxels: int = Field(
        1,
        ge=0,
        description="voxels; outer layers of bone left out of TMD and low density, as they are partly marrow",
    )
    low_density_cut: float | None = Field(
        None, description="bone below it is low-density bone; no such outcome where empty"
    )
    voxels: Literal["cubes", "resample"] = Field(
        "cubes",
        description="cubes: scans with other voxels are refused; resample: linear, to cubes of the shortest edge",
    )
    thickness_variants: bool = Field(
        True,
        description="also thickness as ImageJ's plugin gives it, and Tb.N by mid-axes, as variants",
    )
    ctan: bool = Field(
        False,
        description="also object number, closed and open porosity, intersection surface and trabecular pattern factor, as CTAn "
        "defines them",
    )
    anisotropy: bool = Field(True, description="whether DA is measured")
    da_noise_fields: int = Field(
        1, ge=0, description="isotropic random fields for the noise floor of DA; the largest counts"
    )
    band_sweep_voxels: int = Field(
        8,
        ge=0,
        description="voxels; widest artefact band of the sweep and last offset of the curve of contact",
    )
    section_degrees: tuple[float, ...] = Field(
        (),
        description="degrees; planes through the implant's axis for BIC and BA/TA as in histology, from the buccal side towards the mesial "
        "one, or from x towards y where the sheet says no sides",
    )
    sectors: int = Field(
        8, ge=1, description="sectors about the axis in which the marginal bone level is read"
    )
    level_width_um: float = Field(
        54,
        gt=0,
        description="µm; width of the shell behind the artefact band in which it is read, 3 voxels of 18 µm",
    )
    level_share: float = Field(
        0.1,
        ge=0,
        le=1,
        description="share that bone must fill of a sector's piece of the shell as high as it is wide, to be the level",
    )
    speck_um: float = Field(
        50,
        ge=0,
        description="µm; parts smaller than a ball of this diameter are noise for the marginal bone level",
    )
    despeckle_um: float = Field(
        0,
        ge=0,
        description="µm; parts of bone smaller than a ball of this diameter are left out of the mask, and holes in it filled, before "
        "anything is measured; 0 for none",
    )
    compartments: Literal["none", "dual_threshold"] = Field(
        "none",
        description="dual_threshold: cortical and trabecular compartment of a whole bone, and the cortical outcomes",
    )
    cortical_close_um: float = Field(
        250, gt=0, description="µm; closing of the outer surface, wider than vessel canals"
    )
    cortical_pore_um: float = Field(
        60, gt=0, description="µm; radius up to which marrow is a pore of the cortex"
    )
    trabecular_close_um: float = Field(
        150, gt=0, description="µm; closing of the marrow, takes trabeculae in"
    )

    def contradictions(self) -> Iterator[Contradiction]:
        """Thresholds, calibration and ranges that cannot stand together."""
        yield from self._needs()
        bone, low, metal = self.bone_threshold, self.bone_threshold_low, self.implant_threshold
        fixed_grey = self.threshold_rule == "fixed" and self.threshold_unit == "grey"
        alike = fixed_grey and self.implant == "required"
        if alike and bone is not None and bone >= metal:
            message = "is at or above the implant threshold: no voxel could be bone"
            yield Contradiction(
                "bone_threshold", message, bone, f"below implant_threshold, {metal:g}"
            )
        if bone is not None and low is not None and low >= bone:
            message = "is not below bone_threshold"
            yield Contradiction("bone_threshold_low", message, low, f"below {bone:g}")
        inner, outer = self.voi.inner_um, self.voi.outer_um
        if inner >= outer:
            message = "the volume of interest ends before it starts"
            yield Contradiction("voi/inner_um", message, inner, f"below outer_um, {outer:g}")
        yield from self._region()
        ranges = [("voi/axial_um", self.voi.axial_um), *(("shells_um", s) for s in self.shells_um)]
        ranges += [("voi/box_um", pair) for pair in self.voi.box_um or ()]
        for key, pair in ranges:
            if pair is not None and falls(pair):
                shown = f"{pair[0]:g} to {pair[1]:g}"
                message = "the range ends before it starts"
                yield Contradiction(key, message, shown, "the smaller number first")

    def _region(self) -> Iterator[Contradiction]:
        """What the region asks for."""
        voi, bare = self.voi, self.implant == "none"
        if voi.without_air and self.air_below is None:
            yield Contradiction("air_below", "is needed where voi/without_air is true")
        if voi.centre_um is not None and not bare:
            message = "has no say about an implant: the cylinder stands about its axis"
            yield Contradiction("voi/centre_um", message, listed(voi.centre_um), "empty")
        if voi.centre_um is not None and voi.radius_um is None:
            yield Contradiction("voi/radius_um", "is needed where voi/centre_um is set")
        for key, value in (("voi/parts", listed(voi.parts)), ("voi/only", voi.only)):
            if bare and value:
                yield Contradiction(key, "needs an implant", value, "empty where implant is none")
        if bare and self.section_degrees:
            shown = listed(self.section_degrees)
            yield Contradiction(
                "section_degrees", "needs an implant", shown, "empty where implant is none"
            )
        if len(set(self.section_degrees)) < len(self.section_degrees):
            message = "names a plane twice"
            yield Contradiction(
                "section_degrees", message, listed(self.section_degrees), "each once"
            )
        for low, _ in voi.box_um or ():
            if low < 0:
                message = "begins outside the scan"
                yield Contradiction("voi/box_um", message, f"{low:g}", "0 or more")

    def _needs(self) -> Iterator[Contradiction]:
        """Settings that another one asks for."""
        if self.threshold_rule == "fixed" and self.bone_threshold is None:
            yield Contradiction("bone_threshold", "is needed where threshold_rule is fixed")
        if self.segmentation != "fixed" and self.bone_threshold_low is None:
            message = f"is needed where segmentation is {self.segmentation}"
            yield Contradiction("bone_threshold_low", message)
        if self.threshold_unit != "grey" and self.calibration == "none":
            message = f"is needed where threshold_unit is {self.threshold_unit}"
            yield Contradiction("calibration", message, "none", "line, header, phantom")
        if self.threshold_unit != "grey" and self.threshold_rule == "otsu":
            message = "is fixed where threshold_unit is not grey: otsu gives a grey value"
            yield Contradiction("threshold_rule", message, "otsu", "fixed")
        if self.calibration == "line" and self.calibration_intercept is None:
            yield Contradiction("calibration_intercept", "is needed where calibration is line")
        if self.calibration == "line" and not self.calibration_slope:
            message = "is needed where calibration is line"
            value = "" if self.calibration_slope is None else self.calibration_slope
            yield Contradiction("calibration_slope", message, value, "not 0")
        if self.calibration == "phantom" and len(set(self.phantom_rods_mgha)) < 2:
            message = "are needed where calibration is phantom"
            yield Contradiction("phantom_rods_mgha", message, "", "at least two densities")

    @property
    def bone_cut(self) -> float:
        """The bone threshold; the batch's, put in by `but`, where the rule is otsu.

        Raises
        ------
        SpecimenError
            Where there is none yet.
        """
        if self.bone_threshold is None:
            raise SpecimenError("there is no bone threshold: the scan's batch has none")
        return self.bone_threshold

    def _cut(self) -> str:
        """What else the region is cut to, for the `method` column."""
        voi, said = self.voi, ""
        if voi.box_um is not None:
            said += f", box {' x '.join(f'{a:g}-{b:g}' for a, b in voi.box_um)} um (z x y x x)"
        if voi.radius_um is not None:
            middle = f" about y, x = {listed(voi.centre_um)} um" if voi.centre_um else ""
            said += f", cylinder of radius {voi.radius_um:g} um{middle}"
        if voi.without_air:
            said += f", without air (below {self.air_below:g})"
        return said + (f", {voi.only} only" if voi.only else "")

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
        voi += self._cut()
        smooth = f"Gaussian {self.prefilter_sigma_voxels:g} voxels"
        unit = "" if self.threshold_unit == "grey" else f" {self.threshold_unit}"
        bone = f"bone >= {self.bone_cut:g}{unit}"
        if self.threshold_rule == "otsu":
            bone += " (Otsu, pooled over the batch)"
        if self.segmentation == "two_level":
            bone += f" or >= {self.bone_threshold_low:g}{unit} and connected to it"
        elif self.segmentation == "adaptive":
            near = f"the Gaussian mean over {self.adaptive_sigma_um:g} um"
            bone += f" or >= {self.bone_threshold_low:g}{unit} and {near}"
        if self.despeckle_um:
            bone += f", without parts and holes below a ball of {self.despeckle_um:g} um"
        return f"{smooth}; {bone}; implant >= {self.implant_threshold:g}; {voi}"
