"""QuPath's and CTAn's tables as labs have them: of many images, with other separators, gaps and
units.

Written from QuPath's documentation of its exporter and config/README.md; truths by plain
arithmetic.
"""

import csv
import io

import numpy as np
import pytest

from periomics.core.errors import InputError
from periomics.outcomes.adapters import read_import
from periomics.outcomes.opening import look_at_import
from periomics.study.check.opened import Named
from periomics.study.dictionary import load_dictionary

HEAD = [
    "Image",
    "Object ID",
    "Object type",
    "Name",
    "Classification",
    "Num Detections",
    "Num Positive",
    "Area µm^2",
    "Stain: DAB area µm^2",
]
IMAGES = ("R01-a.svs", "R01-b.svs", "R02-a.svs")
RNG = np.random.default_rng(20_261_202)
DETECTIONS = RNG.integers(50, 400, (3, 2))
POSITIVE = RNG.binomial(DETECTIONS, 0.3)
AREAS = RNG.uniform(2e5, 9e5, (3, 2)).round(1)
STAINED = (AREAS * 0.25).round(1)
MAPPING = "neu=Num Positive/Area|ki67=Num Positive/Num Detections"


@pytest.fixture(scope="module")
def dictionary(pytestconfig):
    return load_dictionary(pytestconfig.rootpath / "resources/outcomes.tsv")


def rows_of(images=range(3)):
    return [
        [
            IMAGES[i],
            f"id-{i}{j}",
            "Annotation",
            f"part {j}",
            "pie",
            DETECTIONS[i, j],
            POSITIVE[i, j],
            AREAS[i, j],
            STAINED[i, j],
        ]
        for i in images
        for j in (0, 1)
    ]


def put(path, rows, sep="\t", encoding="utf-8", head=HEAD):
    text = io.StringIO()
    csv.writer(text, delimiter=sep, lineterminator="\r\n").writerows([head, *rows])
    path.write_bytes(text.getvalue().encode(encoding))
    return path


def fact(path, section="R01-a", **more):
    row = {"specimen_id": "R01", "section_id": section, "format": "qupath", "outcomes": MAPPING}
    return row | {"path": str(path), "roi": "pie"} | more


def refused(facts, dictionary, *words):
    with pytest.raises(InputError, match=words[0]) as error:
        read_import(facts, dictionary)
    assert all(w in str(error.value) for w in words[1:]), error.value


@pytest.mark.parametrize("sep", ["\t", ",", ";"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_a_projects_table_gives_each_section_its_own_image(tmp_path, dictionary, sep, encoding):
    path = put(tmp_path / "project.csv", rows_of(), sep, encoding)
    for i, section in enumerate(("R01-a", "R01-b", "R02-a.svs")):
        found = read_import(fact(path, section), dictionary)
        density = [r["value"] for r in found if r["outcome"] == "neu"]
        share = [r["value"] for r in found if r["outcome"] == "ki67"]
        assert density == pytest.approx(POSITIVE[i] / (AREAS[i] / 1e6))
        assert share == pytest.approx(100 * POSITIVE[i] / DETECTIONS[i])


def test_an_image_that_no_section_is_called_like_is_never_taken(tmp_path, dictionary):
    path = put(tmp_path / "project.tsv", rows_of())
    refused(fact(path, "R03-a"), dictionary, "holds 3 images, and none", "R01-a.svs, R01-b.svs")
    refused(fact(path, ""), dictionary, "holds 3 images, and none")
    alone = put(tmp_path / "one.tsv", rows_of([1]))
    assert len(read_import(fact(alone, "R03-a"), dictionary)) == 4


def test_the_whole_image_and_single_cells_are_no_regions(tmp_path, dictionary):
    whole = ["R01-a.svs", "r", "Image", "", "", 999, 500, 5e6, 1e6]
    cell = ["R01-a.svs", "c", "Detection", "", "pie", 1, 1, 50, 50]
    path = put(tmp_path / "a.tsv", [whole, *rows_of([0]), cell])
    found = read_import(fact(path, roi=""), dictionary)
    assert len(found) == 4 and {r["numerator"] for r in found} == set(POSITIVE[0])
    bare = put(tmp_path / "b.tsv", [whole, cell])
    refused(fact(bare), dictionary, "holds no annotation")
    twice = put(tmp_path / "c.tsv", [*rows_of([0]), rows_of([0])[0]])
    refused(fact(twice), dictionary, "object stands twice", "row 4", "id-00")


@pytest.mark.parametrize("cell", ["", "NaN", "12,5", "-3", "inf", "n/a"])
def test_cells_that_are_no_counts_are_refused_by_place(tmp_path, dictionary, cell):
    rows = rows_of([0])
    rows[1][6] = cell
    path = put(tmp_path / "a.tsv", rows)
    refused(fact(path), dictionary, "is no number from 0", "row 3", "Num Positive")


def test_shares_of_areas_and_what_columns_cannot_give(tmp_path, dictionary):
    path = put(tmp_path / "a.tsv", rows_of([0]))
    for whole in ("Area", "Area µm^2"):
        found = read_import(fact(path, outcomes=f"va=Stain: DAB area µm^2/{whole}"), dictionary)
        assert [r["value"] for r in found] == pytest.approx(100 * STAINED[0] / AREAS[0])
    for mapping in (
        "neu=Num Positive/Num Detections",
        "neu=Stain: DAB area µm^2/Area",
        "ki67=Num Positive/Area",
        "va=Stain: DAB area µm^2/Num Detections",
        "tbth=Num Positive/Num Detections",
    ):
        refused(fact(path, outcomes=mapping), dictionary, "which these columns do not give")
    turned = "ki67=Num Detections/Num Positive"
    refused(fact(path, outcomes=turned), dictionary, "the part is larger than the whole")


def looked(path, facts, dictionary):
    rows = dict(enumerate(facts, 2))
    named = Named(path, path.name, "imports.tsv", "path", rows, {}, dictionary)
    return [(p.row, p.message) for p in look_at_import(named).problems]


def test_two_rows_of_the_sheet_never_take_the_same_numbers(tmp_path, dictionary):
    path = put(tmp_path / "project.tsv", rows_of())
    own = [fact(path, s) for s in ("R01-a", "R01-b", "R02-a")]
    assert looked(path, own, dictionary) == []
    parts = [fact(path, "R01-a", roi=f"part {j}") for j in (0, 1)]
    assert looked(path, parts, dictionary) == []
    again = [*own, fact(path, "R01-b", specimen_id="R09")]
    assert looked(path, again, dictionary) == [(5, "these numbers are those of row 3 already")]
    text = tmp_path / "a.txt"
    text.write_text("Percent bone volume,BV/TV,41.25,%\n", encoding="utf-8")
    scans = [{"specimen_id": s, "format": "ctan", "path": str(text)} for s in ("R1", "R2")]
    assert looked(text, scans, dictionary) == [(3, "these numbers are those of row 2 already")]


@pytest.mark.parametrize("value", ["nan", "inf", "-1.#IND", "1,234.5"])
def test_a_number_of_ctan_that_is_none(tmp_path, dictionary, value):
    path = tmp_path / "a.txt"
    line = f'Trabecular thickness,Tb.Th,"{value}",mm\n'
    path.write_text("Percent bone volume,BV/TV,41.25,%\n" + line, encoding="utf-8")
    refused({"format": "ctan", "path": str(path)}, dictionary, "not a number", "row 2", "Tb.Th")
