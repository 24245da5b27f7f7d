"""Every format of counts: read right, or refused by name where its header, end, species or versions are wrong."""

import gzip
from pathlib import Path

import count_files as files
import pytest
from count_files import FORMATS, GENES, LIBRARIES, SHARED, TRUTH, fact, put

from periomics.bulk.collecting import collect
from periomics.bulk.readers import How, file_format, read_counts
from periomics.core.errors import InputError
from periomics.study.settings.bulk import BulkCounts

PLAIN = {s: {} for s in LIBRARIES}
HEADERS = {
    "matrix": ("gene_id\tA1", "gene_id\tC1", r"no column for library A1 .*allowed: C1, A2, B1"),
    "featurecounts": (
        "Strand",
        "Strands",
        r"row 1: is no featureCounts table: lacks columns \['Strand'\]",
    ),
    "star": ("50\t60\t70", "50\t60", "rows are of different lengths|fewer cells|3 columns"),
    "rsem": ("expected_count", "expected_counts", "did you mean 'expected_counts'"),
    "salmon": (
        "NumReads",
        "NumRead",
        r"row 1: is no Salmon table: .* did you mean 'NumRead'.*Name, Length",
    ),
    "kallisto": ("est_counts", "est_count", "is no kallisto table: .* did you mean 'est_count'"),
    "nfcore": ("\tA1\t", "\tA11\t", "no column for library A1 - did you mean 'A11'"),
}


def how(folder, name):
    return How(tx2gene=files.tx2gene(folder) if name in ("salmon", "kallisto") else "")


@pytest.mark.parametrize("gz", ["", ".gz"])
@pytest.mark.parametrize("name", FORMATS)
def test_a_format_is_recognised_and_read_right(tmp_path, name, gz):
    facts = FORMATS[name](tmp_path, PLAIN, gz)
    assert file_format(facts[0]["path"]) == name
    counts = collect(facts, how(tmp_path, name))
    assert counts.data.to_dict() == TRUTH
    assert list(counts.data.columns) == list(LIBRARIES)


@pytest.mark.parametrize("name", HEADERS)
def test_a_wrong_header_is_named(tmp_path, name):
    facts = FORMATS[name](tmp_path, PLAIN)
    old, new, message = HEADERS[name]
    path = Path(facts[0]["path"])
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError, match=message):
        collect(facts, how(tmp_path, name))


def test_a_header_above_htseq_makes_it_a_matrix_and_counters_are_dropped(tmp_path):
    path = put(tmp_path / "x.txt", [["gene_id", "A1"], [GENES[0], 4], ["__no_feature", 90]])
    counts = collect([fact("A1", path)])
    assert counts.data.to_dict() == {"A1": {GENES[0]: 4}}
    assert "rows that are no genes: __no_feature (90 in" in counts.notes[0]
    wide = put(tmp_path / "y.txt", [[GENES[0], 4, 5, 6, 7], [GENES[1], 1, 2, 3, 4]])
    with pytest.raises(InputError, match="row 1: has no header"):
        collect([fact("A1", wide)])
    with pytest.raises(InputError, match="is no table of HTSeq: 5 columns and no header"):
        collect([fact("A1", wide, format="htseq")])


def test_htseq_with_names_of_genes(tmp_path):
    rows = [[g, f"Gene{i}", i] for i, g in enumerate(GENES)] + [["__no_feature", "", 9]]
    counts = collect([fact("A1", put(tmp_path / "x.txt", rows))])
    assert counts.data["A1"].sum() == sum(range(30))
    assert counts.symbols[GENES[2]] == "Gene2"


@pytest.mark.parametrize("name", FORMATS)
def test_a_packed_file_that_was_cut_off_is_refused(tmp_path, name):
    facts = FORMATS[name](tmp_path, PLAIN, ".gz")
    path = Path(facts[-1]["path"])
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match="cut off or damaged"):
        collect(facts, how(tmp_path, name))


@pytest.mark.parametrize("name", FORMATS)
def test_a_plain_file_that_was_cut_off_is_refused(tmp_path, name):
    facts = FORMATS[name](tmp_path, PLAIN)
    path = Path(facts[-1]["path"])
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)[:20]
    half = lines[-1][: len(lines[-1]) // 2]
    path.write_text("".join([*lines[:-1], half.split("\t")[0]]), encoding="utf-8")
    with pytest.raises(InputError, match=r"was the file cut off\?|was the\s+file cut off"):
        collect(facts, how(tmp_path, name))


@pytest.mark.parametrize("name", [n for n in FORMATS if n not in SHARED])
def test_a_file_that_ends_between_two_rows_is_refused(tmp_path, name):
    facts = FORMATS[name](tmp_path, PLAIN)
    path = Path(facts[-1]["path"])
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(lines[:21]), encoding="utf-8")
    with pytest.raises(InputError, match=r"ends after \d+ genes, where others .* have 30"):
        collect(facts, how(tmp_path, name))


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("species", ["human", "mouse"])
def test_another_species_is_refused_with_the_share(tmp_path, name, species):
    facts = [f | {"species": species} for f in FORMATS[name](tmp_path, PLAIN)]
    message = rf"genes are not of {species}: 0 % of 30 names .* 30 as those of rat"
    with pytest.raises(InputError, match=message):
        collect(facts, how(tmp_path, name))


@pytest.mark.parametrize("name", FORMATS)
def test_versions_that_differ_between_libraries_lose_no_gene(tmp_path, name):
    versions = {s: {g: f"{g}.5" for g in GENES} for s in LIBRARIES}
    versions["A2"] |= {g: f"{g}.6" for g in GENES[::3]}
    versions["B1"] |= {g: g for g in GENES[::2]}
    facts = FORMATS[name](tmp_path, versions)
    if name in SHARED:
        with pytest.raises(
            InputError, match=r"(?:20 genes \(67 %\)).* stand under several versions"
        ):
            collect(facts, how(tmp_path, name))
        return
    counts = collect(facts, how(tmp_path, name))
    assert counts.data.to_dict() == TRUTH
    if name not in ("salmon", "kallisto"):
        assert any("matched without their versions" in n for n in counts.notes)


def test_versions_that_all_files_share_stay(tmp_path):
    names = {s: {g: f"{g}.5" for g in GENES} for s in LIBRARIES}
    counts = collect(files.htseq(tmp_path, names))
    assert set(counts.data.index) == {f"{g}.5" for g in GENES}
    assert not any("versions" in n for n in counts.notes)


def test_transcripts_are_never_genes(tmp_path):
    for name in ("salmon", "kallisto"):
        facts = FORMATS[name](tmp_path / name, PLAIN)
        with pytest.raises(
            InputError, match=r"holds transcripts, and no table .*resources/tx2gene"
        ):
            collect(facts)


def test_a_table_of_other_transcripts_is_refused_with_the_share(tmp_path):
    facts = files.salmon(tmp_path, PLAIN)
    other = put(tmp_path / "other.tsv", [["ENSMUST00000000001", "ENSMUSG00000000001"]])
    with pytest.raises(InputError, match="100 % of the transcripts, with 100 % of the reads"):
        collect(facts, How(tx2gene=other))
    rows = (tmp_path / "tx2gene.tsv", [["x", "y"]])
    full = Path(files.tx2gene(tmp_path)).read_text(encoding="utf-8").splitlines(keepends=True)
    rows[0].write_text("".join(full[:-2]), encoding="utf-8")
    counts = collect(facts, How(tx2gene=str(rows[0])))
    assert len(counts.data) == 29
    assert any("2 transcripts have no gene" in n for n in counts.notes)
    strict = How(BulkCounts(max_unmapped=0.001), str(rows[0]))
    with pytest.raises(InputError, match="3 % of the transcripts"):
        collect(facts, strict)


def test_tables_of_transcripts_without_a_header_and_with_two_genes(tmp_path):
    facts = files.salmon(tmp_path, PLAIN)
    full = Path(files.tx2gene(tmp_path)).read_text(encoding="utf-8").splitlines(keepends=True)
    bare = tmp_path / "bare.tsv.gz"
    bare.write_bytes(gzip.compress("".join(full[1:]).encode()))
    assert collect(facts, How(tx2gene=str(bare))).data.to_dict() == TRUTH
    first = full[1].split("\t")[0]
    twice = tmp_path / "twice.tsv"
    twice.write_text("".join([*full, f"{first}\tENSRNOG99999999999\tX\n"]), encoding="utf-8")
    with pytest.raises(InputError, match="row 62: transcript has two genes"):
        collect(facts, How(tx2gene=str(twice)))
    with pytest.raises(InputError, match="column resources/tx2gene: file does not exist"):
        collect(facts, How(tx2gene=str(tmp_path / "none.tsv")))


def test_names_of_gencode_tell_their_genes(tmp_path):
    head = ["Name", "Length", "EffectiveLength", "TPM", "NumReads"]
    name = "ENST0000000000{}.2|ENSG00000000001.5|OTT1|OTT2|DDX-20{}|DDX|1657|lncRNA|"
    rows = [head, *([name.format(i, i), 9, 9, 1, i + 0.5] for i in (1, 2))]
    counts = collect([fact("A1", put(tmp_path / "quant.sf", rows), species="human")])
    assert counts.data.to_dict() == {"A1": {"ENSG00000000001.5": 4}}


def test_isoforms_of_rsem_are_summed_by_their_own_gene(tmp_path):
    head = "transcript_id gene_id length effective_length expected_count TPM FPKM IsoPct".split()
    rows = [head, ["T1", "G1", 9, 9, 3.25, 1, 1, 40], ["T2", "G1", 9, 9, 4.5, 1, 1, 60]]
    counts = collect([fact("A1", put(tmp_path / "A1.isoforms.results", rows))])
    assert counts.data.to_dict() == {"A1": {"G1": 8}}


def test_merged_transcripts_are_summed_by_their_own_gene(tmp_path):
    rows = [["tx", "gene_id", "A1", "A2"], ["T1", "G1", 3.25, 1], ["T2", "G1", 4.5, 0.2]]
    path = put(tmp_path / "salmon.merged.transcript_counts.tsv", rows)
    assert collect([fact("A1", path), fact("A2", path)]).data.loc["G1"].tolist() == [8, 1]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("salmon.merged.gene_counts.rds", "is an object of R"),
        ("salmon.merged.gene_tpm.tsv", "holds TPM or lengths"),
        ("salmon.merged.gene_lengths.tsv", "holds TPM or lengths"),
        ("counts.xlsx", "is a workbook"),
        ("abundance.h5", "allowed: abundance.tsv"),
        ("counts.txt.summary", "featureCounts' summary"),
        ("A1.bam", "holds reads, not counts"),
        ("GSE1_series_matrix.txt.gz", "GEO's list of samples"),
    ],
)
def test_what_is_no_table_of_counts_is_refused_by_name(tmp_path, name, message):
    path = put(tmp_path / name, [["gene_id", "A1"], ["G1", 1]])
    with pytest.raises(InputError, match=message):
        collect([fact("A1", path)])


def test_scaled_counts_of_nfcore_are_read_and_said(tmp_path):
    path = Path(files.nfcore(tmp_path, PLAIN)[0]["path"])
    scaled = path.rename(tmp_path / "salmon.merged.gene_counts_length_scaled.tsv")
    counts = collect([fact(s, str(scaled)) for s in LIBRARIES])
    assert counts.data.to_dict() == TRUTH
    assert any("made from abundances" in n for n in counts.notes)
    plain = scaled.rename(tmp_path / "table.tsv")
    with pytest.raises(InputError, match=r"not whole.*with format nfcore"):
        collect([fact("A1", str(plain))])
    assert collect([fact("A1", str(plain), format="nfcore")]).data["A1"].to_dict() == TRUTH["A1"]


@pytest.mark.parametrize(
    ("forward", "column"), [(0.97, "forward"), (0.03, "reverse"), (0.5, "unstranded")]
)
def test_the_strand_of_star_is_chosen_by_the_data_and_said(tmp_path, forward, column):
    rows = [["N_unmapped", 9, 9, 9]]
    rows += [
        [g, 100 + i, round(100 * forward), round(100 * (1 - forward))] for i, g in enumerate(GENES)
    ]
    counts = collect([fact("A1", put(tmp_path / "A1ReadsPerGene.out.tab", rows))])
    want = {"forward": 3000 * forward, "reverse": 3000 * (1 - forward), "unstranded": 3435}[column]
    assert counts.data["A1"].sum() == round(want)
    said = counts.remarks["A1"].split("; ")[0]
    assert f"({column})" in said and said in counts.notes[1]


def test_a_strand_in_between_is_refused_unless_stated(tmp_path):
    rows = [["N_unmapped", 9, 9, 9], *([g, 100, 72, 28] for g in GENES)]
    path = put(tmp_path / "A1ReadsPerGene.out.tab", rows)
    with pytest.raises(InputError, match=r"72 % .* neither stranded .*bulk/counts/strand"):
        collect([fact("A1", path)])
    counts = collect([fact("A1", path)], How(BulkCounts(strand="forward")))
    assert counts.data["A1"].sum() == 72 * 30
    assert "as configured" in counts.remarks["A1"]


@pytest.mark.parametrize(
    ("bams", "samples"),
    [
        (["/d/r/A1Aligned.sortedByCoord.out.bam", "/d/r/A2Aligned.sortedByCoord.out.bam"], "A1 A2"),
        (["out/A1/Aligned.sortedByCoord.out.bam", "out/A2/Aligned.sortedByCoord.out.bam"], "A1 A2"),
        (["A1.sorted.bam", "A2.markdup.sorted.bam"], "A1 A2"),
        (["A1/star/x.bam", "A2/star/x.bam"], "A1 A2"),
        (["A1/lane7.bam", "A2/lane8.bam"], "A1 A2"),
        (["A1/lane7.bam", "A2/lane8.bam"], "lane7 lane8"),
        (["A1.Aligned.out.sam", "A2_Aligned.out.bam"], "A1 A2"),
    ],
)
def test_columns_of_alignments_are_found_by_file_or_folder(tmp_path, bams, samples):
    head = ["Geneid", "Chr", "Start", "End", "Strand", "Length", *bams]
    path = put(tmp_path / "fc.txt", [head, ["G1", 1, 1, 9, "+", 9, 5, 6]])
    facts = [fact(f"L{i}", path, sample=s) for i, s in enumerate(samples.split())]
    assert collect(facts).data.loc["G1"].tolist() == [5, 6]


def test_a_sample_that_two_columns_may_be_is_refused(tmp_path):
    head = ["Geneid", "Chr", "Start", "End", "Strand", "Length", "A1/A2.bam", "A2/A1.bam"]
    path = put(tmp_path / "fc.txt", [head, ["G1", 1, 1, 9, "+", 9, 5, 6]])
    with pytest.raises(
        InputError, match=r"several columns may be library L1.*A1/A2.bam, A2/A1.bam"
    ):
        collect([fact("L1", path, sample="A1")])
    assert collect([fact("L1", path, sample="A2/A1.bam")]).data.at["G1", "L1"] == 6


def test_one_file_of_one_library_is_not_shared(tmp_path):
    path = files.htseq(tmp_path, PLAIN)[0]["path"]
    with pytest.raises(InputError, match=r"holds the counts of one library.*'A1, A2'"):
        collect([fact("A1", path), fact("A2", path)])
    named = put(tmp_path / "m.tsv", [["gene_id", "A1"], ["G1", 3]])
    with pytest.raises(InputError, match="no column for library L"):
        collect([fact("L", named, sample="A2")])


def test_columns_beside_counts_are_named_and_left_out(tmp_path):
    head = [
        "",
        "gene_id",
        "gene_name",
        "description",
        "Length",
        "gene_biotype",
        "note",
        "A1",
        "A2",
        "A1_FPKM",
    ]
    rows = [head]
    for i, g in enumerate(GENES):
        rows.append([i, g, f"Gene{i}", "a text", 900 + i, "protein_coding", f"x{i}", 3 * i, i, 0.5])
    path = put(tmp_path / "GSE1_counts.csv.gz", rows, ",")
    counts = collect([fact("A1", path), fact("A2", path)])
    assert counts.data["A1"].to_dict() == {g: 3 * i for i, g in enumerate(GENES)}
    assert counts.symbols[GENES[3]] == "Gene3"
    said = counts.notes[0]
    assert all(
        c in said for c in ("description", "Length", "gene_biotype", "note (text such as 'x0')")
    )
    assert "A1_FPKM (values made from counts)" in said
    with pytest.raises(InputError, match=r"the column of library L holds values made from counts"):
        collect([fact("L", path, sample="A1_FPKM")])


def test_the_only_column_may_be_read_as_what_it_is(tmp_path):
    with pytest.raises(InputError, match=r"the folder holds no quant.sf or abundance.tsv.*x.txt"):
        put(tmp_path / "folder/x.txt", [["a"]])
        read_counts(tmp_path / "folder")
    with pytest.raises(InputError, match="did you mean 'featurecounts'"):
        read_counts(put(tmp_path / "m.tsv", [["a", "b"], ["c", 1]]), "featurecount")


def test_a_column_of_fractions_beside_counts_is_left_out_unless_a_library_wants_it(tmp_path):
    rows = [["gene_id", "GC", "A1"], *([g, 0.4 + i / 97, i] for i, g in enumerate(GENES))]
    path = put(tmp_path / "m.tsv", rows)
    counts = collect([fact("A1", path)])
    assert list(counts.data.columns) == ["A1"] and "GC (" in counts.notes[0]
    rows = [["gene_id", "A0", "A1"], *rows[1:]]
    with pytest.raises(
        InputError, match="the column of library A0 holds numbers that are not whole"
    ):
        collect([fact("A0", put(tmp_path / "m.tsv", rows))])


def test_symbols_behind_ids_of_rsem_are_taken_off(tmp_path):
    rows = [["gene_id", "expected_count"], *([f"{g}_Gene{i}", i] for i, g in enumerate(GENES))]
    counts = collect([fact("A1", put(tmp_path / "A1.genes.results", rows))])
    assert list(counts.data.index) == GENES and counts.symbols[GENES[3]] == "Gene3"


def test_strands_that_differ_between_libraries_are_said(tmp_path):
    facts = []
    for name, forward, reverse in (("A1", 97, 3), ("A2", 3, 97)):
        rows = [["N_unmapped", 9, 9, 9], *([g, 100, forward, reverse] for g in GENES)]
        facts.append(fact(name, put(tmp_path / f"{name}.ReadsPerGene.out.tab", rows)))
    said = collect(facts).notes
    assert any("differ in the strand" in n and "column 3" in n and "column 4" in n for n in said)
