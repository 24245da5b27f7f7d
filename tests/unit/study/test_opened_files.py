"""Golden tests: raw files of every kind, broken in one way, each with the one line of the check; and sound ones without a word."""

import gzip
import json
import os

import numpy as np
import pytest
import raw_files as raw
from breaking import (
    CELLS,
    GREY,
    both,
    cell,
    config,
    edit,
    file,
    grid,
    mouse_genes,
    packed_counts,
    renamed,
    roi,
    scan,
    section,
    table,
    text,
)
from broken_files import BROKEN
from PIL import Image

LIBRARY = "specimen_id\tanimal_id\tassay\tpath\tsample\tspecies\tcompartment"
SAMPLES = ["S1"] * 6 + ["S2"] * 6
PLATE = [["row", 1, 2, 3], ["A", 0.1, 0.2, 0.3], ["B", 0.4, 0.5, 0.6]]


def add(s, name, head, *rows):
    s.config["sheets"][name] = f"{name}.tsv"
    (s.folder / f"{name}.tsv").write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")


@pytest.fixture
def whole(small):
    """The small study with sound files of every other kind."""
    folder = small.folder / "raw"
    raw.table(folder / "counts.tsv", raw.counts(["L1", "L2", "L3"]))
    raw.h5ad(folder / "cells.h5ad", CELLS, SAMPLES)
    raw.tenx_folder(folder / "tenx", CELLS)
    raw.tenx_h5(folder / "tenx.h5", CELLS)
    cells = [("S1", "cells.h5ad"), ("S2", "cells.h5ad"), ("S3", "tenx"), ("S4", "tenx.h5")]
    bulk = [f"L{i}\tR{i}\tbulk\traw/counts.tsv\tL{i}\trat\tmucosa" for i in (1, 2, 3)]
    single = [f"C{i}\tR{i}\tsinglecell\traw/{p}\t{s}\trat\t" for i, (s, p) in enumerate(cells, 1)]
    add(small, "libraries", LIBRARY, *bulk, *single)
    small.config["bulk"] = {"analyses": [{"name": "mucosa", "contrasts": ["C2"]}]}
    raw.table(folder / "plate.tsv", PLATE)
    for i in range(3):
        pixels = raw.rng(20 + i).integers(0, 255, (9, 8)).astype(np.uint8)
        (folder / "series").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(folder / "series" / f"{i}.png")
    head = "specimen_id\tanimal_id\tassay\treadout\tpath\tplate\twell\tpixel_um\tinterval_h"
    wells = [
        f"W{i}\tR1\tplate\tprol\traw/plate.tsv\tP1\t{w}\t\t" for i, w in enumerate(("A1", "B3"))
    ]
    add(small, "cultures", head, *wells, "X1\tR2\tscratch\t\traw/series\t\t\t1.5\t3")
    (folder / "ctan.txt").write_text(raw.CTAN, encoding="utf-8")
    raw.table(folder / "qupath.tsv", [list(r) for r in raw.QUPATH])
    head = "specimen_id\tanimal_id\tpath\tformat\troi\toutcomes"
    add(
        small,
        "imports",
        head,
        "I1\tR1\traw/ctan.txt\tctan\t\t",
        "I2\tR2\traw/qupath.tsv\tqupath\tfield\tmvd=Num Detections/Area",
    )
    return small


def two_implants(s):
    """The scan of R5 holds two implants, and was taken before as well."""
    path = s.folder / "scans.tsv"
    head, *rows = path.read_text(encoding="utf-8").splitlines()
    five = next(r for r in rows if r.startswith("R5-ct"))
    raw.nrrd(
        s.folder / "raw" / "before.nrrd",
        raw.rng(9).integers(0, 250, (4, 5, 6)).astype(np.uint8),
        18,
    )
    rows = [f"{r}\t\t\t" for r in rows if r != five]
    rows += [f"{five.replace('R5-ct', f'R5-{i}')}\t2\t{i}\traw/before.nrrd" for i in (1, 2)]
    text = "\n".join([f"{head}\timplants\timplant\tearlier", *rows]) + "\n"
    path.write_text(text, encoding="utf-8")


SOUND = {
    "everything": lambda s: None,
    "two implants, and an earlier scan": two_implants,
    "a packed table of counts": packed_counts,
    "ids of Entrez": renamed(*((g, str(45352 + 31 * i)) for i, g in enumerate(raw.GENES))),
    "ids with hyphens": renamed(("Lamb3", "H2-K1"), ("Itgb4", "sep-1"), ("Lamc2", "Nkx2-1")),
    "a whole number with a point": cell(2, 1, "7.0"),
    "libraries called by numbers": both(
        table(raw.counts(["1", "2", "3"])),
        *(edit("libraries", f"raw/counts.tsv\tL{i}", f"raw/counts.tsv\t{i}") for i in (1, 2, 3)),
    ),
    "a table of commas": both(
        file("c.csv", raw.table, raw.counts(["L1", "L2", "L3"]), ","),
        edit("libraries", "raw/counts.tsv", "raw/c.csv"),
    ),
    "counts in a layer": file("cells.h5ad", raw.h5ad, CELLS, SAMPLES, "layers/counts"),
    "two species, of which one makes the atlas": both(
        edit("libraries", "raw/tenx\tS3\trat", "raw/tenx\tS3\tmouse"),
        mouse_genes,
        config("singlecell", atlas={"species": "rat"}, tests={"select": {"species": "rat"}}),
    ),
    "a folder of an old version": both(
        file("old", raw.tenx_folder, CELLS, True), edit("libraries", "raw/tenx\t", "raw/old\t")
    ),
    "a list of wells": text("plate.tsv", "well\tvalue\nA01\t0.1\nB3\t0.4\n"),
    "a plate with decimal commas": text("plate.tsv", "row\t1\t3\nA\t0,050\t0,3\nB\t0,4\t0,5\n"),
    "a region of several parts": roi(
        raw.feature("MultiPolygon", [raw.square(2), raw.square(3, 4)])
    ),
    "detections beside the region": roi(
        raw.feature("Polygon", raw.square()),
        {"id": "PathDetectionObject", **raw.feature("Point", [1, 1])},
    ),
    "a packed NIfTI": scan("a.nii.gz", raw.nifti, GREY, 0.018),
    "a packed NIfTI in two streams": both(
        scan("b.nii", raw.nifti, GREY, 0.018),
        edit("scans", "raw/b.nii", "raw/a.nii.gz"),
        file(
            "b.nii",
            lambda p: p.with_name("a.nii.gz").write_bytes(
                b"".join(gzip.compress(x) for x in (p.read_bytes()[:400], p.read_bytes()[400:]))
            ),
        ),
    ),
    "a packed NRRD": scan("a.nrrd", raw.nrrd, GREY, 18),
    "a plain NRRD": scan("a.nrrd", raw.nrrd, GREY, 18, "raw"),
    "a packed MetaImage": scan("a.mha", raw.meta_image, GREY, 0.018, True),
    "a plain MetaImage": scan("a.mha", raw.meta_image, GREY, 0.018),
    "a section with transparency": section(
        "a.png", lambda p: Image.new("RGBA", (8, 8), (200, 150, 100, 255)).save(p)
    ),
    "a JPEG": section("a.jpg", lambda p: Image.new("RGB", (8, 8), (200, 150, 100)).save(p)),
    "a variable in a path": lambda s: (
        os.environ.update(PERIOMICS_RAW="raw"),
        s.sheet("scans", "raw/R5.tif", "${PERIOMICS_RAW}/R5.tif"),
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_one_line(whole, name):
    change, line = BROKEN[name]
    change(whole)
    found, usable = whole.check()
    assert not usable, found
    assert line in found, found
    assert "\n1 problem to mend" in found, found


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_file_is_no_line(whole, name):
    SOUND[name](whole)
    found, usable = whole.check()
    assert usable, found
    assert "Please look at" not in found, found


WARNED = {
    "a fourth sample that is not said to be transparency": (
        section(
            "f.tif",
            grid(np.full((8, 8, 4), 200, np.uint8), photometric="rgb", extrasamples=(0,)),
        ),
        "sections.tsv, row 6, column path: the file does not say what its fourth sample is: it is "
        "not read as transparency (found 'raw/f.tif'); allowed: red, green and blue; or a fourth "
        "sample that is named as transparency (alpha)",
    ),
    "a header ten times the others": (
        scan("a.nii", raw.nifti, GREY, 0.18),
        "scans.tsv, row 6, column voxel_um: the file says so: 10 times larger than the others in "
        "batch day2: is it right? (found '180'); allowed: about 18 µm",
    ),
    "16 bits among 8": (
        both(
            lambda s: s.sheet("scans", "day2", "day1"),
            lambda s: s.sheet("scans", "day3", "day1"),
            file("R5.tif", grid(np.full((4, 5, 6), 9, np.uint16))),
        ),
        "scans.tsv, row 6, column path: grey values of another type than those of the others in "
        "batch day1: is it right? (found 'uint16'); allowed: uint8",
    ),
    "bulk libraries without an analysis": (
        config("bulk", analyses=[]),
        "config, column bulk/analyses: 3 bulk libraries and no analysis: they get scores, but no "
        "test between arms; declare one under bulk/analyses",
    ),
}


@pytest.mark.parametrize("name", WARNED)
def test_a_doubtful_file_is_a_warning(whole, name):
    change, line = WARNED[name]
    change(whole)
    found, usable = whole.check()
    assert usable, found
    assert line in found.partition("Please look at:")[2], found


def test_the_number_of_problems_counts_what_the_list_leaves_out(small):
    for i in range(1, 10):
        small.sheet("scans", f"R{i}-ct\tR{i}", f"R{i}-ct\tX{i}")
    found, _ = small.check()
    assert "\n9 problems to mend" in found and "  8. " in found and "  9. " not in found


def test_a_table_too_large_to_be_read_whole_is_looked_at_in_part(tmp_path):
    from periomics.bulk.readers import read_counts

    genes = [f"Gene{i}" for i in range(3000)]
    raw.table(tmp_path / "c.tsv.gz", raw.counts(["A", "B"], genes))
    assert len(read_counts(tmp_path / "c.tsv.gz").data) == 3000
    assert len(read_counts(tmp_path / "c.tsv.gz", "", 3600).data) == 1200


def test_json_of_another_kind_is_refused_not_a_crash(whole):
    for content in ("3", "[3]", '{"features": null}', '{"a": 1}', "[[[]]]"):
        (whole.folder / "raw/R5.geojson").write_text(content, encoding="utf-8")
        found, usable = whole.check()
        assert not usable and "sections.tsv, row 6, column rois: file cannot be read" in found
    assert json.loads("3") == 3
