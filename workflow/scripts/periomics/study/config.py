"""The configuration as pydantic models: what every key means, its unit, default and limits.

The schema in workflow/schemas is generated from here; a key that no model knows is a problem, with the nearest known name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from periomics.study.errors import nearest
from periomics.study.problems import Problem


class Section(BaseModel):
    """Base of all sections: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid")


class About(Section):
    """What the study is."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", description="short name, used in file names of exports")
    title: str = Field("", description="title of the report")
    description: str = Field("", description="what was done, in a few sentences; printed in the report")
    operators_blinded: bool | None = Field(
        None, description="whether the operators were blinded; not reported where empty"
    )
    randomised: str = Field("", description="how animals were allocated; not reported where empty")


class Roles(Section):
    """Which arm plays which part."""

    healthy: str | None = Field(None, description="arm without the drug")
    disease: str | None = Field(None, description="arm with the drug and vehicle")
    treated: list[str] = Field(default_factory=list, description="arms with drug and cells")


class Config(Section):
    """The whole configuration of a study."""

    study: About
    seed: int = Field(ge=0, description="seed of everything that is drawn")
    results_dir: str = Field("results", description="folder of all results, relative to the working directory")
    study_dir: str | None = Field(None, description="folder of the sheets; that of this file where empty")
    sheets: dict[str, str] = Field(description="file of each sheet, relative to the folder of this file")
    claims: str | None = Field(None, description="claims to be judged, relative to the folder of this file")
    roles: Roles = Field(default_factory=Roles)
    on_broken_specimen: Literal["flag", "stop"] = Field("flag", description="rows with qc = fail, or stop the run")
    allow_confounded: bool = Field(False, description="run contrasts that batches confound, without inference")
    simulate: dict[str, Any] | None = Field(None, description="settings of a simulated study")
    microct: dict[str, Any] = Field(default_factory=dict)
    histology: dict[str, Any] = Field(default_factory=dict)
    culture: dict[str, Any] = Field(default_factory=dict)
    bulk: dict[str, Any] = Field(default_factory=dict)
    singlecell: dict[str, Any] = Field(default_factory=dict)
    outcomes: dict[str, Any] = Field(default_factory=dict)
    statistics: dict[str, Any] = Field(default_factory=dict)
    linkage: dict[str, Any] = Field(default_factory=dict)
    report: dict[str, Any] = Field(default_factory=dict)
    resources: dict[str, str] = Field(default_factory=dict, description="third-party tables by path")


def check_config(config: Mapping[str, object]) -> list[Problem]:
    """Every problem in a configuration, each with its key and, for an unknown key, the nearest known one."""
    try:
        Config.model_validate(dict(config))
    except ValidationError as error:
        return [_problem(e) for e in error.errors()]
    return []


def _problem(error: Any) -> Problem:
    where = "/".join(str(p) for p in error["loc"])
    if error["type"] == "extra_forbidden":
        parent = _model_at(error["loc"][:-1])
        known = sorted(parent.model_fields) if parent else []
        return Problem(
            "config", 0, where, f"unknown key{nearest(str(error['loc'][-1]), known)}", allowed=", ".join(known)
        )
    if error["type"] == "missing":
        return Problem("config", 0, where, "this key is needed")
    value = str(error.get("input"))[:80]
    return Problem("config", 0, where, error["msg"][0].lower() + error["msg"][1:], value)


def _model_at(loc: tuple) -> type[BaseModel] | None:
    model: Any = Config
    for part in loc:
        if isinstance(part, int):
            continue
        model = (
            next((m for m in _models(model.model_fields[part].annotation)), None)
            if part in model.model_fields
            else None
        )
        if model is None:
            return None
    return model


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in getattr(annotation, "__args__", ()):
        yield from _models(inner)
