"""Files that the counters themselves write, made here from real reads, read as they say; Salmon and kallisto also as tximport does.

Skipped program by program where it is not installed. No genome is at hand: STAR aligns to transcripts as if each was a chromosome.
"""

import csv
import gzip
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rscript import need

from periomics.bulk.collecting import How, collect
from periomics.study.settings.bulk import BulkCounts

pytestmark = pytest.mark.data
SAMPLES = ("a", "b")
BAMS = ("SRR1039508", "SRR1039509", "SRR1039512")


def run(folder, *call):
    """A program's standard output; skipped where it is not installed."""
    if shutil.which(call[0]) is None:
        pytest.skip(f"{call[0]} is not installed")
    done = subprocess.run(
        call, cwd=folder, capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def unpacked(source, target):
    target.write_bytes(gzip.decompress(source.read_bytes()))
    return str(target)


@pytest.fixture(scope="module")
def reads(data, tmp_path_factory):
    """Folder with transcripts, a made-up gene for every three of them, and reads of two samples."""
    folder = tmp_path_factory.mktemp("counters")
    source = data / "rnaseq/fastq_chr21"
    sequences = unpacked(source / "transcriptome.chr21.fa.gz", folder / "tx.fa")
    lines = Path(sequences).read_text(encoding="utf-8")
    names = [part.split()[0] for part in lines.split(">")[1:]]
    sizes = [len("".join(part.split("\n")[1:])) for part in lines.split(">")[1:]]
    genes = [f"ENSG{i // 3:011d}" for i in range(len(names))]
    pairs = list(zip(names, genes, strict=True))
    (folder / "tx2gene.tsv").write_text("".join(f"{t}\t{g}\n" for t, g in pairs), encoding="utf-8")
    (folder / "map").write_text("".join(f"{g}\t{t}\n" for t, g in pairs), encoding="utf-8")
    exon = '{t}\tx\texon\t1\t{n}\t.\t+\t.\tgene_id "{g}"; transcript_id "{t}";\n'
    text = "".join(exon.format(t=t, g=g, n=n) for (t, g), n in zip(pairs, sizes, strict=True))
    (folder / "tx.gtf").write_text(text, encoding="utf-8")
    for s in SAMPLES:
        for k in "12":
            unpacked(source / f"{s}.chr21.{k}.fq.gz", folder / f"{s}.{k}.fq")
    return folder


@pytest.fixture(scope="module")
def alignments(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bams")
    source = data / "rnaseq/airway_bam_subset"
    unpacked(source / "Homo_sapiens.GRCh37.75_subset.gtf.gz", folder / "g.gtf")
    return folder, [str(source / f"{s}_subset.bam") for s in BAMS]


def fact(library, path):
    return {"specimen_id": library, "path": str(path), "species": "human"}


def column(path, gene, value, header=True):
    """Numbers of a file by gene, by csv."""
    text = Path(path).read_text(encoding="utf-8").splitlines()
    rows = list(csv.reader((x for x in text if not x.startswith("#")), delimiter="\t"))
    top = rows.pop(0) if header else []
    at = [top.index(k) if header else k for k in (gene, value)]
    return {r[at[0]]: float(r[at[1]]) for r in rows if not r[at[0]].startswith(("__", "N_"))}


def as_read(found, library):
    return {g: float(n) for g, n in found.data[library].items()}


def test_feature_counts(alignments):
    folder, bams = alignments
    call = ("featureCounts", "-p", "--countReadPairs", "-a", "g.gtf", "-o", "fc.txt")
    run(folder, *call, *bams)
    names = [f"{s}_subset" for s in BAMS]
    found = collect([fact(n, folder / "fc.txt") for n in names])
    for name, bam in zip(names, bams, strict=True):
        assert as_read(found, name) == column(folder / "fc.txt", "Geneid", bam)
    assert found.data.to_numpy().sum() > 1000


def test_htseq_count(alignments):
    folder, bams = alignments
    for name, bam in zip(BAMS, bams, strict=True):
        call = ("htseq-count", "-f", "bam", "-r", "pos", "-s", "no", bam, "g.gtf")
        (folder / f"{name}.txt").write_text(run(folder, *call), encoding="utf-8")
    found = collect([fact(n, folder / f"{n}.txt") for n in BAMS])
    for name in BAMS:
        assert as_read(found, name) == column(folder / f"{name}.txt", 0, 1, False)
        assert 0.3 < found.assigned[name] < 1 and "outside genes" in found.remarks[name]


def test_star(reads):
    index = ("--genomeFastaFiles", "tx.fa", "--sjdbGTFfile", "tx.gtf", "--sjdbOverhang", "75")
    small = ("--genomeSAindexNbases", "9", "--genomeChrBinNbits", "11")
    memory = ("--limitGenomeGenerateRAM", "3000000000")
    (reads / "star").mkdir()
    run(
        reads, "STAR", "--runMode", "genomeGenerate", "--genomeDir", "star", *index, *small, *memory
    )
    for s in SAMPLES:
        into = ("--quantMode", "GeneCounts", "--outSAMtype", "None", "--outFileNamePrefix", f"{s}.")
        run(reads, "STAR", "--genomeDir", "star", "--readFilesIn", f"{s}.1.fq", f"{s}.2.fq", *into)
    found = collect([fact(s, reads / f"{s}.ReadsPerGene.out.tab") for s in SAMPLES])
    for s in SAMPLES:
        assert "(unstranded)" in found.remarks[s] and "not aligned" in found.remarks[s]
        assert as_read(found, s) == column(reads / f"{s}.ReadsPerGene.out.tab", 0, 1, False)


def test_rsem(reads):
    run(
        reads,
        "rsem-prepare-reference",
        "--bowtie2",
        "--transcript-to-gene-map",
        "map",
        "tx.fa",
        "r",
    )
    for s in SAMPLES:
        call = ("rsem-calculate-expression", "--bowtie2", "--paired-end", "--no-bam-output")
        run(reads, *call, f"{s}.1.fq", f"{s}.2.fq", "r", f"rsem_{s}")
    genes = collect([fact(s, reads / f"rsem_{s}.genes.results") for s in SAMPLES])
    forms = collect([fact(s, reads / f"rsem_{s}.isoforms.results") for s in SAMPLES])
    for s in SAMPLES:
        path = reads / f"rsem_{s}.genes.results"
        truth = column(path, "gene_id", "expected_count")
        assert as_read(genes, s) == {g: float(np.rint(n)) for g, n in truth.items()}
        # Isoforms have two digits each, so that their sums may round otherwise.
        assert np.abs(forms.data[s] - pd.Series(truth)).max() <= 0.55
        long, seen = pd.Series(column(path, "gene_id", "effective_length")), pd.Series(truth) > 1
        own = forms.lengths[s].reindex(long.index)[seen]
        assert seen.sum() > 5 and np.allclose(own, long[seen], rtol=0.02)


@pytest.fixture(scope="module")
def quantified(reads):
    """Folders of Salmon and of kallisto."""

    def made(program):
        if program == "salmon":
            run(reads, "salmon", "index", "-t", "tx.fa", "-i", "sidx", "-k", "23", "-p", "1")
        else:
            run(reads, "kallisto", "index", "-i", "kidx", "tx.fa")
        for s in SAMPLES:
            files, out = (f"{s}.1.fq", f"{s}.2.fq"), f"{program}_{s}"
            if program == "salmon":
                given = ("-l", "A", "-p", "1", "-1", files[0], "-2", files[1])
                run(reads, "salmon", "quant", "-i", "sidx", *given, "-o", out)
            else:
                run(reads, "kallisto", "quant", "-i", "kidx", "-o", out, *files)
        return [reads / f"{program}_{s}" for s in SAMPLES]

    return made


@pytest.mark.parametrize("program", ["salmon", "kallisto"])
def test_counts_and_lengths_are_tximports(quantified, reads, program):
    folders = quantified(program)
    need("tximport", "r-bioc-tximport")
    name = {"salmon": "quant.sf", "kallisto": "abundance.tsv"}[program]
    files = ", ".join(f'"{f / name}"' for f in folders)
    code = f"""library(tximport); map <- read.delim("{reads / "tx2gene.tsv"}", header = FALSE)
    txi <- tximport(c({files}), type = "{program}", tx2gene = map)
    for (n in c("counts", "length")) write.table(txi[[n]], paste0(n, "_{program}.tsv"), sep = "\\t",
      col.names = FALSE, quote = FALSE)"""
    run(reads, "Rscript", "--vanilla", "-e", code)
    theirs = {
        n: pd.read_csv(reads / f"{n}_{program}.tsv", sep="\t", header=None, index_col=0)
        for n in ("counts", "length")
    }
    how = How(BulkCounts(), str(reads / "tx2gene.tsv"))
    found = collect([fact(s, f) for s, f in zip(SAMPLES, folders, strict=True)], how)
    genes = list(found.data.index)
    assert sorted(theirs["counts"].index) == genes and len(genes) > 700
    counts = theirs["counts"].loc[genes].to_numpy()
    assert np.abs(found.data.to_numpy() - counts).max() <= 0.5 + 1e-6
    seen = counts.sum(axis=1) > 0
    ours, peer = (x.loc[genes].to_numpy()[seen] for x in (found.lengths, theirs["length"]))
    assert seen.sum() > 20 and np.allclose(ours, peer, rtol=1e-6)
    merged_tables_give_the_same(reads, program, theirs, found)


def merged_tables_give_the_same(reads, program, theirs, found):
    """tximport's own tables as nf-core writes them: raw counts with lengths."""
    paths = {}
    for part, name in (("counts", "gene_counts"), ("length", "gene_lengths")):
        table = theirs[part].set_axis(list(SAMPLES), axis=1).rename_axis("gene_id").reset_index()
        table.insert(1, "gene_name", table["gene_id"])
        folder = reads / f"merged_{program}"
        folder.mkdir(exist_ok=True)
        paths[part] = folder / f"salmon.merged.{name}.tsv"
        table.to_csv(paths[part], sep="\t", index=False, float_format="%.15g")
    rows = [fact(s, paths["counts"]) | {"lengths": str(paths["length"])} for s in SAMPLES]
    both = collect(rows)
    pd.testing.assert_frame_equal(both.data, found.data)
    seen = found.data.sum(axis=1) > 0
    pd.testing.assert_frame_equal(both.lengths[seen], found.lengths[seen], rtol=1e-6)
