"""What every reader of scans says without pixels, and the rule that voxels are boxes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from periomics.core.errors import InputError, SpecimenError

T = TypeVar("T")
Spacing = tuple[float, float, float]
AGREEMENT = 0.01  # file and sheet may differ by this share, which covers rounding in headers
# Sine of the largest lean of one axis on another: rounding of headers, and 0.5 % of a length.
LEAN = 0.005
ISOTROPY = 0.01


@dataclass(frozen=True)
class Header:
    """What a scan says without its pixels: shape (z, y, x), spacing in µm, type, format, facts.

    The spacing is (z, y, x), or None where the file does not state it. The type is that of the
    values that are read, after any slope and intercept. Facts whose names begin with _ are for
    programs: where the first voxel lies and the axes point, in the file's unit.
    """

    shape: tuple[int, int, int]
    spacing_um: Spacing | None
    dtype: str
    format: str
    facts: dict[str, Any] = field(default_factory=dict)


def three(values: Iterable[T]) -> tuple[T, T, T]:
    """The values of the z, y and x axes, of which there are three."""
    z, y, x = values
    return z, y, x


def refuse_shear(axes: ArrayLike, path: Path, column: str) -> None:
    """Raise InputError unless the three axes (rows) stand at right angles; rotation is allowed.

    Every measurement takes a voxel for a box. Of sheared axes volume and distances would be wrong.
    """
    vectors = np.asarray(axes, float)
    lengths = np.linalg.norm(vectors, axis=1)
    if not (np.isfinite(lengths).all() and (lengths > 0).all()):
        raise InputError("axes of the voxels have no length", file=path, column=column)
    cosines = (vectors / lengths[:, None]) @ (vectors / lengths[:, None]).T
    leans = {"x and y": cosines[0, 1], "x and z": cosines[0, 2], "y and z": cosines[1, 2]}
    names, worst = max(leans.items(), key=lambda item: abs(item[1]))
    if abs(worst) > LEAN:
        angle = float(np.degrees(np.arccos(np.clip(worst, -1, 1))))
        raise InputError(
            f"voxels are sheared: axes {names} stand at {angle:.4g} degrees",
            file=path,
            column=column,
            allowed="axes at right angles; resample the scan to a straight grid",
        )


def isotropic_voxel(spacing_um: Spacing) -> float:
    """Edge (µm) of the cube that has the voxel's volume.

    Raises
    ------
    SpecimenError
        If the edges differ by more than 1 %: spheres and shells need cubes, and resampling would be a choice about the
        data, so such scans are refused.
    """
    if max(spacing_um) > (1 + ISOTROPY) * min(spacing_um):
        edges = " x ".join(f"{s:.6g}" for s in spacing_um)
        raise SpecimenError(
            f"voxels are not cubes ({edges} um, z x y x x): resample the scan to cubes first"
        )
    return float(np.prod(spacing_um) ** (1 / 3))
