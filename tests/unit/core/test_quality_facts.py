"""Facts of quality with their limits."""

import pytest

from periomics.core.quality import Fact


@pytest.mark.parametrize(
    ("value", "least", "beyond"),
    [(5, False, False), (5.1, False, True), (5, True, False), (4.9, True, True)],
)
def test_the_limit_itself_is_allowed(value, least, beyond):
    assert Fact("rings", value, "%", 5, least).beyond is beyond


@pytest.mark.parametrize("least", [False, True])
def test_what_is_no_number_lies_beyond(least):
    assert Fact("rings", float("nan"), "%", 5, least).beyond


def test_description():
    assert Fact("rings", 18.25, "%", 5).describe() == "rings 18.2 % (limit 5 %)"
    assert Fact("bars", 1, "", 0).describe() == "bars 1 (limit 0)"
