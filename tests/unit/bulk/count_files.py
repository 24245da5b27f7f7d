"""Files of counts as counters write them, put together by hand: plain text, no writer of the library."""

import gzip
from pathlib import Path

LIBRARIES = ("A1", "A2", "B1")
GENES = [f"ENSRNOG{1000 + 7 * i:011d}" for i in range(30)]
# Counts of every gene in every library.
TRUTH = {
    s: {g: (7 * i * (j + 2) + 3 * j) % 97 for i, g in enumerate(GENES)}
    for j, s in enumerate(LIBRARIES)
}


def put(path: Path, lines: list[list[object]], sep: str = "\t") -> str:
    text = "".join(sep.join(map(str, row)) + "\n" for row in lines)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return str(path)


def fact(library: str, path: str, **more: object) -> dict[str, object]:
    given = {"specimen_id": library, "animal_id": f"a-{library}", "path": path, "species": "rat"}
    return given | more


def rename(names: dict[str, str], gene: str) -> str:
    return names.get(gene, gene)


def matrix(folder, names, gz=""):
    """One table for all libraries; `names` (library → gene → id) may differ, as outer joins make it."""
    rows = [["gene_id", *LIBRARIES]]
    ids = {rename(names[s], g): g for s in LIBRARIES for g in GENES}
    for shown, g in ids.items():
        cells = [TRUTH[s][g] if rename(names[s], g) == shown else 0 for s in LIBRARIES]
        rows.append([shown, *cells])
    path = put(folder / f"counts.tsv{gz}", rows)
    return [fact(s, path) for s in LIBRARIES]


def featurecounts(folder, names, gz=""):
    bams = [f"out/{s}/Aligned.sortedByCoord.out.bam" for s in LIBRARIES]
    rows = [["# Program:featureCounts v2.0.3; Command:x"]]
    rows.append(["Geneid", "Chr", "Start", "End", "Strand", "Length", *bams])
    ids = {rename(names[s], g): g for s in LIBRARIES for g in GENES}
    for shown, g in ids.items():
        cells = [TRUTH[s][g] if rename(names[s], g) == shown else 0 for s in LIBRARIES]
        rows.append([shown, "1;1", "5;50", "9;90", "+;+", 46, *cells])
    path = put(folder / f"featurecounts.txt{gz}", rows)
    return [fact(s, path) for s in LIBRARIES]


def htseq(folder, names, gz=""):
    counters = ("__no_feature", "__ambiguous", "__too_low_aQual", "__not_aligned")
    out = []
    for s in LIBRARIES:
        rows = [[rename(names[s], g), TRUTH[s][g]] for g in GENES] + [[c, 999] for c in counters]
        out.append(fact(s, put(folder / f"{s}.counts.txt{gz}", rows)))
    return out


def star(folder, names, gz="", forward=0.02):
    out = []
    for s in LIBRARIES:
        rows = [
            [n, 50, 60, 70] for n in ("N_unmapped", "N_multimapping", "N_noFeature", "N_ambiguous")
        ]
        for g in GENES:
            n = TRUTH[s][g]
            fewer = round(n * forward / (1 - forward))
            rows.append([rename(names[s], g), n + fewer, fewer, n])
        out.append(fact(s, put(folder / f"{s}.ReadsPerGene.out.tab{gz}", rows)))
    return out


def rsem(folder, names, gz=""):
    head = "gene_id transcript_id(s) length effective_length expected_count TPM FPKM".split()
    out = []
    for s in LIBRARIES:
        rows = [head]
        for i, g in enumerate(GENES):
            rows.append(
                [rename(names[s], g), f"T{i}", 900, 750.5, f"{TRUTH[s][g] + 0.25:.2f}", 1.1, 2]
            )
        out.append(fact(s, put(folder / f"{s}.genes.results{gz}", rows)))
    return out


def transcripts(names, s):
    """Two transcripts a gene with a third and two thirds of its reads."""
    for i, g in enumerate(GENES):
        n = TRUTH[s][g]
        base = rename(names[s], g).replace("ENSRNOG", "ENSRNOT")
        bare, _, version = base.partition(".")
        for k, reads in ((1, n / 3), (2, 2 * n / 3)):
            yield i, f"{bare}{k}" + (f".{version}" if version else ""), reads


def tx2gene(folder, gz=""):
    plain = {s: {} for s in LIBRARIES}
    rows = [["transcript_id", "gene_id", "gene_name"]]
    rows += [[t, GENES[i], f"Gene{i}"] for i, t, _ in transcripts(plain, LIBRARIES[0])]
    return put(folder / f"tx2gene.tsv{gz}", rows)


def salmon(folder, names, gz=""):
    out = []
    for s in LIBRARIES:
        rows = [["Name", "Length", "EffectiveLength", "TPM", "NumReads"]]
        rows += [[t, 900, 750.5, 1.5, f"{n:.3f}"] for _, t, n in transcripts(names, s)]
        out.append(fact(s, put(folder / s / f"quant.sf{gz}", rows)))
    return out


def kallisto(folder, names, gz=""):
    out = []
    for s in LIBRARIES:
        rows = [["target_id", "length", "eff_length", "est_counts", "tpm"]]
        rows += [[t, 900, 750.5, f"{n:.3f}", 1.5] for _, t, n in transcripts(names, s)]
        out.append(fact(s, put(folder / s / f"abundance.tsv{gz}", rows)))
    return out


def nfcore(folder, names, gz=""):
    rows = [["gene_id", "gene_name", *LIBRARIES]]
    ids = {rename(names[s], g): g for s in LIBRARIES for g in GENES}
    for i, (shown, g) in enumerate(ids.items()):
        cells = [TRUTH[s][g] + 0.25 if rename(names[s], g) == shown else 0 for s in LIBRARIES]
        rows.append([shown, f"Gene{i}", *cells])
    path = put(folder / f"salmon.merged.gene_counts.tsv{gz}", rows)
    return [fact(s, path) for s in LIBRARIES]


FORMATS = {
    f.__name__: f for f in (matrix, featurecounts, htseq, star, rsem, salmon, kallisto, nfcore)
}
SHARED = ("matrix", "featurecounts", "nfcore")  # one file for all libraries
