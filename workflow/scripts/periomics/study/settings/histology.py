"""Stained sections: one block a stain; a new stain is a block, no code."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, get_args

from pydantic import Field

from periomics.study.settings.section import Contradiction, Section

Detector = Literal[
    "vessels",
    "neutrophils",
    "nuclei",
    "lacunae",
    "laminin",
    "area",
    "osteoclasts",
    "contact",
    "labels",
    "coverage",
    "double",
    "membrane",
    "polarised",
]
# Detectors that read fluorescence too.
SHINING = (
    "vessels",
    "neutrophils",
    "laminin",
    "area",
    "labels",
    "coverage",
    "double",
    "membrane",
    "nuclei",
)
# Of these, those that read two channels, neither of which is a counterstain only.
PAIRED = ("neutrophils", "nuclei", "membrane", "labels", "coverage", "double")
DETECTORS: tuple[str, ...] = get_args(Detector)
ThresholdRule = Literal[
    "half_maximum", "two_levels", "half_median", "otsu", "negative_control", "fixed"
]


class Stain(Section):
    """One stain: which detector reads it and how."""

    image: Literal["brightfield", "fluorescence", "polarised"] = Field(
        "brightfield",
        description="what the picture is: colours of light through stains, channels that shine, "
        "or colours between crossed polarisers",
    )
    channels: list[str | int] = Field(
        default_factory=list,
        description="fluorescence: names or numbers (from 1) of the channels of the counterstain and of what is measured; or of that alone",
    )
    bits: int | None = Field(
        None,
        ge=8,
        le=16,
        description="fluorescence: bits of the camera (10, 12, 16), which a 16-bit file does not tell",
    )
    detector: Detector = Field(description="what reads the stain")
    nuclei: Literal["network", "classical", "model"] = Field(
        "network",
        description="detector nuclei: by the network of resources, by thresholds and watershed, "
        "or by a model of one's own "
        "(an ONNX file, resources/nuclei_model)",
    )
    model_um: float | None = Field(
        None, gt=0, description="µm; pixel size at which a model of one's own was trained"
    )
    model_output: Literal["labels", "stardist"] = Field(
        "labels",
        description="what a model of one's own gives: numbers of nuclei, or likelihood and "
        "distances as StarDist",
    )
    model_scale: Literal["unit", "percentile"] = Field(
        "unit",
        description="what it is given: light from 0 to 1, or each channel from its 1st to its "
        "99.8th percentile",
    )
    vectors: str | dict[str, list[float]] | None = Field(
        None,
        description="pair of stains in resources/stains.yaml, or two named vectors of red, green and blue optical density",
    )
    estimate_vectors: bool = Field(
        False, description="estimate the vectors once a stain batch, from pooled tissue"
    )
    white: tuple[float, float, float] | None = Field(
        None, description="grey levels; red, green and blue of glass; from the batch where empty"
    )
    roi: str | None = Field(
        None,
        description="region (or line) of the annotation file in which it is measured; whole_picture needs no file",
    )
    regions: Literal["annotated", "proposed"] = Field(
        "annotated",
        description="where a section has no annotation file: refused, or measured in regions that "
        "are proposed from its picture, "
        "and held back until confirmed",
    )
    pixel_um: float = Field(0.5, gt=0, description="µm; pixel size at which it is measured")
    threshold: ThresholdRule | None = Field(
        None, description="rule of the threshold, taken once a stain batch from pooled tissue"
    )
    threshold_value: float | None = Field(
        None,
        gt=0,
        description="optical density, of fluorescence twice the share of the highest intensity; for the rule fixed",
    )
    second_threshold: ThresholdRule | None = Field(
        None, description="as threshold, for the counterstain"
    )
    second_value: float | None = Field(
        None,
        gt=0,
        description="optical density, of fluorescence twice the share of the highest intensity; for the rule fixed",
    )
    outcomes: dict[str, str] = Field(
        default_factory=dict, description="result of the detector → outcome of the dictionary"
    )
    options: dict[str, float] = Field(default_factory=dict, description="options of the detector")
    antibody: str | None = Field(
        None, description="antibody, clone and lot for the methods text; not reported where empty"
    )

    def contradictions(self) -> Iterator[Contradiction]:
        """Keys of the one kind of picture that the other does not know."""
        if self.detector == "labels" and not self.options.get("days", 0) > 0:
            message = "the days between the labels are needed"
            yield Contradiction("options", message, "no days", "days: 7")
        if (self.image == "polarised") != (self.detector == "polarised"):
            message = f"detector {self.detector} does not read it"
            allowed = "image and detector polarised, or neither"
            yield Contradiction("image", message, self.image, allowed)
        if self.nuclei == "model" and (self.detector != "nuclei" or self.model_um is None):
            message = "a model of one's own is of detector nuclei, and needs its pixel size"
            yield Contradiction("model_um", message, "", "detector: nuclei, model_um: 0.5")
        if self.image == "polarised":
            yield from self._dark()
            return
        if self.image == "brightfield":
            if self.detector == "labels":
                yield Contradiction("image", "labels of mineral shine", self.image, "fluorescence")
            elif self.detector in PAIRED[4:] and self.vectors is None:
                message = f"detector {self.detector} reads two markers, whose colours are needed"
                yield Contradiction("vectors", message, "", "two named vectors")
            if self.channels or self.bits:
                yield Contradiction(
                    "channels",
                    "are of fluorescence; this is brightfield",
                    "",
                    "image: fluorescence",
                )
            graded = sorted(set(self.outcomes) - {"all"})
            if self.detector == "nuclei" and self.vectors == "H-E" and graded:
                message = "of nuclei in H&E, which has no chromogen, only all are counted"
                yield Contradiction("outcomes", message, ", ".join(graded), "all")
            return
        if self.detector == "membrane" and "background" not in self.options:
            message = "the background of the control without antibody is needed"
            yield Contradiction("options", message, "no background", "background: 3.5")
        if self.regions == "proposed":
            message = "are proposed of colours; this is fluorescence"
            yield Contradiction("regions", message, self.regions, "annotated")
        if self.detector not in SHINING:
            allowed = ", ".join(SHINING)
            yield Contradiction("detector", "does not read fluorescence", self.detector, allowed)
        if len(self.channels) not in (1, 2):
            yield Contradiction(
                "channels", "one or two are needed", str(self.channels), "names or numbers"
            )
        elif len(self.channels) == 1 and self.detector in PAIRED:
            message = f"detector {self.detector} reads two"
            yield Contradiction("channels", message, str(self.channels), "two")
        for key in ("vectors", "white"):
            if getattr(self, key) is not None:
                yield Contradiction(
                    key, "is of brightfield; this is fluorescence", "", "no such key"
                )

    def _dark(self) -> Iterator[Contradiction]:
        """Keys that mean nothing between crossed polarisers."""
        given = ("channels", "bits", "vectors", "white", "threshold", "second_threshold")
        for key in given:
            if getattr(self, key):
                message = "is not of pictures between crossed polarisers"
                yield Contradiction(key, message, "", "no such key")
        if self.regions == "proposed":
            message = "are proposed of bright fields; this is between crossed polarisers"
            yield Contradiction("regions", message, self.regions, "annotated")


class Histology(Section):
    """Stained sections."""

    implant_margin_um: float = Field(
        5, ge=0, description="µm; the metal's edge, left out of all areas"
    )
    sweep_percent: float = Field(
        10,
        ge=0,
        lt=100,
        description="%; change of the threshold that shows whether numbers hold; 0 for none",
    )
    smooth_um: float = Field(0.5, ge=0, description="µm; against noise, about one pixel at 20x")
    max_clipped_percent: float = Field(
        1, ge=0, le=100, description="%; a section with more saturated pixels is held back"
    )
    max_unexplained_percent: float = Field(
        0.5,
        ge=0,
        le=100,
        description="%; a section with more tissue in colours that the two stains cannot mix is held back",
    )
    max_black_percent: float = Field(
        0.5, ge=0, le=100, description="%; a section with more black in its tissue is held back"
    )
    max_uneven_light_percent: float = Field(
        10,
        ge=0,
        le=100,
        description="%; a section whose darkest corner is darker than its brightest by more is held back",
    )
    max_edge_um: float = Field(
        4,
        gt=0,
        description="µm; a section whose sharpest edges are wider is out of focus and held back",
    )
    max_soft_percent: float = Field(
        10,
        ge=0,
        le=100,
        description="%; a section of which more parts are out of focus by themselves is held back",
    )
    max_spill_percent: float = Field(
        75,
        gt=0,
        description="%, of the way to a channel's threshold; a section in which another channel's "
        "light goes farther is held back",
    )
    max_shift_um: float = Field(
        1.5,
        gt=0,
        description="µm; a section of fluorescence whose channels are shifted farther against "
        "each other is held back",
    )
    max_nucleus_times: float = Field(
        1.65,
        gt=1,
        description="a section whose nuclei of haematoxylin are as many times larger or smaller "
        "than usual (option nucleus_um of nuclei) is held back",
    )
    max_swapped_percent: float = Field(
        40,
        gt=0,
        le=100,
        description="%; a section is held back where as many more of the marker's bodies than of "
        "the counterstain's look like nuclei",
    )
    max_specks_percent: float = Field(
        10,
        ge=0,
        le=100,
        description="%; a section is held back where more of its neutrophils or vessels are dense "
        "as precipitate is",
    )
    max_fold_percent: float = Field(
        2, ge=0, le=100, description="%; a section of which more lies double is held back"
    )
    max_glass_percent: float = Field(
        60,
        gt=0,
        le=100,
        description="%; a section is held back where more of its region is as bright as glass, which counts as no tissue",
    )
    max_white_tint_percent: float = Field(
        15,
        gt=0,
        description="%; a section of lacunae is held back where the batch's white point differs "
        "more between red, green and blue, as it is tissue's where no glass is in the pictures",
    )
    stains: dict[str, Stain] = Field(
        description="every stain of the sections sheet by its name there"
    )
