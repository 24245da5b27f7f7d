"""What a receptor reaches, whether its sign says that of the genes, and its place among all receptors."""

import itertools

import numpy as np
import pandas as pd
import pytest

from periomics.linkage.ranks import receptor_ranks
from periomics.linkage.reach import onward, reach_of
from periomics.linkage.refits import gain
from periomics.linkage.signed import own_table
from periomics.study.settings.linkage import SignallingNetwork


def table(*edges):
    signs = {">": 1, "|": -1}
    return pd.DataFrame(
        [(e[0], signs[e[1]], e[2], "signalling") for e in edges],
        columns=["source", "sign", "target", "layer"],
    )


def test_two_ways_of_unlike_sign_leave_a_gene_unsaid():
    edges = table("R>A", "A>G", "R>B", "B|G", "B>H")
    reach = reach_of(onward(edges), "R", 1, {"G", "H", "Z"}, 3)
    assert reach.genes == {"G", "H"} and reach.one_signed == {"H"} and reach.share == 0.5
    assert reach_of(onward(edges), "R", 1, {"G"}, 1).genes == frozenset()


def test_a_loop_that_ends_where_it_began_turns_nothing_round():
    edges = table("R>S", "S>I", "I|S", "S>G")
    reach = reach_of(onward(edges), "R", 1, {"G"}, 6)
    assert reach.one_signed == {"G"}


def by_all_ways(edges, start, goals, depth):
    """State → whether some way without a node twice leads there, by trying every order of nodes."""
    signs = {}
    for s, x, t in edges[["source", "sign", "target"]].itertuples(index=False):
        signs.setdefault((s, t), set()).add(x)
    nodes = sorted((set(edges["source"]) | set(edges["target"])) - {start})
    found = {}
    for length in range(1, depth + 1):
        for way in itertools.permutations(nodes, length):
            if way[-1] not in goals:
                continue
            steps = [signs.get(pair, set()) for pair in itertools.pairwise((start, *way))]
            for chosen in itertools.product(*steps):
                found.setdefault(way[-1], set()).add(int(np.prod(chosen)))
    return found


@pytest.mark.parametrize("seed", range(30))
def test_reach_equals_that_of_all_ways(seed):
    rng = np.random.default_rng(seed)
    nodes = list("RABCDE")
    edges = table(
        *{
            f"{a}{rng.choice(['>', '|'])}{b}"
            for a, b in itertools.permutations(nodes, 2)
            if rng.random() < 0.4
        }
    )
    depth = int(rng.integers(2, 6))
    found = by_all_ways(edges, "R", set("ABCDE"), depth)
    reach = reach_of(onward(edges), "R", 1, set("ABCDE"), depth)
    assert reach.genes == set(found)
    assert reach.one_signed == {v for v, signs in found.items() if len(signs) == 1}


def test_rank_is_the_place_by_gain_and_ties_share_theirs():
    edges = table("P>A", "Q>A", "S>B", "A>G", "B>H", "A>H", "T>X")
    settings = SignallingNetwork(name="n", test="a.b", inputs={"P": 1}, depth=4, beta=0.1)
    genes = {"G": 1.0, "H": 1.0}
    ranks = receptor_ranks(edges, {"P": 1, "S": 1, "T": 1}, genes, settings, {"Q", "elsewhere"})
    ranks = ranks.set_index("receptor")
    # P and Q explain both genes alike; S explains one.
    assert gain(edges, "P", 1, genes, settings)[0] > gain(edges, "S", 1, genes, settings)[0]
    assert ranks.loc["P", "rank"] == 1.5 and ranks.loc["S", "rank"] == 3
    assert np.isnan(ranks.loc["T", "rank"]) and (ranks["of"] == 4).all()
    assert ranks.loc["P", "one_signed"] == 1
    nothing = receptor_ranks(edges, {"P": 1}, {}, settings, ())
    assert nothing["rank"].isna().all()


def test_signs_of_the_own_table_discriminate(root):
    edges = own_table(str(root / "resources/signalling.tsv"), "human").edges
    goals = set(edges.loc[edges["layer"] == "transcription", "target"])
    ahead = onward(edges)
    share = {r: reach_of(ahead, r, 1, goals, 6).share for r in ("EGFR", "TGFBR2", "PTGER4")}
    assert min(share.values()) > 0.6 and share["EGFR"] < 1


def test_large_networks_have_no_ranks(monkeypatch):
    monkeypatch.setattr("periomics.linkage.ranks.MOST_EDGES", 3)
    rows = [
        ("R", 1, "T", "signalling"),
        ("T", 1, "a", "transcription"),
        ("Q", 1, "T", "signalling"),
        ("Q", 1, "b", "signalling"),
    ]
    edges = pd.DataFrame(rows, columns=["source", "sign", "target", "layer"])
    settings = SignallingNetwork(name="n", test="a.b", inputs={"R": 1}, beta=0.2)
    table = receptor_ranks(edges, {"R": 1}, {"a": 1.0}, settings, ["R", "Q"])
    assert table[["rank", "of"]].isna().all(axis=None) and table["one_signed"].notna().all()
