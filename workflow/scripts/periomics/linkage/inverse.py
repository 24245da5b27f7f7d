"""Routes without a declared receptor: which receptors would explain the genes, when each may be active, up or down, at its own cost.

The inverse question is the forward one from a single node, `ANY`, that leads to every receptor with both signs, in one step more; it is
taken out of what was found, so that a receptor costs as much as any other node and the node itself nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import pandas as pd

from periomics.study.settings.linkage import SignallingNetwork

# The node behind all receptors, and the layer of its edges, which are no part of any table.
ANY = "any receptor"
FREE = "free"


def with_free_receptors(edges: pd.DataFrame, receptors: Collection[str]) -> pd.DataFrame:
    """The network with `ANY` before every receptor that has an edge, with both signs.

    Parameters
    ----------
    edges
        Columns source, sign, target, layer, evidence.
    receptors
        Nodes that may be active without a reason.
    """
    known = sorted(set(receptors) & set(edges["source"]))
    rows = [(ANY, sign, r, FREE, FREE) for r in known for sign in (-1, 1)]
    free = pd.DataFrame(rows, columns=["source", "sign", "target", "layer", "evidence"])
    return pd.concat([edges, free.astype({"sign": int})], ignore_index=True)


def asked(
    edges: pd.DataFrame,
    inputs: Mapping[str, int],
    receptors: Collection[str],
    settings: SignallingNetwork,
) -> tuple[pd.DataFrame, Mapping[str, int], SignallingNetwork]:
    """Network, inputs and settings of the question that a network asks: as they are, or with every receptor free."""
    if settings.mode == "forward":
        return edges, inputs, settings
    free = with_free_receptors(edges, receptors)
    return free, {ANY: 1}, settings.but(depth=settings.depth + 1)
