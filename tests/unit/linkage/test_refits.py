"""Routes with arms dealt anew, in rewired networks, and without one unit."""

import numpy as np
import pandas as pd
import pytest

from periomics.linkage.network import solve_pool
from periomics.linkage.refits import gain, left_out, relabelled, rewired, route_tests
from periomics.study.settings.linkage import SignallingNetwork

SETTINGS = SignallingNetwork(name="n", test="a.b", inputs={"R": 1}, beta=0.2)
EDGES = pd.DataFrame(
    [
        ("R", 1, "K", "signalling"),
        ("K", -1, "T", "signalling"),
        ("T", 1, "a", "transcription"),
        ("T", 1, "b", "transcription"),
        ("Q", 1, "c", "transcription"),
    ],
    columns=["source", "sign", "target", "layer"],
)


def test_a_gain_is_what_the_genes_are_worth_without_the_nodes():
    """Two genes of weight 1 that the route gets right, for four nodes of .2; by hand."""
    assert gain(EDGES, "R", 1, {"a": -1.0, "b": -1.0}, SETTINGS) == (pytest.approx(1.2), 2)
    assert gain(EDGES, "R", 1, {"a": 1.0, "b": 1.0}, SETTINGS) == (0.0, 0)
    assert gain(EDGES, "R", 1, {"c": 1.0}, SETTINGS) == (0.0, 0)
    assert gain(EDGES, "R", 1, {}, SETTINGS) == (0.0, 0)


def table_of(permuted, genes=None, inputs=None, **more):
    return route_tests(
        EDGES,
        inputs or {"R": 1},
        {"a": -1.0, "b": -1.0} if genes is None else genes,
        SETTINGS,
        permuted=permuted,
        topologies=[],
        **({"floor": 1 / (len(permuted) + 1)} | more),
    ).set_index("receptor")


def test_p_counts_gains_as_large():
    drawn = [{}, {"a": -1.0}, {"a": -1.0, "b": -1.0}, {"a": 1.0}]
    assert table_of(drawn).at["R", "p"] == pytest.approx(2 / 5)
    assert table_of(drawn[:2]).at["R", "p"] == pytest.approx(1 / 3)


def test_p_is_of_the_genes_of_the_units_that_were_relabelled():
    drawn = [{}, {"a": -1.0}, {"a": -1.0, "b": -1.0}, {"b": -0.9}]
    found = table_of(drawn, compared={"a": -1.0}).loc["R"]
    assert found["p"] == pytest.approx(3 / 5) and found["gain"] == pytest.approx(1.2)
    assert table_of(drawn, compared={}).at["R", "p"] == 1.0


def test_a_receptor_without_gain_has_p_one_and_several_are_one_family():
    two = table_of([{}] * 39, inputs={"R": 1, "Q": 1})
    assert two.at["R", "p_adj"] == pytest.approx(2 / 40) and two.at["Q", "p"] == 1.0


def test_without_relabellings_there_is_no_p_and_a_reason():
    row = table_of([], floor=1.0, reason="more than two arms").loc["R"]
    assert np.isnan([row["p"], row["p_adj"]]).all() and row["reason"] == "more than two arms"
    assert row["gain"] > 0


def test_more_receptors_than_the_design_can_test_are_told():
    row = table_of([{}] * 29, inputs={"R": 1, "Q": 1}).loc["R"]
    assert "2 receptors are too many: 0.067" in row["reason"]


def test_labels_are_dealt_within_blocks_only():
    units = pd.DataFrame(
        {
            "specimen_id": list("abcdef"),
            "animal_id": ["1", "1", "2", "2", "3", "3"],
            "arm": ["m", "v"] * 3,
            "block_animal_id": ["1", "1", "2", "2", "3", "3"],
        }
    )
    many, floor = relabelled(units, ["m", "v"], np.random.default_rng(1), 199)
    assert len(many) == 7 and floor == pytest.approx(1 / 8)
    for u in many:
        assert (u.groupby("animal_id")["arm"].nunique() == 2).all()
        assert list(u["arm"]) != list(units["arm"])


def test_other_arms_keep_their_labels():
    units = pd.DataFrame(
        {"specimen_id": range(9), "animal_id": range(9), "arm": list("mmmvvvxxx")}
    ).astype(str)
    many, _ = relabelled(units, ["m", "v"], np.random.default_rng(1), 199)
    assert len(many) == 19 and all(list(u["arm"])[6:] == list("xxx") for u in many)


def test_a_rewired_network_keeps_the_edges_of_every_node(root):
    table = pd.read_csv(root / "resources/signalling.tsv", sep="\t", dtype=str)
    table = table.assign(sign=table["sign"].astype(int))
    new = rewired(table, np.random.default_rng(3))
    for side in ("source", "target"):
        key = [side, "sign", "layer"]
        pd.testing.assert_series_equal(table.groupby(key).size(), new.groupby(key).size())
    assert (new["source"] != new["target"]).all()
    assert not new.duplicated(["source", "sign", "target"]).any()
    moved = (new["target"].to_numpy() != table["target"].to_numpy()).mean()
    assert moved > 0.5


def test_an_edge_that_one_unit_carries_shows_in_the_refits():
    pools = {
        "1": solve_pool(EDGES, {"R": 1}, {"a": -1.0, "b": -1.0}, 0.2, depth=6),
        "2": solve_pool(EDGES, {"R": 1}, {"a": 1.0}, 0.2, depth=6),
    }
    table = left_out(pools)
    assert set(table["frequency"]) == {0.5} and set(table["refits"]) == {2}
