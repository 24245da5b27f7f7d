"""Which gene sets respond in the contrasts of an analysis of bulk libraries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from periomics.bulk.designs import Designed
from periomics.genes.axes import RESPONSE
from periomics.genes.scores import MIN_GENES
from periomics.genes.set_tests import effects_of, sets_tested
from periomics.genes.signatures import GeneSet, positions
from periomics.genes.tested import Tested, tested_genes
from periomics.study.interface.genes import SET_TEST_COLUMNS
from periomics.study.settings.bulk import BulkSets, BulkTests


def analysis_sets(
    of: Designed, tests: BulkTests, settings: BulkSets, sets: Sequence[tuple[str, GeneSet]]
) -> pd.DataFrame:
    """All set tests of every contrast that is tested gene by gene; contrasts that are descriptive or refused have no rows.

    Parameters
    ----------
    of
        The analysis.
    tests
        Genes with fewer counts than `min_total` are not tested.
    settings
        Sizes of sets.
    sets
        (source, set), in the symbols of the libraries' species.

    Returns
    -------
    DataFrame
        SET_TEST_COLUMNS.

    Notes
    -----
    Log counts and variances are those of the moderated test of genes, transcript lengths included where files tell them.
    """
    wanted = {c: w for c, w in of.weights.items() if of.status[c][0] == "tested"}
    tested = tested_genes(of.counts, of.model, tests.min_total, of.lengths) if wanted else None
    if tested is None:
        return pd.DataFrame(columns=list(SET_TEST_COLUMNS))
    found = [
        _contrast(tested, of.symbols, w, settings, sets).assign(test=f"{of.analysis.name}.{c}")
        for c, w in wanted.items()
    ]
    return pd.concat(found, ignore_index=True)[list(SET_TEST_COLUMNS)]


def _contrast(
    tested: Tested,
    symbols: pd.Series,
    weights: Mapping[str, float],
    settings: BulkSets,
    sets: Sequence[tuple[str, GeneSet]],
) -> pd.DataFrame:
    # Of a symbol with several genes the one with most counts stands for it: they are looked up from the first on.
    order = np.argsort(-tested.counts.sum(axis=1).to_numpy(), kind="stable")
    known = np.isfinite(tested.moderated(weights)["stat"].to_numpy(float))
    rows = order[known[order]]
    logs, vector = tested.logs, tested.model.vector(weights)
    arms = tested.model.arm_of(list(tested.counts.columns))
    effects = effects_of(logs.logs[rows], tested.matrix, vector, logs.squeezed.of(rows), arms)
    names = list(symbols.reindex(tested.counts.index[rows]).fillna(""))
    where = positions(names)
    responses = [s for s in sets if s[0] == RESPONSE]
    others = [s for s in sets if s[0] != RESPONSE]
    # Responses are few and declared: a family of their own, and as small as a score may be.
    found = [
        sets_tested(effects, part, where, least, settings.max_size)
        for part, least in ((responses, MIN_GENES), (others, settings.min_size))
    ]
    return pd.concat([t for t in found if len(t)] or found[:1], ignore_index=True)
