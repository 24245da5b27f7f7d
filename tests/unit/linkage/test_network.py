"""The integer programme: published optimum, planted routes, both solvers, degenerate cases, and the team's own table."""

import importlib.util
import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pulp
import pytest

from periomics.core.errors import InputError
from periomics.linkage.network import edge_frequencies, shuffled, solve_pool
from periomics.linkage.routes import (
    changed_genes,
    find_routes,
    solver_table,
)
from periomics.linkage.signed import named_inputs, own_table
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


def test_depth_is_the_number_of_steps():
    """The long way explains both genes at less cost, but is longer than asked."""
    edges = table("R>A", "A>B", "B>G", "G>H", "R>X", "X>H", "R>Y", "Y>G")
    genes = {"G": 1.0, "H": 1.0}
    short = solve_pool(edges, {"R": 1}, genes, 0.1, depth=2).solutions[0]
    assert short.states == dict.fromkeys("RXYGH", 1)
    longer = solve_pool(edges, {"R": 1}, genes, 0.1, depth=3)
    assert {frozenset(s.states) for s in longer.solutions} == {frozenset("RYGH")}
    one = solve_pool(edges, {"R": 1}, genes, 0.1, depth=1)
    assert one.solutions == () and "no path" in one.notes[0]


def test_edges_that_carry_nothing_are_not_listed():
    """A to C agrees in sign, but C has its signal from R, and nothing behind B to A explains a gene."""
    edges = table("R>A", "A>B", "B>G", "A>C", "R>C", "C>H", "B>A")
    best = solve_pool(edges, {"R": 1}, {"G": 1.0, "H": 1.0}, 0.1).solutions[0]
    assert set(best.states) == set("RABGCH")
    assert {e[::2] for e in best.edges} == {
        ("R", "A"),
        ("A", "B"),
        ("B", "G"),
        ("R", "C"),
        ("C", "H"),
    }


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_failing_solver_is_no_complete_pool(solver, monkeypatch):
    from periomics.core.errors import PeriomicsError
    from periomics.linkage import network

    calls, real = [], network.solve

    def fails_later(problem, chosen):
        calls.append(1)
        if len(calls) > 1:
            problem.sol_status = pulp.LpSolutionNoSolutionFound
            raise PeriomicsError("the solver ended without a solution: broken")
        return real(problem, chosen)

    monkeypatch.setattr(network, "solve", fails_later)
    edges = table("R>A", "R>B", "A>G", "B>G")
    pool = solve_pool(edges, {"R": 1}, {"G": 1.0}, 0.1, solver_name=solver)
    assert len(pool.solutions) == 1 and not pool.complete and "broken" in pool.notes[0]


def test_the_table_of_the_solver_says_where_something_is_explained():
    edges, genes = table("R>A", "A>B", "B>G"), {"G": 0.3}
    settings = SignallingNetwork(name="x", test="m.C0", inputs={"R": 1}, depth=4, beta=0.2)
    pool = solve_pool(edges, {"R": 1}, genes, 0.2, depth=4)
    rows = solver_table(pool, edges, {"R": 1}, genes, settings).set_index("declared")
    own = rows.loc["yes"]
    assert own["genes_right"] == 0 and own["status"] == "optimal" and own["gap"] == 0
    # Three nodes are worth .3 below .1 each: at .05, the next of the path.
    assert own["note"].endswith("something is at 0.05")
    assert list(rows["nodes"]) == [1, 1, 1, 4, 4]


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


def within(edges, inputs, genes, radius):
    """Edges between nodes within so many steps of an input and of a gene, without signs: what the peers solve."""

    def near(front, here, there):
        reached, front = set(front), set(front)
        for _ in range(radius):
            front = set(edges.loc[edges[here].isin(front), there]) - reached
            reached |= front
        return reached

    both = near(inputs, "source", "target") & near(genes, "target", "source")
    return edges[edges["source"].isin(both) & edges["target"].isin(both)]


@pytest.mark.data
@pytest.mark.parametrize("radius, size, beta, objective", [
    (3, 2718, 0.2, 2.8), (3, 2718, 0.01, 0.14), (4, 4891, 0.2, 4.2), (4, 4891, 0.01, 0.21),
])  # fmt: skip
def test_published_optima_of_the_corneto_example(data, radius, size, beta, objective):
    edges = pd.read_csv(data / "resources/corneto_carnival_example_pkn.tsv.gz", sep="\t")
    edges = edges[edges["source"] != edges["target"]].drop_duplicates()
    vertices = pd.read_csv(data / "resources/corneto_carnival_example_measurements.csv")
    given, read = vertices[vertices["type"] == "input"], vertices[vertices["type"] == "output"]
    inputs = {v: int(x) for v, x in zip(given["vertex"], given["value"], strict=True)}
    genes = {v: float(x) for v, x in zip(read["vertex"], read["value"], strict=True)}
    near = within(edges, inputs, genes, radius)
    assert len(near) == size
    best = solve_pool(near, inputs, genes, beta, limit=1).solutions[0]
    assert best.objective == pytest.approx(objective) and best.status == "optimal"
    assert len(best.states) == round(objective / beta)  # every gene in reach is right


def test_own_table_is_sound(root):
    df = pd.read_csv(root / "resources/signalling.tsv", sep="\t", dtype=str, keep_default_na=False)
    assert len(df) >= 300 and not df.duplicated(["source", "target"]).any()
    assert set(df["sign"]) == {"1", "-1"}
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
    rat = own_table(str(root / "resources/signalling.tsv"), "rat").edges
    assert {"Egfr", "Kdr"} <= set(rat["source"]) and "" not in set(rat["target"])


def test_changed_genes_and_inputs(root):
    network = own_table(str(root / "resources/signalling.tsv"), "rat")
    edges = network.edges
    de = pd.DataFrame(
        {
            "symbol": ["Socs3", "Vegfa", "Ccnd1", "Actb"],
            "stat": [20.0, -6.0, 3.0, 9.0],
            "padj": [1e-9, 0.01, 0.2, 1e-9],
        }
    )
    assert changed_genes(de, edges, 0.05, 40) == {"Socs3": 2.0, "Vegfa": pytest.approx(-1.2)}
    inputs, lost = named_inputs({"IL22RA1": 1, "CXCL8": 1, "KRT5": -1}, network)
    assert inputs == {"Il22ra1": 1}
    assert lost == [
        "CXCL8 has no ortholog in the species of the libraries",
        "no edge leads on from KRT5",
    ]
    with pytest.raises(InputError, match="did you mean 'IL22RA1'"):
        named_inputs({"IL22RA": 1}, network)
    settings = SignallingNetwork(
        name="x", test="m.C0", inputs={"IL22RA1": 1}, depth=5, beta=0.2, pool=20, nulls=5
    )
    routes, pool = find_routes(
        edges, {"Il22ra1": 1}, {"Socs3": 2.0, "Vegfa": 1.2, "Cdkn1a": -1.0}, settings, 1, "x"
    )
    assert {"Il22ra1", "Stat3"} <= set(routes["source"]) and pool.complete
    again, _ = find_routes(
        edges, {"Il22ra1": 1}, {"Socs3": 2.0, "Vegfa": 1.2, "Cdkn1a": -1.0}, settings, 1, "x"
    )
    pd.testing.assert_frame_equal(routes, again)
    empty, _ = find_routes(edges, {"Il22ra1": 1}, {}, settings, 1, "x")
    assert empty.empty and "pool_complete" in empty.columns


@pytest.fixture
def solved(root, tmp_path):
    """Run the script of the rule on a test whose genes are given; the output files by name."""
    spec = importlib.util.spec_from_file_location(
        "solve_network", root / "workflow/scripts/linkage/solve_network.py"
    )
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)

    def run(test, species, genes, settings, **tables):
        de = pd.DataFrame({"symbol": genes, "stat": 8.0, "padj": 1e-4})
        de.to_csv(tmp_path / "de.tsv", sep="\t", index=False)
        tests = pd.DataFrame({"test": [test], "species": [species]})
        tests.to_csv(tmp_path / "tests.tsv", sep="\t", index=False)
        names = ("edges", "nodes", "genes", "solver", "graph")
        output = {n: str(tmp_path / n) for n in names}
        own = ("signalling", "signatures", "responses")
        inputs = {n: root / f"resources/{n}.tsv" for n in own} | tables
        inputs |= {"de": tmp_path / "de.tsv", "tests": tmp_path / "tests.tsv"}
        default = {"name": "n", "test": test, "nulls": 0, "depth": 2, "pool": 1}
        script.main(
            SimpleNamespace(
                input=Names(**{k: str(v) for k, v in inputs.items()}),
                output=Names(**output),
                params=Names(settings=default | settings, seed=1, questions=None, alpha=0.05),
                wildcards=Names(network=test),
                threads=1,
                log=[str(tmp_path / "log")],
                rule="solve_network",
            )
        )
        return output

    return run


@pytest.mark.parametrize(("test", "species"), [("mucosa.C0", "rat"), ("dish.CM", "human")])
def test_a_network_speaks_the_species_of_its_own_libraries(root, solved, test, species):
    edges = own_table(str(root / "resources/signalling.tsv"), species).edges
    hit = sorted(set(edges.loc[edges["layer"] == "transcription", "target"]))
    output = solved(test, species, hit, {"inputs": {"AREG": 1}, "genes": 5})
    genes = pd.read_csv(output["genes"], sep="\t")["symbol"]
    assert len(genes) == 5 and hit[0] in set(genes)


def test_a_network_takes_the_table_of_another_maker(solved, tmp_path):
    table, regulons, orthologs = (tmp_path / f"{n}.tsv" for n in ("t", "r", "o"))
    table.write_text(
        "source\tsign\ttarget\nEGFR\t1\tJUN\nCXCL8\t1\tJUN\nA\t0\tB\n", encoding="utf-8"
    )
    regulons.write_text("tf\ttarget\tmor\nJUN\tMMP1\t1\nJUN\tKRT5\t-1\n", encoding="utf-8")
    rows = [f"{h}\t{h.title()}\t9" for h in ("EGFR", "JUN", "MMP1", "KRT5")]
    orthologs.write_text(
        "\n".join(["human_symbol\trat_symbol\tsupport_n", *rows]), encoding="utf-8"
    )
    tables = {"table": table, "regulons": regulons, "orthologs_rat": orthologs}
    settings = {"inputs": {"EGFR": 1, "CXCL8": 1}, "table": "t", "regulons": "r"}
    output = solved("mucosa.C0", "rat", ["Mmp1", "Krt5", "Socs3"], settings, **tables)
    edges = pd.read_csv(output["edges"], sep="\t")
    found = set(edges[["source", "sign", "target"]].itertuples(index=False, name=None))
    # Krt5 rose, and JUN would lower it.
    routes = {("Egfr", 1, "Jun"), ("Jun", 1, "Mmp1")}
    assert found - {("Mmp1", 1, "barrier programme")} == routes
    assert set(edges.loc[edges["layer"] != "programme", "evidence"]) == {"configured"}
    assert set(pd.read_csv(output["genes"], sep="\t")["symbol"]) == {"Mmp1", "Krt5"}
    said = (tmp_path / "log").read_text(encoding="utf-8")
    assert "CXCL8 has no ortholog" in said and "1 edges of" in said
