"""Settings and columns of sheets as text, the way they were written; what is not there is "not reported"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from periomics.report.words import number

NOT_REPORTED = "not reported"
Config = Mapping[str, Any]


def value(config: Config, path: str, unit: str = "") -> str:
    """A configuration value as text with its unit, or "not reported"."""
    found: object = config
    for part in path.split("/"):
        found = found.get(part) if isinstance(found, Mapping) else None
    if found is None or found == "" or found == [] or found == {}:
        return NOT_REPORTED
    if isinstance(found, bool):
        return "yes" if found else "no"
    if isinstance(found, Mapping):
        text = "; ".join(f"{k} ({value(found, str(k))})" for k in found)
    else:
        text = (
            ", ".join(plain(v) for v in found) if isinstance(found, list | tuple) else plain(found)
        )
    return f"{text} {unit}".strip()


def plain(setting: object) -> str:
    """A setting as it was written: numbers without digits that say nothing."""
    if isinstance(setting, int | float) and not isinstance(setting, bool):
        return number(float(setting)) if float(setting).is_integer() else f"{setting:.10g}"
    if isinstance(setting, list | tuple):
        return f"[{', '.join(map(plain, setting))}]"
    return str(setting)


def listed(values: Sequence[object], unit: str = "") -> str:
    """Distinct values of a sheet as text, or "not reported"."""
    seen = list(dict.fromkeys(plain(v) for v in values if str(v) not in ("", "nan")))
    return (
        f"{', '.join(seen[:8])}{' …' if len(seen) > 8 else ''} {unit}".strip()
        if seen
        else NOT_REPORTED
    )
