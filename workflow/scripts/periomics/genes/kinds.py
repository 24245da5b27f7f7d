"""Of which species the genes of a table are, by the form of their names: prefixes of Ensembl, and how symbols are written."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from periomics.core.errors import InputError
from periomics.study.species import SPECIES

_ENSEMBL = re.compile(r"^ENS([A-Z]*?)(?:G|T|P)\d{6,}")
_PREFIX = {"": "human", "RNO": "rat", "MUS": "mouse"}
_FOREIGN = (
    (re.compile(r"^FB(?:gn|tr)\d{7}"), "fly"),
    (re.compile(r"^WBGene\d{8}"), "worm"),
    (re.compile(r"^AT[1-5MC]G\d{5}"), "thale cress"),
    (re.compile(r"^Y[A-P][LR]\d{3}[WC]"), "yeast"),
)
# Names that are written so in several species.
_ANY = re.compile(r"^(?:LOC|RGD|AABR|RT1|AC|AL|AP|Gene|Filler|gene)[\d-]|^(?:ERCC-|Mt-|mt-|MT-)")
_MOUSE = re.compile(r"^(?:Gm\d{3,}|[A-Z0-9]+Rik\d*|H2-[A-Z]\w*|mt-[A-Z]\w*)$")
_RAT = re.compile(r"^(?:RT1-\w+|RGD\d{6,}|AABR\d+\.\d+|Mt-\w+)$")
_HUMAN_STYLE = re.compile(r"^(?:[A-Z]{2}[A-Z0-9]*|C(?:\d+|X)orf\d+)(?:-[A-Z0-9]+)*$")
_RODENT_STYLE = re.compile(r"^[A-Z][a-z][a-z0-9]*(?:-[a-z0-9]+)*$")
FEWEST_SYMBOLS = 5
FEWEST_OF_ONE_RODENT = 20


def kind_of_gene(name: str) -> str:
    """Species that a gene's name tells: one of the known, 'rodent', a foreign one by name, or '' where it tells none."""
    match = _ENSEMBL.match(name)
    if match:
        return _PREFIX.get(match[1], f"ENS{match[1]}")
    for pattern, species in _FOREIGN:
        if pattern.match(name):
            return species
    if _MOUSE.match(name):
        return "mouse symbols"
    if _RAT.match(name):
        return "rat symbols"
    if _ANY.match(name):
        return ""
    if _RODENT_STYLE.match(name):
        return "rodent"
    return "human symbols" if _HUMAN_STYLE.match(name) else ""


def refuse_other_species(
    genes: Sequence[str], species: str, least: float, path: object, co_culture: str = ""
) -> None:
    """Refuse a table whose gene names are those of another species than the sheet says.

    Parameters
    ----------
    genes
        Gene ids or symbols.
    species
        As the libraries sheet says.
    least
        Fewest of the names that tell a species, as a share, that must be the sheet's; a tenth suffices beside other cells.
    path
        File, for the message.
    co_culture
        Other species or cells in the dish, as the sheet says.

    Raises
    ------
    InputError
        With the share of the names that are the species' own, and what the others are.
    """
    found = Counter(kind_of_gene(g) for g in genes)
    del found[""]
    symbols = sum(found[k] for k in ("rodent", "human symbols", "mouse symbols", "rat symbols"))
    if symbols < FEWEST_SYMBOLS:
        for kind in ("rodent", "human symbols", "mouse symbols", "rat symbols"):
            del found[kind]
    other = {"rat": "mouse", "mouse": "rat"}.get(species, "")
    own = found[species] + found[f"{species} symbols"]
    own += found["rodent"] if species != "human" else 0
    strange = found[f"{other} symbols"] if other else 0
    theirs = strange >= FEWEST_OF_ONE_RODENT and strange > 4 * found[f"{species} symbols"]
    told = sum(found.values())
    least = min(least, 0.1) if co_culture else least
    if not told or (own / told >= least and (not theirs or co_culture)):
        return
    kinds = Counter(
        {_said(k): n for k, n in found.items() if k not in (species, f"{species} symbols")}
    )
    if species != "human":
        kinds[_said("rodent")] = 0
    name, number = (
        max(kinds.items(), key=lambda kv: (kv[1], kv[0])) if not theirs else (other, strange)
    )
    first = next(g for g in genes if _said(kind_of_gene(g)) == name)
    raise InputError(
        f"genes are not of {species}: {100 * (own - strange * theirs) / told:.0f} % of {told} names "
        f"are written as its genes are, {number} as those of {name}",
        file=path,
        column="species",
        value=first,
        allowed=f"the species of the reads ({', '.join(SPECIES)}), or genes of {species}",
    )


def _said(kind: str) -> str:
    return {"rodent": "rat or mouse"}.get(kind, kind.removesuffix(" symbols"))
