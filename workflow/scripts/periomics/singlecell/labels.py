"""Names of clusters from marker genes of the team's own table."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import scipy.sparse as sp

from periomics.core.errors import InputError

UNKNOWN = "unknown"
COLUMNS = ("cell_type", "gene_human", "gene_mouse", "gene_rat", "evidence")
MIN_MARKERS = 2


def read_markers(path: str | os.PathLike[str], species: str) -> dict[str, list[str]]:
    """Cell type → marker symbols of a species, in the table's order.

    Raises
    ------
    InputError
        If a column is missing.
    """
    df = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    missing = [c for c in COLUMNS if c not in df.columns]
    if missing:
        raise InputError(f"lacks columns {missing}", file=path)
    df = df[df[f"gene_{species}"] != "NA"]
    return {
        str(t): list(part[f"gene_{species}"]) for t, part in df.groupby("cell_type", sort=False)
    }


def marker_scores(
    expression: sp.csr_matrix,
    symbols: Sequence[str],
    clusters: np.ndarray,
    markers: Mapping[str, Sequence[str]],
) -> pd.DataFrame:
    """Mean marker level of every cluster: mean over markers of the cluster's mean z (z over all cells).

    Parameters
    ----------
    expression
        (cells, genes), log-normalised, sparse.
    symbols
        Of the genes.
    clusters
        Label of every cell.
    markers
        Type → symbols; types of which fewer than two markers are in the table are left out.

    Returns
    -------
    DataFrame
        Clusters × types.
    """
    position = {s: i for i, s in reversed(list(enumerate(symbols)))}
    names = sorted(set(clusters))
    out = {}
    for cell_type, genes in markers.items():
        found = [position[g] for g in genes if g in position]
        if len(found) < MIN_MARKERS:
            continue
        values = expression[:, found].toarray().astype(float)
        sd = values.std(axis=0)
        z = (values - values.mean(axis=0)) / np.where(sd > 0, sd, 1.0)
        out[cell_type] = [float(z[clusters == c].mean()) for c in names]
    return pd.DataFrame(out, index=names)


def name_clusters(scores: pd.DataFrame, min_margin: float) -> dict[str, str]:
    """Cluster → type with the highest score; `unknown` where it is below 0 or leads the second by less than `min_margin` (SD)."""
    out = {}
    for cluster, row in scores.iterrows():
        order = row.sort_values(ascending=False, kind="stable")
        lead = order.iloc[0] - (order.iloc[1] if len(order) > 1 else 0.0) if len(order) else -np.inf
        out[str(cluster)] = (
            str(order.index[0])
            if len(order) and order.iloc[0] > 0 and lead >= min_margin
            else UNKNOWN
        )
    return out
