"""Ways to break a raw file or a sheet of a study: each is a function of the study."""

import gzip
import os
import socket
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import raw_files as raw
import tifffile

GREY = raw.rng(5).integers(0, 250, (6, 7, 8)).astype(np.uint8)
CELLS = raw.rng(6).poisson(1.5, (12, 9))


def edit(name, old, new, count=-1):
    return lambda s: s.sheet(name, old, new, count)


def config(key, **change):
    return lambda s: s.config.setdefault(key, {}).update(change)


def both(*changes):
    return lambda s: [c(s) for c in changes]


def without_tenx(s):
    """Only the h5ad stays in the sheet of libraries."""
    path = s.folder / "libraries.tsv"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(x for x in lines if "raw/tenx" not in x), encoding="utf-8")


def file(name, write, *args, **more):
    """Write a raw file anew; `write` takes its path first."""
    return lambda s: write(s.folder / "raw" / name, *args, **more)


def text(name, content):
    return lambda s: (s.folder / "raw" / name).write_text(content, encoding="utf-8")


def halved(name, keep=0.5):
    return file(name, raw.halve, keep)


def scan(name, write, *args, **more):
    """The scan of R5 as another file, its size from the header."""
    change = edit("scans", "raw/R5.tif\tday2\t18", f"raw/{name}\tday2\t")
    return both(change, file(name, write, *args, **more))


def section(name, write):
    change = edit("sections", "raw/R5.png.tif", f"raw/{name}")
    return both(change, file(name, write))


def table(rows):
    return file("counts.tsv", raw.table, rows)


def renamed(*pairs):
    genes = [dict(pairs).get(g, g) for g in raw.GENES]
    return table(raw.counts(["L1", "L2", "L3"], genes))


def cell(row, column, value):
    rows = raw.counts(["L1", "L2", "L3"])
    rows[row][column] = value
    return table(rows)


def transposed(rows):
    return table([list(r) for r in zip(*rows, strict=True)])


def own_markers(content):
    """A table of markers of one's own, named by the configuration."""

    def change(s):
        path = s.folder / "raw/markers.tsv"
        path.write_text(content, encoding="utf-8")
        s.config.setdefault("resources", {}).update(cell_types=str(path))

    return change


def cell_reference(types, species="rat", **atlas):
    """Labelled cells to learn from, so many of each type, named by the configuration."""

    def change(s):
        path = s.folder / "raw/reference.h5ad"
        names = {"rat": "ENSRNOG{:011d}", "mouse": "ENSMUSG{:011d}"}[species]
        labels = [t for t, n in types.items() for _ in range(n)]
        counts = np.random.default_rng(1).poisson(3.0, (len(labels), 60)).astype(np.float32)
        obs = pd.DataFrame({"type": labels}, index=[f"c{i}" for i in range(len(labels))])
        var = pd.DataFrame(index=[names.format(i) for i in range(60)])
        anndata.AnnData(counts, obs=obs, var=var).write_h5ad(path)
        s.config.setdefault("resources", {}).update(cell_reference=str(path))
        s.config.setdefault("singlecell", {}).setdefault("atlas", {}).update(atlas)

    return change


def packed_counts(s):
    path = s.folder / "raw/counts.tsv.gz"
    raw.table(path, raw.counts(["L1", "L2", "L3"], [f"Gene{i}" for i in range(400)]))
    s.sheet("libraries", "raw/counts.tsv", "raw/counts.tsv.gz")


def grid(pixels, photometric="minisblack", **more):
    return lambda p: tifffile.imwrite(p, pixels, photometric=photometric, **more)


def roi(*features):
    return file("R5.geojson", raw.regions, *features)


def h5(change):
    def edit_file(s):
        with h5py.File(s.folder / "raw/cells.h5ad", "r+") as f:
            change(f)

    return edit_file


def matrix_lines(change):
    def edit_file(s):
        path = s.folder / "raw/tenx/matrix.mtx.gz"
        lines = gzip.decompress(path.read_bytes()).decode().splitlines()
        path.write_bytes(gzip.compress(("\n".join(change(lines)) + "\n").encode()))

    return edit_file


def drop_barcode(s):
    path = s.folder / "raw/tenx/barcodes.tsv.gz"
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()[:-1]
    path.write_bytes(gzip.compress(("\n".join(lines) + "\n").encode()))


def mouse_genes(s):
    path = s.folder / "raw/tenx/features.tsv.gz"
    text = gzip.decompress(path.read_bytes()).decode().replace("ENSRNOG", "ENSMUSG")
    path.write_bytes(gzip.compress(text.encode()))


def pipe_in(name):
    def change(s):
        (s.folder / name).parent.mkdir(exist_ok=True)
        (s.folder / name).unlink(missing_ok=True)
        os.mkfifo(s.folder / name)

    return change


def socket_at(s):
    place = s.folder / "raw/R5.geojson"
    place.unlink()
    here = Path.cwd()
    os.chdir(place.parent)  # the path of a socket may be no longer than 100 characters
    socket.socket(socket.AF_UNIX).bind(place.name)
    os.chdir(here)


def stack_with_pipe(s):
    s.sheet("scans", "raw/R5.tif", "raw/stack")
    (s.folder / "raw/stack").mkdir()
    for i in range(3):
        tifffile.imwrite(s.folder / f"raw/stack/s{i}.tif", GREY[i])
    os.mkfifo(s.folder / "raw/stack/log.txt")


def second_species(s):
    s.sheet("libraries", "raw/counts.tsv\tL3\trat", "raw/counts.tsv\tL3\tmouse")
