"""Units of length as headers of scans spell them, in micrometres: the one table of all readers."""

from __future__ import annotations

import re
from pathlib import Path

from periomics.core.errors import InputError

UNIT_UM = {
    **dict.fromkeys(("m", "meter", "metre"), 1e6),
    **dict.fromkeys(("cm", "centimeter", "centimetre"), 1e4),
    **dict.fromkeys(("mm", "millimeter", "millimetre"), 1e3),
    **dict.fromkeys(("um", "µm", "micron", "micrometer", "micrometre"), 1.0),
    **dict.fromkeys(("nm", "nanometer", "nanometre"), 1e-3),
    **dict.fromkeys(("å", "angstrom", "ångström"), 1e-4),
    **dict.fromkeys(("inch", "inche", "in", '"'), 25400.0),
}
# Words that stand where a unit would and say that there is none.
NO_UNIT = ("", "?", "none", "unknown", "pixel", "voxel", "px", "reference frame")
KNOWN = "m, cm, mm, um, micron, micrometer, nm, angstrom or inch"


def unit_um(text: object, path: Path, column: str = "unit") -> float | None:
    """Micrometres in one unit of length; None where the text says that there is no unit.

    Upper and lower case, an s of the plural and the three spellings of the micro sign are one.

    Raises
    ------
    InputError
        If the text names something that is not a known unit.
    """
    name = re.sub(r"\\u00b5|\\u03bc|\u03bc", "µ", str(text or "").strip().lower())
    for form in (name, name.removesuffix("s")):
        if form in UNIT_UM:
            return UNIT_UM[form]
        if form in NO_UNIT:
            return None
    raise InputError(
        "unknown unit of length", file=path, column=column, value=str(text), allowed=KNOWN
    )
