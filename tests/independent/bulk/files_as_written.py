"""Files of counts as programs write them, and what they hold by a parse of their own (module csv only).

Written from docs/omics.md, config/README.md and the programs' own formats.
"""

import csv
import gzip
from pathlib import Path

import numpy as np

from periomics.bulk.collecting import collect
from periomics.core.errors import InputError

GENES = [f"ENSG{i:011d}" for i in range(100_001, 100_401)]
SYMBOLS = [f"GN{i}" if i % 5 else f"LINC0{i}" for i in range(len(GENES))]
NAMES = ["S1", "S10", "S2"]
TRANSCRIPTS = [f"ENST{5 * i + j:011d}" for i in range(len(GENES)) for j in range(1 + i % 5)]
GENE_OF = {t: GENES[int(t[4:]) // 5] for t in TRANSCRIPTS}
COLUMNS = ("unstranded", "forward", "reverse")  # of STAR's tables
TAIL = {
    "__no_feature": 12_345,
    "__ambiguous": 234,
    "__too_low_aQual": 0,
    "__not_aligned": 77,
    "__alignment_not_unique": 4_567,
}


def drawn(libraries=3, seed=1):
    """Counts that vary as animals do: gamma-Poisson around log-normal means."""
    rng = np.random.default_rng(seed)
    mean = rng.lognormal(np.log(80), 2, (len(GENES), 1)) * rng.uniform(0.6, 1.6, libraries)
    return rng.poisson(mean * rng.gamma(7, 1 / 7, mean.shape))


def transcript_counts(counts, seed=0):
    """Estimated counts of transcripts: each gene's reads are shared out, none is whole."""
    rng = np.random.default_rng(seed)
    found = {}
    for i in range(len(GENES)):
        own = TRANSCRIPTS[_first(i) : _first(i + 1)]
        for t, share in zip(own, rng.dirichlet(np.ones(len(own))), strict=True):
            found[t] = share * float(counts[i]) + (0.2 if len(own) == 5 else 0.0)
    return found


def _first(gene):
    return sum(1 + i % 5 for i in range(gene))


def write(path, text, *, bom=False, crlf=False, zipped=False):
    """A file with these line ends, mark and compression; its folder is made."""
    raw = text.encode() if isinstance(text, str) else text
    raw = raw.replace(b"\n", b"\r\n") if crlf else raw
    raw = b"\xef\xbb\xbf" + raw if bom else raw
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(raw) if zipped else raw)
    return path


def lines(rows, sep="\t", quote=""):
    return "".join(sep.join(f"{quote}{cell}{quote}" for cell in row) + "\n" for row in rows)


def matrix(names, counts, genes=GENES, corner="gene_id", sep="\t", quote=""):
    """Genes × libraries; without a name above the genes where corner is None, as R's write.table."""
    head = [*([] if corner is None else [corner]), *names]
    rows = [[g, *row] for g, row in zip(genes, counts, strict=True)]
    return lines([head, *rows], sep, quote)


def feature_counts(bams, counts, extra=(), comment=True):
    """featureCounts 2: a comment with the call, exons joined by semicolons, one column a BAM."""
    call = " ".join(f'"{b}"' for b in bams)
    top = f'# Program:featureCounts v2.0.3; Command:"featureCounts" "-a" "g.gtf" {call} \n'
    head = ["Geneid", "Chr", "Start", "End", "Strand", "Length", *(n for n, _ in extra), *bams]
    rows = [head]
    for i, (gene, row) in enumerate(zip(GENES, counts, strict=True)):
        k = 1 + i % 3
        starts = [1000 * i + 100 * j for j in range(k)]
        place = [["chr1"] * k, starts, [s + 50 for s in starts], ["+-"[i % 2]] * k]
        joined = [";".join(map(str, part)) for part in place]
        rows.append([gene, *joined, 51 * k, *(make(i) for _, make in extra), *row])
    return (top if comment else "") + lines(rows)


def htseq(values, genes=GENES, names=None, tail=True):
    """htseq-count: no header; with --additional-attr a column of names; special counters last."""
    rows = [[g, *([] if names is None else [names[i]]), values[i]] for i, g in enumerate(genes)]
    pad = [] if names is None else [""]
    return lines(rows + ([[k, *pad, v] for k, v in TAIL.items()] if tail else []))


def star(columns, genes=GENES):
    """ReadsPerGene.out.tab: four rows that are no genes, then unstranded, forward and reverse."""
    top = [
        ["N_unmapped", 900, 900, 900],
        ["N_multimapping", 5000, 5000, 5000],
        ["N_noFeature", 3000, 800, 700],
        ["N_ambiguous", 400, 90, 91],
    ]
    return lines(top + [[g, *row] for g, row in zip(genes, columns, strict=True)])


def rsem_genes(values):
    head = "gene_id transcript_id(s) length effective_length expected_count TPM FPKM".split()
    own = {g: [] for g in GENES}
    for t in TRANSCRIPTS:
        own[GENE_OF[t]].append(t)
    rows = []
    for g in GENES:
        count = f"{sum(values[t] for t in own[g]):.2f}"
        rows.append([g, ",".join(own[g]), "1500.00", "1350.50", count, "12.30", "8.10"])
    return lines([head, *rows])


def rsem_isoforms(values):
    head = "transcript_id gene_id length effective_length expected_count TPM FPKM IsoPct".split()
    own = [
        [t, GENE_OF[t], 1500, "1350.50", f"{values[t]:.2f}", "12.30", "8.10", "33.00"]
        for t in TRANSCRIPTS
    ]
    return lines([head, *own])


def salmon(values, name=str):
    head = "Name Length EffectiveLength TPM NumReads".split()
    own = [[name(t), 1657, "1410.123", "0.021453", f"{v:.3f}"] for t, v in values.items()]
    return lines([head, *own])


def kallisto(values, name=str):
    """abundance.tsv: six digits, so that large numbers are in scientific notation."""
    head = "target_id length eff_length est_counts tpm".split()
    own = [[name(t), 1657, "1457.35", f"{v:.6g}", f"{v / 7e3:.6g}"] for t, v in values.items()]
    return lines([head, *own])


def nf_core(names, values, symbols=SYMBOLS):
    """salmon.merged.gene_counts.tsv as R writes it: fifteen digits, 1e+05 for a hundred thousand."""
    rows = [["gene_id", "gene_name", *names]]
    for gene, symbol, row in zip(GENES, symbols, values, strict=True):
        rows.append([gene, symbol, *(_as_r(v) for v in row)])
    return lines(rows)


def _as_r(value):
    plain, short = f"{value:.15g}", f"{value:.0e}"
    return short if float(short) == value and len(short) < len(plain) else plain


def fact(specimen, path, form="", sample="", species="human"):
    """A row of the libraries sheet."""
    return {
        "specimen_id": specimen,
        "path": str(path),
        "format": form,
        "species": species,
        "sample": sample,
    }


def held(path, gene, value, sep="\t", skip=0, header=True):
    """Sums of a column by gene, by csv; `gene` and `value` are names or numbers of columns."""
    raw = Path(path).read_bytes()
    raw = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    text = raw.decode("utf-8-sig").replace("\r\n", "\n").split("\n")[skip:]
    rows = [row for row in csv.reader(text, delimiter=sep) if row]
    top = rows.pop(0) if header else []
    if header and len(rows[0]) == len(top) + 1:
        top = ["", *top]
    at = [top.index(k) if isinstance(k, str) else k for k in (gene, value)]
    sums = {}
    for row in rows:
        if not row[at[0]].startswith(("__", "N_")):
            sums[row[at[0]]] = sums.get(row[at[0]], 0.0) + float(row[at[1]])
    return {k: round(v) for k, v in sums.items()}


def same(facts, truth, how=None):
    """Every library holds the genes and numbers of `truth`, as integers, in the sheet's order."""
    found = collect(facts, how).data
    assert list(found.columns) == list(truth)
    assert all(np.issubdtype(kind, np.integer) for kind in found.dtypes)
    assert found.index.is_unique
    for name, own in truth.items():
        assert dict(zip(found.index, found[name].tolist(), strict=True)) == own, name


def refused(facts, how=None):
    """The message of an InputError; anything else, numbers too, fails."""
    try:
        found = collect(facts, how)
    except InputError as error:
        return str(error)
    raise AssertionError(f"was read:\n{found.data.head()}")


def never_wrong(facts, truth, how=None):
    """The numbers of `truth`, or an InputError: whether it was read."""
    try:
        collect(facts, how)
    except InputError as error:
        assert str(error)
        return False
    same(facts, truth, how)
    return True
