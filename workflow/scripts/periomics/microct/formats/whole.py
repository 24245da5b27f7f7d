"""Whether all pixels of a scan are there, without reading them: from the lengths that files and gzip streams state."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from periomics.core.errors import InputError
from periomics.microct.formats import niftis, nrrds
from periomics.microct.formats.header import Header
from periomics.microct.formats.readers import isq_pixels, text_header

CHUNK = 1 << 22


def refuse_cut(path: Path, header: Header) -> None:
    """Raise InputError if a file is shorter, unpacked, than its header says.

    Stacks, TIFF and DICOM are looked at as their headers are read (`readers.probe`).
    """
    if header.format == "nifti":
        stored = niftis.stored(path)
        if path.name.lower().endswith(".gz"):
            needed = stored.offset + math.prod(header.shape) * stored.dtype.itemsize
            refuse_short_gzip(path, needed)
        else:
            stored.check_length(header.shape)
    elif header.format == "nrrd":
        _nrrd(path, header)
    elif header.format == "mha":
        _meta_image(path, header)
    elif header.format == "isq":
        isq_pixels(path)


def refuse_short_gzip(path: Path, needed: int, start: int = 0) -> None:
    """Raise InputError if the gzip stream at byte `start` unpacks to fewer bytes than needed.

    Its last four bytes state its length modulo 2**32 (RFC 1952); only where that is not the
    length needed (several streams in one, bytes after the pixels, or a cut) it is unpacked.
    """
    with path.open("rb") as handle:
        handle.seek(max(start, path.stat().st_size - 4))
        if int.from_bytes(handle.read(4), "little") == needed % 2**32:
            return
        handle.seek(start)
        length = 0
        try:
            with gzip.GzipFile(fileobj=handle) as unpacked:
                while length < needed and (chunk := unpacked.read(CHUNK)):
                    length += len(chunk)
        except (EOFError, OSError, zlib.error) as error:
            raise InputError(f"pixels are cut off or damaged ({error})", file=path) from error
    if length < needed:
        raise InputError(niftis.CUT, file=path)


def _nrrd(path: Path, header: Header) -> None:
    fields = text_header(path, ":")
    detached = fields.get("data file", fields.get("datafile"))
    single = detached is None or not (detached.split()[0] == "LIST" or "%" in detached)
    file = path if detached is None else path.parent / detached
    if single and not file.is_file():
        raise InputError("the file of its pixels does not exist", file=path, value=detached)
    if fields.get("encoding", "").lower() in ("gzip", "gz") and single:
        if any(k in fields for k in ("line skip", "lineskip", "byte skip", "byteskip")):
            return  # skipped bytes count after unpacking; ITK tells at the reading
        start = nrrds.end_of_header(path) if detached is None else 0
        refuse_short_gzip(file, math.prod(header.shape) * np.dtype(header.dtype).itemsize, start)
    else:
        nrrds.raw_planes(path, header)


def _meta_image(path: Path, header: Header) -> None:
    fields = text_header(path, "=")
    named = fields.get("elementdatafile", "LOCAL")
    if named.split()[0] == "LIST" or "%" in named:
        return
    local = named.upper() == "LOCAL"
    file = path if local else path.parent / named
    if not file.is_file():
        raise InputError("the file of its pixels does not exist", file=path, value=named)
    start = _end_of_fields(path) if local else max(0, int(fields.get("headersize", 0)))
    held = file.stat().st_size - start
    if fields.get("compresseddata", "false").lower() != "true":
        needed = math.prod(header.shape) * np.dtype(header.dtype).itemsize
    else:
        needed = int(fields.get("compresseddatasize", 0))
    if held < needed:
        raise InputError(niftis.CUT, file=file, value=f"{held} bytes", allowed=f"{needed} bytes")


def _end_of_fields(path: Path) -> int:
    """Bytes before the pixels of a MetaImage: its last field is ElementDataFile."""
    with path.open("rb") as handle:
        for line in handle:
            if line.lower().startswith(b"elementdatafile"):
                break
        return handle.tell()
