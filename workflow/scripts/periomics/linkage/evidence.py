"""What is known of every paracrine axis: ligand, receptor, response, outcome, perturbation; each with its number or what is missing.

The steps are rungs of a ladder, L1 to L5 (`study.interface.linkage.RUNGS`). Nothing here scores a pair of ligand and receptor in one
mixed tissue: the ligand must be in a sender, the receptor in a receiver, each with its own species.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from periomics.core.multiplicity import benjamini_hochberg
from periomics.genes.axes import RESPONSE, Axis
from periomics.linkage.expression import CELLS
from periomics.study.dictionary import score_parts
from periomics.study.interface.genes import GROUPWISE, ROTATION
from periomics.study.interface.linkage import EVIDENCE_COLUMNS, RUNGS
from periomics.study.settings.linkage import Linkage, Question

L1, L2, L3, L4, L5 = RUNGS
YES, NO, UNKNOWN = "yes", "no", "unknown"
# Files that the numbers are of.
SET_TESTS, ASSOCIATIONS = "bulk/set_tests.tsv", "linkage/associations.tsv"
CONTRASTS = "statistics/contrasts.tsv"
Row = dict[str, object]
# Rows of counts by place and species.
Counted = dict[tuple[str, str], list[dict[str, Any]]]


@dataclass(frozen=True)
class Known:
    """Tables that the evidence is read from; empty where the study has none.

    Attributes
    ----------
    axes
        Species → axis → `Axis` in its symbols.
    expression
        Of `expressed`.
    secretome
        Of `read_secretome`; None where none was given.
    set_tests, associations, contrasts
        bulk/set_tests.tsv, linkage/associations.tsv, statistics/contrasts.tsv.
    """

    axes: Mapping[str, Mapping[str, Axis]]
    expression: pd.DataFrame
    secretome: pd.DataFrame | None
    set_tests: pd.DataFrame
    associations: pd.DataFrame
    contrasts: pd.DataFrame


def evidence(known: Known, settings: Linkage) -> pd.DataFrame:
    """Every step of every axis for every question.

    Parameters
    ----------
    known
        What was measured.
    settings
        Questions, senders, tests of responses, perturbations, level.

    Returns
    -------
    DataFrame
        EVIDENCE_COLUMNS. `holds` is yes, no, or unknown where nothing was measured, with the reason; `table` the file of the number.
    """
    responses = response_tests(known.set_tests, settings.responses)
    human = known.axes["human"]
    counted: Counted = {}
    for row in known.expression.to_dict("records"):
        counted.setdefault((row["place"], row["species"]), []).append(row)
    rows: list[Row] = []
    for question in settings.questions:
        for name, axis in sorted(human.items()):
            shared = {"axis": name, "response": axis.response, "question": question.name}
            steps: Sequence[Iterator[Row]] = (
                _ligand(name, known, counted, settings),
                _receptor(name, known.axes, counted, question, settings),
                _response(axis, responses, settings),
                _outcome(axis, known.associations, question, settings.alpha),
                _perturbation(name, known.contrasts, question, settings),
            )
            for rung, step in zip(RUNGS, steps, strict=True):
                rows += [{**shared, "rung": rung, **row} for row in step]
    text = dict.fromkeys(("subject", "unit", "table", "reason"), "")
    return pd.DataFrame(rows).reindex(columns=list(EVIDENCE_COLUMNS)).fillna(text)


def _unknown(reason: str, subject: str = "") -> Row:
    return {"holds": UNKNOWN, "subject": subject, "reason": reason}


def _strongest(
    genes: Sequence[tuple[str, ...]], part: Sequence[dict[str, Any]]
) -> tuple[dict[str, Any] | None, list[str]]:
    """The row of the gene with most counts, and the genes that no library of the place knows."""
    hits, absent = [], []
    for names in genes:
        own = [row for row in part if row["symbol"] in names]
        if own:
            hits.append(_most(own))
        else:
            absent.append(names[0])
    best = max(hits, key=lambda r: r["cpm"]) if hits else None
    return best, absent


def _most(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The row with most counts, of equal ones the last."""
    return sorted(rows, key=lambda r: r["cpm"])[-1]


def _places(
    name: str,
    role: str,
    axes: Mapping[str, Mapping[str, Axis]],
    counted: Counted,
    places: Sequence[str],
    settings: Linkage,
) -> Iterator[Row]:
    """A row for every place and species: the strongest gene of the role, in the symbols of that species."""
    for (place, species), part in sorted(counted.items(), key=lambda item: item[0]):
        if place not in places:
            continue
        genes = getattr(axes[species][name], role)
        if not genes:
            yield _unknown(f"{species} has no ortholog of the {role}", place)
            continue
        best, absent = _strongest(genes, part)
        lacking = f"not in the counts: {', '.join(absent)}" if absent else ""
        if best is None:
            yield _unknown(lacking, place)
            continue
        cells = best["table"] == CELLS
        ambient = _ambient(best, counted, settings.ambient_share) if cells else ""
        yield {
            "holds": YES if best["cpm"] >= settings.expressed_cpm and not ambient else NO,
            "subject": f"{best['symbol']} in {place}{' cells' if cells else ''} ({species})",
            "value": best["cpm"],
            "unit": "CPM",
            "n": best["n"],
            "table": best["table"],
            "reason": "; ".join(s for s in (ambient, lacking) if s),
        }


def _ambient(row: dict[str, Any], counted: Counted, share: float) -> str:
    """Why counts of a cell type may be those of another type, which float in every droplet; '' where they may not.

    They may where they are fewer than a `share` of those of the type that has most of the gene.
    """
    gene = (CELLS, row["species"], row["symbol"])
    most = _most(
        [
            r
            for part in counted.values()
            for r in part
            if (r["table"], r["species"], r["symbol"]) == gene
        ]
    )
    if row["cpm"] >= share * most["cpm"]:
        return ""
    return f"{most['place']} cells have {most['cpm']:.3g} CPM: it may float in the droplets"


def _ligand(name: str, known: Known, counted: Counted, settings: Linkage) -> Iterator[Row]:
    found = list(_places(name, "ligands", known.axes, counted, settings.senders, settings))
    yield from found
    ligands = [names[0] for names in known.axes["human"][name].ligands]
    if known.secretome is not None:
        looked = known.secretome[known.secretome["ligand"].isin(ligands)]
        for row in looked.itertuples():
            holds = YES if row.detected else NO
            yield {
                "holds": holds,
                "subject": f"{row.ligand} in the medium",
                "table": "resources/secretome",
            }
        if len(looked):
            return
    if not found:
        yield _unknown(f"no library of {' or '.join(settings.senders)}, and no table of the medium")


def _receptor(
    name: str,
    axes: Mapping[str, Mapping[str, Axis]],
    counted: Counted,
    question: Question,
    settings: Linkage,
) -> Iterator[Row]:
    found = list(_places(name, "receptors", axes, counted, question.receivers, settings))
    yield from found or [_unknown(f"no library of {' or '.join(question.receivers)}")]


def response_tests(set_tests: pd.DataFrame, wanted: Sequence[str]) -> pd.DataFrame:
    """Responses in the declared tests: direction, p (the larger of both self-contained tests) and p_adj over all of them.

    Parameters
    ----------
    set_tests
        bulk/set_tests.tsv.
    wanted
        Tests.

    Returns
    -------
    DataFrame
        response, test, direction, stat, p, p_adj (Benjamini and Hochberg over responses and tests).
    """
    table = set_tests[(set_tests["source"] == RESPONSE) & set_tests["test"].isin(wanted)]
    rotation = table[table["method"] == ROTATION]
    own = table[table["method"] == GROUPWISE].set_index(["test", "set_id"])["p"]
    beside = pd.MultiIndex.from_frame(rotation[["test", "set_id"]])
    p = np.maximum(rotation["p"].to_numpy(float), own.reindex(beside).to_numpy(float))
    out = pd.DataFrame(
        {
            "response": rotation["set_id"].to_numpy(str),
            "test": rotation["test"].to_numpy(str),
            "direction": rotation["direction"].to_numpy(str),
            "stat": rotation["stat"].to_numpy(float),
            "p": p,
        }
    )
    return out.assign(p_adj=benjamini_hochberg(p))


def _response(axis: Axis, responses: pd.DataFrame, settings: Linkage) -> Iterator[Row]:
    if not axis.response:
        yield _unknown("no genes are known by which its response can be told")
        return
    if not settings.responses:
        yield _unknown("no test is declared in linkage/responses")
        return
    towards = "up" if axis.sign > 0 else "down"
    for test in settings.responses:
        part = responses[(responses["test"] == test) & (responses["response"] == axis.response)]
        if part.empty or not np.isfinite(part["p_adj"].iloc[0]):
            yield _unknown("the response was not tested", test)
            continue
        row = part.iloc[0]
        right = row["direction"] == towards
        significant = row["p_adj"] <= settings.alpha
        yield {
            "holds": YES if significant and right else NO,
            "subject": f"{axis.response} {row['direction']} in {test}",
            "value": row["stat"],
            "unit": "t",
            "p": row["p_adj"],
            "table": SET_TESTS,
            "reason": f"the other way: {towards} is expected" if significant and not right else "",
        }


def _outcome(
    axis: Axis, associations: pd.DataFrame, question: Question, alpha: float
) -> Iterator[Row]:
    if not axis.response:
        yield _unknown("no genes are known by which its response can be told")
        return
    parts = [score_parts(s) for s in associations["score_id"]]
    own = [kind == RESPONSE and name == axis.response for kind, name, _ in parts]
    pairs = associations[np.array(own, bool) & associations["outcome"].isin(question.outcomes)]
    if pairs.empty:
        yield _unknown(
            f"no pair of {axis.response} with {', '.join(question.outcomes)} is declared"
        )
    for row in pairs.itertuples():
        cell = score_parts(row.score_id)[2]
        subject = f"{axis.response}{f' in {cell}' if cell else ''} with {row.outcome}"
        if not np.isfinite(row.p_adj):
            yield {**_unknown(row.reason or "not tested", subject), "value": row.r, "n": row.n}
            continue
        # Whether it holds beyond declared covariates is open where there is no p beyond them.
        untold = bool(row.covariates) and not np.isfinite(row.p_covariates)
        alone = not row.covariates or row.p_covariates <= alpha
        beside = f"r {row.r_covariates:.2f}, p {row.p_covariates:.2g} beyond {row.covariates}"
        if not np.isfinite(row.p_covariates):
            beside = row.covariates
        significant = row.p_adj <= alpha
        yield {
            "holds": UNKNOWN if significant and untold else YES if significant and alone else NO,
            "subject": subject,
            "value": row.r,
            "unit": "r",
            "p": row.p_adj,
            "n": row.n,
            "table": ASSOCIATIONS,
            "reason": "; ".join(s for s in (row.reason, beside) if s),
        }


def _perturbation(
    name: str, contrasts: pd.DataFrame, question: Question, settings: Linkage
) -> Iterator[Row]:
    own = [p for p in settings.perturbations if p.axis == name and p.outcome in question.outcomes]
    if not own:
        yield _unknown("no condition blocks or adds the ligand")
    for p in own:
        found = contrasts[
            (contrasts["contrast"] == p.contrast)
            & (contrasts["outcome"] == p.outcome)
            & (contrasts["variant"] == "")
            & contrasts["p_adj"].notna()
        ]
        subject = f"{p.outcome} in {p.contrast}"
        if found.empty:
            yield _unknown("the contrast has no test of this outcome against no change", subject)
            continue
        row = found.iloc[0]
        right = np.sign(row["estimate"]) == p.expected
        yield {
            "holds": YES if right and row["p_adj"] <= settings.alpha else NO,
            "subject": subject,
            "value": row["estimate"],
            "unit": row["scale"],
            "p": row["p_adj"],
            "n": row["n_animals"],
            "table": CONTRASTS,
            "reason": "" if right else "the other way than declared",
        }
