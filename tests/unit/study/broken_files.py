"""Raw files of every kind, broken in one way, each with the one line of the check that names it."""

import gzip

import numpy as np
import raw_files as raw
from breaking import (
    CELLS,
    GREY,
    both,
    cell,
    cell_reference,
    config,
    drop_barcode,
    edit,
    file,
    grid,
    h5,
    halved,
    matrix_lines,
    mouse_genes,
    own_markers,
    packed_counts,
    pipe_in,
    renamed,
    roi,
    scan,
    second_species,
    section,
    socket_at,
    stack_with_pipe,
    table,
    text,
    transposed,
    without_tenx,
)
from PIL import Image

COLUMN = "libraries.tsv, rows 2, 3, 4, column path: file cannot be read: "
WHOLE = "allowed: whole numbers from 0"
ONE = (
    "libraries.tsv, rows 2, 3, 4, column path: counts.tsv: holds the counts of one library, but "
    "several rows of the sheet name it (found 'L1, "
)
CUT = "scans.tsv, row 6, column path: file cannot be read: "
BROKEN = {
    # count tables
    "a negative count": (
        cell(3, 2, -4),
        COLUMN + "counts.tsv, row 4, column L2: is negative: counts are needed, not logarithms or "
        "ratios (found '-4')",
    ),
    "a count with decimals": (
        cell(2, 1, 7.25),
        COLUMN + "counts.tsv, row 3, column L1: 17 % of the values are not whole: counts are "
        "needed, not FPKM, TPM or logarithms (found '7.25'); " + WHOLE,
    ),
    "a count that is text": (
        cell(2, 3, "n.d."),
        COLUMN + f"counts.tsv, row 3, column L3: is no count (found 'n.d.'); {WHOLE}",
    ),
    "a library without a column": (
        edit("libraries", "raw/counts.tsv\tL2", "raw/counts.tsv\tL22"),
        "libraries.tsv, row 3, column sample: counts.tsv: has no column for library L2 - did you "
        "mean 'L2'? (found 'L22'); allowed: L1, L2, L3",
    ),
    "two libraries of one column": (
        edit("libraries", "raw/counts.tsv\tL2", "raw/counts.tsv\tL1"),
        "libraries.tsv, row 3, column sample: counts.tsv: this column is the library of row 2 "
        "already (found 'L1'); allowed: a column of its own",
    ),
    "genes in columns": (
        transposed(raw.counts(["L1", "L2", "L3"])),
        "libraries.tsv, rows 2, 3, 4, column path: counts.tsv: libraries stand in rows and genes "
        "in columns (found 'raw/counts.tsv'); allowed: one row per gene, one column per library",
    ),
    "genes that became days": (
        renamed(("Lamb3", "1-Mar"), ("Itgb4", "2-Sep")),
        COLUMN + "counts.tsv, row 3, column gene_id: 2 gene names are dates: a spreadsheet program "
        "has changed them (found '1-Mar, 2-Sep'); allowed: gene ids, or symbols",
    ),
    "genes that became dates": (
        renamed(("Lamb3", "2024-03-01")),
        COLUMN + "counts.tsv, row 3, column gene_id: 1 gene names are dates",
    ),
    "genes that became German dates": (
        renamed(("Lamb3", "01. Mrz")),
        COLUMN + "counts.tsv, row 3, column gene_id: 1 gene names are dates",
    ),
    "genes that became serial numbers": (
        renamed(("Lamb3", "45352")),
        COLUMN + "counts.tsv, row 3, column gene_id: 1 gene names are dates: a spreadsheet program "
        "has changed them (found '45352')",
    ),
    "counts of HTSeq for three libraries": (
        table([[g, 7 + i] for i, g in enumerate((*raw.GENES, "__no_feature"))]),
        ONE + "L2, L3'); allowed: a file for each library",
    ),
    "counts of STAR for three libraries": (
        table([["N_unmapped", 9, 9, 9], *([g, 7, 3, 4] for g in raw.GENES)]),
        ONE + "L2, L3'); allowed: a file for each library",
    ),
    "columns without a header": (
        table([[f"ENSRNOG{i:011d}", 7, 3, 4] for i in range(9)]),
        COLUMN + "counts.tsv, row 1: has no header: its first line holds counts "
        "(found 'ENSRNOG00000000000'); allowed: a line above that names the columns",
    ),
    "genes of mice for libraries of rats": (
        renamed(*((g, f"ENSMUSG{i:011d}") for i, g in enumerate(raw.GENES))),
        "libraries.tsv, rows 2, 3, 4, column species: counts.tsv: genes are not of rat: 0 % of 6 "
        "names are written as its genes are, 6 as those of mouse (found 'ENSMUSG00000000000'); "
        "allowed: the species of the reads (rat, mouse, human), or genes of rat",
    ),
    "symbols of humans for libraries of rats": (
        renamed(*((g, g.upper()) for g in raw.GENES)),
        "libraries.tsv, rows 2, 3, 4, column species: counts.tsv: genes are not of rat: 0 % of 6 "
        "names are written as its genes are, 6 as those of human (found 'LAMA3')",
    ),
    "transcripts without a table of genes": (
        text(
            "counts.tsv",
            "Name\tLength\tEffectiveLength\tTPM\tNumReads\nENSRNOT00000000001\t9\t9\t1\t5\n",
        ),
        COLUMN + "counts.tsv: holds transcripts, and no table says which gene they are of "
        "(found 'ENSRNOT00000000001'); allowed: a table of transcripts and genes in the config "
        "(resources/tx2gene)",
    ),
    "files of other genes": (
        both(
            edit("libraries", "raw/counts.tsv\tL3", "raw/c.tsv\tL3"),
            file("c.tsv", raw.table, raw.counts(["L3"], [f"Gene{i}" for i in range(6)])),
        ),
        "libraries.tsv, column path: the files name no gene in common: are the gene ids of one "
        "kind?",
    ),
    "files that share a third of their genes": (
        both(
            edit("libraries", "raw/counts.tsv\tL3", "raw/c.tsv\tL3"),
            file("c.tsv", raw.table, raw.counts(["L3"], [*raw.GENES[:2], *"abcd"])),
        ),
        "libraries.tsv, row 4, column path: the files share 33 % of the genes of the largest, 2 of "
        "6: are they of one annotation and kind of id? (found 'Col17a1'); allowed: 50 % "
        "(bulk/counts/min_shared)",
    ),
    "a gene twice": (
        renamed(("Lamb3", "Lama3")),
        COLUMN + "counts.tsv, row 3: gene stands twice (found 'Lama3')",
    ),
    "a column twice": (
        table(raw.counts(["L1", "L2", "L2"])),
        COLUMN + "counts.tsv, column L2: two columns have the same name",
    ),
    "half a packed table of counts": (
        both(packed_counts, halved("counts.tsv.gz")),
        COLUMN + "counts.tsv.gz: file is cut off or damaged (Compressed file ended before the "
        "end-of-stream marker was reached)",
    ),
    "bytes in place of counts": (
        file("counts.tsv", lambda p: p.write_bytes(b"\x89PNG\r\n\x1a\n\xff\xfe" * 9)),
        COLUMN + "counts.tsv: is no text; allowed: a table of text in UTF-8",
    ),
    "two species in an analysis": (
        second_species,
        "libraries.tsv, column species: analysis mucosa mixes libraries of several species "
        "(found 'L3 mouse, L1 rat'); allowed: one species, by select: {species: ...}",
    ),
    "two species in an atlas": (
        both(edit("libraries", "raw/tenx\tS3\trat", "raw/tenx\tS3\tmouse"), mouse_genes),
        "libraries.tsv, column species: one atlas holds one species (found 'C3 mouse, C1 rat'); "
        "allowed: one species, or singlecell/atlas/species, which says whose cells make the atlas",
    ),
    "two species, of which one makes the atlas, in its tests": (
        both(
            edit("libraries", "raw/tenx\tS3\trat", "raw/tenx\tS3\tmouse"),
            mouse_genes,
            config("singlecell", atlas={"species": "rat"}),
        ),
        "libraries.tsv, column species: analysis singlecell mixes libraries of several species "
        "(found 'C3 mouse, C1 rat'); allowed: one species, by select: {species: ...}",
    ),
    "tests of a species that is not the atlas'": (
        both(
            edit("libraries", "raw/tenx\tS3\trat", "raw/tenx\tS3\tmouse"),
            mouse_genes,
            config("singlecell", atlas={"species": "rat"}, tests={"select": {"species": "mouse"}}),
        ),
        "config, column singlecell/tests/select: is not the atlas' species (found 'mouse'); "
        "allowed: rat",
    ),
    "an atlas of no library": (
        config("singlecell", atlas={"species": "mouse"}),
        "config, column singlecell/atlas/species: no library is of this species (found 'mouse')",
    ),
    "an analysis of no library": (
        config("bulk", analyses=[{"name": "m", "select": {"compartment": "mucose"}}]),
        "libraries.tsv, column compartment: analysis m selects no library - did you mean "
        "'mucosa'? (found 'mucose'); allowed: mucosa",
    ),
    # cells
    "markers without their species": (
        own_markers("cell_type\tgene_axolotl\nx\tA\n"),
        "markers.tsv, column resources/cell_types: lacks columns ['gene_rat']",
    ),
    "markers of a parent that is no type": (
        own_markers("cell_type\tparent\tgene_rat\nfat\t\tA\nfat one\tfatt\tB\n"),
        "row 3, column resources/cell_types: parent: the parent is no cell type of the table - did you mean "
        "'fat'",
    ),
    "a reference without its column of labels": (
        cell_reference({"a": 30, "b": 30}, reference_column="typ"),
        "reference.h5ad, column resources/cell_reference: reference_column: cells of the reference have no such "
        "column - did you mean 'type'? (found 'typ'); allowed: type",
    ),
    "a reference of one type": (
        cell_reference({"a": 30, "b": 3}, reference_column="type"),
        "reference.h5ad, column resources/cell_reference: type: 1 types of the reference have 20 cells or more "
        "(found 'a (30), b (3)'); allowed: two types or more",
    ),
    "a reference of another species": (
        cell_reference({"a": 30, "b": 30}, "mouse", reference_column="type"),
        "reference.h5ad, column resources/cell_reference: species: genes are not of rat",
    ),
    "cells of another species": (
        mouse_genes,
        "libraries.tsv, row 7, column species: tenx: genes are not of rat: 0 % of 9 names are "
        "written as its genes are, 9 as those of mouse (found 'ENSMUSG00000000000')",
    ),
    "half an h5ad": (
        halved("cells.h5ad"),
        "libraries.tsv, rows 5, 6, column path: file cannot be read: cells.h5ad: ",
    ),
    "cells without a matrix": (
        h5(lambda f: f.__delitem__("X")),
        "libraries.tsv, rows 5, 6, column path: file cannot be read: cells.h5ad: holds no matrix "
        "(found 'obs, var'); allowed: X, layers['counts'] or raw/X",
    ),
    "cells of logarithms": (
        h5(lambda f: f["X/data"].write_direct(np.log1p(f["X/data"][:]))),
        "libraries.tsv, rows 5, 6, column path: file cannot be read: cells.h5ad: cells do not hold "
        "whole counts: raw counts are needed, in X, layers['counts'] or raw/X (found '",
    ),
    "no counts in raw either": (
        h5(
            lambda f: (
                f["X/data"].write_direct(f["X/data"][:] / 7),
                f.copy("X", f.create_group("raw"), "X"),
            )
        ),
        "in X, layers['counts'] or raw/X (found 'X and raw/X'); allowed: whole numbers from 0",
    ),
    "cells of another shape": (
        h5(lambda f: f["X"].attrs.__setitem__("shape", (12, 8))),
        "cells.h5ad: X has another shape than its cells and genes (found '12 x 8'); allowed: 12 x 9",
    ),
    "a library without cells": (
        edit("libraries", "raw/cells.h5ad\tS2", "raw/cells.h5ad\tS9"),
        "libraries.tsv, row 6, column sample: cells.h5ad: no cells of this library "
        "(found 'S9'); allowed: S1, S2",
    ),
    "cells without the column of samples": (
        config("singlecell", atlas={"sample_column": "samples"}),
        "libraries.tsv, rows 5, 6, column path: cells.h5ad: several libraries share the file, but "
        "its cells have no column 'samples' - did you mean 'sample'?; allowed: _index, sample",
    ),
    "cells without the column of labels": (
        both(config("singlecell", atlas={"label_column": "type"}), without_tenx),
        "libraries.tsv, rows 5, 6, column path: cells.h5ad: cells have no such column "
        "(found 'type'); allowed: _index, sample",
    ),
    "a folder of cells without barcodes": (
        lambda s: (s.folder / "raw/tenx/barcodes.tsv.gz").unlink(),
        "libraries.tsv, row 7, column path: file cannot be read: tenx: the folder lacks "
        "barcodes.tsv, as it is or .gz (found 'features.tsv.gz, matrix.mtx.gz'); allowed: "
        "matrix.mtx, features.tsv (or genes.tsv) and barcodes.tsv, each as it is or .gz",
    ),
    "fewer barcodes than columns": (
        drop_barcode,
        "libraries.tsv, row 7, column path: file cannot be read: tenx, barcodes.tsv.gz: 11 names, "
        "but the matrix has 12 columns (found '11'); allowed: 12",
    ),
    "half a packed matrix": (
        halved("tenx/matrix.mtx.gz", 0.7),
        "libraries.tsv, row 7, column path: file cannot be read: tenx, matrix.mtx.gz: file is cut "
        "off or damaged (Compressed file ended",
    ),
    "a matrix that lacks entries": (
        matrix_lines(lambda lines: lines[:-3]),
        "tenx, matrix.mtx.gz: matrix is cut off: ",
    ),
    "a matrix of no form": (
        matrix_lines(lambda lines: ["gene\tcell\tcount", *lines[3:]]),
        "tenx, matrix.mtx.gz, row 1: is no matrix of Matrix Market: the first line is "
        "%%MatrixMarket matrix coordinate (found 'gene\\tcell\\tcount')",
    ),
    "an h5 with fewer barcodes": (
        file("tenx.h5", raw.tenx_h5, CELLS, 10),
        "libraries.tsv, row 8, column path: file cannot be read: tenx.h5: 10 barcodes, but the "
        "matrix has 12 (found '10'); allowed: 12",
    ),
    # plates and series
    "a well that the file lacks": (
        edit("cultures", "\tB3\t", "\tB4\t"),
        "cultures.tsv, row 3, column well: plate.tsv has no such well "
        "(found 'B4'); allowed: 6 wells, A1 to B3",
    ),
    "a well that no plate has": (
        edit("cultures", "\tB3\t", "\tB33\t"),
        "cultures.tsv, row 3, column well: not a well of a plate (found 'B33'); allowed: A1 to P24",
    ),
    "a saturated well": (
        text("plate.tsv", "row\t1\t2\t3\nA\t1\tOVRFLW\t2\nB\t1\t1\t2\n"),
        "cultures.tsv, rows 2, 3, column path: file cannot be read: plate.tsv, row 2, column A2: "
        "the reader was saturated (found 'OVRFLW')",
    ),
    "no plate": (
        text("plate.tsv", "sample\tsignal\nx\t1\n"),
        "file cannot be read: plate.tsv, row 1: neither a grid of wells nor a list; allowed: "
        "columns well and value",
    ),
    "a series without its time": (
        edit("cultures", "\t1.5\t3", "\t1.5\t"),
        "cultures.tsv, row 4, column interval_h: an image series needs its time between frames "
        "(found '3 frames'); allowed: hours",
    ),
    "a frame of another size": (
        file("series/1.png", lambda p: Image.new("L", (5, 9), 7).save(p)),
        "cultures.tsv, row 4, column path: 1.png: frame differs in size from 0.png (found "
        "'5 x 9'); allowed: 8 x 9",
    ),
    "half a frame": (
        halved("series/2.png", 0.9),
        "cultures.tsv, row 4, column path: file cannot be read: series, 2.png: image is cut off: "
        "the file ends before its pixels do",
    ),
    # regions
    "regions that are no JSON": (
        text("R5.geojson", '{"type": "FeatureCollection", "features": ['),
        "sections.tsv, row 6, column rois: file cannot be read: R5.geojson: is not JSON: ",
    ),
    "a region under another name": (
        roi(raw.feature("Polygon", raw.square(), "peri_implant")),
        "sections.tsv, row 6, column rois: R5.geojson: no Polygon annotation 'peri_implant_ct' - "
        "did you mean 'peri_implant'?, which stain CD31 is measured in (found 'peri_implant'); "
        "allowed: Polygon annotation 'peri_implant_ct'",
    ),
    "a line in place of an area": (
        roi(raw.feature("LineString", [[0, 0], [5, 5]])),
        "sections.tsv, row 6, column rois: R5.geojson: annotation 'peri_implant_ct' is no Polygon, "
        "which stain CD31 is measured in (found 'LineString'); allowed: Polygon annotation",
    ),
    "a region outside the image": (
        roi(raw.feature("Polygon", raw.square(at=900))),
        "sections.tsv, row 6, column rois: R5.geojson: annotation 'peri_implant_ct' lies outside "
        "the image (found '900, 900, 908, 908'); allowed: pixels from 0, 0 to 8, 8",
    ),
    "a region without a name": (
        roi(raw.feature("Polygon", raw.square(), None)),
        "sections.tsv, row 6, column rois: R5.geojson: no Polygon annotation 'peri_implant_ct', "
        "which stain CD31 is measured in (found 'Unclassified'); allowed: Polygon annotation",
    ),
    "a region without points": (
        roi(raw.feature("Polygon", "here")),
        "R5.geojson: feature 1 (peri_implant_ct) has no usable geometry",
    ),
    "only detections": (
        roi(raw.feature("Polygon", raw.square(), objectType="detection")),
        "sections.tsv, row 6, column rois: R5.geojson: no Polygon annotation 'peri_implant_ct', "
        "which stain CD31 is measured in; allowed: Polygon annotation",
    ),
    "a section without regions": (
        edit("sections", "\traw/R5.geojson", "\t"),
        "sections.tsv, row 6, column rois: the section has no annotation file; allowed: GeoJSON "
        "with Polygon annotation 'peri_implant_ct'",
    ),
    # imports
    "no table of CTAn": (
        text("ctan.txt", "a,b,c\n"),
        "imports.tsv, row 2, column path: file cannot be read: ctan.txt: no CTAn parameter found; "
        "allowed: BV/TV",
    ),
    "a unit that is not known": (
        text("ctan.txt", raw.CTAN.replace(",mm", ",pixel")),
        "imports.tsv, row 2, column path: file cannot be read: ctan.txt, row 4, column Tb.Th: unit "
        "is not known (found 'pixel'); allowed: mm",
    ),
    "a column that QuPath did not write": (
        edit("imports", "Num Detections/Area", "Num Detection/Area"),
        "imports.tsv, row 3, column path: file cannot be read: qupath.tsv, row 1, column Num "
        "Detection: no such column - did you mean 'Num Detections'?",
    ),
    "a region that QuPath did not write": (
        edit("imports", "\tfield\t", "\tfeild\t"),
        "imports.tsv, row 3, column path: file cannot be read: qupath.tsv: no annotation of this "
        "name or class - did you mean 'field'? (found 'feild'); allowed: field, peri_implant_ct",
    ),
    "an outcome that nobody knows": (
        edit("imports", "mvd=Num", "mvdd=Num"),
        "imports.tsv, row 3, column path: file cannot be read: ",
    ),
    # scans
    "half a packed NIfTI": (
        both(scan("a.nii.gz", raw.nifti, GREY, 0.018), halved("a.nii.gz", 0.8)),
        CUT + "a.nii.gz: pixels are cut off or damaged (Compressed file ended",
    ),
    "a NIfTI that was cut before it was packed": (
        both(
            scan("a.nii", raw.nifti, GREY, 0.018),
            halved("a.nii", 0.9),
            file(
                "a.nii",
                lambda p: p.with_name("b.nii.gz").write_bytes(gzip.compress(p.read_bytes())),
            ),
            edit("scans", "raw/a.nii", "raw/b.nii.gz"),
        ),
        CUT + "b.nii.gz: pixels are cut off: the file is shorter than its header says",
    ),
    "half a packed NRRD": (
        both(scan("a.nrrd", raw.nrrd, GREY, 18), halved("a.nrrd", 0.8)),
        CUT + "a.nrrd: pixels are cut off or damaged (Compressed file ended",
    ),
    "half a plain NRRD": (
        both(scan("a.nrrd", raw.nrrd, GREY, 18, "raw"), halved("a.nrrd", 0.8)),
        CUT + "a.nrrd: file ends early (found '",
    ),
    "an NRRD without its pixels": (
        scan("a.nhdr", raw.nrrd, GREY, 18, "raw", data_file="gone.raw"),
        CUT + "a.nhdr: ",
    ),
    "half a packed MetaImage": (
        both(scan("a.mha", raw.meta_image, GREY, 0.018, True), halved("a.mha", 0.8)),
        CUT + "a.mha: pixels are cut off: the file is shorter than its header says (found '",
    ),
    "half a TIFF": (
        both(
            file("R5.tif", grid(raw.rng(9).integers(0, 255, (9, 40, 40)).astype(np.uint8))),
            halved("R5.tif"),
        ),
        CUT + "R5.tif: TIFF is cut off: the file is shorter than its header says",
    ),
    "thresholds beyond 8 bits": (
        config("microct", bone_threshold=17000, implant_threshold=39000),
        "scans.tsv, rows 2, 3, 4, 5, 6, 7 and 3 more, column path: no voxel reaches the threshold: "
        "its values end at 255 (uint8) (found 'bone_threshold 17000, implant_threshold 39000'); "
        "allowed: thresholds up to 255, set in the config from grey values of these scans",
    ),
    "metal beyond a scaled scan": (
        both(
            scan("a.nii", raw.nifti, GREY, 0.018, 0.5, 0),
            config("microct", bone_threshold=90, implant_threshold=200),
        ),
        "scans.tsv, row 6, column path: no voxel reaches the threshold: its values end at 127.5 "
        "after scaling (found 'implant_threshold 200'); allowed: thresholds up to 127.5",
    ),
    "a header and a sheet that disagree": (
        both(
            scan("a.nii", raw.nifti, GREY, 0.018),
            edit("scans", "raw/a.nii\tday2\t", "raw/a.nii\tday2\t20"),
        ),
        "scans.tsv, row 6, column voxel_um: the file says 18 µm (found '20'); allowed: the same "
        "size, or an empty cell",
    ),
    "a label map of another shape": (
        both(
            edit("scans", "voxel_um", "voxel_um\tmask"),
            edit("scans", "raw/R5.tif\tday2\t18", "raw/R5.tif\tday2\t18\traw/m.nii"),
            file("m.nii", raw.nifti, GREY, 0.018),
        ),
        "scans.tsv, row 6, column mask: the mask has another shape than the scan "
        "(found '6 x 7 x 8'); allowed: 4 x 5 x 6",
    ),
    # sections
    "a grey section": (
        section("g.tif", grid(raw.rng(3).integers(0, 255, (8, 8)).astype(np.uint8))),
        "sections.tsv, row 6, column path: the picture is grey: stain CD31 is told by its colours "
        "(found 'raw/g.tif'); allowed: red, green and blue",
    ),
    "four channels of fluorescence": (
        section(
            "f.ome.tif",
            grid(
                raw.rng(3).integers(0, 255, (4, 8, 8)).astype(np.uint8),
                metadata={"axes": "CYX", "Channel": {"Name": ["DAPI", "CD31", "MPO", "LN"]}},
            ),
        ),
        "sections.tsv, row 6, column path: 4 channels that are no colours: stain CD31 is told by "
        "colours (found 'DAPI, CD31, MPO, LN'); allowed: red, green and blue, or image: fluorescence",
    ),
    "a channel that the file does not have": (
        both(
            section(
                "f.ome.tif",
                grid(
                    raw.rng(3).integers(0, 255, (4, 8, 8)).astype(np.uint8),
                    metadata={"axes": "CYX", "Channel": {"Name": ["DAPI", "CD31", "MPO", "LN"]}},
                ),
            ),
            lambda s: s.config["histology"]["stains"].update(
                CD31={"detector": "vessels", "image": "fluorescence", "channels": ["blue", "green"]}
            ),
        ),
        "sections.tsv, row 6, column path: the picture has no channel blue (found "
        "'DAPI, CD31, MPO, LN'); allowed: DAPI, CD31, MPO, LN",
    ),
    "a camera whose bits are not stated": (
        both(
            section(
                "f.ome.tif",
                grid(raw.rng(3).integers(0, 4095, (2, 8, 8)).astype(np.uint16)),
            ),
            lambda s: s.config["histology"]["stains"].update(
                CD31={"detector": "vessels", "image": "fluorescence", "channels": [1, 2]}
            ),
        ),
        "sections.tsv, row 6, column path: a 16-bit file does not tell how many bits the camera has "
        "(found 'uint16'); allowed: 10, 12, 14 or 16",
    ),
    "a section of 32 bits": (
        section("f.tif", grid(raw.rng(3).random((8, 8, 3)).astype(np.float32), "rgb")),
        "sections.tsv, row 6, column path: type of its pixels is not read (found 'float32'); "
        "allowed: 8 or 16 bits a channel",
    ),
    "half a section": (
        halved("R5.png.tif", 0.8),
        "sections.tsv, row 6, column path: file cannot be read: R5.png.tif: image is cut off: the "
        "file ends before its pixels do",
    ),
    # what is no file
    "a pipe as regions": (
        pipe_in("raw/R5.geojson"),
        "sections.tsv, row 6, column rois: is a device or pipe, not a file (found "
        "'raw/R5.geojson')",
    ),
    "a socket as regions": (
        socket_at,
        "sections.tsv, row 6, column rois: is a device or pipe, not a file",
    ),
    "a device as counts": (
        edit("libraries", "raw/counts.tsv", "/dev/zero"),
        "libraries.tsv, rows 2, 3, 4, column path: is a device or pipe, not a file "
        "(found '/dev/zero')",
    ),
    "a pipe in a folder of slices": (
        stack_with_pipe,
        "scans.tsv, row 6, column path: the folder holds a device, pipe or broken link, "
        "'log.txt' (found 'raw/stack')",
    ),
    "a pipe in a folder of cells": (
        both(
            lambda s: (s.folder / "raw/tenx/more").mkdir(),
            pipe_in("raw/tenx/more/x"),
        ),
        "libraries.tsv, row 7, column path: the folder holds a device, pipe or broken link, "
        "'more/x' (found 'raw/tenx')",
    ),
}
