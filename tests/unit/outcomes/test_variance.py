"""Variance by level: planted components come back without bias, numbers equal or not, and empty or degenerate tables say why."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from periomics.outcomes.variance import (
    COLUMNS,
    SAMPLING_COLUMNS,
    nested_components,
    variance_of_mean,
    variance_tables,
)
from periomics.study.dictionary import load_dictionary
from periomics.study.sheets import read_sheet

DICTIONARY = load_dictionary(Path(__file__).resolve().parents[3] / "resources" / "outcomes.tsv")
NO_EXCLUSIONS = read_sheet("exclusions", None)
PLANTED = np.array([4.0, 2.0, 9.0])


def nest(rng, arms=4, animals=6, sections=(3, 3), fields=(5, 5)):
    """Labels of arm, animal and section of each row; numbers of sections and fields are drawn from a range."""
    rows = [
        (a, i, s)
        for a in range(arms)
        for i in range(animals)
        for s in range(rng.integers(sections[0], sections[1] + 1))
        for _ in range(rng.integers(fields[0], fields[1] + 1))
    ]
    return np.array(rows).T


def draw(rng, labels, planted=PLANTED, shift=20.0):
    arm, animal, section = labels
    u = rng.normal(0, np.sqrt(planted[0]), (4, 6))
    v = rng.normal(0, np.sqrt(planted[1]), (4, 6, 9))
    return (
        shift * arm
        + u[arm, animal]
        + v[arm, animal, section]
        + rng.normal(0, np.sqrt(planted[2]), arm.size)
    )


@pytest.mark.parametrize(
    ("sections", "fields"), [((3, 3), (5, 5)), ((1, 5), (2, 9)), ((1, 3), (1, 2))]
)
def test_planted_components_come_back_without_bias(sections, fields):
    rng = np.random.default_rng(11)
    found = []
    for _ in range(1500):
        labels = nest(rng, sections=sections, fields=fields)
        found.append(nested_components(draw(rng, labels), labels[1:], labels[0]).variance)
    found = np.array(found)
    error = found.std(axis=0, ddof=1) / np.sqrt(len(found))
    assert (np.abs(found.mean(axis=0) - PLANTED) < 3.5 * error).all(), (found.mean(axis=0), error)
    assert (error < 0.05 * PLANTED.max()).all()


def test_balanced_components_are_those_of_the_textbook():
    rng = np.random.default_rng(2)
    labels = nest(rng, arms=1)
    y = draw(rng, labels).reshape(6, 3, 5)
    between = 15 * y.mean(axis=(1, 2)).var(ddof=1)
    middle = 5 * ((y.mean(axis=2) - y.mean(axis=(1, 2))[:, None]) ** 2).sum() / 12
    within = ((y - y.mean(axis=2)[..., None]) ** 2).sum() / (6 * 3 * 4)
    found = nested_components(y.ravel(), labels[1:], labels[0])
    assert found.variance == pytest.approx([(between - middle) / 15, (middle - within) / 5, within])
    assert found.df.tolist() == [5, 12, 72] and found.n.tolist() == [6, 18, 90]


def test_arms_do_not_pass_for_variance_between_animals():
    rng = np.random.default_rng(3)
    labels = nest(rng)
    y = draw(rng, labels, shift=0.0)
    shifted = y + np.array([0.0, 500.0, -90.0, 7.0])[labels[0]]
    a, b = (nested_components(v, labels[1:], labels[0]).variance for v in (y, shifted))
    assert a == pytest.approx(b)


def test_a_mean_varies_as_foretold():
    rng = np.random.default_rng(4)
    assert variance_of_mean(PLANTED, [2, 3]) == pytest.approx(4 + 2 / 2 + 9 / 6)
    means = [
        draw(rng, labels := nest(rng, arms=1, sections=(2, 2), fields=(3, 3)))[
            labels[1] == 0
        ].mean()
        for _ in range(4000)
    ]
    df = len(means) - 1
    low, high = np.var(means, ddof=1) * df / stats.chi2.ppf([0.9995, 0.0005], df)
    assert low < variance_of_mean(PLANTED, [2, 3]) < high


def measured(labels, y, outcome="ocs", unit="%", **more):
    arm, animal, section = labels
    n = pd.Series(arm).groupby([arm, animal, section]).cumcount()
    base = {
        "specimen_id": [f"s{a}{i}" for a, i in zip(arm, animal, strict=True)],
        "animal_id": [f"a{a}{i}" for a, i in zip(arm, animal, strict=True)],
        "section_id": [f"q{s}" for s in section],
        "field_id": [f"f{k}" for k in n],
        "roi": "",
        "outcome": outcome,
        "variant": "",
        "time": 28.0,
        "value": y,
        "unit": unit,
        "numerator": np.nan,
        "denominator": np.nan,
        "level": "field",
        "role": "sample",
        "source": "measured",
        "reader": "",
        "qc": "pass",
        "condition": [f"arm{a}" for a in arm],
        "dose": np.nan,
        "replaces": "",
        "modality": "histology",
        "unit_of_analysis": "animal",
    }
    return pd.DataFrame(base | more)


def test_a_table_of_three_levels_on_both_scales():
    rng = np.random.default_rng(5)
    labels = nest(rng)
    y = 50 + draw(rng, labels, shift=2.0)
    variance, sampling = variance_tables(measured(labels, y), DICTIONARY, NO_EXCLUSIONS)
    assert list(variance.columns) == list(COLUMNS) and list(sampling.columns) == list(
        SAMPLING_COLUMNS
    )
    natural = variance[variance["scale"] == "identity"].set_index("level")
    assert list(natural.index) == ["animal", "section", "field"] and set(variance["scale"]) == {
        "identity",
        "logit",
    }
    a, s, f = natural["variance"]
    assert natural["share"].sum() == pytest.approx(1) and natural["mean_size"].tolist()[1:] == [
        3,
        5,
    ]
    assert natural.at["field", "icc"] == pytest.approx(a / (a + s + f))
    assert natural.at["animal", "design_effect"] == 1
    assert natural.at["field", "design_effect"] == pytest.approx(
        15 * (a + s / 3 + f / 15) / (a + s + f)
    )
    assert natural.at["section", "design_effect"] == pytest.approx(1 + 2 * a / (a + s + f / 5))
    here = sampling[sampling["scale"] == "identity"]
    assert len(here) == 20 and (here["relative"] > 1).all()
    best = here.sort_values("variance").iloc[0]
    assert (best["n_upper"], best["n_lower"]) == (5, 10)


def test_what_cannot_be_told_says_why():
    rng = np.random.default_rng(6)
    once = nest(rng, sections=(1, 1), fields=(1, 1))
    table, sampling = variance_tables(measured(once, draw(rng, once)), DICTIONARY, NO_EXCLUSIONS)
    assert (
        list(table["level"].unique()) == ["animal"]
        and table["reason"].str.contains("sampled once").all()
    )
    assert sampling.empty
    lone = nest(rng, arms=2, sections=(1, 1), fields=(4, 4))[:, :4]
    table, sampling = variance_tables(measured(lone, draw(rng, lone)), DICTIONARY, NO_EXCLUSIONS)
    first = table.set_index("level").loc["animal"]
    assert np.isnan(first["variance"]) and "no two units" in first["reason"] and sampling.empty
    table, sampling = variance_tables(measured(once, 5.0), DICTIONARY, NO_EXCLUSIONS)
    assert (table["variance"] == 0).all() and table["icc"].isna().all()
    empty = measured(once[:, :0], [])
    table, sampling = variance_tables(empty, DICTIONARY, NO_EXCLUSIONS)
    assert table.empty and list(table.columns) == list(COLUMNS) and sampling.empty


def test_wells_of_isolations_are_a_level_of_their_own():
    rng = np.random.default_rng(7)
    labels = nest(rng, arms=2, sections=(1, 1), fields=(3, 3))
    y = 100 + draw(rng, labels)
    table, sampling = variance_tables(
        measured(
            labels,
            y,
            outcome="prol",
            unit="% of vehicle",
            section_id="",
            level="well",
            unit_of_analysis="isolation",
        ),
        DICTIONARY,
        NO_EXCLUSIONS,
    )
    assert list(table["level"].unique()) == ["isolation", "well"]
    assert set(sampling["lower_level"]) == {"well"} and sampling["n_upper"].isna().all()
