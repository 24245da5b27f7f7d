"""The integer programme: published optimum, planted routes, both solvers, degenerate cases, and the team's own table."""

import importlib.util
import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pulp
import pytest

from periomics.core.errors import InputError
from periomics.linkage.network import edge_frequencies, prune, shuffled, solve_pool
from periomics.linkage.routes import (
    changed_genes,
    find_routes,
    named_inputs,
    route_figure,
    signalling_table,
)
from periomics.study.settings.linkage import SignallingNetwork

SOLVERS = [s for s in ("HiGHS", "PULP_CBC_CMD") if s in pulp.listSolvers(onlyAvailable=True)]


class Names(dict):
    """Named values as Snakemake gives them."""

    __getattr__ = dict.__getitem__


def table(*edges):
    return pd.DataFrame(
        [
            (m[1], 1 if m[2] == ">" else -1, m[3])
            for m in (re.match(r"(\w+)([>|])(\w+)", e) for e in edges)
        ],
        columns=["source", "sign", "target"],
    )


@pytest.mark.parametrize("solver", SOLVERS)
def test_planted_route_with_an_inhibition_is_found(solver):
    edges = table("R>A", "A|B", "B>G1", "A>G2", "R>X", "X>G3", "Z>G1")
    pool = solve_pool(edges, {"R": 1}, {"G1": -1.0, "G2": 1.0, "G3": -1.0}, 0.2, solver_name=solver)
    assert pool.complete and len(pool.solutions) == 1
    best = pool.solutions[0]
    assert best.states == {"R": 1, "A": 1, "B": -1, "G1": -1, "G2": 1}
    # G3 would be up along X: it stays silent and costs its weight; five nodes cost 0.2 each.
    assert best.objective == pytest.approx(1.0 + 5 * 0.2)


@pytest.mark.parametrize("solver", SOLVERS)
def test_alternative_optima_share_an_edge_frequency(solver):
    edges = table("R>A", "R>B", "A>G", "B>G")
    pool = solve_pool(edges, {"R": 1}, {"G": 1.0}, 0.1, solver_name=solver)
    assert pool.complete and len(pool.solutions) == 2
    frequency = edge_frequencies([pool])
    assert frequency["R", 1, "A"] == frequency["R", 1, "B"] == 0.5


def test_loops_do_not_support_themselves():
    edges = table("R>A", "X>Y", "Y>X", "Y>G", "A>H")
    pool = solve_pool(edges, {"R": 1}, {"G": 1.0, "H": 1.0}, 0.01)
    assert "X" not in pool.solutions[0].states and pool.solutions[0].states["H"] == 1


def test_an_empty_network_is_an_answer():
    pool = solve_pool(table("R>A", "A>B", "B>G"), {"R": 1}, {"G": 0.3}, 0.5)
    assert pool.complete and pool.solutions[0].states == {"R": 1} and pool.solutions[0].edges == ()
    nothing = solve_pool(table("R>A"), {"R": 1}, {"G": 1.0}, 0.1)
    assert nothing.solutions == () and "no path" in nothing.notes[0]


def test_pruning_keeps_short_paths_only():
    edges = table("R>A", "A>G", "R>L1", "L1>L2", "L2>L3", "L3>G", "G>Q", "A>R", "A>A")
    kept = prune(edges, {"R": 1}, {"G": 1.0}, 3)
    assert set(map(tuple, kept[["source", "target"]].to_numpy())) == {("R", "A"), ("A", "G")}


def test_shuffling_keeps_the_weights():
    genes = {"a": 1.0, "b": -2.0, "c": 0.5}
    assert sorted(shuffled(genes, np.random.default_rng(0)).values()) == sorted(genes.values())


@pytest.mark.data
@pytest.mark.parametrize("solver", SOLVERS)
def test_published_optimum_of_the_carnival_toy(data, solver):
    import highspy

    peer = highspy.Highs()
    peer.setOptionValue("output_flag", False)
    peer.readModel(str(data / "resources/carnival_toy/toy_ex1.lp"))
    peer.run()
    # The graph of that file: nodes 1 to 6 are I1, N1, I2, N2, M1, M2. Its objective does not count the two inputs, ours does.
    edges = table("I1>N1", "N1>M1", "N1>M2", "I2|N2", "N2>M2", "N2>M1")
    pool = solve_pool(edges, {"I1": 1, "I2": 1}, {"M1": 1.0, "M2": 1.0}, 0.2, solver_name=solver)
    assert pool.solutions[0].objective == pytest.approx(1.0)
    assert peer.getInfo().objective_function_value + 2 * 0.2 == pytest.approx(
        pool.solutions[0].objective
    )
    assert pool.solutions[0].states == {"I1": 1, "I2": 1, "N1": 1, "M1": 1, "M2": 1}


@pytest.mark.data
def test_corneto_example_reaches_the_optimum_of_its_peers(data):
    edges = pd.read_csv(data / "resources/corneto_carnival_example_pkn.tsv.gz", sep="\t")
    vertices = pd.read_csv(data / "resources/corneto_carnival_example_measurements.csv")
    given, read = vertices[vertices["type"] == "input"], vertices[vertices["type"] == "output"]
    inputs = {v: int(x) for v, x in zip(given["vertex"], given["value"], strict=True)}
    genes = {v: float(x) for v, x in zip(read["vertex"], read["value"], strict=True)}
    # Depth 4, beta 0.2: HiGHS and CBC on the original model reach 4.2 (21 nodes, every reachable measurement right).
    pruned = prune(edges, inputs, genes, 4)
    pool = solve_pool(pruned, inputs, genes, 0.2, limit=1)
    best = pool.solutions[0]
    wrong = [
        k
        for k, v in genes.items()
        if k in set(pruned["target"]) and best.states.get(k, 0) != np.sign(v)
    ]
    assert wrong == [] and len(best.states) == 21 and best.objective == pytest.approx(4.2)


def test_own_table_is_sound(root):
    df = pd.read_csv(root / "resources/signalling.tsv", sep="\t", dtype=str, keep_default_na=False)
    assert len(df) >= 300 and not df.duplicated(["source", "target"]).any()
    assert set(df["sign"]) == {"1", "-1"} and set(df["evidence"]) <= {"seen", "memory"}
    assert (df.loc[df["evidence"] == "memory", "citation"] == "").all()
    signatures = pd.read_csv(
        root / "resources/signatures.tsv", sep="\t", dtype=str, keep_default_na=False
    )
    receptors = signatures[
        signatures["set"].str.startswith("LR_") & signatures["role"].str.startswith("receptor")
    ]
    covered = receptors.groupby("set")["gene_human"].apply(
        lambda g: bool(set(g) & (set(df["source"]) | set(df["target"])))
    )
    assert covered.mean() > 0.95, covered[~covered].index.tolist()
    assert {"Egfr", "Kdr"} <= set(
        signalling_table(root / "resources/signalling.tsv", "rat")["source"]
    )


@pytest.mark.data
def test_signs_of_own_table_agree_with_a_configured_table(root, data):
    own = signalling_table(root / "resources/signalling.tsv", "human")
    other = pd.read_csv(data / "resources/omnipath_carnival_signed_ppi_human.tsv.gz", sep="\t")
    signs = other.groupby(["source", "target"])["sign"].agg(set)
    shared = own.set_index(["source", "target"])["sign"]
    shared = shared[shared.index.isin(signs.index)]
    agree = pd.Series([s in signs[i] for i, s in shared.items()], index=shared.index)
    assert len(shared) > 250 and agree.mean() >= 0.9
    explained = (root / "docs/signalling.md").read_text(encoding="utf-8")
    for source, target in agree[~agree].index:
        assert source in explained and target in explained, (source, target)


def test_changed_genes_and_inputs(root):
    edges = signalling_table(root / "resources/signalling.tsv", "rat")
    human = signalling_table(root / "resources/signalling.tsv", "human")
    de = pd.DataFrame(
        {
            "symbol": ["Socs3", "Vegfa", "Ccnd1", "Actb"],
            "stat": [20.0, -6.0, 3.0, 9.0],
            "padj": [1e-9, 0.01, 0.2, 1e-9],
        }
    )
    assert changed_genes(de, edges, 0.05, 40) == {"Socs3": 2.0, "Vegfa": pytest.approx(-1.2)}
    assert named_inputs({"IL22RA1": 1}, human, edges, "rat") == {"Il22ra1": 1}
    with pytest.raises(InputError, match="did you mean 'IL22RA1'"):
        named_inputs({"IL22RA": 1}, human, edges, "rat")
    settings = SignallingNetwork(
        name="x", test="m.C0", inputs={"IL22RA1": 1}, depth=5, beta=0.2, pool=20, nulls=5
    )
    routes, pool, _ = find_routes(
        edges, {"Il22ra1": 1}, {"Socs3": 2.0, "Vegfa": 1.2, "Cdkn1a": -1.0}, settings, 1, "x"
    )
    assert {"Il22ra1", "Stat3"} <= set(routes["source"]) and pool.complete
    again, _, _ = find_routes(
        edges, {"Il22ra1": 1}, {"Socs3": 2.0, "Vegfa": 1.2, "Cdkn1a": -1.0}, settings, 1, "x"
    )
    pd.testing.assert_frame_equal(routes, again)
    assert route_figure(routes, {"Socs3": 2.0}, "t").axes
    empty, _, _ = find_routes(edges, {"Il22ra1": 1}, {}, settings, 1, "x")
    assert empty.empty and "pool_complete" in empty.columns


def test_a_network_speaks_the_species_of_its_own_libraries(root, tmp_path):
    spec = importlib.util.spec_from_file_location(
        "solve_network", root / "workflow/scripts/linkage/solve_network.py"
    )
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    found = {}
    for test, species in (("mucosa.C0", "rat"), ("dish.CM", "human")):
        edges = signalling_table(str(root / "resources/signalling.tsv"), species)
        hit = sorted(set(edges.loc[edges["layer"] == "transcription", "target"]))
        de = pd.DataFrame({"symbol": hit, "stat": 8.0, "padj": 1e-4})
        de.to_csv(tmp_path / f"{test}.tsv", sep="\t", index=False)
        found[test] = (species, hit[0])
    tests = pd.DataFrame([(t, s) for t, (s, _) in found.items()], columns=["test", "species"])
    tests.to_csv(tmp_path / "tests.tsv", sep="\t", index=False)
    for test, (_, gene) in found.items():
        names = ("edges", "genes", "figure")
        output = {n: str(tmp_path / f"{test}.{n}") for n in names} | {
            "figure": str(tmp_path / f"{test}.png")
        }
        inputs = {"de": tmp_path / f"{test}.tsv", "tests": tmp_path / "tests.tsv"}
        inputs["signalling"] = root / "resources/signalling.tsv"
        settings = {"name": "n", "test": test, "inputs": {"AREG": 1}, "genes": 5, "nulls": 0}
        settings |= {"depth": 2, "beta": 0.2, "pool": 1, "solver": "HiGHS"}
        script.main(
            SimpleNamespace(
                input=Names(**{k: str(v) for k, v in inputs.items()}),
                output=Names(**output),
                params=Names(settings=settings, seed=1),
                wildcards=Names(network=test),
                threads=1,
                log=[str(tmp_path / "log")],
                rule="solve_network",
            )
        )
        genes = pd.read_csv(output["genes"], sep="\t")["symbol"]
        assert len(genes) == 5 and gene in set(genes)
