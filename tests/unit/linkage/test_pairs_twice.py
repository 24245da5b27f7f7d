"""A declared pair that stands twice is refused."""

from periomics.study.settings.linkage import Linkage, Pair


def test_a_pair_that_stands_twice_is_named_and_other_units_are_another_pair():
    first = Pair(score="score:response:tgfb", outcome="ln332")
    other = first.but(units="isolation")
    assert not list(Linkage(pairs=(first, other)).contradictions())
    (found,) = Linkage(pairs=(first, other, first)).contradictions()
    assert found.key == "pairs/2" and "twice" in found.message
