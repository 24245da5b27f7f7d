"""Brings the counts of all bulk libraries into one table and looks at their quality.

Inputs
    the files of the libraries sheet in any format of periomics.bulk.readers, and a table of transcripts and genes if configured.
Outputs
    counts.tsv (gene_id × specimen_id), lengths.tsv (mean transcript lengths likewise; no column where files tell none), genes.tsv
    (gene_id, symbol), qc.tsv, planes.tsv and distances.tsv (how libraries stand to each other), and a picture without arms.
"""

from periomics.bulk.collecting import collect
from periomics.bulk.likeness import sex_warnings
from periomics.bulk.planes import planes
from periomics.bulk.qc import COLUMNS, qc_figure, qc_table, refuse_duplicates
from periomics.bulk.readers import How
from periomics.core.figures import save
from periomics.core.logs import start_log
from periomics.core.results import write_result
from periomics.genes.symbols import symbol_table
from periomics.study.interface.genes import DISTANCE_COLUMNS, PLANE_COLUMNS
from periomics.study.settings.bulk import BulkCounts, BulkQuality


def main(snakemake):
    log = start_log(snakemake)
    facts = sorted(snakemake.params.facts, key=lambda f: str(f["specimen_id"]))
    settings = BulkQuality.of(snakemake.params.settings, "bulk/quality")
    reading = BulkCounts.of(snakemake.params.get("reading"), "bulk/counts")
    counts = collect(facts, How(reading, str(snakemake.input.get("tx2gene") or "")))
    for note in counts.notes:
        log.info("%s", note)
    species = sorted({str(f["species"]) for f in facts})
    tables = [t for s in ("mouse", "rat") if (t := snakemake.input.get(f"orthologs_{s}"))]
    genes = symbol_table(list(counts.data.index), counts.symbols, tables, species)
    if (genes["symbol"] == "").any():
        log.warning("%d of %d genes have no symbol", (genes["symbol"] == "").sum(), len(genes))
    animals, named = snakemake.params.get("animals", ()), genes.set_index("gene_id")["symbol"]
    warnings = sex_warnings(counts.data, named, facts, animals, least=settings.sex_cpm)
    said = [(s, t) for d in (counts.remarks, warnings) for s, t in d.items()]
    notes = {s: "; ".join(t for n, t in said if n == s) for s, _ in said}
    least = (settings.min_reads, settings.min_detected)
    table = qc_table(counts.data, facts, *least, notes, counts.assigned)
    refuse_duplicates(table, settings.duplicates)
    for library, warning in warnings.items():
        log.warning("library %s: %s", library, warning)
    for row in table[table["qc"] == "fail"].itertuples():
        log.warning("library %s: %s", row.specimen_id, row.qc_reason)
    write_result(counts.data.reset_index(), snakemake.output.counts)
    lengths = counts.data.iloc[:, :0] if counts.lengths is None else counts.lengths
    write_result(lengths.reset_index(), snakemake.output.lengths)
    write_result(genes, snakemake.output.genes)
    write_result(table, snakemake.output.qc, COLUMNS)
    plane, far = planes(counts.data, table, facts)
    write_result(plane, snakemake.output.planes, PLANE_COLUMNS)
    write_result(far, snakemake.output.distances, DISTANCE_COLUMNS)
    save(qc_figure(counts.data, table, facts), snakemake.output.figure)
    log.info("%d genes in %d libraries, %d failed", *counts.data.shape, sum(table["qc"] == "fail"))


if "snakemake" in globals():
    main(snakemake)
