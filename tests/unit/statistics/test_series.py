"""Summaries of repeated times: hand values, ragged and missing times, scaling."""

import warnings

import numpy as np
import pytest

from periomics.statistics.kernels import series as s


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


UNIT = np.array([0, 0, 0, 1, 1, 1, 2, 2])
TIME = np.array([0.0, 1, 3, 3, 0, 2, 0, 3])
VALUE = np.array([0.0, 2, 6, 5, 5, 5, 9, 0])


def test_by_hand():
    got = s.summarise_series(UNIT, TIME, VALUE)
    np.testing.assert_allclose(got["slope"], [2, 0, -3])
    np.testing.assert_allclose(got["auc"], [9, 15, 13.5])  # trapezoids: 1 + 8; 5 × 3; 9 × 3 / 2
    np.testing.assert_allclose(got["mean_level"], [3, 5, 4.5])
    np.testing.assert_allclose(got["change"], [6, 0, -9])
    assert got["n_times"].tolist() == [3, 3, 2] and (got["reason"] == "").all()


def test_ragged_times_are_compared_over_the_common_window():
    got = s.summarise_series([0, 0, 1, 1, 1], [0, 10, 2, 6, 8], [0, 10, 4, 4, 4])
    # The window is 2 to 8; the first curve is interpolated there: (2 + 8) / 2 × 6.
    np.testing.assert_allclose(got["auc"], [30, 24])
    np.testing.assert_allclose(got["change"], [6, 0])
    wide = s.summarise_series([0, 0, 1, 1, 1], [0, 10, 2, 6, 8], [0, 10, 4, 4, 4], window=(0, 10))
    assert (
        wide["auc"].tolist()[0] == 50 and np.isnan(wide["auc"][1]) and s.SHORT in wide["reason"][1]
    )
    assert wide["slope"][1] == 0  # what needs no window stays


@pytest.mark.parametrize(
    ("unit", "time", "value"),
    [
        ([0], [1.0], [2.0]),
        ([0, 0], [1.0, 1.0], [2.0, 3.0]),
        ([0, 0], [0.0, 1.0], [np.nan, 1.0]),
        ([0, 0], [np.nan, 1], [1, 1]),
        ([], [], []),
    ],
)
def test_too_little_is_nan_with_a_reason(unit, time, value):
    got = s.summarise_series(unit, time, value, n_units=1)
    assert len(got) == 1 and got["reason"][0] == s.FEW
    assert got[["slope", "auc", "change"]].isna().all(axis=None)


def test_units_without_a_common_span():
    got = s.summarise_series([0, 0, 1, 1], [0, 1, 5, 6], [1, 2, 3, 4])
    assert (
        got["auc"].isna().all()
        and (got["slope"] == 1).all()
        and (got["reason"] == "the units share no span of time").all()
    )


def test_a_missing_time_a_repeated_time_and_a_row_left_out():
    got = s.summarise_series([0, 0, 0, 0, -1], [0, 1, 1, 2, 9], [0, 1, 3, np.nan, 7])
    assert got["n_times"].tolist() == [2] and got["slope"][0] == 2


def test_units_constants_and_order():
    rng = np.random.default_rng(1)
    unit, time = np.repeat(range(5), 6), np.tile(np.arange(6.0), 5)
    value = rng.normal(size=30)
    base = s.summarise_series(unit, time, value)
    plus, scaled = (
        s.summarise_series(unit, time, value + 7),
        s.summarise_series(unit, 24 * time, 10 * value),
    )
    np.testing.assert_allclose(plus[["slope", "change"]], base[["slope", "change"]], atol=1e-12)
    np.testing.assert_allclose(plus["mean_level"], base["mean_level"] + 7)
    np.testing.assert_allclose(scaled["slope"], base["slope"] * 10 / 24)
    np.testing.assert_allclose(scaled["auc"], base["auc"] * 240)
    order = rng.permutation(30)
    again = s.summarise_series(unit[order], time[order], value[order])
    np.testing.assert_allclose(
        again.drop(columns="reason").astype(float), base.drop(columns="reason").astype(float)
    )
    for u in range(5):
        assert base["slope"][u] == pytest.approx(np.polyfit(time[:6], value[unit == u], 1)[0])
