"""OME-Zarr images (versions 0.4 and 0.5): the first scale, read lazily, and written for masks and maps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from periomics.core.errors import InputError
from periomics.microct.formats.header import Spacing, three
from periomics.microct.formats.units import unit_um

CHUNK = 64


def is_zarr(path: Path) -> bool:
    """Whether a folder is the root of a zarr hierarchy."""
    return any((path / name).is_file() for name in ("zarr.json", ".zattrs", ".zgroup", ".zarray"))


def open_first_scale(path: Path):
    """(array, index of the z, y and x axes, spacing in µm or None, facts) of an OME-Zarr's first scale.

    Raises
    ------
    InputError
        If it is no OME-Zarr image, has no z, y and x axes, or more than one channel or time.
    """
    import zarr

    try:
        group = zarr.open_group(str(path), mode="r")
        attributes: dict[str, Any] = dict(group.attrs)
        scale = (attributes.get("ome") or attributes)["multiscales"][0]
        data = scale["datasets"][0]
        array = group[data["path"]]
        if not isinstance(array, zarr.Array):
            raise TypeError(f"dataset {data['path']} is no array")
        axes = [a if isinstance(a, dict) else {"name": a} for a in scale["axes"]]
    except Exception as error:  # zarr raises errors of many kinds
        raise InputError(
            f"cannot be read as OME-Zarr: {error or type(error).__name__}", file=path
        ) from error
    names = [a["name"] for a in axes]
    if len(names) != array.ndim or not {"z", "y", "x"} <= set(names):
        raise InputError("OME-Zarr is not a volume", file=path, value=names, allowed="axes z, y, x")
    more = {n: s for n, s in zip(names, array.shape, strict=True) if n not in "zyx" and s != 1}
    if more:
        raise InputError(
            "OME-Zarr holds several volumes", file=path, value=more, allowed="one channel and time"
        )
    order = [names.index(n) for n in "zyx"]
    missing = int(array.nchunks - array.nchunks_initialized)
    facts: dict[str, object] = {"scale": data["path"], "axes": "".join(names)}
    if missing:
        facts["chunks_not_stored"] = f"{missing} of {array.nchunks}, read as {array.fill_value}"
    return array, order, _spacing(scale, data, axes, order, path), facts


def planes(array, order: list[int], low: int, high: int) -> NDArray:
    """Planes low to high (exclusive) of z as (z, y, x)."""
    at = tuple(slice(low, high) if i == order[0] else slice(None) for i in range(array.ndim))
    found = np.asarray(array[at])
    rest = [i for i in range(array.ndim) if i not in order]
    return np.ascontiguousarray(
        found.transpose(*order, *rest).reshape(tuple(found.shape[i] for i in order))
    )


def write(array: NDArray, spacing_um: Spacing, folder: Path) -> None:
    """Write a volume (z, y, x) as OME-Zarr 0.4 with one scale, in micrometres."""
    import zarr

    group = zarr.open_group(str(folder), mode="w", zarr_format=2)
    group.create_array(
        "0", data=np.ascontiguousarray(array), chunks=tuple(min(CHUNK, n) for n in array.shape)
    )
    axes = [{"name": n, "type": "space", "unit": "micrometer"} for n in "zyx"]
    scale = [{"type": "scale", "scale": [float(s) for s in spacing_um]}]
    image: dict[str, Any] = {
        "version": "0.4",
        "name": "volume",
        "axes": axes,
        "datasets": [{"path": "0", "coordinateTransformations": scale}],
    }
    group.attrs["multiscales"] = [image]


def _spacing(
    scale: dict, data: dict, axes: list[dict], order: list[int], path: Path
) -> Spacing | None:
    """Spacing in µm: the data's scale times the image's; None where an axis has no unit or there is no scale."""
    factors = np.ones(len(axes))
    stated = False
    for part in (
        *(data.get("coordinateTransformations") or []),
        *(scale.get("coordinateTransformations") or []),
    ):
        if part.get("type") == "scale":
            factors = factors * np.array(part["scale"], float)
            stated = True
    edges = [unit_um(axes[i].get("unit"), path, "axes") for i in order]
    known = [float(factors[i]) * e for i, e in zip(order, edges, strict=True) if e is not None]
    return three(known) if stated and len(known) == len(order) else None
