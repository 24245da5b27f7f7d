"""The configuration of a study as one model: what every key means, its unit, default and limits.

The schema in workflow/schemas is generated from here; a key that no model knows is a problem, with the nearest known name. What an
area can be told stands in `periomics.study.settings`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, ValidationError

from periomics.core.problems import Problem
from periomics.study.settings.bulk import Bulk
from periomics.study.settings.calibration import Calibration
from periomics.study.settings.culture import Culture
from periomics.study.settings.histology import Histology
from periomics.study.settings.linkage import Linkage
from periomics.study.settings.microct import Microct
from periomics.study.settings.outcomes import OutcomeRules
from periomics.study.settings.planning import Planning
from periomics.study.settings.section import Section, inner_model, read_section
from periomics.study.settings.singlecell import SingleCell


class Given(Section):
    """Something that animals were given."""

    name: str = Field(description="a drug, cells, a vehicle, surgery")
    arms: list[str] = Field(min_length=1, description="arms that got it")
    start: float = Field(description="when it was given, or first given; surgery is usually 0")
    end: float | None = Field(None, description="when it was last given; once where empty")


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
    given: list[Given] = Field(
        default_factory=list,
        description="what was given when, for the report's picture of the design",
    )
    given_unit: str = Field("d", description="unit of these times, as that of the sheets")


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
        default_factory=dict,
        description="third-party tables by path; `outcomes` is a table of outcomes of the study's own",
    )


def check_config(config: Mapping[str, object]) -> list[Problem]:
    """Every problem in a configuration, each with its key and, for an unknown key, the nearest known one."""
    whole, problems = read_section(Config, config, "config")
    if whole is not None:
        return problems
    # Contradictions inside the sections whose form is right are told too.
    for name, field in Config.model_fields.items():
        model, values = inner_model(field.annotation), config.get(name)
        if model is not None and isinstance(values, Mapping):
            section, found = read_section(model, values, "config", name)
            problems += found if section is not None else []
    return problems


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
