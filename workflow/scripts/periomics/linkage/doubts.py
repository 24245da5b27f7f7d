"""Edges that may carry against their sign, at a price: tables of signals err in some of their signs.

Beside every edge of signalling stands one of the other sign, marked `AGAINST`, which costs `doubt` where it carries. Edges from
factors to genes have none: a gene would then be explained by its own edge alone.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from periomics.linkage.inverse import FREE

AGAINST = "against its sign"
"""Evidence of an edge whose sign is not the table's."""
SIGN_OF_ITS_OWN = ("transcription", "programme", FREE)
"""Layers whose edges carry with their sign only."""


def with_doubts(edges: pd.DataFrame, doubt: float) -> pd.DataFrame:
    """The network with the other sign of every edge of signalling that the table does not have; as it is without a doubt.

    Parameters
    ----------
    edges
        Columns source, sign, target, layer, evidence.
    doubt
        Price of such an edge; 0 for none.
    """
    if not doubt:
        return edges
    own = edges[~edges["layer"].isin(SIGN_OF_ITS_OWN)]
    other = own.assign(sign=-own["sign"], evidence=AGAINST)
    both = pd.concat([edges, other], ignore_index=True)
    return both.drop_duplicates(["source", "sign", "target"], ignore_index=True)


def without_doubts(edges: pd.DataFrame) -> pd.DataFrame:
    """The edges that the table has."""
    return edges[~doubted(edges)] if "evidence" in edges else edges


def doubted(edges: pd.DataFrame) -> np.ndarray:
    """Which edges are against their sign."""
    if "evidence" not in edges:
        return np.zeros(len(edges), bool)
    return (edges["evidence"] == AGAINST).to_numpy()
