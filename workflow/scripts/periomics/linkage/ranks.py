"""How discriminating a route is: the place of a receptor among all that the network knows, and what its sign says."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd

from periomics.linkage.doubts import without_doubts
from periomics.linkage.inverse import ANY
from periomics.linkage.reach import onward, reach_of
from periomics.linkage.refits import ROUNDING, gains
from periomics.linkage.routes import MOST_EDGES
from periomics.linkage.signed import goals_of
from periomics.study.settings.linkage import SignallingNetwork

RANK_COLUMNS = ("receptor", "rank", "of", "one_signed")


def with_ranks(routes: pd.DataFrame, ranks: pd.DataFrame) -> pd.DataFrame:
    """Routes of receptors with their ranks."""
    return routes.drop(columns=list(RANK_COLUMNS[1:])).merge(ranks, on="receptor", how="left")


def receptor_ranks(
    edges: pd.DataFrame,
    inputs: Mapping[str, int],
    genes: Mapping[str, float],
    settings: SignallingNetwork,
    receptors: Collection[str],
) -> pd.DataFrame:
    """Rank by gain of every declared receptor among all receptors, each on its own with the sign of the declared one.

    Parameters
    ----------
    edges
        The signed table in the symbols of the libraries.
    inputs
        Declared receptor → +1 or −1.
    genes
        Changed gene → signed weight.
    settings
        depth, beta, solver.
    receptors
        Receptors to be compared with; those without an edge are left out.

    Returns
    -------
    DataFrame
        RANK_COLUMNS. Receptors of the same gain share their mean rank, so that 1 is one that is alone at the top. No rank where
        the receptor explains nothing, none in networks of more than MOST_EDGES edges, and none where every receptor is free.
        `one_signed` is the share of genes in reach that it reaches in one state only.
    """
    compared = set(receptors) if len(edges) <= MOST_EDGES and ANY not in inputs else set()
    known = sorted((compared | set(inputs)) & set(edges["source"]))
    of_sign = {
        sign: gains(edges, dict.fromkeys(known, sign), genes, settings) if genes else {}
        for sign in sorted(set(inputs.values()))
    }
    ahead, goals = onward(without_doubts(edges)), goals_of(edges)
    rows = []
    for receptor, sign in inputs.items():
        found = of_sign[sign]
        own = found.get(receptor, 0.0)
        others = np.array([g for r, g in found.items() if r != receptor])
        above = (others > own + ROUNDING).sum()
        alike = (np.abs(others - own) <= ROUNDING).sum()
        rows.append(
            {
                "receptor": receptor,
                "rank": 1 + above + alike / 2 if compared and own > ROUNDING else np.nan,
                "of": len(known) if compared else np.nan,
                "one_signed": reach_of(ahead, receptor, sign, goals, settings.depth).share,
            }
        )
    return pd.DataFrame(rows, columns=list(RANK_COLUMNS))
