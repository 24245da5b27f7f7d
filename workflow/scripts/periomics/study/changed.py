"""What a study set otherwise than this version's defaults: a limit that was loosened is told, not
silent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel

from periomics.study.config import Config
from periomics.study.settings.section import inner_model, read_section, section_of

# Sections of the areas, beside those of the study itself.
_AREAS = "periomics.study.settings."


class Changed(NamedTuple):
    """A setting by its place in the configuration, its value, and the default; None where the place
    has none."""

    key: str
    value: object
    default: object


def changed_settings(config: Mapping[str, Any]) -> list[Changed]:
    """Settings of all areas that are not the defaults.

    Parameters
    ----------
    config
        The configuration, resolved or as given; sections that are not in their form are left out.

    Returns
    -------
    list of Changed
        In the order of the configuration. What has no default (thresholds of scans, names) is no
        change; every option of a stain's detector that is given is one.
    """
    found: list[Changed] = []
    for name, field in Config.model_fields.items():
        model = inner_model(field.annotation)
        if model is not None and model.__module__.startswith(_AREAS):
            section, _ = read_section(model, section_of(config, name), "config", name)
            found += _changes(section, name) if section is not None else []
    return found


def _changes(section: BaseModel, where: str) -> Iterator[Changed]:
    for name, field in type(section).model_fields.items():
        value, key = getattr(section, name), f"{where}/{name}"
        if isinstance(value, BaseModel):
            yield from _changes(value, key)
        elif isinstance(value, Mapping) and inner_model(field.annotation) is not None:
            for own, inner in value.items():
                yield from _options(inner, f"{key}/{own}")
        elif not field.is_required():
            default = field.get_default(call_default_factory=True)
            if default not in (None, {}, ()) and value != default:
                yield Changed(key, value, default)


def _options(section: object, where: str) -> Iterator[Changed]:
    for name, value in (getattr(section, "options", None) or {}).items():
        yield Changed(f"{where}/options/{name}", value, None)
