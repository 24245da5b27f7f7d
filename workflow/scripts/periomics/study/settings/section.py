"""The base of all settings: unknown keys are refused with the nearest known one, and values that contradict each other are named."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator

from periomics.core.errors import InputError, nearest
from periomics.core.problems import Problem

S = TypeVar("S", bound=BaseModel)


class Contradiction(NamedTuple):
    """A setting that cannot stand beside another one: its key below the section, what is wrong, the value, what is allowed."""

    key: str
    message: str
    value: object = ""
    allowed: str = ""


class Section(BaseModel):
    """Base of all sections: unknown keys are refused, nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _true_is_no_number(cls, value: object, info: ValidationInfo) -> object:
        """Refuse yes and no where a number is wanted, as which they would be taken for 1 and 0."""
        annotation = cls.model_fields[info.field_name or ""].annotation
        kinds = set(_kinds(annotation))
        wanted = kinds & {int, float} and not kinds & {bool, object, Any}
        own = inner_model(annotation) is None  # a section looks at its own values
        if wanted and own and _holds_yes_or_no(value):
            raise ValueError("is yes or no (true, false), which is no number")
        return value

    @classmethod
    def of(cls, values: Mapping[str, object] | None = None, where: str = "") -> Self:
        """The section with its defaults, from what a job was given.

        Parameters
        ----------
        values
            Keys and values; nothing for the defaults alone.
        where
            Place of the section in the configuration, for messages; `bulk/tests`.

        Raises
        ------
        InputError
            Naming the first key that is unknown, missing, outside its range, or contradicts another one.
        """
        section, problems = read_section(cls, values or {}, "config", where)
        if section is None or problems:
            first = problems[0]
            raise InputError(
                first.message,
                file=first.file,
                column=first.column,
                value=first.value or None,
                allowed=first.allowed,
            )
        return section

    def but(self, **changed: object) -> Self:
        """The section with some values in place of others; they are not checked again."""
        return self.model_copy(update=changed)

    def contradictions(self) -> Iterator[Contradiction]:
        """Settings of this section that contradict each other."""
        return iter(())


def _holds_yes_or_no(value: object) -> bool:
    """Whether a value is true or false, or holds one."""
    if isinstance(value, (list, tuple)):
        return any(map(_holds_yes_or_no, value))
    if isinstance(value, Mapping):
        return any(map(_holds_yes_or_no, value.values()))
    return isinstance(value, bool)


def _kinds(annotation: Any) -> Iterator[Any]:
    """An annotation and all that it is put together from."""
    yield annotation
    for inner in getattr(annotation, "__args__", ()):
        yield from _kinds(inner)


def section_of(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A section of a configuration as it was given; empty where it is none."""
    value = config.get(name)
    return value if isinstance(value, Mapping) else {}


def read_section(
    model: type[S], values: Mapping[str, object], file: str, where: str = ""
) -> tuple[S | None, list[Problem]]:
    """A section, where its form is right, and every problem in it."""
    try:
        section = model.model_validate(dict(values))
    except ValidationError as error:
        return None, [problem_of(e, model, file, where) for e in error.errors()]
    return section, list(_contradictions(section, file, where))


def well_shaped(
    model: type[BaseModel], values: Mapping[str, object], deepest: int
) -> dict[str, Any]:
    """Values without those that are of no kind which the model knows (a list for a text, a text for
    a number), each cut away with what it is part of down to `deepest` keys.

    What is wrong is told from the values as they stand; this keeps everything else that looks at
    them from stumbling over it.
    """
    try:
        model.model_validate(dict(values))
    except ValidationError as error:
        wrong = {_standing(values, e["loc"][:deepest]) for e in error.errors() if _misshapen(e)}
        return _without(values, wrong)
    return dict(values)


def _misshapen(error: Any) -> bool:
    kinds = ("_type", "_parsing", "_from_float", "finite_number")
    return (
        error["type"].endswith(kinds)
        or (error["type"] == "literal_error" and not isinstance(error["input"], str))
        or (error["type"] == "value_error" and isinstance(error["input"], bool))
    )


def _standing(value: Any, place: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """As much of a place as stands in the values: the rest names members of a union."""
    for depth, key in enumerate(place):
        held = value if isinstance(value, Mapping) else dict(enumerate(value or ()))
        if isinstance(value, str) or key not in held:
            return place[:depth]
        value = held[key]
    return place


def _without(value: Any, places: set[tuple[int | str, ...]]) -> Any:
    """A value without what stands at these places."""
    if not places or not isinstance(value, (Mapping, list)):
        return value
    items = value.items() if isinstance(value, Mapping) else enumerate(value)
    kept = {
        k: _without(v, {p[1:] for p in places if p[:1] == (k,)})
        for k, v in items
        if (k,) not in places
    }
    return kept if isinstance(value, Mapping) else list(kept.values())


def _contradictions(value: object, file: str, where: str) -> Iterator[Problem]:
    """Contradictions of a section and of all sections inside."""
    if isinstance(value, Section):
        for key, message, found, allowed in value.contradictions():
            shown = f"{found:g}" if isinstance(found, float) else str(found)
            yield Problem(file, 0, _under(where, key), message, shown, allowed)
        for name in type(value).model_fields:
            yield from _contradictions(getattr(value, name), file, _under(where, name))
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _contradictions(inner, file, _under(where, name))
    elif isinstance(value, (list, tuple)):
        for i, inner in enumerate(value):
            yield from _contradictions(inner, file, _under(where, i))


def _under(where: str, key: object) -> str:
    return f"{where}/{key}" if where else str(key)


def falls(pair: tuple[float, float] | None) -> bool:
    """Whether a range ends at or before its start."""
    return pair is not None and pair[0] >= pair[1]


def check_keys(given: Iterable[object], known: Iterable[str], where: str) -> None:
    """Refuse keys that nobody knows, where they are no section: the options of a detector, a simulated layer.

    Raises
    ------
    InputError
        Naming the first unknown key and the nearest known one.
    """
    known = sorted(known)
    for key in given:
        if key not in known:
            raise InputError(
                f"unknown key{nearest(str(key), known)}",
                file="config",
                column=_under(where, key),
                allowed=", ".join(known),
            )


def problem_of(error: Any, model: type[BaseModel], file: str, inside: str = "") -> Problem:
    """A validation error of a model in the words of the check."""
    where = "/".join([inside] * bool(inside) + [str(p) for p in error["loc"]])
    if error["type"] == "extra_forbidden":
        parent = _model_at(model, error["loc"][:-1])
        known = sorted(parent.model_fields) if parent else []
        message = f"unknown key{nearest(str(error['loc'][-1]), known)}"
        return Problem(file, 0, where, message, allowed=", ".join(known))
    if error["type"] == "missing":
        return Problem(file, 0, where, "this key is needed")
    value = str(error.get("input"))[:80]
    if error["type"] == "literal_error":
        allowed = error["ctx"]["expected"].replace("'", "").replace(" or ", ", ")
        what = f"unknown {error['loc'][-1]}{nearest(value, allowed.split(', '))}"
        return Problem(file, 0, where, what, value, allowed)
    message = error["msg"].removeprefix("Value error, ")  # of a validator of our own
    return Problem(file, 0, where, message[0].lower() + message[1:], value)


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
    models = (k for k in _kinds(annotation) if isinstance(k, type) and issubclass(k, BaseModel))
    return next(models, None)
