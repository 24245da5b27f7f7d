"""The field cases of count files as their table says, and other members of each kind.

The cases lie beside the real data (cases/bulk); their truth is a parse of the same file by csv.
"""

import pytest
from independent.bulk.files_as_written import (
    COLUMNS,
    GENES,
    NAMES,
    SYMBOLS,
    drawn,
    fact,
    feature_counts,
    held,
    lines,
    matrix,
    refused,
    same,
    star,
    write,
)

from periomics.bulk.collecting import How, collect
from periomics.study.settings.bulk import BulkCounts

COUNTS = drawn()
TRUTH = {n: dict(zip(GENES, COUNTS[:, j].tolist(), strict=True)) for j, n in enumerate(NAMES)}
LIBRARIES = ("A1", "B1")


@pytest.fixture
def cases(data):
    folder = data.parent / "cases" / "bulk"
    if not folder.is_dir():
        pytest.skip(f"no field cases: looked in {folder}")
    return folder


def rats(path, names=LIBRARIES):
    return [fact(n, str(path).format(n), species="rat") for n in names]


@pytest.mark.data
def test_case_of_htseq(cases):
    facts = rats(cases / "htseq/{}.count.gz")
    truth = {f["specimen_id"]: held(f["path"], 0, 1, header=False) for f in facts}
    assert "ENSRNOG00000011300" in truth["A1"]  # the first line is a gene
    same(facts, truth)


@pytest.mark.data
def test_case_of_star_reads_per_gene(cases):
    facts = rats(cases / "star_reads_per_gene/{}.ReadsPerGene.out.tab.gz")
    same(facts, {f["specimen_id"]: held(f["path"], 0, 3, header=False) for f in facts})
    assert all("column 4 (reverse)" in r for r in collect(facts).remarks.values())


@pytest.mark.data
def test_case_of_nf_core(cases):
    path = cases / "nfcore_salmon_merged/salmon.merged.gene_counts.tsv.gz"
    same(rats(path), {n: held(path, "gene_id", n) for n in LIBRARIES})
    assert collect(rats(path)).symbols["ENSRNOG00000011300"] == "Lama3"


@pytest.mark.data
def test_case_of_feature_counts(cases):
    path = cases / "featurecounts_star_bam/counts.tsv.gz"
    bam = "/data/run1/{0}/{0}Aligned.sortedByCoord.out.bam"
    same(rats(path), {n: held(path, "Geneid", bam.format(n), skip=1) for n in LIBRARIES})


@pytest.mark.data
def test_case_of_dates(cases):
    message = refused(rats(cases / "excel_dates/counts.tsv.gz"))
    assert "row 302" in message and "1-Mar" in message and "dates" in message


@pytest.mark.parametrize("form", ["{}|{}", "{}_{}", "gene:{}"])
def test_what_stands_around_ids_is_no_part_of_them(tmp_path, form):
    genes = [form.format(g, s) for g, s in zip(GENES, SYMBOLS, strict=True)]
    path = write(tmp_path / "m.tsv", matrix(NAMES, COUNTS, genes))
    same([fact(n, path) for n in NAMES], TRUTH)
    if "gene:" not in form:
        assert collect([fact(n, path) for n in NAMES]).symbols[GENES[3]] == SYMBOLS[3]


@pytest.mark.parametrize("name", ["Total", "sum of reads", "X_1"])
def test_row_of_sums_is_no_gene(tmp_path, name):
    text = matrix(NAMES, COUNTS) + lines([[name, *COUNTS.sum(axis=0)]])
    facts = [fact(n, write(tmp_path / "m.tsv", text)) for n in NAMES]
    same(facts, TRUTH)
    assert any(name in note and "sum of all others" in note for note in collect(facts).notes)


def test_decimal_commas_are_refused_with_a_cell(tmp_path):
    cells = [[f"{v},0" for v in row] for row in COUNTS.tolist()]
    message = refused([fact("S1", write(tmp_path / "m.tsv", matrix(NAMES, cells)))])
    assert "no column of counts" in message and cells[0][0] in message


@pytest.mark.parametrize("stated", ["forward", "reverse", "unstranded"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
def test_configured_strand_of_the_other_reads_is_refused(tmp_path, stated, share):
    forward = (COUNTS[:, 0] * share).round().astype(int)
    columns = [COUNTS[:, 0], forward, COUNTS[:, 0] - forward]
    path = write(tmp_path / "S1ReadsPerGene.out.tab", star(list(zip(*columns, strict=True))))
    how = How(BulkCounts(strand=stated))
    if (stated, share) in (("forward", 0.02), ("reverse", 0.98)):
        assert "other strand" in refused([fact("S1", path)], how)
        return
    taken = columns[COLUMNS.index(stated)].tolist()
    same([fact("S1", path)], {"S1": dict(zip(GENES, taken, strict=True))}, how)


@pytest.mark.parametrize(
    "bam",
    ["{0}/Aligned.out.bam", "C:\\runs\\{0}\\{0}.markdup.sorted.bam", "out/{0}.umi_dedup.bam"],
)
def test_columns_of_alignments(tmp_path, bam):
    text = feature_counts([bam.format(n) for n in NAMES], COUNTS)
    same([fact(n, write(tmp_path / "fc.txt", text)) for n in NAMES], TRUTH)


def test_kallisto_folder_without_text_is_refused_in_words(tmp_path):
    write(tmp_path / "S1" / "abundance.h5", b"\x89HDF\r\n")
    message = refused([fact("S1", tmp_path / "S1")])
    assert "binary form" in message and "abundance.tsv" in message


def test_counters_of_old_versions_are_no_genes(tmp_path):
    """HTSeq's first versions wrote them without underscores."""
    from independent.bulk.files_as_written import TAIL, htseq

    old = lines([[k.strip("_"), v] for k, v in TAIL.items()])
    path = write(tmp_path / "S1.txt", htseq(COUNTS[:, 0].tolist(), tail=False) + old)
    same([fact("S1", path)], {"S1": TRUTH["S1"]})
    genes = sum(TRUTH["S1"].values())
    told = collect([fact("S1", path)]).assigned["S1"]
    assert told == pytest.approx(genes / (genes + sum(TAIL.values())))


def test_where_reads_fell_is_told_by_the_counter(tmp_path):
    """By hand from the rows that are no genes; the column of STAR's that was taken."""
    from independent.bulk.files_as_written import TAIL, htseq

    path = write(tmp_path / "S1.txt", htseq(COUNTS[:, 0].tolist()))
    found, genes = collect([fact("S1", path)]), int(COUNTS[:, 0].sum())
    assert found.assigned["S1"] == pytest.approx(genes / (genes + sum(TAIL.values())))
    assert "fell on genes" in found.remarks["S1"] and "outside genes" in found.remarks["S1"]
    forward = (COUNTS[:, 0] * 0.99).round().astype(int)
    columns = [COUNTS[:, 0], forward, COUNTS[:, 0] - forward]
    path = write(tmp_path / "S1ReadsPerGene.out.tab", star(list(zip(*columns, strict=True))))
    found, genes = collect([fact("S1", path)]), int(forward.sum())
    elsewhere = 900 + 5000 + 800 + 90  # of the forward column
    assert found.assigned["S1"] == pytest.approx(genes / (genes + elsewhere))
    assert f"{100 * 5000 / (genes + elsewhere):.0f} % at several places" in found.remarks["S1"]
    plain = write(tmp_path / "m.tsv", matrix(NAMES, COUNTS))
    assert collect([fact(n, plain) for n in NAMES]).assigned == {}
