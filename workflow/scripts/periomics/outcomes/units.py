"""Units of lengths, areas and volumes in tables of other programs, and their text as lines."""

from __future__ import annotations

import re
from pathlib import Path

LENGTH_MM = {"mm": 1.0, "um": 1e-3, "µm": 1e-3, "μm": 1e-3}
_UNIT = re.compile(r"^(?P<inverse>1/)?(?P<length>mm|um|µm|μm)(\^?(?P<power>[23])|(?P<sup>[²³]))?$")
_POWER = {"²": 2, "³": 3}


def text_lines(path: Path) -> list[str]:
    """Lines of a text in UTF-8, or as Windows writes it."""
    raw = path.read_bytes()
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            return raw.decode(encoding).splitlines()
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1").splitlines()


def unit_factor(unit: str, wanted: str) -> float | None:
    """Factor that turns a number in `unit` into `wanted` (lengths, areas, volumes and their
    inverses); None if they differ in kind."""
    if unit == wanted:
        return 1.0
    a, b = _UNIT.match(unit.strip()), _UNIT.match(wanted.strip())
    if not a or not b:
        return None
    powers = [int(m["power"] or _POWER.get(m["sup"] or "", 1)) for m in (a, b)]
    if powers[0] != powers[1] or bool(a["inverse"]) != bool(b["inverse"]):
        return None
    factor = (LENGTH_MM[a["length"]] / LENGTH_MM[b["length"]]) ** powers[0]
    return 1 / factor if a["inverse"] else factor
