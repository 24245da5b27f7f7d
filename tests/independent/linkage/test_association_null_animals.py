"""Error of the test of a link over animals, from generators of its own: written from the definition, not from the code."""

import numpy as np
import pandas as pd
import pytest
from independent.linkage.drawn import Drawn, asked, holds_its_level, same_side

STUDIES = 400


def study(rng, sizes, sd=(), blocks=3, noise="normal", whole=False, floor=None, link=0.0):
    """Arms and blocks that move score and outcome alike; beyond them only `link`."""
    arm = np.repeat(np.arange(len(sizes)), sizes)
    n = arm.size
    spread = np.asarray(sd or [1.0] * len(sizes))[arm]
    block = rng.permutation(np.resize(np.arange(blocks), n))
    by_arm, by_block = rng.normal(0, 2, len(sizes)), rng.normal(0, 2, blocks)
    draw = {
        "normal": rng.normal,
        "t": lambda size: rng.standard_t(2.5, size),
        "skew": lambda size: rng.exponential(size=size) - 1,
    }[noise]
    own = draw(size=n)
    values = [by_arm[arm] + by_block[block] + spread * own]
    values += [0.8 * by_arm[arm] + 0.9 * by_block[block] + spread * (draw(size=n) + link * own)]
    if whole:
        values = [np.round(v) for v in values]
    if floor is not None:
        values = [np.maximum(v, floor) for v in values]
    ids, arms = [f"A{i}" for i in range(n)], [f"g{k}" for k in arm]
    days = [f"b{k}" if blocks > 1 else "" for k in block]
    return Drawn(*values, ids, arms, [np.nan] * n, arms, days)


DESIGNS = {
    "blocks move both": {"sizes": (6, 6, 6, 6)},
    "six blocks, twelve animals": {"sizes": (4, 4, 4), "blocks": 6},
    "unequal numbers and SD": {"sizes": (1, 6, 6, 3), "sd": (1, 1, 4, 0.3)},
    "arms of two, SD three times": {"sizes": (10, 2, 2, 2), "sd": (1, 3, 3, 1), "blocks": 4},
    "no blocks, SD 17 times": {"sizes": (10, 2, 2, 2), "sd": (0.3, 5, 5, 1), "blocks": 1},
    "arms of one": {"sizes": (13, 1, 1, 4)},
    "heavy tails": {"sizes": (6, 6, 6), "sd": (1, 2, 3), "noise": "t"},
    "skewed": {"sizes": (6, 6, 6), "sd": (1, 2, 3), "noise": "skew"},
    "ties": {"sizes": (6, 6, 6), "whole": True},
    "zeros": {"sizes": (6, 6, 6, 6), "whole": True, "floor": 0},
    "arms of four, SD ten times": {"sizes": (4, 4, 4, 4), "sd": (1, 10, 1, 1), "blocks": 4},
    # An arm of few that varies most reaches the others' residuals through the blocks.
    "arms of two, SD ten times": {"sizes": (10, 2, 2, 2), "sd": (1, 10, 10, 1), "blocks": 4},
}


# Least share that is tested; of the others a reason says that too few animals vary.
TESTED = {
    "six blocks, twelve animals": 0.63,
    "unequal numbers and SD": 0.95,
    "arms of two, SD three times": 0.6,
    "no blocks, SD 17 times": 0.03,
    "heavy tails": 0.95,
    "ties": 0.9,
    "zeros": 0.05,
    "arms of four, SD ten times": 0.8,
    "arms of two, SD ten times": 0.13,
}


@pytest.mark.parametrize("name", DESIGNS)
def test_without_a_link_the_test_errs_as_often_as_it_says(name):
    """Arms and days of surgery that move both are no link; with many zeros they do not add up, which is said."""
    holds_its_level(lambda rng: study(rng, **DESIGNS[name]), STUDIES, TESTED.get(name, 1.0))


def test_a_planted_link_is_found():
    """r about .71 beyond arms and blocks, 24 animals: power by t about .97, here at least .8."""
    found = pd.DataFrame(
        [asked(study(np.random.default_rng(s), (6, 6, 6, 6), link=1.0)) for s in range(30)]
    )
    assert (found["p"] <= 0.05).mean() >= 0.8
    assert all(same_side(row) for _, row in found.iterrows())
    assert found["r"].median() == pytest.approx(0.71, abs=0.1)
    assert all((found["lower"] <= found["r"]) & (found["r"] <= found["upper"]))
