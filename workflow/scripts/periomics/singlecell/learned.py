"""Markers learned from a reference: labelled cells of another study, in an h5ad of one's own.

The cells to be named are not compared with those of the reference, whose counts another machine and
hand made: what is taken over is which genes part its types, and these are looked for among the
cells' own clusters as markers of a table are. Such genes part only types that the reference has.
The table of markers is therefore asked as well: a cell that it calls by another type than it calls
the reference's type of that name is unknown.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray

from periomics.core.errors import InputError
from periomics.singlecell.annotated import read_annotated
from periomics.singlecell.formats import whole
from periomics.singlecell.labelled import refuse_column, types_in
from periomics.singlecell.labels import UNKNOWN, call, evidence, type_scores
from periomics.singlecell.markers import columns_of
from periomics.singlecell.readers import check_species
from periomics.singlecell.variable import log_normalised
from periomics.study.settings.singlecell import Atlas

if TYPE_CHECKING:
    from anndata import AnnData

ENOUGH, MOST = 4, 25
"""Markers that a type has at least, or it is joined with the type most like it; and at most."""
GAP, RELATIVE = 0.3, 0.5
"""Mean log count (per 10,000) by which a marker's types lie above all others, and the same over their own level."""
WITHIN_GAP, WITHIN_RELATIVE = 0.2, 0.4
"""The same between types that were joined."""
OR = " or "


@dataclass(frozen=True)
class Learned:
    """What a reference tells.

    Attributes
    ----------
    markers
        Of its types, as `read_markers` gives them.
    table
        Markers of the table that is asked as well.
    kin
        Type of the reference → what the table calls it, without subtypes; `unknown` where it does
        not know it.
    """

    markers: pd.DataFrame
    table: pd.DataFrame
    kin: Mapping[str, str]


def learn(
    path: str | os.PathLike[str],
    table: pd.DataFrame,
    settings: Atlas,
    species: str,
    symbols: Sequence[str],
) -> Learned:
    """Learn markers from a reference.

    Parameters
    ----------
    path
        An h5ad with whole counts and a column of labels (`singlecell/atlas/reference_column`).
    table
        Of `read_markers`.
    settings
        Names that column; min_shared is the share of genes that the reference and the cells must
        have in common.
    species
        Of the cells; the reference must be of the same one.
    symbols
        Genes of the cells; others of the reference are left out.

    Raises
    ------
    InputError
        If the file is no such reference, or shares too few genes, or no two types can be told
        apart.
    """
    cells = read_reference(Path(path), settings, species)
    known, wanted = columns_of(list(cells.var["symbol"].astype(str))), columns_of(symbols)
    shared = [s for s in known if s in wanted]
    if len(shared) < settings.min_shared * min(len(known), len(wanted)):
        raise InputError(
            f"the reference and the cells share {len(shared)} genes, of {len(known)} and {len(wanted)}",
            file=path,
            allowed=f"{100 * settings.min_shared:g} % of the fewer (singlecell/atlas/min_shared)",
        )
    logs = log_normalised(sp.csr_matrix(cells.X))[:, [known[s] for s in shared]]
    types, levels = levels_of(logs, cells.obs["label"].to_numpy(str))
    markers = markers_of(types, levels, shared)
    if not len(markers):
        raise InputError("no two types of the reference can be told apart", file=path)
    return Learned(markers, table, _kin(types, levels, shared, table, settings))


def contradicted(
    learned: Learned, labels: Sequence[str], asked: Sequence[str]
) -> NDArray[np.bool_]:
    """Which labels by a reference the table contradicts: it knows the cell, and by another type
    than the label's.

    Parameters
    ----------
    labels
        Of the reference, also of types that were joined.
    asked
        What the table calls the same cells.
    """
    roots = _roots(learned.table)
    kin = {t: {learned.kin.get(k, UNKNOWN) for k in t.split(OR)} for t in set(labels)}
    return np.array(
        [
            own != UNKNOWN
            and other != UNKNOWN
            and UNKNOWN not in kin[own]
            and roots.get(other, other) not in kin[own]
            for own, other in zip(labels, asked, strict=True)
        ]
    )


def _roots(table: pd.DataFrame) -> dict[str, str]:
    """Type → its parent, or itself."""
    one = table.drop_duplicates("cell_type")
    return {t: p or t for t, p in zip(one["cell_type"], one["parent"], strict=True)}


def _kin(
    types: NDArray, levels: NDArray, symbols: Sequence[str], table: pd.DataFrame, settings: Atlas
) -> dict[str, str]:
    """What the table calls each type of the reference, by the type's mean levels."""
    each, roots = np.arange(len(types)), _roots(table)
    found = evidence(sp.csr_matrix(levels), symbols, each, each[:, None], table)
    called = call(type_scores(found, table, each), table, settings)["label"]
    return {str(t): roots.get(c, c) for t, c in zip(types, called, strict=True)}


def read_reference(path: Path, settings: Atlas, species: str) -> AnnData:
    """Labelled cells of a reference: counts in X, symbols in var, `label` in obs; cells without a
    label are left out."""
    cells = read_annotated(path)
    column = settings.reference_column
    refuse_column(column, list(map(str, cells.obs)), path)
    ids, names = list(map(str, cells.var_names)), list(cells.var["symbol"].astype(str))
    check_species(ids, names, {"species": species}, settings, path)
    labels = cells.obs[column].astype(str).str.strip()
    own = labels.isin(types_in(labels, column, path)).to_numpy()
    cells = cells[own].copy()
    cells.obs["label"] = labels[own]
    whole(sp.csr_matrix(cells.X).data, path)
    return cells


def levels_of(logs: sp.csr_matrix, labels: NDArray) -> tuple[NDArray, NDArray[np.float64]]:
    """Types, and the mean of their cells' log counts (types, genes)."""
    types, codes, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    member = sp.csr_matrix((1 / sizes[codes], (codes, np.arange(len(codes)))))
    return types, (member @ logs).toarray().astype(float)


def markers_of(types: NDArray, levels: NDArray, symbols: Sequence[str]) -> pd.DataFrame:
    """Genes that part types: cell_type, parent, direction, gene.

    Parameters
    ----------
    types, levels
        Of `levels_of`.
    symbols
        Of the genes.

    Notes
    -----
    A marker of a type is high in it and low in every other one. A type that has too few is joined
    with the type with which it has most together; both are then told apart within their parent,
    which is called "this or that", by genes that part them alone.
    """
    groups = _groups(levels)
    if len(groups) < 2:
        return pd.DataFrame(columns=["cell_type", "parent", "direction", "gene"])
    rows: list[tuple[str, str, str, str]] = []
    for group in groups:
        others = [k for k in range(len(types)) if k not in group]
        name = OR.join(types[group])
        chosen = _specific(levels, group, others, GAP, RELATIVE)
        rows += [(name, "", "up", symbols[g]) for g in chosen]
        for k in group if len(group) > 1 else ():
            beside = [j for j in group if j != k]
            chosen = _specific(levels, [k], beside, WITHIN_GAP, WITHIN_RELATIVE)
            rows += [(str(types[k]), name, "up", symbols[g]) for g in chosen]
    return pd.DataFrame(rows, columns=["cell_type", "parent", "direction", "gene"])


def _specific(
    levels: NDArray, own: Sequence[int], others: Sequence[int], gap: float, relative: float
) -> NDArray[np.int64]:
    """Genes whose lowest level among `own` lies above the highest of `others`, the furthest
    first."""
    low, high = levels[list(own)].min(axis=0), levels[list(others)].max(axis=0)
    above = low - high
    fit = np.flatnonzero((above >= gap) & (above >= relative * low))
    return fit[np.argsort(-above[fit], kind="stable")][:MOST]


def _groups(levels: NDArray) -> list[list[int]]:
    """Types joined until each group has enough markers against all the others."""
    groups = [[k] for k in range(len(levels))]

    def number(group: list[int]) -> int:
        others = [k for k in range(len(levels)) if k not in group]
        return len(_specific(levels, group, others, GAP, RELATIVE)) if others else 0

    while len(groups) > 1:
        weakest = min(groups, key=number)
        if number(weakest) >= ENOUGH:
            break
        rest = [g for g in groups if g is not weakest]
        centre = levels[weakest].mean(axis=0)
        likeness = [np.corrcoef(centre, levels[g].mean(axis=0))[0, 1] for g in rest]
        partner = max(
            range(len(rest)), key=lambda i: (number(sorted(weakest + rest[i])), likeness[i])
        )
        groups = [g for i, g in enumerate(rest) if i != partner]
        groups.append(sorted(weakest + rest[partner]))
    return sorted(groups)
