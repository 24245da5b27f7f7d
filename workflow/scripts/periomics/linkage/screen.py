"""The other way round: which sets track an outcome, among all that are scored. A screen, not the declared pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from periomics.core.multiplicity import benjamini_hochberg
from periomics.core.seeds import generator
from periomics.genes import footprints, regulons
from periomics.linkage.pairs import CONCORDANCE, WITHIN, genes_of_set, on_scale, tested
from periomics.study.dictionary import score_parts, scores_among
from periomics.study.interface.linkage import SCREEN_COLUMNS

# Kind of the scores that check tissue and technique: they answer no question.
_CHECKS = "qc"
# Kinds of scores from weights of many genes: families of their own beside the sets.
_MODELLED = {footprints.KIND: "footprints", regulons.KIND: "factors"}


def screen(
    measured: pd.DataFrame,
    animals: pd.DataFrame,
    pairs: Sequence[Mapping[str, object]],
    *,
    dictionary: pd.DataFrame,
    assay_genes: Mapping[str, set[str]],
    set_genes: Mapping[str, set[str]],
    seed: int,
    n_permutations: int,
) -> pd.DataFrame:
    """Test every score against every outcome that a declared pair names, in the units of that pair.

    Parameters
    ----------
    measured, animals, dictionary, assay_genes, set_genes, seed, n_permutations
        As for `associate`.
    pairs
        The declared pairs: their outcomes and units are screened.

    Returns
    -------
    DataFrame
        SCREEN_COLUMNS, by outcome and p. Benjamini and Hochberg over the scores of tissue, and over
        those of cell types, of one outcome and kind of unit, footprints and factors of tissue each apart:
        a family of thousands could not pass the smallest p that permutations give. Those of cell types
        are for declared pairs. Sets that hold the assay's own gene are outside and say so.
    """
    values, _ = on_scale(measured, dictionary)
    names = pd.Series(sorted(set(values["outcome"])), dtype=str)
    scores = [s for s in names[scores_among(names)] if _screened(*score_parts(s))]
    asked = sorted({(str(p["outcome"]), str(p.get("units", "animal"))) for p in pairs})
    parts = {str(o): part for o, part in values.groupby("outcome")}
    units_with = {o: set(part["animal_id"]) for o, part in parts.items()}
    rows = []
    for outcome, units in asked:
        for score in scores:
            # Most scores are of other units than most outcomes.
            if units_with[score].isdisjoint(units_with.get(outcome, ())):
                continue
            own_rows = pd.concat([parts[name] for name in dict.fromkeys((score, outcome))])
            rng = generator(seed, "screen", f"{score}~{outcome}")
            found = tested(
                own_rows,
                animals,
                (score, outcome),
                units in WITHIN,
                rng,
                n_permutations,
                ends=False,
            )
            if not found["n"]:
                continue
            own = assay_genes.get(outcome, set()) & genes_of_set(score, set_genes)
            shared = f"the set holds the assay's own gene: {', '.join(sorted(own))}"
            said = [str(found["reason"]), shared if own else ""]
            rows.append(
                {
                    **found,
                    "outcome": outcome,
                    "score_id": score,
                    "units": units,
                    "family": CONCORDANCE if own else _family(outcome, units, score),
                    "reason": "; ".join(s for s in said if s),
                }
            )
    out = pd.DataFrame(rows).reindex(columns=list(SCREEN_COLUMNS))
    out["direction"] = np.select([out["r"] > 0, out["r"] < 0], ["up", "down"], "")
    out["p_adj"] = np.nan
    for family, part in out.groupby("family"):
        if family != CONCORDANCE:
            out.loc[part.index, "p_adj"] = benjamini_hochberg(part["p"].to_numpy(float))
    return out.sort_values(["outcome", "units", "p", "score_id"]).reset_index(drop=True)


def _screened(kind: str, _: str, cell: str) -> bool:
    return kind != _CHECKS and not (kind in _MODELLED and cell)


def _family(outcome: str, units: str, score: str) -> str:
    kind, _, cell = score_parts(score)
    parts = [
        f"{units}",
        *([_MODELLED[kind]] if kind in _MODELLED else []),
        *(["cell types"] * bool(cell)),
    ]
    return f"screen of {outcome} ({', '.join(parts)})"
