"""TIFF scans: a folder of slices, or one file of pages."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import tifffile
from numpy.typing import NDArray

from periomics.core.errors import InputError
from periomics.core.tiffs import tiff_cut
from periomics.microct.formats.header import Spacing, three
from periomics.microct.formats.nrecon import read_logs
from periomics.microct.formats.photometry import Grey, grey_of
from periomics.microct.formats.units import unit_um

_LAST_NUMBER = re.compile(r"(\d+)(?=\D*$)")


def slices(folder: Path) -> list[Path]:
    """Slice files of a folder in natural order; raises InputError as `numbered_files`."""
    return numbered_files(
        folder,
        [p for p in folder.iterdir() if p.suffix.lower() in (".tif", ".tiff") and p.name[0] != "."],
    )


def numbered_files(folder: Path, files: list[Path]) -> list[Path]:
    """Files in the order of the last number of their names (slice2 before slice10).

    Raises
    ------
    InputError
        If a file does not follow the naming of the others, or a number is missing or stands twice.
    """
    numbered: list[tuple[int, Path]] = []
    patterns: dict[str, Path] = {}
    for file in sorted(files):
        match = _LAST_NUMBER.search(file.stem)
        if match is None:
            raise InputError(
                "slice name has no number", file=file, allowed="names such as slice_0001.tif"
            )
        patterns.setdefault(file.stem[: match.start()] + "#" + file.stem[match.end() :], file)
        numbered.append((int(match[1]), file))
    if len(patterns) > 1:
        names = " and ".join(sorted(p.name for p in patterns.values()))
        raise InputError(
            f"folder mixes naming patterns ({names}): keep the slices of one scan only", file=folder
        )
    numbered.sort()
    for (a, first), (b, second) in pairwise(numbered):
        if b != a + 1:
            what = f"slice {a + 1} is missing" if b > a else f"slice number {a} stands twice"
            raise InputError(f"{what} ({first.name}, then {second.name})", file=folder)
    return [file for _, file in numbered]


def probe_stack(
    folder: Path,
) -> tuple[tuple[int, int, int], Spacing | None, str, dict[str, object]]:
    """Shape (z, y, x), spacing in µm or None, type and facts of a folder of slices, from headers and a scanner's log.

    Raises
    ------
    InputError
        Naming the slice that is broken, not grey, or of another size or type than the first.
    """
    files = slices(folder)
    first: tuple[tuple[int, ...], str] | None = None
    for file in files:
        try:
            with tifffile.TiffFile(file) as tif:
                if len(tif.pages) != 1:
                    raise InputError(
                        f"slice has {len(tif.pages)} pages", file=file, allowed="one page a slice"
                    )
                page = tif.pages[0]
                found = (page.shape, grey_of(tif, file).dtype)
                short = max(
                    o + n for o, n in zip(page.dataoffsets, page.databytecounts, strict=True)
                )
        except (tifffile.TiffFileError, OSError, ValueError, IndexError, KeyError) as error:
            raise InputError(f"slice cannot be read ({error})", file=file) from error
        if short > file.stat().st_size:
            raise InputError(
                "slice is cut off: the file is shorter than its header says", file=file
            )
        if len(found[0]) != 2:
            raise InputError(
                "slice is not a grey image", file=file, value=found[0], allowed="rows x columns"
            )
        first = first or found
        if found != first:
            raise InputError(
                f"slice differs from {files[0].name}",
                file=file,
                value=f"{found[0]} {found[1]}",
                allowed=f"{first[0]} {first[1]}",
            )
    assert first is not None  # the caller looked for a slice first
    size, facts = read_logs(folder)
    return (
        (len(files), first[0][0], first[0][1]),
        None if size is None else (size, size, size),
        first[1],
        {"slices": len(files), **facts},
    )


def read_planes(files: list[Path], shape: tuple[int, int], dtype: str) -> NDArray:
    """Pixels (z, y, x) of some slices; raises InputError naming the slice that cannot be read."""
    array = np.empty((len(files), *shape), dtype)
    for z, file in enumerate(files):
        try:
            with tifffile.TiffFile(file) as tif:
                array[z] = grey_of(tif, file).values(tif.asarray())
        except InputError:
            raise
        except Exception as error:  # codecs raise errors of their own kinds
            raise InputError(f"slice cannot be read ({error})", file=file) from error
    return array


def probe_file(path: Path) -> tuple[tuple[int, int, int], Spacing | None, str]:
    """Shape (z, y, x), spacing in µm or None, and type of a TIFF of many pages; raises InputError if it is not one."""
    try:
        with tifffile.TiffFile(path) as tif:
            series = tif.series[0]
            shape = series.shape
            dtype = grey_of(tif, path).dtype
            spacing = (
                _ome_spacing(tif.ome_metadata, path)
                if tif.ome_metadata
                else _imagej_spacing(tif, path)
            )
            page = tif.pages[len(tif.pages) - 1]
            end = max(o + n for o, n in zip(page.dataoffsets, page.databytecounts, strict=True))
            if series.dataoffset is not None:  # planes one after the other, whatever pages are left
                end = max(end, series.dataoffset + series.nbytes)
    except (tifffile.TiffFileError, OSError, ValueError, IndexError, KeyError) as error:
        raise InputError(f"TIFF cannot be read ({error})", file=path) from error
    if end > path.stat().st_size or tiff_cut(path):
        raise InputError("TIFF is cut off: the file is shorter than its header says", file=path)
    if len(shape) != 3 or shape[-1] in (3, 4):
        raise InputError(
            "TIFF is not one grey volume", file=path, value=shape, allowed="pages x rows x columns"
        )
    return three(int(n) for n in shape), spacing, dtype


def read_file(path: Path) -> NDArray:
    """Pixels (z, y, x) of a TIFF of many pages; raises InputError if they cannot be read."""
    with tifffile.TiffFile(path) as tif:
        grey = grey_of(tif, path)
    return _imread(path, None, grey)


def read_pages(path: Path, low: int, high: int) -> NDArray:
    """Pages low to high (exclusive), (z, y, x); where a file keeps its planes in one page they are mapped, if not compressed."""
    with tifffile.TiffFile(path) as tif:
        paged, grey = _paged(tif), grey_of(tif, path)
    if paged:
        found = _imread(path, slice(low, high), grey)
        return found if found.ndim == 3 else found[None]
    if one_compressed_page(path):
        return _imread(path, None, grey)[low:high]
    return grey.values(np.array(tifffile.memmap(path, mode="r")[low:high]))


def one_compressed_page(path: Path) -> bool:
    """Whether a file keeps all its planes in one page that cannot be mapped."""
    with tifffile.TiffFile(path) as tif:
        return not _paged(tif) and tif.series[0].dataoffset is None


def _paged(tif: tifffile.TiffFile) -> bool:
    return len(tif.pages) == tif.series[0].shape[0]


def _imread(path: Path, key: slice | None, grey: Grey) -> NDArray:
    try:
        return grey.values(tifffile.imread(path, key=key))
    except Exception as error:  # codecs raise errors of their own kinds
        raise InputError(f"pixels cannot be read ({error})", file=path) from error


def _ome_spacing(xml: str, path: Path) -> Spacing | None:
    for element in ElementTree.fromstring(xml).iter():  # noqa: S314
        if element.tag.endswith("Pixels"):
            sizes = []
            for axis in "ZYX":
                value = element.get(f"PhysicalSize{axis}")
                edge = unit_um(element.get(f"PhysicalSize{axis}Unit", "µm"), path, axis)
                if value is None or edge is None:
                    return None
                sizes.append(float(value) * edge)
            return three(sizes)
    return None


def _imagej_spacing(tif: tifffile.TiffFile, path: Path) -> Spacing | None:
    """From ImageJ's description: `unit` holds for x, and for y and z unless `yunit`, `zunit` do."""
    facts = tif.imagej_metadata or {}
    unit = facts.get("unit", "")
    stated = [unit_um(facts.get(n, unit), path, n) for n in ("zunit", "yunit", "unit")]
    edges = [e for e in stated if e is not None]
    tags = tif.pages.first.tags
    if len(edges) < 3 or "spacing" not in facts or "XResolution" not in tags:
        return None
    per_unit = [tags[name].value for name in ("YResolution", "XResolution")]
    if any(0 in pair for pair in per_unit):
        return None
    y, x = (down / up for up, down in per_unit)
    # ImageJ takes a negative spacing for its size.
    sizes = (abs(float(facts["spacing"])), y, x)
    return three(float(s) * e for s, e in zip(sizes, edges, strict=True))
