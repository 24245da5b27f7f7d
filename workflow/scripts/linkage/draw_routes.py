"""Draws the signed routes of a network from ligand to outcome.

Inputs
    edges.tsv, nodes.tsv and solver.tsv of the network; refits.tsv, whose shares are the widths of lines; the team's signatures, which
    name the axis and the ligands of each receptor.
Outputs
    network/<name>/routes.svg; without a route it says why there is none.
"""

from periomics.core.figures import message, save
from periomics.core.logs import start_log
from periomics.core.results import read_result
from periomics.genes.axes import SetTables
from periomics.linkage.nodes import RECEPTOR
from periomics.linkage.route_figure import axes_behind, route_figure
from periomics.study.settings.linkage import SignallingNetwork


def main(snakemake):
    log, files = start_log(snakemake), snakemake.input
    name = snakemake.wildcards.network
    settings = SignallingNetwork.of(snakemake.params.settings, f"linkage/networks/{name}")
    edges, nodes, refits = (read_result(files[n]) for n in ("edges", "nodes", "refits"))
    solver = read_result(files.solver).query("declared == 'yes'").iloc[0]
    if edges.empty:
        message(snakemake.output.figure, f"{name}: no route. {solver['note']}")
        return
    receptors = nodes.loc[nodes["kind"] == RECEPTOR, "node"]
    axes, ligands = axes_behind(receptors, SetTables.read(files.signatures, files.responses))
    said = f"{solver['genes_right']} of {solver['genes']} changed genes explained"
    title = f"{name}: {settings.test}, {said}; axes {', '.join(axes) or 'none named'}"
    figure = route_figure(edges, nodes, refits, title, ligands)
    save(figure, snakemake.output.figure)
    log.info("%d edges, %d nodes", len(edges), len(nodes))


if "snakemake" in globals():
    main(snakemake)
