"""Files of counts as they come from other programs, spreadsheets and archives: right, or refused by
what they are.

Drawn from the programs' own formats and from what spreadsheets do when they save, apart from the
other tests of readers.
"""

import gzip

import numpy as np
import pytest

from periomics.bulk.collecting import How, collect
from periomics.core.errors import InputError

N = 260
GENES = [f"ENSG{140_000 + 7 * i:011d}" for i in range(N)]
RNG = np.random.default_rng(20_261_130)
MEANS = np.exp(RNG.normal(4, 1.8, N))
A, B = (RNG.poisson(MEANS * RNG.gamma(6, 1 / 6, N)) for _ in range(2))
HEAD = ("gene_id", "A", "B")
PLACES = [["1"] * N, range(N), range(500, N + 500), ["+"] * N, ["501"] * N]
FEATURES = ("Geneid", "Chr", "Start", "End", "Strand", "Length")
COUNTERS = ("N_unmapped", "N_multimapping", "N_noFeature", "N_ambiguous")


def table(head, columns, sep="\t", end="\n", tail="", genes=GENES):
    """Lines of a table of which every row, and the head, ends in `tail`."""
    rows = [head, *zip(genes, *columns, strict=True)]
    return "".join(sep.join(map(str, row)) + tail + end for row in rows)


def put(path, text, code="utf-8"):
    raw = text if isinstance(text, bytes) else text.encode(code)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)
    return path


def rows(*paths, **more):
    """Libraries A and B in a file of each, or in one of both."""
    both = paths if len(paths) == 2 else paths * 2
    told = {"format": "", "species": "human", "sample": ""} | more
    return [told | {"specimen_id": s, "path": str(p)} for s, p in zip("AB", both, strict=True)]


def right(facts, how=None, a=A, b=B, genes=GENES):
    found = collect(facts, how).data
    assert found.loc[list(genes), "A"].tolist() == list(a)
    assert found.loc[list(genes), "B"].tolist() == list(b)
    assert len(found) == len(genes)


def refused(facts, *words, how=None):
    with pytest.raises(InputError, match=words[0]) as error:
        collect(facts, how)
    assert all(w in str(error.value) for w in words), error.value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("bom.txt.gz", "\ufeff" + table(HEAD, [A, B], ",", "\r\n")),
        ("old_mac.tsv", table(HEAD, [A, B], end="\r")),
        ("tab_behind.tsv", table(HEAD, [A, B], tail="\t")),
        ("empty_columns.csv", table(HEAD, [A, B], ",", tail=",,,")),
        ("between.tsv", table(HEAD, [A, B]).replace("\n", "\n\n")),
        ("quoted.txt", table([f'"{x}"' for x in (*FEATURES, "A.bam", "B.bam")], [*PLACES, A, B])),
        (
            "two_steps.txt",
            table((*FEATURES, "x/A.sorted.bam", "x/B.dedup.sorted.bam"), [*PLACES, A, B]),
        ),
        (
            "merged.gene_counts.tsv",
            table(("gene_id", "transcript_id(s)", "A", "B"), [["t1,t2"] * N, A + 0.25, B - 0.0]),
        ),
        (
            "results.csv",
            table(
                ("", "baseMean", "log2FoldChange", "pvalue", "A", "B"),
                [A + 0.5, A * 0.1 - 3, ["NA"] * N, A, B],
                ",",
            ),
        ),
    ],
)
def test_tables_of_both_libraries(tmp_path, name, text):
    right(rows(put(tmp_path / name, text)))


@pytest.mark.parametrize(
    ("name", "raw", "words"),
    [
        ("a.tsv", gzip.compress(table(HEAD, [A, B]).encode()), ["by gzip, but not called .gz"]),
        ("a.tsv.zip", b"PK\x03\x04\x14\0\6\0\xff", ["a zip archive"]),
        ("a.csv", b"PK\x03\x04\x14\0\6\0\xff", ["workbook"]),
        ("a.tsv", table(HEAD, [A, B]).encode("utf-16"), ["UTF-16"]),
        ("a.tsv", b"\x89PNG\r\n\x1a\n" + bytes(range(255)), ["is no text"]),
        (
            "a.tsv",
            table(("gene_id", "description", "A", "B"), [["5µ"] * N, A, B]).encode("cp1252"),
            ["row 2", "Windows-1252", "5µ"],
        ),
        ("g.txt", '!Series_title\t"x"\n' + table(HEAD, [A, B]), ["GEO's list of samples"]),
        ("s.txt", table(HEAD, [A, B], " "), ["row 1", "neither tab, comma nor semicolon"]),
        ("e.tsv", "<!DOCTYPE html>\n<html>gone</html>\n", ["row 1", "<!DOCTYPE html>"]),
        (
            "two.tsv",
            "gene_id\tA\tB\ngroup\told\tnew\n" + table(HEAD, [A, B]),
            ["row 2", "column A", "'old'"],
        ),
        ("k.tsv", table(HEAD, [[f"{v:,}" for v in A], B]), ["column A", "is no count"]),
        ("seen.tsv", table(HEAD, [(A > 5) * 1, (B > 5) * 1]), ["has more than 1"]),
        (
            "logs.tsv",
            table(HEAD, [np.rint(np.log2(x + 1)).astype(int) for x in (A, B)]),
            ["of the noise that reads have"],
        ),
        (
            "exons.txt",
            table((*FEATURES, "A.bam", "B.bam"), [*PLACES, A, B], genes=GENES[::2] * 2),
            ["gene stands twice"],
        ),
        (
            "paste.txt",
            "".join(f"{g}\t{a}\t{g}\t{b}\n" for g, a, b in zip(GENES, A, B, strict=True)),
            ["row 1", "no header"],
        ),
    ],
)
def test_what_is_no_table_of_counts_is_called_what_it_is(tmp_path, name, raw, words):
    refused(rows(put(tmp_path / name, raw)), *words)


def test_alignments_of_one_name_after_what_tools_put_behind(tmp_path):
    names = ("S1.sorted.bam", "S1.markdup.bam")
    path = put(tmp_path / "f.txt", "# x\n" + table((*FEATURES, *names), [*PLACES, A, B]))
    refused(rows(path, sample="S1"), "several columns may be library A")
    facts = rows(path)
    right([facts[0] | {"sample": names[0]}, facts[1] | {"sample": names[1]}])


def lone(values, top=(), below=(), columns=1):
    """A file of one library without a header, its number in every column."""
    lines = [*top, *zip(GENES, values, strict=True), *below]
    return "".join("\t".join([g, *[str(v)] * columns]) + "\n" for g, v in lines)


def test_counters_that_are_there_in_part_or_on_top(tmp_path):
    low = [("__too_low_aQual", 3)]
    a = put(tmp_path / "a.cnt", lone(A, below=low))
    right(rows(a, put(tmp_path / "b.cnt", lone(B, top=[("no_feature", 5), ("ambiguous", 1)]))))


def test_a_part_of_the_columns_of_star(tmp_path):
    """Without a stranded column it is plain; with one of two it cannot be told which was kept."""
    top = [(c, 11) for c in COUNTERS]
    one = [put(tmp_path / f"{x}.tab", lone(v, top)) for x, v in (("a", A), ("b", B))]
    right(rows(*one))
    two = [put(tmp_path / f"{x}2.tab", lone(v, top, columns=2)) for x, v in (("a", A), ("b", B))]
    refused(rows(*two), "which of them holds the counts", "row 1")
    named = put(tmp_path / "aReadsPerGene.out.tab", lone(A, top))
    refused(rows(named, one[1]), "no ReadsPerGene table of STAR: 2 columns")


def test_isoforms_under_the_name_of_genes(tmp_path):
    head = "transcript_id gene_id length effective_length expected_count TPM FPKM IsoPct".split()
    paths = []
    for name, values in (("A", A), ("B", B)):
        lines = ["\t".join(head)]
        for i, v in enumerate(values):
            for part in (v // 3, v - v // 3):
                t = f"ENST{len(lines):011d}"
                lines.append(f"{t}\t{GENES[i]}\t900\t800\t{part}.00\t1\t1\t50")
        paths.append(put(tmp_path / f"{name}.genes.results", "\n".join(lines) + "\n"))
    right(rows(*paths))


def test_transcripts_without_reads_and_a_table_in_other_letters(tmp_path):
    tx = [f"ENST{5 * i:011d}" for i in range(N)]
    pairs = "".join(f"{t}\t{g}\n" for t, g in zip(tx, GENES, strict=True))
    how = How(tx2gene=str(put(tmp_path / "t2g.tsv", pairs)))

    def quant(name, values):
        head = "Name\tLength\tEffectiveLength\tTPM\tNumReads\n"
        body = "".join(
            f"{t}\t900\t750.1\t{min(v, 1)}\t{v}.000\n" for t, v in zip(tx, values, strict=True)
        )
        return put(tmp_path / name / "quant.sf", head + body)

    empty, full = quant("a", [0] * N), quant("b", B)
    right(rows(empty, full), how, a=[0] * N)
    called = put(tmp_path / "t.tsv", pairs.replace("\n", "\té\n"), "cp1252")
    refused(rows(empty, full), "t.tsv, row 1", "Windows-1252", how=How(tx2gene=str(called)))


def test_versions_in_half_the_libraries_and_rows(tmp_path):
    a = put(tmp_path / "a.tsv", table(("id", "A"), [A], genes=[g + ".5" for g in GENES]))
    right(rows(a, put(tmp_path / "b.tsv", table(("id", "B"), [B]))))
    some = [g + (".5" if i % 2 else "") for i, g in enumerate(GENES)]
    right(rows(put(tmp_path / "c.tsv", table(HEAD, [A, B], genes=some))), genes=some)


def test_entrez_numbers_of_the_archive(tmp_path):
    genes = [str(100 + 3 * i) for i in range(N)]
    text = table(("GeneID", "A", "B"), [A, B], genes=genes)
    right(rows(put(tmp_path / "GSE1_raw_counts_NCBI.tsv.gz", text)), genes=genes)
