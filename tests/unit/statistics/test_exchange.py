"""What the design allows to be exchanged, by hand and by counting; p-values whose null behaviour is measured."""

from collections import Counter
from itertools import permutations

import numpy as np
import pytest
from scipy import stats

from periomics.statistics.kernels.exchange import (
    SlopeTest,
    of_animals,
    of_units,
    p_value,
    studentised,
)
from periomics.statistics.kernels.permutation import labellings, relabellings


def rate_bounds(n, level=0.05, confidence=0.9995):
    return stats.binom.interval(confidence, n, level)


def test_animals_move_within_their_arm_only():
    arm = np.array(list("AABBBC"))
    design = of_animals(arm)
    assert design.count == 2 * 6 and design.floor(9999) == 1 / 12
    orders = np.concatenate(list(design.orders(9999, np.random.default_rng(0))))
    assert len(orders) == 11 and len(np.unique(orders, axis=0)) == 11
    assert (arm[orders] == arm).all()
    assert not (orders == np.arange(6)).all(axis=1).any()


def test_random_orders_keep_the_design_too():
    arm = np.repeat(list("ABC"), 8)
    design = of_animals(arm)
    orders = np.concatenate(list(design.orders(300, np.random.default_rng(0))))
    assert orders.shape == (300, 24) and (arm[orders] == arm).all()
    assert (np.sort(orders, axis=1) == np.arange(24)).all() and design.floor(300) == 1 / 301


def test_units_move_as_wholes_against_those_with_the_same_conditions():
    unit = np.array(["i", "i", "j", "j", "k", "k", "l"])
    condition = np.array(["v", "m", "m", "v", "v", "m", "v"])
    design = of_units(unit, condition)
    assert design.count == 6  # i, j and k; l lacks the medium
    for order in np.concatenate(list(design.orders(99, np.random.default_rng(0)))):
        assert (condition[order] == condition).all() and order[6] == 6
        for name in "ijk":
            assert len(set(unit[order][unit == name])) == 1


def test_fixed_effects_are_taken_out_as_by_least_squares():
    rng = np.random.default_rng(1)
    arm, block = np.repeat(list("ABCD"), 6), np.tile(list("123456"), 4)
    y = rng.standard_normal(24) + 5 * (arm == "B") + 3 * (block == "2")
    columns = [np.ones(24)]
    columns += [arm == a for a in "BCD"] + [block == b for b in "23456"]
    z = np.stack(columns, axis=1).astype(float)
    design = of_animals(arm, block)
    expected = y - z @ np.linalg.lstsq(z, y, rcond=None)[0]
    np.testing.assert_allclose(design.fixed @ y, expected, atol=1e-10)
    assert design.freedom == 24 - 9 and design.adjusted_for == ("arm", "block")


def test_blocks_that_some_animals_lack_are_not_used():
    arm, block = np.repeat(list("AB"), 3), np.array(["1", "2", "", "1", "2", "3"])
    assert of_animals(arm, block).adjusted_for == ("arm",)
    assert of_animals(arm, np.full(6, "1")).adjusted_for == ("arm",)


def test_p_of_few_units_by_counting_every_order():
    rng = np.random.default_rng(2)
    unit, condition = np.repeat(list("ijkl"), 3), np.tile(list("abc"), 4)
    x, y = rng.standard_normal(12), rng.standard_normal(12)
    table = y.reshape(4, 3)

    def centred(v):
        v = v.reshape(4, 3)
        return v - v.mean(axis=0) - v.mean(axis=1, keepdims=True) + v.mean()

    def statistic(v):
        a, b = centred(x), centred(v)
        slope = (a * b).sum() / (a * a).sum()
        return abs((a * b).sum()) / np.sqrt(((a * (b - slope * a)).sum(axis=1) ** 2).sum())

    every = [statistic(table[list(o)].ravel()) for o in permutations(range(4))]
    expected = np.mean(np.array(every) >= statistic(y) - 1e-9)
    test = SlopeTest(x, y, of_units(unit, condition), rng, 999)
    assert test.by_order() == pytest.approx(expected)


def test_slope_over_its_standard_error_by_hand():
    x, y = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 1.0, -1.0, 2.0])
    e = y - 8 / 30 * x
    one, two = np.sqrt(((x * e) ** 2).sum()), np.hypot((x * e)[:2].sum(), (x * e)[2:].sum())
    assert studentised(x, y, np.arange(4)) == pytest.approx(8 / one)
    assert studentised(x, y, np.array([0, 0, 1, 1])) == pytest.approx(8 / two)
    assert studentised(x, np.zeros(4), np.arange(4)) == 0
    assert studentised(np.zeros(4), y, np.arange(4)) == 0
    many = studentised(x, np.stack([y, -y, 2 * y]), np.arange(4))
    assert many == pytest.approx([8 / one, -8 / one, 8 / one])
    assert studentised(x, 3 * x, np.arange(4)) > 1e6


@pytest.mark.parametrize(
    ("sizes", "share", "sd"),
    [
        ((6, 6, 6, 6), 0.3, (1, 1, 1, 1)),
        ((4, 4, 4, 4), 0.5, (1, 1, 1, 1)),
        ((6, 6, 6, 6), 0.3, (1, 3, 1, 1)),
        ((1, 6, 6, 3), 0.3, (1, 2, 1, 1)),
    ],
)
def test_blocks_and_arms_that_move_both_are_no_link(sizes, share, sd):
    """A shared day of surgery moved score and outcome: arms alone give .16 to .6 here."""
    rng, n, hits = np.random.default_rng(3), sum(sizes), 0
    arm = np.repeat(list("ABCD"), sizes)
    day = np.concatenate([np.arange(s) for s in sizes])
    design = of_animals(arm, day.astype(str))
    for _ in range(500):
        shared = np.sqrt(share) * rng.standard_normal(6)[day] + 2 * (arm == "B")
        x, y = (
            shared + np.sqrt(1 - share) * rng.standard_normal(n) * np.repeat(sd, sizes)
            for _ in range(2)
        )
        hits += p_value(x, y, design, rng, 199) <= 0.05
    assert hits <= rate_bounds(500)[1]


@pytest.mark.parametrize(("isolations", "effect", "spread"), [(4, 1, 0), (6, 3, 0), (6, 3, 1)])
def test_treatments_that_move_both_are_no_link(isolations, effect, spread):
    """Medium and cue act on score and outcome; permuting within isolations rejected .40 to .59 of such studies."""
    rng, hits = np.random.default_rng(4), 0
    unit = np.repeat([f"I{k}" for k in range(isolations)], 4)
    design = of_units(unit, np.tile(["v", "m", "vc", "mc"], isolations))
    dose = np.tile([0.0, 1.0, 1.0, 2.0], isolations)
    for _ in range(400):
        both = np.repeat(2 * rng.standard_normal(isolations), 4) + effect * dose
        x, y = (
            both
            + np.repeat(spread * rng.standard_normal(isolations), 4) * dose
            + rng.standard_normal(4 * isolations)
            for _ in range(2)
        )
        hits += p_value(x, y, design, rng, 999) <= 0.05
    assert hits <= rate_bounds(400)[1]
    assert hits > 0


def test_arms_dealt_anew_are_the_orders_of_the_engine_within_blocks():
    """What routes and checks of contrasts relabel (`permutation.labellings`) is what the engine
    exchanges where a block's animals are alike under the null: every labelling, each as often as
    any other."""
    first = np.array([1, 1, 0, 0, 1, 0, 0], bool)
    block = np.array(["a", "a", "a", "a", "b", "b", "b"])
    design = of_animals(block)
    orders = np.concatenate([np.arange(7)[None], *design.orders(10_000, np.random.default_rng(1))])
    by_engine = Counter(tuple(first[order]) for order in orders)
    masks, every = labellings(first, block, np.random.default_rng(1))
    assert every and len(masks) == relabellings(first, block) == 18
    assert set(by_engine) == {tuple(mask) for mask in masks}
    assert len(orders) == design.count == 144 and set(by_engine.values()) == {8}


def test_drawn_labellings_and_drawn_orders_have_one_distribution():
    first, block = (
        np.array([1, 1, 0, 0, 1, 0, 0], bool),
        np.array([0, 0, 0, 0, 1, 1, 1]).astype(str),
    )
    rng = np.random.default_rng(2)
    drawn, every = labellings(first, block, rng, exact=0, draws=18_000)
    orders = [of_animals(block).orders(100, rng) for _ in range(180)]
    ways = [drawn, np.concatenate([first[part] for each in orders for part in each])]
    for masks in ways:
        found = Counter(map(tuple, masks))
        assert not every and len(found) == 18
        assert stats.chisquare(list(found.values())).pvalue > 0.001
