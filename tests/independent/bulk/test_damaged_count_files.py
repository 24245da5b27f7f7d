"""Files of counts that are damaged or changed by hand: the right numbers or an InputError, nothing else.

Written from docs/omics.md and the programs' formats, without sight of the readers.
"""

import bz2
import gzip
import lzma

import pytest
from independent.bulk.files_as_written import (
    GENE_OF,
    GENES,
    NAMES,
    SYMBOLS,
    drawn,
    fact,
    feature_counts,
    htseq,
    kallisto,
    lines,
    matrix,
    never_wrong,
    nf_core,
    refused,
    rsem_genes,
    rsem_isoforms,
    salmon,
    same,
    star,
    transcript_counts,
    write,
)

from periomics.bulk.collecting import How, collect
from periomics.bulk.opening import look_at_counts
from periomics.study.check.opened import Named

COUNTS = drawn()
VALUES = transcript_counts(COUNTS[:, 0])
TRUTH = {n: dict(zip(GENES, COUNTS[:, j].tolist(), strict=True)) for j, n in enumerate(NAMES)}
ONE = {"S1": TRUTH["S1"]}
SUMS = dict.fromkeys(GENES, 0.0)
for _t, _v in VALUES.items():
    SUMS[GENE_OF[_t]] += _v
ESTIMATED = {"S1": {g: round(v) for g, v in SUMS.items()}}


def facts(path, form=""):
    return [fact(n, path, form) for n in NAMES]


TABLES = {
    "counts.tsv": (lambda: matrix(NAMES, COUNTS), ONE),
    "counts.txt": (lambda: feature_counts([f"{n}.bam" for n in NAMES], COUNTS), ONE),
    "S1.htseq.txt": (lambda: htseq(COUNTS[:, 0]), ONE),
    "S1ReadsPerGene.out.tab": (lambda: star([[v, v, 0] for v in COUNTS[:, 0]]), ONE),
    "S1.genes.results": (lambda: rsem_genes(VALUES), ESTIMATED),
    "S1.isoforms.results": (lambda: rsem_isoforms(VALUES), ESTIMATED),
    "quant.sf": (lambda: salmon(VALUES), ESTIMATED),
    "abundance.tsv": (lambda: kallisto(VALUES), ESTIMATED),
    "salmon.merged.gene_counts.tsv": (lambda: nf_core(NAMES, COUNTS), ONE),
}


def headed(rows):
    """Lines above the first gene, and the rest."""
    at = next(i for i, row in enumerate(rows) if row.startswith("ENS"))
    return rows[:at], rows[at:]


DAMAGES = {
    "tab at the end of every line": lambda top, rows: [r + "\t" for r in top + rows],
    "tab at the end of every row": lambda top, rows: top + [r + "\t" for r in rows],
    "two tabs at the end of every row": lambda top, rows: top + [r + "\t\t" for r in rows],
    "tab at the end of the header": lambda top, rows: [r + "\t" for r in top] + rows,
    "tab at the end of one row": lambda top, rows: [*top, rows[0] + "\t", *rows[1:]],
    "space at the end of every row": lambda top, rows: top + [r + " " for r in rows],
    "space at the end of one row": lambda top, rows: [*top, rows[0] + " ", *rows[1:]],
    "blank lines between": lambda top, rows: [x for r in top + rows for x in (r, "")],
    "blank lines at the end": lambda top, rows: [*top, *rows, "", ""],
    "blank line at the start": lambda top, rows: ["", *top, *rows],
    "spaces at the end": lambda top, rows: [*top, *rows, "  "],
    "quotes around every cell": lambda top, rows: [
        '"' + r.replace("\t", '"\t"') + '"' for r in top + rows
    ],
    "a row twice": lambda top, rows: [*top, *rows, rows[7]],
    "the table twice": lambda top, rows: [*top, *rows, *top, *rows],
    "last row cut": lambda top, rows: [*top, *rows[:-1], rows[-1].rsplit("\t", 1)[0]],
    "a first row of words": lambda top, rows: ["My counts", *top, *rows],
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=list(DAMAGES))
@pytest.mark.parametrize("name", list(TABLES))
def test_changed_lines(tmp_path, name, damage):
    how = How(tx2gene=str(write(tmp_path / "t.tsv", lines(GENE_OF.items()))))
    make, truth = TABLES[name]
    path = tmp_path / "S1" / name
    assert never_wrong([fact("S1", write(path, make()))], truth, how)
    write(path, "\n".join(damage(*headed(make().splitlines()))) + "\n")
    never_wrong([fact("S1", path)], truth, how)


def test_tabs_after_rows_do_not_shift_columns(tmp_path):
    """A header that names the genes leaves no room for a column of names before it."""
    rows = [
        f"{g}\t{a}\t{b}\t{500 + i}\t"
        for i, (g, a, b) in enumerate(zip(GENES, *COUNTS.T[:2], strict=True))
    ]
    path = write(tmp_path / "m.tsv", "\n".join(["gene_id\tS1\tS2\tlength", *rows]) + "\n")
    truth = {"S1": TRUTH["S1"], "S2": TRUTH["S10"]}
    never_wrong([fact(n, path) for n in truth], truth)


@pytest.mark.parametrize("first", ["", "NA", "nan", "1,234", "-5", "*", "7.0", "7 ", "7\t"])
def test_first_row_without_a_number_is_no_header(tmp_path, first):
    """A counter's file has no header: its first gene is never lost for one."""
    rows = htseq(COUNTS[:, 0]).splitlines()
    rows[0] = f"{GENES[0]}\t{first}"
    if "\t" in first:
        rows = [rows[0], *(row + "\t" for row in rows[1:])]
    path = write(tmp_path / "S1.txt", "\n".join(rows) + "\n")
    truth = {"S1": {**TRUTH["S1"], GENES[0]: 7}}
    for form in ("", "htseq"):
        if first.startswith("7"):
            never_wrong([fact("S1", path, form)], truth)
        else:
            refused([fact("S1", path, form)])


def test_counts_with_a_point(tmp_path):
    """HTSeq writes 12.0 with --nonunique fraction: no gene is lost where all are whole."""
    path = write(tmp_path / "S1.txt", htseq([f"{v}.0" for v in COUNTS[:, 0]]))
    never_wrong([fact("S1", path)], ONE)


@pytest.mark.parametrize("corner", ["gene_id", "Gene", "", "Ensembl_ID", "X", "row.names", "x"])
def test_header_whose_library_is_a_number(tmp_path, corner):
    """`X` and `row.names` are what R writes above the names of rows: no gene of that name."""
    path = write(tmp_path / "one.tsv", matrix(["5"], COUNTS[:, [0]], corner=corner))
    never_wrong([fact("5", path)], {"5": TRUTH["S1"]})


@pytest.mark.parametrize(
    "cell",
    "|NA|NaN|inf|-1|1.5|1,234|1.234|1e-3|1e400|1e19|0x1F|1_0|TRUE|#N/A|'12|12abc|1e2.5|.|-"
    "|99999999999999999999|1.0000000001".split("|"),
)
def test_cells_that_are_no_counts(tmp_path, cell):
    counts = COUNTS.astype(object)
    counts[6, 1] = cell
    path = write(tmp_path / "m.tsv", matrix(NAMES, counts))
    message = refused(facts(path))
    assert str(path) in message
    assert "row 8" in message
    assert "S10" in message


def test_whole_numbers_beyond_doubles_are_not_rounded(tmp_path):
    counts = COUNTS.astype(object)
    counts[6, 1] = 2**53 + 1
    path = write(tmp_path / "m.tsv", matrix(NAMES, counts))
    never_wrong(facts(path), {**TRUTH, "S10": {**TRUTH["S10"], GENES[6]: 2**53 + 1}})


def test_quote_marks_do_not_swallow_rows(tmp_path):
    """A mark at the start of a cell and one at the end of another, rows below."""
    rows = [["gene_id", "description", *NAMES]]
    for i, (gene, row) in enumerate(zip(GENES, COUNTS, strict=True)):
        text = '"odd' if i == 10 else 'odd"' if i == 20 else "even"
        rows.append([gene, text, *row])
    path = write(tmp_path / "m.tsv", lines(rows))
    never_wrong(facts(path), TRUTH)


def test_quote_marks_around_gene_names_do_not_swallow_rows(tmp_path):
    rows = matrix(NAMES, COUNTS).splitlines()
    rows[100] = '"' + rows[100]
    rows[110] = rows[110].replace("\t", '"\t', 1)
    never_wrong(facts(write(tmp_path / "m.tsv", "\n".join(rows) + "\n")), TRUTH)


def test_gene_names_with_spaces_around(tmp_path):
    """A name padded with a space is the same gene: read without it, or refused."""
    genes = [g + " " if i == 4 else g for i, g in enumerate(GENES)]
    never_wrong(facts(write(tmp_path / "m.tsv", matrix(NAMES, COUNTS, genes))), TRUTH)
    genes[4] = genes[3] + " "
    refused(facts(write(tmp_path / "m.tsv", matrix(NAMES, COUNTS, genes))))


def test_row_without_a_gene(tmp_path):
    totals = "\t" + "\t".join(map(str, COUNTS.sum(0))) + "\n"
    never_wrong(facts(write(tmp_path / "m.tsv", matrix(NAMES, COUNTS) + totals)), TRUTH)


def test_doubled_genes_and_columns(tmp_path):
    text = matrix(NAMES, COUNTS)
    again = text.splitlines()[5]
    message = refused(facts(write(tmp_path / "m.tsv", f"{text}{again}\n")))
    assert GENES[4] in message
    assert f"row {len(GENES) + 2}" in message
    refused(facts(write(tmp_path / "m.tsv", matrix(["S1", "S1", "S2"], COUNTS))))
    path = write(tmp_path / "m.tsv", text)
    refused([fact("S1", path), fact("again", path, sample="S1")])


def test_compressed_and_binary_files(tmp_path):
    raw = matrix(NAMES, COUNTS).encode()
    packed = gzip.compress(raw)
    same(
        facts(write(tmp_path / "a.tsv.gz", gzip.compress(raw[:500]) + gzip.compress(raw[500:]))),
        TRUTH,
    )
    files = {
        "cut.tsv.gz": packed[: len(packed) // 2],
        "end.tsv.gz": packed[:-6],
        "packed.tsv": packed,
        "plain.tsv.gz": raw,
        "m.tsv.bz2": bz2.compress(raw),
        "m.tsv.xz": lzma.compress(raw),
        "wide.tsv": raw.decode().encode("utf-16"),
        "latin.tsv": raw.replace(b"S1", "gr\xfcn".encode("latin-1"), 1),
        "bytes.tsv": bytes(range(256)) * 40,
        "book.xlsx": b"PK\x03\x04" + raw,
        "book.xls": b"\xd0\xcf\x11\xe0" + raw,
        "o.rds": packed,
        "empty.tsv": b"",
        "empty.tsv.gz": gzip.compress(b""),
        "spaces.tsv": b" \n\n",
        "header.tsv": raw.split(b"\n")[0] + b"\n",
        "word.tsv": b"counts",
        "nul.tsv": raw + b"\0\0\0",
    }
    for name, content in files.items():
        path = write(tmp_path / name, content)
        for form in ("", "matrix", "featurecounts", "htseq", "star", "rsem", "salmon", "kallisto"):
            never_wrong(facts(path, form), TRUTH)


def test_folder_without_counts(tmp_path):
    for form in ("", "matrix", "featurecounts", "htseq", "star", "rsem", "salmon", "kallisto"):
        refused([fact("S1", tmp_path, form)])


def test_file_that_does_not_exist(tmp_path):
    path = tmp_path / "none.tsv"
    assert str(path) in refused([fact("S1", path)])


def test_declared_format_of_another_file(tmp_path):
    """A format that does not fit is refused, never read as something else."""
    how = How(tx2gene=str(write(tmp_path / "t.tsv", lines(GENE_OF.items()))))
    forms = "matrix featurecounts htseq star rsem salmon kallisto nfcore".split()
    for name, (make, truth) in TABLES.items():
        path = write(tmp_path / "S1" / name, make())
        others = [f for f in forms if (name, f) != ("quant.sf", "nfcore")]  # the next test
        taken = [form for form in others if never_wrong([fact("S1", path, form)], truth, how)]
        assert taken, name
    for form in ("h5ad", "10x", "other"):
        refused([fact("S1", path, form)])


def test_transcripts_are_not_taken_for_genes(tmp_path):
    """nf-core's tables of genes are declared for one of transcripts."""
    path = write(tmp_path / "quant.sf", salmon(VALUES))
    never_wrong([fact("S1", path, "nfcore")], ESTIMATED)


def test_cut_counter_file(tmp_path):
    whole = write(tmp_path / "S1.txt", htseq(COUNTS[:, 0]))
    cut = "".join(htseq(COUNTS[:, 1], tail=False).splitlines(keepends=True)[:250])
    other = write(tmp_path / "S10.txt", cut)
    assert "S10" in refused([fact("S1", whole), fact("S10", other)])


def test_other_layouts_are_refused(tmp_path):
    rows = [["sample", *GENES], *([n, *COUNTS[:, j]] for j, n in enumerate(NAMES))]
    text = matrix(NAMES, COUNTS)
    tables = {
        "turned": lines(rows),
        "spaces": matrix(NAMES, COUNTS, corner=None, sep=" ", quote='"'),
        "gct": "#1.2\n400\t3\n" + text,
        "groups": text.replace("\n", "\n\tctl\tctl\ttrt\n", 1),
        "no header": text.split("\n", 1)[1],
        "title": "Counts of May\n" + text,
        "thousands": matrix(NAMES, [[f"{v:,}" for v in row] for row in COUNTS], sep="\t"),
        "logs": matrix(NAMES, COUNTS / 3),
    }
    for name, table in tables.items():
        refused(facts(write(tmp_path / f"{name}.tsv", table)))


def test_ids_of_other_kinds_or_species(tmp_path):
    path = write(tmp_path / "m.tsv", matrix(NAMES, COUNTS))
    for species in ("rat", "mouse"):
        assert species in refused([fact("S1", path, species=species)])
    other = write(tmp_path / "n.tsv", matrix(["x"], COUNTS[:, [1]], SYMBOLS))
    refused([fact("S1", path), fact("S10", other)])
    assert set(collect([fact("S10", other)]).data.index) == set(SYMBOLS)


@pytest.mark.parametrize("name", ["#NAME?", "#N/A", "2.31E+13", "1-Mar", "2022-03-01"])
def test_names_that_a_spreadsheet_changed_are_refused(tmp_path, name):
    """A name that begins as a comment does is none: its gene may not vanish."""
    rows = matrix(NAMES, COUNTS).splitlines()
    rows[7] = "\t".join([name, *rows[7].split("\t")[1:]])
    path = write(tmp_path / "counts.tsv", "\n".join(rows) + "\n")
    message = refused(facts(path))
    assert name in message and "spreadsheet" in message and "row 8" in message


def test_comments_between_rows_are_left_out(tmp_path):
    rows = matrix(NAMES, COUNTS).splitlines()
    rows[7:7] = ["# second part", "#"]
    path = write(tmp_path / "counts.tsv", "\n".join(rows) + "\n")
    found = collect(facts(path))
    assert {n: found.data[n].to_dict() for n in NAMES} == TRUTH


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("form", ["matrix", "featurecounts", "htseq", "star", "salmon"])
def test_a_file_cut_within_its_last_number_is_told(tmp_path, form, zipped):
    """The number that is left reads as one: nothing but the missing end of the line tells it."""
    one = COUNTS[:, 0]
    ending = [*([c] for c in one[:-1]), [128]]
    text = {
        "matrix": matrix(["S1"], ending),
        "featurecounts": feature_counts(["S1.bam"], ending),
        "htseq": htseq([*one[:-1], 128], tail=False),
        "star": star([[2 * c, c, c] for c in one[:-1]] + [[256, 128, 128]]),
        "salmon": salmon(dict(zip(GENES, one, strict=True))),
    }[form]
    name = ("quant.genes.sf" if form == "salmon" else "S1.txt") + (".gz" if zipped else "")
    for at, content, message in (("whole", text, ""), ("cut", text[:-2], "cut off within its")):
        path = write(tmp_path / at / name, content, zipped=zipped)
        row = {k: v for k, v in fact("S1", path, form).items() if v}
        look = look_at_counts(Named(path, name, "libraries.tsv", "path", {2: row}, {}))
        assert [p.level for p in look.problems] == (["warning"] if message else [])
        assert all(message in p.message for p in look.problems)
        assert ("cut off within its" in collect([row]).remarks.get("S1", "")) == bool(message)


@pytest.mark.parametrize("at", [1, 3])
def test_genes_that_do_not_stand_first_are_told_by_their_column(tmp_path, at):
    rows = [["S1", "S10", "S2"], *COUNTS.tolist()]
    for row, gene in zip(rows, ["gene_id", *GENES], strict=True):
        row.insert(at, gene)
    said = refused(facts(write(tmp_path / "m.tsv", lines(rows))))
    assert "first column holds numbers" in said and "gene_id" in said


def test_columns_without_names(tmp_path):
    rows = [["", "", *NAMES], *([g, s, *c] for g, s, c in zip(GENES, SYMBOLS, COUNTS, strict=True))]
    assert "two columns have no name" in refused(facts(write(tmp_path / "m.tsv", lines(rows))))
