"""What the config's `singlecell` section says, with defaults, checked and typed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from periomics.core.errors import InputError, nearest


@dataclass(frozen=True)
class AtlasSettings:
    """How cells are read, kept, embedded and named; the same for every library, declared blind to arms.

    Attributes
    ----------
    sample_column
        Column of a shared h5ad's cells that holds the sheet's `sample`.
    label_column
        Column with labels of one's own, which then take the place of marker labels.
    min_counts, min_genes, max_mito_percent
        Cells outside are dropped.
    doublet_rate
        Expected share of doublets in a library.
    drop_doublets
        Whether predicted doublets are dropped.
    n_variable, n_components, n_neighbours, resolution
        Variable genes, principal components, neighbours of a cell, Leiden resolution.
    min_margin
        A cluster is named where the best type's marker score beats the second by this (in SD of cells).
    """

    sample_column: str = "sample"
    label_column: str | None = None
    min_counts: int = 500
    min_genes: int = 200
    max_mito_percent: float = 20.0
    doublet_rate: float = 0.05
    drop_doublets: bool = True
    n_variable: int = 1000
    n_components: int = 20
    n_neighbours: int = 15
    resolution: float = 1.0
    min_margin: float = 0.2


@dataclass(frozen=True)
class ComparisonSettings:
    """Pseudobulk tests: arm column, blocks, contrasts, and what a test needs."""

    arm: str = "group"
    block: tuple[str, ...] = ()
    contrasts: tuple[str, ...] = ()
    select: Mapping[str, object] | None = None
    min_cells: int = 20
    min_per_arm: int = 3
    alpha: float = 0.05
    min_total: int = 10
    reference: str = "t"


def atlas_settings(values: Mapping[str, object] | None) -> AtlasSettings:
    """Settings of the atlas; InputError for an unknown key."""
    return AtlasSettings(**_checked(AtlasSettings, values, "singlecell/atlas"))


def comparison_settings(values: Mapping[str, object] | None) -> ComparisonSettings:
    """Settings of the tests; `block` may be one column or a list. InputError for an unknown key."""
    found = _checked(ComparisonSettings, values, "singlecell/tests")
    block = found.get("block") or ()
    found["block"] = (block,) if isinstance(block, str) else tuple(block)
    found["contrasts"] = tuple(str(c) for c in found.get("contrasts") or ())
    return ComparisonSettings(**found)


def _checked(kind: type, values: Mapping[str, object] | None, where: str) -> dict[str, object]:
    known = [f.name for f in fields(kind)]
    for key in values or {}:
        if key not in known:
            raise InputError(
                f"unknown key{nearest(key, known)}",
                file="config",
                column=f"{where}/{key}",
                allowed=", ".join(known),
            )
    return dict(values or {})
