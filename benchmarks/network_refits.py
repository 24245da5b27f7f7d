"""Seconds that routes of the own table take with their refits: units left out, arms dealt anew, rewired networks, ranks, free receptors.

    python benchmarks/network_refits.py [RELABELLINGS]
    python benchmarks/network_refits.py third TABLE REGULONS

Counts of ten paired isolations whose genes follow a planted route (`route_error.py`); three receptors. 20 refits without one sample
are those of every isolation, each twice. `third` does the same in a table of others, where what is bounded is told. Prints the table of
docs/linkage.md.
"""

import sys
import time
import warnings

import numpy as np

warnings.simplefilter("ignore")

import route_error as planted_routes  # noqa: E402

from periomics.core.seeds import generator  # noqa: E402
from periomics.linkage.inverse import asked  # noqa: E402
from periomics.linkage.ranks import receptor_ranks  # noqa: E402
from periomics.linkage.refits import relabelled, rewired, route_tests  # noqa: E402
from periomics.linkage.routes import MOST_EDGES, optima  # noqa: E402
from periomics.linkage.signed import configured_network  # noqa: E402

REFITS = 20


def timed(name, work):
    """The result of some work, and a row of its seconds."""
    wall, cpu = time.time(), time.process_time()
    found = work()
    print(f"| {name} | {time.process_time() - cpu:.1f} | {time.time() - wall:.1f} |", flush=True)
    return found


def main(relabellings, edges):
    """Time every part of the two jobs of a network."""
    planted_routes.ISOLATIONS = 10
    rng = generator(20261129, "network_refits", "")
    receptor, _, genes = planted_routes.planted(rng)
    inputs = dict.fromkeys([receptor, "EGFR", "MET"], 1)
    counts, units = planted_routes.counts_of(genes, 2.5 * np.log(2), rng)
    planted_routes.EDGES = edges
    settings, large = planted_routes.SETTINGS, len(edges) > MOST_EDGES
    own = planted_routes.changed(counts, units)
    print(f"{len(edges)} edges, {len(own)} genes changed, {len(inputs)} receptors\n")
    print("| what | CPU s | wall s |\n|---|---|---|")
    names = sorted(set(units["animal_id"])) * 2

    def refit(unit):
        kept = units[units["animal_id"] != unit]
        found = planted_routes.changed(counts[list(kept["specimen_id"])], kept)
        return optima(edges, inputs, settings, found, settings.beta, 1 if large else settings.pool)

    timed(f"{REFITS} refits", lambda: [refit(u) for u in names[:REFITS]])
    many, floor = relabelled(units, ["medium", "vehicle"], rng, relabellings)
    said = f"genes of {len(many)} relabellings"
    drawn = timed(said, lambda: [planted_routes.changed(counts, u) for u in many])
    shapes = [] if large else timed("20 rewired", lambda: [rewired(edges, rng) for _ in range(20)])
    table = timed(
        "gains, relabelled and rewired",
        lambda: route_tests(
            edges, inputs, own, settings, permuted=drawn, topologies=shapes, floor=floor
        ),
    )
    known = planted_routes.RECEPTORS
    timed("ranks", lambda: receptor_ranks(edges, inputs, own, settings, known))
    free, start, of = asked(edges, {}, known, settings.but(mode="inverse"))
    timed("any receptor", lambda: optima(free, start, of, own, of.beta, 1))
    print()
    print(table[["receptor", "gain", "p", "p_adj", "topology_share", "reason"]].to_string())


if __name__ == "__main__":
    if sys.argv[1:2] == ["third"]:
        path = str(planted_routes.ROOT / "resources/signalling.tsv")
        found = configured_network(path, "human", table=sys.argv[2], regulons=sys.argv[3])
        main(199, found.edges)
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 400, planted_routes.EDGES)
