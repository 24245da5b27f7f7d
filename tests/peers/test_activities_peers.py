"""Pathway footprints and factors against decoupler's mlm and ulm, where it is installed."""

import numpy as np
import pandas as pd
import pytest

from periomics.genes.footprints import footprint_scores
from periomics.genes.regulons import factor_scores

decoupler = pytest.importorskip("decoupler", reason="decoupler is not installed")


@pytest.fixture
def case():
    rng = np.random.default_rng(6)
    weights = np.where(rng.random((400, 3)) < 0.2, rng.normal(size=(400, 3)), 0.0)
    weights[300:] = 0
    names = [f"g{i}" for i in range(400)]
    expression = weights @ rng.normal(size=(3, 8)) + rng.normal(5, 0.4, (400, 8))
    table = pd.DataFrame(weights, index=pd.Index(names, name="gene"), columns=["P1", "P2", "P3"])
    net = table.reset_index().melt(id_vars="gene", var_name="source", value_name="weight")
    net = net[net["weight"] != 0].rename(columns={"gene": "target"})
    centred = (expression - expression.mean(1, keepdims=True)).T
    mat = pd.DataFrame(centred, columns=names, index=[str(i) for i in range(8)])
    return expression, names, table, net, mat


def theirs(method, mat, net):
    """decoupler's activities, by its second interface or, before version 2, its first."""
    if hasattr(decoupler, "mt"):
        return getattr(decoupler.mt, method)(data=mat, net=net, tmin=1)[0]
    return getattr(decoupler, f"run_{method}")(mat=mat, net=net, min_n=1)[0]


def test_footprints_equal_decouplers_mlm(case):
    expression, names, table, net, mat = case
    rows = footprint_scores(expression, names, table[(table != 0).any(axis=1)])
    found = rows.pivot_table(index="column", columns="score_id", values="value")
    peer = theirs("mlm", mat, net)[list(found.columns)]
    np.testing.assert_allclose(found.to_numpy(), peer.to_numpy(), rtol=1e-9)


def test_factors_equal_decouplers_ulm(case):
    expression, names, _, net, mat = case
    regulons = net.rename(columns={"source": "factor", "target": "gene"})
    rows = factor_scores(expression, names, regulons[["factor", "gene", "weight"]], 5)
    found = rows.pivot_table(index="column", columns="score_id", values="value")
    peer = theirs("ulm", mat, net)[list(found.columns)]
    np.testing.assert_allclose(found.to_numpy(), peer.to_numpy(), rtol=1e-9)
