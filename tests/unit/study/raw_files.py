"""Raw files of every kind, written by hand: bytes, numpy, gzip, json and h5py, nothing of the library."""

from __future__ import annotations

import gzip
import json
import struct
import zlib
from pathlib import Path

import h5py
import numpy as np

GENES = ("Lama3", "Lamb3", "Lamc2", "Col17a1", "Itgb4", "Pecam1")


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def table(path: Path, rows: list[list[object]], separator: str = "\t") -> None:
    text = "\n".join(separator.join(map(str, row)) for row in rows) + "\n"
    raw = text.encode("utf-8")
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)


def counts(samples: list[str], genes=GENES, seed: int = 1) -> list[list[object]]:
    """Rows of a table of genes × samples with a header."""
    values = rng(seed).integers(5, 900, (len(genes), len(samples)))
    head = ["gene_id", *samples]
    return [head, *([g, *map(int, v)] for g, v in zip(genes, values, strict=True))]


def nifti(path: Path, array: np.ndarray, voxel_mm: float, slope=1.0, intercept=0.0) -> None:
    """NIfTI-1 of an array (z, y, x); packed where the name ends in .gz."""
    codes = {"uint8": (2, 8), "int16": (4, 16), "uint16": (512, 16), "float32": (16, 32)}
    code, bits = codes[str(array.dtype)]
    head = bytearray(352)
    struct.pack_into("<i", head, 0, 348)
    struct.pack_into("<8h", head, 40, 3, *array.shape[::-1], 1, 1, 1, 1)
    struct.pack_into("<2h", head, 70, code, bits)
    struct.pack_into("<8f", head, 76, 1, *[voxel_mm] * 3, 0, 0, 0, 0)
    struct.pack_into("<3f", head, 108, 352, slope, intercept)
    head[123] = 2  # millimetres
    head[344:348] = b"n+1\0"
    raw = bytes(head) + array.astype(array.dtype.newbyteorder("<")).tobytes()
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)


def nrrd(path: Path, array: np.ndarray, voxel_um: float, encoding: str = "gzip", **more) -> None:
    """NRRD of an array (z, y, x) of uint8 or uint16."""
    fields = {
        "type": {"uint8": "uint8", "uint16": "uint16"}[str(array.dtype)],
        "dimension": 3,
        "sizes": " ".join(map(str, array.shape[::-1])),
        "spacings": " ".join([str(voxel_um)] * 3),
        "units": '"um" "um" "um"',
        "endian": "little",
        "encoding": encoding,
    } | {k.replace("_", " "): v for k, v in more.items()}
    head = "NRRD0004\n" + "".join(f"{k}: {v}\n" for k, v in fields.items())
    raw = array.tobytes()
    path.write_bytes(head.encode() + b"\n" + (gzip.compress(raw) if encoding == "gzip" else raw))


def meta_image(path: Path, array: np.ndarray, voxel_mm: float, packed: bool = False) -> None:
    raw = zlib.compress(array.tobytes()) if packed else array.tobytes()
    fields = {
        "ObjectType": "Image",
        "NDims": 3,
        "BinaryData": True,
        "BinaryDataByteOrderMSB": False,
        "CompressedData": packed,
        **({"CompressedDataSize": len(raw)} if packed else {}),
        "ElementSpacing": " ".join([str(voxel_mm)] * 3),
        "DimSize": " ".join(map(str, array.shape[::-1])),
        "ElementType": {"uint8": "MET_UCHAR", "uint16": "MET_USHORT"}[str(array.dtype)],
        "ElementDataFile": "LOCAL",
    }
    path.write_bytes("".join(f"{k} = {v}\n" for k, v in fields.items()).encode() + raw)


def feature(kind: str, coordinates: object, name: str | None = "peri_implant_ct", **properties):
    label = {"classification": {"name": name}} if name else {}
    return {
        "type": "Feature",
        "geometry": {"type": kind, "coordinates": coordinates},
        "properties": {"objectType": "annotation", **label, **properties},
    }


def square(size: float = 8, at: float = 0) -> list:
    return [[[at, at], [at + size, at], [at + size, at + size], [at, at + size], [at, at]]]


def regions(path: Path, *features: dict) -> None:
    text = json.dumps({"type": "FeatureCollection", "features": list(features)})
    path.write_text(text, encoding="utf-8")


def sparse(group: h5py.Group, matrix: np.ndarray) -> None:
    """Data, indices and indptr by rows."""
    rows, columns = np.nonzero(matrix)
    group["data"] = matrix[rows, columns].astype(np.float32)
    group["indices"] = columns.astype(np.int32)
    group["indptr"] = np.searchsorted(rows, np.arange(len(matrix) + 1)).astype(np.int32)


def strings(values) -> np.ndarray:
    return np.array([str(v).encode() for v in values])


def h5ad(path: Path, matrix: np.ndarray, samples: list[str], where: str = "X", **columns) -> None:
    """An annotated matrix, cells × genes, sparse, its counts in X or a layer."""
    with h5py.File(path, "w") as file:
        group = file.create_group(where)
        sparse(group, matrix)
        group.attrs["encoding-type"], group.attrs["shape"] = "csr_matrix", matrix.shape
        for name, length in (("obs", matrix.shape[0]), ("var", matrix.shape[1])):
            one = file.create_group(name)
            one.attrs["_index"] = "_index"
            one["_index"] = strings(f"{name}{i}" for i in range(length))
        known = sorted(set(samples))
        cells = file["obs"].create_group("sample")
        cells["categories"] = strings(known)
        cells["codes"] = np.array([known.index(s) for s in samples], np.int8)
        for name, values in columns.items():
            file["obs"][name] = strings(values)


def tenx_h5(path: Path, matrix: np.ndarray, barcodes: int | None = None) -> None:
    """Cell Ranger's h5 of an array cells × genes; `barcodes` states another number of them."""
    cells, genes = matrix.shape
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix")
        sparse(group, matrix)
        group["shape"] = np.array([genes, cells])
        group["barcodes"] = strings(f"C{i}-1" for i in range(barcodes or cells))
        features = group.create_group("features")
        features["id"] = strings(f"ENSRNOG{i:011d}" for i in range(genes))
        features["name"] = strings(f"G{i}" for i in range(genes))


def tenx_folder(folder: Path, matrix: np.ndarray, old: bool = False) -> None:
    """Cell Ranger's folder of an array cells × genes, packed or (version 2) plain."""
    folder.mkdir()
    cells, genes = matrix.shape
    rows, columns = np.nonzero(matrix)
    lines = [
        "%%MatrixMarket matrix coordinate integer general",
        "%",
        f"{genes} {cells} {len(rows)}",
    ]
    lines += [f"{g + 1} {c + 1} {int(matrix[c, g])}" for c, g in zip(rows, columns, strict=True)]
    parts = {
        "matrix.mtx": lines,
        "genes.tsv" if old else "features.tsv": [
            f"ENSRNOG{i:011d}\tG{i}" + ("" if old else "\tGene Expression") for i in range(genes)
        ],
        "barcodes.tsv": [f"C{i}-1" for i in range(cells)],
    }
    for name, content in parts.items():
        raw = ("\n".join(content) + "\n").encode()
        (folder / (name if old else f"{name}.gz")).write_bytes(raw if old else gzip.compress(raw))


def halve(path: Path, keep: float = 0.5) -> None:
    """A copy that broke off."""
    raw = path.read_bytes()
    path.write_bytes(raw[: int(len(raw) * keep)])


CTAN = (
    "SkyScan,CT-Analyser\n"
    "Description,Abbreviation,Value,Unit\n"
    "Percent bone volume,BV/TV,31.5,%\n"
    "Trabecular thickness,Tb.Th,0.084,mm\n"
)
QUPATH = (
    ("Image", "Name", "Class", "Area µm^2", "Num Detections", "Num Positive"),
    ("a.svs", "field", "peri_implant_ct", 120000, 40, 12),
)
