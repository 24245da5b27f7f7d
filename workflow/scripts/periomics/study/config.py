"""The configuration as pydantic models: what every key means, its unit, default and limits.

The schema in workflow/schemas is generated from here; a key that no model knows is a problem, with the nearest known name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from periomics.core.errors import nearest
from periomics.core.problems import Problem


class Section(BaseModel):
    """Base of all sections: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid")


class About(Section):
    """What the study is."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$",
        description="short name, used in file names of exports",
    )
    title: str = Field("", description="title of the report")
    description: str = Field(
        "", description="what was done, in a few sentences; printed in the report"
    )
    operators_blinded: bool | None = Field(
        None, description="whether the operators were blinded; not reported where empty"
    )
    randomised: str = Field("", description="how animals were allocated; not reported where empty")


class Roles(Section):
    """Which arm plays which part."""

    healthy: str | None = Field(None, description="arm without the drug")
    disease: str | None = Field(None, description="arm with the drug and vehicle")
    treated: list[str] = Field(default_factory=list, description="arms with drug and cells")


class Blinding(Section):
    """Groups that are codes in the sheets until a key is opened."""

    codes: list[str] = Field(
        default_factory=list,
        description="codes that stand for arms in group and condition (A, B, C, D); the study is run with coded groups where there are any",
    )
    key: str | None = Field(
        None,
        description="table with columns code and arm, relative to the folder of this file; closed until it exists",
    )
    shared_arms: bool = Field(False, description="whether several codes may stand for one arm")


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
        description="grey value; darker voxels are left out of the pooled threshold, such as air around the sample",
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
    ovtv_curve_um: list[float] = Field(
        default_factory=lambda: [36, 54, 72, 90, 108],
        description="µm; further offsets, to show the artefact",
    )
    shells_um: list[tuple[float, float]] = Field(
        default_factory=lambda: [(90, 200), (200, 350), (350, 500)],
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
    memory_mb: float = Field(
        4000,
        gt=0,
        description="MB for the voxels of one scan; scans that need more (80 bytes a voxel) are measured by parts, with the same "
        "numbers; a scan of 1000 x 1000 x 1000 voxels needs about 2000",
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
    phantom_rods_mgha: list[float] = Field(
        default_factory=list,
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
    anisotropy: bool = Field(True, description="whether DA is measured")
    da_noise_fields: int = Field(
        1, ge=0, description="isotropic random fields for the noise floor of DA; the largest counts"
    )
    band_sweep_voxels: int = Field(
        8,
        ge=0,
        description="voxels; widest artefact band of the sweep and last offset of the curve of contact",
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

    @model_validator(mode="after")
    def _together(self) -> Microct:
        needs = (
            (
                self.threshold_rule == "fixed",
                self.bone_threshold is not None,
                "threshold_rule: fixed needs bone_threshold",
            ),
            (
                self.segmentation != "fixed",
                self.bone_threshold_low is not None,
                "segmentation needs bone_threshold_low",
            ),
            (
                self.threshold_unit != "grey",
                self.calibration != "none",
                "threshold_unit: mgHA/cm3 needs a calibration",
            ),
            (
                self.threshold_rule == "otsu",
                self.threshold_unit == "grey",
                "threshold_rule: otsu gives a grey value",
            ),
            (
                self.calibration == "line",
                bool(self.calibration_slope) and self.calibration_intercept is not None,
                "calibration: line needs calibration_slope and calibration_intercept",
            ),
            (
                self.calibration == "phantom",
                len(set(self.phantom_rods_mgha)) >= 2,
                "calibration: phantom needs phantom_rods_mgha, at least two densities",
            ),
        )
        for asked, given, what in needs:
            if asked and not given:
                raise ValueError(what)
        return self


class Stain(Section):
    """One stain: which detector reads it and how."""

    detector: Literal["vessels", "neutrophils", "nuclei", "lacunae", "laminin", "area"] = Field(
        description="what reads the stain"
    )
    vectors: str | dict[str, list[float]] | None = Field(
        None,
        description="pair of stains in resources/stains.yaml, or two named vectors of red, green and blue optical density",
    )
    estimate_vectors: bool = Field(
        False, description="estimate the vectors once a stain batch, from pooled tissue"
    )
    white: list[float] | None = Field(
        None, description="grey levels; red, green and blue of glass; from the batch where empty"
    )
    roi: str | None = Field(
        None, description="region (or line) of the annotation file in which it is measured"
    )
    pixel_um: float = Field(0.5, gt=0, description="µm; pixel size at which it is measured")
    threshold: (
        Literal["half_maximum", "half_median", "otsu", "negative_control", "fixed"] | None
    ) = Field(
        None, description="rule of the threshold, taken once a stain batch from pooled tissue"
    )
    threshold_value: float | None = Field(
        None, gt=0, description="optical density; for the rule fixed"
    )
    second_threshold: (
        Literal["half_maximum", "half_median", "otsu", "negative_control", "fixed"] | None
    ) = Field(None, description="as threshold, for the counterstain")
    second_value: float | None = Field(
        None, gt=0, description="optical density; for the rule fixed"
    )
    outcomes: dict[str, str] = Field(
        default_factory=dict, description="result of the detector → outcome of the dictionary"
    )
    options: dict[str, float] = Field(default_factory=dict, description="options of the detector")
    antibody: str | None = Field(
        None, description="antibody, clone and lot for the methods text; not reported where empty"
    )


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
        1, ge=0, le=100, description="%; more saturated pixels in the region give a warning"
    )
    stains: dict[str, Stain] = Field(
        description="every stain of the sections sheet by its name there"
    )


class Culture(Section):
    """Scratch assays and plates."""

    closure_h: float = Field(
        24, gt=0, description="h; time at which the scratch closure is reported"
    )
    window_um: float = Field(24, gt=0, description="µm; side of the texture window, about one cell")
    debris_um2: float = Field(
        8000, ge=0, description="µm²; islands of texture inside the gap up to this area are debris"
    )
    closed_share: float = Field(
        0.8,
        gt=0,
        lt=1,
        description="speed is taken from frames before this share of the gap is closed",
    )
    regrowth_um: float = Field(
        30, ge=0, description="µm; a gap that grows back further means that the field moved"
    )
    pixel_size: Literal["needed", "unknown"] = Field(
        "needed",
        description="unknown: a scratch series whose pixel size neither file nor sheet states is measured in percent and hours only",
    )
    window_px: float | None = Field(
        None,
        gt=1,
        description="pixels; side of the texture window where the pixel size is unknown, about one cell; the other lengths keep "
        "their proportion to it",
    )

    @model_validator(mode="after")
    def _window(self) -> Culture:
        if self.pixel_size == "unknown" and self.window_px is None:
            raise ValueError(
                "pixel_size: unknown needs window_px, the side of the texture window in pixels"
            )
        return self


class BulkQuality(Section):
    """When a bulk library fails."""

    min_reads: int = Field(10_000, ge=0, description="counted reads; fewer fail")
    min_detected: int = Field(500, ge=0, description="genes with a read; fewer fail")
    duplicates: Literal["flag", "stop"] = Field("flag", description="what identical libraries do")


class BulkScores(Section):
    """Scores per library."""

    footprint_top: int = Field(
        500, ge=10, description="genes a pathway of a configured footprint table"
    )
    footprint_species: Literal["rat", "mouse", "human"] = Field(
        "mouse", description="species of that table"
    )


class Analysis(Section):
    """One design of bulk libraries."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_+-]*$", description="name of the analysis")
    select: dict[str, str | float | list[str | float]] = Field(
        default_factory=dict, description="libraries: column of the sheets → value"
    )
    arm: str = Field(
        "group",
        description="column that holds the arm: group, or condition where arms vary within the unit",
    )
    block: str | list[str] = Field(default_factory=list, description="columns that enter as blocks")
    contrasts: list[str] = Field(
        default_factory=list, description="names of contrasts in the claims file"
    )


class BulkTests(Section):
    """Differential tests."""

    alpha: float = Field(
        0.05, gt=0, lt=1, description="false discovery rate for independent filtering"
    )
    min_total: int = Field(
        10, ge=0, description="reads of a gene over all libraries; fewer are not tested"
    )
    min_per_arm: int = Field(3, ge=2, description="units an arm; fewer get no p-values")
    reference: Literal["t", "normal"] = Field(
        "t",
        description="normal is DESeq2's and exceeds the stated false discovery rate (docs/omics.md)",
    )


class BulkSets(Section):
    """Ranking of gene sets, for display."""

    permutations: int = Field(
        1000, ge=10, description="gene permutations that scale the score; no test across animals"
    )
    min_size: int = Field(5, ge=2, description="fewest genes of a set among the tested")
    max_size: int = Field(500, ge=5, description="most genes of a set among the tested")
    species: Literal["rat", "mouse", "human"] = Field(
        "human", description="species of a configured GMT file"
    )


class Bulk(Section):
    """Bulk RNA-seq."""

    quality: BulkQuality = Field(default_factory=BulkQuality)
    scores: BulkScores = Field(default_factory=BulkScores)
    analyses: list[Analysis] = Field(
        default_factory=list, description="designs; each is one fit for all its contrasts"
    )
    tests: BulkTests = Field(default_factory=BulkTests)
    sets: BulkSets = Field(default_factory=BulkSets)


class Atlas(Section):
    """How cells are read, kept, embedded and named; declared blind to arms."""

    sample_column: str = Field(
        "sample", description="column of a shared h5ad that holds the sheet's `sample`"
    )
    label_column: str | None = Field(
        None, description="column with labels of one's own, which take the place of marker labels"
    )
    min_counts: int = Field(500, ge=0, description="counts of a cell; fewer are dropped")
    min_genes: int = Field(200, ge=0, description="genes of a cell; fewer are dropped")
    max_mito_percent: float = Field(
        20, ge=0, le=100, description="%; mitochondrial share of a cell; more are dropped"
    )
    doublet_rate: float = Field(
        0.05, ge=0, lt=1, description="expected share of doublets in a library"
    )
    drop_doublets: bool = Field(True, description="whether predicted doublets are dropped")
    n_variable: int = Field(1000, ge=50, description="variable genes")
    n_components: int = Field(20, ge=2, description="principal components")
    n_neighbours: int = Field(15, ge=2, description="neighbours of a cell")
    resolution: float = Field(1.0, gt=0, description="Leiden resolution")
    min_margin: float = Field(
        0.2, ge=0, description="SD; a cluster is named where its best type beats the second by this"
    )


class PseudobulkTests(Section):
    """Tests per cell type on pseudobulk, and of composition."""

    arm: str = Field("group", description="column that holds the arm")
    block: str | list[str] = Field(default_factory=list, description="columns that enter as blocks")
    contrasts: list[str] = Field(
        default_factory=list, description="names of contrasts in the claims file"
    )
    select: dict[str, str | float | list[str | float]] | None = Field(
        None, description="libraries: column of the sheets → value"
    )
    min_cells: int = Field(20, ge=1, description="cells of a type in a library; fewer are left out")
    min_per_arm: int = Field(3, ge=2, description="units an arm; fewer are descriptive")
    reference: Literal["t", "normal"] = Field("t", description="as in bulk/tests")
    alpha: float = Field(
        0.05, gt=0, lt=1, description="false discovery rate for independent filtering"
    )
    min_total: int = Field(
        10, ge=0, description="reads of a gene over all libraries; fewer are not tested"
    )


class SingleCell(Section):
    """Single-cell RNA-seq."""

    atlas: Atlas = Field(default_factory=Atlas)
    tests: PseudobulkTests = Field(default_factory=PseudobulkTests)


class OutcomeRules(Section):
    """From measurements to one value an animal."""

    min_sections: int = Field(
        1,
        ge=1,
        description="sections that an animal needs, else its value is missing; 2 are recommended",
    )


class SignallingNetwork(Section):
    """One signalling network."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$", description="name of the results folder"
    )
    test: str = Field(
        description="differential test that it explains, <analysis>.<contrast> of bulk"
    )
    inputs: dict[str, Literal[1, -1]] = Field(description="receptor (human symbol) and its sign")
    depth: int = Field(6, ge=1, description="steps; longest path from receptor to gene")
    beta: float = Field(0.2, gt=0, description="cost of a node; a clear gene is worth 1 to 2")
    pool: int = Field(20, ge=1, le=50, description="most optima that are listed")
    nulls: int = Field(
        20, ge=0, description="shuffles of the genes' changes for the null frequency"
    )
    q: float = Field(
        0.05, gt=0, lt=1, description="false discovery rate at which a gene counts as changed"
    )
    genes: int = Field(40, ge=1, description="most genes that are explained")
    solver: Literal["HiGHS", "CBC"] = Field("HiGHS", description="CBC comes with PuLP")


class Pair(Section):
    """A declared pair of score and outcome."""

    score: str = Field(description="score:<kind>:<id>")
    outcome: str = Field(description="outcome of the dictionary")
    units: Literal["animal", "isolation"] = Field("animal", description="units that have both")


class Linkage(Section):
    """Scores beside outcomes, and signalling routes."""

    permutations: int = Field(9999, ge=99, description="permutations within arms for each pair")
    pairs: list[Pair] = Field(
        default_factory=list,
        description="6 to 12 pairs declared before data; Holm within animals and within isolations",
    )
    networks: list[SignallingNetwork] = Field(default_factory=list)


class BatchLayout(Section):
    """What is handled in batches: a stain run, scan sessions, library plates."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_+-]*$", description="name of the layout")
    capacity: int = Field(ge=1, description="specimens that one batch holds")
    sheet: Literal["scans", "sections", "cultures", "libraries"] | None = Field(
        None,
        description="sheet whose specimens are laid out; where empty every animal gives `per_animal` specimens",
    )
    per_animal: int = Field(1, ge=1, description="specimens an animal, where no sheet names them")


class Planning(Section):
    """Power, allocation and layout of the next study (`snakemake power`, `snakemake allocate`)."""

    power: float = Field(
        0.8,
        gt=0.05,
        lt=1,
        description="wanted power; 0.8 is the usual compromise with animal numbers",
    )
    effect_d: float = Field(
        1.2,
        gt=0,
        description="SD between animals; healthy - disease difference that is planned for, low since published effects are inflated",
    )
    effect_of: dict[str, float] = Field(
        default_factory=dict,
        description="outcome → planned difference in its own unit, used where its SD was measured",
    )
    recovery: float = Field(
        0.7, description="share of the deficit that a treated arm makes up, unless R names it"
    )
    R: dict[str, float] = Field(
        default_factory=dict,
        description="arm → share of the deficit that it makes up; 0 where a claim says that the arm does not improve, else `recovery`",
    )
    cv: float = Field(
        0.25,
        gt=0,
        lt=5,
        description="SD over mean between animals where none were measured; 0.15 to 0.4 are usual",
    )
    cv_of: dict[str, float] = Field(default_factory=dict, description="outcome → SD over mean")
    correlation: float = Field(
        0.4, ge=0, lt=1, description="between the outcomes of an animal, for families of claims"
    )
    n: tuple[int, int] = Field(
        (3, 20), description="animals an arm, from and to, of the power curves"
    )
    n_limit: int = Field(200, ge=2, description="most animals an arm that are considered")
    simulations: int = Field(
        2000,
        ge=100,
        description="studies drawn for each point; 2000 give powers to 0.02 (two standard errors)",
    )
    arms: list[str] = Field(
        default_factory=list,
        description="arms of the next allocation; the roles' arms, else the sheet's groups, where empty",
    )
    reallocate: bool = Field(
        False,
        description="whether groups in the animals sheet are ignored; else animals that all have one keep it",
    )
    weight_tolerance: float = Field(
        0.1,
        ge=0,
        description="SD of the weights; arms whose mean weights differ by no more are balanced, a larger choice leaves more to chance",
    )
    batches: list[BatchLayout] = Field(
        default_factory=list, description="layouts of specimens over batches"
    )

    @model_validator(mode="after")
    def _range(self) -> Planning:
        if not 3 <= self.n[0] <= self.n[1] <= self.n_limit:
            raise ValueError(
                "n must rise from at least 3 (there is no inference below) to at most n_limit"
            )
        return self


class Calibration(Section):
    """How often verdicts are right on this design, by simulation (`snakemake calibrate`)."""

    studies: int = Field(
        10_000,
        ge=50,
        description="simulated studies a scenario; 10,000 tell a rate of .05 to .006, 200 are a quick look",
    )
    d: float = Field(
        2.5,
        gt=0,
        description="SD between animals; healthy - disease difference of the simulated studies",
    )
    within_d: float = Field(
        1.5,
        gt=0,
        description="SD of the differences within isolations; effect of the medium where treatments work",
    )
    correlation: float = Field(0.4, ge=0, lt=1, description="between the outcomes of an animal")
    block_share: float = Field(
        0.3, ge=0, lt=1, description="share of the variance between animals that a block explains"
    )
    sizes: list[int] = Field(
        default_factory=lambda: [3, 4, 5, 6, 7, 8, 9, 10],
        description="animals an arm: each scenario is repeated with them, beside the own numbers of the study",
    )


class Config(Section):
    """The whole configuration of a study."""

    study: About
    seed: int = Field(ge=0, description="seed of everything that is drawn")
    results_dir: str = Field(
        "results", description="folder of all results, relative to the working directory"
    )
    study_dir: str | None = Field(
        None, description="folder of the sheets; that of this file where empty"
    )
    sheets: dict[str, str] = Field(
        description="file of each sheet, relative to the folder of this file"
    )
    claims: str | None = Field(
        None, description="claims to be judged, relative to the folder of this file"
    )
    roles: Roles = Field(default_factory=Roles)
    blinding: Blinding = Field(default_factory=Blinding)
    on_broken_specimen: Literal["flag", "stop"] = Field(
        "flag", description="rows with qc = fail, or stop the run"
    )
    allow_confounded: bool = Field(
        False, description="run contrasts that batches confound, without inference"
    )
    simulate: dict[str, Any] | None = Field(None, description="settings of a simulated study")
    microct: Microct | None = None
    histology: Histology | None = None
    culture: Culture = Field(default_factory=Culture)
    bulk: Bulk = Field(default_factory=Bulk)
    singlecell: SingleCell = Field(default_factory=SingleCell)
    outcomes: OutcomeRules = Field(default_factory=OutcomeRules)
    linkage: Linkage = Field(default_factory=Linkage)
    calibration: Calibration = Field(default_factory=Calibration)
    planning: Planning = Field(default_factory=Planning)
    resources: dict[str, str] = Field(
        default_factory=dict, description="third-party tables by path"
    )


def check_config(config: Mapping[str, object]) -> list[Problem]:
    """Every problem in a configuration, each with its key and, for an unknown key, the nearest known one."""
    try:
        Config.model_validate(dict(config))
    except ValidationError as error:
        return [problem_of(e, Config, "config") for e in error.errors()]
    return []


def resolve_config(config: Mapping[str, object]) -> dict[str, Any]:
    """The configuration with every default filled in; as it was given where it is not valid (the check says why)."""
    try:
        model = Config.model_validate(dict(config))
    except ValidationError:
        return dict(config)
    full = model.model_dump(mode="json")
    if model.histology:
        # What a stain leaves open is chosen by its detector.
        full["histology"] = model.histology.model_dump(mode="json", exclude_none=True)
    return full


def problem_of(error: Any, model: type[BaseModel], file: str) -> Problem:
    """A validation error of a model in the words of the check."""
    where = "/".join(str(p) for p in error["loc"])
    if error["type"] == "extra_forbidden":
        parent = _model_at(model, error["loc"][:-1])
        known = sorted(parent.model_fields) if parent else []
        return Problem(
            file,
            0,
            where,
            f"unknown key{nearest(str(error['loc'][-1]), known)}",
            allowed=", ".join(known),
        )
    if error["type"] == "missing":
        return Problem(file, 0, where, "this key is needed")
    value = str(error.get("input"))[:80]
    if error["type"] == "literal_error":
        allowed = error["ctx"]["expected"].replace("'", "").replace(" or ", ", ")
        what = f"unknown {error['loc'][-1]}{nearest(value, allowed.split(', '))}"
        return Problem(file, 0, where, what, value, allowed)
    return Problem(file, 0, where, error["msg"][0].lower() + error["msg"][1:], value)


def _model_at(model: type[BaseModel], loc: tuple) -> type[BaseModel] | None:
    found: Any = model
    for part in loc:
        if isinstance(part, int) or part not in found.model_fields:
            continue  # an index, or a name that the user chose
        found = inner_model(found.model_fields[part].annotation)
        if found is None:
            return None
    return found


def inner_model(annotation: Any) -> type[BaseModel] | None:
    """The model that an annotation holds, if any."""
    return next(iter(_models(annotation)), None)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in getattr(annotation, "__args__", ()):
        yield from _models(inner)
