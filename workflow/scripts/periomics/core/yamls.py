"""YAML that people write, read so that nothing is lost in silence and nothing hangs.

PyYAML keeps the last of two equal keys, recurses into what is nested, and builds whatever aliases multiply to. Here the
events of the file are looked through before anything is built.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from periomics.core.problems import Problem

DEEPEST = 50  # levels; the deepest file of this project has 6
MOST_REPEATED = 10_000  # nodes that aliases may add
LARGEST = 5_000_000  # bytes


# PyYAML's parser in C, where it was built with it: ten times as fast.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass
class _Part:
    """A mapping or list while its events pass by."""

    path: str
    mapping: bool
    anchor: str | None = None
    key: str | None = None  # the key whose value comes next; None where a key comes next
    lines: dict[str, int] = field(default_factory=dict)
    size: int = 1


def read_mapping(path: str | os.PathLike[str], name: str) -> tuple[dict, list[Problem]]:
    """Read a YAML file that must hold a mapping.

    Parameters
    ----------
    path
        The file.
    name
        How it is called in problems.

    Returns
    -------
    tuple
        The mapping (empty where it cannot be used) and what is wrong with it. Equal keys are a problem; the mapping is
        given all the same.
    """
    path = Path(path)
    try:
        mode = path.stat().st_mode
    except OSError:
        return {}, [Problem(name, 0, "", "file does not exist")]
    if not stat.S_ISREG(mode):
        what = "is a folder" if stat.S_ISDIR(mode) else "is a device or pipe"
        return {}, [Problem(name, 0, "", f"{what}, not a file")]
    if path.stat().st_size > LARGEST:
        message = "is larger than any settings: is it the right file?"
        return {}, [Problem(name, 0, "", message, f"{path.stat().st_size} bytes", "5 MB")]
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"is not valid YAML: byte {error.start} is not UTF-8; save it as UTF-8"
        return {}, [Problem(name, 0, "", message)]
    except OSError as error:
        return {}, [Problem(name, 0, "", f"cannot be read: {error.strerror}")]
    value, problems = parse(text, name)
    if isinstance(value, dict) or any(p.level == "error" for p in problems):
        return value if isinstance(value, dict) else {}, problems
    found = {list: "a list", type(None): "nothing"}.get(type(value), "a single value")
    message = "must be a mapping with keys such as contrasts and claims"
    if not name.endswith("claims.yaml"):
        message = "must be a mapping of keys to values (key: value)"
    return {}, [*problems, Problem(name, 0, "", message, found)]


def parse(text: str, name: str) -> tuple[object, list[Problem]]:
    """Value of a YAML text and its problems; None where it cannot be built."""
    try:
        problems = list(_look_through(text, name))
        if any("stands twice" not in p.message for p in problems):
            return None, problems
        return yaml.safe_load(text), problems
    except yaml.YAMLError as error:
        return None, [_explained(error, name)]
    except (ValueError, OverflowError, TypeError) as error:
        return None, [Problem(name, 0, "", f"is not valid YAML: {error}")]


def build(text: str) -> Any:
    """Value of a YAML text of ours, a resource; what people wrote goes through `parse`, whose
    errors say more."""
    return yaml.load(text, Loader=_LOADER)  # noqa: S506 - both loaders are safe


def _look_through(text: str, name: str) -> Iterator[Problem]:
    """Equal keys, and nesting or aliases that would not end; after the latter nothing else is looked at."""
    parts: list[_Part] = []
    sizes: dict[str | None, int] = {}
    repeated = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, yaml.CollectionStartEvent):
            mapping = isinstance(event, yaml.MappingStartEvent)
            parts.append(_Part(_path(parts), mapping, event.anchor))
            if len(parts) > DEEPEST:
                message = f"is nested more than {DEEPEST} levels deep in line {line}"
                yield Problem(name, 0, "", message, allowed=f"at most {DEEPEST} levels")
                return
        elif isinstance(event, yaml.CollectionEndEvent):
            part = parts.pop()
            sizes |= {part.anchor: part.size} if part.anchor else {}
            _passed(parts, "", part.size)
        elif isinstance(event, yaml.ScalarEvent):
            sizes |= {event.anchor: 1} if event.anchor else {}
            yield from _key(parts, event.value, line, name)
            _passed(parts, event.value, 1)
        elif isinstance(event, yaml.AliasEvent):
            if any(p.anchor == event.anchor for p in parts):
                message = f"refers to itself by an alias in line {line}"
                yield Problem(
                    name, 0, "", message, f"*{event.anchor}", "no alias to a part around it"
                )
                return
            repeated += sizes.get(event.anchor, 1)
            if repeated > MOST_REPEATED:
                message = f"aliases repeat more than {MOST_REPEATED:,} values by line {line}"
                yield Problem(name, 0, "", message, f"*{event.anchor}", "the values written out")
                return
            _passed(parts, "", sizes.get(event.anchor, 1))


def _path(parts: list[_Part]) -> str:
    if not parts:
        return ""
    return "/".join(p for p in (parts[-1].path, parts[-1].key or "") if p)


def _key(parts: list[_Part], value: str, line: int, name: str) -> Iterator[Problem]:
    """A problem where this scalar is a key that its mapping has already."""
    if not parts or not parts[-1].mapping or parts[-1].key is not None or value == "<<":
        return
    lines = parts[-1].lines
    if value in lines:
        message = f"the key stands twice, in lines {lines[value]} and {line}"
        column = f"{parts[-1].path}/{value}" if parts[-1].path else value
        yield Problem(name, 0, column, message, value, "each key once")
    lines.setdefault(value, line)


def _passed(parts: list[_Part], value: str, size: int) -> None:
    """One node of the innermost part is complete: a key, or the value of one."""
    if not parts:
        return
    part = parts[-1]
    part.size += size
    if part.mapping:
        part.key = value if part.key is None else None


def _explained(error: yaml.YAMLError, name: str) -> Problem:
    mark = getattr(error, "problem_mark", None)
    where = f" in line {mark.line + 1}" if mark else ""
    what = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    if "'\\t'" in what:
        message = f"is not valid YAML{where}: a tab stands where only spaces may"
        return Problem(name, 0, "", message, "\t", "spaces")
    context = getattr(error, "context", None)
    what = " ".join(f"{context + ', ' if context else ''}{what}".split())
    return Problem(name, 0, "", f"is not valid YAML{where}: {what}")
