"""Genes of a file that was counted against the references of several species at once: whose they are, by prefix or id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from periomics.core.errors import InputError
from periomics.genes.kinds import species_of_id, without_prefix

COMBINED = (
    "a row for each species with `reference: combined` in the libraries sheet where reads were "
    "counted against both references, or the genes of one species only"
)


@dataclass(frozen=True)
class Told:
    """Genes of a library's species in a file.

    Attributes
    ----------
    species
        Of every gene of the file, '' where neither prefix nor id tells it.
    own
        Which genes are of the library's species; all of them where the reference is of one.
    names
        Names of those without prefixes.
    """

    species: NDArray[np.str_]
    own: NDArray[np.bool_]
    names: list[str]


def is_combined(fact: Mapping[str, object]) -> bool:
    """Whether a library's file holds the genes of several species."""
    return str(fact.get("reference", "")) == "combined"


def told_genes(
    genes: Sequence[str], fact: Mapping[str, object], symbols: Sequence[str] = ()
) -> Told:
    """Whose genes are those of a file, by what a combined reference writes before them or by Ensembl's code.

    Parameters
    ----------
    genes
        Names as they stand in the file.
    fact
        Row of the libraries sheet: path, species, reference.
    symbols
        Other names of the same genes, which tell where the first do not.

    Raises
    ------
    InputError
        If no gene is of the species, or one stands twice without its prefix.
    """
    species, combined = str(fact.get("species", "")), is_combined(fact)
    told = np.array([species_of_id(g) for g in genes], dtype=str)
    if len(symbols):
        also = np.array([species_of_id(s) for s in symbols], dtype=str)
        told = np.where(told == "", also, told)
    own = told == species if combined else np.ones(len(genes), bool)
    if not own.any():
        others = ", ".join(sorted(set(told.tolist()) - {""})) or "none"
        raise InputError(
            f"holds no gene of {species} that is told by its id or a prefix (told: {others})",
            file=str(fact["path"]),
            column="reference",
            value=genes[0] if len(genes) else "",
            allowed="Ensembl ids, or names behind a species or assembly, such as rat_Actb",
        )
    names = [without_prefix(g)[1] for g, o in zip(genes, own, strict=True) if o]
    _refuse_doubled(names, [g for g, o in zip(genes, own, strict=True) if o], fact)
    return Told(told, own, names)


def _refuse_doubled(
    names: Sequence[str], written: Sequence[str], fact: Mapping[str, object]
) -> None:
    first: dict[str, str] = {}
    for name, whole in zip(names, written, strict=True):
        if first.setdefault(name, whole) != whole:
            message = "gene stands twice without its prefix"
            raise InputError(message, file=str(fact["path"]), value=name)


def said_shares(shares: Mapping[str, float]) -> str:
    """Shares by species in words, the largest first."""
    parts = sorted(shares.items(), key=lambda kv: -kv[1])
    return ", ".join(f"{100 * v:.3g} % {k or 'of none'}" for k, v in parts)
