"""Counts of every format equal a parse of the same file by csv.

Written from docs/omics.md and the programs' formats, without sight of the readers.
"""

import gzip

import numpy as np
import pytest
from independent.bulk.files_as_written import (
    GENE_OF,
    GENES,
    NAMES,
    SYMBOLS,
    TRANSCRIPTS,
    drawn,
    fact,
    feature_counts,
    held,
    htseq,
    kallisto,
    lines,
    matrix,
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

COUNTS = drawn()
VALUES = [transcript_counts(COUNTS[:, j], seed=j) for j in range(3)]
ENDS = {
    "plain": {},
    "crlf": {"crlf": True},
    "bom": {"bom": True},
    "gz": {"zipped": True},
    "all": {"crlf": True, "bom": True, "zipped": True},
}
every_end = pytest.mark.parametrize("end", ENDS.values(), ids=list(ENDS))


def of(names, counts, genes=GENES):
    return {n: dict(zip(genes, counts[:, j].tolist(), strict=True)) for j, n in enumerate(names)}


def one_file(path, names=NAMES, form=""):
    return [fact(n, path, form) for n in names]


def suffix(end, name):
    return name + (".gz" if end.get("zipped") else "")


def shuffled(rows, seed):
    """The lines of a table below its header in another order."""
    head, *body = rows.splitlines(keepends=True)
    return head + "".join(np.random.default_rng(seed).permutation(body).tolist())


@every_end
@pytest.mark.parametrize("sep", ["\t", ",", ";"])
@pytest.mark.parametrize("corner", ["gene_id", "", None])
@pytest.mark.parametrize("quote", ["", '"'])
def test_matrix(tmp_path, end, sep, corner, quote):
    names = [*NAMES, "A 1"]
    counts = drawn(4)
    text = matrix(names, counts, corner=corner, sep=sep, quote=quote)
    same(one_file(write(tmp_path / suffix(end, "m.csv"), text, **end), names), of(names, counts))


def test_annotation_columns_are_no_libraries(tmp_path):
    kinds = {
        "gene_name": lambda i: SYMBOLS[i],
        "chr": lambda i: i % 22 + 1,
        "start": lambda i: 1000 * i,
        "end": lambda i: 1000 * i + 700,
        "strand": lambda i: "+-"[i % 2],
        "length": lambda i: 700 + i,
        "gene_biotype": lambda i: "protein_coding",
        "description": lambda i: f'5\' nucleotidase, "type" {i} [Source:HGNC;Acc:{i}]',
        "entrezgene": lambda i: i + 1,
        "S1_FPKM": lambda i: i / 7,
    }
    known = [[make(i) for make in kinds.values()] for i in range(len(GENES))]
    for before in (True, False):
        head = ["gene_id", *kinds, *NAMES] if before else ["gene_id", *NAMES, *kinds]
        rows = [
            [g, *a, *c] if before else [g, *c, *a]
            for g, a, c in zip(GENES, known, COUNTS, strict=True)
        ]
        path = write(tmp_path / "m.tsv", lines([head, *rows]))
        same(one_file(path), of(NAMES, COUNTS))
        notes = "\n".join(collect(one_file(path)).notes)
        assert all(name in notes for name in kinds)


@pytest.mark.parametrize(
    "names",
    [
        ["1", "2", "10"],
        ["01", "1", "1.0"],
        ["1e5", "100000", "2"],
        ["nan", "NA", "inf"],
        ["S 1", "S  1", "S-1"],
        ["s1", "S1", "S1_"],
        ["S-1", "S.1", "S_1"],
        ["S", "S1", "S10"],
        ["True", "False", "None"],
        ["rät 1", "µ", "№ 3"],
        ["2024-01-05", "5/6/2024", "Mar-1"],
    ],
    ids=" | ".join,
)
@pytest.mark.parametrize("corner", ["gene_id", "", None])
def test_unusual_names_of_libraries(tmp_path, names, corner):
    path = write(tmp_path / "m.tsv", matrix(names, COUNTS, corner=corner))
    same(one_file(path, names), of(names, COUNTS))
    other = ["one", "two", "three"]
    rows = [fact(o, path, sample=n) for o, n in zip(other, names, strict=True)]
    same(rows[::-1], of(other[::-1], COUNTS[:, ::-1]))


def test_name_that_begins_another_is_not_taken_for_it(tmp_path):
    path = write(tmp_path / "m.tsv", matrix(["S10", "S100"], COUNTS[:, :2]))
    for name in ("S1", "S", "10", "S1000"):
        assert name in refused([fact(name, path)])
    bams = [f"/b/{n}Aligned.sortedByCoord.out.bam" for n in ("S10", "S100")]
    path = write(tmp_path / "f.txt", feature_counts(bams, COUNTS[:, :2]))
    for name in ("S1", "S", "10", "S1000"):
        assert name in refused([fact(name, path)])


@pytest.mark.parametrize("genes", [[str(100 + i) for i in range(len(GENES))], SYMBOLS])
def test_gene_names_stay_text(tmp_path, genes):
    genes = [*genes[:-4], "NA", "nan", "TRUE", "null"]
    for corner in ("gene_id", "", None):
        path = write(tmp_path / "m.tsv", matrix(NAMES, COUNTS, genes, corner))
        same(one_file(path), of(NAMES, COUNTS, genes))


@pytest.mark.parametrize(
    ("cell", "value"),
    {
        "1e+05": 100_000,
        "1E5": 100_000,
        "12.0": 12,
        "3000000000": 3 * 10**9,
        "4294967296": 2**32,
    }.items(),
)
def test_numbers_as_programs_write_them(tmp_path, cell, value):
    counts = COUNTS.astype(object)
    counts[6, 1] = cell
    path = write(tmp_path / "m.tsv", matrix(NAMES, counts))
    counts[6, 1] = value
    same(one_file(path), of(NAMES, counts))


@pytest.mark.parametrize(
    "bam",
    [
        "/data/bam/{}Aligned.sortedByCoord.out.bam",
        "{}_Aligned.sortedByCoord.out.bam",
        "{}.sorted.bam",
        "{}.markdup.sorted.bam",
        "/a b/{}.bam",
        "/a/{}.sam",
        "/a/{}/Aligned.sortedByCoord.out.bam",
        "/a/{}/accepted_hits.bam",
    ],
)
def test_feature_counts_columns(tmp_path, bam):
    bams = [bam.format(n) for n in NAMES]
    for comment in (True, False):
        path = write(tmp_path / "counts.txt", feature_counts(bams, COUNTS, comment=comment))
        for j, name in enumerate(NAMES):
            truth = held(path, "Geneid", bams[j], skip=int(comment))
            same([fact(name, path)], {name: truth})
        same(one_file(path, form="featurecounts"), of(NAMES, COUNTS))


@every_end
def test_feature_counts_files(tmp_path, end):
    bams = [f"{n}.bam" for n in NAMES]
    extra = [("gene_name", lambda i: SYMBOLS[i]), ("gene_version", lambda i: i % 9)]
    path = tmp_path / suffix(end, "f.txt")
    same(one_file(write(path, feature_counts(bams, COUNTS, extra), **end)), of(NAMES, COUNTS))


def test_feature_counts_summary_and_fractions_are_refused(tmp_path):
    bams = [f"{n}.bam" for n in NAMES]
    rows = [
        ["Status", *bams],
        ["Assigned", 10_000, 12_000, 9_000],
        ["Unassigned_Unmapped", 1, 2, 3],
    ]
    path = write(tmp_path / "counts.txt.summary", lines(rows))
    for form in ("", "featurecounts", "matrix"):
        refused(one_file(path, form=form))
    path = write(tmp_path / "counts.txt", feature_counts(bams, COUNTS + 0.5))
    refused(one_file(path))


@every_end
@pytest.mark.parametrize("form", ["", "htseq"])
@pytest.mark.parametrize("names", [None, SYMBOLS, ["", *SYMBOLS[1:]]])
def test_htseq(tmp_path, end, form, names):
    facts, truth = [], {}
    for j, name in enumerate(NAMES):
        path = tmp_path / suffix(end, f"{name}.counts")
        write(path, htseq(COUNTS[:, j], names=names), **end)
        facts.append(fact(name, path, form))
        truth[name] = held(path, 0, 1 if names is None else 2, header=False)
    assert truth == of(NAMES, COUNTS)
    same(facts, truth)


def test_htseq_of_several_libraries(tmp_path):
    table = htseq(["\t".join(map(str, row)) for row in COUNTS], tail=False)
    assert "header" in refused(one_file(write(tmp_path / "all.tsv", table)))
    path = write(tmp_path / "S1.txt", htseq(COUNTS[:, 0]))
    assert "S1, S10, S2" in refused(one_file(path))


@every_end
@pytest.mark.parametrize("share", [0.99, 0.85, 0.02, 0.12, 0.5, 0.45])
def test_star(tmp_path, end, share):
    rng = np.random.default_rng(int(100 * share))
    column = 2 if share > 0.8 else 3 if share < 0.2 else 1
    facts, truth = [], {}
    for j, name in enumerate(NAMES):
        forward = rng.binomial(COUNTS[:, j], share)
        both = np.c_[COUNTS[:, j], forward, COUNTS[:, j] - forward]
        path = tmp_path / suffix(end, f"{name}ReadsPerGene.out.tab")
        facts.append(fact(name, write(path, star(both), **end)))
        truth[name] = held(path, 0, column, header=False)
    same(facts, truth)
    same([dict(row, format="star") for row in facts], truth)


@pytest.mark.parametrize("share", [0.27, 0.73])
def test_star_between_strands_is_refused_until_declared(tmp_path, share):
    forward = np.random.default_rng(2).binomial(COUNTS[:, 0], share)
    table = star(np.c_[COUNTS[:, 0], forward, COUNTS[:, 0] - forward])
    path = write(tmp_path / "S1ReadsPerGene.out.tab", table)
    refused([fact("S1", path)])
    for column, strand in enumerate(["unstranded", "forward", "reverse"], 1):
        settings = How().settings.model_copy(update={"strand": strand})
        same([fact("S1", path)], {"S1": held(path, 0, column, header=False)}, How(settings))


@every_end
def test_rsem(tmp_path, end):
    for name, table in {"genes": rsem_genes, "isoforms": rsem_isoforms}.items():
        facts, truth = [], {}
        for library, values in zip(NAMES, VALUES, strict=True):
            path = tmp_path / suffix(end, f"{library}.{name}.results")
            facts.append(fact(library, write(path, table(values), **end)))
            truth[library] = held(path, "gene_id", "expected_count")
        same(facts, truth)
        same([dict(row, format="rsem") for row in facts], truth)


def pairs(path, head=None, versions=("", ""), turned=False, sep="\t", **kinds):
    rows = [[t + versions[0], GENE_OF[t] + versions[1]] for t in TRANSCRIPTS]
    rows = [row[::-1] for row in rows] if turned else rows
    return How(tx2gene=str(write(path, lines([*([head] if head else []), *rows], sep), **kinds)))


def estimated(path, value, name=0):
    """Sums of estimated counts of transcripts over the genes that they are of."""
    sums = dict.fromkeys(GENES, 0.0)
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8-sig")
    for line in text.splitlines():
        cells = line.split("\t")
        if cells[name].startswith("ENST"):
            sums[GENE_OF[cells[name].split("|")[0].split(".")[0]]] += float(cells[value])
    return {g: round(v) for g, v in sums.items()}


@every_end
@pytest.mark.parametrize("program", ["salmon", "kallisto"])
def test_transcripts(tmp_path, end, program):
    table, name, value = (
        (salmon, "quant.sf", 4) if program == "salmon" else (kallisto, "abundance.tsv", 3)
    )
    how = pairs(tmp_path / "t2g.tsv")
    facts, truth = [], {}
    for j, library in enumerate(NAMES):
        path = tmp_path / library / suffix(end, name)
        write(path, shuffled(table(VALUES[j]), seed=j), **end)
        facts.append(fact(library, path))
        truth[library] = estimated(path, value)
    same(facts, truth, how)
    same([dict(row, format=program) for row in facts], truth, how)
    same([fact(n, tmp_path / n) for n in NAMES], truth, how)
    refused(facts)


def test_tables_of_transcripts_and_genes(tmp_path):
    path = write(tmp_path / "S1" / "quant.sf", salmon(VALUES[0]))
    truth = {"S1": estimated(path, 4)}
    tables = [
        pairs(tmp_path / "a.tsv", ["TXNAME", "GENEID"]),
        pairs(tmp_path / "b.csv", ["tx_id", "gene_id"], sep=","),
        pairs(tmp_path / "c.tsv", ["gene_id", "transcript_id"], turned=True),
        pairs(tmp_path / "d.tsv.gz", zipped=True, crlf=True, bom=True),
        pairs(tmp_path / "e.tsv", versions=(".2", "")),
    ]
    for how in tables:
        same([fact("S1", path)], truth, how)
    refused([fact("S1", path)], pairs(tmp_path / "f.tsv", turned=True))
    refused([fact("S1", path)], How(tx2gene=str(tmp_path / "none.tsv")))
    doubled = write(tmp_path / "g.tsv", lines([[t, GENE_OF[t]] for t in TRANSCRIPTS]))
    text = doubled.read_text(encoding="utf-8")
    doubled.write_text(text + f"{TRANSCRIPTS[0]}\t{GENES[9]}\n", encoding="utf-8")
    assert TRANSCRIPTS[0] in refused([fact("S1", path)], How(tx2gene=str(doubled)))
    half = write(tmp_path / "h.tsv", lines([[t, GENE_OF[t]] for t in TRANSCRIPTS[::2]]))
    refused([fact("S1", path)], How(tx2gene=str(half)))


@pytest.mark.parametrize("table", [salmon, kallisto])
def test_names_of_gencode_and_versions(tmp_path, table):
    name, value = ("quant.sf", 4) if table is salmon else ("abundance.tsv", 3)

    def long(t):
        return f"{t}.2|{GENE_OF[t]}.5|OTTHUMG1.2|OTTHUMT1.1|{t}-202|GN|1657|protein_coding|"

    path = write(tmp_path / name, table(VALUES[0], long))
    truth = estimated(path, value)
    same([fact("S1", path)], {"S1": {f"{g}.5": v for g, v in truth.items()}})
    same([fact("S1", path)], {"S1": truth}, pairs(tmp_path / "t.tsv"))
    path = write(path, table(VALUES[0], lambda t: f"{t}.3"))
    for versions in (("", ""), (".3", ""), (".7", "")):
        same([fact("S1", path)], {"S1": truth}, pairs(tmp_path / "t.tsv", versions=versions))


def test_large_estimates_in_scientific_notation(tmp_path):
    path = write(tmp_path / "abundance.tsv", kallisto({t: 3e5 * v for t, v in VALUES[0].items()}))
    assert "e+" in path.read_text(encoding="utf-8")
    truth = estimated(path, 3)
    assert max(truth.values()) > 2**31
    same([fact("S1", path)], {"S1": truth}, pairs(tmp_path / "t.tsv"))


@every_end
@pytest.mark.parametrize("kind", ["", "_scaled", "_length_scaled"])
def test_nf_core(tmp_path, end, kind):
    values = COUNTS + np.random.default_rng(3).uniform(-0.4, 0.4, COUNTS.shape) * (COUNTS > 0)
    values[3, 1], values[4, 0] = 1e5, 3e9
    truth = of(NAMES, np.rint(values).astype(np.int64))
    assert "1e+05" in nf_core(NAMES, values)
    path = tmp_path / suffix(end, f"salmon.merged.gene_counts{kind}.tsv")
    same(one_file(write(path, nf_core(NAMES, values), **end)), truth)
    path = tmp_path / suffix(end, "another_name.tsv")
    same(one_file(write(path, nf_core(NAMES, values), **end), form="nfcore"), truth)
    refused(one_file(path))


def test_nf_core_transcripts_and_tables_that_are_no_counts(tmp_path):
    rows = [["tx", "gene_id", *NAMES]]
    rows += [[t, GENE_OF[t], *(f"{v[t]:.15g}" for v in VALUES)] for t in TRANSCRIPTS]
    path = write(tmp_path / "salmon.merged.transcript_counts.tsv", lines(rows))
    same(one_file(path), {n: held(path, "gene_id", n) for n in NAMES})
    for name in ("gene_tpm", "gene_lengths"):
        path = write(tmp_path / f"salmon.merged.{name}.tsv", nf_core(NAMES, COUNTS / 7))
        refused(one_file(path))
        refused(one_file(path, form="nfcore"))


def test_order_of_genes_differs_between_files(tmp_path):
    facts = []
    for j, name in enumerate(NAMES):
        text = shuffled(matrix(["count"], COUNTS[:, [j]]), seed=j)
        facts.append(fact(name, write(tmp_path / f"{name}.tsv", text)))
    same(facts, of(NAMES, COUNTS))
    same(facts[::-1], of(NAMES[::-1], COUNTS[:, ::-1]))


def test_genes_that_not_all_files_have_are_told(tmp_path):
    facts = []
    for j, name in enumerate(NAMES):
        keep = [i for i in range(len(GENES)) if i % 10 != j]
        text = matrix(["count"], COUNTS[keep][:, [j]], [GENES[i] for i in keep])
        facts.append(fact(name, write(tmp_path / f"{name}.tsv", text)))
    keep = [i for i in range(len(GENES)) if i % 10 > 2]
    same(facts, of(NAMES, COUNTS[keep], [GENES[i] for i in keep]))
    assert any("120 genes" in note for note in collect(facts).notes)


def test_versions_of_ids(tmp_path):
    facts = []
    for j, name in enumerate(NAMES):
        genes = [f"{g}.{1 + i * (j + 1) % 7}" for i, g in enumerate(GENES)]
        genes[10] = f"{genes[9]}_PAR_Y"
        text = matrix(["count"], COUNTS[:, [j]], genes)
        facts.append(fact(name, write(tmp_path / f"{name}.tsv", text)))
    found = collect(facts).data
    for i, gene in enumerate(GENES):
        if i != 10:
            assert found.loc[gene].tolist() == COUNTS[i].tolist()
    genes = [*GENES[:-2], f"{GENES[0]}.1", f"{GENES[0]}.2"]
    assert GENES[0] in refused(
        [fact("S1", write(tmp_path / "a", matrix(["x"], COUNTS[:, [0]], genes)))]
    )


def test_libraries_without_reads(tmp_path):
    counts = COUNTS.copy()
    counts[:, 1] = 0
    same(one_file(write(tmp_path / "m.tsv", matrix(NAMES, counts))), of(NAMES, counts))
    facts = [
        fact(n, write(tmp_path / f"{n}.txt", htseq(counts[:, j]))) for j, n in enumerate(NAMES)
    ]
    same(facts, of(NAMES, counts))
    path = write(tmp_path / "ReadsPerGene.out.tab", star(np.zeros((len(GENES), 3), int)))
    same([fact("S1", path)], {"S1": dict.fromkeys(GENES, 0)})
    path = write(tmp_path / "quant.sf", salmon(dict.fromkeys(TRANSCRIPTS, 0.0)))
    same([fact("S1", path)], {"S1": dict.fromkeys(GENES, 0)}, pairs(tmp_path / "t.tsv"))
