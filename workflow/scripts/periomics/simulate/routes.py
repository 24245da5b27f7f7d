"""Ways of planted links from ligand to genes, in a network that is not the one a solver reads: some
of its signs are turned, some of what its factors regulate is missing, and genes that nobody lists
are regulated as well."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from periomics.genes.axes import AXIS, SetTables, response_sets
from periomics.simulate.links import AXES, Axis

# As of the planted sets, shares of what an axis' set or a factor regulates.
DROPPED, FLIPPED, ADDED = 0.4, 0.1, 0.2
# log2 fold change per unit of the response at the median gene; spread over genes is lognormal.
STRENGTH, SPREAD = 2.0, 0.25
# Signalling steps from receptor to factor, and how many factors carry an axis.
STEPS, FACTORS = 5, 2
GENE_COLUMNS = ("gene_id", "set", "listed", "component", "lfc")
COLUMNS = ("axis", "source", "sign", "target", "layer", "listed")
# Sets of what moves an outcome, by its domain.
PROGRAMMES = {"barrier": "EPI_", "vessels": "ANG_"}
BINDING, SIGNAL, REGULATION = "ligand_receptor", "signalling", "transcription"
State = tuple[str, int]
Members = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class Planted:
    """Genes that the axes move (`GENE_COLUMNS`; listed: yes where its response names the gene) and
    the edges by which (`COLUMNS`).

    `listed` of an edge: yes, flipped (the table has the other sign) or no (the table lacks it).
    """

    genes: pd.DataFrame
    edges: pd.DataFrame


def perturbed(signalling: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """The table's edges with a tenth of the signs turned and without 40 % of those from factor to
    gene; `listed` says what was done.

    Binding of ligand and receptor stays.
    """
    out = signalling[["source", "sign", "target", "layer"]].reset_index(drop=True)
    missing = (out["layer"] == REGULATION) & (rng.random(len(out)) < DROPPED)
    turned = (out["layer"] != BINDING) & (rng.random(len(out)) < FLIPPED)
    sign = out["sign"].astype(int).where(~turned, -out["sign"].astype(int))
    return out.assign(sign=sign, listed=np.where(turned, "flipped", "yes"))[~missing]


def reached(edges: pd.DataFrame, receptor: str, steps: int) -> dict[State, list[tuple]]:
    """Every node that signalling reaches from an active receptor, up or down, with the edges of a
    shortest way to it."""
    ahead: dict[str, list[tuple]] = {}
    for e in edges[edges["layer"] == SIGNAL].itertuples(index=False):
        ahead.setdefault(str(e.source), []).append(tuple(e))
    found: dict[State, list[tuple]] = {(receptor, 1): []}
    waiting = deque(found)
    while waiting:
        node = waiting.popleft()
        if len(found[node]) == steps:
            continue
        for edge in ahead.get(node[0], []):
            then = (str(edge[2]), node[1] * int(edge[1]))
            if then not in found:
                found[then] = [*found[node], edge]
                waiting.append(then)
    return found


def responding(tables: SetTables) -> Members:
    """Genes by which responses are scored: response → human symbol → sign when it is active."""
    sets = response_sets(tables.signatures, tables.responses, "human")
    return {s.name: {m.names[0]: m.sign for m in s.members} for s in sets}


def reserved(tables: SetTables, species: str) -> set[str]:
    """Genes of a species that no other programme moves, so that a response says nothing but its
    axis."""
    known, members = symbols_in(tables.signatures, species), responding(tables)
    return {known[g] for axis in AXES for g in members[axis.response] if g in known}


def sent(tables: SetTables, species: str) -> dict[str, bool]:
    """Whether the stem cells send each ligand of an axis, by gene of a species."""
    known, ours = symbols_in(tables.signatures, species), {a.ligand for a in AXES}
    rows = tables.signatures[tables.signatures["set"].str.startswith(AXIS)]
    ligands = rows.loc[rows["role"] == "ligand", "gene_human"]
    return {known[g]: g in ours for g in ligands if g in known}


def effectors_of(signatures: pd.DataFrame, members: Members, axis: Axis) -> set[str]:
    """Human symbols of the programmes by which an axis drives its outcome, without genes that tell
    a response; none of a decoy."""
    if not axis.domain:
        return set()
    part = signatures["set"].str.startswith(PROGRAMMES[axis.domain])
    return set(signatures.loc[part, "gene_human"]).difference(*members.values())


def symbols_in(signatures: pd.DataFrame, species: str) -> dict[str, str]:
    """Human symbol → gene id of the simulated study."""
    pairs = zip(signatures["gene_human"], signatures[f"gene_{species}"], strict=True)
    return {str(h): str(g).split("|")[0] for h, g in pairs if g != "NA"}


def plant(
    tables: SetTables,
    signalling: pd.DataFrame,
    species: str,
    fillers: Sequence[str],
    rng: np.random.Generator,
) -> Planted:
    """Genes of every axis and the ways that lead to them.

    Parameters
    ----------
    tables
        The team's signatures and responses.
    signalling
        resources/signalling.tsv: source, sign, target, layer in human symbols.
    species
        Whose symbols are the gene ids.
    fillers
        Genes of no set.
    rng
        Generator.

    Returns
    -------
    Planted
        Of an axis' members 40 % (rounded down) do not move and a tenth (rounded) of the others
        moves the other way; a fifth as many genes that no set names move as well. Of what the
        factors of its ways regulate in the perturbed network, genes of its outcome's programmes
        move as these say; a decoy has none.
    """
    known, network = symbols_in(tables.signatures, species), perturbed(signalling, rng)
    told = responding(tables)
    members = {a: {g: s for g, s in told[a.response].items() if g in known} for a in AXES}
    listed = set(zip(signalling["source"], signalling["target"], strict=True))
    edges: list[tuple] = []
    moved: dict[Axis, dict[str, int]] = {}
    for axis in AXES:
        own = _perturbed_members(members[axis], rng)
        ways = reached(network, axis.receptor, STEPS)
        effectors = effectors_of(tables.signatures, told, axis) & set(known)
        carried, used = _regulated(network, ways, own, effectors)
        moved[axis] = {known[g]: s for g, s in (carried | own).items()}
        binding = (axis.ligand, 1, axis.receptor, BINDING)
        edges.append((axis.name, *binding, "yes" if binding[::2] in listed else "no"))
        edges += [(axis.name, *e) for e in used]
    free = [str(g) for g in rng.permutation(np.array(fillers, dtype=object))]
    genes = [
        _rows(a, signs, {known[g] for g in members[a]}, free, rng) for a, signs in moved.items()
    ]
    return Planted(pd.concat(genes, ignore_index=True), pd.DataFrame(edges, columns=list(COLUMNS)))


def _rows(
    axis: Axis,
    signs: Mapping[str, int],
    named: Collection[str],
    free: list[str],
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Genes of an axis with their changes, and some that no set names, which are taken from `free`."""
    n = min(len(free), round(ADDED * len(named)))
    every = {**signs, **{free.pop(): int(s) for s in rng.choice([-1, 1], n)}}
    sizes = STRENGTH * np.exp(rng.normal(0, SPREAD, len(every)))
    rows = {
        "gene_id": list(every),
        "set": axis.response,
        "listed": ["yes" if g in named else "no" for g in every],
        "component": axis.target,
        "lfc": np.array(list(every.values())) * sizes,
    }
    return pd.DataFrame(rows, columns=list(GENE_COLUMNS))


def _perturbed_members(members: Mapping[str, int], rng: np.random.Generator) -> dict[str, int]:
    """Members that respond, with the sign by which they do."""
    order = [str(g) for g in rng.permutation(sorted(members))]
    kept = order[int(DROPPED * len(order)) :]
    turned = set(kept[: round(FLIPPED * len(kept))])
    return {g: members[g] * (-1 if g in turned else 1) for g in kept}


def _regulated(
    network: pd.DataFrame,
    ways: Mapping[State, list[tuple]],
    own: Mapping[str, int],
    effectors: Collection[str],
) -> tuple[dict[str, int], list[tuple]]:
    """Effectors that the factors of an axis regulate, and all edges from receptor to genes.

    Factors are those that lead to most effectors, and to members in the direction in which these
    respond.
    """
    by_factor: dict[str, list[tuple]] = {}
    for edge in network[network["layer"] == REGULATION].itertuples(index=False):
        by_factor.setdefault(str(edge[0]), []).append(tuple(edge))

    def wanted(state: State) -> list[tuple]:
        signs = ((e, state[1] * int(e[1])) for e in by_factor[state[0]])
        return [e for e, s in signs if own.get(str(e[2]), 0) == s or e[2] in effectors]

    states = [s for s in ways if s[0] in by_factor and wanted(s)]
    states.sort(key=lambda s: (-len(wanted(s)), len(ways[s]), s))
    carried: dict[str, int] = {}
    used: list[tuple] = []
    for factor in _distinct(states):
        new = [e for e in wanted(factor) if e[2] not in carried]
        carried |= {str(e[2]): factor[1] * int(e[1]) for e in new if e[2] not in own}
        used += [e for e in [*ways[factor], *new] if new and e not in used]
    return carried, used


def _distinct(states: Iterable[State]) -> list[State]:
    """The first states of `FACTORS` different nodes."""
    out: dict[str, State] = {}
    for state in states:
        if len(out) < FACTORS:
            out.setdefault(state[0], state)
    return list(out.values())
