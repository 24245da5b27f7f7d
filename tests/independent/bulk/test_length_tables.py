"""nf-core's merged counts with their table of lengths: the numbers of the single files, and wrong pairs refused.

Merged tables are made here from transcripts by tximport's definition: counts summed, lengths weighted by abundance; a gene
without abundance in a library has the geometric mean of its other libraries, and without any the mean of its transcripts.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from independent.bulk.files_as_written import (
    GENE_OF,
    GENES,
    NAMES,
    SYMBOLS,
    TRANSCRIPTS,
    drawn,
    fact,
    lines,
    matrix,
    refused,
    transcript_counts,
    write,
)

from periomics.bulk.collecting import How, collect
from periomics.bulk.opening import look_at_lengths
from periomics.study.check.opened import Named
from periomics.study.settings.bulk import BulkCounts

READS = [transcript_counts(drawn()[:, j], seed=j) for j in range(3)]
RNG = np.random.default_rng(8)
LONG = dict(zip(TRANSCRIPTS, RNG.uniform(300, 6000, len(TRANSCRIPTS)), strict=True))
# Effective lengths differ a little between libraries, as fragments do.
EFFECTIVE = [{t: max(20.0, v - shift) for t, v in LONG.items()} for shift in (150, 180, 240)]


def abundance(j):
    rate = {t: READS[j][t] / EFFECTIVE[j][t] for t in TRANSCRIPTS}
    return {t: 1e6 * r / sum(rate.values()) for t, r in rate.items()}


def lengths_by_hand():
    out = np.full((len(GENES), 3), np.nan)
    for j in range(3):
        tpm = abundance(j)
        for i, g in enumerate(GENES):
            own = [t for t in TRANSCRIPTS if GENE_OF[t] == g]
            if total := sum(tpm[t] for t in own):
                out[i, j] = sum(tpm[t] * EFFECTIVE[j][t] for t in own) / total
    for i, g in enumerate(GENES):
        seen = out[i][~np.isnan(out[i])]
        own = [e[t] for e in EFFECTIVE for t in TRANSCRIPTS if GENE_OF[t] == g]
        out[i][np.isnan(out[i])] = np.exp(np.log(seen).mean()) if len(seen) else np.mean(own)
    return out


TRUTH = lengths_by_hand()
COUNTS = np.array(
    [[sum(r[t] for t in TRANSCRIPTS if GENE_OF[t] == g) for r in READS] for g in GENES]
)


def merged(folder, name, values, names=NAMES, genes=GENES):
    rows = [[g, s, *map(float, row)] for g, s, row in zip(genes, SYMBOLS, values, strict=True)]
    text = lines([["gene_id", "gene_name", *names], *rows])
    return write(folder / f"salmon.merged.{name}.tsv", text)


def libraries(counts, lengths, form=""):
    return [fact(n, counts, form) | {"lengths": str(lengths)} for n in NAMES]


def pair(folder, counts="gene_counts", values=COUNTS, **other):
    one = merged(folder, counts, values.tolist())
    return libraries(one, merged(folder, "gene_lengths", TRUTH.tolist(), **other))


def test_lengths_are_those_of_the_table(tmp_path):
    found = collect(pair(tmp_path))
    assert list(found.lengths.columns) == NAMES
    assert np.allclose(found.lengths.loc[GENES].to_numpy(), TRUTH, rtol=1e-12)
    assert (found.data.loc[GENES].to_numpy() == np.rint(COUNTS)).all()
    assert any("offsets" in note for note in found.notes)


def test_both_roads_give_the_same(tmp_path):
    """quant.sf of every library with a table of transcripts and genes, and the merged tables."""
    single = []
    for j, name in enumerate(NAMES):
        tpm = abundance(j)
        rows = [
            [t, LONG[t], EFFECTIVE[j][t], float(tpm[t]), float(READS[j][t])] for t in TRANSCRIPTS
        ]
        head = "Name Length EffectiveLength TPM NumReads".split()
        single.append(fact(name, write(tmp_path / name / "quant.sf", lines([head, *rows]))))
    table = write(tmp_path / "tx2gene.tsv", lines(GENE_OF.items()))
    one, two = collect(single, How(tx2gene=str(table))), collect(pair(tmp_path / "merged"))
    pd.testing.assert_frame_equal(one.data.sort_index(), two.data.sort_index())
    seen = [g for g, row in zip(GENES, COUNTS, strict=True) if row.any()]
    pd.testing.assert_frame_equal(one.lengths.loc[seen], two.lengths.loc[seen], rtol=1e-9)


def test_columns_and_rows_in_another_order(tmp_path):
    order, turn = RNG.permutation(len(GENES)), [2, 0, 1]
    path = merged(
        tmp_path,
        "gene_lengths",
        TRUTH[order][:, turn].tolist(),
        [NAMES[i] for i in turn],
        [GENES[i] for i in order],
    )
    found = collect(libraries(merged(tmp_path, "gene_counts", COUNTS.tolist()), path))
    assert np.allclose(found.lengths.loc[GENES, NAMES].to_numpy(), TRUTH)


def test_settings_leave_lengths_out(tmp_path):
    assert collect(pair(tmp_path), How(BulkCounts(lengths="ignored"))).lengths is None


def test_a_library_without_lengths_leaves_them_out_for_all(tmp_path):
    rows = pair(tmp_path)
    rows[1].pop("lengths")
    found = collect(rows)
    assert found.lengths is None and any("S10" in n and "not used" in n for n in found.notes)


def checked(rows):
    rows = dict(enumerate(rows, 2))
    path = Path(str(rows[2]["lengths"]))
    return look_at_lengths(Named(path, path.name, "libraries", "lengths", rows, {})).problems


def both(rows, *parts):
    """The job and the check refuse it, in the same words."""
    message, told = refused(rows), checked(rows)
    assert told, message
    shown = f"{told[0].message} {told[0].value} {told[0].allowed}"
    for part in parts:
        assert part in message and part in shown, (part, message, shown)


@pytest.mark.parametrize("name", ["gene_counts_scaled", "gene_counts_length_scaled"])
def test_scaled_counts_take_no_lengths(tmp_path, name):
    both(pair(tmp_path, name), "scaled", "twice", "gene_counts.tsv")
    alone = [{k: v for k, v in r.items() if k != "lengths"} for r in pair(tmp_path, name)]
    assert collect(alone).lengths is None


@pytest.mark.parametrize("values", [COUNTS, np.where(COUNTS > 20, COUNTS, 0)], ids=["one", "more"])
def test_counts_are_no_lengths(tmp_path, values):
    rows = pair(tmp_path)
    values = values.copy()
    values[3, 1] = 0
    write(Path(str(rows[0]["lengths"])), Path(str(rows[0]["path"])).read_text(encoding="utf-8"))
    merged(tmp_path, "gene_lengths", values.tolist())
    both(rows, "no length")


def test_lengths_of_other_genes(tmp_path):
    rows = pair(tmp_path)
    merged(
        tmp_path,
        "gene_lengths",
        TRUTH.tolist(),
        genes=[*GENES[:-7], *(f"{g}9" for g in GENES[-7:])],
    )
    both(rows, "7 of 400 genes", "one run", GENES[-7])


def test_lengths_of_other_libraries(tmp_path):
    rows = pair(tmp_path)
    merged(tmp_path, "gene_lengths", TRUTH.tolist(), names=["S1", "S10", "S3"])
    both(rows, "no column for library S2", "S3")


def test_lengths_beside_other_formats(tmp_path):
    one = write(tmp_path / "m.tsv", matrix(NAMES, drawn()))
    rows = libraries(one, merged(tmp_path, "gene_lengths", TRUTH.tolist()))
    both(rows, "read as matrix")


def test_renamed_counts_with_the_format_stated(tmp_path):
    one = merged(tmp_path, "gene_counts", COUNTS.tolist()).rename(tmp_path / "counts.tsv")
    rows = libraries(one, merged(tmp_path, "gene_lengths", TRUTH.tolist()), "nfcore")
    assert np.allclose(collect(rows).lengths.loc[GENES].to_numpy(), TRUTH)
    assert checked(rows) == []


def test_a_row_cut_off(tmp_path):
    rows = pair(tmp_path)
    path = Path(str(rows[0]["lengths"]))
    path.write_text(path.read_text(encoding="utf-8")[:-40], encoding="utf-8")
    both(rows, "fewer cells")
