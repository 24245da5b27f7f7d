"""Scans by slabs: shape, voxel and type at once, planes only when they are asked for."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from periomics.core.errors import InputError, SpecimenError
from periomics.microct.formats import dicoms, images, niftis, tiffs, zarrs
from periomics.microct.formats.header import Header, Spacing, three
from periomics.microct.formats.nrrds import raw_planes
from periomics.microct.formats.readers import (
    isq_pixels,
    probe,
    read_volume,
    resolve_spacing,
    text_header,
)
from periomics.microct.spill import Spill

# A scan whose voxels take no more than this share of the memory of a job is kept in it.
HELD_SHARE = 1 / 8


@dataclass(frozen=True)
class SlabReader:
    """A scan: shape (z, y, x), spacing in µm, type, format, facts, and `slab(z0, z1)` for planes z0 to z1 (exclusive).

    `whole`: the format gives no plane without reading everything. `held_mb`: memory that its voxels take, where they are in it.
    """

    shape: tuple[int, int, int]
    spacing_um: Spacing
    dtype: str
    format: str
    facts: dict[str, Any]
    planes: Callable[[int, int], NDArray]
    whole: bool = False
    held_mb: float = 0.0

    def slab(self, z0: int, z1: int) -> NDArray:
        """Planes z0 to z1 (exclusive), (z1 - z0, y, x).

        Raises
        ------
        ValueError
            If the planes are not in the scan.
        InputError
            If pixels cannot be read.
        """
        if not 0 <= z0 < z1 <= self.shape[0]:
            raise ValueError(f"planes {z0} to {z1} are not in a scan of {self.shape[0]}")
        found = self.planes(z0, z1)
        if found.shape != (z1 - z0, *self.shape[1:]):
            raise InputError(
                f"planes {z0} to {z1} have shape {found.shape}",
                allowed=str((z1 - z0, *self.shape[1:])),
            )
        return found


def open_volume(path: str | os.PathLike[str], voxel_um: float | None = None) -> SlabReader:
    """A scan of any format by slabs; raises InputError as `readers.probe` and `readers.resolve_spacing`.

    Of stacks, TIFF, DICOM, ISQ, OME-Zarr and what is not compressed of NRRD, NIfTI and MHA only the planes asked for are read.
    `whole` says where each slab costs a reading of the whole (compressed files), AIM is read whole at the first slab.
    """
    path = Path(path)
    header = probe(path)
    spacing = resolve_spacing(header.spacing_um, voxel_um, path)
    facts = {"spacing_from": "sheet" if header.spacing_um is None else "file", **header.facts}
    raw = raw_planes(path, header) if header.format == "nrrd" else None
    whole = header.format == "aim" or (raw is None and _compressed(path, header.format))
    planes = raw or _planes(path, header, voxel_um)
    return SlabReader(
        shape=header.shape,
        spacing_um=spacing,
        dtype=header.dtype,
        format=header.format,
        facts=facts,
        planes=planes,
        whole=whole,
    )


def _compressed(path: Path, kind: str) -> bool:
    """Whether pixels that go through ITK, or the one page of a TIFF, are compressed as a whole."""
    if kind == "nifti":
        return path.name.lower().endswith(".gz")
    if kind == "nrrd":  # what `raw_planes` cannot read
        return True
    if kind == "mha":
        return text_header(path, "=").get("compresseddata", "false").lower() == "true"
    return kind == "tiff" and tiffs.one_compressed_page(path)


def in_memory(array: NDArray, spacing_um: Spacing, **facts: Any) -> SlabReader:
    """A scan whose voxels are in memory."""
    return SlabReader(
        shape=three(array.shape),
        spacing_um=spacing_um,
        dtype=str(array.dtype),
        format="array",
        facts=facts,
        planes=partial(_of_array, array),
        held_mb=array.nbytes / 1e6,
    )


def at_hand(scan: SlabReader, memory_mb: float) -> SlabReader:
    """A scan that is read once for all that looks at it: kept in memory where that takes a small share of it.

    What can only be read whole and takes more is kept as raw planes in a temporary file.

    Raises
    ------
    SpecimenError
        If a scan that is read whole does not fit into the memory (MB) even for that.
    """
    kind = np.dtype(scan.dtype if scan.dtype != "native" else "int16")
    need = kind.itemsize * math.prod(scan.shape) / 1e6
    if need <= HELD_SHARE * memory_mb:
        array = scan.slab(0, scan.shape[0])
        planes = partial(_of_array, array)
        return replace(
            scan, planes=planes, dtype=str(array.dtype), whole=False, held_mb=array.nbytes / 1e6
        )
    if not scan.whole:
        return scan
    if 2 * need > memory_mb:
        raise SpecimenError(
            f"microct/memory_mb is too little for this scan: {scan.format} of this kind is read whole, "
            f"{2 * need:.0f} MB needed, {memory_mb:g} allowed; planes, or a format that is not compressed "
            "as a whole, need less"
        )
    array = scan.slab(0, scan.shape[0])
    kept = Spill(scan.shape, array.dtype)
    kept.write(0, array)
    return replace(scan, planes=kept.read, dtype=str(array.dtype), whole=False)


def _of_array(array: NDArray, z0: int, z1: int) -> NDArray:
    return array[z0:z1]


def _planes(path: Path, header: Header, voxel_um: float | None) -> Callable[[int, int], NDArray]:
    kind = header.format
    if kind == "tiff-stack":
        files = tiffs.slices(path)
        return lambda z0, z1: tiffs.read_planes(files[z0:z1], header.shape[1:], header.dtype)
    if kind == "image-stack":
        pictures = images.slices(path)
        return lambda z0, z1: images.read_planes(pictures[z0:z1], header.shape[1:], header.dtype)
    if kind == "tiff":
        return lambda z0, z1: tiffs.read_pages(path, z0, z1)
    if kind == "zarr":
        array, order, *_ = zarrs.open_first_scale(path)
        return lambda z0, z1: zarrs.planes(array, order, z0, z1)
    if kind == "isq":
        pixels = isq_pixels(path)
        return lambda z0, z1: np.array(pixels[z0:z1])
    if kind == "nifti":
        stored = niftis.stored(path)
        stored.check_length(header.shape)
        return lambda z0, z1: stored.planes(header.shape, z0, z1)
    if kind in ("nrrd", "mha"):
        return lambda z0, z1: _through_itk(path, header, z0, z1)
    if kind == "dicom":
        return dicoms.planes(path, header)

    @cache
    def whole() -> NDArray:
        return read_volume(path, voxel_um).array

    return lambda z0, z1: whole()[z0:z1]


def _through_itk(path: Path, header: Header, z0: int, z1: int) -> NDArray:
    import SimpleITK as sitk

    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.SetExtractIndex([0, 0, z0])
    reader.SetExtractSize([header.shape[2], header.shape[1], z1 - z0])
    try:
        return sitk.GetArrayFromImage(reader.Execute())
    except RuntimeError as error:
        raise InputError(f"planes {z0} to {z1} cannot be read", file=path) from error
