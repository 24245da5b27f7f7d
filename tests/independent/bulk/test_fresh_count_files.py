"""More files of counts as labs have them: parts of exons, spiked-in RNA, names behind a #, dates of
other languages, and counts that were divided by size factors near 1.
"""

import numpy as np
import pytest

from periomics.bulk.collecting import collect
from periomics.core.errors import InputError

N = 300
GENES = [f"ENSG{150_000 + 3 * i:011d}" for i in range(N)]
RNG = np.random.default_rng(20_261_201)
MEANS = np.exp(RNG.normal(4, 1.7, N))
A, B = (RNG.poisson(MEANS * RNG.gamma(5, 1 / 5, N)) for _ in range(2))


def lines(rows, sep="\t"):
    return "".join(sep.join(map(str, row)) + "\n" for row in rows)


def put(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def facts(*paths):
    """Libraries A and B, in one file or a file each."""
    both = paths if len(paths) == 2 else paths * 2
    told = {"format": "", "species": "human", "sample": ""}
    return [told | {"specimen_id": s, "path": str(p)} for s, p in zip("AB", both, strict=True)]


def matrix(head, genes=GENES, a=A, b=B):
    return lines([head, *zip(genes, a, b, strict=True)])


def refused(rows, *words):
    with pytest.raises(InputError, match=words[0]) as error:
        collect(rows)
    assert all(w in str(error.value) for w in words[1:]), error.value


def test_parts_of_exons_are_no_genes(tmp_path):
    """DEXSeq's files, with rows for what was not counted behind one underscore."""
    tail = [("_ambiguous", 3), ("_empty", 2), ("_lowaqual", 0), ("_notaligned", 4)]
    bins = [f"{GENES[i // 3]}:{i % 3 + 1:03d}" for i in range(N)]
    paths = [
        put(tmp_path / f"{s}.txt", lines([*zip(bins, v, strict=True), *tail]))
        for s, v in (("A", A), ("B", B))
    ]
    refused(facts(*paths), "100 % of the names are of parts of exons", GENES[0])
    whole = [
        put(tmp_path / f"{s}2.txt", lines([*zip(GENES, v, strict=True), *tail]))
        for s, v in (("A", A), ("B", B))
    ]
    assert list(collect(facts(*whole)).data.index) == GENES


def test_spiked_in_rna_is_left_out_and_told(tmp_path):
    spikes = [f"ERCC-{i:05d}" for i in range(2, 94)]
    a, b = [*A, *[700] * 92], [*B, *range(92)]
    found = collect(facts(put(tmp_path / "m.tsv", matrix(("g", "A", "B"), GENES + spikes, a, b))))
    assert list(found.data.index) == GENES and found.data["A"].tolist() == A.tolist()
    share = 100 * 92 * 700 / (92 * 700 + A.sum())
    said = f"92 spiked-in RNAs (ERCC) are no genes and were left out, with {share:.2g} %"
    assert any(n.startswith(said) and n.endswith("(A)") for n in found.notes)


def test_a_gene_that_is_called_like_a_spike_stays(tmp_path):
    names = ["ERCC1", "ERCC6L2", "ERCC-1", *GENES[3:]]
    found = collect(facts(put(tmp_path / "m.tsv", matrix(("gene", "A", "B"), names))))
    assert {"ERCC1", "ERCC6L2", "ERCC-1"} <= set(found.data.index)


@pytest.mark.parametrize("head", ["#gene", "# gene", "#made by x\n# of May\n#gene_id"])
def test_names_of_columns_behind_a_mark_of_comments(tmp_path, head):
    """The first gene is not lost, and rows are told as the file has them."""
    path = put(tmp_path / "m.tsv", matrix((head, "A", "B")))
    found = collect(facts(path)).data
    assert found["A"].tolist() == A.tolist() and found["B"].tolist() == B.tolist()
    wrong = [*B[:-1], "x"]
    bad = put(tmp_path / "bad.tsv", matrix((head, "A", "B"), b=wrong))
    refused(facts(bad), f"row {N + 1 + head.count(chr(10))}, column B: is no count")


def test_a_row_that_was_commented_out_is_no_header(tmp_path):
    one = put(tmp_path / "A.cnt", lines([("#ENSG1", 5), *zip(GENES, A, strict=True)]))
    two = put(tmp_path / "B.cnt", lines(zip(GENES, B, strict=True)))
    assert collect(facts(one, two)).data["A"].tolist() == A.tolist()


def test_a_table_of_the_broad_institute_is_called_so(tmp_path):
    text = f"#1.2\n{N}\t2\n" + lines(
        [("Name", "Description", "A", "B"), *zip(GENES, ["na"] * N, A, B, strict=True)]
    )
    refused(facts(put(tmp_path / "m.gct", text)), "form GCT", "row 1", "without its first two")


@pytest.mark.parametrize(
    "name", ["01-mars", "2-sept", "1-déc", "02. März", "Sep 02", "1-dic", "1-set", "Dec-01"]
)
def test_dates_of_other_languages(tmp_path, name):
    path = put(tmp_path / "m.tsv", matrix(("gene", "A", "B"), [name, *GENES[1:]]))
    refused(facts(path), "1 gene names are dates", name)


@pytest.mark.parametrize("name", ["sep-1", "mars-1", "Set2", "dec-1", "gen-1", "Mar1", "nov-2"])
def test_names_that_only_look_like_dates(tmp_path, name):
    path = put(tmp_path / "m.tsv", matrix(("gene", "A", "B"), [name, *GENES[1:]]))
    assert collect(facts(path)).data.at[name, "A"] == A[0]


def wide(rng, size, n=12_000, shape=4.0):
    """Counts of two libraries of a whole transcriptome."""
    means = size * np.exp(rng.normal(3.5, 2.2, n))
    return [rng.poisson(means * rng.gamma(shape, 1 / shape, n)) for _ in range(2)]


def table(path, a, b):
    names = [f"ENSG{i:011d}" for i in range(len(a))]
    return facts(put(path, matrix(("gene", "A", "B"), names, a, b)))


@pytest.mark.parametrize("factor", [0.72, 0.85, 0.93, 1.04, 1.09, 1.6])
def test_counts_divided_by_size_factors(tmp_path, factor):
    a, b = wide(np.random.default_rng(5), 1.0)
    scaled = np.rint(a / factor).astype(int), np.rint(b * factor).astype(int)
    refused(table(tmp_path / "m.tsv", *scaled), "the values were scaled and rounded")


@pytest.mark.parametrize(("size", "shape"), [(0.1, 1.0), (0.5, 50.0), (1.0, 4.0), (20.0, 4.0)])
def test_counts_of_any_depth_are_counts(tmp_path, size, shape):
    """So are those in which most fragments were counted by both mates: even numbers are more
    frequent there."""
    rng = np.random.default_rng(6)
    a, b = wide(rng, size, shape=shape)
    assert collect(table(tmp_path / "m.tsv", a, b)).data["A"].tolist() == a.tolist()
    mates = [2 * v - rng.binomial(v, 0.15) for v in (a, b)]
    assert collect(table(tmp_path / "mates.tsv", *mates)).data["A"].tolist() == mates[0].tolist()


def merged(path, a, b):
    return facts(
        put(path, matrix(("gene_id", "A", "B"), [f"ENSG{i:011d}" for i in range(len(a))], a, b))
    )


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda v: np.round(np.log2(v + 1), 4), "are these logarithms"),
        (lambda v: np.round(np.log(v + 0.5) + 1, 6), "are these logarithms"),
        (lambda v: np.round(v / 17, 3), "of the noise that reads have"),
        (lambda v: np.round(v / v.sum() * 1e6, 4), "scaled to one total"),
    ],
    ids=["log2", "ln", "FPKM", "TPM"],
)
def test_what_is_no_table_of_estimates_under_the_name_of_one(tmp_path, change, word):
    """The format is by the file's name, or stated for any table."""
    a, b = wide(np.random.default_rng(8), 3.0, n=4_000, shape=60.0)
    refused(merged(tmp_path / "salmon.merged.gene_counts.tsv", change(a), change(b)), word)
    stated = merged(tmp_path / "m.tsv", change(a), change(b))
    refused([row | {"format": "nfcore"} for row in stated], word)


def test_estimates_are_read(tmp_path):
    """Also of few reads, and with a library that failed."""
    rng = np.random.default_rng(9)
    for size in (0.02, 3.0):
        a, b = wide(rng, size, n=4_000, shape=60.0)
        b = rng.binomial(b, 0.01) if size > 1 else np.round(b + 0.3 * (b > 3), 3)
        found = collect(merged(tmp_path / "salmon.merged.gene_counts.tsv", a, b)).data
        assert found["A"].tolist() == a.tolist() and found["B"].tolist() == np.rint(b).tolist()
