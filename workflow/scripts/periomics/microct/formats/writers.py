"""Writing volumes: label maps and thickness maps, and simulated scans in the formats that laboratories have."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from periomics.core.errors import InputError
from periomics.core.files import atomic
from periomics.microct.formats import zarrs
from periomics.microct.formats.header import three
from periomics.microct.formats.nifti import Frame, write_nifti
from periomics.microct.formats.readers import Spacing

_NRRD_TYPES = {
    **{t: t for t in ("uint8", "int8", "uint16", "int16", "uint32", "int32")},
    "float32": "float",
}


def write_volume(array: NDArray, spacing_um: Spacing, path: str | os.PathLike[str]) -> None:
    """Write a volume by the path's suffix, whole or not at all.

    `.nrrd`, `.nii`, `.nii.gz`, `.mha` and `.zarr` (OME-Zarr) carry the spacing (millimetres); `.tif` (pages) and a folder of slices (no
    suffix) do not, as scanners write them: the sheet states it.

    Parameters
    ----------
    array
        (z, y, x).
    spacing_um
        (z, y, x), µm.

    Raises
    ------
    InputError
        For another suffix.
    """
    path = Path(path)
    name = path.name.lower()
    with atomic(path) as part:
        if name.endswith(".nrrd"):
            _write_nrrd(array, spacing_um, part)
        elif name.endswith((".nii", ".nii.gz")):
            write_nifti(
                part,
                array.shape,
                str(array.dtype),
                [array],
                Frame(three(s / 1000 for s in spacing_um)),
            )
        elif name.endswith(".mha"):
            _write_mha(array, spacing_um, part)
        elif name.endswith((".tif", ".tiff")):
            import tifffile

            tifffile.imwrite(part, array, photometric="minisblack", metadata=None)
        elif name.endswith(".zarr"):
            zarrs.write(array, spacing_um, part)
        elif not path.suffix:
            _write_slices(array, part)
        else:
            raise InputError(
                "cannot write this format",
                file=path,
                allowed=".nrrd, .nii.gz, .mha, .zarr, .tif or a folder",
            )


def _write_nrrd(array: NDArray, spacing_um: Spacing, path: Path) -> None:
    """NRRD with the unit of its spacing, which ITK's own writer leaves out."""
    z, y, x = (f"{s / 1000:.10g}" for s in spacing_um)
    header = (
        "NRRD0004\n"
        f"type: {_NRRD_TYPES[str(array.dtype)]}\ndimension: 3\nspace dimension: 3\n"
        f"sizes: {array.shape[2]} {array.shape[1]} {array.shape[0]}\n"
        f"space directions: ({x},0,0) (0,{y},0) (0,0,{z})\n"
        'space units: "mm" "mm" "mm"\nendian: little\nencoding: raw\n\n'
    )
    with path.open("wb") as handle:
        handle.write(header.encode("ascii"))
        handle.write(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes())


def _write_mha(array: NDArray, spacing_um: Spacing, path: Path) -> None:
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(np.ascontiguousarray(array))
    image.SetSpacing([s / 1000 for s in spacing_um[::-1]])
    sitk.WriteImage(image, str(path))


def _write_slices(array: NDArray, folder: Path) -> None:
    import tifffile

    folder.mkdir()
    for z, plane in enumerate(array):
        tifffile.imwrite(
            folder / f"slice_{z:04d}.tif", plane, photometric="minisblack", metadata=None
        )
