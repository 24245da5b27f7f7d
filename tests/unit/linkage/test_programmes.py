"""Programmes behind the genes of routes, and the outcomes that are attached to them."""

import numpy as np
import pandas as pd
import pytest

from periomics.linkage import programmes
from periomics.linkage.nodes import carried_on, node_table
from periomics.linkage.routes import find_routes
from periomics.study.settings.linkage import SignallingNetwork

SETS = pd.DataFrame(
    [
        ("EPI_a", "K5|K5B", "up"),
        ("EPI_a", "P21", "down"),
        ("EPI_a", "S100", "context"),
        ("EPI_b", "BOTH", "up"),
        ("EPI_c", "BOTH", "down"),
        ("ANG_a", "VWF", "up"),
        ("LR_x", "EGF", "up"),
    ],
    columns=["set", "gene_human", "direction"],
)
BARRIER, VESSELS = "barrier programme", "angiogenesis programme"
EDGES = pd.DataFrame(
    [
        ("R", 1, "T", "signalling", "table"),
        ("T", 1, "K5", "transcription", "table"),
        ("T", -1, "P21", "transcription", "table"),
    ],
    columns=["source", "sign", "target", "layer", "evidence"],
)
SETTINGS = SignallingNetwork(name="n", test="a.b", inputs={"R": 1}, nulls=0, beta=0.2)


def associations(*rows):
    columns = ["score_id", "outcome", "r", "p_adj", "n", "family", "reason"]
    return pd.DataFrame(rows, columns=columns)


KNOWN = associations(
    ("score:signature:EPI_a", "scratch_rate", 0.5, 0.01, 24, "barrier", ""),
    ("score:signature:EPI_b", "scratch_rate", -0.9, 0.3, 24, "barrier", ""),
    ("score:signature:EPI_a", "ln332", 0.9, np.nan, 24, "assay concordance", ""),
    ("score:signature:ANG_a", "mvd", 0.2, 0.4, 24, "vessels", ""),
    ("score:response:mapk", "prol", 0.9, 0.001, 24, "barrier", ""),
)


def test_effectors_have_a_direction_and_only_one():
    found = programmes.effectors(SETS, "human")
    rows = set(found.itertuples(index=False, name=None))
    wanted = {(BARRIER, "K5", 1), (BARRIER, "K5B", 1), (BARRIER, "P21", -1), (VESSELS, "VWF", 1)}
    assert rows == wanted


def test_only_associated_outcomes_are_attached_and_the_others_say_why():
    table = programmes.tracked(KNOWN, {"barrier": ["elac"], "vessels": ["mvd"]}, 0.05)
    told = table.set_index("outcome")["reason"]
    assert told["scratch_rate"] == "" and "prol" not in told
    assert told["ln332"] == "untested: assay concordance"
    assert told["mvd"] == "not associated: adjusted p 0.4"
    assert told["elac"].startswith("untested: no score of its sets")


def test_a_programme_is_explained_only_where_an_outcome_is_associated():
    made_of, outcomes = programmes.effectors(SETS, "human"), programmes.tracked(KNOWN, {}, 0.05)
    de = pd.DataFrame({"symbol": ["K5", "P21", "VWF"], "stat": [-5.0, 2.0, 9.0]})
    # K5 fell, and P21, which works against the barrier, rose: the barrier fell.
    assert programmes.goals(made_of, de, outcomes) == {BARRIER: -0.5}
    assert programmes.goals(made_of, de, outcomes[:0]) == {}


def whole(known):
    genes = {"K5": 1.0, "P21": -1.0}
    made_of, outcomes = programmes.effectors(SETS, "human"), programmes.tracked(known, {}, 0.05)
    de = pd.DataFrame({"symbol": list(genes), "stat": [5.0, -5.0]})
    wanted = programmes.goals(made_of, de, outcomes)
    edges = programmes.with_programmes(EDGES, made_of, genes) if wanted else EDGES
    table, pool = find_routes(edges, {"R": 1}, genes, SETTINGS, 1, "n", programmes=wanted)
    table = carried_on(table, pool, genes, made_of, outcomes)
    return pool, table, node_table(table, genes, outcomes, wanted).set_index("node")


def test_routes_lead_on_to_programme_and_outcome():
    pool, table, nodes = whole(KNOWN)
    # Four nodes and the programme cost .2 each, everything is explained.
    assert pool.solutions[0].objective == pytest.approx(1.0)
    found = set(table[["source", "sign", "target"]].itertuples(index=False, name=None))
    ends = {("K5", 1, BARRIER), ("P21", -1, BARRIER), (BARRIER, 1, "scratch_rate")}
    assert ends <= found and len(found) == 6
    kinds = nodes["kind"]
    assert kinds["R"] == "receptor" and kinds["T"] == "factor" and kinds["K5"] == "effector"
    assert kinds[BARRIER] == "programme" and kinds["scratch_rate"] == "outcome"
    assert nodes.loc["scratch_rate", "state"] == 1 and nodes.loc["mvd", "state"] == 0
    assert nodes.loc["ln332", "reason"] == "untested: assay concordance"


def test_without_an_association_numbers_are_those_of_the_genes_alone():
    pool, table, nodes = whole(KNOWN[2:4])
    alone, own = find_routes(EDGES, {"R": 1}, {"K5": 1.0, "P21": -1.0}, SETTINGS, 1, "n")
    assert pool.solutions[0].objective == own.solutions[0].objective == pytest.approx(0.8)
    assert nodes.loc[BARRIER, "reason"] == programmes.NOTHING
    assert nodes.loc[BARRIER, "state"] == 0
    assert "outcome" not in set(table["layer"]) and len(table) == len(alone) + 2
