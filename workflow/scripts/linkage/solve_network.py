"""Finds the smallest signed routes from a receptor to the genes that changed in a contrast.

Inputs
    the differential test of the contrast, the species of its libraries, the team's signed table.
Outputs
    network/<name>/edges.tsv with the frequency of every edge among the optima and in a null, genes.tsv and a picture.
    Without a gene that changed the table has its header only, and the log and the picture say why.
"""

import pandas as pd

from periomics.core.figures import message, save
from periomics.core.logs import start_log
from periomics.core.results import read_result, write_result
from periomics.linkage.routes import (
    EDGE_COLUMNS,
    changed_genes,
    find_routes,
    named_inputs,
    route_figure,
    signalling_table,
)
from periomics.study.settings.linkage import SignallingNetwork


def main(snakemake):
    log = start_log(snakemake)
    name = snakemake.wildcards.network
    settings = SignallingNetwork.of(snakemake.params.settings, f"linkage/networks/{name}")
    tests = read_result(snakemake.input.tests).set_index("test")
    species = tests.at[settings.test, "species"]
    human = signalling_table(snakemake.input.signalling, "human")
    edges = signalling_table(snakemake.input.signalling, species)
    inputs = named_inputs(settings.inputs, human, edges, species)
    genes = changed_genes(read_result(snakemake.input.de), edges, settings.q, settings.genes)
    table, pool, n_edges = find_routes(edges, inputs, genes, settings, snakemake.params.seed, name)
    write_result(table, snakemake.output.edges, EDGE_COLUMNS)
    write_result(
        pd.DataFrame({"symbol": list(genes), "weight": list(genes.values())}),
        snakemake.output.genes,
    )
    text = (
        f"{len(genes)} changed genes, {n_edges} edges after pruning, {len(pool.solutions)} optima"
    )
    log.info(
        "%s, pool complete: %s, solver %s %s",
        text,
        pool.complete,
        pool.solver,
        "; ".join(pool.notes),
    )
    if len(table):
        save(route_figure(table, genes, f"{name}: {text}"), snakemake.output.figure)
    else:
        message(snakemake.output.figure, f"{name}: no route. {text}. {'; '.join(pool.notes)}")


if "snakemake" in globals():
    main(snakemake)
