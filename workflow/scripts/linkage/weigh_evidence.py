"""Weighs the evidence of every paracrine axis: ligand, receptor, response, outcome, perturbation, and what is missing.

Inputs
    associations.tsv and contrasts.tsv; the team's signatures and responses; where the study has them set_tests.tsv, counts of
    bulk libraries and of cell types, and a table of the secretome.
Outputs
    linkage/evidence.tsv, axes.tsv with a rung and a sentence for each axis and question, timing.tsv, mediation.tsv and a picture.
"""

import pandas as pd

from periomics.core.figures import save
from periomics.core.logs import start_log
from periomics.core.results import read_result, write_result
from periomics.genes.axes import SetTables
from periomics.linkage.axis_figure import axis_figure
from periomics.linkage.evidence import Known, evidence
from periomics.linkage.expression import measured_expression, secretome_of
from periomics.linkage.mediation import mediation, timing
from periomics.linkage.rungs import rungs
from periomics.study.interface.genes import SET_TEST_COLUMNS
from periomics.study.interface.linkage import (
    AXIS_COLUMNS,
    EVIDENCE_COLUMNS,
    MEDIATION_COLUMNS,
    TIMING_COLUMNS,
)
from periomics.study.settings.linkage import Linkage


def main(snakemake):
    log, files = start_log(snakemake), snakemake.input
    settings = Linkage.of(snakemake.params.settings, "linkage")
    tables = SetTables.read(files.signatures, files.responses)
    wanted, facts = tables.paracrine_genes(), snakemake.params.facts
    none = pd.DataFrame(columns=list(SET_TEST_COLUMNS))
    sets = read_result(files.set_tests) if files.get("set_tests") else none
    contrasts, associations = read_result(files.contrasts), read_result(files.associations)
    known = Known(
        axes=tables.axes(),
        expression=measured_expression(files, facts, wanted),
        secretome=secretome_of(files.get("secretome"), tables),
        set_tests=sets,
        associations=associations,
        contrasts=contrasts,
    )
    found = evidence(known, settings)
    write_result(found, snakemake.output.evidence, EVIDENCE_COLUMNS)
    write_result(table := rungs(found), snakemake.output.axes, AXIS_COLUMNS)
    times = timing(sets, settings.timing, settings.alpha)
    write_result(times, snakemake.output.timing, TIMING_COLUMNS)
    joint = mediation(associations, contrasts, settings.mediation)
    write_result(joint, snakemake.output.mediation, MEDIATION_COLUMNS)
    save(axis_figure(found, table), snakemake.output.figure)
    for row in table[table["held"] != ""].head(10).itertuples():
        log.info("%s", row.sentence)


if "snakemake" in globals():
    main(snakemake)
