"""What a network asks: its edges, inputs and weights in the symbols of the libraries, from the files of a job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from periomics.core.results import read_result
from periomics.genes.axes import SetTables
from periomics.linkage.doubts import with_doubts
from periomics.linkage.inverse import asked
from periomics.linkage.signed import Signed, named_inputs, network_of
from periomics.study.settings.linkage import SignallingNetwork


@dataclass(frozen=True)
class Asked:
    """Edges, inputs and settings of one network, the receptors that its table knows, and what was left out."""

    edges: pd.DataFrame
    inputs: Mapping[str, int]
    settings: SignallingNetwork
    receptors: frozenset[str]
    notes: tuple[str, ...]


def asked_of(files: Mapping[str, str], settings: SignallingNetwork, species: str) -> Asked:
    """The question of a network.

    Parameters
    ----------
    files
        Of `network_of`; where inputs are those of the evidence also `axes`, `signatures`, `responses`.
    settings, species
        Of the network; of its libraries.
    """
    network, receptors = network_of(files, settings, species)
    notes = list(network.notes)
    given: Mapping[str, int]
    if isinstance(settings.inputs, dict):
        given = settings.inputs
    else:
        given, said = _shown(files, network)
        notes.append(said)
    inputs, lost = named_inputs(given, network)
    weights, unweighted = _weights(settings.weights, network)
    edges, known, own = asked(network.edges, inputs, receptors, settings.but(weights=weights))
    edges = with_doubts(edges, settings.price)
    return Asked(edges, known, own, receptors, (*notes, *lost, *unweighted))


def _shown(files: Mapping[str, str], network: Signed) -> tuple[dict[str, int], str]:
    """Receptors of the axes whose ligand and receptor are shown, of those that the network has."""
    axes = read_result(files["axes"])
    held = axes["held"].fillna("").astype(str).str.split()
    both = set(axes.loc[[{"L1", "L2"} <= set(h) for h in held], "axis"])
    tables = SetTables.read(files["signatures"], files["responses"])
    own = [a for name, a in tables.axes()["human"].items() if name in both]
    names = sorted({n for a in own for r in a.receptors for n in r} & set(network.symbols))
    said = f"inputs: {len(names)} receptors of {len(both)} axes with ligand and receptor shown"
    return dict.fromkeys(names, 1), f"{said}: {', '.join(names) or 'none'}"


def _weights(weights: Mapping[str, float], network: Signed) -> tuple[dict[str, float], list[str]]:
    """Weights in the symbols of the libraries; an unknown node is refused as an input is."""
    out, lost = {}, []
    for name, share in weights.items():
        named_inputs({name: 1}, network)
        symbol = network.symbols[name]
        if symbol:
            out[symbol] = float(share)
        else:
            lost.append(f"weight of {name}: no ortholog in the species of the libraries")
    return out, lost
