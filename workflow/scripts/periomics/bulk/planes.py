"""Where libraries stand to each other: a plane of principal components and distances, within those that may be compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import pdist, squareform

from periomics.bulk.parts import of_libraries
from periomics.bulk.qc import VARIABLE, groups, most_variable, principal_components
from periomics.study.interface.genes import DISTANCE_COLUMNS, PLANE_COLUMNS

FEWEST = 3


def planes(
    counts: pd.DataFrame, table: pd.DataFrame, facts: Sequence[Mapping[str, object]]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Plane and distances of the libraries that passed, in groups of one compartment, cell source and species.

    Parameters
    ----------
    counts
        Genes × specimen_id.
    table
        Of `qc_table`.
    facts
        Rows of the libraries sheet.

    Returns
    -------
    planes, distances
        PLANE_COLUMNS, a row per library: components, their shares of the variance (0 to 1), the place in the order of a tree
        of average linkage; DISTANCE_COLUMNS, a row per pair: root of the mean squared difference of the log2 counts per
        million of the most variable genes, the change of a typical one of them. Groups of two libraries or fewer have none.
    """
    good = set(table.loc[table["qc"] == "pass", "specimen_id"])
    places, pairs = [], []
    for key, members in groups(facts).items():
        names = [n for n in members if n in good]
        if len(names) < FEWEST:
            continue
        own = of_libraries(counts, names)
        points, share = principal_components(own)
        logs = most_variable(own, VARIABLE).T
        far = pdist(logs) / np.sqrt(logs.shape[1])
        order = np.argsort(leaves_list(linkage(far, "average")), kind="stable")
        label = " / ".join(k for k in key if k)
        shares = dict(zip(("share_pc1", "share_pc2"), (*share, np.nan)[:2], strict=True))
        both = points.reindex(columns=["PC1", "PC2"]).set_axis(["pc1", "pc2"], axis=1)
        places.append(
            both.assign(specimen_id=names, compared_with=label, place=order + 1, **shares)
        )
        square = squareform(far)
        pairs += [
            (label, names[i], names[j], square[i, j])
            for i in range(len(names))
            for j in range(len(names))
            if i != j
        ]
    plane = pd.concat(places) if places else pd.DataFrame(columns=list(PLANE_COLUMNS))
    return plane[list(PLANE_COLUMNS)], pd.DataFrame(pairs, columns=list(DISTANCE_COLUMNS))
