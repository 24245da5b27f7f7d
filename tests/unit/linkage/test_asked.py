"""What a network asks: inputs that are declared, those of the evidence, none at all, and weights of nodes."""

import pandas as pd
import pytest

from periomics.core.errors import InputError
from periomics.linkage.asked import asked_of
from periomics.linkage.inverse import ANY
from periomics.linkage.refits import Rivals, gain, route_tests
from periomics.linkage.routes import changed_genes, find_routes, solver_table
from periomics.linkage.states import doubled
from periomics.study.settings.linkage import SignallingNetwork


@pytest.fixture
def files(root):
    return {n: str(root / f"resources/{n}.tsv") for n in ("signalling", "signatures", "responses")}


def settings(**more):
    return SignallingNetwork.of({"name": "n", "test": "a.b", "nulls": 0} | more, "linkage/networks")


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({}, "needed unless mode is inverse"),
        ({"mode": "inverse", "inputs": {"EGFR": 1}}, "every receptor is free"),
        ({"inputs": {"EGFR": 1}, "weights": {"STAT3": 1.0}}, "no share of a cost"),
    ],
)
def test_inputs_mode_and_weights_that_do_not_fit_are_refused(given, match):
    with pytest.raises(InputError, match=match):
        settings(**given)


def test_inputs_of_the_evidence_are_receptors_of_axes_with_ligand_and_receptor(files, tmp_path):
    held = [("LR_EGF_EGFR", "L1 L2"), ("LR_HGF_MET", "L2"), ("LR_VEGFA_KDR", "")]
    axes = pd.DataFrame(held, columns=["axis", "held"])
    axes.to_csv(tmp_path / "axes.tsv", sep="\t", index=False)
    found = asked_of(
        files | {"axes": str(tmp_path / "axes.tsv")}, settings(inputs="evidence"), "rat"
    )
    assert "Egfr" in found.inputs and not {"Met", "Kdr"} & set(found.inputs)
    assert any("of 1 axes with ligand and receptor shown" in n for n in found.notes)


def test_weights_take_the_symbols_of_the_libraries_and_lower_a_cost(files):
    found = asked_of(files, settings(inputs={"EGFR": 1}, weights={"STAT3": 0.5}), "rat")
    assert found.settings.weights == {"Stat3": 0.5}
    plain = asked_of(files, settings(inputs={"EGFR": 1}), "rat")
    genes = {"Socs3": 2.0}
    _, dear = find_routes(plain.edges, plain.inputs, genes, plain.settings, 1, "n")
    _, cheap = find_routes(found.edges, found.inputs, genes, found.settings, 1, "n")
    saved = dear.solutions[0].objective - cheap.solutions[0].objective
    assert saved == pytest.approx(0.1)  # half of the cost of one node, .2
    table = solver_table(cheap, found.edges, found.inputs, genes, found.settings)
    assert set(table["weights"]) == {"Stat3 0.5"}
    with pytest.raises(InputError, match="did you mean"):
        asked_of(files, settings(inputs={"EGFR": 1}, weights={"STAT33": 0.5}), "rat")


def test_any_receptor_is_a_row_of_its_own_and_no_part_of_the_routes(files):
    found = asked_of(files, settings(mode="inverse"), "human")
    assert dict(found.inputs) == {ANY: 1} and found.settings.depth == 7
    genes = {"SOCS3": 2.0, "VEGFA": 1.0}
    table, pool = find_routes(found.edges, found.inputs, genes, found.settings, 1, "n")
    assert ANY not in set(table["source"]) and pool.solutions[0].edges
    solver = solver_table(pool, found.edges, found.inputs, genes, found.settings)
    assert set(solver["mode"]) == {"inverse"} and set(solver["depth"]) == {6}
    own = (found.edges, found.inputs, genes, found.settings)
    row = route_tests(*own, permuted=[{}] * 19, topologies=[], floor=0.05).iloc[0]
    assert row["receptor"] == ANY and row["p"] == pytest.approx(0.05)
    # Receptors are no genes to explain.
    de = pd.DataFrame({"symbol": ["EGFR"], "stat": [9.0], "padj": [1e-9]})
    plain = asked_of(files, settings(inputs={"MET": 1}), "human").edges
    assert changed_genes(de, found.edges, 0.05, 9) == changed_genes(de, plain, 0.05, 9)


def test_a_bound_changes_no_comparison_and_what_is_left_open_counts_against_the_route(files):
    found = asked_of(files, settings(inputs={"EGFR": 1}), "human")
    graph, own = doubled(found.edges), {"EGFR": 1.5}
    many = [{"SOCS3": w, "VEGFA": v} for w in (0.3, 1.2, 2.0) for v in (-1.0, 0.5, 2.0)]
    rivals = Rivals(found.inputs, found.settings, own)
    alike = [rivals.alike(graph, g)["EGFR"] for g in many]
    solved = [gain(graph, "EGFR", 1, g, found.settings)[0] >= 1.5 for g in many]
    assert alike == solved and 0 < sum(solved) < len(solved)
    none = Rivals(found.inputs, found.settings, own, budget=0)
    assert none.alike(graph, {"SOCS3": 2.0, "VEGFA": 2.0})["EGFR"] and none.unsolved == 1
