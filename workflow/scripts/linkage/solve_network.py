"""Finds the smallest signed routes from a receptor to the genes that changed in a contrast.

Inputs
    the differential test of the contrast, the species of its libraries, the team's signed table; optionally a table and regulons in
    its place, with orthologs.
Outputs
    network/<name>/edges.tsv with the frequency of every edge among the optima and in a null, genes.tsv,
    solver.tsv (what was solved and how far it is proven), the routes as GraphML and a picture.
    Without a gene that changed the table has its header only, and the log and the picture say why.
"""

import pandas as pd

from periomics.core.figures import message, save
from periomics.core.logs import start_log
from periomics.core.results import read_result, write_result
from periomics.linkage.graphs import write_graphml
from periomics.linkage.routes import (
    SOLVER_COLUMNS,
    changed_genes,
    find_routes,
    route_figure,
    solver_table,
)
from periomics.linkage.signed import named_inputs, network_of
from periomics.study.interface.linkage import EDGE_COLUMNS
from periomics.study.settings.linkage import SignallingNetwork


def main(snakemake):
    log = start_log(snakemake)
    name = snakemake.wildcards.network
    settings = SignallingNetwork.of(snakemake.params.settings, f"linkage/networks/{name}")
    tests = read_result(snakemake.input.tests).set_index("test")
    species = tests.at[settings.test, "species"]
    network, _ = network_of(snakemake.input, settings, species)
    edges, (inputs, lost) = network.edges, named_inputs(settings.inputs, network)
    for note in (*network.notes, *lost):
        log.warning("%s", note)
    genes = changed_genes(read_result(snakemake.input.de), edges, settings.q, settings.genes)
    table, pool = find_routes(edges, inputs, genes, settings, snakemake.params.seed, name)
    write_result(table, snakemake.output.edges, EDGE_COLUMNS)
    explained = pd.DataFrame({"symbol": list(genes), "weight": list(genes.values())})
    write_result(explained, snakemake.output.genes)
    write_graphml(table, genes, snakemake.output.graph)
    report = solver_table(pool, edges, inputs, genes, settings)
    write_result(report, snakemake.output.solver, SOLVER_COLUMNS)
    text = f"{len(genes)} changed genes, {pool.edges} edges in reach, {len(pool.solutions)} optima"
    log.info("%s; %s", text, report.query("declared == 'yes'").iloc[0].to_dict())
    if len(table):
        save(route_figure(table, genes, f"{name}: {text}"), snakemake.output.figure)
    else:
        message(
            snakemake.output.figure, f"{name}: no route. {text}. {'; '.join([*lost, *pool.notes])}"
        )


if "snakemake" in globals():
    main(snakemake)
