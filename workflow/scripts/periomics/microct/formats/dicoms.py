"""DICOM: a folder of one series, or one file of many frames; values after slope and intercept.

Source: DICOM PS3.3, C.7.6.16 (functional groups) and C.11.1 (modality: value = slope * stored +
intercept), https://dicom.nema.org/medical/dicom/current/output/html/part03.html.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from periomics.core.errors import InputError
from periomics.microct.formats.header import AGREEMENT, LEAN, Header

GREY = ("MONOCHROME2",)


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One slice: where its pixels and what its numbers mean."""

    file: Path
    index: int
    size: tuple[int, int]
    edges: tuple[float, float] | None
    position: NDArray | None
    orientation: NDArray | None
    slope: float
    intercept: float
    bits: int
    signed: bool

    def range(self) -> tuple[float, float]:
        """Smallest and largest value that the frame can hold."""
        low, high = (
            (-(2 ** (self.bits - 1)), 2 ** (self.bits - 1) - 1)
            if self.signed
            else (
                0,
                2**self.bits - 1,
            )
        )
        ends = [self.slope * v + self.intercept for v in (low, high)]
        return min(ends), max(ends)


def is_dicom(path: Path) -> bool:
    """Whether a file begins as DICOM does."""
    if not path.is_file():
        return False
    with path.open("rb") as handle:
        return handle.read(132)[128:] == b"DICM"


def probe(path: Path) -> Header:
    """Header of a DICOM folder or file; raises InputError naming what is missing or differs."""
    frames, distance, note = _frames(path)
    first = frames[0]
    for one in frames:
        if (one.size, one.edges) != (first.size, first.edges):
            raise InputError(
                "DICOM slice differs from the first in size or pixel spacing",
                file=one.file,
                value=[*one.size, one.edges],
            )
    if len(frames) < 2:
        raise InputError("a DICOM series of one slice has no slice distance", file=path)
    facts: dict[str, object] = {"slices": len(frames)}
    step: float | None = distance
    if first.position is not None and first.orientation is not None:
        step, sign = _even_step(frames, first.orientation, path)
        row, column = first.orientation[:3], first.orientation[3:]
        axes = np.stack([row, column, sign * np.cross(row, column)], axis=1)
        facts["_origin"] = tuple(float(v) for v in first.position)
        facts["_direction"] = tuple(float(v) for v in axes.ravel())
        if first.edges is not None:
            facts["_spacing_x"] = first.edges[1]
        note = "slice positions"
    facts["spacing_note"] = note
    limits = [f.range() for f in frames]
    facts["_range"] = (min(low for low, _ in limits), max(high for _, high in limits))
    spacing = None
    if step is not None and first.edges is not None:
        spacing = (abs(step) * 1e3, first.edges[0] * 1e3, first.edges[1] * 1e3)
    if spacing is None:
        facts = {k: v for k, v in facts.items() if k[0] != "_" or k == "_range"}
    return Header((len(frames), *first.size), spacing, _dtype(frames), "dicom", facts)


def planes(path: Path, header: Header) -> Callable[[int, int], NDArray]:
    """What gives the values of planes z0 to z1 (exclusive), (z, y, x)."""
    frames = _frames(path)[0]

    def read(z0: int, z1: int) -> NDArray:
        found = np.empty((z1 - z0, *header.shape[1:]), header.dtype)
        for z, frame in enumerate(frames[z0:z1]):
            pixels = _pixels(frame)
            if (frame.slope, frame.intercept) != (1.0, 0.0):
                pixels = pixels * np.float64(frame.slope) + frame.intercept
            found[z] = pixels
        return found

    return read


def _pixels(frame: Frame) -> NDArray:
    """Stored numbers of one frame."""
    from pydicom.pixels import pixel_array

    try:
        return pixel_array(frame.file, index=frame.index, raw=True)
    except Exception as error:  # decoders raise errors of many kinds
        raise InputError(
            f"pixels of frame {frame.index + 1} cannot be read: {error}", file=frame.file
        ) from error


def _frames(path: Path) -> tuple[list[Frame], float | None, str]:
    """Slices in order, slice distance (mm) where a file states it, and where it was found."""
    if path.is_file():
        return _frames_of_file(path)
    files = _series(path)
    read = [_frames_of_file(file) for file in files]
    if len(files) > 1 and any(len(frames) > 1 for frames, _, _ in read):
        raise _several(path)
    if len(files) == 1:
        return read[0]
    frames = [found[0][0] for found in read]
    for frame in frames:
        if frame.position is None or frame.orientation is None or frame.edges is None:
            raise InputError(
                "DICOM slice lacks ImagePositionPatient, ImageOrientationPatient or PixelSpacing",
                file=frame.file,
            )
    return frames, None, "slice positions"


def _several(path: Path) -> InputError:
    return InputError(
        "folder holds several DICOM files of many frames",
        file=path,
        allowed="one multi-frame file, or one series of single slices",
    )


def _series(path: Path) -> list[Path]:
    """Files of the one series of a folder in the order of its slices."""
    import pydicom
    import SimpleITK as sitk

    reader = sitk.ImageSeriesReader
    series = {
        s: reader.GetGDCMSeriesFileNames(str(path), s) for s in reader.GetGDCMSeriesIDs(str(path))
    }
    if not series:  # GDCM passes over files that it cannot read, so their fault is named here
        for file in sorted(f for f in path.iterdir() if is_dicom(f)):
            _frames_of_file(file)
    if len(series) != 1:
        for names in series.values():
            data = pydicom.dcmread(names[0], stop_before_pixels=True)
            if int(data.get("NumberOfFrames") or 1) > 1:
                raise _several(path)
        raise InputError(
            f"folder holds {len(series)} DICOM series, 1 needed", file=path, value=", ".join(series)
        )
    return [Path(name) for name in next(iter(series.values()))]


def _frames_of_file(file: Path) -> tuple[list[Frame], float | None, str]:
    import pydicom
    from pydicom.errors import InvalidDicomError

    try:
        with file.open("rb") as handle:
            data = pydicom.dcmread(handle, stop_before_pixels=True)
            pixels_at = handle.tell()
    except (InvalidDicomError, OSError, EOFError, ValueError) as error:
        raise InputError(f"cannot be read as DICOM: {error}", file=file) from error
    try:
        count = int(data.get("NumberOfFrames") or 1)
        _check_grey(data, file)
        _check_length(data, file, count, pixels_at)
        frames = [_frame(data, file, i) for i in range(count)]
        distance, note = _distance(data, frames[0])
    except (KeyError, AttributeError, IndexError, TypeError, ValueError) as error:
        raise InputError(f"DICOM slice lacks or garbles {error}", file=file) from error
    return _in_order(frames), distance, note


def _check_grey(data, file: Path) -> None:
    if data.SamplesPerPixel != 1:
        raise InputError(
            "DICOM slice is not grey",
            file=file,
            column="SamplesPerPixel",
            value=data.SamplesPerPixel,
            allowed="1",
        )
    kind = data.get("PhotometricInterpretation", "MONOCHROME2")
    if kind not in GREY:
        raise InputError(
            "DICOM pixels are not grey with black at the low end",
            file=file,
            column="PhotometricInterpretation",
            value=str(kind),
            allowed="MONOCHROME2",
        )
    if data.get("ModalityLUTSequence"):
        raise InputError(
            "DICOM states values by a table, which is not applied here",
            file=file,
            column="ModalityLUTSequence",
            allowed="RescaleSlope and RescaleIntercept",
        )
    if data.BitsAllocated not in (8, 16, 32):
        raise InputError(
            "DICOM pixels of an unknown size",
            file=file,
            column="BitsAllocated",
            value=data.BitsAllocated,
            allowed="8, 16, 32",
        )


def _check_length(data, file: Path, count: int, pixels_at: int) -> None:
    """Pixels that are not packed show by the length of the file whether they are all there."""
    syntax = data.file_meta.TransferSyntaxUID
    if syntax.is_compressed:
        return
    needed = count * data.Rows * data.Columns * data.BitsAllocated // 8
    if pixels_at + 8 + needed > file.stat().st_size:
        raise InputError("pixels are cut off: the file is shorter than its header says", file=file)


def _frame(data, file: Path, index: int) -> Frame:
    def value(group: str, name: str):
        found = _of_frame(data, index, group, name)
        return data.get(name) if found is None else found

    edges = value("PixelMeasuresSequence", "PixelSpacing")
    slope = value("PixelValueTransformationSequence", "RescaleSlope")
    intercept = value("PixelValueTransformationSequence", "RescaleIntercept")
    orientation = value("PlaneOrientationSequence", "ImageOrientationPatient")
    many = int(data.get("NumberOfFrames") or 1) > 1
    position = _of_frame(data, index, "PlanePositionSequence", "ImagePositionPatient")
    if position is None and not many:
        position = data.get("ImagePositionPatient")
    return Frame(
        file=file,
        index=index,
        size=(int(data.Rows), int(data.Columns)),
        edges=None if edges is None else (float(edges[0]), float(edges[1])),
        position=None if position is None else np.array(position, float),
        orientation=None if orientation is None else np.array(orientation, float),
        slope=1.0 if slope is None else float(slope),
        intercept=0.0 if intercept is None else float(intercept),
        bits=int(data.BitsAllocated),
        signed=bool(data.PixelRepresentation),
    )


def _of_frame(data, index: int, group: str, name: str):
    """An attribute of a frame's functional groups: its own, else the shared, else None."""
    own = data.get("PerFrameFunctionalGroupsSequence")
    shared = data.get("SharedFunctionalGroupsSequence")
    for item in ([own[index]] if own else []) + ([shared[0]] if shared else []):
        found = item.get(group)
        if found and name in found[0]:
            return found[0][name].value
    return None


def _distance(data, frame: Frame) -> tuple[float | None, str]:
    """Slice distance (mm) where frames have no positions; a thickness counts only for cubes."""
    between = _of_frame(data, 0, "PixelMeasuresSequence", "SpacingBetweenSlices")
    between = data.get("SpacingBetweenSlices") if between is None else between
    if between is not None:
        return abs(float(between)), "SpacingBetweenSlices"
    thick = _of_frame(data, 0, "PixelMeasuresSequence", "SliceThickness")
    thick = data.get("SliceThickness") if thick is None else thick
    edges = frame.edges or ()
    cube = thick is not None and all(abs(float(thick) - e) <= AGREEMENT * e for e in edges)
    if cube and edges:
        return float(thick), "SliceThickness, equal to the edge of a pixel"
    return None, "slice distance not stated"


def _in_order(frames: list[Frame]) -> list[Frame]:
    """Frames as stored if their positions rise or fall all the way, else by position."""
    first = frames[0].orientation
    if first is None or any(f.position is None or f.orientation is None for f in frames):
        return frames
    normal = np.cross(first[:3], first[3:])
    heights = [float(normal @ f.position) for f in frames]
    steps = np.diff(heights)
    if (steps > 0).all() or (steps < 0).all():
        return frames
    return [frames[i] for i in np.argsort(heights, kind="stable")]


def _even_step(frames: list[Frame], turn: NDArray, path: Path) -> tuple[float, float]:
    """Signed step (mm) and its sign; raises InputError if slices are uneven, leaning or not turned as `turn`."""
    row, column = turn[:3], turn[3:]
    normal = np.cross(row, column)
    for one in frames:
        if one.orientation is None or np.abs(one.orientation - turn).max() > LEAN:
            raise InputError("DICOM slices are turned against each other", file=one.file)
        if one.position is None:
            raise InputError("DICOM slice has no position, which others have", file=one.file)
    moves = np.diff([f.position for f in frames], axis=0)
    steps = moves @ normal
    step = float(np.median(steps))
    uneven = np.flatnonzero(np.abs(steps - step) > AGREEMENT * abs(step))
    if step == 0 or uneven.size:
        i = int(uneven[0]) if uneven.size else 0
        names = " and ".join(
            f.file.name
            if f.file != path and path.is_dir() and len({g.file for g in frames}) > 1
            else f"frame {f.index + 1}"
            for f in frames[i : i + 2]
        )
        raise InputError(
            f"slices are missing or doubled between {names}: {steps[i]:g} mm, not {step:g} mm",
            file=path,
        )
    aside = np.linalg.norm(np.median(moves, axis=0) - step * normal) / abs(step)
    if aside > LEAN or abs(row @ column) > LEAN:
        raise InputError(
            f"voxels are sheared: each slice moves {aside:.3g} of its distance sideways",
            file=path,
            column="ImagePositionPatient",
            allowed="slices straight above each other; resample the scan to a straight grid",
        )
    return step, float(np.sign(step))


def _dtype(frames: list[Frame]) -> str:
    """The smallest type that holds all values; the stored one where nothing is scaled."""
    scales = {(f.slope, f.intercept) for f in frames}
    kinds = {("int" if f.signed else "uint") + str(f.bits) for f in frames}
    if scales == {(1.0, 0.0)} and len(kinds) == 1:
        return kinds.pop()
    if not all(np.isfinite(v) for pair in scales for v in pair):
        raise InputError("rescale slope or intercept is not a number", file=frames[0].file)
    low, high = min(f.range()[0] for f in frames), max(f.range()[1] for f in frames)
    if all(float(v).is_integer() for pair in scales for v in pair):
        for name in ("int16", "uint16", "int32"):
            if np.iinfo(name).min <= low and high <= np.iinfo(name).max:
                return name
    return "float32" if max(f.bits for f in frames) <= 16 else "float64"
