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
_LOWER = re.compile(r"^[a-z]{2,}[a-z0-9]*(?:-[a-z0-9]+)*$")
_RODENT_STYLE = re.compile(r"^[A-Z][a-z][a-z0-9]*(?:-[a-z0-9]+)*$")
# What combined references put before the names of a species' genes: its assembly or its name, and underscores.
_BEFORE = {
    "human": r"(?:GRCh\d+|hg\d+|T2T|human|homo_sapiens)",
    "mouse": r"(?:GRCm\d+|mm\d+|mouse|mus_musculus)",
    "rat": r"(?:mRatBN7(?:[._]2)?|GRCr8|Rnor_?6(?:[._]0)?|rn\d+|rat|rattus_norvegicus)",
}
_PREFIXED = {s: re.compile(rf"^{p}(?:_+|:)(?=\S)", re.I) for s, p in _BEFORE.items()}
FEWEST_SYMBOLS = 5
FEWEST_OF_ONE_RODENT = 20
FEWEST_OF_ANOTHER, MOST_OF_ANOTHER = 20, {"ids": 0.02, "symbols": 0.2}
"""Names of a second species from which a table is of two: how many, and which share; symbols are written alike here and there."""


def without_prefix(name: str) -> tuple[str, str]:
    """Species that a combined reference wrote before a gene's name ('' where none), and the name without it."""
    for species, pattern in _PREFIXED.items():
        if match := pattern.match(name):
            return species, name[match.end() :]
    return "", name


def species_of_id(name: str) -> str:
    """Species that the prefix of a combined reference or an Ensembl id tells; '' for other names, symbols among them."""
    species, bare = without_prefix(name)
    if species:
        return species
    match = _ENSEMBL.match(bare)
    return _PREFIX.get(match[1], f"ENS{match[1]}") if match else _foreign(bare)


def _foreign(name: str) -> str:
    return next((species for pattern, species in _FOREIGN if pattern.match(name)), "")


def kind_of_gene(name: str) -> str:
    """Species that a gene's name tells: one of the known, 'rodent', a foreign one by name, or '' where it tells none."""
    if species := species_of_id(name):
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


def refuse_other_species(genes: Sequence[str], species: str, least: float, path: object) -> None:
    """Refuse a table whose gene names are those of another species than the sheet says.

    Parameters
    ----------
    genes
        Gene ids or symbols.
    species
        As the libraries sheet says.
    least
        Fewest of the names that tell a species, as a share, that must be the sheet's.
    path
        File, for the message.

    Raises
    ------
    InputError
        With the share of the names that are the species' own, and what the others are; for symbols in lower case.
    """
    lower = [g for g in genes if _LOWER.match(g) and not _ANY.match(g)]
    stems = {g.rstrip("0123456789") for g in lower}  # var0, var1 … are placeholders, no symbols
    if len(stems) >= FEWEST_SYMBOLS and 2 * len(lower) > len(genes):
        raise InputError(
            "symbols are in lower case: no set, ligand or marker would be found by them",
            file=path,
            value=lower[0],
            allowed="VEGFA (human), Vegfa (rat, mouse)",
        )
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
    if not told or (own / told >= least and not theirs):
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


def refuse_two_species(genes: Sequence[str], species: str, path: object, hint: str) -> None:
    """Refuse a table of a species that holds genes of another one too, told by ids, prefixes or the form of symbols.

    Parameters
    ----------
    genes
        Gene ids or symbols.
    species
        As the libraries sheet says.
    path
        File, for the message.
    hint
        What to do about it.

    Raises
    ------
    InputError
        With the numbers of both.
    """
    kinds = {g: kind_of_gene(g) for g in genes}
    found = Counter(kinds.values())
    ids = {k: n for k, n in found.items() if k and " symbols" not in k and k != "rodent"}
    symbols = {"human": found["human symbols"], "rodent": found["rodent"]}
    own = {"human": "human"}.get(species, "rodent")
    for least, told, mine in (
        (MOST_OF_ANOTHER["ids"], ids, species),
        (MOST_OF_ANOTHER["symbols"], symbols, own),
    ):
        others = [(n, k) for k, n in told.items() if k != mine]
        number, name = max(others, default=(0, ""))
        if min(number, told.get(mine, 0)) < max(FEWEST_OF_ANOTHER, least * sum(told.values())):
            continue
        first = next(g for g, k in kinds.items() if k.removesuffix(" symbols") == name)
        raise InputError(
            f"genes of two species: {told.get(mine, 0)} are of {species}, {number} of {_said(name)}",
            file=path,
            column="species",
            value=first,
            allowed=hint,
        )


def _said(kind: str) -> str:
    return {"rodent": "rat or mouse"}.get(kind, kind.removesuffix(" symbols"))
