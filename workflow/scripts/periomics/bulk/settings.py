"""What the config's `bulk` section says, with defaults, checked and typed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from periomics.core.errors import InputError, nearest


@dataclass(frozen=True)
class Quality:
    """When a library fails: reads, genes detected; and what to do with libraries that are the same (flag or stop)."""

    min_reads: int = 10_000
    min_detected: int = 500
    duplicates: str = "flag"


@dataclass(frozen=True)
class Scoring:
    """Footprints: genes a pathway, species of the table, and the species of the gene sets."""

    footprint_top: int = 500
    footprint_species: str = "mouse"


@dataclass(frozen=True)
class Analysis:
    """One design: libraries (`select`: column → value), arm column, block columns, contrasts of claims.yaml."""

    name: str
    arm: str
    contrasts: tuple[str, ...]
    select: Mapping[str, object] = field(default_factory=dict)
    block: tuple[str, ...] = ()


@dataclass(frozen=True)
class Testing:
    """Differential tests: false discovery rate, fewest counts of a gene, fewest units an arm, distribution of the statistic (t, or
    normal as in DESeq2)."""

    alpha: float = 0.05
    min_total: int = 10
    min_per_arm: int = 3
    reference: str = "t"


@dataclass(frozen=True)
class Ranking:
    """Display of gene sets: permutations that scale the score, sizes, species of a configured GMT."""

    permutations: int = 1000
    min_size: int = 5
    max_size: int = 500
    species: str = "human"


def section(kind: type, values: Mapping[str, object] | None, where: str):
    """An instance of a settings class from a mapping.

    Raises
    ------
    InputError
        For an unknown or missing key, with the nearest known one.
    """
    values = dict(values or {})
    known = [f.name for f in fields(kind)]
    for key in values:
        if key not in known:
            raise InputError(
                f"unknown key{nearest(key, known)}",
                file="config",
                column=f"{where}/{key}",
                allowed=", ".join(known),
            )
    try:
        return kind(**values)
    except TypeError as error:
        raise InputError(
            f"this section lacks a key: {error}",
            file="config",
            column=where,
            allowed=", ".join(known),
        ) from error


def analyses(
    values: list[Mapping[str, object]] | None, where: str = "bulk/analyses"
) -> list[Analysis]:
    """Analyses of the config; `block` may be one column or a list."""
    out = []
    for i, entry in enumerate(values or []):
        entry = dict(entry)
        block = entry.get("block") or []
        entry["block"] = (block,) if isinstance(block, str) else tuple(block)
        entry["contrasts"] = tuple(str(c) for c in entry.get("contrasts") or [])
        out.append(
            section(Analysis, {**entry, "select": entry.get("select") or {}}, f"{where}/{i}")
        )
    return out
