"""Nodes of a network with their kinds, and the edges on from genes to programmes and outcomes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from periomics.linkage.inverse import FREE
from periomics.linkage.network import Pool
from periomics.linkage.programmes import NOTHING, OUTCOME, PROGRAMME, programme_edges
from periomics.linkage.signed import BINDING, TRANSCRIPTION
from periomics.study.interface.linkage import EDGE_COLUMNS, NODE_COLUMNS

LIGAND, RECEPTOR, SIGNALLING, FACTOR, EFFECTOR = (
    "ligand",
    "receptor",
    "signalling",
    "factor",
    "effector",
)
KINDS = (LIGAND, RECEPTOR, SIGNALLING, FACTOR, EFFECTOR, PROGRAMME, OUTCOME)


def carried_on(
    table: pd.DataFrame,
    pool: Pool,
    genes: Mapping[str, float],
    effectors: pd.DataFrame,
    outcomes: pd.DataFrame,
) -> pd.DataFrame:
    """Edges of routes, and on from explained effectors to programmes and to the outcomes that are attached.

    Parameters
    ----------
    table
        Of `find_routes`.
    pool
        Its optima: the frequency of an edge to a programme is the share of optima that get its gene right.
    genes
        Changed gene → signed weight.
    effectors, outcomes
        Of `programmes.effectors` and `programmes.tracked`.
    """
    own = table[~table["layer"].isin([PROGRAMME, FREE])]
    right = {
        g: float(np.mean([s.states.get(g, 0) * genes[g] > 0 for s in pool.solutions]))
        for g in sorted(set(own["target"]) & set(genes))
    }
    known = {g for g, share in right.items() if share > 0}
    states = pool.solutions[0].states if pool.solutions else {}
    more = programme_edges(effectors, known)
    more["frequency"] = more["source"].map(right)
    held = outcomes[(outcomes["reason"] == "") & outcomes["programme"].isin(set(more["target"]))]
    ends = pd.DataFrame(
        {
            "source": held["programme"],
            "sign": np.sign(held["r"]),
            "target": held["outcome"],
            "layer": OUTCOME,
            "evidence": "association",
        }
    )
    out = pd.concat([t for t in (own, more, ends) if len(t)] or [own], ignore_index=True)
    out["source_state"] = [states.get(s, 0) for s in out["source"]]
    out["target_state"] = [states.get(t, 0) for t in out["target"]]
    at_end = (out["layer"] == OUTCOME).to_numpy()
    moved = out["source_state"].to_numpy(float) * out["sign"].to_numpy(float)
    out.loc[at_end, "target_state"] = moved[at_end].astype(int)
    out["sign"] = out["sign"].astype(int)
    out["pool_complete"] = "yes" if pool.complete else "no"
    return out.reindex(columns=list(EDGE_COLUMNS))


def node_table(
    table: pd.DataFrame,
    measured: Mapping[str, float],
    outcomes: pd.DataFrame,
    programmes: Mapping[str, float],
) -> pd.DataFrame:
    """Every node of the routes with its kind, and every programme and outcome with what is known of it.

    Parameters
    ----------
    table
        Of `carried_on`.
    measured
        Changed gene → signed weight.
    outcomes
        Of `programmes.tracked`.
    programmes
        Programme → signed weight, of those to be explained.
    """
    state = dict(zip(table["source"], table["source_state"], strict=True))
    state |= dict(zip(table["target"], table["target_state"], strict=True))
    kinds = _kinds(table)
    rows = [
        {"node": v, "kind": kinds[v], "state": state[v], "weight": measured.get(v, np.nan)}
        for v in sorted(kinds)
        if kinds[v] not in (PROGRAMME, OUTCOME)
    ]
    for programme in sorted(
        set(outcomes["programme"]) | {v for v in kinds if kinds[v] == PROGRAMME}
    ):
        known = programmes.get(programme, np.nan)
        reason = "" if programme in programmes else NOTHING
        rows.append(
            {
                "node": programme,
                "kind": PROGRAMME,
                "state": state.get(programme, 0),
                "weight": known,
                "reason": reason,
            }
        )
    for row in outcomes.to_dict("records"):
        there = kinds.get(row["outcome"]) == OUTCOME
        told = row["reason"] or ("" if there else "no route leads to its programme")
        rows.append(
            {
                "node": row["outcome"],
                "kind": OUTCOME,
                "state": state.get(row["outcome"], 0) if there else 0,
                "weight": row["r"],
                "p_adj": row["p_adj"],
                "n": row["n"],
                "of": row["programme"],
                "reason": told,
            }
        )
    return pd.DataFrame(rows).reindex(columns=list(NODE_COLUMNS))


def _kinds(table: pd.DataFrame) -> dict[str, str]:
    """Kind of every node by the layers of its edges; receptors are where routes begin."""
    out: dict[str, str] = {}
    starts = set(table["source"]) - set(table["target"])
    by_factor = table.loc[table["layer"] == TRANSCRIPTION]
    ends = set(by_factor["target"])
    ends |= set(table.loc[table["layer"] == PROGRAMME, "source"])
    bound = set(table.loc[table["layer"] == BINDING, "source"])
    inner = table[~table["layer"].isin([PROGRAMME, OUTCOME])]
    ends |= set(inner["target"]) - set(inner["source"])
    for node in set(table["source"]) | set(table["target"]):
        out[node] = SIGNALLING
    out |= dict.fromkeys(ends, EFFECTOR)
    out |= dict.fromkeys(set(by_factor["source"]), FACTOR)
    out |= dict.fromkeys(starts, RECEPTOR)
    out |= dict.fromkeys(bound & starts, LIGAND)
    bound_by = set(table.loc[table["layer"] == BINDING, "target"])
    out |= dict.fromkeys(bound_by, RECEPTOR)
    out |= dict.fromkeys(set(table.loc[table["layer"] == PROGRAMME, "target"]), PROGRAMME)
    out |= dict.fromkeys(set(table.loc[table["layer"] == OUTCOME, "target"]), OUTCOME)
    return out
