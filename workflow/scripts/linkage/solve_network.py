"""Finds the smallest signed routes from a receptor to the genes that changed in a contrast, and on to barrier and vessels.

Inputs
    the differential test of the contrast, the species of its libraries, the team's signed table, signatures and responses; optionally a
    table and regulons in its place, with orthologs; associations of the study's scores, and its axes.
Outputs
    network/<name>/edges.tsv with the frequency of every edge among the optima and in a null, nodes.tsv with kinds, programmes and
    outcomes, genes.tsv, solver.tsv (what was solved and how far it is proven), the routes as GraphML.
    Without a gene that changed the table of edges has its header only, and the log and solver.tsv say why.
"""

import pandas as pd

from periomics.core.logs import start_log
from periomics.core.results import read_result, write_result
from periomics.genes.axes import SetTables
from periomics.linkage import programmes
from periomics.linkage.asked import asked_of
from periomics.linkage.graphs import write_graphml
from periomics.linkage.nodes import carried_on, node_table
from periomics.linkage.routes import SOLVER_COLUMNS, changed_genes, find_routes, solver_table
from periomics.study.interface.linkage import ASSOCIATION_COLUMNS, EDGE_COLUMNS, NODE_COLUMNS
from periomics.study.settings.linkage import SignallingNetwork


def main(snakemake):
    log, files, given = start_log(snakemake), snakemake.input, snakemake.params
    name, out = snakemake.wildcards.network, snakemake.output
    settings = SignallingNetwork.of(given.settings, f"linkage/networks/{name}")
    species = read_result(files.tests).set_index("test").at[settings.test, "species"]
    asked = asked_of(files, settings, species)
    for note in asked.notes:
        log.warning("%s", note)
    de = read_result(files.de)
    genes = changed_genes(de, asked.edges, settings.q, settings.genes)
    sets = SetTables.read(files.signatures, files.responses).signatures
    made_of = programmes.effectors(sets, species)
    none = pd.DataFrame(columns=list(ASSOCIATION_COLUMNS))
    known = read_result(files.associations) if files.get("associations") else none
    questions = {q["name"]: q["outcomes"] for q in given.questions or ()}
    outcomes = programmes.tracked(known, questions, given.alpha)
    wanted = programmes.goals(made_of, de, outcomes)
    edges = programmes.with_programmes(asked.edges, made_of, genes) if wanted else asked.edges
    question = (edges, asked.inputs, genes, asked.settings)
    routes, pool = find_routes(*question, snakemake.params.seed, name, programmes=wanted)
    table = carried_on(routes, pool, genes, made_of, outcomes)
    write_result(table, out.edges, EDGE_COLUMNS)
    nodes = node_table(table, genes, outcomes, wanted)
    write_result(nodes, out.nodes, NODE_COLUMNS)
    explained = pd.DataFrame({"symbol": list(genes), "weight": list(genes.values())})
    write_result(explained, out.genes)
    write_graphml(table, nodes, out.graph)
    report = solver_table(pool, *question, programmes=wanted, said=asked.notes)
    write_result(report, out.solver, SOLVER_COLUMNS)
    log.info("%s", report.query("declared == 'yes'").iloc[0].to_dict())


if "snakemake" in globals():
    main(snakemake)
