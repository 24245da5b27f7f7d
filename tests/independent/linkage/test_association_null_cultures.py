"""Error of the test of a link over isolations, from generators of its own: written from the definition, not from the code."""

import numpy as np
import pandas as pd
import pytest
from independent.linkage.drawn import Drawn, asked, holds_its_level, same_side

STUDIES = 400
PLAIN = (("vehicle", np.nan), ("medium", np.nan), ("vehicle_cue", np.nan), ("medium_cue", np.nan))
DOSED = (("vehicle", np.nan), ("medium", 1.0), ("medium", 2.0), ("medium", 4.0))


def study(rng, isolations, cells=PLAIN, effect=2.0, own=0.0, lost=0, link=0.0, unlike=False):
    """Medium and cue that move both, isolations with levels and responses of their own; beyond them only `link`.

    `lost` isolations lack one condition in both, drawn anew.
    """
    shape = (isolations, len(cells))
    moved = rng.normal(0, effect, len(cells))
    spread = np.exp(rng.normal(size=(isolations, 1))) if unlike else 1.0
    noise = rng.normal(size=shape)
    values = [
        share * moved
        + rng.normal(0, 2, (isolations, 1))
        + own * rng.normal(size=(isolations, 1)) * moved
        + spread * (rng.normal(size=shape) + pull * noise)
        for share, pull in ((1.0, link), (0.7, link))
    ]
    kept = np.ones(shape, bool)
    for i in range(lost):
        kept[i, rng.integers(len(cells))] = False
    iso, cell = np.nonzero(kept)
    ids = [f"I{i}" for i in iso]
    conditions, doses = [cells[j][0] for j in cell], [cells[j][1] for j in cell]
    none = [""] * len(ids)
    return Drawn(*(v[kept] for v in values), ids, conditions, doses, none, none)


DESIGNS = {
    "four isolations": {"isolations": 4},
    "own responses": {"isolations": 5, "own": 1.0, "effect": 4.0},
    "own responses, unlike spreads": {"isolations": 5, "own": 1.0, "unlike": True},
    "some lack a condition": {"isolations": 8, "own": 0.5, "lost": 3},
    "doses": {"isolations": 6, "cells": DOSED, "own": 0.5, "lost": 1},
    "twelve, unlike spreads": {"isolations": 12, "own": 1.0, "unlike": True},
    "seven, unlike spreads": {"isolations": 7, "own": 1.0, "unlike": True},
}
# Least share that is tested; of the others a reason says that too few isolations vary.
TESTED = {
    "four isolations": 0.93,
    "own responses": 0.77,
    "own responses, unlike spreads": 0.81,
    "some lack a condition": 0.97,
    "doses": 0.95,
    "twelve, unlike spreads": 0.83,
    "seven, unlike spreads": 0.8,
}


@pytest.mark.parametrize("name", DESIGNS)
def test_without_a_link_the_test_errs_as_often_as_it_says(name):
    """Treatments that move both, and responses of isolations, are no link."""
    holds_its_level(lambda rng: study(rng, **DESIGNS[name]), STUDIES, TESTED[name])


@pytest.mark.parametrize("isolations", [5, 6, 7])
def test_one_isolation_that_varies_fifty_times_as_much_is_no_test(isolations):
    """Orders alone give p of .05 or less in .2 to .4 of such studies without a link."""
    for s in range(20):
        rng = np.random.default_rng(s)
        of = study(rng, isolations)
        loud = np.where(np.array(of.unit) == "I0", 50.0, 1.0)
        score, outcome = (loud * rng.normal(size=len(loud)) for _ in range(2))
        row = asked(of._replace(score=of.score + score, outcome=of.outcome + outcome))
        assert np.isnan(row["p"]) and np.isnan(row["lower"]) and np.isfinite(row["r"])
        assert "of too few units" in row["reason"]


def test_a_planted_link_is_found():
    """Noise that score and outcome share, r about .8 in six isolations of four conditions."""
    found = pd.DataFrame([asked(study(np.random.default_rng(s), 6, link=2.0)) for s in range(30)])
    assert (found["p"] <= 0.05).mean() >= 0.8
    assert all(same_side(row) for _, row in found.iterrows())
    assert found["r"].median() == pytest.approx(0.8, abs=0.1)
