"""The network's programme against CORNETO's CARNIVAL (the peers' Python): objective, and CPU of both, on published examples.

CORNETO does not limit steps: both get the same edges, of which each node has an input and a gene within so many steps. Its model is
`CarnivalILP` with nodes penalised, solved by HiGHS too. Run with -s to see the CPU seconds of both.
On the whole table that CARNIVAL's tutorial ships it is stopped after `STOP` seconds.
"""

import json
import os
import subprocess
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from periomics.linkage.network import solve_pool
from periomics.linkage.signed import own_table

STOP = 120
CODE = """
import json, sys, time
import corneto as cn
from corneto.methods.carnival import CarnivalILP
asked = json.load(open(sys.argv[1], encoding="utf-8"))
graph = cn.Graph.from_tuples([tuple(e) for e in asked["edges"]])
out, start = {}, time.process_time()
problem = CarnivalILP(beta_weight=asked["beta"], penalize="nodes").build(
    graph, perturbations=asked["inputs"], transcription_factors=asked["genes"])
problem.solve(solver="HIGHS", verbosity=0, **({"time_limit": asked["stop"]} if asked["stop"] else {}))
out["error"], out["nodes"] = (float(o.value) for o in problem.objectives)
out["cpu"] = time.process_time() - start
print(json.dumps(out))
"""


@pytest.fixture(scope="module")
def corneto(root, tmp_path_factory):
    """Solve in the peers' Python: error of genes, number of nodes, CPU seconds."""
    python = Path(os.environ.get("PERIOMICS_PEERS", root / ".venv-peers/bin/python"))
    here = (
        python.exists()
        and not subprocess.run(
            [python, "-c", "import corneto, highspy"], capture_output=True, check=False
        ).returncode
    )
    if not here:
        pytest.skip("no CORNETO: run `make peers`, or set PERIOMICS_PEERS to a Python that has it")

    def solved(edges, inputs, genes, beta, stop=0):
        path = tmp_path_factory.mktemp("corneto") / "asked.json"
        rows = edges[["source", "sign", "target"]].to_numpy().tolist()
        asked = {"edges": rows, "inputs": inputs, "genes": genes, "beta": beta, "stop": stop}
        path.write_text(json.dumps(asked), encoding="utf-8")
        done = subprocess.run(
            [python, "-c", CODE, path],
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads(done.stdout.splitlines()[-1])

    return solved


def beside(corneto, edges, inputs, genes, beta, stop=0):
    """Our proven objective, after it was found equal to theirs; where theirs was stopped, no
    larger."""
    start = time.process_time()
    best = solve_pool(edges, inputs, genes, beta, limit=1).solutions[0]
    assert best.status == "optimal"
    ours = time.process_time() - start
    theirs = corneto(edges, inputs, genes, beta, stop)
    found = theirs["error"] + beta * theirs["nodes"]
    print(
        f"\n{len(edges)} edges, beta {beta:g}: {best.objective:.3f} in {ours:.2f} s of CPU, "
        f"CORNETO {found:.3f} in {theirs['cpu']:.2f} s"
    )
    assert best.objective <= found + 1e-6 if stop else best.objective == pytest.approx(found)
    return best.objective


def reached(edges, inputs, genes):
    """Genes that an input reaches: theirs counts one that none reaches as wrong, ours leaves it
    out."""
    seen = set(inputs)
    while more := set(edges.loc[edges["source"].isin(seen), "target"]) - seen:
        seen |= more
    return {g: w for g, w in genes.items() if g in seen}


def test_own_network(corneto, root):
    """The team's table: two receptors, 40 of its genes with drawn weights."""
    edges = own_table(str(root / "resources/signalling.tsv"), "human").edges
    edges = edges[edges["source"] != edges["target"]].drop_duplicates(["source", "sign", "target"])
    rng = np.random.default_rng(3)
    known = sorted(set(edges.loc[edges["layer"] == "transcription", "target"]))
    genes = {str(g): float(rng.normal()) for g in rng.choice(known, 40, replace=False)}
    inputs = {"EGFR": 1, "MET": 1}
    assert beside(corneto, edges, inputs, reached(edges, inputs, genes), 0.2) > 0


@pytest.mark.data
def test_whole_table(corneto, data):
    """50 factors of 19,807 edges, without a limit of steps: ours is proven, theirs stopped."""
    edges = pd.read_csv(data / "resources/omnipath_carnival_signed_ppi_human.tsv.gz", sep="\t")
    edges = edges[edges["source"] != edges["target"]].drop_duplicates(["source", "sign", "target"])
    factors = pd.read_csv(data / "resources/dorothea_ABC_human.tsv.gz", sep="\t")["tf"]
    rng = np.random.default_rng(0)
    known = sorted(set(factors) & set(edges["target"]))
    genes = {str(g): float(rng.normal()) for g in rng.choice(known, 50, replace=False)}
    inputs = dict.fromkeys(["EGFR", "MET", "KDR", "TGFBR2", "IL6ST", "NOTCH1"], 1)
    assert beside(corneto, edges, inputs, reached(edges, inputs, genes), 0.2, STOP) > 0


def test_toy_of_carnival(corneto):
    edges = pd.DataFrame(
        {"source": ["I1", "N1", "N1", "I2", "N2", "N2"], "sign": [1, 1, 1, -1, -1, -1]}
        | {"target": ["N1", "M1", "M2", "N2", "M2", "M1"]}
    )
    found = beside(corneto, edges, {"I1": 1, "I2": 1}, {"M1": 1.0, "M2": 1.0}, 0.2)
    assert found == pytest.approx(1.0)


def near_both(edges, inputs, genes, radius):
    """Edges between nodes within so many steps of an input and of a gene, signs apart."""
    forth, back = set(inputs), set(genes)
    for _ in range(radius):
        forth |= set(edges.loc[edges["source"].isin(forth), "target"])
        back |= set(edges.loc[edges["target"].isin(back), "source"])
    both = forth & back
    return edges[edges["source"].isin(both) & edges["target"].isin(both)]


@pytest.mark.data
@pytest.mark.parametrize("radius, beta, objective", [
    (3, 0.2, 2.8), (3, 0.01, 0.14), (4, 0.2, 4.2), (4, 0.01, 0.21),
])  # fmt: skip
def test_example_of_corneto(corneto, data, radius, beta, objective):
    edges = pd.read_csv(data / "resources/corneto_carnival_example_pkn.tsv.gz", sep="\t")
    edges = edges[edges["source"] != edges["target"]].drop_duplicates()
    read = pd.read_csv(data / "resources/corneto_carnival_example_measurements.csv")
    values = {
        kind: dict(zip(rows["vertex"], rows["value"].astype(float), strict=True))
        for kind, rows in read.groupby("type")
    }
    inputs = {v: int(x) for v, x in values["input"].items()}
    near = near_both(edges, inputs, values["output"], radius)
    # Theirs counts a gene that no input reaches as wrong; ours leaves it out.
    genes = {v: x for v, x in values["output"].items() if v in set(near["target"])}
    assert beside(corneto, near, inputs, genes, beta) == pytest.approx(objective)
