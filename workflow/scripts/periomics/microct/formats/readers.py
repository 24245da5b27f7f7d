"""Reading scans: pixels, voxel size and what the file says about itself.

A voxel size comes from the file or from the sheet (`voxel_um`) and is never guessed:

==================  ===================================================================================================
format              voxel size
==================  ===================================================================================================
TIFF stack, TIFF    OME PhysicalSize or ImageJ spacing with its unit; the scanner's log beside a stack. Resolution tags in
                    dots per inch are not believed (writers fill them in by default).
BMP, PNG, JPG stack the SkyScan or NRecon log beside the slices (see `nrecon`).
OME-Zarr            scale of the first dataset, with the unit of its axes; without a unit it is not stated.
NRRD                `space units` or `units`; without units, millimetres if `space` is anatomical (as ITK and Slicer
                    write it), else not stated.
NIfTI               `xyzt_units` (metre, mm, micrometre); 0 = unknown is not stated.
MHA, MHD            `ElementSpacing`, millimetres unless `DistanceUnits` says otherwise;
                    no ElementSpacing is not stated.
DICOM folder        PixelSpacing and slice positions, millimetres by the standard.
AIM, ISQ (Scanco)   header, millimetres (AIM) or micrometres (ISQ), as py_aimio gives them; also the line to mg HA/cm³,
                    where the processing log states one in that unit.
==================  ===================================================================================================
"""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from periomics.core.errors import InputError
from periomics.microct.formats import dicoms, images, niftis, tiffs, zarrs
from periomics.microct.formats.header import AGREEMENT, Header, Spacing, refuse_shear, three
from periomics.microct.formats.units import unit_um

NIFTI_UNIT_UM = {1: 1e6, 2: 1e3, 3: 1.0}
SUFFIXES = (
    ".tif",
    ".tiff",
    ".nrrd",
    ".nhdr",
    ".nii",
    ".nii.gz",
    ".mha",
    ".mhd",
    ".aim",
    ".isq",
    ".dcm",
)
ALLOWED = f"a file ending in {', '.join(SUFFIXES)}, an OME-Zarr, or a folder of TIFF, BMP, PNG or JPG slices or of one DICOM series"


@dataclass(frozen=True)
class Volume:
    """A scan: array (z, y, x), spacing in µm (z, y, x), and facts about its source."""

    array: NDArray
    spacing_um: Spacing
    source: dict[str, object]


def probe(path: str | os.PathLike[str]) -> Header:
    """Read a scan's header only.

    Raises
    ------
    InputError
        If the file is missing, of an unknown or broken format, not a single grey volume, or slices are missing.
    """
    path = Path(path)
    kind = _kind(path)
    if kind == "tiff-stack":
        shape, spacing, dtype, facts = tiffs.probe_stack(path)
        return Header(shape, spacing, dtype, kind, facts)
    if kind == "image-stack":
        shape, spacing, dtype, facts = images.probe_folder(path)
        return Header(shape, spacing, dtype, kind, facts)
    if kind == "zarr":
        array, order, spacing, facts = zarrs.open_first_scale(path)
        shape = three(int(array.shape[i]) for i in order)
        return Header(shape, spacing, str(array.dtype), kind, facts)
    if kind == "tiff":
        return Header(*tiffs.probe_file(path), kind)
    if kind == "dicom":
        return dicoms.probe(path)
    if kind in ("aim", "isq"):
        return _probe_scanco(path, kind)
    return _probe_itk(path, kind)


def read_volume(path: str | os.PathLike[str], voxel_um: float | None = None) -> Volume:
    """Read a scan.

    Parameters
    ----------
    path
        File or folder.
    voxel_um
        The sheet's voxel size (edge of a cube, µm), if any.

    Raises
    ------
    InputError
        As `probe` and `resolve_spacing`, and if pixels are cut off.
    """
    path = Path(path)
    header = probe(path)
    spacing = resolve_spacing(header.spacing_um, voxel_um, path)
    if header.format == "tiff-stack":
        array = tiffs.read_planes(tiffs.slices(path), header.shape[1:], header.dtype)
    elif header.format == "image-stack":
        array = images.read_planes(images.slices(path), header.shape[1:], header.dtype)
    elif header.format == "zarr":
        array = _read_zarr(path, header)
    elif header.format == "tiff":
        array = tiffs.read_file(path)
    elif header.format in ("aim", "isq"):
        array = _read_scanco(path, header.format)
    elif header.format == "nifti":
        stored = niftis.stored(path)
        stored.check_length(header.shape)
        array = stored.planes(header.shape, 0, header.shape[0])
    elif header.format == "dicom":
        array = dicoms.planes(path, header)(0, header.shape[0])
    else:
        array = _read_itk(path)
    if array.shape != header.shape:
        raise InputError(
            f"pixels have shape {array.shape}, the header says {header.shape}", file=path
        )
    origin = "file" if header.spacing_um is not None else "sheet"
    source = {
        "format": header.format,
        "dtype": str(array.dtype),
        "spacing_from": origin,
        **header.facts,
    }
    return Volume(array, spacing, source)


def resolve_spacing(from_file: Spacing | None, voxel_um: float | None, path: object) -> Spacing:
    """The one voxel size that file and sheet agree on, µm (z, y, x).

    Raises
    ------
    InputError
        If neither states it, if both do and differ by more than 1 %, or if it is not a positive number.
    """
    if voxel_um is not None and math.isnan(voxel_um):
        voxel_um = None
    if voxel_um is not None and not (math.isfinite(voxel_um) and voxel_um > 0):
        raise InputError(
            "voxel size is not a positive number", file=path, column="voxel_um", value=voxel_um
        )
    if from_file is None:
        if voxel_um is None:
            raise InputError(
                "the file does not state its voxel size and the sheet does not either",
                file=path,
                column="voxel_um",
                allowed="the edge of a voxel in micrometres",
            )
        return (float(voxel_um),) * 3
    if not all(math.isfinite(s) and s > 0 for s in from_file):
        raise InputError(
            f"the file states voxel sizes that are not positive numbers: {from_file}", file=path
        )
    if voxel_um is not None and any(abs(voxel_um - s) > AGREEMENT * s for s in from_file):
        stated = " x ".join(f"{s:.6g}" for s in from_file)
        raise InputError(
            f"the sheet says {voxel_um:g} um, the file says {stated} um (z x y x x)",
            file=path,
            column="voxel_um",
            value=voxel_um,
            allowed="the file's voxel size, or an empty cell",
        )
    return from_file


def _kind(path: Path) -> str:
    if not path.exists():
        raise InputError("no such file or folder", file=path)
    if path.is_dir():
        if zarrs.is_zarr(path):
            return "zarr"
        if any(p.suffix.lower() in (".tif", ".tiff") for p in path.iterdir()):
            return "tiff-stack"
        if any(dicoms.is_dicom(p) for p in sorted(path.iterdir())[:5]):
            return "dicom"
        kinds = {p.suffix.lower() for p in path.iterdir()} & set(images.SUFFIXES)
        if len({k.replace("jpeg", "jpg") for k in kinds}) > 1 and not _previews_only(path, kinds):
            raise InputError(
                "folder mixes image formats",
                file=path,
                value=", ".join(sorted(kinds)),
                allowed="one format",
            )
        if kinds:
            return "image-stack"
        raise InputError("folder holds neither slices nor DICOM files", file=path, allowed=ALLOWED)
    name = path.name.lower()
    for suffix, kind in (
        (".nii.gz", "nifti"),
        (".nii", "nifti"),
        (".nrrd", "nrrd"),
        (".nhdr", "nrrd"),
        (".mha", "mha"),
        (".mhd", "mha"),
        (".tiff", "tiff"),
        (".tif", "tiff"),
        (".aim", "aim"),
        (".isq", "isq"),
        (".dcm", "dicom"),
    ):
        if name.endswith(suffix):
            return kind
    raise InputError("unknown scan format", file=path, value=path.suffix, allowed=ALLOWED)


def _previews_only(path: Path, kinds: set[str]) -> bool:
    """Whether only one of the formats is left without NRecon's preview pictures."""
    return (
        len(
            {
                p.suffix.lower()
                for p in path.iterdir()
                if p.suffix.lower() in kinds and not p.stem.endswith("_spr")
            }
        )
        == 1
    )


def _probe_itk(path: Path, kind: str) -> Header:
    import SimpleITK as sitk

    stored = niftis.stored(path) if kind == "nifti" else None
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise InputError(f"cannot be read as {kind}: {_last_line(error)}", file=path) from error
    size = reader.GetSize()
    if len(size) != 3 or reader.GetNumberOfComponents() != 1:
        raise InputError(
            f"holds {len(size)} dimensions x {reader.GetNumberOfComponents()} components",
            file=path,
            allowed="one grey volume (3 dimensions, 1 component)",
        )
    spacing, note = {"nrrd": _spacing_nrrd, "mha": _spacing_mha}.get(kind, _spacing_nifti)(
        path, reader
    )
    limits = None
    dtype = str(
        np.dtype(sitk.GetArrayViewFromImage(sitk.Image([1, 1, 1], reader.GetPixelID())).dtype)
    )
    if stored is not None:
        dtype = stored.value_type.name
        if stored.scaled:
            note += f"; values = {stored.slope:g} x stored + {stored.intercept:g}"
            limits = stored.limits()
    place = {
        "_origin": reader.GetOrigin(),
        "_direction": reader.GetDirection(),
        "_spacing_x": reader.GetSpacing()[0],
        **({"_range": limits} if limits else {}),
    }
    shape = three(int(n) for n in size[::-1])
    return Header(shape, spacing, dtype, kind, {"spacing_note": note, **place})


def _spacing_nifti(path: Path, reader) -> tuple[Spacing | None, str]:
    unit = int(reader.GetMetaData("xyzt_units")) & 7
    if unit not in NIFTI_UNIT_UM:
        return None, "xyzt_units unknown"
    sizes = [float(reader.GetMetaData(f"pixdim[{i}]")) * NIFTI_UNIT_UM[unit] for i in (3, 2, 1)]
    return three(sizes), f"xyzt_units {unit}"


def _spacing_nrrd(path: Path, reader) -> tuple[Spacing | None, str]:
    fields = text_header(path, ":")
    units = [
        u for u in fields.get("space units", fields.get("units", "")).replace('"', " ").split() if u
    ]
    if len(set(units)) > 1:
        raise InputError("axes have different units of length", file=path, value=" ".join(units))
    if "space directions" in fields:
        vectors = [
            [float(c) for c in v.split(",")]
            for v in re.findall(r"\(([^)]*)\)", fields["space directions"])
        ]
        refuse_shear(vectors, path, "space directions")
        sizes = [math.hypot(*v) for v in vectors]
    elif "spacings" in fields:
        sizes = [float(v) for v in fields["spacings"].split()]
    else:
        return None, "no spacing"
    if units:
        edge = unit_um(units[0], path, "units")
        if edge is None:
            return None, f"units {units[0]}"
        return three(s * edge for s in sizes[::-1]), f"units {units[0]}"
    if "-" in fields.get("space", ""):
        return three(s * 1e3 for s in sizes[::-1]), "no units; anatomical space, taken as mm"
    return None, "spacing without units"


def _spacing_mha(path: Path, reader) -> tuple[Spacing | None, str]:
    fields = text_header(path, "=")
    slope = fields.get("elementtointensityfunctionslope", "1")
    offset = fields.get("elementtointensityfunctionoffset", "0")
    if (float(slope), float(offset)) != (1.0, 0.0):
        raise InputError(
            "MetaImage states a slope from stored number to grey, which is not applied here",
            file=path,
            column="ElementToIntensityFunctionSlope",
            value=f"{slope}, {offset}",
            allowed="values stored as they are",
        )
    for name in ("TransformMatrix", "Rotation", "Orientation"):
        if name.lower() in fields:
            matrix = np.array(fields[name.lower()].split(), float)
            if matrix.size == 9:
                refuse_shear(matrix.reshape(3, 3), path, name)
    unit = fields.get("distanceunits", "mm")
    edge = 1e3 if unit == "?" else unit_um(unit, path, "DistanceUnits")
    sizes = fields.get("elementspacing")
    if sizes is None or edge is None:
        return None, "no ElementSpacing" if sizes is None else f"DistanceUnits {unit}"
    return three(float(s) * edge for s in sizes.split()[::-1]), f"ElementSpacing in {unit}"


def text_header(path: Path, separator: str) -> dict[str, str]:
    """Fields of the text part of an NRRD (`name: value`) or MetaImage (`name = value`) file, names in lower case."""
    fields: dict[str, str] = {}
    with path.open("rb") as handle:
        for raw in handle:
            line = raw.decode("utf-8", "replace").strip()
            if not line:
                break
            key, found, value = line.partition(separator)
            if found and not value.startswith("=") and not key.startswith("#"):
                fields[key.strip().lower()] = value.strip()
            if key.strip().lower() == "elementdatafile":
                break
    return fields


def _read_itk(path: Path) -> NDArray:
    import SimpleITK as sitk

    try:
        return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    except RuntimeError as error:
        raise InputError(f"pixels cannot be read: {_last_line(error)}", file=path) from error


def _probe_scanco(path: Path, kind: str) -> Header:
    import py_aimio

    try:
        facts = py_aimio.aim_info(str(path)) if kind == "aim" else py_aimio.isq_info(str(path))
    except Exception as error:  # the binding raises plain RuntimeError, ValueError and OSError
        raise InputError(
            f"cannot be read as {kind.upper()}: {_last_line(error)}", file=path
        ) from error
    scale = 1e3 if kind == "aim" else 1.0
    spacing = three(float(s) * scale for s in facts["spacing"][::-1])
    shape = three(int(n) for n in facts["dimensions"][::-1])
    return Header(shape, spacing, "native", kind, _scanco_facts(facts, kind))


def _scanco_facts(facts: dict, kind: str) -> dict[str, object]:
    """Energy, and the line from grey to mg HA/cm³ where the header states it in that unit."""
    import py_aimio

    found: dict[str, object] = {
        "energy": facts.get("energy", ""),
        "mu_scaling": facts.get("mu_scaling", ""),
    }
    log = str(facts.get("processing_log", ""))
    try:
        if kind == "isq":
            slope, intercept = py_aimio.get_isq_density_equation(facts)
        else:
            unit = re.search(r"Density:\s*unit\s+\[?\s*([^\]\n]*)", log)
            if unit is None or "ha" not in unit[1].lower().split("/")[0]:
                return found
            slope, intercept = py_aimio.get_aim_density_equation(log)
    except (ValueError, TypeError, ZeroDivisionError):
        return found
    return found | {"density_slope": float(slope), "density_intercept": float(intercept)}


def _read_scanco(path: Path, kind: str) -> NDArray:
    import py_aimio

    if kind == "isq":
        return np.array(isq_pixels(path))
    try:
        return np.asarray(py_aimio.read_aim(str(path))[0])
    except Exception as error:  # as above
        raise InputError(f"pixels cannot be read: {_last_line(error)}", file=path) from error


def isq_pixels(path: Path) -> NDArray:
    """Pixels (z, y, x) of an ISQ file as a memory map: 16-bit little-endian after the header.

    Read here, since py_aimio 0.4.1 leaves the last voxels of a short file unset (seen on a real 25-cube fixture).

    Raises
    ------
    InputError
        If the pixel type is unknown or the file is cut off.
    """
    import py_aimio

    facts = py_aimio.isq_info(str(path))
    shape = tuple(int(n) for n in facts["dimensions"][::-1])
    if facts["data_type"] != 3:
        raise InputError(
            "ISQ of an unknown pixel type",
            file=path,
            value=facts["data_type"],
            allowed="3 (16-bit)",
        )
    start = int(facts["data_offset"])
    if path.stat().st_size < start + 2 * math.prod(shape):
        raise InputError("pixels are cut off: the file is shorter than its header says", file=path)
    return np.memmap(path, "<i2", "r", start, shape)


def _read_zarr(path: Path, header: Header) -> NDArray:
    array, order, *_ = zarrs.open_first_scale(path)
    try:
        return zarrs.planes(array, order, 0, header.shape[0])
    except Exception as error:  # codecs and stores raise errors of their own kinds
        raise InputError(f"pixels cannot be read ({error})", file=path) from error


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
